-- Alarms, silences, and messages about them. `body` is the whole row as JSON; the other columns are what it is found by.

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
