-- Who may come in: tenants, accounts, sessions that ended before their time, and log-ins that are being counted.

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

CREATE INDEX account_tenant ON account (tenant, account);

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

CREATE INDEX login_count_stale ON login_count (stale_at);

CREATE INDEX event_platform ON event (position) WHERE taxpayer IS NULL;
