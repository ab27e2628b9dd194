"""SQL of shards and standings in PostgreSQL. `{_NOW}`: the database's clock, or that of a simulation."""

# ruff: noqa: S608

_NOW = "coalesce($1::float8, extract(epoch FROM clock_timestamp())::float8)"

# One node at a time; one that froze meanwhile is cut off before the others' leases are over.
HURRY = "SELECT set_config('idle_in_transaction_session_timeout', '3s', true)"

LOCK_SHARDS = "SELECT id FROM shard_lock WHERE id = 1 FOR UPDATE"

BE_THERE = f"""
INSERT INTO node (node, lease_until) VALUES ($2, {_NOW} + $3::float8)
ON CONFLICT (node) DO UPDATE SET lease_until = excluded.lease_until
"""

GO = "DELETE FROM node WHERE node = $1"

# Their shards are free since long.
FORGET_NODES = f"DELETE FROM node WHERE lease_until + 86400 <= {_NOW}"

NODES = f"SELECT node, lease_until > {_NOW} AS live, lease_until + $2::float8 > {_NOW} AS present FROM node"

MAKE_SHARDS = """
INSERT INTO shard (taxpayer, epoch, short) SELECT w.taxpayer, 0, false FROM unnest($1::text[]) AS w (taxpayer)
WHERE NOT EXISTS (SELECT 1 FROM shard AS s WHERE s.taxpayer = w.taxpayer)
"""

# lint: all taxpayers: how many each node works for
SHARD_COUNTS = "SELECT node, count(*) FROM shard GROUP BY node"

# lint: all taxpayers: what nobody holds is taken, whosever it is
TAKE_SHARDS = """
UPDATE shard SET node = $1, epoch = epoch + 1 WHERE taxpayer = ANY(ARRAY(
    -- lint: all taxpayers: what nobody holds is taken, whosever it is
    SELECT taxpayer FROM shard WHERE node IS NULL OR node <> ALL($2::text[]) ORDER BY taxpayer LIMIT $3
))
"""

# lint: all taxpayers: what this node works for
SHARDS_OF_NODE = "SELECT taxpayer, short FROM shard WHERE node = $1"

MARK_SHORT = """
UPDATE shard AS s SET short = true FROM unnest($1::text[]) AS w (taxpayer) WHERE s.taxpayer = w.taxpayer
"""

# lint: all taxpayers: the holder was told
CLEAR_SHORT = "UPDATE shard SET short = false WHERE node = $1 AND short"

RELEASE_SHARDS = """
UPDATE shard AS s SET node = NULL FROM unnest($2::text[]) AS w (taxpayer) WHERE s.taxpayer = w.taxpayer AND s.node = $1
"""

# lint: all taxpayers: a node that stops lets all go
RELEASE_ALL_SHARDS = "UPDATE shard SET node = NULL WHERE node = $1"

SAVE_STANDING = """
INSERT INTO standing (taxpayer, refusal, at) VALUES ($1, $2, $3)
ON CONFLICT (taxpayer) DO UPDATE SET refusal = excluded.refusal, at = excluded.at WHERE excluded.at >= standing.at
"""

# lint: all taxpayers: every node must know who may not issue
STANDINGS = "SELECT taxpayer, refusal, at FROM standing"
