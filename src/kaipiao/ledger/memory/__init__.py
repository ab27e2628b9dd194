"""The ledger in memory: the reference that the contract suite compares the others with, and the one for simulations.

Deterministic: no threads, no random, no time of its own except the lease clock that is handed in.
"""

from kaipiao.ledger.memory.ledger import MemoryLedger
from kaipiao.ledger.memory.store import MemoryStore

__all__ = ["MemoryLedger", "MemoryStore"]
