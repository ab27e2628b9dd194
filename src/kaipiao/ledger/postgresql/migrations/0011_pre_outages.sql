-- Outages of channels (R10), and how far the trail is taken in.

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
