"""The client for ordinary code: each call waits for its answer. Threads may share one."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from kaipiao_client import calls
from kaipiao_client.answers import BatchAnswer, Checked, Event, Invoice, Issued, Status
from kaipiao_client.attempts import AGAIN, Attempts, Looks, read
from kaipiao_client.calls import Answer, Call, Sale
from kaipiao_client.errors import ClientError, NoAnswer, stated_in
from kaipiao_client.place import Place, Token, headers
from kaipiao_client.sse import Lines

T = TypeVar("T")
LOST = (OSError, ValueError, http.client.HTTPException)  # ValueError: what came is no answer of the platform
SILENCE = 30.0  # seconds without even a heartbeat: the stream of events is lost


class Client:
    """Speaks to one platform. `timeout`: seconds that one attempt may stay silent. `deadline`: seconds until a call gives
    up repeating itself on lost connections, time-outs, 429 and 503. Whatever else is refused is raised at once."""

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
        self._idle: list[http.client.HTTPConnection] = []

    def issue(self, sale: Sale) -> Issued:
        """Issue an invoice. The same order gets the same invoice, however often it is sent."""
        return self._call(calls.issue(sale))

    def accept(self, sale: Sale, *, wait: float = 0.0) -> Issued | Invoice:
        """Have the order stored and answered at once, to be numbered later: an `Invoice` without a number, unless it has one
        within `wait` seconds (30 at most). The same order again is as safe as with `issue`."""
        return self._call(calls.accept(sale, wait))

    def wait_for(
        self, order: str, taxpayer: str | None = None, *, until: str = "issued", patience: float = 60.0
    ) -> Invoice:
        """Look at an order until it has its number (`until` "issued"), the bureau's word ("confirmed"), or has ended
        otherwise: `state` says how. Raises `StillWaiting` after `patience` seconds."""
        looks = Looks(order, until, patience)
        while True:
            found = self.find(order, taxpayer)
            if found is not None and looks.enough(found):
                return found
            time.sleep(looks.pause(found))

    def cancel(self, order: str, taxpayer: str | None = None) -> Invoice:
        """Cancel an accepted order that has no number yet. Raises `NotFound`, and `OrderConflict` once it has one."""
        return self._call(calls.cancel(order, taxpayer))

    def invoices(self, **filters: object) -> Iterator[Invoice]:
        """All invoices in ascending id: `state` (one or a list), `kind`, `channel`, `made_from`, `made_to`, `taxpayer`, `after`,
        `limit` (of a page)."""
        target: str | None = calls.with_query("/v1/invoices", **filters)
        while target is not None:
            found, target = self._call(calls.page(target))
            yield from found

    def issue_many(self, sales: Iterable[Sale], *, later: bool = False) -> Iterator[BatchAnswer]:
        """Issue any number of invoices; an answer for each, in the order of the sales unless one had to be repeated.
        `later`: each is stored and answered at once, and numbered later. Raises only for what concerns all of them."""
        for pending in calls.pieces(sales):
            yield from self._piece(pending, calls.respond_async() if later else None)

    def check(self, sale: Sale) -> Checked:
        """What `issue` would say; nothing is stored."""
        return self._call(calls.check(sale))

    def get(self, number: str) -> Invoice:
        """The invoice of a number. Raises `NotFound`."""
        return self._call(calls.get(number))

    def find(self, order: str, taxpayer: str | None = None) -> Invoice | None:
        """The invoice of an order."""
        return self._call(calls.find(order, taxpayer))

    def document(self, number: str) -> bytes:
        """The XML as it was frozen."""
        return self._call(calls.document(number))

    def status(self) -> Status:
        """How the platform stands (role operator)."""
        return self._call(calls.status())

    def events(
        self, *, after: int | None = None, taxpayer: str | None = None, order: str | None = None
    ) -> Generator[Event, None, None]:
        """Events as they happen, without end, from now on or after a position (role auditor). Lost connections are made
        anew where the last event was."""
        target = calls.with_query("/v1/events/stream", after=after, taxpayer=taxpayer, order=order)
        lines, attempts = Lines(None), Attempts(self._deadline)
        while True:
            lines = Lines(lines.last)
            try:
                with self._opened("GET", target, None, calls.JSON, "text/event-stream", last=lines.last) as response:
                    for line in response:
                        event = lines.take(line)
                        attempts.went_on()
                        if event is not None:
                            yield event
                error: ClientError = NoAnswer("the stream ended")
            except LOST as lost:
                error = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            time.sleep(attempts.pause_after(error))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, call: Call[T]) -> T:
        attempts = Attempts(self._deadline)
        while True:
            try:
                return read(call, self._exchange(call))
            except LOST as lost:
                error: ClientError = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            time.sleep(attempts.pause_after(error))

    def _exchange(self, call: Call[T]) -> Answer:
        connection = self._idle.pop() if self._idle else self._connect(self._timeout)
        try:
            self._send(
                connection, call.method, call.target, call.body, call.content_type, call.accept, prefer=call.prefer
            )
            answer = _whole(connection.getresponse())
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _piece(self, pending: calls.Pending, prefer: str | None) -> Iterator[BatchAnswer]:
        attempts = Attempts(self._deadline)
        while pending:
            error: ClientError = NoAnswer("the batch was cut off")
            try:
                with self._opened(
                    "POST", calls.BATCH, pending.body(), calls.NDJSON, calls.NDJSON, prefer=prefer
                ) as response:
                    for line in response:
                        if not line.endswith(b"\n"):
                            break  # cut off within an answer
                        answer = pending.take(line)
                        if answer is not None:
                            attempts.went_on()
                            yield answer
            except LOST as lost:
                error = NoAnswer(str(lost))
            except AGAIN as again:
                error = again
            if not pending.all_answered():
                time.sleep(attempts.pause_after(pending.last or error))

    @contextmanager
    def _opened(
        self,
        method: str,
        target: str,
        body: bytes | None,
        content_type: str,
        accept: str,
        last: str | None = None,
        prefer: str | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """A connection of its own for an answer that is read as it comes. Raises what the platform stated."""
        connection = self._connect(self._timeout if body is not None else SILENCE)
        try:
            self._send(connection, method, target, body, content_type, accept, last, prefer)
            response = connection.getresponse()
            if response.status >= 400:
                refused = _whole(response)
                raise stated_in(refused.status, refused.content, refused.retry_after(), whole=refused.whole)
            yield response
        finally:
            connection.close()

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        content_type: str,
        accept: str,
        last: str | None = None,
        prefer: str | None = None,
    ) -> None:
        sent = headers(self._token, self._language, content_type if body is not None else None, accept, prefer)
        if last is not None:
            sent["Last-Event-ID"] = last
        connection.request(method, self._place.prefix + target, body, sent)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        place = self._place
        if place.tls is not None:
            return http.client.HTTPSConnection(place.host, place.port, timeout=timeout, context=place.tls)
        return http.client.HTTPConnection(place.host, place.port, timeout=timeout)


def _whole(response: http.client.HTTPResponse) -> Answer:
    """The answer as a whole. Without a length or chunks it ends where the connection does: perhaps too early, for
    `http.client` takes a head that was cut off for one that is complete."""
    sized = response.chunked or response.length is not None
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, response.read(), whole=sized)
