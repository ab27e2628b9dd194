"""A shop in a process of its own that costs little: raw sockets on one event loop, bodies made beforehand.

usage: python benchmarks/load.py URL --seller NUMBER --prefix P [--count N | --seconds S] [--rate R] [--connections C]

The token is read from stdin. Without `--rate` each connection sends its next sale when the last one was answered. With it
sales are due at fixed instants whether or not others were answered, and the time counts from the instant a sale was due:
a platform that stalls cannot hide it. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from kaipiao_lab.sales import Sales
from kaipiao_lab.shop import percentile


@dataclass(slots=True)
class Seen:
    """What the shop saw; times in ms, instants in seconds of `time.perf_counter`."""

    ok: int = 0
    others: dict[int, int] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


class Till(asyncio.Protocol):
    """One kept connection, one sale under way on it."""

    def __init__(self, shop: LoadShop) -> None:
        self._shop = shop
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it
        self._shop.free(self)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _content_length(self._buffer[:head])
        if len(self._buffer) < head + 4 + length:
            return
        status = int(self._buffer[9:12])
        self._buffer = self._buffer[head + 4 + length :]
        self._shop.answered(status, self._due)
        self._shop.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shop.lost(exc)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class LoadShop:
    """Hands sales to free tills until there are none left or the time is over."""

    def __init__(self, requests: list[bytes], seconds: float | None, rate: float | None) -> None:
        self.seen = Seen()
        self._requests = deque(requests)
        self._seconds = seconds
        self._gap = 1.0 / rate if rate else 0.0
        self._free: deque[Till] = deque()
        self._under_way = 0
        self._ended = asyncio.get_running_loop().create_future()

    async def run(self) -> float:
        """Seconds from the first sale to the last answer."""
        began = time.perf_counter()
        self._next_at = began
        self._until = began + self._seconds if self._seconds else float("inf")
        self._push()
        await self._ended
        return time.perf_counter() - began

    def free(self, till: Till) -> None:
        self._free.append(till)
        if hasattr(self, "_until"):
            self._push()

    def answered(self, status: int, due: float) -> None:
        self._under_way -= 1
        if status in (201, 202):
            self.seen.ok += 1
            self.seen.milliseconds.append((time.perf_counter() - due) * 1000)
        else:
            self.seen.others[status] = self.seen.others.get(status, 0) + 1

    def lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("the platform closed a connection"))

    def _push(self) -> None:
        now = time.perf_counter()
        while self._free and self._requests and now < self._until:
            due = self._next_at if self._gap else now
            if due > now:
                asyncio.get_running_loop().call_later(due - now, self._push)
                return
            self._next_at += self._gap
            self._under_way += 1
            self._free.popleft().send(self._requests.popleft(), due)
        if not self._under_way and (not self._requests or now >= self._until) and not self._ended.done():
            self._ended.set_result(None)


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"content-length:")
    assert start >= 0, head
    return int(head[start + 15 :].split(b"\r\n", 1)[0])


def requests_of(place: str, token: str, seller: str, prefix: str, count: int, later: bool) -> list[bytes]:
    """Whole HTTP requests, ready to be written."""
    sales = Sales(seller, sum(prefix.encode()), prefix)
    head = f"POST /v1/invoices HTTP/1.1\r\nHost: {place}\r\nAuthorization: Bearer {token}\r\n"
    head += "Prefer: respond-async\r\n" if later else ""
    head += "Content-Type: application/json\r\nContent-Length: "
    made = []
    for _ in range(count):
        body = json.dumps(sales.next(), ensure_ascii=False).encode()
        made.append(f"{head}{len(body)}\r\n\r\n".encode() + body)
    return made


async def drive(url: str, requests: list[bytes], seconds: float | None, rate: float | None, connections: int) -> Seen:
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    shop = LoadShop(requests, seconds, rate)
    loop = asyncio.get_running_loop()
    tills = [
        (await loop.create_connection(lambda: Till(shop), place.hostname, place.port))[1] for _ in range(connections)
    ]
    before, wall = time.process_time(), await shop.run()
    seen, spent = shop.seen, time.process_time() - before
    times = seen.milliseconds
    report = {
        "ok": seen.ok,
        "others": seen.others,
        "seconds": round(wall, 3),
        "per_second": round(seen.ok / wall, 1),
        "p50": round(percentile(times, 0.5), 2),
        "p99": round(percentile(times, 0.99), 2),
        "generator_us": round(spent / max(1, seen.ok) * 1e6, 1),
    }
    print(json.dumps(report), flush=True)
    for till in tills:
        till.close()
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seller", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--count", type=int, default=20_000, help="at most so many sales")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument(
        "--later", type=int, default=0, help="1: `Prefer: respond-async`, answered before it is numbered"
    )
    given = parser.parse_args()
    token = sys.stdin.readline().strip()
    place = urlsplit(given.url).netloc
    requests = requests_of(place, token, given.seller, given.prefix, given.count, bool(given.later))
    uvloop.run(drive(given.url, requests, given.seconds, given.rate, given.connections))
    return 0


if __name__ == "__main__":
    sys.exit(main())
