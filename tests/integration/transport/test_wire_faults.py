"""Each fault of the wire ends in its own cause, in the right phase, with the right count of bytes, in time; and the
same transport then serves a sound call."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport import CAUSES, Reply, Timeouts, Transport
from kaipiao.authority.transport.resolve import Address

from .conftest import SHORT, SMALL, Pki
from .servers import Handler, RawTls, Server, answer, read_request, reset

BODY = b"x" * 1000
Runner = Callable[[Any], Any]


def over_tls(context: ssl.SSLContext, then: Handler) -> Handler:
    def handler(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            then(tls)

    return handler


def after_request(*pieces: bytes, pause: float = 0.0, hold: float = 0.0) -> Handler:
    """Read the request, send the pieces, hold the connection open for a while, close it."""

    def handler(sock: socket.socket) -> None:
        read_request(sock)
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        time.sleep(hold)

    return handler


def good(sock: socket.socket) -> None:
    while read_request(sock)[0]:
        sock.sendall(answer(b"fine"))


def call(run: Runner, pki: Pki, url: str, *, timeouts: Timeouts = SHORT, body: bytes = BODY, **options: Any) -> Reply:
    """One call, and then a sound one on the same transport, which must work."""

    async def both() -> Reply:
        transport = Transport(pki.tls(), timeouts, SMALL, **options)
        try:
            reply = await transport.post(url, {"fwbm": "QDFPSC"}, body)
            with Server(over_tls(pki.context(), good)) as sound:
                after = await transport.post(sound.url, {}, b"again")
                assert (after.status, after.body, after.failure) == (200, b"fine", None)
                again = await transport.post(sound.url, {}, b"again")
                assert again.failure is None
                assert again.timeline.reused
                assert sound.connections == 1
            return reply
        finally:
            await transport.close()

    reply = run(both())
    assert isinstance(reply, Reply)
    return reply


def check(reply: Reply, cause: str, phase: Phase, *, sent: bool) -> None:
    failure = reply.failure
    assert failure is not None
    assert (failure.cause, failure.phase) == (cause, phase), failure
    assert failure.surely_not_sent is not sent
    assert (reply.timeline.bytes_sent > 0) is sent
    assert reply.timeline.spans[-1].end is None
    assert reply.timeline.spans[-1].phase is reply.timeline.reached
    assert failure.cause in CAUSES


def test_a_name_that_does_not_exist(run: Runner, pki: Pki) -> None:
    def lookup(host: str, port: int) -> list[Address]:
        if host == "127.0.0.1":
            raise AssertionError("an address needs no look-up")
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    reply = call(run, pki, "https://bureau.invalid/access", lookup=lookup)
    check(reply, "resolve.no_such_name", Phase.RESOLVE, sent=False)


def test_a_name_server_that_does_not_answer(run: Runner, pki: Pki) -> None:
    release = threading.Event()

    def lookup(host: str, port: int) -> list[Address]:
        release.wait(5)
        return []

    reply = call(run, pki, "https://bureau.invalid/access", lookup=lookup)
    release.set()
    check(reply, "resolve.timeout", Phase.RESOLVE, sent=False)


def test_a_name_without_an_address(run: Runner, pki: Pki) -> None:
    reply = call(run, pki, "https://bureau.invalid/access", lookup=lambda host, port: [])
    check(reply, "resolve.no_address", Phase.RESOLVE, sent=False)


def test_a_refused_connection(run: Runner, pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reply = call(run, pki, f"https://127.0.0.1:{port}/")
    check(reply, "connect.refused", Phase.CONNECT, sent=False)
    assert reply.timeline.peer == f"127.0.0.1:{port}"


def test_the_next_address_is_tried(run: Runner, pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with Server(over_tls(pki.context(), good)) as server:
        two = [Address(socket.AF_INET, ("127.0.0.1", port)) for port in (closed, server.port)]
        reply = call(run, pki, f"https://localhost:{server.port}/", lookup=lambda host, port: two)
    assert reply.failure is None
    assert [span.phase for span in reply.timeline.spans] == list(Phase)


def test_a_black_hole_where_the_accept_queue_is_full(run: Runner, pki: Pki) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        reply = call(run, pki, f"https://127.0.0.1:{address[1]}/")
        for filler in fillers:
            filler.close()
    check(reply, "connect.timeout", Phase.CONNECT, sent=False)


def test_a_handshake_that_hangs(run: Runner, pki: Pki) -> None:
    with Server(lambda sock: time.sleep(0.8)) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.timeout", Phase.HANDSHAKE, sent=False)


def test_a_reset_in_the_handshake(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(100)
        reset(sock)

    with Server(handler) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.reset", Phase.HANDSHAKE, sent=False)


def test_a_handshake_that_is_closed(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(65536)

    with Server(handler) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.closed", Phase.HANDSHAKE, sent=False)


def test_plain_http_on_the_tls_port(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with Server(handler) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.not_tls", Phase.HANDSHAKE, sent=False)


def test_only_old_tls_on_offer(run: Runner, pki: Pki) -> None:
    context = pki.context(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with Server(over_tls(context, good)) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.no_common_parameters", Phase.HANDSHAKE, sent=False)


@pytest.mark.parametrize(
    ("name", "hosts", "days", "cause"),
    [
        ("expired", ("127.0.0.1",), (-9, -1), "handshake.certificate_expired"),
        ("early", ("127.0.0.1",), (1, 9), "handshake.certificate_not_yet_valid"),
        ("other", ("127.0.0.2", "localhost"), (-1, 9), "handshake.wrong_name"),
        ("text", ("127.0.0.1.example",), (-1, 9), "handshake.wrong_name"),
        ("nameless", (), (-1, 9), "handshake.wrong_name"),
    ],
)
def test_a_certificate_that_does_not_stand(
    run: Runner, pki: Pki, name: str, hosts: tuple[str, ...], days: tuple[int, int], cause: str
) -> None:
    pair = pki.authority.leaf(name, hosts=hosts, days=days)
    with Server(over_tls(pki.context(pair), good)) as server:
        reply = call(run, pki, server.url)
    check(reply, cause, Phase.HANDSHAKE, sent=False)


def test_a_certificate_of_an_authority_that_nobody_trusts(run: Runner, pki: Pki) -> None:
    pair = pki.stranger.leaf("impostor", hosts=("127.0.0.1",))
    with Server(over_tls(pki.context(pair), good)) as server:
        reply = call(run, pki, server.url)
    check(reply, "handshake.unknown_ca", Phase.HANDSHAKE, sent=False)


def test_a_host_name_is_checked_like_an_address(run: Runner, pki: Pki) -> None:
    def lookup(host: str, port: int) -> list[Address]:
        return [Address(socket.AF_INET, ("127.0.0.1", port))]

    with Server(over_tls(pki.context(), good)) as server:
        right = call(run, pki, f"https://localhost:{server.port}/", lookup=lookup)
        wrong = call(run, pki, f"https://bureau.example:{server.port}/", lookup=lookup)
    assert right.failure is None
    check(wrong, "handshake.wrong_name", Phase.HANDSHAKE, sent=False)


@pytest.mark.parametrize("body", [BODY, b"x" * 3_000_000], ids=["small", "larger than the buffers"])
def test_a_missing_client_certificate_on_tls_1_3_is_a_verdict_of_its_own(run: Runner, pki: Pki, body: bytes) -> None:
    with Server(over_tls(pki.context(demand=True), good)) as server:
        reply = call(run, pki, server.url, body=body)
    assert reply.failure is not None
    assert reply.failure.cause == "handshake.client_certificate_refused"
    assert reply.failure.phase is Phase.HANDSHAKE
    assert reply.failure.surely_not_accepted
    assert reply.failure.surely_not_sent is (reply.timeline.bytes_sent == 0)


def test_a_client_certificate_of_another_authority_is_the_same_verdict(run: Runner, pki: Pki) -> None:
    async def once() -> Reply:
        transport = Transport(pki.tls(client=pki.stranger.leaf("foreign")), SHORT, SMALL)
        try:
            return await transport.post(server.url, {}, BODY)
        finally:
            await transport.close()

    with Server(over_tls(pki.context(demand=True), good)) as server:
        reply = run(once())
    assert reply.failure is not None
    assert reply.failure.cause == "handshake.client_certificate_refused"
    assert reply.failure.surely_not_accepted


def test_a_missing_client_certificate_on_tls_1_2(run: Runner, pki: Pki) -> None:
    context = pki.context(demand=True, version=ssl.TLSVersion.TLSv1_2)
    with Server(over_tls(context, good)) as server:
        reply = call(run, pki, server.url)
    assert reply.failure is not None
    assert reply.failure.phase is Phase.HANDSHAKE
    assert reply.failure.surely_not_sent


def test_mutual_tls_with_the_right_certificate(run: Runner, pki: Pki) -> None:
    async def once() -> Reply:
        transport = Transport(pki.tls(client=pki.client), SHORT, SMALL)
        try:
            return await transport.post(server.url, {}, BODY)
        finally:
            await transport.close()

    with Server(over_tls(pki.context(demand=True), good)) as server:
        reply = run(once())
    assert (reply.status, reply.body, reply.failure) == (200, b"fine", None)


def test_closed_after_the_request_was_read(run: Runner, pki: Pki) -> None:
    with Server(over_tls(pki.context(), after_request())) as server:
        reply = call(run, pki, server.url)
    check(reply, "wait.closed", Phase.WAIT, sent=True)


def test_closed_in_order_after_the_request_was_read(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        assert isinstance(sock, ssl.SSLSocket)
        sock.unwrap()

    with Server(over_tls(pki.context(), handler)) as server:
        reply = call(run, pki, server.url)
    check(reply, "wait.closed", Phase.WAIT, sent=True)


def test_reset_after_the_request_was_read(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        reset(sock)

    with Server(over_tls(pki.context(), handler)) as server:
        reply = call(run, pki, server.url)
    check(reply, "wait.reset", Phase.WAIT, sent=True)


def test_reset_in_the_middle_of_the_request(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(1000)
        time.sleep(0.1)
        reset(sock)

    with Server(over_tls(pki.context(), handler)) as server:
        reply = call(run, pki, server.url, body=b"x" * 20_000_000)
    check(reply, "write.reset", Phase.WRITE, sent=True)
    assert reply.timeline.bytes_sent < 20_000_000


def test_a_stall_while_we_write_counts_the_bytes_exactly(run: Runner, pki: Pki) -> None:
    counted: list[int] = []
    resume, counted_all = threading.Event(), threading.Event()
    context = pki.context()
    context.num_tickets = 0  # unread tickets would make the kernel reset the connection, and drop what it had taken

    def handler(sock: socket.socket) -> None:
        tls = RawTls(sock, context)
        resume.wait(5)
        counted.append(tls.count_to_end())
        counted_all.set()

    with Server(handler) as server:
        reply = call(run, pki, server.url, body=b"x" * 30_000_000)
        resume.set()
        assert counted_all.wait(5)
    check(reply, "write.timeout", Phase.WRITE, sent=True)
    assert counted == [reply.timeline.bytes_sent]
    assert 0 < counted[0] < 30_000_000


def test_a_whole_request_counts_the_bytes_exactly(run: Runner, pki: Pki) -> None:
    counted: list[int] = []

    def handler(sock: socket.socket) -> None:
        counted.append(RawTls(sock, pki.context()).count_to_end())

    with Server(handler) as server:
        reply = call(run, pki, server.url, body=b"x" * 100_000)
    check(reply, "wait.timeout", Phase.WAIT, sent=True)
    close_notify = 24  # 5 header, 2 alert, 1 type, 16 tag
    assert counted[0] - reply.timeline.bytes_sent in (0, close_notify)


def test_no_answer(run: Runner, pki: Pki) -> None:
    with Server(over_tls(pki.context(), after_request(hold=0.8))) as server:
        reply = call(run, pki, server.url)
    check(reply, "wait.timeout", Phase.WAIT, sent=True)
    assert [span.phase for span in reply.timeline.spans] == list(Phase)[:5]


@pytest.mark.parametrize(
    ("pieces", "hold", "cause"),
    [
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), 0.0, "answer.cut"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), 0.9, "answer.timeout"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",), 0.0, "answer.cut"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",), 0.9, "answer.timeout"),
        ((b"HTTP/1.1 200 OK\r\n\r\nno length, and no orderly end",), 0.0, "answer.cut"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",), 0.0, "answer.cut"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhel",), 0.0, "answer.malformed"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",), 0.0, "answer.malformed"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",), 0.0, "answer.malformed"),
        ((b"\x00\x01\x02 nothing that HTTP knows\r\n\r\n",), 0.0, "answer.malformed"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), 0.0, "answer.cut"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), 0.9, "answer.timeout"),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\nContent-Length: 0\r\n\r\n",), 0.0, "answer.header_too_large"),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"a" * 300_000,), 0.3, "answer.header_too_large"),
        ((answer(b"a" * 300_000),), 0.0, "answer.too_large"),
        ((answer(gzip.compress(b"\x00" * 50_000_000), "Content-Encoding: gzip"),), 0.0, "answer.bomb"),
        ((answer(b'{"plain": 1}', "Content-Encoding: gzip"),), 0.0, "answer.bad_encoding"),
        ((answer(gzip.compress(b"abc" * 99)[:-9], "Content-Encoding: gzip"),), 0.0, "answer.bad_encoding"),
        ((answer(b"abc", "Content-Encoding: br"),), 0.0, "answer.unknown_encoding"),
        ((answer(gzip.compress(gzip.compress(b"a")), "Content-Encoding: gzip, gzip"),), 0.0, "answer.unknown_encoding"),
    ],
)  # fmt: skip
def test_a_broken_answer(run: Runner, pki: Pki, pieces: tuple[bytes, ...], hold: float, cause: str) -> None:
    with Server(over_tls(pki.context(), after_request(*pieces, hold=hold))) as server:
        reply = call(run, pki, server.url)
    check(reply, cause, Phase.ANSWER, sent=True)
    assert reply.body == b""


def test_a_slow_drip_is_bounded_as_a_whole(run: Runner, pki: Pki) -> None:
    drip = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"a"] * 30]
    began = time.monotonic()
    with Server(over_tls(pki.context(), after_request(*drip, pause=0.05))) as server:
        reply = call(run, pki, server.url)
        assert time.monotonic() - began < 1.5
    check(reply, "answer.timeout", Phase.ANSWER, sent=True)
    assert reply.status == 200


def test_a_flood_of_interim_answers_is_bounded(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        read_request(sock)
        while True:
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    began = time.monotonic()
    with Server(over_tls(pki.context(), handler)) as server:
        reply = call(run, pki, server.url)
        assert time.monotonic() - began < 2
    check(reply, "answer.timeout", Phase.ANSWER, sent=True)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"fine")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 5 + answer(b"fine"),),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfi", b"ne\r\n0\r\n\r\n"),
        (answer(gzip.compress(b"fine"), "Content-Encoding: gzip"),),
        (answer(b"fine") + b"and more than it said",),
    ],
)
def test_an_odd_answer_that_is_still_good(run: Runner, pki: Pki, pieces: tuple[bytes, ...]) -> None:
    with Server(over_tls(pki.context(), after_request(*pieces, pause=0.02))) as server:
        reply = call(run, pki, server.url)
    got = reply.body if reply.failure is None or "gzip" not in reply.headers.get("content-encoding", "") else None
    assert (reply.status, got, reply.failure) == (200, b"fine", None)


def test_an_early_answer_to_a_request_that_is_not_read_is_heard(run: Runner, pki: Pki) -> None:
    def handler(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(answer(b"too large", "Connection: close", status="413 Content Too Large"))
        time.sleep(0.2)
        reset(sock)

    with Server(over_tls(pki.context(), handler)) as server:
        reply = call(run, pki, server.url, body=b"x" * 20_000_000)
    assert (reply.status, reply.failure) == (413, None)
    assert reply.timeline.bytes_sent < 20_000_000


@pytest.mark.parametrize("ending", ["in order", "bare FIN", "RST"])
def test_a_kept_connection_that_died_is_replaced_with_nothing_sent_on_it(run: Runner, pki: Pki, ending: str) -> None:
    """The peer closes between two calls: the second goes over a new connection, whole, and is read once."""
    seen: list[bytes] = []

    def handler(sock: socket.socket) -> None:
        seen.append(read_request(sock)[1])
        sock.sendall(answer(b"fine"))
        assert isinstance(sock, ssl.SSLSocket)
        if ending == "in order":
            sock.unwrap()
        elif ending == "RST":
            time.sleep(0.05)
            reset(sock)

    async def twice() -> list[Reply]:
        transport = Transport(pki.tls(), SHORT, SMALL)
        try:
            first = await transport.post(server.url, {}, b"one")
            time.sleep(0.15)
            return [first, await transport.post(server.url, {}, b"two")]
        finally:
            await transport.close()

    with Server(over_tls(pki.context(), handler)) as server:
        replies = run(twice())
    assert [reply.failure for reply in replies] == [None, None]
    assert not replies[1].timeline.reused
    assert seen == [b"one", b"two"]


def test_an_address_that_is_not_https_is_refused_before_anything(run: Runner, pki: Pki) -> None:
    from kaipiao.errors import SettingsFault

    async def once() -> None:
        transport = Transport(pki.tls(), SHORT, SMALL)
        try:
            await transport.post("http://127.0.0.1/", {}, b"")
        finally:
            await transport.close()

    with pytest.raises(SettingsFault):
        run(once())
