"""Callers that are slow, too many, or send what has no end: each is told or cut, and none costs the others anything."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from served import BIG, Served, answered, heard

from kaipiao.cli.patience import DISCARDED_MOST, MOST_HEADERS, Patience

GET = b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /at-once HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(path: str, size: int) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


def flood(connection: socket.socket, piece: bytes, most: int = 64 * 1024 * 1024) -> int:
    """Send until the other end does not take it any more; the bytes that it took."""
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += connection.send(piece)
    return sent


def fine(served: Served) -> None:
    assert served.talk(LAST).endswith(b"\r\n\r\n.")


def test_a_head_that_drips_is_cut() -> None:
    with Served(Patience(head_s=0.3)) as served, served.connect() as connection:
        for byte in GET[:-2]:
            try:
                connection.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.02)
        assert heard(connection) == b""
        served.empty()
        assert served.cut == ["head"]
        fine(served)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(MOST_HEADERS + 2)),
        CHUNKED + b"1\r\nx\r\n0\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(MOST_HEADERS + 2)),
        CHUNKED + b"1;" + b"a" * 400_000,
        CHUNKED + b"0\r\nX-Trailer: " + b"a" * 400_000,
        b"\r\n" * 300_000,
    ],
    ids=["address", "header", "headers", "trailers", "chunk extension", "one trailer", "empty lines"],
)
def test_a_head_without_end_is_refused(data: bytes) -> None:
    with Served() as served:
        head, _, body = served.talk(data).partition(b"\r\n\r\n")
        if head:  # it may be lost where the caller goes on sending
            assert head.startswith(b"HTTP/1.1 431 ")
            assert json.loads(body)["code"] == "KP-HTTP-08"
        served.empty()
        assert "/at-once" not in served.begun
        fine(served)


def test_of_a_body_that_nobody_wants_a_little_is_dropped_and_then_the_connection() -> None:
    with Served() as served, served.connect() as connection:
        connection.sendall(CHUNKED.replace(b"/count", b"/at-once"))
        taken = flood(connection, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        served.empty()
        assert served.cut == ["rest"]
        assert taken < DISCARDED_MOST + 32 * 1024 * 1024  # what kernels hold is not ours
        fine(served)


def test_after_a_small_body_that_nobody_wanted_the_connection_goes_on() -> None:
    with Served() as served:
        answers = served.talk(post("/at-once", 100_000) + b"x" * 100_000 + LAST)
        assert answers.count(b"HTTP/1.1 200") == 2


def test_a_body_is_not_read_before_it_is_asked_for() -> None:
    with Served() as served, served.connect() as connection:
        connection.setblocking(False)
        connection.send(post("/held", 4 * BIG))
        served.until(lambda: served.begun == ["/held"], "the request did not begin")
        sent, quiet = 0, 0
        while quiet < 20:  # until the kernel takes no more
            try:
                sent += connection.send(b"x" * 65536)
                quiet = 0
            except BlockingIOError:
                quiet += 1
                time.sleep(0.01)
        protocol = served.only_connection()
        assert len(protocol.cycle.body) <= 512 * 1024
        assert sent < 4 * BIG
        served.open_gate()
        connection.settimeout(10)
        connection.sendall(b"x" * (4 * BIG - sent))
        assert answered(connection, str(4 * BIG).encode())


def test_what_all_send_ahead_together_is_bounded() -> None:
    most, each = 1024 * 1024, 50_000
    with Served(Patience(ahead_bytes=most)) as served, ExitStack() as callers:
        for _ in range(40):
            callers.enter_context(served.connect()).sendall(post("/held", 60_000) + b"x" * each)
        served.until(lambda: len(served.cut) == 40 - most // each, "those whom there is no room for were not cut")
        assert set(served.cut) == {"ahead"}
        assert served.ahead.total <= most
        callers.close()
        served.open_gate()
        served.empty()


def test_what_was_taken_is_not_held_against_anybody() -> None:
    with Served(Patience(ahead_bytes=256 * 1024)) as served:
        callers = [served.connect() for _ in range(20)]
        for caller in callers:  # each is read by the application, which then waits for the rest
            caller.sendall(post("/count", 60_000) + b"x" * 50_000)
            time.sleep(0.01)
        for caller in callers:
            caller.sendall(b"x" * 10_000)
            assert answered(caller, b"60000")
            caller.close()
        assert served.cut == []


def test_a_pipeline_without_end_gets_its_first_answers_and_an_end() -> None:
    with Served(Patience(pipeline_max=8)) as served:
        answers = served.talk(GET * 500)
        assert 1 <= answers.count(b"HTTP/1.1 200") <= 9
        assert answers.endswith(b"\r\n\r\n.")
        served.empty()
        assert len(served.begun) <= 9


@pytest.mark.parametrize("count", [1, 40], ids=["one answer", "many in a pipeline"])
def test_who_never_reads_is_cut(count: int) -> None:
    big = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
    with Served(Patience(write_s=0.3)) as served, served.connect() as connection:
        connection.sendall(big * count)
        served.until(lambda: served.cut == ["unread"], "it was not cut")
        served.empty()
        fine(served)


def test_who_never_reads_is_cut_after_a_small_answer_that_ends_the_connection() -> None:
    with Served(Patience(write_s=0.3), keepalive=0.2) as served:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(GET * 20 + b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        served.until(lambda: served.cut == ["unread"], "it was not cut")
        served.empty()
        connection.close()


def test_an_idle_connection_is_closed_and_keeps_nothing_of_its_last_request() -> None:
    with Served(keepalive=0.5) as served, served.connect() as connection:
        connection.sendall(post("/at-once", 60_000) + b"x" * 60_000)
        assert answered(connection, b".")
        protocol = served.only_connection()
        served.until(lambda: not protocol.cycle.body, "the body is kept")
        assert not protocol.scope
        assert not protocol.headers
        assert heard(connection) == b""
        served.empty()


def test_a_caller_that_closes_its_half_has_left() -> None:
    with Served() as served, served.connect() as connection:
        connection.sendall(post("/count", 10) + b"12345")
        connection.shutdown(socket.SHUT_WR)
        assert heard(connection) == b""
        served.empty()
        served.until(lambda: served.gone == ["/count"], "the application was not told")
        fine(served)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
        b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n12345",
        b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    ],
    ids=["two equal lengths", "length and chunks", "no chunks", "endless chunk"],
)
def test_a_body_of_two_lengths_is_no_request(data: bytes) -> None:
    with Served() as served:
        assert served.talk(data).startswith(b"HTTP/1.1 400 ")
        served.empty()


def test_whole_requests_before_nonsense_are_answered_first() -> None:
    with Served() as served:
        answers = served.talk(GET * 2 + b"nonsense\r\n\r\n")
        assert answers.count(b"HTTP/1.1 200") == 2
        assert b"HTTP/1.1 400" not in answers
