"""开票客户端：断线、超时、限流之后用同一订单号重发，永不重复开票。

A client of Kaipiao that repeats what is safe to repeat: the same order key, never a second invoice. Standard library only;
it imports nothing of the server.
"""

from kaipiao_client.answers import BatchAnswer, Checked, Event, Finding, Invoice, Issued, SellerStatus, Status
from kaipiao_client.async_client import AsyncClient
from kaipiao_client.client import Client
from kaipiao_client.errors import (
    AccessRefused,
    ClientError,
    NoAnswer,
    NotFound,
    OrderConflict,
    Problem,
    RulesBroken,
    StillWaiting,
    Unavailable,
)

__all__ = [
    "AccessRefused",
    "AsyncClient",
    "BatchAnswer",
    "Checked",
    "Client",
    "ClientError",
    "Event",
    "Finding",
    "Invoice",
    "Issued",
    "NoAnswer",
    "NotFound",
    "OrderConflict",
    "Problem",
    "RulesBroken",
    "SellerStatus",
    "Status",
    "StillWaiting",
    "Unavailable",
]
