"""What can go wrong, each with what to do next.

ClientError
├── NoAnswer         nothing usable came back until the deadline: send the same order again
├── StillWaiting     an order has no number, or no confirmation, after all the time that it was given
└── Problem          the platform said no (RFC 9457): `code`, `next_step`, `send_again`
    ├── Unavailable      429, 502, 503, 504 until the deadline: send the same order again
    ├── AccessRefused    401, 403
    ├── NotFound         404
    ├── OrderConflict    409: the order key was used for other content
    └── RulesBroken      422 with `findings`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """`send_again`: safe, same_order_key, after_change, no. `next_step` is for a person."""

    code = ""
    next_step = ""
    send_again = "same_order_key"


class NoAnswer(ClientError):
    """The connection failed, broke off or stayed silent until the deadline. Whether it was issued is not known."""

    code = "KP-CLIENT-01"
    next_step = "请用同一订单号再次发送。Send the same order again: it is never issued twice."


class StillWaiting(ClientError):
    """The order is not forgotten: ask for it later. `state`: how it stands; None: there is no such order."""

    code = "KP-CLIENT-02"
    next_step = "订单已受理，稍后再查。The order is stored; ask for it later."
    send_again = "same_order_key"

    def __init__(self, order: str, state: str | None) -> None:
        self.order = order
        self.state = state
        super().__init__(f"{order}: {state or 'not found'}")


class Problem(ClientError):
    """What the platform stated. `body` is the whole problem; it carries no invoice content."""

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.body = body
        self._retry_after = retry_after  # of the header
        self.code = str(body.get("code", ""))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", ""))
        self.next_step = str(body.get("next_step", ""))
        self.send_again = str(body.get("send_again", "same_order_key" if status >= 500 else "no"))
        self.request_id = str(body.get("request_id", ""))
        self.fields: tuple[Any, ...] = tuple(body.get("fields") or ())
        super().__init__(f"{status} {self.code} {self.detail or self.title} {self.next_step}".strip())


class Unavailable(Problem):
    """It cannot be done just now. `retry_after`: seconds, where the answer says so."""

    @property
    def retry_after(self) -> float | None:
        found = self.body.get("retry_after")
        return float(found) if isinstance(found, int | float) else self._retry_after


class AccessRefused(Problem):
    """The token is missing, not valid, expired, or lacks the permission."""


class NotFound(Problem):
    """There is no such invoice, order or taxpayer that this token may see."""


class OrderConflict(Problem):
    """The order key was used for other content; `fields` names what differs."""


class RulesBroken(Problem):
    """The invoice breaks rules; `findings` lists them: code, path, text."""

    @property
    def findings(self) -> tuple[Mapping[str, str], ...]:
        return tuple(self.body.get("findings") or ())


AGAIN = frozenset({429, 502, 503, 504})
_BY_STATUS: Mapping[int, type[Problem]] = {
    **dict.fromkeys(AGAIN, Unavailable),
    401: AccessRefused,
    403: AccessRefused,
    404: NotFound,
    409: OrderConflict,
}


def stated(status: int, body: Mapping[str, Any], retry_after: float | None = None) -> Problem:
    """The error of a problem."""
    kind = RulesBroken if body.get("code") == "KP-RULE-00" else _BY_STATUS.get(status, Problem)
    return kind(status, body, retry_after)


def stated_in(status: int, content: bytes, retry_after: float | None = None, *, whole: bool = True) -> Problem:
    """The error of an answer, also of one that a proxy made and that holds no problem. Raises `NoAnswer` for one that may
    have been cut off (not `whole`) and says nothing that can be read."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict) and not whole:
        raise NoAnswer("the answer was cut off")
    return stated(status, body if isinstance(body, dict) else {}, retry_after)
