"""A platform whose clock is wrong says so and stops before it dates an invoice wrongly; one whose payment service is gone
says that, and goes on issuing."""

from __future__ import annotations

import http.server
import json
import re
import socket
import ssl
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import kaipiao

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import get, wait_ready
from kaipiao_lab.sales import Sales


class TimeServer:
    """Answers SNTP on loopback. `ahead`: so many seconds our machine's clock is said to be ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                asked, sender = self._socket.recvfrom(100)
            except OSError:
                return
            true = time.time() - self.ahead + 2_208_988_800
            stamp = struct.pack(">2I", int(true), int(true % 1 * 2**32))
            head = struct.pack(">BBbb3I", 0x24, 2, 6, -20, 0, 0, 0)
            self._socket.sendto(head + bytes(8) + asked[40:48] + stamp + stamp, sender)

    def close(self) -> None:
        self._socket.close()


class Payments:
    """A payment service with the bureau's certificate (which is for loopback), or none."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.sick = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(503 if outer.sick else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing of it is for the terminal."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def sell(bench: Bench, order: str) -> tuple[int, Any]:
    body = json.dumps(Sales(bench.seller, 7, order).next()).encode()
    headers = {"Authorization": f"Bearer {bench.token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{bench.url()}/v1/invoices", body, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not found():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[TimeServer]]:
    made = [TimeServer(), TimeServer(), TimeServer()]
    yield made
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def payments(key_pair: tuple[Path, Path]) -> Iterator[Payments]:
    made = Payments(*key_pair)
    yield made
    made.close()


@pytest.fixture(scope="module")
def key_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback that trusts itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    place = tmp_path_factory.mktemp("payments")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "payments of a test")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
    certificate = builder.add_extension(loopback, critical=False).sign(key, hashes.SHA256())
    (place / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / "key.pem").write_bytes(key.private_bytes(*form))
    return place / "cert.pem", place / "key.pem"


@pytest.fixture(scope="module")
def here(
    tmp_path_factory: pytest.TempPathFactory,
    servers: list[TimeServer],
    payments: Payments,
    key_pair: tuple[Path, Path],
) -> Iterator[Bench]:
    """A platform that keeps its own clock, beside a bureau that does so too."""
    bench = Bench(tmp_path_factory.mktemp("clock"), Sizes(speed=1.0))
    try:
        bench.set_up()
        bench.platform.stop()
        file = bench.directory / "platform" / "kaipiao.toml"
        text = re.sub(r"(?m)^(follow|through) = .*\n", "", file.read_text("utf-8"))
        addresses = json.dumps([server.address for server in servers])
        text = text.replace("[clock]\n", f"[clock]\nntp = {addresses}\nlook_s = 1\n")
        text += f'\n[dependency.unionpay]\nkind = "payment"\nurl = "{payments.url}"\nca_file = "{key_pair[0]}"\n'
        file.write_text(text + "interval_s = 1\ngap_s = 1\n", encoding="utf-8")
        bench.platform.start()
        wait_ready(bench.url())
        yield bench
    finally:
        bench.close()


def clock(bench: Bench) -> Any:
    return get(f"{bench.url()}/v1/clock", bench.token)


def kinds(bench: Bench) -> list[str]:
    events: Any = get(f"{bench.url()}/v1/events?limit=1000", bench.token)
    return [event["kind"] for event in events]


def test_a_clock_that_leads_stops_issuing_with_the_reason_and_goes_on_when_it_is_right(
    here: Bench, servers: list[TimeServer]
) -> None:
    until(lambda: clock(here)["skew_ms"] == 0.0)
    assert sell(here, "right-before")[0] == 201
    for server in servers:
        server.ahead = 60.0
    until(lambda: bool(clock(here)["stops"]))
    status, answer = sell(here, "wrong")
    assert status == 503
    assert answer["code"] == "KP-ISSUE-04"
    assert {f"ntp:{server.address}" for server in servers} <= set(answer["sources"])
    assert "60.0" in answer["detail"]
    assert {"clock.skewed", "alarm.clock"} <= set(kinds(here))
    told = kaipiao("clock", "-d", here.directory / "platform", cwd=here.directory)
    assert "停止开票" in told.out
    assert f"✓ ntp:{servers[2].address}" in told.out
    for server in servers:
        server.ahead = 0.0
    until(lambda: not clock(here)["stops"])
    assert sell(here, "wrong")[0] == 201
    assert kinds(here).count("clock.sound") == 1


def test_one_time_server_that_lies_stops_nothing(here: Bench, servers: list[TimeServer]) -> None:
    servers[0].ahead = 3600.0
    name = f"ntp:{servers[0].address}"
    until(lambda: any(s["source"] == name and not s["agrees"] for s in clock(here)["sources"]))
    assert not clock(here)["warns"]
    assert sell(here, "liar")[0] == 201
    servers[0].ahead = 0.0


def test_a_payment_service_that_is_gone_is_told_once_and_issuing_goes_on(here: Bench, payments: Payments) -> None:
    def state() -> Any:
        (one,) = get(f"{here.url()}/v1/dependencies", here.token)
        return one

    until(lambda: state()["last"] is not None)
    payments.sick = True
    until(lambda: bool(state()["missing"]))
    assert state()["cause"] == "http.503"
    assert sell(here, "unpaid")[0] == 201
    told = kaipiao("--lang", "en", "dependencies", "-d", here.directory / "platform", cwd=here.directory)
    assert "unionpay" in told.out
    assert "missing" in told.out
    payments.sick = False
    until(lambda: not state()["missing"])
    assert kinds(here).count("alarm.heartbeat") == 1
    assert kinds(here).count("heartbeat.back") == 1


def test_a_time_server_that_is_no_host_is_said_at_the_start(tmp_path: Path) -> None:
    kaipiao("init", "-d", tmp_path / "home", "--port", "0", cwd=tmp_path)
    file = tmp_path / "home" / "kaipiao.toml"
    text = file.read_text("utf-8")
    file.write_text(
        text + '\n[clock]\nntp = ["a:b:c"]\n'
        if "[clock]" not in text
        else text.replace("[clock]", '[clock]\nntp = ["a:b:c"]'),
        "utf-8",
    )
    done = kaipiao("serve", "-d", tmp_path / "home", cwd=tmp_path)
    assert done.code == 64
    assert "clock.ntp：'a:b:c' 不是主机名" in done.err
    assert "Traceback" not in done.err
