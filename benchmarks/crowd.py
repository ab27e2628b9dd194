"""A crowd in a process of its own: so many connections at once that say nothing, or that have each sent one order.

usage: python benchmarks/crowd.py URL --count N [--orders PREFIX --seller NUMBER]

The token is read from stdin. When all are open, and their orders sent, it says so in one line of JSON; it stays until a line
comes on stdin. Then it waits for the answers, up to `--patience` seconds, and its last line counts them by status.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from collections import Counter
from urllib.parse import urlsplit

import uvloop
from load import requests_of

AT_ONCE = 200  # connections that are being opened


class Visitor(asyncio.Protocol):
    """One connection. `status`: of its answer; 0 until there is one."""

    def __init__(self) -> None:
        self.status = 0
        self.lost = False

    def data_received(self, data: bytes) -> None:
        if not self.status:
            self.status = int(data[9:12])

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


async def visit(host: str, port: int, gate: asyncio.Semaphore, request: bytes | None) -> Visitor:
    async with gate:
        transport, visitor = await asyncio.get_running_loop().create_connection(Visitor, host, port)
    if request is not None:
        transport.write(request)
    return visitor


async def crowd(url: str, requests: list[bytes | None], patience: float) -> None:
    place, gate = urlsplit(url), asyncio.Semaphore(AT_ONCE)
    assert place.hostname is not None
    assert place.port is not None
    visitors = await asyncio.gather(*(visit(place.hostname, place.port, gate, request) for request in requests))
    print(json.dumps({"open": sum(not one.lost for one in visitors)}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    end = asyncio.get_running_loop().time() + patience
    while any(not one.status and not one.lost for one in visitors) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.1)
    print(json.dumps(Counter(one.status for one in visitors)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--orders", help="each sends one; the prefix of their keys")
    parser.add_argument("--seller", default="")
    parser.add_argument("--patience", type=float, default=0.0)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    token = sys.stdin.readline().strip()
    requests: list[bytes | None] = [None] * given.count
    if given.orders is not None:
        place = urlsplit(given.url).netloc
        requests = [*requests_of(place, token, given.seller, given.orders, given.count, later=False)]
    uvloop.run(crowd(given.url, requests, given.patience))
    return 0


if __name__ == "__main__":
    sys.exit(main())
