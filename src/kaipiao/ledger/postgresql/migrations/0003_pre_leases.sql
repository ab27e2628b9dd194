-- Who works for whom: shards of the uploader, nodes that are there, and what the bureau said of each taxpayer.

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

-- lint: all taxpayers: every seller of before becomes a shard
INSERT INTO shard (taxpayer, epoch, short) SELECT taxpayer, 0, false FROM taxpayer;

CREATE INDEX invoice_waiting ON invoice (state, taxpayer, next_at, id) WHERE next_at IS NOT NULL AND state <> 'issued';
