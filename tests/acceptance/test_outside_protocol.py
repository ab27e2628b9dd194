"""Clients that do not speak HTTP properly: half requests, wrong lengths, parallel and pipelined ones."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from kaipiao.cli import patience
from kaipiao_lab.bench import Bench
from kaipiao_lab.sales import Sales


def talk(bench: Bench, data: bytes, seconds: float = 10.0) -> bytes:
    """Everything that the server says until it closes the connection; raises `TimeoutError` when it does not."""
    place = urlsplit(bench.url())
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def request(bench: Bench, body: bytes, *, length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    head = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bench.token}\r\n"
    return (head + f"Content-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n").encode() + body


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"GET /v1/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",
        b"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["words", "TLS", "NUL", "two lengths", "negative", "length and chunks", "bad chunk"],
)
def test_what_is_no_http_is_answered_with_a_problem_and_closed(bench: Bench, data: bytes) -> None:
    head, _, body = talk(bench, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "KP-INPUT-01"


def test_one_order_by_a_hundred_clients_at_once_is_one_invoice(bench: Bench) -> None:
    body = json.dumps(Sales(bench.seller, 31, f"par{time.time_ns()}").next()).encode()
    answers: list[bytes] = []

    def call() -> None:
        answers.append(talk(bench, request(bench, body, more="Connection: close\r\n"), 30))

    threads = [threading.Thread(target=call) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a[:12] for a in answers) == [b"HTTP/1.1 200"] * 99 + [b"HTTP/1.1 201"]
    assert len({json.loads(a.partition(b"\r\n\r\n")[2])["number"] for a in answers}) == 1


def test_one_order_twenty_times_in_one_pipeline_is_one_invoice(bench: Bench) -> None:
    body = json.dumps(Sales(bench.seller, 32, f"pipe{time.time_ns()}").next()).encode()
    data = request(bench, body) * 19 + request(bench, body, more="Connection: close\r\n")
    answer = talk(bench, data, 30)
    assert (answer.count(b"HTTP/1.1 201"), answer.count(b"HTTP/1.1 200")) == (1, 19)


def test_clients_that_leave_half_way_leave_no_trace(bench: Bench) -> None:
    log = bench.directory / "platform.log"
    before = log.read_text(encoding="utf-8").count('"defect"')
    body = json.dumps(Sales(bench.seller, 33, f"half{time.time_ns()}").next()).encode()
    data = request(bench, body)
    place = urlsplit(bench.url())
    for cut in range(1, len(data), len(data) // 15):
        with socket.create_connection((place.hostname or "", place.port or 0)) as connection:
            connection.sendall(data[:cut])
    assert talk(bench, request(bench, body, more="Connection: close\r\n")).startswith(b"HTTP/1.1 201")
    assert log.read_text(encoding="utf-8").count('"defect"') == before


def test_many_forged_tokens_are_refused_and_the_server_goes_on(bench: Bench) -> None:
    forged = b"GET /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n"
    place = urlsplit(bench.url())
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as connection:
        stream = connection.makefile("rb")
        for _ in range(40):
            connection.sendall(forged + b"\r\n")
            assert stream.readline().startswith(b"HTTP/1.1 401")
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
    assert talk(bench, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    """The same protocol in this process, less patient."""
    hasty = patience.Patience(head_s=0.2)

    async def never(scope: object, receive: object, send: object) -> None:
        raise AssertionError("no request was made")

    config = uvicorn.Config(never, lifespan="off", log_config=None)
    config.load()

    async def story() -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: patience.PatientProtocol(config, ServerState(), {}, patience=hasty), "127.0.0.1"
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(sent)
            try:
                return await asyncio.wait_for(reader.read(), 5)
            finally:
                writer.close()

    assert asyncio.run(story()) == b""
