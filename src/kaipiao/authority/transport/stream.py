"""One TLS connection below httpcore2: every byte and every phase of it is noted in the call's record."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from typing import Any, NoReturn

import httpcore2

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport.failure import CERTIFICATE_REFUSED
from kaipiao.authority.transport.profile import TlsFault, TlsProfile, TlsSession
from kaipiao.authority.transport.readiness import Readiness
from kaipiao.authority.transport.record import CURRENT, Record

_PIECE = 65536
_UNASKED = 16  # reads of _PIECE bytes
_LAST_WORDS = 0.2  # seconds in which the alert behind a reset is still looked for


class WireStream(httpcore2.AsyncNetworkStream):
    """Plain TCP until `start_tls`. Closes without ever waiting; after a fault it is good for nothing but closing."""

    def __init__(self, ready: Readiness, profile: TlsProfile, peer: str) -> None:
        self._ready = ready
        self._profile = profile
        self._peer = peer
        self._session: TlsSession | None = None
        self._host: str | None = None
        self._maker: Record | None = CURRENT.get()  # the call that opened this connection
        self._plain = bytearray()
        self._heard = False  # application data came, so our certificate was accepted
        self._ended = False
        self._fault: Exception | None = None
        self._half_written = False

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature; ours come from the record
    ) -> httpcore2.AsyncNetworkStream:
        """The handshake of our own profile; the context and time-out that httpcore2 hands in are not used. The backend has
        done it before httpcore2 asks, so that another address can be tried while nothing of the request was sent."""
        if self._session is not None and server_hostname == self._host:
            return self
        record = CURRENT.get()
        record.enter(Phase.HANDSHAKE)
        session = self._profile.session(server_hostname or "")
        try:
            await self._shake_hands(session, record)
        except BaseException as error:
            self._ready.close()
            if isinstance(error, OSError | TlsFault):
                _note_handshake(record, error)
                raise httpcore2.ConnectError(str(error)) from error
            raise
        self._session, self._host = session, server_hostname
        return self

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if not buffer:
            return
        record = CURRENT.get()
        if record.phase is not Phase.WRITE:
            self._begin_request(record)
        session = self._tls()
        self._half_written = True
        try:
            await self._send(session.outgoing(), record, counted=False)
            for start in range(0, len(buffer), _PIECE):
                await self._send(session.encrypt(buffer[start : start + _PIECE]), record, counted=True)
        except (OSError, TlsFault) as error:
            await self._write_failed(error, record)
        self._half_written = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        record = CURRENT.get()
        if record.phase is Phase.WRITE:
            record.enter(Phase.WAIT)
        while not self._plain and not self._ended and self._fault is None:
            try:
                self._pump(await self._receive(record.left()))
            except OSError as error:
                self._fault = error
        if not self._plain and not self._ended:
            self._read_failed(record)
        if self._plain and record.phase is not Phase.ANSWER:
            record.enter(Phase.ANSWER)
        data = bytes(self._plain[:max_bytes])
        del self._plain[:max_bytes]
        record.ended = record.ended or not data
        return data

    async def aclose(self) -> None:
        if self._session is not None and self._fault is None and not self._half_written:
            with suppress(OSError):
                self._ready.sock.send(self._session.close_notify())
        self._ready.close()

    def get_extra_info(self, info: str) -> Any:
        """`is_readable` is the pool's question whether an idle connection died. Session tickets are no death."""
        if info != "is_readable":
            return None
        self._look()
        return self._fault is not None or self._ended or bool(self._plain)

    def _tls(self) -> TlsSession:
        assert self._session is not None  # https only: httpcore2 has called start_tls
        return self._session

    async def _shake_hands(self, session: TlsSession, record: Record) -> None:
        while True:
            try:
                done = session.handshake()
            except TlsFault:
                with suppress(OSError):
                    self._ready.sock.send(session.outgoing())  # the alert that tells the far side why
                raise
            await self._send(session.outgoing(), record, counted=False)
            if done:
                return
            session.receive(await self._receive(record.left()))

    def _begin_request(self, record: Record) -> None:
        """The last look before the first byte: a connection that has died is found out with nothing sent."""
        record.reused = self._maker is not record
        record.peer = self._peer
        record.enter(Phase.WRITE)
        if record.reused:
            self._maker = None
        self._look()
        if self._fault is None and not self._ended and not self._plain:
            return
        if self._certificate_refused():
            record.fail(CERTIFICATE_REFUSED, str(self._fault))
        else:
            record.fail("write.unexpected_data" if self._plain else "write.closed_before")
        raise httpcore2.ConnectError("the connection ended before the request")

    async def _send(self, records: bytes, record: Record, *, counted: bool) -> None:
        view = memoryview(records)
        while view:
            try:
                taken = self._ready.sock.send(view)
            except BlockingIOError:
                await self._ready.writable(record.left())
                continue
            if counted:
                record.bytes_sent += taken
            view = view[taken:]

    async def _write_failed(self, error: OSError | TlsFault, record: Record) -> NoReturn:
        """Note why, and keep what the far side still said: an alert, or an early answer that httpcore2 reads next."""
        if isinstance(error, TimeoutError):
            self._fault = error
            record.fail("write.timeout")
            raise httpcore2.WriteTimeout from error
        await self._hear_last_words()
        if self._certificate_refused():
            record.fail(CERTIFICATE_REFUSED, str(self._fault))
        else:
            record.fail("write.reset" if isinstance(error, ConnectionError) else "write.failed", str(error))
        self._fault = self._fault or error
        raise httpcore2.WriteError(str(error)) from error

    async def _hear_last_words(self) -> None:
        end = time.monotonic() + _LAST_WORDS
        while self._fault is None and not self._ended and not self._plain:
            try:
                self._pump(await self._receive(end - time.monotonic()))
            except OSError:
                return

    def _read_failed(self, record: Record) -> NoReturn:
        fault, phase = self._fault, "answer" if record.phase is Phase.ANSWER else "wait"
        if self._certificate_refused():
            record.fail(CERTIFICATE_REFUSED, str(fault))
        elif isinstance(fault, TimeoutError):
            record.fail(f"{phase}.timeout")
        elif isinstance(fault, TlsFault):
            record.fail(f"{phase}.tls_broken", fault.detail)
        elif isinstance(fault, EOFError):
            record.fail("answer.cut" if phase == "answer" else "wait.closed")
        else:
            record.fail(f"{phase}.reset", str(fault))
        raise httpcore2.ReadError(str(fault)) from fault

    def _look(self) -> None:
        """Take what has arrived, without waiting, and never more than a server has reason to send unasked."""
        for _ in range(_UNASKED):
            if self._fault is not None or self._ended or self._plain:
                return
            try:
                self._pump(self._ready.sock.recv(_PIECE))
            except BlockingIOError:
                return
            except OSError as error:
                self._fault = error
        self._fault = self._fault or ConnectionAbortedError("flooded between two calls")

    async def _receive(self, seconds: float) -> bytes:
        """Some bytes of the socket, `b""` for its end. Raises OSError."""
        while True:
            await self._ready.readable(seconds)
            with suppress(BlockingIOError):
                return self._ready.sock.recv(_PIECE)

    def _pump(self, records: bytes) -> None:
        """Pass what the socket gave through TLS; note faults and ends."""
        session = self._tls()
        if not records:
            # A bare end of TCP could be anybody's doing, and would make half an answer look whole.
            self._fault = EOFError("closed without close_notify")
            return
        session.receive(records)
        try:
            while (data := session.decrypt(_PIECE)) is not None:
                if not data:
                    self._ended = True
                    return
                self._heard = True
                self._plain += data
        except TlsFault as fault:
            self._fault = fault

    def _certificate_refused(self) -> bool:
        """A certificate alert right after a TLS 1.3 handshake, on the call that made it, with nothing heard before."""
        fault = self._fault
        return (
            isinstance(fault, TlsFault)
            and fault.certificate_alert
            and self._tls().late_refusal
            and self._maker is not None
            and not self._heard
        )


def _note_handshake(record: Record, error: OSError | TlsFault) -> None:
    if isinstance(error, TlsFault):
        record.fail(error.cause, error.detail)
    elif isinstance(error, TimeoutError):
        record.fail("handshake.timeout")
    else:
        record.fail("handshake.reset", str(error))
