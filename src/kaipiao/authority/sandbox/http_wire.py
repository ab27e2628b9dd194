"""HTTP/1.1 on a stream: bounded heads and bodies, bounded waiting, and answers that can be cut in the middle."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

import h11

from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.listener import Stream
from kaipiao.errors import KaipiaoError, Malformed, TooLarge
from kaipiao.language import Text

_SMALLEST_GZIP = 256  # bytes of a body that is worth it
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Head:
    """Header names in lower case; of a repeated one the last counts."""

    method: str
    path: str
    headers: Mapping[str, str]


class Conversation:
    """The requests of one connection, one after the other. `now` feeds the Date header."""

    def __init__(self, stream: Stream, now: Callable[[], datetime]) -> None:
        self.stream = stream
        self._now = now
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits().head_bytes)
        self._zip = False
        self._announced = 0

    async def next_head(self) -> Head | None:
        """None when the client has gone or said nothing for too long. Raises `Malformed`, `TooLarge`."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        if not self._http.trailing_data[0] and not await self._wait_for_first_byte():
            return None
        event = await self._event(limits().head_seconds)
        return self._head(event) if isinstance(event, h11.Request) else None

    async def _wait_for_first_byte(self) -> bool:
        try:
            async with asyncio.timeout(limits().idle_seconds):
                data = await self.stream.receive()
        except TimeoutError:
            return False
        self._http.receive_data(data)
        return bool(data)

    def _head(self, request: h11.Request) -> Head:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        self._zip = "gzip" in headers.get("accept-encoding", "").lower()
        self._announced = int(headers.get("content-length", "0"))
        return Head(request.method.decode("ascii"), request.target.decode("latin-1").partition("?")[0], headers)

    async def body(self) -> bytes:
        """The whole body. Raises `TooLarge` above the limit of size or time, `Malformed`."""
        pieces: list[bytes] = []
        left = limits().body_bytes
        if self._announced > left:
            raise TooLarge(Text("报文过大", "The body is too large"))
        while isinstance(event := await self._event(limits().body_seconds), h11.Data):
            pieces.append(bytes(event.data))
            left -= len(event.data)
            if left < 0:
                raise TooLarge(Text("报文过大", "The body is too large"))
        return b"".join(pieces)

    async def _event(self, seconds: float) -> object:
        try:
            async with asyncio.timeout(seconds):
                return await self._next_event()
        except TimeoutError as late:
            raise _with_status(TooLarge(Text("等待超时", "It took too long")), 408) from late
        except h11.RemoteProtocolError as broken:
            raise _with_status(Malformed(Text("不是HTTP请求", "It is no HTTP")), broken.error_status_hint) from broken

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self.stream.receive())
        return event

    async def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, half: bool = False
    ) -> None:
        """Send the whole answer, or its first half with the length of the whole."""
        extra = dict(headers or {})
        if self._zip and len(body) >= _SMALLEST_GZIP:
            body, extra["content-encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        await self._send(self._response(status, len(body), extra))
        if half:
            await self._send(h11.Data(data=body[: len(body) // 2]))
            return
        await self._send(h11.Data(data=body))
        await self._send(h11.EndOfMessage())

    def _response(self, status: int, length: int, extra: Mapping[str, str]) -> h11.Response:
        headers = {"date": format_datetime(self._now(), usegmt=True), "content-type": _JSON} | dict(extra)
        pairs = [(name, value) for name, value in headers.items()]
        reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        return h11.Response(status_code=status, reason=reason, headers=[*pairs, ("content-length", str(length))])

    async def begin_stream(self, content_type: str) -> None:
        """The head of an answer of unknown length; then `piece` and `end_stream`."""
        headers = [("date", format_datetime(self._now(), usegmt=True)), ("content-type", content_type)]
        await self._send(h11.Response(status_code=200, reason="OK", headers=headers))

    async def piece(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end_stream(self) -> None:
        await self._send(h11.EndOfMessage())

    async def refuse(self, fault: KaipiaoError) -> None:
        """An answer to something that could not be read, if one may still be given."""
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await self.answer(fault.status, b"{}", {"connection": "close"})

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self.stream.send(data)


def _with_status(fault: KaipiaoError, status: int) -> KaipiaoError:
    fault.status = status
    return fault


async def hold(
    stream: Stream, now: Callable[[], datetime], attend: Callable[[Head, Conversation], Awaitable[None]]
) -> None:
    """All requests of a connection, until one side ends it."""
    conversation = Conversation(stream, now)
    try:
        while (head := await conversation.next_head()) is not None:
            await attend(head, conversation)
    except KaipiaoError as fault:
        await conversation.refuse(fault)
    await stream.close()
