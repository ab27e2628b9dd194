"""All SQL of the PostgreSQL adapter. Values come in as parameters only; the texts are put together from constants here.

Lists come in as arrays, one per column. Every statement sees the commits before it (READ COMMITTED): what was decided
under a lock is read in a statement of its own after the lock was taken. `$n::float8` for the time of a lease is NULL
except in simulations: then it is the database's clock.
"""

# ruff: noqa: S608

from kaipiao.ledger import rows

_LEASE_NOW = "coalesce({}::float8, extract(epoch FROM clock_timestamp())::float8)"

# --- taxpayers ------------------------------------------------------------------------------------------------------

SAVE_TAXPAYERS = """
INSERT INTO taxpayer (taxpayer, tenant, name, channels)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ORDER BY 1
ON CONFLICT (taxpayer) DO UPDATE SET tenant = excluded.tenant, name = excluded.name, channels = excluded.channels
"""

# lint: all taxpayers: the sellers of this installation; who may see which is decided above
TAXPAYERS = "SELECT taxpayer, tenant, name, channels FROM taxpayer ORDER BY taxpayer"

# --- numbers --------------------------------------------------------------------------------------------------------

OPEN_SEGMENT = """
SELECT serial, quantity FROM number_segment WHERE taxpayer = $1 AND channel = $2 AND year = $3 AND filled_at IS NULL
"""

SEGMENT_EXISTS = "SELECT 1 FROM number_segment WHERE taxpayer = $1 AND serial = $2"

INSERT_SEGMENT = """
INSERT INTO number_segment (taxpayer, serial, ordinal, channel, year, quantity, requested_at)
SELECT $1, $2, coalesce(max(ordinal), 0) + 1, $3, $4, $5, $6 FROM number_segment WHERE taxpayer = $1
"""

# All of the taxpayer's: two answers at once could overlap each other.
LOCK_SEGMENTS = """
SELECT serial, filled_at, first, last FROM number_segment WHERE taxpayer = $1 ORDER BY serial FOR UPDATE
"""

FILL_SEGMENT = """
UPDATE number_segment SET filled_at = $3, first = $4, last = $5, size = $6 WHERE taxpayer = $1 AND serial = $2
"""

# Waits for commits that are under way on the block (they hold it FOR SHARE).
LOCK_IDLE_BLOCK = f"""
SELECT id, first, last, epoch, size FROM number_block
WHERE taxpayer = $1 AND channel = $2 AND year = $3 AND used IS NULL
AND (node IS NULL OR lease_until <= {_LEASE_NOW.format("$4")})
ORDER BY id LIMIT 1 FOR UPDATE
"""

COUNT_USED = "SELECT count(*) FROM number_entry WHERE taxpayer = $1 AND number BETWEEN $2 AND $3"

SETTLE_BLOCK = "UPDATE number_block SET used = size - expired, node = NULL WHERE taxpayer = $1 AND id = $2"

LOCK_UNCARVED_SEGMENT = """
SELECT serial, first, carved, size - carved - expired FROM number_segment
WHERE taxpayer = $1 AND channel = $2 AND year = $3 AND carved + expired < size
ORDER BY ordinal LIMIT 1 FOR UPDATE
"""

CARVE = "UPDATE number_segment SET carved = carved + $3 WHERE taxpayer = $1 AND serial = $2"

INSERT_BLOCK = """
INSERT INTO number_block (taxpayer, id, channel, year, serial, first, last, size, epoch, lease_until)
SELECT $1, coalesce(max(id), 0) + 1, $2, $3, $4, $5, $6, $7, 0, 0 FROM number_block WHERE taxpayer = $1
RETURNING id
"""

TAKE_BLOCK = f"""
UPDATE number_block SET epoch = epoch + 1, node = $3, lease_until = {_LEASE_NOW.format("$4")} + $5::float8
WHERE taxpayer = $1 AND id = $2 RETURNING epoch
"""

USED_NUMBERS = "SELECT number FROM number_entry WHERE taxpayer = $1 AND number BETWEEN $2 AND $3"

# lint: all taxpayers: a node that stops gives back what it holds
LOCK_BLOCKS_OF_NODE = "SELECT taxpayer, id FROM number_block WHERE node = $1 ORDER BY taxpayer, id FOR UPDATE"

# lint: all taxpayers: a node that stops gives back what it holds
GIVE_UP_BLOCKS = "UPDATE number_block SET epoch = epoch + 1, node = NULL WHERE node = $1"

RENEW_BLOCKS = f"""
UPDATE number_block AS b SET lease_until = {_LEASE_NOW.format("$5")} + $6::float8
FROM unnest($2::text[], $3::integer[], $4::integer[]) AS w (taxpayer, id, epoch)
WHERE b.taxpayer = w.taxpayer AND b.id = w.id AND b.epoch = w.epoch AND b.node = $1 RETURNING b.taxpayer, b.id
"""

NUMBER_COUNTS = f"""
SELECT
    s.pulled, s.uncarved, s.expired, b.leased, b.unused, b.used, b.expired
FROM (
    SELECT
        coalesce(sum(size), 0)::bigint AS pulled,
        coalesce(sum(size - carved - expired), 0)::bigint AS uncarved,
        coalesce(sum(expired), 0)::bigint AS expired
    FROM number_segment WHERE taxpayer = $1 AND channel = $2 AND year = $3
) AS s, (
    SELECT
        coalesce(sum(unused) FILTER (WHERE held), 0)::bigint AS leased, coalesce(sum(unused), 0)::bigint AS unused,
        coalesce(sum(size - expired - unused), 0)::bigint AS used, coalesce(sum(expired), 0)::bigint AS expired
    FROM (
        SELECT size, expired, node IS NOT NULL AND lease_until > {_LEASE_NOW.format("$4")} AS held,
            CASE WHEN used IS NULL THEN size - expired - (
                SELECT count(*) FROM number_entry AS e
                WHERE e.taxpayer = n.taxpayer AND e.number BETWEEN n.first AND n.last
            ) ELSE 0 END AS unused
        FROM number_block AS n WHERE taxpayer = $1 AND channel = $2 AND year = $3
    ) AS each
) AS b
"""

EXPIRE_UNCARVED = """
WITH old AS (
    SELECT taxpayer, serial, size - carved - expired AS count FROM number_segment
    WHERE taxpayer = $1 AND channel = $2 AND year < $3 AND carved + expired < size ORDER BY serial FOR UPDATE
), done AS (
    UPDATE number_segment AS s SET expired = s.size - s.carved FROM old
    WHERE s.taxpayer = old.taxpayer AND s.serial = old.serial
)
SELECT coalesce(sum(count), 0)::bigint FROM old
"""

# The epoch goes up first; what is unused is counted in a later statement, when nothing can be under way any more.
FENCE_OLD_BLOCKS = """
UPDATE number_block SET epoch = epoch + 1, node = NULL
WHERE taxpayer = $1 AND channel = $2 AND year < $3 AND used IS NULL RETURNING id, epoch
"""

EXPIRE_BLOCKS = """
WITH old AS (
    SELECT b.taxpayer, b.id, (
        SELECT count(*) FROM number_entry AS e WHERE e.taxpayer = b.taxpayer AND e.number BETWEEN b.first AND b.last
    ) AS used
    FROM number_block AS b JOIN unnest($2::integer[], $3::integer[]) AS w (id, epoch) ON b.id = w.id
    WHERE b.taxpayer = $1 AND b.epoch = w.epoch AND b.node IS NULL FOR UPDATE OF b
), done AS (
    UPDATE number_block AS b SET used = old.used, expired = b.size - old.used FROM old
    WHERE b.taxpayer = old.taxpayer AND b.id = old.id RETURNING b.expired
)
SELECT coalesce(sum(expired), 0)::bigint FROM done
"""

# --- quota ----------------------------------------------------------------------------------------------------------

OPEN_QUOTA = """
SELECT serial, asked FROM quota_request
WHERE taxpayer = $1 AND channel = $2 AND month = $3 AND kind = $4 AND amount IS NULL
"""

QUOTA_REQUEST_EXISTS = "SELECT 1 FROM quota_request WHERE taxpayer = $1 AND serial = $2"

LOCK_QUOTA_REQUEST = """
SELECT channel, month, kind, asked, amount FROM quota_request WHERE taxpayer = $1 AND serial = $2 FOR UPDATE
"""

INSERT_QUOTA_REQUEST = """
INSERT INTO quota_request (taxpayer, channel, month, kind, serial, asked, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

FILL_QUOTA = "UPDATE quota_request SET amount = $3, filled_at = $4 WHERE taxpayer = $1 AND serial = $2"

ACCOUNT = """
SELECT downloaded, returned, issued, remaining, valid_from, valid_until FROM quota
WHERE taxpayer = $1 AND channel = $2 AND month = $3
"""

BOOK_DOWNLOAD = """
INSERT INTO quota AS q (taxpayer, channel, month, downloaded, remaining, valid_from, valid_until)
VALUES ($1, $2, $3, $4, $4, $5, $6)
ON CONFLICT (taxpayer, channel, month) DO UPDATE SET downloaded = q.downloaded + excluded.downloaded,
    remaining = q.remaining + excluded.remaining, valid_from = excluded.valid_from, valid_until = excluded.valid_until
"""

BOOK_RETURN = """
UPDATE quota SET returned = returned + $4, remaining = remaining - $4
WHERE taxpayer = $1 AND channel = $2 AND month = $3 AND remaining >= $4 RETURNING 1
"""

# --- admission ------------------------------------------------------------------------------------------------------

_POSITION = """
SELECT ((SELECT base FROM event_base) + pg_current_xact_id()::text::bigint) * 4194304
"""

_COUNT = """
    INSERT INTO state_count AS c (taxpayer, writer, state, count)
    SELECT w.taxpayer, $1, w.state, w.count FROM unnest({}::text[], {}::text[], {}::bigint[])
    AS w (taxpayer, state, count) WHERE EXISTS (SELECT 1 FROM tip)
    ON CONFLICT (taxpayer, writer, state) DO UPDATE SET count = c.count + excluded.count
"""

# One statement, one commit, all or nothing: when a block's epoch is over, a quota is short or the chain has moved, then
# nothing is stored and 0 comes back; a key or a number that is there already is an error, which undoes everything.
# The blocks are locked FOR SHARE, so that a takeover waits for this commit.
STORE_ADMISSIONS = f"""
WITH held AS (
    SELECT 1 FROM number_block AS b
    JOIN unnest($6::text[], $7::integer[], $8::integer[], $9::text[], $10::text[], $11::text[])
        AS w (taxpayer, id, epoch, channel, low, high) ON b.taxpayer = w.taxpayer AND b.id = w.id
    WHERE b.epoch = w.epoch AND b.channel = w.channel AND b.first <= w.low AND b.last >= w.high
    FOR SHARE OF b
), account AS (
    SELECT 1 FROM quota AS q
    JOIN unnest($12::text[], $13::text[], $14::text[], $15::bigint[]) AS w (taxpayer, channel, month, total)
        ON q.taxpayer = w.taxpayer AND q.channel = w.channel AND q.month = w.month
    WHERE q.remaining >= w.total FOR UPDATE OF q
), tip AS (
    UPDATE chain_tip SET sequence = $4, hash = $5
    WHERE writer = $1 AND sequence = $2 AND hash = $3
    AND (SELECT count(*) FROM held) = cardinality($6::text[])
    AND (SELECT count(*) FROM account) = cardinality($12::text[])
    RETURNING 1
), booked AS (
    UPDATE quota AS q SET issued = q.issued + w.total, remaining = q.remaining - w.total
    FROM unnest($12::text[], $13::text[], $14::text[], $15::bigint[]) AS w (taxpayer, channel, month, total)
    WHERE q.taxpayer = w.taxpayer AND q.channel = w.channel AND q.month = w.month AND EXISTS (SELECT 1 FROM tip)
), keys AS (
    INSERT INTO order_key (taxpayer, digest, invoice)
    SELECT w.taxpayer, w.digest, w.id
    FROM unnest($16::text[], $17::bigint[], $18::bytea[], $19::bigint[]) AS w (taxpayer, id, digest, replaces)
    WHERE w.replaces IS NULL AND EXISTS (SELECT 1 FROM tip) ORDER BY 1, 2
), numbers AS (
    INSERT INTO number_entry (taxpayer, number, block, invoice)
    SELECT w.taxpayer, w.number, w.block, w.id
    FROM unnest($16::text[], $17::bigint[], $20::text[], $21::integer[]) AS w (taxpayer, id, number, block)
    WHERE w.number IS NOT NULL AND EXISTS (SELECT 1 FROM tip) ORDER BY 1, 2
), invoices AS (
    INSERT INTO invoice (
        taxpayer, id, client_order, channel, kind, number, state, version, amount, tax, total, quota, made_at, month,
        next_at, deadline, denials, late_denials, tries, doubt, refused, alone, alarmed, replaces, content_digest
    )
    SELECT
        w.taxpayer, w.id, w.client_order, w.channel, w.kind, w.number, w.state, 1, w.amount, w.tax, w.total, w.quota,
        w.made_at, w.month, w.next_at, w.deadline, 0, 0, 0, false, false, false, 0, w.replaces, w.content_digest
    FROM unnest(
        $16::text[], $17::bigint[], $19::bigint[], $20::text[], $22::text[], $23::text[], $24::text[], $25::text[],
        $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[], $31::text[], $32::bigint[],
        $33::bigint[], $34::bytea[]
    ) AS w (
        taxpayer, id, replaces, number, client_order, channel, kind, state, amount, tax, total, quota, made_at, month,
        next_at, deadline, content_digest
    )
    WHERE EXISTS (SELECT 1 FROM tip)
), documents AS (
    INSERT INTO document (taxpayer, month, id, content, digest, seal, key_id, algorithm, xml, invoice)
    SELECT w.* FROM unnest(
        $16::text[], $31::text[], $17::bigint[], $35::bytea[], $36::bytea[], $37::bytea[], $38::text[], $39::text[],
        $40::bytea[], $41::bytea[]
    ) AS w
    WHERE EXISTS (SELECT 1 FROM tip)
), entries AS (
    INSERT INTO quota_entry (taxpayer, channel, month, invoice, amount, at)
    SELECT w.taxpayer, w.channel, w.month, w.id, w.quota, w.made_at
    FROM unnest($16::text[], $17::bigint[], $23::text[], $29::bigint[], $30::bigint[], $31::text[])
        AS w (taxpayer, id, channel, quota, made_at, month)
    WHERE w.quota > 0 AND EXISTS (SELECT 1 FROM tip)
), events AS (
    INSERT INTO event (taxpayer, position, writer, sequence, kind, at, subject, invoice, data, previous, hash)
    SELECT w.taxpayer, ({_POSITION}) + w.place, $1, $2 + w.place, w.kind, w.at, w.subject, w.invoice, w.data,
        w.previous, w.hash
    FROM unnest(
        $42::text[], $43::text[], $44::bigint[], $45::text[], $46::bigint[], $47::text[], $48::bytea[], $49::bytea[]
    ) WITH ORDINALITY AS w (taxpayer, kind, at, subject, invoice, data, previous, hash, place)
    WHERE EXISTS (SELECT 1 FROM tip)
), counts AS ({_COUNT.format("$50", "$51", "$52")})
SELECT count(*) FROM tip
"""

LIVE_ID = "SELECT invoice FROM order_key WHERE taxpayer = $1 AND digest = $2"

# Predecessors, and accepted orders that are to be numbered.
LOCK_INVOICES = """
SELECT 1 FROM invoice AS i JOIN unnest($1::text[], $2::bigint[]) AS w (taxpayer, id)
ON i.taxpayer = w.taxpayer AND i.id = w.id ORDER BY i.taxpayer, i.id FOR UPDATE OF i
"""

SHARE_BLOCKS = """
SELECT b.taxpayer, b.id, b.epoch, b.channel, b.first, b.last
FROM number_block AS b JOIN unnest($1::text[], $2::integer[]) AS w (taxpayer, id)
ON b.taxpayer = w.taxpayer AND b.id = w.id ORDER BY b.taxpayer, b.id FOR SHARE OF b
"""

LOCK_ACCOUNTS = """
SELECT q.taxpayer, q.channel, q.month, q.remaining
FROM quota AS q JOIN unnest($1::text[], $2::text[], $3::text[]) AS w (taxpayer, channel, month)
ON q.taxpayer = w.taxpayer AND q.channel = w.channel AND q.month = w.month
ORDER BY q.taxpayer, q.channel, q.month FOR UPDATE OF q
"""

NUMBERS_GIVEN = """
SELECT e.taxpayer, e.number FROM number_entry AS e JOIN unnest($1::text[], $2::text[]) AS w (taxpayer, number)
ON e.taxpayer = w.taxpayer AND e.number = w.number
"""

UNDER_WAY = """
SELECT a.taxpayer, a.invoice FROM attempt AS a
JOIN unnest($1::text[], $2::bigint[]) AS w (taxpayer, id) ON a.taxpayer = w.taxpayer AND a.invoice = w.id
JOIN upload AS u ON u.taxpayer = a.taxpayer AND u.id = a.upload
WHERE (u.ended_at IS NULL OR u.cause = 'process.died')
"""

TAKEN_QUOTAS = """
SELECT i.taxpayer, i.id, i.quota FROM invoice AS i JOIN unnest($1::text[], $2::bigint[]) AS w (taxpayer, id)
ON i.taxpayer = w.taxpayer AND i.id = w.id
"""

# The accounts are locked already, and an invoice has one predecessor.
RELEASE_QUOTA = """
WITH released AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
    AS w (taxpayer, id, channel, month, amount)
), dropped AS (
    DELETE FROM quota_entry AS e USING released AS w
    WHERE e.taxpayer = w.taxpayer AND e.month = w.month AND e.invoice = w.id
), free AS (
    UPDATE invoice AS i SET quota = 0 FROM released AS w WHERE i.taxpayer = w.taxpayer AND i.id = w.id
)
UPDATE quota AS q SET issued = q.issued - w.total, remaining = q.remaining + w.total
FROM (SELECT taxpayer, channel, month, sum(amount)::bigint AS total FROM released GROUP BY 1, 2, 3) AS w
WHERE q.taxpayer = w.taxpayer AND q.channel = w.channel AND q.month = w.month
"""

NUMBER_INVOICES = """
WITH numbered AS (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::text[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bytea[], $15::bytea[], $16::text[],
        $17::text[], $18::bytea[], $19::bytea[]
    ) AS w (
        taxpayer, id, number, block, channel, amount, tax, total, quota, made_at, month, next_at, deadline, digest, seal,
        key_id, algorithm, xml, invoice
    )
), numbers AS (
    INSERT INTO number_entry (taxpayer, number, block, invoice)
    SELECT w.taxpayer, w.number, w.block, w.id FROM numbered AS w ORDER BY 1, 2
), booked AS (
    UPDATE quota AS q SET issued = q.issued + w.total, remaining = q.remaining - w.total
    FROM (
        SELECT taxpayer, channel, month, sum(quota)::bigint AS total FROM numbered WHERE quota > 0 GROUP BY 1, 2, 3
    ) AS w WHERE q.taxpayer = w.taxpayer AND q.channel = w.channel AND q.month = w.month
), entries AS (
    INSERT INTO quota_entry (taxpayer, channel, month, invoice, amount, at)
    SELECT w.taxpayer, w.channel, w.month, w.id, w.quota, w.made_at FROM numbered AS w WHERE w.quota > 0
), documents AS (
    UPDATE document AS d SET month = w.month, digest = w.digest, seal = w.seal, key_id = w.key_id,
        algorithm = w.algorithm, xml = w.xml, invoice = w.invoice
    FROM numbered AS w JOIN invoice AS i ON i.taxpayer = w.taxpayer AND i.id = w.id
    WHERE d.taxpayer = w.taxpayer AND d.month = i.month AND d.id = w.id
)
UPDATE invoice AS i SET state = 'issued', version = i.version + 1, number = w.number, channel = w.channel,
    amount = w.amount, tax = w.tax, total = w.total, quota = w.quota, made_at = w.made_at, month = w.month,
    next_at = w.next_at, deadline = w.deadline, problem_code = NULL, problem = NULL
FROM numbered AS w WHERE i.taxpayer = w.taxpayer AND i.id = w.id
"""

REPLACE_ORDERS = """
UPDATE order_key AS k SET invoice = w.successor FROM unnest($1::text[], $2::bytea[], $3::bigint[])
AS w (taxpayer, digest, successor) WHERE k.taxpayer = w.taxpayer AND k.digest = w.digest
"""

REPLACE_INVOICES = """
UPDATE invoice AS i SET state = 'replaced', version = version + 1, next_at = NULL
FROM unnest($1::text[], $2::bigint[]) AS w (taxpayer, id) WHERE i.taxpayer = w.taxpayer AND i.id = w.id
"""

# --- reading --------------------------------------------------------------------------------------------------------

# The content lies in the month's partition of `document`.
_CONTENT = "(SELECT d.content FROM document AS d WHERE d.taxpayer = i.taxpayer AND d.month = i.month AND d.id = i.id)"

INVOICE_COLUMNS = ", ".join(_CONTENT if name == "content" else f"i.{name}" for name in rows.INVOICE_COLUMNS)

LIVE_BY_ORDERS = f"""
SELECT {INVOICE_COLUMNS} FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS w (taxpayer, digest, place)
JOIN order_key AS k ON k.taxpayer = w.taxpayer AND k.digest = w.digest
JOIN invoice AS i ON i.taxpayer = k.taxpayer AND i.id = k.invoice ORDER BY w.place
"""

BY_NUMBERS = f"""
SELECT {INVOICE_COLUMNS} FROM unnest($2::text[]) WITH ORDINALITY AS w (number, place)
JOIN number_entry AS e ON e.taxpayer = $1 AND e.number = w.number
JOIN invoice AS i ON i.taxpayer = e.taxpayer AND i.id = e.invoice ORDER BY w.place
"""

PAGE = f"SELECT {INVOICE_COLUMNS} FROM invoice AS i WHERE i.taxpayer = $1 AND i.id > $2 ORDER BY i.id LIMIT $3"

PAGE_IN_STATES = f"""
SELECT {INVOICE_COLUMNS} FROM invoice AS i
WHERE i.taxpayer = $1 AND i.id > $2 AND i.state = ANY($4::text[]) ORDER BY i.id LIMIT $3
"""

_WANTED = """
($4::text[] IS NULL OR i.state = ANY($4)) AND ($5::text IS NULL OR i.kind = $5) AND ($6::text IS NULL OR i.channel = $6)
"""

PAGE_OF = f"""
SELECT {INVOICE_COLUMNS} FROM invoice AS i WHERE i.taxpayer = $1 AND i.id > $2 AND {_WANTED} ORDER BY i.id LIMIT $3
"""

# The ids between which the span lies come from the index on made_at; the page is then read in the order of ids.
_MADE = "FROM invoice AS m WHERE m.taxpayer = $1 AND m.made_at >= $7 AND m.made_at < $8"

PAGE_MADE = f"""
SELECT {INVOICE_COLUMNS} FROM invoice AS i
WHERE i.taxpayer = $1 AND i.id > $2 AND i.id BETWEEN (SELECT min(m.id + 0) {_MADE}) AND (SELECT max(m.id + 0) {_MADE})
AND i.made_at >= $7 AND i.made_at < $8 AND {_WANTED} ORDER BY i.id LIMIT $3
"""

# Each taxpayer once, by jumping through the partial index.
# lint: all taxpayers: each taxpayer once, so that each has its turn
ACCEPTED_TAXPAYERS = """
WITH RECURSIVE each (taxpayer) AS (
    SELECT min(taxpayer) FROM invoice WHERE state = 'accepted' AND state <> 'confirmed'
    UNION ALL
    SELECT (
        SELECT min(i.taxpayer) FROM invoice AS i
        WHERE i.state = 'accepted' AND i.state <> 'confirmed' AND i.taxpayer > each.taxpayer
    ) FROM each WHERE each.taxpayer IS NOT NULL
)
SELECT taxpayer FROM each WHERE taxpayer IS NOT NULL ORDER BY taxpayer
"""

ACCEPTED = f"""
SELECT {INVOICE_COLUMNS} FROM invoice AS i
WHERE i.taxpayer = $1 AND i.state = 'accepted' AND i.state <> 'confirmed' AND i.next_at <= $2
ORDER BY i.made_at, i.id LIMIT $3
"""

DOCUMENTS = """
SELECT i.id, d.xml, d.invoice, d.digest, d.seal, d.key_id, d.algorithm
FROM invoice AS i, LATERAL (
    SELECT * FROM document AS d WHERE d.taxpayer = i.taxpayer AND d.month = i.month AND d.id = i.id
) AS d
WHERE i.taxpayer = $1 AND i.id = ANY($2::bigint[]) AND d.xml IS NOT NULL
"""

# Beside a program that does not keep the counts (until 0006 has counted again) the invoices themselves are counted.
COUNTS_ARE_KEPT = "EXISTS (SELECT 1 FROM migration WHERE name = '0006_post_state_counts.sql')"

STATE_COUNTS = f"""
SELECT state, sum(count)::bigint FROM state_count WHERE taxpayer = $1 AND {COUNTS_ARE_KEPT} GROUP BY state
UNION ALL
SELECT state, count(*) FROM invoice WHERE taxpayer = $1 AND NOT {COUNTS_ARE_KEPT} GROUP BY state
"""

# lint: all taxpayers: rows of writers that are gone become one for each state
LOCK_STATE_COUNTS = """
SELECT 1 FROM state_count WHERE writer <> '' ORDER BY taxpayer, writer, state FOR UPDATE
"""

# lint: all taxpayers: rows of writers that are gone become one for each state
ADD_UP_STATE_COUNTS = """
WITH gone AS (DELETE FROM state_count WHERE writer <> '' RETURNING taxpayer, state, count)
INSERT INTO state_count AS c (taxpayer, writer, state, count)
SELECT g.taxpayer, '', g.state, sum(g.count) FROM gone AS g GROUP BY g.taxpayer, g.state ORDER BY 1, 3
ON CONFLICT (taxpayer, writer, state) DO UPDATE SET count = c.count + excluded.count
"""

ISSUED_SINCE = """
SELECT count(*), coalesce(sum(quota), 0)::bigint FROM invoice
WHERE taxpayer = $1 AND made_at >= $2 AND number IS NOT NULL
"""

OLDEST_IN_STATES = """
SELECT min(oldest) FROM unnest($2::text[]) AS w (state), LATERAL (
    SELECT min(made_at) AS oldest FROM invoice AS i
    WHERE i.state = w.state AND i.taxpayer = $1 AND i.state <> 'confirmed'
) AS each
"""

# Each once, by jumping through the index instead of reading all of it.
_TAXPAYERS_WITH_INVOICES = """
WITH RECURSIVE each (taxpayer) AS (
    -- lint: all taxpayers: each taxpayer once, for the last instant of each
    SELECT min(taxpayer) FROM invoice
    UNION ALL
    SELECT (SELECT min(taxpayer) FROM invoice WHERE taxpayer > each.taxpayer) FROM each WHERE each.taxpayer IS NOT NULL
)
"""

TAXPAYERS_WITH_INVOICES = f"""
{_TAXPAYERS_WITH_INVOICES} SELECT taxpayer FROM each WHERE taxpayer IS NOT NULL ORDER BY taxpayer
"""

LAST_MADE_AT = f"""
{_TAXPAYERS_WITH_INVOICES}
SELECT max((SELECT max(made_at) FROM invoice AS i WHERE i.taxpayer = each.taxpayer)) FROM each
"""

# --- upload and settle ----------------------------------------------------------------------------------------------

# lint: all taxpayers: the uploader asks whose turn it is
DUE_PAIRS = """
SELECT taxpayer, channel FROM invoice WHERE state = 'issued' AND next_at <= $1
GROUP BY taxpayer, channel ORDER BY min(deadline), taxpayer, channel
"""

# What another node claims at this moment is passed over.
FIRST_TO_UPLOAD = """
SELECT id, alone FROM invoice
WHERE taxpayer = $1 AND channel = $2 AND state = 'issued' AND next_at <= $3
ORDER BY deadline, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

NEXT_TO_UPLOAD = """
SELECT id FROM invoice
WHERE taxpayer = $1 AND channel = $2 AND state = 'issued' AND next_at <= $3 AND NOT alone
ORDER BY deadline, id LIMIT $4 FOR UPDATE SKIP LOCKED
"""

CLAIM = f"""
UPDATE invoice AS i
SET state = 'uploading', version = version + 1, tries = tries + 1, denials = 0, late_denials = 0
WHERE i.taxpayer = $1 AND i.id = ANY($2::bigint[]) RETURNING {INVOICE_COLUMNS}
"""

UPLOAD_EXISTS = "SELECT 1 FROM upload WHERE taxpayer = $1 AND id = $2"

INSERT_UPLOAD = """
WITH attempts AS (
    INSERT INTO attempt (taxpayer, upload, invoice) SELECT $1, $2, w.id FROM unnest($7::bigint[]) AS w (id)
)
INSERT INTO upload (taxpayer, id, wire_id, channel, node, begun_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

LOCK_UPLOAD = "SELECT ended_at FROM upload WHERE taxpayer = $1 AND id = $2 FOR UPDATE"

ATTEMPTS = "SELECT invoice FROM attempt WHERE taxpayer = $1 AND upload = $2"

END_UPLOAD = """
WITH attempts AS (
    UPDATE attempt AS a SET outcome = w.outcome FROM unnest($10::bigint[], $11::text[]) AS w (invoice, outcome)
    WHERE a.taxpayer = $1 AND a.upload = $2 AND a.invoice = w.invoice
)
UPDATE upload SET ended_at = $3, phase = $4, bytes_sent = $5, outcome = $6, cause = $7, submission = $8, timeline = $9
WHERE taxpayer = $1 AND id = $2
"""

# lint: all taxpayers: calls without an outcome are settled by the node, or by another for a node that is gone
OPEN_UPLOADS = """
SELECT taxpayer, id, wire_id, channel, node, begun_at FROM upload
WHERE ended_at IS NULL AND ($1::text IS NULL OR node = $1) ORDER BY begun_at, id
"""

UPLOADED_INVOICES = f"""
SELECT {INVOICE_COLUMNS} FROM attempt AS a JOIN invoice AS i ON i.taxpayer = a.taxpayer AND i.id = a.invoice
WHERE a.taxpayer = $1 AND a.upload = $2 ORDER BY i.deadline, i.id
"""

# lint: all taxpayers: time limits are watched for everybody
ALARMING = f"""
SELECT {INVOICE_COLUMNS} FROM invoice AS i
WHERE i.state = 'unknown' AND i.state <> 'confirmed' AND i.unknown_since IS NOT NULL
AND i.deadline < 9223372036854775807
AND (
    (i.alarmed < 80 AND ($1 - i.unknown_since)::numeric * 100 >= (i.deadline - i.unknown_since)::numeric * 80)
    OR (i.alarmed < 50 AND ($1 - i.unknown_since)::numeric * 100 >= (i.deadline - i.unknown_since)::numeric * 50)
)
ORDER BY i.deadline, i.id LIMIT $2
"""

STANDING = """
SELECT i.taxpayer, i.id, i.state, i.version, i.number, i.client_order FROM invoice AS i
JOIN unnest($1::text[], $2::bigint[]) AS w (taxpayer, id) ON i.taxpayer = w.taxpayer AND i.id = w.id
ORDER BY i.taxpayer, i.id FOR UPDATE OF i
"""

NUMBER_OWNER = "SELECT 1 FROM number_entry WHERE taxpayer = $1 AND number = $2"

OWN_SEGMENT = "SELECT 1 FROM number_segment WHERE taxpayer = $1 AND first <= $2 AND last >= $2 LIMIT 1"

INSERT_NUMBER = "INSERT INTO number_entry (taxpayer, number, block, invoice) VALUES ($1, $2, NULL, $3)"

# --- the trail ------------------------------------------------------------------------------------------------------

# The chain goes on only from the tip that this writer knows; else nothing is stored.
STORE_EVENTS = f"""
WITH tip AS (
    UPDATE chain_tip SET sequence = $4, hash = $5 WHERE writer = $1 AND sequence = $2 AND hash = $3 RETURNING 1
), events AS (
    INSERT INTO event (taxpayer, position, writer, sequence, kind, at, subject, invoice, data, previous, hash)
    SELECT w.taxpayer, ({_POSITION}) + w.place, $1, $2 + w.place, w.kind, w.at, w.subject, w.invoice, w.data,
        w.previous, w.hash
    FROM unnest(
        $6::text[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::bytea[], $13::bytea[]
    ) WITH ORDINALITY AS w (taxpayer, kind, at, subject, invoice, data, previous, hash, place)
    WHERE EXISTS (SELECT 1 FROM tip)
), counts AS ({_COUNT.format("$14", "$15", "$16")})
SELECT count(*) FROM tip
"""

# Whether each lies before every transaction that is still under way: what lies behind may yet get a neighbour before it.
_SETTLED = """
position < ((SELECT base FROM event_base) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) * 4194304
"""

EVENT_COLUMNS = f"position, writer, sequence, kind, at, taxpayer, subject, data, previous, hash, {_SETTLED}"

# lint: all taxpayers: the trail is one chain per node; it is read whole to be verified
EVENTS = f"SELECT {EVENT_COLUMNS} FROM event WHERE position > $1 ORDER BY position LIMIT $2"

# lint: all taxpayers: a place in the trail, no row of anybody
LAST_POSITION = f"SELECT coalesce(max(position), 0) FROM event WHERE {_SETTLED}"

EVENTS_OF_TAXPAYER = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE taxpayer = $1 AND position > $2 ORDER BY position LIMIT $3
"""

# As the events of an order, of each taxpayer; and those of the platform. All by their indexes.
# lint: all taxpayers: an operator looks for an order; the API passes on only what the caller may see
EVENTS_OF_SUBJECT = f"""
{_TAXPAYERS_WITH_INVOICES.rstrip()}, named (taxpayer) AS (
    SELECT min(taxpayer) FROM event WHERE invoice IS NULL AND subject IS NOT NULL
    UNION ALL
    SELECT (
        SELECT min(taxpayer) FROM event WHERE invoice IS NULL AND subject IS NOT NULL AND taxpayer > named.taxpayer
    ) FROM named WHERE named.taxpayer IS NOT NULL
), chain (taxpayer, id) AS (
    SELECT k.taxpayer, k.invoice FROM each JOIN order_key AS k ON k.taxpayer = each.taxpayer AND k.digest = $2
    UNION
    SELECT i.taxpayer, i.replaces FROM chain JOIN invoice AS i ON i.taxpayer = chain.taxpayer AND i.id = chain.id
    WHERE i.replaces IS NOT NULL
), found AS (
    SELECT e.* FROM chain JOIN event AS e ON e.taxpayer = chain.taxpayer AND e.invoice = chain.id
    UNION ALL
    SELECT e.* FROM named JOIN event AS e
        ON e.taxpayer = named.taxpayer AND left(e.subject, 200) = left($1, 200) AND e.invoice IS NULL
    UNION ALL
    SELECT e.* FROM event AS e WHERE e.taxpayer IS NULL AND left(e.subject, 200) = left($1, 200) AND e.invoice IS NULL
)
SELECT {EVENT_COLUMNS} FROM found WHERE subject = $1 AND position > $3 ORDER BY position LIMIT $4
"""

# The invoices of an order are the live one and those that it replaced.
EVENTS_OF_ORDER = f"""
WITH RECURSIVE chain (id) AS (
    SELECT invoice FROM order_key WHERE taxpayer = $1 AND digest = $3
    UNION SELECT i.replaces FROM chain JOIN invoice AS i ON i.taxpayer = $1 AND i.id = chain.id
    WHERE i.replaces IS NOT NULL
), found AS (
    SELECT * FROM event WHERE taxpayer = $1 AND invoice = ANY(ARRAY(SELECT id FROM chain))
    UNION ALL
    SELECT * FROM event WHERE taxpayer = $1 AND left(subject, 200) = left($2, 200) AND invoice IS NULL
)
SELECT {EVENT_COLUMNS} FROM found WHERE subject = $2 AND position > $4 ORDER BY position LIMIT $5
"""

BEGIN_CHAIN = "INSERT INTO chain_tip (writer, sequence, hash) VALUES ($1, 0, $2) ON CONFLICT (writer) DO NOTHING"

TIP = "SELECT sequence, hash FROM chain_tip WHERE writer = $1"

TIPS = "SELECT writer, sequence, hash FROM chain_tip WHERE sequence > 0 ORDER BY writer"

SAVE_HEAD = "INSERT INTO chain_head (writer, sequence, hash, at, key_id, signature) VALUES ($1, $2, $3, $4, $5, $6)"

HEADS = "SELECT writer, sequence, hash, at, key_id, signature FROM chain_head ORDER BY writer, sequence, at"
