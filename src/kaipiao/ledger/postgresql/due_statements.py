"""SQL that asks whose turn it is, in PostgreSQL. What is issued has an index of its own."""

# ruff: noqa: S608

from kaipiao.ledger.postgresql.statements import INVOICE_COLUMNS


def _due(state: str) -> str:
    """$2 the instant, $3 the limit, $4 of each, $5 the taxpayers or NULL; $1, the state, is a word in `state`."""
    return f"""
WITH RECURSIVE waiting (taxpayer) AS (
    -- lint: all taxpayers: each taxpayer once, so that each has its turn
    SELECT min(i.taxpayer) FROM invoice AS i WHERE {state} AND i.next_at IS NOT NULL
    UNION ALL
    SELECT (SELECT min(i.taxpayer) FROM invoice AS i WHERE {state} AND i.next_at IS NOT NULL AND i.taxpayer > w.taxpayer)
    FROM waiting AS w WHERE w.taxpayer IS NOT NULL
), places AS (
    SELECT w.taxpayer, d.id, d.next_at, row_number() OVER (PARTITION BY w.taxpayer ORDER BY d.next_at, d.id) AS place
    FROM waiting AS w, LATERAL (
        SELECT i.id, i.next_at FROM invoice AS i WHERE i.taxpayer = w.taxpayer AND {state} AND i.next_at <= $2
        ORDER BY i.next_at, i.id LIMIT $4
    ) AS d
    WHERE w.taxpayer IS NOT NULL AND ($5::text[] IS NULL OR w.taxpayer = ANY($5))
    ORDER BY place, next_at, taxpayer, id LIMIT $3
)
SELECT {INVOICE_COLUMNS} FROM places AS p JOIN invoice AS i ON i.taxpayer = p.taxpayer AND i.id = p.id
ORDER BY p.place, p.next_at, p.taxpayer, p.id
"""


DUE = _due("i.state = $1 AND i.state <> 'issued'")

DUE_ISSUED = _due("i.state = $1 AND i.state = 'issued'")
