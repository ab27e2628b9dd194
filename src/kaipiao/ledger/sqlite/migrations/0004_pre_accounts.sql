-- Who may come in: tenants, accounts, sessions that ended before their time, and log-ins that are being counted.

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

CREATE INDEX account_tenant ON account (tenant, account);

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

CREATE INDEX login_count_stale ON login_count (stale_at);

CREATE INDEX event_platform ON event (position) WHERE taxpayer IS NULL;
