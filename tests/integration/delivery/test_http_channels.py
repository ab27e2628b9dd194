"""Webhook and robots against a local receiver that looks at body and signature; receivers that misbehave; hostile contents."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from standardwebhooks import Webhook as Verifier

sys.path.insert(0, str(Path(__file__).parents[1]))

from transport.pki import Authority

from delivery.receivers import Receiver, answer, receiver
from kaipiao.delivery.channels import notifier_of
from kaipiao.delivery.https import may_connect
from kaipiao.delivery.mail import Mailbox
from kaipiao.delivery.port import DELIVERED, Notice, Notifier, Outcome, Verdict
from kaipiao.delivery.rate import Rate
from kaipiao.delivery.robots import RULES
from kaipiao.errors import SettingsFault
from kaipiao.operations.time_sources.sntp import TimeServer
from kaipiao.settings import AlarmChannelSettings

AT = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
SECRETS = ["whsec_" + base64.b64encode(bytes([place]) * 32).decode() for place in (1, 2)]
KEY = "ROBOT-KEY-9d2f"
ROBOTS = ("wecom", "dingtalk", "feishu")
KINDS = ("webhook", *ROBOTS)
NOTICE = Notice("msg-1", "opened", "【警告】税局连不上", "一行\n两行", AT, {"severity": "warning"})
HOSTILE = '@all <at user_id="all">所有人</at>\r\nX-Evil: 1\0\x1b[31m\u202e<script>alert(1)</script>🧾\ud800'


def channel(
    kind: str, folder: Path, port: int, *, secret: str | None = None, tls: bool = False, **more: object
) -> Notifier:
    (folder / "url").write_text(f"{'https' if tls else 'http'}://localhost:{port}/hook?key={KEY}")
    given: dict[str, object] = {"kind": kind, "url_file": "url", "internal": True, "patience": 5.0, **more}
    if kind == "webhook" or secret is not None:
        (folder / "secret").write_text(secret or "\n".join(SECRETS))
        given["secret_file"] = "secret"
    settings = AlarmChannelSettings.model_validate(given)
    return notifier_of("ops", settings, folder, lambda path: path.read_text("ascii").strip())


def sent(kind: str, folder: Path, notice: Notice = NOTICE, **more: object) -> tuple[Verdict, Receiver]:
    async def run() -> tuple[Verdict, Receiver]:
        async with receiver() as far:
            return await channel(kind, folder, far.port, **more).send(notice), far  # type: ignore[arg-type]

    return asyncio.run(run())


def verdict_of(kind: str, folder: Path, say: Callable[[int], bytes | None], **more: object) -> Verdict:
    async def run() -> Verdict:
        async with receiver(say) as far:
            return await channel(kind, folder, far.port, **more).send(NOTICE)  # type: ignore[arg-type]

    return asyncio.run(run())


def test_a_webhook_is_signed_by_each_secret_as_standard_webhooks_verify_it(tmp_path: Path) -> None:
    verdict, far = sent("webhook", tmp_path)
    (got,) = far.got
    assert verdict == DELIVERED
    for secret in SECRETS:
        said = Verifier(secret).verify(got.body, got.headers)
        assert said == {"type": "alarm.opened", "timestamp": AT.isoformat(), "data": {"severity": "warning"}}
    assert got.headers["webhook-id"] == "msg-1"
    with pytest.raises(Exception, match="No matching signature"):
        Verifier("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(got.body, got.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(SECRETS[0]).verify(got.body + b" ", got.headers)


def test_wecom_gets_its_shape_and_mentions_nobody(tmp_path: Path) -> None:
    verdict, far = sent("wecom", tmp_path)
    assert verdict == DELIVERED
    assert far.got[0].path == f"/hook?key={KEY}"
    text = "【警告】税局连不上\n一行\n两行"
    content = {"content": text, "mentioned_list": [], "mentioned_mobile_list": []}
    assert json.loads(far.got[0].body) == {"msgtype": "text", "text": content}


def test_dingtalk_is_signed_in_its_address(tmp_path: Path) -> None:
    verdict, far = sent("dingtalk", tmp_path, secret="SEC1")
    assert verdict == DELIVERED
    query = {name: value[0] for name, value in parse_qs(urlsplit(far.got[0].path).query).items()}
    stamp = query["timestamp"]
    assert abs(int(stamp) / 1000 - time.time()) < 60
    expected = hmac.new(b"SEC1", f"{stamp}\nSEC1".encode(), hashlib.sha256).digest()
    assert base64.b64decode(query["sign"]) == expected
    assert query["key"] == KEY
    said = json.loads(far.got[0].body)
    assert (said["msgtype"], said["at"]) == ("text", {"isAtAll": False})


def test_feishu_is_signed_in_its_body(tmp_path: Path) -> None:
    verdict, far = sent("feishu", tmp_path, secret="SEC2")
    said = json.loads(far.got[0].body)
    assert verdict == DELIVERED
    assert abs(int(said["timestamp"]) - time.time()) < 60
    expected = hmac.new(f"{said['timestamp']}\nSEC2".encode(), b"", hashlib.sha256).digest()
    assert base64.b64decode(said["sign"]) == expected
    assert (said["msg_type"], list(said["content"])) == ("text", ["text"])


@pytest.mark.parametrize("kind", ROBOTS)
@pytest.mark.parametrize(
    "text", [HOSTILE, "票" * 400_000, '"\\' * 500_000, "🧾" * 250_000], ids=["marks", "zh", "quotes", "4 bytes"]
)
def test_hostile_and_huge_contents_stay_within_the_robots_limits_and_mention_nobody(
    kind: str, text: str, tmp_path: Path
) -> None:
    verdict, far = sent(kind, tmp_path, Notice("k", "opened", text[:80], text, AT))
    assert verdict == DELIVERED
    body = far.got[0].body
    said = json.loads(body.decode("utf-8"))
    content = said["content"]["text"] if kind == "feishu" else said["text"]["content"]
    assert len(content.encode("utf-8")) <= RULES[kind].bytes
    assert len(body) <= 20_480
    assert not set("<>@\r\0\x1b\u202e") & set(content)
    assert text is HOSTILE or content.endswith("…")
    assert text is HOSTILE or len(content.encode()) > RULES[kind].bytes * 0.45, "no more is cut than must be"


def test_a_hostile_text_breaks_no_webhook(tmp_path: Path) -> None:
    verdict, far = sent("webhook", tmp_path, Notice("k", "opened", "t", "t", AT, {"t": HOSTILE * 1000}))
    assert verdict == DELIVERED
    assert Verifier(SECRETS[0]).verify(far.got[0].body, far.got[0].headers)["data"]["t"].startswith("@all <at")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("said", "outcome", "cause"),
    [
        (answer(status="500 Oops"), "later", "http.500"),
        (answer(status="503 Busy", Retry_After="7"), "later", "http.503"),
        (answer(status="429 Slow"), "later", "http.429"),
        (answer(status="301 Moved", Location="https://elsewhere.example/"), "refused", "http.301"),
        (answer(status="307 Moved", Location="/other"), "refused", "http.307"),
        (answer(status="404 Gone"), "refused", "http.404"),
        (answer(b"x" * 200_000), "later", "answer.large"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "later", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "later", "broken"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9000, "later", "answer.large"),
        (b"\x16\x03\x01 no http\r\n\r\n", "later", "broken"),
        (b"", "later", "broken"),
    ],
)  # fmt: skip
def test_a_receiver_that_misbehaves_is_no_delivery_and_no_redirect_is_followed(
    kind: str, said: bytes, outcome: str, cause: str, tmp_path: Path
) -> None:
    verdict = verdict_of(kind, tmp_path, lambda place: said)
    assert (verdict.outcome, verdict.cause) == (outcome, cause)
    assert verdict.retry_after == (7.0 if cause == "http.503" else 0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_that_hangs_is_left_in_time(kind: str, tmp_path: Path) -> None:
    verdict = verdict_of(kind, tmp_path, lambda place: None, patience=0.2)
    assert verdict == Verdict(Outcome.LATER, "timeout")


@pytest.mark.parametrize(
    ("kind", "body", "verdict"),
    [
        ("wecom", b'{"errcode":45009,"errmsg":"freq"}', Verdict(Outcome.LATER, "errcode.45009", 60.0)),
        ("wecom", b'{"errcode":93000,"errmsg":"bad"}', Verdict(Outcome.REFUSED, "errcode.93000")),
        ("dingtalk", b'{"errcode":310000,"errmsg":"sign"}', Verdict(Outcome.REFUSED, "errcode.310000")),
        ("dingtalk", b'{"errcode":130101,"errmsg":"fast"}', Verdict(Outcome.LATER, "errcode.130101", 600.0)),
        ("feishu", b'{"code":11232,"msg":"limited"}', Verdict(Outcome.LATER, "errcode.11232", 60.0)),
        ("feishu", b'{"code":19021,"msg":"sign"}', Verdict(Outcome.REFUSED, "errcode.19021")),
        ("feishu", b"<html>", Verdict(Outcome.LATER, "answer.unreadable")),
        ("wecom", b"[" * 30_000, Verdict(Outcome.LATER, "answer.unreadable")),
        ("wecom", b'{"errcode":false}', Verdict(Outcome.LATER, "answer.unreadable")),
        ("wecom", b"{}", Verdict(Outcome.LATER, "answer.unreadable")),
    ],
)
def test_status_200_with_an_error_in_it_is_a_failure(kind: str, body: bytes, verdict: Verdict, tmp_path: Path) -> None:
    assert verdict_of(kind, tmp_path, lambda place: answer(body)) == verdict


def test_who_says_too_much_is_left_alone_for_as_long_as_its_rules_say(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiver(lambda place: answer(b'{"errcode":130101}')) as far:
            robot = channel("dingtalk", tmp_path, far.port)
            await robot.send(NOTICE)
            again = await robot.send(NOTICE)
            assert (again.outcome, again.limited, len(far.got)) == (Outcome.LATER, True, 1)
            assert 590 < again.retry_after <= 600

    asyncio.run(run())


@pytest.mark.parametrize(("kind", "most"), [("wecom", 20), ("dingtalk", 20), ("feishu", 5)])
def test_no_more_is_sent_at_once_than_the_robot_takes(kind: str, most: int, tmp_path: Path) -> None:
    async def run() -> None:
        async with receiver() as far:
            robot = channel(kind, tmp_path, far.port)
            verdicts = [await robot.send(NOTICE) for _ in range(most + 1)]
            assert [one == DELIVERED for one in verdicts] == [True] * most + [False]
            assert verdicts[-1].limited
            assert 0 < verdicts[-1].retry_after <= 60
            assert len(far.got) == most

    asyncio.run(run())


def test_a_certificate_that_is_not_trusted_or_of_another_name_stops_the_message(tmp_path: Path) -> None:
    async def run() -> None:
        ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
        cases = [
            (ours.leaf("a", hosts=("localhost",)), DELIVERED),
            (ours.leaf("b", hosts=("other.example",)), Verdict(Outcome.LATER, "tls.untrusted")),
            (ours.leaf("c", hosts=("localhost",), days=(-9, -1)), Verdict(Outcome.LATER, "tls.untrusted")),
            (theirs.leaf("d", hosts=("localhost",)), Verdict(Outcome.LATER, "tls.untrusted")),
        ]
        for (certificate, key), expected in cases:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            async with receiver(tls=tls) as far:
                hook = channel("webhook", tmp_path, far.port, tls=True, ca_file="ours.pem")
                assert await hook.send(NOTICE) == expected
                assert len(far.got) == (expected == DELIVERED)

    asyncio.run(run())


def test_where_nobody_listens_it_is_tried_later(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiver() as far:
            port = far.port
        assert await channel("webhook", tmp_path, port).send(NOTICE) == Verdict(Outcome.LATER, "connect")

    asyncio.run(run())


def test_a_name_that_leads_into_the_own_network_is_followed_only_where_the_settings_say_so(tmp_path: Path) -> None:
    async def run() -> None:
        async with receiver() as far:
            (tmp_path / "url").write_text(f"https://localhost:{far.port}/hook")
            (tmp_path / "secret").write_text(SECRETS[0])
            settings = AlarmChannelSettings(kind="webhook", url_file="url", secret_file="secret")
            hook = notifier_of("ops", settings, tmp_path, lambda path: path.read_text())
            assert await hook.send(NOTICE) == Verdict(Outcome.LATER, "address")
            assert far.got == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "outside", "inside"),
    [
        ("93.184.215.14", True, True),
        ("10.0.0.7", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:10.0.0.7", False, True),
        ("100.64.0.1", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_which_addresses_may_be_connected_to(address: str, outside: bool, inside: bool) -> None:
    assert (may_connect(address, False), may_connect(address, True)) == (outside, inside)


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/x", "http://127.0.0.1/x", "ftp://hook.example/", "https://user:pw@hook.example/", "https://",
        "https://hook.example/x y", "https://hook.example/x\r\nX-Evil: 1", "https://hook.example/票", "", "//x",
        "https://hook.example:99999/", "https://[::1", "https://hook.example/#f",
    ],
)  # fmt: skip
def test_an_address_that_is_no_sound_https_address_is_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(url)
    (tmp_path / "secret").write_text(SECRETS[0])
    settings = AlarmChannelSettings(kind="webhook", url_file="url", secret_file="secret")
    with pytest.raises(SettingsFault) as refused:
        notifier_of("ops", settings, tmp_path, lambda path: path.read_text())
    assert "ops" in refused.value.detail.en
    assert len(url) < 9 or url not in str(refused.value.detail)


def test_the_address_of_a_robot_is_at_its_maker_or_said_to_be_a_relay(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://elsewhere.example/robot/send?access_token=T")
    settings = AlarmChannelSettings(kind="dingtalk", url_file="url")
    with pytest.raises(SettingsFault):
        notifier_of("ops", settings, tmp_path, lambda path: path.read_text())
    (tmp_path / "url").write_text("https://oapi.dingtalk.com/robot/send?access_token=T")
    notifier_of("ops", settings, tmp_path, lambda path: path.read_text())


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_!!", "whsec_" + base64.b64encode(b"x" * 23).decode()])
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsFault) as refused:
        channel("webhook", tmp_path, 1, secret=secret or " ")
    assert len(secret) < 8 or secret not in str(refused.value.detail)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_secrets_show_in_no_repr(kind: str, tmp_path: Path) -> None:
    secret = {"webhook": SECRETS[0], "wecom": None}.get(kind, "SEC-SECRET")
    made = channel(kind, tmp_path, 1, secret=secret)
    assert KEY not in repr(made)
    assert "SEC-SECRET" not in repr(made)
    assert SECRETS[0] not in repr(made)
    assert "\\x01" not in repr(made)


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_secrets_come_into_no_log_however_much_is_logged(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"webhook": SECRETS[0], "wecom": None}.get(kind, "SEC-SECRET")
    with caplog.at_level("DEBUG"):
        for said in (answer(status="500 Oops"), answer(status="301 X", Location=f"/?key={KEY}"), b"no http"):
            verdict = verdict_of(kind, tmp_path, lambda place, said=said: said, secret=secret)  # type: ignore[misc]
            assert KEY not in str(verdict)
    assert not {KEY, "SEC-SECRET", SECRETS[0]} & set(caplog.text.split())
    assert KEY not in caplog.text


@pytest.mark.parametrize("limits", [((20, 60.0),), ((100, 60.0), (5, 1.0))])
def test_in_no_minute_more_goes_out_than_the_robot_takes(limits: tuple[tuple[int, float], ...]) -> None:
    now = [0.0]
    rate = Rate(limits, lambda: now[0])
    taken: list[float] = []
    while now[0] < 300:
        wait = rate.take()
        if wait == 0:
            taken.append(now[0])
        now[0] += 0.05 if wait == 0 else min(wait, 0.7) + 1e-9
    for many, seconds in limits:
        for place, at in enumerate(taken):
            assert sum(at <= other < at + seconds for other in taken[place : place + many + 1]) <= many
    assert len(taken) >= limits[0][0] * 4, "and not much less"


def test_a_name_server_that_hangs_takes_no_thread_from_anybody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: names of channels were looked up in the event loop's own threads, in which large sales are read too."""
    hanging = threading.Event()

    def lookup(*asked: object, **more: object) -> list[object]:
        hanging.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        box = Mailbox(
            "m", "mail.example", 25, "starttls", "a@b.example", ("c@b.example",), ssl.create_default_context()
        )
        server = TimeServer("ntp.example")
        hook = channel("webhook", tmp_path, 1)
        trying = [asyncio.create_task(one) for one in (*(hook.send(NOTICE) for _ in range(8)), box.send(NOTICE))]
        asking = asyncio.create_task(server.read())
        await asyncio.sleep(0.05)
        try:
            assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 3) == 7
        finally:
            hanging.set()
            await asyncio.gather(asking, *trying)

    asyncio.run(run())
