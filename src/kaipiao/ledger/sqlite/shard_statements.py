"""SQL of shards and standings in SQLite. `?1` is the node, `?2` the time of the lease clock where a statement needs them."""

BE_THERE = """
INSERT INTO node (node, lease_until) VALUES (?, ?)
ON CONFLICT (node) DO UPDATE SET lease_until = excluded.lease_until
"""

GO = "DELETE FROM node WHERE node = ?"

# Their shards are free since long.
FORGET_NODES = "DELETE FROM node WHERE lease_until + 86400 <= ?"

NODES = "SELECT node, lease_until FROM node"

MAKE_SHARD = "INSERT INTO shard (taxpayer, epoch, short) VALUES (?, 0, 0) ON CONFLICT (taxpayer) DO NOTHING"

# lint: all taxpayers: how many each node works for
SHARD_COUNTS = """
SELECT n.node, count(*) FROM shard AS s LEFT JOIN node AS n ON n.node = s.node AND n.lease_until > ? GROUP BY n.node
"""

# lint: all taxpayers: what nobody holds is taken, whosever it is
TAKE_SHARDS = """
UPDATE shard SET node = ?1, epoch = epoch + 1 WHERE taxpayer IN (
    -- lint: all taxpayers: what nobody holds is taken, whosever it is
    SELECT s.taxpayer FROM shard AS s LEFT JOIN node AS n ON n.node = s.node AND n.lease_until > ?2
    WHERE n.node IS NULL ORDER BY s.taxpayer LIMIT ?3
)
"""

# lint: all taxpayers: what this node works for
SHARDS_OF_NODE = "SELECT taxpayer, short FROM shard WHERE node = ?"

MARK_SHORT = "UPDATE shard SET short = 1 WHERE taxpayer = ?"

# lint: all taxpayers: the holder was told
CLEAR_SHORT = "UPDATE shard SET short = 0 WHERE node = ? AND short = 1"

RELEASE_SHARD = "UPDATE shard SET node = NULL WHERE node = ? AND taxpayer = ?"

# lint: all taxpayers: a node that stops lets all go
RELEASE_SHARDS = "UPDATE shard SET node = NULL WHERE node = ?"

SAVE_STANDING = """
INSERT INTO standing (taxpayer, refusal, at) VALUES (?, ?, ?)
ON CONFLICT (taxpayer) DO UPDATE SET refusal = excluded.refusal, at = excluded.at WHERE excluded.at >= standing.at
"""

# lint: all taxpayers: every node must know who may not issue
STANDINGS = "SELECT taxpayer, refusal, at FROM standing"
