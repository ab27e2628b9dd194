"""A bureau for one policy alone: the sandbox as a process of its own, the faults of the day at their hours, its books."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaipiao.clock import ClockFunction, FunctionClock
from kaipiao_lab import auditor
from kaipiao_lab.policies.day import Day
from kaipiao_lab.processes import Command, NotStarted, get, put, run

START = "2026-11-03T09:00:00+08:00"  # far from the ends of months
GENERAL = "1"  # a general taxpayer
LOOK = 0.01  # real seconds


@dataclass(slots=True)
class Hits:
    """How often each fault struck, over the whole day."""

    counts: dict[str, int]

    def add(self, listed: list[dict[str, Any]]) -> None:
        for fault in listed:
            self.counts[fault["kind"]] = self.counts.get(fault["kind"], 0) + int(fault["hits"])


class Bureau:
    """`info`: what a sandbox process printed that runs at the day's speed. `books`: its directory."""

    def __init__(self, info: dict[str, Any], books: Path, day: Day) -> None:
        self.info = info
        self._books = books
        self.day = day
        self._admin: dict[str, str] = info["admin"]
        self.hits = Hits({})
        self.clock = FunctionClock(self._function())

    @staticmethod
    def command(place: Path, day: Day) -> Command:
        """The process, not started yet."""
        arguments = ["sandbox", "-d", str(place / "bureau"), "--json", "--seed", str(day.seed)]
        arguments += ["--speed", str(day.speed), "--start", START]
        return Command(arguments, place / "bureau.log")

    def sellers(self) -> list[str]:
        """Tax numbers of those that may use every rate."""
        return [each["tax_number"] for each in self.info["taxpayers"] if each["taxpayer_type"] == GENERAL]

    def now(self) -> float:
        """Seconds since 1970 of its clock."""
        return self.clock.now().timestamp()

    def order_faults(self, part: int, *, out: bool) -> None:
        """Of a part of the day; `out`: an outage begins with it."""
        self.count()
        body = json.dumps(self.day.faults(part, out=out)).encode()
        put(f"{self._admin['url']}/faults", self._admin["credential"], body)

    def go_through(self, begin: float, going_on: Callable[[], bool]) -> threading.Thread:
        """The day that begins at this instant, in a thread of its own, as long as somebody sells."""
        thread = threading.Thread(target=self._outages, args=(begin, going_on), daemon=True)
        thread.start()
        return thread

    def _outages(self, begin: float, going_on: Callable[[], bool]) -> None:
        for part, at in enumerate(self.day.outage_begins(), 1):
            while self.now() < begin + at and going_on():
                time.sleep(LOOK)
            if going_on():
                self.order_faults(part, out=True)

    def count(self) -> None:
        listed = get(f"{self._admin['url']}/faults", self._admin["credential"])
        self.hits.add(listed or [])

    def _function(self) -> ClockFunction:
        shown = get(f"{self._admin['url']}/clock", self._admin["credential"])
        if not isinstance(shown, dict):
            raise NotStarted("the bureau's clock does not answer")
        return ClockFunction(shown["anchor"], shown["shown"], shown["speed"])

    def close_books(self, place: Path) -> list[auditor.Entry]:
        """What it holds, once its process has stopped."""
        register = place / "bureau.ndjson"
        register.write_text(run(["sandbox", "--books", "-d", str(self._books)], place / "bureau.log"), encoding="utf-8")
        return list(auditor.bureau_book(register))
