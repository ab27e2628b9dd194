"""SQL that asks whose turn it is, in PostgreSQL. What is issued has an index of its own."""

# ruff: noqa: S608

from kaipiao.ledger.postgresql.statements import INVOICE_COLUMNS


# Where a state may be common, the planner would rather read a taxpayer's invoices one by one until it meets one in that
# state. Rows are compared as (state, taxpayer), which only the indexes that begin with both can do.
def _due(state: str) -> str:
    """$1 the state, $2 the instant, $3 the limit, $4 of each, $5 the taxpayers or NULL. `state`: what the index demands."""
    return f"""
WITH RECURSIVE waiting (state, taxpayer) AS (
    (
        -- lint: all taxpayers: each taxpayer once, so that each has its turn
        SELECT i.state, i.taxpayer FROM invoice AS i WHERE {state} AND (i.state, i.taxpayer) >= ($1, '')
        ORDER BY i.state, i.taxpayer LIMIT 1
    )
    UNION ALL
    SELECT n.state, n.taxpayer FROM waiting AS w, LATERAL (
        -- lint: all taxpayers: each taxpayer once, so that each has its turn
        SELECT i.state, i.taxpayer FROM invoice AS i WHERE {state} AND (i.state, i.taxpayer) > (w.state, w.taxpayer)
        ORDER BY i.state, i.taxpayer LIMIT 1
    ) AS n WHERE w.state = $1
), places AS (
    SELECT w.taxpayer, d.id, d.next_at, row_number() OVER (PARTITION BY w.taxpayer ORDER BY d.next_at, d.id) AS place
    FROM waiting AS w, LATERAL (
        -- lint: all taxpayers: of this one only, from its first place in the index to the last that is due
        SELECT i.id, i.next_at FROM invoice AS i WHERE {state}
        AND (i.state, i.taxpayer, i.next_at) >= (w.state, w.taxpayer, -9223372036854775807::bigint)
        AND (i.state, i.taxpayer, i.next_at) <= (w.state, w.taxpayer, $2::bigint)
        ORDER BY i.state, i.taxpayer, i.next_at, i.id LIMIT $4
    ) AS d
    WHERE w.state = $1 AND ($5::text[] IS NULL OR w.taxpayer = ANY($5))
    ORDER BY place, next_at, taxpayer, id LIMIT $3
)
SELECT {INVOICE_COLUMNS} FROM places AS p, LATERAL (
    SELECT * FROM invoice AS i WHERE i.taxpayer = p.taxpayer AND i.id = p.id OFFSET 0 -- one by one, not the whole table
) AS i
ORDER BY p.place, p.next_at, p.taxpayer, p.id
"""


DUE = _due("i.state <> 'issued' AND i.next_at IS NOT NULL")

DUE_ISSUED = _due("i.state <> 'confirmed'")
