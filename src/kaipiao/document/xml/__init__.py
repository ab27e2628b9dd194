"""The delivered XML (`EInvoice`): read every generation by element name, write the current one.

Law: `read_invoice(write_invoice(read_invoice(x))) == read_invoice(x)`, and the written file equals `x` element by element
except for order, white space between elements, comments, processing instructions, prefixes and the declaration.
"""

from kaipiao.document.xml.reader import read_invoice
from kaipiao.document.xml.writer import write_invoice

__all__ = ["read_invoice", "write_invoice"]
