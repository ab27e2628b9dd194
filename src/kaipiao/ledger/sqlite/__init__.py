"""The ledger in SQLite: one file, one process, one writer thread with natural group commit."""

from kaipiao.ledger.sqlite.ledger import SqliteLedger

__all__ = ["SqliteLedger"]
