-- Alarms, silences, and messages about them. `body` is the whole row as JSON; the other columns are what it is found by.

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
