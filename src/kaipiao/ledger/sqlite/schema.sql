-- The whole schema as it stands after all migrations: for reading, and for the test that holds both equal.

CREATE TABLE migration (
    name TEXT NOT NULL PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE taxpayer (
    taxpayer TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    channels TEXT NOT NULL -- JSON array, in order of preference
) STRICT, WITHOUT ROWID;

CREATE TABLE number_segment (
    taxpayer TEXT NOT NULL,
    serial TEXT NOT NULL, -- ywlsh: makes the bureau's answer repeatable
    channel TEXT NOT NULL,
    year INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    requested_at INTEGER NOT NULL,
    filled_at INTEGER, -- NULL until the bureau has answered
    first TEXT,
    last TEXT,
    size INTEGER NOT NULL DEFAULT 0,
    carved INTEGER NOT NULL DEFAULT 0, -- so many went into blocks
    expired INTEGER NOT NULL DEFAULT 0, -- of those never carved
    PRIMARY KEY (taxpayer, serial),
    CHECK (carved + expired <= size)
) STRICT;

CREATE TABLE number_block (
    taxpayer TEXT NOT NULL,
    id INTEGER NOT NULL,
    channel TEXT NOT NULL,
    year INTEGER NOT NULL,
    serial TEXT NOT NULL,
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    size INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node TEXT, -- NULL: nobody holds it
    lease_until REAL NOT NULL, -- seconds of the ledger's own clock
    used INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (taxpayer, id),
    CHECK (used + expired <= size)
) STRICT;

CREATE TABLE number_entry (
    taxpayer TEXT NOT NULL,
    number TEXT NOT NULL,
    block INTEGER, -- NULL: it came with the far side's answer
    invoice INTEGER NOT NULL,
    PRIMARY KEY (taxpayer, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    downloaded INTEGER NOT NULL DEFAULT 0,
    returned INTEGER NOT NULL DEFAULT 0,
    issued INTEGER NOT NULL DEFAULT 0,
    remaining INTEGER NOT NULL DEFAULT 0 CHECK (remaining >= 0),
    valid_from INTEGER,
    valid_until INTEGER,
    PRIMARY KEY (taxpayer, channel, month),
    CHECK (remaining = downloaded - returned - issued)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_entry (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('download', 'return', 'issue')),
    serial TEXT, -- of a download or return
    invoice INTEGER, -- of an issue
    asked INTEGER NOT NULL,
    amount INTEGER, -- NULL until the bureau has answered
    at INTEGER NOT NULL,
    filled_at INTEGER
) STRICT;

CREATE TABLE order_key (
    taxpayer TEXT NOT NULL,
    client_order TEXT NOT NULL,
    invoice INTEGER NOT NULL, -- the live one
    PRIMARY KEY (taxpayer, client_order)
) STRICT, WITHOUT ROWID;

CREATE TABLE invoice (
    taxpayer TEXT NOT NULL,
    id INTEGER PRIMARY KEY,
    client_order TEXT NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    number TEXT, -- NULL: not numbered yet
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    total INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    sent_at INTEGER,
    accepted_at INTEGER,
    month TEXT NOT NULL,
    next_at INTEGER,
    deadline INTEGER NOT NULL, -- 9223372036854775807: none
    submission TEXT,
    submitted_at INTEGER,
    unknown_since INTEGER,
    denials INTEGER NOT NULL,
    late_denials INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    doubt INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    alone INTEGER NOT NULL,
    alarmed INTEGER NOT NULL,
    provenance TEXT,
    problem_code TEXT,
    problem TEXT,
    replaces INTEGER,
    content_digest BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE document (
    taxpayer TEXT NOT NULL,
    id INTEGER PRIMARY KEY, -- of the invoice
    digest BLOB NOT NULL,
    seal BLOB NOT NULL,
    key_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    xml BLOB NOT NULL,
    invoice BLOB NOT NULL
) STRICT;

CREATE TABLE upload (
    taxpayer TEXT NOT NULL,
    id INTEGER PRIMARY KEY,
    wire_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    node TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER, -- NULL: no outcome yet
    phase TEXT,
    bytes_sent INTEGER,
    outcome TEXT,
    cause TEXT,
    submission TEXT,
    timeline TEXT
) STRICT;

CREATE TABLE attempt (
    taxpayer TEXT NOT NULL,
    upload INTEGER NOT NULL,
    invoice INTEGER NOT NULL,
    outcome TEXT,
    PRIMARY KEY (taxpayer, upload, invoice)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    taxpayer TEXT, -- NULL: an event of the platform
    position INTEGER PRIMARY KEY,
    writer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    subject TEXT,
    invoice INTEGER, -- for finding the events of an order; not part of the chain
    data TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE chain_tip (
    writer TEXT NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE chain_head (
    writer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- A shard is a taxpayer: all wire calls for it come from the node that holds it.
CREATE TABLE shard (
    taxpayer TEXT NOT NULL PRIMARY KEY,
    node TEXT, -- NULL: let go. Held while that node is there.
    epoch INTEGER NOT NULL, -- + 1 with every change of hands
    short INTEGER NOT NULL CHECK (short IN (0, 1)) -- another node ran out of its numbers or quota
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    node TEXT NOT NULL PRIMARY KEY,
    lease_until REAL NOT NULL -- seconds of the ledger's own clock
) STRICT, WITHOUT ROWID;

CREATE TABLE standing (
    taxpayer TEXT NOT NULL PRIMARY KEY,
    refusal TEXT, -- NULL: it may issue
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX number_segment_open ON number_segment (taxpayer, channel, year) WHERE filled_at IS NULL;

CREATE INDEX number_block_place ON number_block (taxpayer, channel, year);

CREATE UNIQUE INDEX quota_entry_serial ON quota_entry (taxpayer, serial) WHERE serial IS NOT NULL;

CREATE UNIQUE INDEX quota_entry_open ON quota_entry (taxpayer, channel, month, kind) WHERE amount IS NULL;

CREATE INDEX invoice_taxpayer ON invoice (taxpayer, id);

CREATE INDEX invoice_made ON invoice (taxpayer, made_at);

CREATE INDEX invoice_upload ON invoice (taxpayer, channel, deadline, id, next_at, alone) WHERE state = 'issued';

CREATE INDEX invoice_waiting ON invoice (state, taxpayer, next_at, id) WHERE next_at IS NOT NULL AND state <> 'issued';

CREATE INDEX invoice_open ON invoice (state, taxpayer, made_at) WHERE state <> 'confirmed';

CREATE INDEX upload_open ON upload (node) WHERE ended_at IS NULL;

CREATE INDEX attempt_invoice ON attempt (taxpayer, invoice);

CREATE INDEX event_taxpayer ON event (taxpayer) WHERE taxpayer IS NOT NULL;

CREATE INDEX event_invoice ON event (invoice) WHERE invoice IS NOT NULL;

CREATE INDEX event_subject ON event (taxpayer, subject) WHERE invoice IS NULL AND subject IS NOT NULL;

CREATE TABLE tenant (
    tenant TEXT NOT NULL PRIMARY KEY, -- a group of taxpayers; which are in it stands with them
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    account TEXT NOT NULL PRIMARY KEY, -- of a tenant: name@tenant
    tenant TEXT,
    taxpayers TEXT NOT NULL, -- JSON array; empty: all of the tenant, or of the installation
    role TEXT NOT NULL,
    password TEXT NOT NULL, -- argon2id, PHC form
    made_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL, -- of the password
    must_change INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    epoch INTEGER NOT NULL, -- sessions begun under an earlier one are over
    totp TEXT, -- the secret of one-time codes, closed under the key store
    totp_confirmed INTEGER NOT NULL,
    totp_step INTEGER NOT NULL, -- of the last code that was taken
    recovery TEXT NOT NULL, -- JSON array of digests
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session_end (
    jti TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL -- when the session would have ended by itself
) STRICT, WITHOUT ROWID;

-- One row. Whoever ends a session raises the revision; a node reads the rest only when it changed.
CREATE TABLE access_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE login_count (
    name TEXT NOT NULL PRIMARY KEY, -- an account, as a digest, or a source
    marks TEXT NOT NULL, -- JSON: what is counted → [when, did it fail]
    locked_until INTEGER NOT NULL, -- 0: not locked
    stale_at INTEGER NOT NULL -- from then on the row counts for nothing
) STRICT, WITHOUT ROWID;

CREATE INDEX account_tenant ON account (tenant, account);

CREATE INDEX login_count_stale ON login_count (stale_at);

CREATE INDEX event_platform ON event (position) WHERE taxpayer IS NULL;

CREATE TABLE request (
    subject TEXT NOT NULL, -- of the token
    key TEXT NOT NULL, -- Idempotency-Key
    digest BLOB NOT NULL, -- SM3 of everything that is asked
    begun_at INTEGER NOT NULL,
    until INTEGER NOT NULL, -- from then on it counts for nothing
    status INTEGER NOT NULL, -- of the answer; 0: under way
    media TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (subject, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX request_until ON request (until);

CREATE TABLE token_revocation (
    kind TEXT NOT NULL, -- token: name is its jti; subject: all of its tokens made until then
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE outage_watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    position INTEGER NOT NULL,
    recent TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE outage (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    back_at INTEGER,
    drained_at INTEGER,
    closed_at INTEGER, -- NULL: open
    detail TEXT NOT NULL, -- JSON
    report BLOB NOT NULL -- sealed; empty while it is open
) STRICT;

CREATE UNIQUE INDEX outage_open ON outage (channel) WHERE closed_at IS NULL;

CREATE TABLE alarm_desk (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL, -- + 1 with every change
    position INTEGER NOT NULL, -- every event up to it was judged
    last_id INTEGER NOT NULL,
    node TEXT, -- who holds it
    lease_until REAL NOT NULL
) STRICT;

CREATE TABLE alarm (
    id INTEGER NOT NULL PRIMARY KEY,
    about TEXT, -- the taxpayer; NULL: the platform
    is_open INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX alarm_open ON alarm (id) WHERE is_open = 1;

CREATE TABLE silence (
    id INTEGER NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE message (
    id INTEGER NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    ended_at INTEGER,
    epoch INTEGER NOT NULL, -- + 1 with every lease
    node TEXT, -- to whom it is leased
    lease_until REAL NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX message_waiting ON message (next_at) WHERE state = 'waiting';

-- One book for each taxpayer, channel and month: requests for lists, how far the comparison came, the confirmation.
CREATE TABLE month_book (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    version INTEGER NOT NULL, -- + 1 with every change
    content TEXT NOT NULL, -- JSON
    PRIMARY KEY (taxpayer, channel, month)
) STRICT, WITHOUT ROWID;

-- What differs now between the bureau's books and ours.
CREATE TABLE finding (
    taxpayer TEXT NOT NULL,
    channel TEXT NOT NULL,
    month TEXT NOT NULL,
    kind TEXT NOT NULL,
    number TEXT NOT NULL, -- '': about the month as a whole
    client_order TEXT,
    ours TEXT NOT NULL, -- JSON: the fields that differ
    theirs TEXT NOT NULL,
    run INTEGER NOT NULL, -- which comparison saw it last
    found_at INTEGER NOT NULL,
    PRIMARY KEY (taxpayer, channel, month, kind, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL, -- + 1 with every change: who changes it names the one that it read
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE hour_total (
    taxpayer TEXT NOT NULL,
    hour INTEGER NOT NULL, -- its first instant; counted from `invoice` once it is over
    invoices INTEGER NOT NULL,
    quota INTEGER NOT NULL,
    PRIMARY KEY (taxpayer, hour)
) STRICT, WITHOUT ROWID;
