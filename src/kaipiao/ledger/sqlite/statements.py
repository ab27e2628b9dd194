"""All SQL of the SQLite adapter. Values come in as parameters only; the texts are put together from constants here.

`state <> 'issued'` and `state <> 'confirmed'` stand in some statements only so that SQLite may use the partial indexes
that say the same. Rows are put in the order of `position` and `rowid` only where the table is written by one writer.
"""

# ruff: noqa: S608

from kaipiao.ledger import rows

# --- taxpayers ------------------------------------------------------------------------------------------------------

SAVE_TAXPAYER = """
INSERT INTO taxpayer (taxpayer, tenant, name, channels) VALUES (?, ?, ?, ?)
ON CONFLICT (taxpayer) DO UPDATE SET tenant = excluded.tenant, name = excluded.name, channels = excluded.channels
"""

# lint: all taxpayers: the sellers of this installation; who may see which is decided above
TAXPAYERS = "SELECT taxpayer, tenant, name, channels FROM taxpayer ORDER BY taxpayer"

# --- numbers --------------------------------------------------------------------------------------------------------

OPEN_SEGMENT = """
SELECT serial, quantity FROM number_segment WHERE taxpayer = ? AND channel = ? AND year = ? AND filled_at IS NULL
"""

SEGMENT = "SELECT filled_at, first, last FROM number_segment WHERE taxpayer = ? AND serial = ?"

INSERT_SEGMENT = """
INSERT INTO number_segment (taxpayer, serial, channel, year, quantity, requested_at) VALUES (?, ?, ?, ?, ?, ?)
"""

OVERLAPPING_SEGMENT = "SELECT serial FROM number_segment WHERE taxpayer = ? AND first <= ? AND last >= ?"

FILL_SEGMENT = """
UPDATE number_segment SET filled_at = ?, first = ?, last = ?, size = ? WHERE taxpayer = ? AND serial = ?
"""

IDLE_BLOCK = """
SELECT id, first, last, epoch FROM number_block
WHERE taxpayer = ? AND channel = ? AND year = ? AND (node IS NULL OR lease_until <= ?) AND used + expired < size
ORDER BY id LIMIT 1
"""

UNCARVED_SEGMENT = """
SELECT serial, first, carved, size - carved - expired FROM number_segment
WHERE taxpayer = ? AND channel = ? AND year = ? AND carved + expired < size
ORDER BY rowid LIMIT 1
"""

CARVE = "UPDATE number_segment SET carved = carved + ? WHERE taxpayer = ? AND serial = ?"

NEXT_BLOCK = "SELECT coalesce(max(id), 0) + 1 FROM number_block WHERE taxpayer = ?"

INSERT_BLOCK = """
INSERT INTO number_block (taxpayer, id, channel, year, serial, first, last, size, epoch, lease_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
"""

TAKE_BLOCK = "UPDATE number_block SET epoch = epoch + 1, node = ?, lease_until = ? WHERE taxpayer = ? AND id = ?"

USED_NUMBERS = "SELECT number FROM number_entry WHERE taxpayer = ? AND number BETWEEN ? AND ?"

# lint: all taxpayers: a node that stops gives back what it holds
GIVE_UP_BLOCKS = "UPDATE number_block SET epoch = epoch + 1, node = NULL WHERE node = ?"

RENEW_BLOCK = "UPDATE number_block SET lease_until = ? WHERE taxpayer = ? AND id = ? AND node = ? AND epoch = ?"

SEGMENT_COUNTS = """
SELECT coalesce(sum(size), 0), coalesce(sum(size - carved - expired), 0), coalesce(sum(expired), 0)
FROM number_segment WHERE taxpayer = ? AND channel = ? AND year = ?
"""

BLOCK_COUNTS = """
SELECT
    coalesce(sum(CASE WHEN node IS NOT NULL AND lease_until > ? THEN size - used - expired ELSE 0 END), 0),
    coalesce(sum(size - used - expired), 0), coalesce(sum(used), 0), coalesce(sum(expired), 0)
FROM number_block WHERE taxpayer = ? AND channel = ? AND year = ?
"""

EXPIRABLE_UNCARVED = """
SELECT coalesce(sum(size - carved - expired), 0) FROM number_segment WHERE taxpayer = ? AND channel = ? AND year < ?
"""

EXPIRE_UNCARVED = """
UPDATE number_segment SET expired = size - carved
WHERE taxpayer = ? AND channel = ? AND year < ? AND carved + expired < size
"""

EXPIRABLE_BLOCKS = """
SELECT coalesce(sum(size - used - expired), 0) FROM number_block WHERE taxpayer = ? AND channel = ? AND year < ?
"""

EXPIRE_BLOCKS = """
UPDATE number_block SET epoch = epoch + 1, node = NULL, expired = size - used
WHERE taxpayer = ? AND channel = ? AND year < ? AND used + expired < size
"""

# --- quota ----------------------------------------------------------------------------------------------------------

OPEN_QUOTA = """
SELECT serial, asked FROM quota_entry
WHERE taxpayer = ? AND channel = ? AND month = ? AND kind = ? AND amount IS NULL
"""

QUOTA_REQUEST = "SELECT channel, month, kind, asked, amount FROM quota_entry WHERE taxpayer = ? AND serial = ?"

INSERT_QUOTA_REQUEST = """
INSERT INTO quota_entry (taxpayer, channel, month, kind, serial, asked, at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

FILL_QUOTA = "UPDATE quota_entry SET amount = ?, filled_at = ? WHERE taxpayer = ? AND serial = ?"

OPEN_ACCOUNT = "INSERT INTO quota (taxpayer, channel, month) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"

ACCOUNT = """
SELECT downloaded, returned, issued, remaining, valid_from, valid_until FROM quota
WHERE taxpayer = ? AND channel = ? AND month = ?
"""

BOOK_DOWNLOAD = """
UPDATE quota SET downloaded = downloaded + ?, remaining = remaining + ?, valid_from = ?, valid_until = ?
WHERE taxpayer = ? AND channel = ? AND month = ?
"""

BOOK_RETURN = """
UPDATE quota SET returned = returned + ?, remaining = remaining - ? WHERE taxpayer = ? AND channel = ? AND month = ?
"""

BOOK_ISSUE = """
UPDATE quota SET issued = issued + ?, remaining = remaining - ? WHERE taxpayer = ? AND channel = ? AND month = ?
"""

TAKEN_QUOTA = "SELECT quota FROM invoice WHERE taxpayer = ? AND id = ?"

TAKE_NO_QUOTA = "UPDATE invoice SET quota = 0 WHERE taxpayer = ? AND id = ?"

INSERT_QUOTA_ISSUE = """
INSERT INTO quota_entry (taxpayer, channel, month, kind, invoice, asked, amount, at)
VALUES (?, ?, ?, 'issue', ?, ?, ?, ?)
"""

# --- admission ------------------------------------------------------------------------------------------------------

LIVE_ID = "SELECT invoice FROM order_key WHERE taxpayer = ? AND client_order = ?"

LIVE_IDS = """
SELECT json_group_array(json_array(client_order, invoice)) FROM order_key
WHERE taxpayer = ? AND client_order IN (SELECT value FROM json_each(?))
"""

BLOCK = "SELECT epoch, channel, first, last FROM number_block WHERE taxpayer = ? AND id = ?"

NUMBER_OWNER = "SELECT invoice FROM number_entry WHERE taxpayer = ? AND number = ?"

USED = """
SELECT json_group_array(number) FROM number_entry
WHERE taxpayer = ? AND number IN (SELECT value FROM json_each(?))
"""

USE_NUMBERS = "UPDATE number_block SET used = used + ? WHERE taxpayer = ? AND id = ?"

INSERT_ORDER = "INSERT INTO order_key (taxpayer, client_order, invoice) VALUES (?, ?, ?)"

REPLACE_ORDER = "UPDATE order_key SET invoice = ? WHERE taxpayer = ? AND client_order = ?"

REPLACE_INVOICE = """
UPDATE invoice SET state = 'replaced', version = version + 1, next_at = NULL WHERE taxpayer = ? AND id = ?
"""

OPEN_ATTEMPT = """
SELECT 1 FROM attempt JOIN upload ON upload.taxpayer = attempt.taxpayer AND upload.id = attempt.upload
WHERE attempt.taxpayer = ? AND attempt.invoice = ? AND (upload.ended_at IS NULL OR upload.cause = 'process.died') LIMIT 1
"""

INSERT_NUMBER = "INSERT INTO number_entry (taxpayer, number, block, invoice) VALUES (?, ?, ?, ?)"

INSERT_DOCUMENT = """
INSERT INTO document (taxpayer, id, xml, invoice, digest, seal, key_id, algorithm) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

INSERT_INVOICE = """
INSERT INTO invoice (
    taxpayer, id, client_order, channel, kind, number, state, version, amount, tax, total, quota, made_at, month,
    next_at, deadline, denials, late_denials, tries, doubt, refused, alone, alarmed, replaces, content_digest, content
) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, ?, ?, ?)
"""

NUMBER_INVOICE = """
UPDATE invoice SET
    state = 'issued', version = version + 1, number = ?, channel = ?, amount = ?, tax = ?, total = ?, quota = ?,
    made_at = ?, month = ?, next_at = ?, deadline = ?, problem_code = NULL, problem = NULL
WHERE taxpayer = ? AND id = ?
"""

# --- reading --------------------------------------------------------------------------------------------------------

INVOICE_COLUMNS = ", ".join(rows.INVOICE_COLUMNS)

INVOICE = f"SELECT {INVOICE_COLUMNS} FROM invoice WHERE taxpayer = ? AND id = ?"

PAGE = f"SELECT {INVOICE_COLUMNS} FROM invoice WHERE taxpayer = ? AND id > ? ORDER BY id LIMIT ?"

PAGE_IN_STATES = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE taxpayer = ? AND id > ? AND state IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
"""

_WANTED = "(?4 IS NULL OR state IN (SELECT value FROM json_each(?4))) AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR channel = ?6)"

PAGE_OF = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE taxpayer = ?1 AND id > ?2 AND {_WANTED} ORDER BY id LIMIT ?3
"""

# The ids between which the span lies come from the index on made_at alone; the page is then read in the order of ids.
_MADE = "FROM invoice WHERE taxpayer = ?1 AND made_at >= ?7 AND made_at < ?8"

PAGE_MADE = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE taxpayer = ?1 AND id > ?2 AND id BETWEEN (SELECT min(+id) {_MADE}) AND (SELECT max(+id) {_MADE})
AND +made_at >= ?7 AND +made_at < ?8 AND {_WANTED} ORDER BY id LIMIT ?3
"""

DOCUMENT = "SELECT xml, invoice, digest, seal, key_id, algorithm FROM document WHERE taxpayer = ? AND id = ?"

INVOICE_COUNT = "SELECT count(*) FROM invoice WHERE taxpayer = ?"

OPEN_STATE_COUNT = "SELECT count(*) FROM invoice WHERE taxpayer = ? AND state = ? AND state <> 'confirmed'"

# lint: all taxpayers: each taxpayer once, so that each has its turn
NEXT_ACCEPTED_TAXPAYER = """
SELECT min(taxpayer) FROM invoice WHERE state = 'accepted' AND state <> 'confirmed' AND taxpayer > ?
"""

ACCEPTED = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE taxpayer = ? AND state = 'accepted' AND state <> 'confirmed' AND next_at <= ? ORDER BY made_at, id LIMIT ?
"""

ISSUED_SINCE = """
SELECT count(*), coalesce(sum(quota), 0) FROM invoice WHERE taxpayer = ? AND made_at >= ? AND number IS NOT NULL
"""

OLDEST_IN_STATE = "SELECT min(made_at) FROM invoice WHERE taxpayer = ? AND state = ? AND state <> 'confirmed'"

LAST_MADE_AT = "SELECT max(made_at) FROM invoice WHERE taxpayer = ?"

# lint: all taxpayers: each taxpayer once, for the last instant of each
NEXT_TAXPAYER = "SELECT min(taxpayer) FROM invoice WHERE taxpayer > ?"

# --- upload and settle ----------------------------------------------------------------------------------------------

# lint: all taxpayers: the uploader asks whose turn it is
DUE_PAIRS = """
SELECT taxpayer, channel FROM invoice WHERE state = 'issued' AND next_at <= ?
GROUP BY taxpayer, channel ORDER BY min(deadline), taxpayer, channel
"""

FIRST_TO_UPLOAD = """
SELECT id, alone FROM invoice
WHERE taxpayer = ? AND channel = ? AND state = 'issued' AND next_at <= ? ORDER BY deadline, id LIMIT 1
"""

NEXT_TO_UPLOAD = """
SELECT json_group_array(id) FROM (
    SELECT id FROM invoice
    WHERE taxpayer = ? AND channel = ? AND state = 'issued' AND next_at <= ? AND alone = 0
    ORDER BY deadline, id LIMIT ?
)
"""

CLAIM = """
UPDATE invoice SET state = 'uploading', version = version + 1, tries = tries + 1, denials = 0, late_denials = 0
WHERE taxpayer = ? AND id IN (SELECT value FROM json_each(?))
"""

CLAIMED = f"""
SELECT {", ".join(f"invoice.{name}" for name in rows.INVOICE_COLUMNS)},
    xml, document.invoice, digest, seal, key_id, algorithm
FROM invoice LEFT JOIN document ON document.taxpayer = invoice.taxpayer AND document.id = invoice.id
WHERE invoice.taxpayer = ? AND invoice.id IN (SELECT value FROM json_each(?))
"""

UPLOAD_EXISTS = "SELECT 1 FROM upload WHERE taxpayer = ? AND id = ?"

INSERT_UPLOAD = """
INSERT INTO upload (taxpayer, id, wire_id, channel, node, begun_at) VALUES (?, ?, ?, ?, ?, ?)
"""

INSERT_ATTEMPT = "INSERT INTO attempt (taxpayer, upload, invoice) VALUES (?, ?, ?)"

UPLOAD_ENDED = "SELECT ended_at FROM upload WHERE taxpayer = ? AND id = ?"

END_UPLOAD = """
UPDATE upload SET ended_at = ?, phase = ?, bytes_sent = ?, outcome = ?, cause = ?, submission = ?, timeline = ?
WHERE taxpayer = ? AND id = ?
"""

END_ATTEMPTS = """
UPDATE attempt SET outcome = ?
WHERE taxpayer = ? AND upload = ? AND invoice IN (SELECT value FROM json_each(?))
"""

# lint: all taxpayers: calls without an outcome are settled by the node, or by another for a node that is gone
OPEN_UPLOADS = """
SELECT taxpayer, id, wire_id, channel, node, begun_at FROM upload
WHERE ended_at IS NULL AND (? IS NULL OR node = ?) ORDER BY begun_at, id
"""

ATTEMPTS = "SELECT json_group_array(invoice) FROM attempt WHERE taxpayer = ? AND upload = ?"

UPLOADED_INVOICES = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE taxpayer = ? AND id IN (SELECT invoice FROM attempt WHERE taxpayer = ? AND upload = ?) ORDER BY deadline, id
"""

# lint: all taxpayers: time limits are watched for everybody
ALARMING = f"""
SELECT {INVOICE_COLUMNS} FROM invoice
WHERE state = 'unknown' AND state <> 'confirmed' AND unknown_since IS NOT NULL AND deadline < 9223372036854775807
AND (
    (alarmed < 80 AND (?1 - unknown_since) * 100 >= (deadline - unknown_since) * 80)
    OR (alarmed < 50 AND (?1 - unknown_since) * 100 >= (deadline - unknown_since) * 50)
)
ORDER BY deadline, id LIMIT ?2
"""

STANDING = """
SELECT json_group_array(json_array(id, state, version, number, client_order)) FROM invoice
WHERE taxpayer = ? AND id IN (SELECT value FROM json_each(?))
"""

OWN_SEGMENT = "SELECT serial FROM number_segment WHERE taxpayer = ? AND first <= ? AND last >= ? LIMIT 1"

# --- the trail ------------------------------------------------------------------------------------------------------

INSERT_EVENT = """
INSERT INTO event (taxpayer, writer, sequence, kind, at, subject, invoice, data, previous, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

EVENT_COLUMNS = "position, writer, sequence, kind, at, taxpayer, subject, data, previous, hash"

# lint: all taxpayers: the trail is one chain per node; it is read whole to be verified
EVENTS = f"SELECT {EVENT_COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT ?"

# lint: all taxpayers: a place in the trail, no row of anybody
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM event"

EVENTS_OF_TAXPAYER = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE taxpayer = ? AND position > ? ORDER BY position LIMIT ?
"""

# lint: all taxpayers: an operator looks for an order; the API passes on only what the caller may see
EVENTS_OF_SUBJECT = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE subject = ? AND position > ? ORDER BY position LIMIT ?
"""

# The invoices of an order are the live one and those that it replaced.
EVENTS_OF_ORDER = f"""
WITH RECURSIVE chain (id) AS (
    SELECT invoice FROM order_key WHERE taxpayer = ?1 AND client_order = ?2
    UNION SELECT invoice.replaces FROM chain JOIN invoice ON invoice.id = chain.id
    WHERE invoice.taxpayer = ?1 AND invoice.replaces IS NOT NULL
)
SELECT {EVENT_COLUMNS} FROM event WHERE position IN (
    SELECT position FROM event WHERE invoice IN (SELECT id FROM chain) AND +taxpayer = ?1
    UNION ALL SELECT position FROM event WHERE taxpayer = ?1 AND subject = ?2 AND invoice IS NULL
) AND taxpayer = ?1 AND subject = ?2 AND position > ?3 ORDER BY position LIMIT ?4
"""

TIP = "SELECT sequence, hash FROM chain_tip WHERE writer = ?"

TIPS = "SELECT writer, sequence, hash FROM chain_tip ORDER BY writer"

SAVE_TIP = """
INSERT INTO chain_tip (writer, sequence, hash) VALUES (?, ?, ?)
ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash
"""

SAVE_HEAD = "INSERT INTO chain_head (writer, sequence, hash, at, key_id, signature) VALUES (?, ?, ?, ?, ?, ?)"

HEADS = "SELECT writer, sequence, hash, at, key_id, signature FROM chain_head ORDER BY writer, sequence, at"

# --- sums that must hold ----------------------------------------------------------------------------------------------

# Each finds rows that contradict each other; none may ever be found.
# lint: all taxpayers: sums are checked over the whole ledger
CONTRADICTIONS = {
    "a block's count of used numbers differs from its entries": """
        SELECT taxpayer, id FROM number_block AS b WHERE used <> (
            SELECT count(*) FROM number_entry AS e WHERE e.taxpayer = b.taxpayer AND e.block = b.id)
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
        WHERE i.number IS NOT NULL AND e.invoice IS NOT i.id
    """,
    "an entry's invoice does not have the number": """
        SELECT e.taxpayer, e.number FROM number_entry AS e
        LEFT JOIN invoice AS i ON i.taxpayer = e.taxpayer AND i.id = e.invoice WHERE i.number IS NOT e.number
    """,
    "an order key's invoice is another order's": """
        SELECT k.taxpayer, k.client_order FROM order_key AS k
        LEFT JOIN invoice AS i ON i.taxpayer = k.taxpayer AND i.id = k.invoice
        WHERE i.client_order IS NOT k.client_order
    """,
    "an order has more than one live invoice, or none": """
        SELECT taxpayer, client_order FROM invoice GROUP BY taxpayer, client_order
        HAVING sum(state <> 'replaced') <> 1
    """,
    "a quota account differs from its entries": """
        SELECT q.taxpayer, q.channel, q.month FROM quota AS q WHERE (q.downloaded, q.returned, q.issued) <> (
            SELECT
                coalesce(sum(CASE WHEN kind = 'download' THEN coalesce(amount, 0) END), 0),
                coalesce(sum(CASE WHEN kind = 'return' THEN coalesce(amount, asked) END), 0),
                coalesce(sum(CASE WHEN kind = 'issue' THEN amount END), 0)
            FROM quota_entry AS e
            WHERE e.taxpayer = q.taxpayer AND e.channel = q.channel AND e.month = q.month)
    """,
    "an issued quota differs from its invoice": """
        SELECT e.taxpayer, e.invoice FROM quota_entry AS e
        LEFT JOIN invoice AS i ON i.taxpayer = e.taxpayer AND i.id = e.invoice
        WHERE e.kind = 'issue' GROUP BY e.taxpayer, e.invoice HAVING max(i.quota) IS NOT sum(e.amount)
    """,
    "an attempt is in no upload": """
        SELECT a.taxpayer, a.invoice FROM attempt AS a
        LEFT JOIN upload AS u ON u.taxpayer = a.taxpayer AND u.id = a.upload WHERE u.id IS NULL
    """,
    "a chain's tip is not its last event": """
        SELECT NULL, t.writer FROM chain_tip AS t
        WHERE t.sequence <> (SELECT coalesce(max(sequence), 0) FROM event AS e WHERE e.writer = t.writer)
    """,
}
