-- The whole schema as it stands after all migrations: for reading, and for the test that holds both equal.

CREATE TABLE migration (
    name text COLLATE "C" NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (name)
);

-- One row, locked by whoever changes the schema or adds partitions.
CREATE TABLE migration_lock (
    id integer NOT NULL CHECK (id = 1),
    PRIMARY KEY (id)
);


CREATE TABLE taxpayer (
    taxpayer text COLLATE "C" NOT NULL,
    tenant text NOT NULL,
    name text NOT NULL,
    channels text NOT NULL, -- JSON array, in order of preference
    PRIMARY KEY (taxpayer)
);

CREATE TABLE number_segment (
    taxpayer text COLLATE "C" NOT NULL,
    serial text COLLATE "C" NOT NULL, -- ywlsh: makes the bureau's answer repeatable
    ordinal integer NOT NULL, -- in the order of asking, per taxpayer
    channel text COLLATE "C" NOT NULL,
    year integer NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    requested_at bigint NOT NULL,
    filled_at bigint, -- NULL until the bureau has answered
    first text COLLATE "C",
    last text COLLATE "C",
    size bigint NOT NULL DEFAULT 0,
    carved bigint NOT NULL DEFAULT 0, -- so many went into blocks
    expired bigint NOT NULL DEFAULT 0, -- of those never carved
    PRIMARY KEY (taxpayer, serial),
    UNIQUE (taxpayer, ordinal),
    CHECK (carved + expired <= size)
);

-- A block's used numbers are its entries. Counting them in the row would make every commit of a block wait for the other:
-- `used` is written once, when nothing of the block is left.
CREATE TABLE number_block (
    taxpayer text COLLATE "C" NOT NULL,
    id integer NOT NULL,
    channel text COLLATE "C" NOT NULL,
    year integer NOT NULL,
    serial text COLLATE "C" NOT NULL,
    first text COLLATE "C" NOT NULL,
    last text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    epoch integer NOT NULL,
    node text COLLATE "C", -- NULL: nobody holds it
    lease_until double precision NOT NULL,
    used bigint, -- NULL while some number of it may still be used
    expired bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (taxpayer, id),
    CHECK (used IS NULL OR used + expired = size)
);

-- Small and of all months: a number is given once. Its key is the index on tax number and invoice number.
CREATE TABLE number_entry (
    taxpayer text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL,
    block integer, -- NULL: it came with the far side's answer
    invoice bigint NOT NULL,
    PRIMARY KEY (taxpayer, number)
);

-- Small and of all months: an order is admitted once, for ever. The digest keeps the random keys short.
CREATE TABLE order_key (
    taxpayer text COLLATE "C" NOT NULL,
    digest bytea NOT NULL, -- SHA-256 of the client's order number
    invoice bigint NOT NULL, -- the live one
    PRIMARY KEY (taxpayer, digest)
);

CREATE TABLE quota (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    downloaded bigint NOT NULL DEFAULT 0,
    returned bigint NOT NULL DEFAULT 0,
    issued bigint NOT NULL DEFAULT 0,
    remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0),
    valid_from bigint,
    valid_until bigint,
    PRIMARY KEY (taxpayer, channel, month),
    CHECK (remaining = downloaded - returned - issued)
) WITH (fillfactor = 20);

CREATE TABLE quota_request (
    taxpayer text COLLATE "C" NOT NULL,
    serial text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('download', 'return')),
    asked bigint NOT NULL,
    amount bigint, -- NULL until the bureau has answered
    at bigint NOT NULL,
    filled_at bigint,
    PRIMARY KEY (taxpayer, serial)
);

-- What each invoice took. By month, as all that only grows.
CREATE TABLE quota_entry (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    invoice bigint NOT NULL,
    amount bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (taxpayer, month, invoice)
) PARTITION BY RANGE (month);

-- The state machine: narrow, because it changes several times. What is long lies in `document`.
CREATE TABLE invoice (
    taxpayer text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    client_order text NOT NULL, -- escaped where it holds U+0000 (texts.py)
    channel text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    number text COLLATE "C", -- NULL: not numbered yet
    state text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    amount bigint NOT NULL,
    tax bigint NOT NULL,
    total bigint NOT NULL,
    quota bigint NOT NULL,
    made_at bigint NOT NULL,
    sent_at bigint,
    accepted_at bigint,
    month text COLLATE "C" NOT NULL,
    next_at bigint,
    deadline bigint NOT NULL, -- 9223372036854775807: none
    submission text,
    submitted_at bigint,
    unknown_since bigint,
    denials integer NOT NULL,
    late_denials integer NOT NULL,
    tries integer NOT NULL,
    doubt boolean NOT NULL,
    refused boolean NOT NULL,
    alone boolean NOT NULL,
    alarmed integer NOT NULL,
    provenance text,
    problem_code text,
    problem text,
    replaces bigint,
    content_digest bytea NOT NULL,
    PRIMARY KEY (taxpayer, id)
) WITH (fillfactor = 70);

-- A row is of one writer alone, so that no commit waits for another's; '' is the sum of those before.
CREATE TABLE state_count (
    taxpayer text COLLATE "C" NOT NULL,
    writer text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    count bigint NOT NULL, -- of one writer: may be below 0
    PRIMARY KEY (taxpayer, writer, state)
) WITH (fillfactor = 20);

-- What was frozen: the request, the XML and its seal. Written once, read when it is sent.
CREATE TABLE document (
    taxpayer text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    id bigint NOT NULL, -- of the invoice
    content bytea NOT NULL,
    digest bytea, -- NULL, with the rest: accepted, not sealed yet
    seal bytea,
    key_id text,
    algorithm text,
    xml bytea,
    invoice bytea,
    PRIMARY KEY (taxpayer, month, id)
) PARTITION BY RANGE (month);

CREATE TABLE upload (
    taxpayer text COLLATE "C" NOT NULL,
    id bigint NOT NULL,
    wire_id text NOT NULL,
    channel text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    begun_at bigint NOT NULL,
    ended_at bigint, -- NULL: no outcome yet
    phase text,
    bytes_sent bigint,
    outcome text,
    cause text,
    submission text,
    timeline text,
    PRIMARY KEY (taxpayer, id)
);

CREATE TABLE attempt (
    taxpayer text COLLATE "C" NOT NULL,
    upload bigint NOT NULL,
    invoice bigint NOT NULL,
    outcome text,
    PRIMARY KEY (taxpayer, upload, invoice)
);

-- `position` = (base + transaction id) * 2^22 + place in it: it rises along every writer's chain, and a reader that stops
-- before the oldest transaction under way misses nothing. No sequence, no counter that every commit would wait for.
CREATE TABLE event (
    taxpayer text COLLATE "C", -- NULL: an event of the platform
    position bigint NOT NULL,
    writer text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    at bigint NOT NULL,
    subject text,
    invoice bigint, -- for finding the events of an order; not part of the chain
    data text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
) PARTITION BY RANGE (at);

-- One row. The base is raised when a restored database begins to count its transactions anew.
CREATE TABLE event_base (
    id integer NOT NULL CHECK (id = 1),
    base bigint NOT NULL,
    PRIMARY KEY (id)
);

INSERT INTO event_base (id, base) VALUES (1, 0);

CREATE TABLE chain_tip (
    writer text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (writer)
) WITH (fillfactor = 20);

CREATE TABLE chain_head (
    writer text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    at bigint NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL
);

-- A shard is a taxpayer: all wire calls for it come from the node that holds it.
CREATE TABLE shard (
    taxpayer text COLLATE "C" NOT NULL,
    node text COLLATE "C", -- NULL: let go. Held while that node is there.
    epoch bigint NOT NULL, -- + 1 with every change of hands
    short boolean NOT NULL, -- another node ran out of its numbers or quota
    PRIMARY KEY (taxpayer)
) WITH (fillfactor = 50);

CREATE TABLE node (
    node text COLLATE "C" NOT NULL,
    lease_until double precision NOT NULL, -- seconds of the database's clock
    PRIMARY KEY (node)
) WITH (fillfactor = 20);

-- One row. Who shares shards out holds it.
CREATE TABLE shard_lock (
    id integer NOT NULL CHECK (id = 1),
    PRIMARY KEY (id)
);

INSERT INTO shard_lock (id) VALUES (1);

CREATE TABLE standing (
    taxpayer text COLLATE "C" NOT NULL,
    refusal text, -- NULL: it may issue
    at bigint NOT NULL,
    PRIMARY KEY (taxpayer)
);

CREATE UNIQUE INDEX number_segment_open ON number_segment (taxpayer, channel, year) WHERE filled_at IS NULL;

CREATE INDEX number_block_place ON number_block (taxpayer, channel, year);

CREATE INDEX number_block_open ON number_block (taxpayer, channel, year, id) WHERE used IS NULL;

CREATE UNIQUE INDEX quota_request_open ON quota_request (taxpayer, channel, month, kind) WHERE amount IS NULL;

CREATE INDEX invoice_made ON invoice (taxpayer, made_at);

CREATE INDEX invoice_upload ON invoice (taxpayer, channel, deadline, id) WHERE state = 'issued';

CREATE INDEX invoice_waiting ON invoice (state, taxpayer, next_at, id) WHERE next_at IS NOT NULL AND state <> 'issued';

CREATE INDEX invoice_open ON invoice (state, taxpayer, made_at) WHERE state <> 'confirmed';

CREATE INDEX upload_open ON upload (node) WHERE ended_at IS NULL;

CREATE INDEX attempt_invoice ON attempt (taxpayer, invoice);

CREATE INDEX event_position ON event (position);

CREATE INDEX event_taxpayer ON event (taxpayer, position) WHERE taxpayer IS NOT NULL;

CREATE INDEX event_invoice ON event (taxpayer, invoice) WHERE invoice IS NOT NULL;

CREATE INDEX event_subject ON event (taxpayer, left(subject, 200)) WHERE invoice IS NULL AND subject IS NOT NULL;

CREATE TABLE tenant (
    tenant text COLLATE "C" NOT NULL, -- a group of taxpayers; which are in it stands with them
    made_at bigint NOT NULL,
    PRIMARY KEY (tenant)
);

CREATE TABLE account (
    account text COLLATE "C" NOT NULL, -- of a tenant: name@tenant
    tenant text COLLATE "C",
    taxpayers text NOT NULL, -- JSON array; empty: all of the tenant, or of the installation
    role text NOT NULL,
    password text NOT NULL, -- argon2id, PHC form
    made_at bigint NOT NULL,
    changed_at bigint NOT NULL, -- of the password
    must_change integer NOT NULL,
    disabled integer NOT NULL,
    epoch bigint NOT NULL, -- sessions begun under an earlier one are over
    totp text, -- the secret of one-time codes, closed under the key store
    totp_confirmed integer NOT NULL,
    totp_step bigint NOT NULL, -- of the last code that was taken
    recovery text NOT NULL, -- JSON array of digests
    version bigint NOT NULL,
    PRIMARY KEY (account)
);

CREATE TABLE session_end (
    jti text COLLATE "C" NOT NULL,
    until bigint NOT NULL, -- when the session would have ended by itself
    PRIMARY KEY (jti)
);

-- One row. Whoever ends a session raises the revision; a node reads the rest only when it changed.
CREATE TABLE access_state (
    id integer NOT NULL CHECK (id = 1),
    revision bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE login_count (
    name text COLLATE "C" NOT NULL, -- an account, as a digest, or a source
    marks text NOT NULL, -- JSON: what is counted → [when, did it fail]
    locked_until bigint NOT NULL, -- 0: not locked
    stale_at bigint NOT NULL, -- from then on the row counts for nothing
    PRIMARY KEY (name)
) WITH (fillfactor = 50);

CREATE INDEX account_tenant ON account (tenant, account);

CREATE INDEX login_count_stale ON login_count (stale_at);

CREATE INDEX event_platform ON event (position) WHERE taxpayer IS NULL;

CREATE TABLE request (
    subject text COLLATE "C" NOT NULL, -- of the token
    key text COLLATE "C" NOT NULL, -- Idempotency-Key
    digest bytea NOT NULL, -- SM3 of everything that is asked
    begun_at bigint NOT NULL,
    until bigint NOT NULL, -- from then on it counts for nothing
    status integer NOT NULL, -- of the answer; 0: under way
    media text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (subject, key)
);

CREATE INDEX request_until ON request (until);

CREATE TABLE token_revocation (
    kind text COLLATE "C" NOT NULL, -- token: name is its jti; subject: all of its tokens made until then
    name text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE outage_watch (
    id integer NOT NULL CHECK (id = 1),
    revision bigint NOT NULL,
    position bigint NOT NULL,
    recent text NOT NULL, -- JSON
    PRIMARY KEY (id)
);

CREATE TABLE outage (
    id bigint NOT NULL,
    channel text COLLATE "C" NOT NULL,
    begun_at bigint NOT NULL,
    back_at bigint,
    drained_at bigint,
    closed_at bigint, -- NULL: open
    detail text NOT NULL, -- JSON
    report bytea NOT NULL, -- sealed; empty while it is open
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX outage_open ON outage (channel) WHERE closed_at IS NULL;

CREATE TABLE alarm_desk (
    id integer NOT NULL CHECK (id = 1),
    revision bigint NOT NULL, -- + 1 with every change
    position bigint NOT NULL, -- every event up to it was judged
    last_id bigint NOT NULL,
    node text COLLATE "C", -- who holds it
    lease_until double precision NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE alarm (
    id bigint NOT NULL,
    about text COLLATE "C", -- the taxpayer; NULL: the platform
    is_open boolean NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX alarm_open ON alarm (id) WHERE is_open;

CREATE TABLE silence (
    id bigint NOT NULL,
    until bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE message (
    id bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    made_at bigint NOT NULL,
    next_at bigint NOT NULL,
    ended_at bigint,
    epoch bigint NOT NULL, -- + 1 with every lease
    node text COLLATE "C", -- to whom it is leased
    lease_until double precision NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX message_waiting ON message (next_at) WHERE state = 'waiting';

-- One book for each taxpayer, channel and month: requests for lists, how far the comparison came, the confirmation.
CREATE TABLE month_book (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    version integer NOT NULL, -- + 1 with every change
    content text NOT NULL, -- JSON
    PRIMARY KEY (taxpayer, channel, month)
);

-- What differs now between the bureau's books and ours.
CREATE TABLE finding (
    taxpayer text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    month text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    number text COLLATE "C" NOT NULL, -- '': about the month as a whole
    client_order text,
    ours text NOT NULL, -- JSON: the fields that differ
    theirs text NOT NULL,
    run bigint NOT NULL, -- which comparison saw it last
    found_at bigint NOT NULL,
    PRIMARY KEY (taxpayer, channel, month, kind, number)
);

CREATE TABLE checkpoint (
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL, -- + 1 with every change: who changes it names the one that it read
    content text NOT NULL,
    PRIMARY KEY (name)
) WITH (fillfactor = 20);

CREATE TABLE hour_total (
    taxpayer text COLLATE "C" NOT NULL,
    hour bigint NOT NULL, -- its first instant; counted from `invoice` once it is over
    invoices bigint NOT NULL,
    quota bigint NOT NULL,
    PRIMARY KEY (taxpayer, hour)
);
