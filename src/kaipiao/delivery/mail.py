"""E-mail by SMTP (RFC 5321): with TLS always, checked always; smtplib in a thread of its own, cut off when its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from io import BufferedReader
from typing import Literal

from kaipiao.delivery.https import CAUSES
from kaipiao.delivery.port import DELIVERED, Notice, Verdict, later, refused
from kaipiao.delivery.wording import fitted, line, lines

SUBJECT, TEXT, ANSWERS = 200, 64 * 1024, 64 * 1024  # bytes at most
_HELLO = "kaipiao"
_THREADS = ThreadPoolExecutor(4, "kaipiao-mail")  # a server or a name that hangs takes none from issuing


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`tls`: "starttls" or "implicit". `password`: of `user`; neither where the server asks for none. Addresses are plain ASCII
    without anything that a header could be made of: the settings see to that."""

    name: str
    host: str
    port: int
    tls: Literal["starttls", "implicit"]
    sender: str
    recipients: tuple[str, ...]
    context: ssl.SSLContext = field(repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    patience: float = 30.0

    async def send(self, notice: Notice) -> Verdict:
        call = _Call(self, written(self, notice))
        task = asyncio.get_running_loop().run_in_executor(_THREADS, call.run)
        try:
            async with asyncio.timeout(self.patience):
                return await asyncio.shield(task)
        except TimeoutError:
            call.cut()
            await asyncio.wait({task}, timeout=1.0)
            return later("timeout")
        except BaseException:
            call.cut()
            await asyncio.wait({task}, timeout=1.0)
            raise


def written(box: Mailbox, notice: Notice) -> EmailMessage:
    """Plain text in UTF-8. The receiver tells a second copy by its Message-ID."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = fitted(line(notice.title), SUBJECT)
    mail["From"] = box.sender
    mail["To"] = ", ".join(box.recipients)
    mail["Date"] = format_datetime(notice.at)
    mail["Message-ID"] = f"<{notice.key}@{box.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(fitted(lines(notice.text), TEXT), cte="base64")
    return mail


class _Call:
    """One conversation, in a thread. `cut` ends it from outside, at whatever place it is."""

    def __init__(self, box: Mailbox, mail: EmailMessage) -> None:
        self._box, self._mail = box, mail
        self._lock = threading.Lock()
        self._line: socket.socket | None = None  # a second handle: TLS takes the first one away
        self._over = False

    def cut(self) -> None:
        with self._lock:
            self._over = True
            if self._line is not None:
                with contextlib.suppress(OSError):  # the far side was quicker
                    self._line.shutdown(socket.SHUT_RDWR)

    def run(self) -> Verdict:
        try:
            return self._tried()
        finally:
            with self._lock:
                if self._line is not None:
                    self._line.close()
                    self._line = None

    def _tried(self) -> Verdict:
        try:
            with self._connected() as server:
                self._told(server)
        except smtplib.SMTPAuthenticationError as error:
            return refused(f"smtp.{error.smtp_code}")
        except smtplib.SMTPRecipientsRefused as error:
            return _of_code(max(code for code, _ in error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            return _of_code(error.smtp_code)
        except smtplib.SMTPNotSupportedError:
            return refused("smtp.unsupported")
        except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: half an answer in a login
            return later(next(cause for kind, cause in CAUSES if isinstance(error, kind)))
        return DELIVERED

    def _connected(self) -> smtplib.SMTP:
        """Every byte goes through the one line that `cut` can end."""
        box, call = self._box, self

        class Server(smtplib.SMTP):
            def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
                return call.connect(host, port, timeout)

            def getreply(self) -> tuple[int, bytes]:
                if self.file is None and self.sock is not None:
                    self.file = _Bounded(self.sock.makefile("rb"))
                return super().getreply()

        return Server(box.host, box.port, local_hostname=_HELLO, timeout=box.patience)

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Raises `OSError`, `ssl.SSLError`."""
        if self._over:  # while it waited for a thread
            raise ConnectionAbortedError
        made = socket.create_connection((host, port), timeout)
        with self._lock:
            if self._over:
                made.close()
                raise ConnectionAbortedError
            self._line = made.dup()
        if self._box.tls == "starttls":
            return made
        try:
            return self._box.context.wrap_socket(made, server_hostname=host)
        except OSError:
            made.close()
            raise

    def _told(self, server: smtplib.SMTP) -> None:
        box = self._box
        server.ehlo()
        if box.tls == "starttls":
            server.starttls(context=box.context)
            server.ehlo()
        if box.user is not None and box.password is not None:
            server.login(box.user, box.password)
        server.send_message(self._mail, box.sender, list(box.recipients))


class _Bounded:
    """What a server says, as far as anybody can have that much to say."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._left = ANSWERS

    def readline(self, most: int) -> bytes:
        line = self._file.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise ConnectionAbortedError
        return line

    def close(self) -> None:
        self._file.close()


def _of_code(code: int) -> Verdict:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz not."""
    cause = f"smtp.{code}" if 200 <= code <= 599 else "broken"
    return refused(cause) if 500 <= code <= 599 else later(cause)
