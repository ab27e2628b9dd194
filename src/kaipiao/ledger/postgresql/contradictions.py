"""Sums that must hold. Each statement finds rows that contradict each other; none may ever be found."""

# ruff: noqa: S608

from kaipiao.ledger.postgresql.statements import COUNTS_ARE_KEPT

# lint: all taxpayers: sums are checked over the whole ledger
CONTRADICTIONS = {
    "a finished block's count of used numbers differs from its entries": """
        SELECT b.taxpayer, b.id FROM number_block AS b LEFT JOIN (
            SELECT taxpayer, block, count(*) AS count FROM number_entry GROUP BY taxpayer, block
        ) AS e ON e.taxpayer = b.taxpayer AND e.block = b.id WHERE b.used <> coalesce(e.count, 0)
    """,
    "a block has more entries than numbers": """
        SELECT b.taxpayer, b.id FROM number_block AS b JOIN (
            SELECT taxpayer, block, count(*) AS count FROM number_entry GROUP BY taxpayer, block
        ) AS e ON e.taxpayer = b.taxpayer AND e.block = b.id WHERE b.size - b.expired < e.count
    """,
    "a segment's carved numbers differ from its blocks": """
        SELECT taxpayer, serial FROM number_segment AS s WHERE carved <> (
            SELECT coalesce(sum(b.size), 0) FROM number_block AS b
            WHERE b.taxpayer = s.taxpayer AND b.serial = s.serial)
    """,
    "a number lies outside of its block": """
        SELECT e.taxpayer, e.number FROM number_entry AS e
        LEFT JOIN number_block AS b ON b.taxpayer = e.taxpayer AND b.id = e.block
        WHERE e.block IS NOT NULL AND (b.id IS NULL OR e.number NOT BETWEEN b.first AND b.last)
    """,
    "an invoice's number is not its entry": """
        SELECT i.taxpayer, i.id FROM invoice AS i
        LEFT JOIN number_entry AS e ON e.taxpayer = i.taxpayer AND e.number = i.number
        WHERE i.number IS NOT NULL AND e.invoice IS DISTINCT FROM i.id
    """,
    "an entry's invoice does not have the number": """
        SELECT e.taxpayer, e.number FROM number_entry AS e
        LEFT JOIN invoice AS i ON i.taxpayer = e.taxpayer AND i.id = e.invoice WHERE i.number IS DISTINCT FROM e.number
    """,
    "an order key has no live invoice, or an invoice no order key": """
        SELECT coalesce(k.taxpayer, i.taxpayer), coalesce(k.invoice, i.id) FROM order_key AS k
        FULL JOIN (SELECT taxpayer, id FROM invoice WHERE state <> 'replaced') AS i
            ON i.taxpayer = k.taxpayer AND i.id = k.invoice
        WHERE k.invoice IS NULL OR i.id IS NULL
    """,
    "an order has more than one live invoice, or none": """
        SELECT taxpayer, client_order FROM invoice GROUP BY taxpayer, client_order
        HAVING count(*) FILTER (WHERE state <> 'replaced') <> 1
    """,
    "a count of a state differs from the invoices in it": f"""
        SELECT coalesce(c.taxpayer, i.taxpayer), coalesce(c.state, i.state) FROM (
            SELECT taxpayer, state, sum(count) AS count FROM state_count GROUP BY taxpayer, state HAVING sum(count) <> 0
        ) AS c FULL JOIN (SELECT taxpayer, state, count(*) AS count FROM invoice GROUP BY taxpayer, state) AS i
            ON i.taxpayer = c.taxpayer AND i.state = c.state
        WHERE c.count IS DISTINCT FROM i.count AND {COUNTS_ARE_KEPT}
    """,
    "an invoice has no document row, or the other way round": """
        SELECT coalesce(i.taxpayer, d.taxpayer), coalesce(i.id, d.id) FROM invoice AS i
        FULL JOIN document AS d ON d.taxpayer = i.taxpayer AND d.month = i.month AND d.id = i.id
        WHERE i.id IS NULL OR d.id IS NULL
    """,
    "a quota account differs from its entries": """
        SELECT q.taxpayer, q.channel, q.month FROM quota AS q
        WHERE q.downloaded <> (
            SELECT coalesce(sum(amount), 0) FROM quota_request AS r
            WHERE (r.taxpayer, r.channel, r.month, r.kind) = (q.taxpayer, q.channel, q.month, 'download')
        ) OR q.returned <> (
            SELECT coalesce(sum(coalesce(amount, asked)), 0) FROM quota_request AS r
            WHERE (r.taxpayer, r.channel, r.month, r.kind) = (q.taxpayer, q.channel, q.month, 'return')
        ) OR q.issued <> (
            SELECT coalesce(sum(amount), 0) FROM quota_entry AS e
            WHERE (e.taxpayer, e.channel, e.month) = (q.taxpayer, q.channel, q.month)
        )
    """,
    "an issued quota differs from its invoice": """
        SELECT coalesce(i.taxpayer, e.taxpayer), coalesce(i.id, e.invoice)
        FROM (SELECT taxpayer, id, month, quota FROM invoice WHERE quota > 0) AS i
        FULL JOIN quota_entry AS e ON e.taxpayer = i.taxpayer AND e.month = i.month AND e.invoice = i.id
        WHERE i.quota IS DISTINCT FROM e.amount
    """,
    "an attempt is in no upload": """
        SELECT a.taxpayer, a.invoice FROM attempt AS a
        LEFT JOIN upload AS u ON u.taxpayer = a.taxpayer AND u.id = a.upload WHERE u.id IS NULL
    """,
    "a chain's tip is not its last event": """
        SELECT NULL, t.writer FROM chain_tip AS t
        LEFT JOIN (SELECT writer, max(sequence) AS last FROM event GROUP BY writer) AS e ON e.writer = t.writer
        WHERE t.sequence <> coalesce(e.last, 0)
    """,
}
