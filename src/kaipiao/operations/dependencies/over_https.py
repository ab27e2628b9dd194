"""Payment and registry services that answer JSON over HTTPS, in the shape that docs/reference/dependencies.md gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import quote

from kaipiao.authority.transport import Transport
from kaipiao.clock import Clock
from kaipiao.operations.dependencies.marked import Failed, LastGood, Marked
from kaipiao.operations.dependencies.ports import Company, Payment

T = TypeVar("T")
MALFORMED = Failed("answer.malformed")
_LONGEST = 300  # characters of a name or reference


class Https:
    """GETs of one dependency. `url`: without the last slash."""

    def __init__(self, transport: Transport, url: str) -> None:
        self._transport = transport
        self._url = url.rstrip("/")

    async def beat(self) -> Failed | None:
        """None when `GET {url}/health` is answered with success."""
        reply = await self._transport.get(f"{self._url}/health")
        return _failure(reply.status, reply.failure.cause if reply.failure else None)

    async def get(self, path: str, understand: Callable[[Any], T]) -> T | Failed:
        """`understand` raises ValueError, KeyError, TypeError for what is not of its form."""
        reply = await self._transport.get(f"{self._url}/{path}", {"Accept": "application/json"})
        failed = _failure(reply.status, reply.failure.cause if reply.failure else None)
        if failed is not None:
            return failed
        try:
            return understand(json.loads(reply.body, parse_float=Decimal))
        except (ValueError, KeyError, TypeError, InvalidOperation, RecursionError):
            return MALFORMED

    async def close(self) -> None:
        await self._transport.close()


def _failure(status: int | None, cause: str | None) -> Failed | None:
    if cause is not None:
        return Failed(cause)
    return None if status is not None and 200 <= status < 300 else Failed(f"http.{status}")


class HttpsPayments:
    """See `Payments`. GET {url}/payments/{reference}."""

    def __init__(self, https: Https, clock: Clock, good_for: timedelta = timedelta(0)) -> None:
        self._https = https
        self._last: LastGood[Payment] = LastGood(clock, good_for)

    async def payment(self, reference: str) -> Marked[Payment] | Failed:
        path = f"payments/{quote(reference, safe='')}"
        return await self._last.ask(reference, lambda: self._https.get(path, lambda raw: _payment(raw, reference)))


class HttpsRegistry:
    """See `Registry`. GET {url}/companies/{tax_number}."""

    def __init__(self, https: Https, clock: Clock, good_for: timedelta = timedelta(days=7)) -> None:
        self._https = https
        self._last: LastGood[Company] = LastGood(clock, good_for)

    async def company(self, tax_number: str) -> Marked[Company] | Failed:
        path = f"companies/{quote(tax_number, safe='')}"
        return await self._last.ask(tax_number, lambda: self._https.get(path, lambda raw: _company(raw, tax_number)))


def _payment(raw: Any, reference: str) -> Payment:
    if raw["reference"] != reference:
        raise ValueError("of another payment")
    amount = Decimal(str(raw["amount"]))
    if not amount.is_finite() or amount < 0:
        raise ValueError("no amount")
    paid_at = None if raw["paid_at"] is None else datetime.fromisoformat(raw["paid_at"])
    if paid_at is not None and paid_at.tzinfo is None:
        raise ValueError("an instant without its offset")
    return Payment(reference, amount, paid_at)


def _company(raw: Any, tax_number: str) -> Company:
    name, active = raw["name"], raw["active"]
    if raw["tax_number"] != tax_number or not isinstance(name, str) or not isinstance(active, bool):
        raise ValueError("of another company, or not of the form")
    if not 0 < len(name) <= _LONGEST:
        raise ValueError("no name")
    return Company(tax_number, name, active)
