"""One connection and its bounds: how long a caller may take, how much it may send ahead, how long it may leave answers unread.

The HTTP server below waits for ever for the head of a request and for a caller to read, keeps a head of any size, and reads
bodies and further requests ahead of their use. None of that is so here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kaipiao.api.door.presence import KEY, Presence
from kaipiao.errors import HeadTooLarge, KaipiaoError, Malformed
from kaipiao.language import Text

MOST_HEADERS = 128  # of one request, its trailers among them
DISCARDED_MOST = 1024 * 1024  # bytes of a body that nobody wants any more; then the connection is closed
DISCARD_SECONDS = 5.0
LINGER_SECONDS = 2.0  # in which a caller whose request was no request may read why
HOSTS = {
    "1.0": 0,
    "1.1": 1,
}  # versions that are spoken here, and how often Host must be there; twice is never (RFC 9112 3.2)
HEAVY = 16 * 1024  # bytes that one connection sent ahead: less is not weighed
REQUEST_BYTES = 4096  # the weight of a request that waits behind another on its connection
REASONS = {400: "Bad Request", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds and sizes of one connection. `head_s`: from the first byte, or from the connection, to the end of the head;
    `head_limit`: bytes of request line and headers. `write_s`: how long answers may stay unread. `pipeline_max`: requests
    that are sent before the one in hand is answered. `ahead_bytes`: what all connections together may send ahead of its
    use."""

    head_s: float = 15.0
    head_limit: int = 64 * 1024
    write_s: float = 60.0
    pipeline_max: int = 32
    ahead_bytes: int = 64 * 1024 * 1024


class Ahead:
    """What was sent ahead of its use, over all connections that sent much."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weights: dict[PatientProtocol, int] = {}
        self.total = 0

    def weigh(self, connection: PatientProtocol, size: int) -> bool:
        """Whether there is room for it. What the others hold is looked at again before that is denied."""
        self._set(connection, size)
        if self.total > self._most and size >= HEAVY:
            for other in list(self._weights):
                self._set(other, other.sent_ahead())
        return self.total <= self._most or size < HEAVY

    def _set(self, connection: PatientProtocol, size: int) -> None:
        self.total += (size if size >= HEAVY else 0) - self._weights.pop(connection, 0)
        if size >= HEAVY:
            self._weights[connection] = size


class _Enough(Exception):
    """Raised out of the parser: nothing more of this connection is read."""


class PatientProtocol(HttpToolsProtocol):
    """`lost` is called when the connection is. `cut` is told why one was ended from here: `head` (late), `unread` (answers),
    `rest` (of a body that nobody wanted), `ahead` (too much of it), `refused` (no HTTP, or too large a head)."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        patience: Patience | None = None,
        ahead: Ahead | None = None,
        lost: Callable[[], None] | None = None,
        cut: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience = patience or Patience()
        self._ahead = ahead or Ahead(self._patience.ahead_bytes)
        self._lost = lost
        self._cut = cut
        self._presence = Presence()
        self._waiting: asyncio.TimerHandle | None = None  # for a head
        self._ending: asyncio.TimerHandle | None = None  # the caller does not read, or sends what nobody wants
        self._running: RequestResponseCycle | None = None  # the request in hand; `cycle` is the last that came
        self._whole = True  # the last message begun has come to its end
        self._useful = 0  # heads, pieces of bodies and ends that were parsed
        self._barren = 0  # bytes of the reads since the last of them
        self._head_size = 0
        self._head_lines = 0
        self._in_head = True
        self._hosts = 0
        self._discarded = 0
        self._enough = False
        self._fault: type[KaipiaoError] = Malformed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._end_no_more()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        self._ahead.weigh(self, 0)
        self._tell_gone()
        self._presence.leave()
        self.pipeline.clear()
        if self._lost is not None:
            self._lost()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _tell_gone(self) -> None:
        """Whoever answers stops; what it would still send has nowhere to go."""
        for cycle in (self._running, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._enough or self.transport.is_closing():
            return
        useful = self._useful
        super().data_received(data)
        self._barren = 0 if self._useful != useful else self._barren + len(data)
        if self._barren > self._patience.head_limit:
            self._fault = HeadTooLarge
            self.send_400_response("")
        if self._enough or self.transport.is_closing():
            return
        self._look_at_what_came(len(data))

    def _look_at_what_came(self, size: int) -> None:
        """Of a body that is asked for, the rest is read when it is asked for; of another a little is dropped."""
        if not self._in_hand():
            if self._waiting is None:
                self._wait()
            if not self._whole and self.cycle is not None:
                self._discarded += size
        elif self.cycle.more_body and self.cycle.body:
            self.flow.pause_reading()
        if self._discarded > DISCARDED_MOST:
            self._abort("rest")
        elif not self._ahead.weigh(self, self.sent_ahead()):
            self._ahead.weigh(self, 0)  # at once: others that send in this turn of the loop are not cut for it too
            self._abort("ahead")

    def _in_hand(self) -> bool:
        """A request has come, and the last one is not answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def sent_ahead(self) -> int:
        """Bytes that nobody has asked for yet, about."""
        body = 0 if self.cycle is None else len(self.cycle.body)
        return body + REQUEST_BYTES * len(self.pipeline)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._patience.pipeline_max:
            raise _Enough
        self._whole = False
        self._head_size = self._head_lines = self._hosts = self._discarded = 0
        self._in_head = True
        super().on_message_begin()
        self.scope[KEY] = self._presence  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer, which comes after the body, is weighed and dropped: it must not change what was judged already."""
        self._head_lines += 1
        self._count_head(len(name) + len(value))
        if self._in_head:
            self._hosts += name.lower() == b"host"
            super().on_header(name, value)

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._patience.head_limit or self._head_lines > MOST_HEADERS:
            self._fault = HeadTooLarge
            raise _Enough

    def on_headers_complete(self) -> None:
        self._in_head = False
        least = HOSTS.get(self.parser.get_http_version())
        if least is None or not least <= self._hosts <= 1:
            raise _Enough
        self._useful += 1
        self._wait_no_more()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._useful += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._useful += 1
        self._whole = True
        super().on_message_complete()
        if self.cycle.response_complete:
            self._end_no_more()
            self._release()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all, or too much of it, gets a problem in both languages, as nobody's language is known. Whole
        requests before it are answered first, and nothing more is read."""
        if self._in_hand() and not self.cycle.more_body:
            self._enough = True
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self.transport.write(answer(self._fault(_DETAILS.get(self._fault))))
        self._enough = True
        if not self.transport.can_write_eof():
            self._close()
            return
        self._tell_gone()
        self.transport.write_eof()  # closed at once with something unread, the kernel would take the answer back
        self._end_no_more()
        self._end_later(LINGER_SECONDS, "refused")

    # What goes out

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_later(self._patience.write_s, "unread")
        elif not self._in_hand():
            self._running = None
            self._ahead.weigh(self, 0)
            if self._whole:
                self._release()
            else:
                self._end_later(DISCARD_SECONDS, "rest")

    def _release(self) -> None:
        """An idle connection keeps nothing of its last request."""
        self.cycle.body = bytearray()
        self.cycle.scope = self.scope = {}  # type: ignore[typeddict-item]
        self.headers = []
        self.url = b""

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_later(self._patience.write_s, "unread")

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._end_no_more()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_later(self._patience.write_s, "unread")

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self._end_later(self._patience.write_s, "unread")

    # Timers

    def _wait(self) -> None:
        if not self.transport.is_closing():
            self._waiting = self.loop.call_later(self._patience.head_s, self._head_is_late)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _head_is_late(self) -> None:
        self._tell("head")
        self._close()

    def _close(self) -> None:
        """Once what was said is read; but not for ever."""
        self.transport.close()
        self._end_later(self._patience.write_s, "unread")

    def _end_later(self, seconds: float, why: str) -> None:
        if self._ending is None:
            self._ending = self.loop.call_later(seconds, self._abort, why)

    def _end_no_more(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _abort(self, why: str) -> None:
        self._tell(why)
        self._enough = True
        self._tell_gone()
        self.transport.abort()

    def _tell(self, why: str) -> None:
        if self._cut is not None:
            self._cut(why)


_DETAILS: dict[type[KaipiaoError], Text] = {Malformed: Text("不是有效的 HTTP 请求", "This is no valid HTTP request")}


def answer(error: KaipiaoError, *headers: str) -> bytes:
    """A whole HTTP answer that closes the connection: the problem in both languages."""
    body = json.dumps(_problem(error), ensure_ascii=False).encode()
    lines = [
        f"HTTP/1.1 {error.status} {REASONS[error.status]}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _problem(error: KaipiaoError) -> dict[str, Any]:
    def both(text: Text) -> str:
        return f"{text.zh} / {text.en}"

    return {
        "type": f"urn:kaipiao:problem:{error.code}",
        "title": both(error.title),
        "status": error.status,
        "detail": both(error.detail),
        "code": error.code,
        "next_step": both(error.next_step),
        "send_again": error.resend.value,
    }
