-- Outages of channels (R10), and how far the trail is taken in.

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
