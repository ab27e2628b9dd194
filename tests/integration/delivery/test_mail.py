"""E-mail against local servers: over TLS only, checked; nobody's text becomes a header; a server that misbehaves is left."""

from __future__ import annotations

import asyncio
import email
import gc
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

sys.path.insert(0, str(Path(__file__).parents[1]))

from transport.pki import Authority

from kaipiao.delivery.channels import notifier_of
from kaipiao.delivery.port import DELIVERED, Notice, Outcome, Verdict
from kaipiao.settings import AlarmChannelSettings

# The receiver stops its loop before the sockets of its callers are closed: they are its own, and warned of when collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
AT = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
NOTICE = Notice("msg-1", "opened", "【警告】税局连不上", "一行\n.\nFrom 两行", AT)


class Inbox:
    """What arrived, and under which conditions."""

    def __init__(self, refusal: str | None = None) -> None:
        self.mails: list[tuple[Session, Envelope]] = []
        self.refusal = refusal

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append((session, envelope))
        return self.refusal or "250 OK"

    def content(self) -> bytes:
        content = self.mails[0][1].content
        assert isinstance(content, bytes)
        return content

    def read(self) -> Message:
        return email.message_from_bytes(self.content())


def password_of(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    sound = isinstance(data, LoginPassword) and (data.login, data.password) == (b"kaipiao", b"s3cret")
    return AuthResult(success=sound, handled=sound)


def tls_of(authority: Authority, host: str = "localhost") -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.leaf(f"mail-{host}", hosts=(host,)))
    return tls


@contextmanager
def serving(
    inbox: Inbox, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, **more: Any
) -> Iterator[int]:
    controller = Controller(inbox, hostname="127.0.0.1", port=0, ssl_context=tls, tls_context=starttls, **more)
    controller.port = _free()
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
        gc.collect()  # what the receiver leaves open when it is stopped ends here, not in somebody else's test


def _free() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def sent(folder: Path, port: int, notice: Notice = NOTICE, **more: object) -> Verdict:
    given = {
        "kind": "email", "host": "localhost", "port": port, "sender": "kaipiao@shop.example",
        "recipients": ["ops@shop.example", "chief@shop.example"], "ca_file": "ours.pem", "patience": 5.0, **more,
    }  # fmt: skip
    if "user" in given:
        given["password_file"] = "password"
    settings = AlarmChannelSettings.model_validate(given)
    box = notifier_of("mail", settings, folder, lambda path: path.read_text().strip())
    return asyncio.run(box.send(notice))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def test_a_mail_arrives_over_starttls_with_its_login_and_in_utf_8(authority: Authority, tmp_path: Path) -> None:
    inbox = Inbox()
    (tmp_path / "password").write_text("s3cret")
    more: dict[str, Any] = {"require_starttls": True, "auth_required": True, "authenticator": password_of}
    with serving(inbox, starttls=tls_of(authority), **more) as port:
        assert sent(tmp_path, port, user="kaipiao") == DELIVERED
    session, envelope = inbox.mails[0]
    assert session.ssl is not None
    assert session.authenticated
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "kaipiao@shop.example",
        ["ops@shop.example", "chief@shop.example"],
    )
    mail = inbox.read()
    assert str(make_header(decode_header(mail["Subject"]))) == "【警告】税局连不上"
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode("utf-8").replace("\r\n", "\n").strip() == "一行\n.\nFrom 两行"
    assert mail["Message-ID"] == "<msg-1@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_mail_arrives_over_implicit_tls(authority: Authority, tmp_path: Path) -> None:
    inbox = Inbox()
    plain = threading.active_count()
    server = _ImplicitServer(inbox, tls_of(authority))
    with server.running() as port:
        assert sent(tmp_path, port, tls="implicit") == DELIVERED
    assert len(inbox.mails) == 1
    assert threading.active_count() <= plain + 2


class _ImplicitServer:
    """aiosmtpd under TLS from the first byte on."""

    def __init__(self, inbox: Inbox, tls: ssl.SSLContext) -> None:
        self._inbox, self._tls = inbox, tls

    @contextmanager
    def running(self) -> Iterator[int]:
        loop = asyncio.new_event_loop()
        made = asyncio.run_coroutine_threadsafe
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def start() -> asyncio.Server:
            return await loop.create_server(lambda: SMTP(self._inbox, loop=loop), "127.0.0.1", 0, ssl=self._tls)

        server = made(start(), loop).result(5)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()


@pytest.mark.parametrize(
    "title",
    [
        "a\r\nBcc: evil@x.example",
        "a\nSubject: b",
        "a\0b",
        "\r\n\r\nbody",
        "票" * 300_000,
        "\ud800 half",
        "=?utf-8?q?x?=",
    ],
)
def test_no_title_becomes_a_header(title: str, authority: Authority, tmp_path: Path) -> None:
    inbox = Inbox()
    with serving(inbox, starttls=tls_of(authority)) as port:
        assert sent(tmp_path, port, Notice("k", "opened", title, "t" * 1_000_000, AT)) == DELIVERED
    mail = inbox.read()
    assert set(mail.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version", *({"X-Peer"} & set(mail.keys())),
    }  # fmt: skip
    assert len(mail.get_all("Subject") or []) == 1
    assert len(inbox.content()) < 120_000


def test_without_tls_or_with_a_wrong_certificate_nothing_is_sent(authority: Authority, tmp_path: Path) -> None:
    inbox = Inbox()
    with serving(inbox) as port:
        assert sent(tmp_path, port) == Verdict(Outcome.REFUSED, "smtp.unsupported")
    for tls in (tls_of(Authority(tmp_path, "theirs")), tls_of(authority, "other.example")):
        with serving(inbox, starttls=tls) as port:
            assert sent(tmp_path, port) == Verdict(Outcome.LATER, "tls.untrusted")
    assert inbox.mails == []


def test_a_refusal_for_good_and_one_for_now_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    cases = {"554 no": Verdict(Outcome.REFUSED, "smtp.554"), "451 later": Verdict(Outcome.LATER, "smtp.451")}
    for refusal, verdict in cases.items():
        with serving(Inbox(refusal), starttls=tls_of(authority)) as port:
            assert sent(tmp_path, port) == verdict


def test_a_wrong_password_is_a_refusal_that_shows_nothing(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wr0ng")
    more: dict[str, Any] = {"require_starttls": True, "auth_required": True, "authenticator": password_of}
    with serving(Inbox(), starttls=tls_of(authority), **more) as port:
        assert sent(tmp_path, port, user="kaipiao") == Verdict(Outcome.REFUSED, "smtp.535")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"", "timeout"),
        (b"220 hello\r\n", "timeout"),
        (b"220-" + b"x" * 500 + b"\r\n", "broken"),
        (b"HTTP/1.1 400\r\n", "broken"),
        (b"\xff\xfe\r\n", "broken"),
        (b"421 busy\r\n", "smtp.421"),
    ],
    ids=["silent", "greets only", "talks on and on", "http", "bytes", "busy"],
)
def test_a_server_that_hangs_or_talks_without_end_is_left_in_time(
    said: bytes, cause: str, authority: Authority, tmp_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(said * (1000 if said.startswith(b"220-") else 1))
            await writer.drain()
            await reader.read()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    async def run() -> Verdict:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = AlarmChannelSettings(
            kind="email", host="localhost", port=port, sender="a@b.example", recipients=["c@d.example"],
            ca_file="ours.pem", patience=0.5,
        )  # fmt: skip
        verdict = await notifier_of("mail", settings, tmp_path, lambda path: path.read_text()).send(NOTICE)
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 5)  # the far side hangs up too
        await asyncio.sleep(0.01)
        return verdict

    assert asyncio.run(run()) in (Verdict(Outcome.LATER, cause), Verdict(Outcome.LATER, "timeout"))


@pytest.mark.parametrize(
    "bad", ["a\r\nb@x.example", "a b@x.example", "a@x.example>", "票@x.example", "a@x.example\n", "@x", ""]
)
def test_an_address_that_could_be_more_than_an_address_is_no_setting(bad: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        AlarmChannelSettings(kind="email", host="h", sender=bad, recipients=["a@b.example"])
