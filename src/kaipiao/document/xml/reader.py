"""Read an `EInvoice` of any generation, by element name.

Order, white space, missing optional blocks, empty elements, odd labels and namespaces are tolerated and kept. Refused is
only what has no one meaning: an element that stands twice where it may stand once, an amount that is missing or is no
number, a file that is no `EInvoice`.
"""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from kaipiao.document.xml import oddities
from kaipiao.document.xml.element import element_of, namespace_of
from kaipiao.document.xml.typed import read_typed
from kaipiao.document.xml.untrusted import DEFAULT, Limits, parse
from kaipiao.document.xml.writer import typed_page
from kaipiao.invoice.model import Invoice


def read_invoice(data: bytes, limits: Limits = DEFAULT) -> Invoice:
    """The invoice of an XML file. Raises `Malformed` (with line and path where known) and `TooLarge`."""
    return invoice_of(parse(data, limits))


def invoice_of(root: etree._Element) -> Invoice:
    """The invoice of a parsed file, with everything that the typed fields do not say in `extra` and `absent`."""
    typed = read_typed(root)
    extra, absent = oddities.differences(element_of(root, namespace_of(root)), typed_page(typed))
    return replace(typed, extra=extra, absent=absent)
