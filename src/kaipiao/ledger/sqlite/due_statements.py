"""SQL that asks whose turn it is, in SQLite. What is issued has an index of its own."""

from kaipiao.ledger.sqlite.statements import INVOICE_COLUMNS

# lint: all taxpayers: each taxpayer once, so that each has its turn
NEXT_WAITING = """
SELECT min(taxpayer) FROM invoice
WHERE state = ? AND state <> 'issued' AND next_at IS NOT NULL AND taxpayer > ?
"""

# lint: all taxpayers: each taxpayer once, so that each has its turn
NEXT_WITH_ISSUED = "SELECT min(taxpayer) FROM invoice WHERE state = 'issued' AND taxpayer > ?"

DUE_OF = """
SELECT json_group_array(json_array(next_at, id)) FROM (
    SELECT next_at, id FROM invoice
    WHERE taxpayer = ? AND state = ? AND state <> 'issued' AND next_at <= ? ORDER BY next_at, id LIMIT ?
)
"""

DUE_ISSUED_OF = """
SELECT json_group_array(json_array(next_at, id)) FROM (
    SELECT next_at, id FROM invoice
    WHERE taxpayer = ? AND state = 'issued' AND next_at <= ? ORDER BY next_at, id LIMIT ?
)
"""

INVOICES = f"""
SELECT {INVOICE_COLUMNS} FROM invoice WHERE taxpayer = ? AND id IN (SELECT value FROM json_each(?))
"""  # noqa: S608
