"""The client for asyncio. Tasks may share one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Self, TypeVar

from kaipiao_client import calls
from kaipiao_client.answers import BatchAnswer, Checked, Event, Invoice, Issued, Status
from kaipiao_client.attempts import AGAIN, Attempts, Looks, read
from kaipiao_client.calls import Answer, Call, Sale
from kaipiao_client.errors import ClientError, NoAnswer, stated_in
from kaipiao_client.place import Place, Token, headers
from kaipiao_client.sse import Lines
from kaipiao_client.wire import Wire, lines

T = TypeVar("T")
LOST = (OSError, ValueError, EOFError)  # time-outs are OSErrors; a ValueError is an answer that is no HTTP
SILENCE = 30.0  # seconds without even a heartbeat: the stream of events is lost


class AsyncClient:
    """As `Client`, for asyncio."""

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        timeout: float = 15.0,
        deadline: float = 60.0,
        language: str = "zh",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._place = Place.of(url, tls)
        self._token = token
        self._timeout = timeout
        self._deadline = deadline
        self._language = language
        self._idle: list[Wire] = []

    async def issue(self, sale: Sale) -> Issued:
        """Issue an invoice. The same order gets the same invoice, however often it is sent."""
        return await self._call(calls.issue(sale))

    async def accept(self, sale: Sale, *, wait: float = 0.0) -> Issued | Invoice:
        """Have the order stored and answered at once, to be numbered later: an `Invoice` without a number, unless it has one
        within `wait` seconds (30 at most). The same order again is as safe as with `issue`."""
        return await self._call(calls.accept(sale, wait))

    async def wait_for(
        self, order: str, taxpayer: str | None = None, *, until: str = "issued", patience: float = 60.0
    ) -> Invoice:
        """Look at an order until it has its number (`until` "issued"), the bureau's word ("confirmed"), or has ended
        otherwise: `state` says how. Raises `StillWaiting` after `patience` seconds."""
        looks = Looks(order, until, patience)
        while True:
            found = await self.find(order, taxpayer)
            if found is not None and looks.enough(found):
                return found
            await asyncio.sleep(looks.pause(found))

    async def cancel(self, order: str, taxpayer: str | None = None) -> Invoice:
        """Cancel an accepted order that has no number yet. Raises `NotFound`, and `OrderConflict` once it has one."""
        return await self._call(calls.cancel(order, taxpayer))

    async def invoices(self, **filters: object) -> AsyncGenerator[Invoice, None]:
        """All invoices in ascending id: `state` (one or a list), `kind`, `channel`, `made_from`, `made_to`, `taxpayer`, `after`,
        `limit` (of a page)."""
        target: str | None = calls.with_query("/v1/invoices", **filters)
        while target is not None:
            found, target = await self._call(calls.page(target))
            for invoice in found:
                yield invoice

    async def issue_many(self, sales: Iterable[Sale], *, later: bool = False) -> AsyncGenerator[BatchAnswer, None]:
        """Issue any number of invoices; an answer for each, in the order of the sales unless one had to be repeated.
        `later`: each is stored and answered at once, and numbered later. Raises only for what concerns all of them."""
        for pending in calls.pieces(sales):
            async with aclosing(self._piece(pending, calls.respond_async() if later else None)) as answers:
                async for answer in answers:
                    yield answer

    async def check(self, sale: Sale) -> Checked:
        """What `issue` would say; nothing is stored."""
        return await self._call(calls.check(sale))

    async def get(self, number: str) -> Invoice:
        """The invoice of a number. Raises `NotFound`."""
        return await self._call(calls.get(number))

    async def find(self, order: str, taxpayer: str | None = None) -> Invoice | None:
        """The invoice of an order."""
        return await self._call(calls.find(order, taxpayer))

    async def document(self, number: str) -> bytes:
        """The XML as it was frozen."""
        return await self._call(calls.document(number))

    async def status(self) -> Status:
        """How the platform stands (role operator)."""
        return await self._call(calls.status())

    async def events(
        self, *, after: int | None = None, taxpayer: str | None = None, order: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """Events as they happen, without end, from now on or after a position (role auditor). Lost connections are made
        anew where the last event was."""
        target = calls.with_query("/v1/events/stream", after=after, taxpayer=taxpayer, order=order)
        found, attempts = Lines(None), Attempts(self._deadline)
        while True:
            found = Lines(found.last)
            try:
                stream = self._stream("GET", target, None, "text/event-stream", SILENCE, last=found.last)
                async with aclosing(stream) as coming:
                    async for line in coming:
                        event = found.take(line)
                        attempts.went_on()
                        if event is not None:
                            yield event
                error: ClientError = NoAnswer("the stream ended")
            except LOST as lost:
                error = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            await asyncio.sleep(attempts.pause_after(error))

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, call: Call[T]) -> T:
        attempts = Attempts(self._deadline)
        while True:
            sent = self._headers(call.content_type if call.body is not None else None, call.accept, call.prefer)
            try:
                return read(call, await self._exchange(call, sent))
            except LOST as lost:
                error: ClientError = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            await asyncio.sleep(attempts.pause_after(error))

    async def _exchange(self, call: Call[T], sent: dict[str, str]) -> Answer:
        wire = self._idle.pop() if self._idle else await Wire.open(self._place, self._timeout)
        try:
            await wire.send(call.method, self._place.prefix + call.target, self._place.authority, sent, call.body)
            status, found = await wire.head()
            answer = await wire.answer(status, found)
        except BaseException:
            await wire.close()
            raise
        if wire.usable:
            self._idle.append(wire)
        else:
            await wire.close()
        return answer

    async def _piece(self, pending: calls.Pending, prefer: str | None) -> AsyncGenerator[BatchAnswer, None]:
        attempts = Attempts(self._deadline)
        while pending:
            error: ClientError = NoAnswer("the batch was cut off")
            try:
                body = pending.body()
                stream = self._stream("POST", calls.BATCH, body, calls.NDJSON, self._timeout, prefer=prefer)
                async with aclosing(stream) as coming:
                    async for line in coming:
                        answer = pending.take(line)
                        if answer is not None:
                            attempts.went_on()
                            yield answer
            except LOST as lost:
                error = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            if not pending.all_answered():
                await asyncio.sleep(attempts.pause_after(pending.last or error))

    async def _stream(
        self,
        method: str,
        target: str,
        body: bytes | None,
        accept: str,
        patience: float,
        last: str | None = None,
        prefer: str | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as they come, on a connection of their own. Raises what the platform stated."""
        sent = self._headers(calls.NDJSON if body is not None else None, accept, prefer)
        if last is not None:
            sent["Last-Event-ID"] = last
        wire = await Wire.open(self._place, patience)
        try:
            await wire.send(method, self._place.prefix + target, self._place.authority, sent, body)
            status, found = await wire.head()
            if status >= 400:
                refused = await wire.answer(status, found)
                raise stated_in(status, refused.content, refused.retry_after(), whole=refused.whole)
            async with aclosing(lines(wire.body(found))) as coming:
                async for line in coming:
                    yield line
        finally:
            await wire.close()

    def _headers(self, content_type: str | None, accept: str, prefer: str | None) -> dict[str, str]:
        return headers(self._token, self._language, content_type, accept, prefer)
