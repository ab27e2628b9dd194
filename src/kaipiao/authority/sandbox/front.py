"""The front of the bureau: the TLS port. Paths, the order of the faults around a call, and the open clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

from kaipiao.authority.sandbox import envelope
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.desk import Desk, Letter, Reply
from kaipiao.authority.sandbox.faults import Plan, Strike
from kaipiao.authority.sandbox.http_wire import Conversation, Head
from kaipiao.authority.sandbox.values import to_json

T = TypeVar("T")

PREFIX, SANDBOX_PREFIX = "/access/v2/invoke/", "/access/sandbox/v2/invoke/"
CLOCK_PATH = "/sandbox/v1/clock"


class AtDesk(Protocol):
    """Runs a function on the desk's thread."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


class Gone(ConnectionError):
    """A fault ended this connection."""


class Front:
    """`close_door` refuses everybody for so many seconds of the sandbox's clock."""

    def __init__(self, desk: Desk, at_desk: AtDesk, close_door: Callable[[float], None]) -> None:
        self._desk = desk
        self._at_desk = at_desk
        self._close_door = close_door

    async def before_handshake(self) -> None:
        await self._wait(await self._at_desk(self._desk.faults.before_handshake))

    async def attend(self, head: Head, talk: Conversation) -> None:
        """Answer one request, or end the connection by raising `Gone`."""
        if head.path == CLOCK_PATH and head.method == "GET":
            await talk.body()
            await talk.answer(200, to_json(self._desk.clock.shown()).encode())
            return
        called = _called(head.path)
        if called is None or head.method != "POST":
            status = 404 if called is None else 405
            await talk.body()
            await talk.answer(status, envelope.failure(status))
            return
        await self._call(called, head, talk)

    async def _call(self, called: tuple[str | None, str], head: Head, talk: Conversation) -> None:
        plan = await self._at_desk(lambda: self._desk.faults.plan(called[1]))
        if plan.strike is not None and plan.is_("refuse"):
            self._close_door(plan.strike.seconds)
            _vanish(talk)
        await self._wait(plan.delays.get("reading", 0.0))
        letter = Letter(*called, head.headers, await talk.body())
        if plan.is_("lose"):
            _vanish(talk)
        if await self._struck(plan, talk, after_commit=False):
            return
        reply = await self._at_desk(lambda: self._desk.serve(letter, plan.strike))
        await self._wait(plan.delays.get("answering", 0.0))
        if not await self._struck(plan, talk, after_commit=True):
            await _answer(reply, plan, talk)

    async def _struck(self, plan: Plan, talk: Conversation, *, after_commit: bool) -> bool:
        """Did a fault answer in place of the service?"""
        if plan.strike is None or plan.strike.fault.after_commit != after_commit:
            return False
        fault = plan.strike.fault
        if fault.kind == "hang":
            await self._hang(plan.strike, talk)
        elif fault.kind == "http_error":
            await talk.answer(fault.status, envelope.failure(fault.status))
        elif fault.kind == "too_many":
            await talk.answer(429, envelope.failure(429), {"retry-after": "1"})
        elif fault.kind == "soft_logout":
            await talk.answer(200, _logged_out(fault.form))
        else:
            return False
        return True

    async def _hang(self, strike: Strike, talk: Conversation) -> NoReturn:
        """Say nothing until the client leaves or the fault's time is over."""
        watching = asyncio.create_task(_next_bytes(talk))
        ending = asyncio.create_task(self._wait(strike.seconds or limits().answer_seconds))
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            ending.cancel()
            await asyncio.gather(watching, ending, return_exceptions=True)
        _vanish(talk)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self._desk.clock.sleep(seconds)


async def _next_bytes(talk: Conversation) -> None:
    await talk.stream.receive()


async def _answer(reply: Reply, plan: Plan, talk: Conversation) -> None:
    if reply.body is None or plan.is_("drop_answer"):
        _vanish(talk)
    headers = {"retry-after": str(reply.retry_after)} if reply.retry_after is not None else {}
    half = plan.is_("half_answer")
    await talk.answer(reply.status, reply.body, headers, half=half)
    if half:
        await talk.stream.close()
        raise Gone


def _vanish(talk: Conversation) -> NoReturn:
    talk.stream.abort()
    raise Gone


def _called(path: str) -> tuple[str | None, str] | None:
    """(ability, service) of `…/{nlbm}/{fwbm}` or `…/{fwbm}`; None for any other path."""
    for prefix in (PREFIX, SANDBOX_PREFIX):
        if path.startswith(prefix):
            parts = path[len(prefix) :].split("/")
            if all(parts) and len(parts) <= 2:
                return (parts[0] if len(parts) == 2 else None), parts[-1]
    return None


def _logged_out(form: str) -> bytes:
    """A log-out inside HTTP 200, in one of the two shapes that were seen."""
    if form == "error":
        return envelope.error("302", "税局请求异常")
    return to_json({"CodeMsg": "refresh", "Address": "/login/nonlogin?msg=请重新登录"}).encode()
