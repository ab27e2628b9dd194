"""The ledger in PostgreSQL: any number of nodes on one database. Needs the extra `postgresql` (asyncpg)."""

from kaipiao.ledger.postgresql.ledger import PostgresqlLedger
from kaipiao.ledger.postgresql.limits import LimitWarning

__all__ = ["LimitWarning", "PostgresqlLedger"]
