"""A pool that still works after hundreds of calls were cancelled in the middle of any phase."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kaipiao.authority.transport import Limits, Timeouts, Transport
from kaipiao.authority.transport.resolve import Address

from .conftest import Pki
from .servers import Server, answer, read_request

CANCELLATIONS = 400
BODY = b"x" * 300_000


def test_hundreds_of_cancellations_leave_the_pool_alive(run: Callable[[Any], Any], pki: Pki) -> None:
    context = pki.context()
    dice = random.Random(20261124)

    def handler(sock: socket.socket) -> None:
        time.sleep(dice.choice((0.0, 0.0, 0.01)))
        with context.wrap_socket(sock, server_side=True) as tls:
            while read_request(tls)[0]:
                whole = answer(b"fine" * 5000)
                time.sleep(dice.choice((0.0, 0.005)))
                tls.sendall(whole[:100])
                time.sleep(dice.choice((0.0, 0.005)))
                tls.sendall(whole[100:])

    def lookup(host: str, port: int) -> list[Address]:
        time.sleep(dice.choice((0.0, 0.002)))
        return [Address(socket.AF_INET, ("127.0.0.1", port))]

    async def storm() -> tuple[int, int]:
        transport = Transport(pki.tls(), Timeouts(), Limits(connections=4), lookup=lookup)
        url = f"https://localhost:{server.port}/"
        cancelled = finished = 0

        async def one() -> None:
            nonlocal cancelled, finished
            task = asyncio.ensure_future(transport.post(url, {}, BODY))
            await asyncio.sleep(dice.random() * 0.05)
            for _ in range(dice.choice((1, 1, 2))):  # twice: cancelled again while it cleans up
                task.cancel()
                await asyncio.sleep(0)
            try:
                assert (await task).failure is None
                finished += 1
            except asyncio.CancelledError:
                cancelled += 1

        try:
            while cancelled < CANCELLATIONS:
                await asyncio.gather(*[one() for _ in range(20)])
            for _ in range(3):
                replies = await asyncio.gather(*[transport.post(url, {}, BODY) for _ in range(12)])
                assert {(reply.status, reply.failure) for reply in replies} == {(200, None)}
        finally:
            await transport.close()
        return cancelled, finished

    with Server(handler) as server:
        before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
        cancelled, _ = run(storm())
    assert cancelled >= CANCELLATIONS
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 10  # no descriptor is left behind


def test_closing_the_transport_wakes_a_call_that_waits(run: Callable[[Any], Any], pki: Pki) -> None:
    context: ssl.SSLContext = pki.context()

    def handler(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            read_request(tls)
            time.sleep(0.5)

    async def close_meanwhile() -> str:
        transport = Transport(pki.tls())
        call = asyncio.ensure_future(transport.post(server.url, {}, b"x"))
        await asyncio.sleep(0.2)
        await transport.close()
        reply = await asyncio.wait_for(call, 1)
        assert reply.failure is not None
        return reply.failure.phase.value

    with Server(handler) as server:
        assert run(close_meanwhile()) == "wait"
