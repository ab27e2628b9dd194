"""A shop that sends sales and never forgets an answer: each is written and fsynced before it counts.

It repeats a request with the same order key until it has an answer: that is all that a client of the platform must do.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from kaipiao_lab.sales import Sales

AGAIN = frozenset({429, 500, 502, 503, 504})


@dataclass(slots=True)
class Takings:
    """What the shop saw. `milliseconds`: of each answered call that made an invoice."""

    acknowledged: int = 0
    refused: int = 0
    repeated: int = 0
    milliseconds: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


class AnswerLog:
    """The client's book: a line of JSON per answer, durable before `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def write(self, answer: dict[str, object]) -> None:
        line = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class Shop:
    """Several tills in threads, one connection each."""

    def __init__(self, url: Callable[[], str], token: str, sales: Sales, log: AnswerLog, tills: int) -> None:
        self._url = url
        self._token = token
        self._sales = sales
        self._log = log
        self._tills = tills
        self._lock = threading.Lock()
        self._left = 0
        self._deadline = 0.0
        self._gap = 0.0
        self._next_at = 0.0
        self.takings = Takings()

    def sell(
        self, count: int, patience: float, progress: Callable[[], None] | None = None, rate: float | None = None
    ) -> None:
        """Send `count` sales, at most `rate` a second. A sale without an answer within `patience` seconds of the whole
        run is given up."""
        self._left = count
        self._gap = 1.0 / rate if rate else 0.0
        self._next_at = time.monotonic()
        self._deadline = time.monotonic() + patience
        threads = [threading.Thread(target=self._till, args=(progress,), daemon=True) for _ in range(self._tills)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close_for_today(self) -> None:
        """No further sale. What is under way is answered."""
        with self._lock:
            self._left = 0

    def _take(self) -> dict[str, object] | None:
        with self._lock:
            if self._left <= 0 or time.monotonic() > self._deadline:
                return None
            self._left -= 1
            self._next_at = max(self._next_at + self._gap, time.monotonic() - 1.0)
            early = self._next_at - time.monotonic()
            sale = self._sales.next()
        if early > 0:
            time.sleep(early)
        return sale

    def _till(self, progress: Callable[[], None] | None) -> None:
        line = _Line(self._url, self._token)
        while (sale := self._take()) is not None:
            self._one(line, sale)
            if progress is not None:
                progress()
        line.close()

    def _one(self, line: _Line, sale: dict[str, object]) -> None:
        body = json.dumps(sale, ensure_ascii=False).encode()
        pause = 0.05
        while time.monotonic() < self._deadline:
            started = time.perf_counter()
            status, answer = line.post("/v1/invoices", body)
            took = (time.perf_counter() - started) * 1000
            if status in (200, 201):
                self._note(answer, took if status == 201 else None)
                return
            if status is not None and status not in AGAIN:
                self._refuse(answer)
                return
            with self._lock:
                self.takings.repeated += 1
            time.sleep(pause)
            pause = min(1.0, pause * 2)

    def _note(self, answer: dict[str, object], took: float | None) -> None:
        kept = {name: answer[name] for name in ("order", "number", "total")}
        self._log.write(kept)
        with self._lock:
            self.takings.acknowledged += 1
            if took is not None:
                self.takings.milliseconds.append(took)

    def _refuse(self, answer: dict[str, object]) -> None:
        with self._lock:
            self.takings.refused += 1
            if len(self.takings.refusals) < 5:
                self.takings.refusals.append(json.dumps(answer, ensure_ascii=False)[:500])


class _Line:
    """One kept connection. Any failure closes it and means: no answer."""

    def __init__(self, url: Callable[[], str], token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> tuple[int | None, dict[str, object]]:
        try:
            connection = self._open()
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return None, {}

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            place = urlsplit(self._url())
            self._connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=15)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed (nearest rank); 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -(-int(share * 1000 * len(ordered)) // 1000) - 1))]
