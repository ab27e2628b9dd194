-- Who works for whom: shards of the uploader, nodes that are there, and what the bureau said of each taxpayer.

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

-- lint: all taxpayers: every seller of before becomes a shard
INSERT INTO shard (taxpayer, epoch, short) SELECT taxpayer, 0, 0 FROM taxpayer;

CREATE INDEX invoice_waiting ON invoice (state, taxpayer, next_at, id) WHERE next_at IS NOT NULL AND state <> 'issued';
