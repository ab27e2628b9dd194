"""Every budget made to end, one after the other: what the API answers, what unlocks it, and that issuing then goes on.

The bureau's services answer 503 while its clock can still be read, so that the clock can be moved during the outage. One
bench goes from 3 November to New Year; the clock never runs backwards.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.cover.request import Answer, Till
from kaipiao_lab.processes import put
from kaipiao_lab.sales import BUYERS, with_check_character

START = "2026-11-03T09:00:00+08:00"
UPLOADS = ["QDFPSC", "CXQDFPSCJG", "FPCY_NEW", "FPZTXXCX"]
STOCK = {"segment_size": 60, "quota_step": 1_000_000}
FOLLOWED = 1.2  # real seconds until the platform has seen a clock that was moved
PATIENCE = 40.0  # real seconds until issuing must go on
LONG = 26 * 3600.0  # longer than the far side may hide what it holds
TABLE = """dated = 2026-11-24
source = "this proof: 48 h are only said for one taxpayer, so that the close of the month binds"

[[budget]]
channel = "*"
invoice = "any"
taxpayer = "{taxpayer}"
bound = "upload_window"
limit = 172800
action = "warn"
zh = "最早一张发票超过 48 小时仍未上传"
en = "the oldest invoice was not uploaded within 48 h"
"""


@dataclass(slots=True)
class Stop:
    """`bound`: that was to end. `said`: of the problem that the API answered. `went_on`: after what unlocks it."""

    bound: str
    status: int
    said: dict[str, Any]
    went_on: bool = False

    def sound(self) -> bool:
        explained = all(self.said.get(name) for name in ("code", "detail", "next_step", "unlocks"))
        return self.status == 503 and self.said.get("bound") == self.bound and explained and self.went_on

    def as_dict(self) -> dict[str, object]:
        told: dict[str, object] = {
            name: self.said[name] for name in ("code", "detail", "unlocks", "unlocks_at") if name in self.said
        }
        return {"status": self.status, **told, "went_on": self.went_on}


class Tabled(Bench):
    """Its platform has a table of budgets of its own besides the shipped one."""

    def _set_policy(self) -> None:
        super()._set_policy()
        place = self.directory / "platform"
        taxpayer = self.bureau.info["taxpayers"][2]["tax_number"]
        (place / "contingency.toml").write_text(TABLE.format(taxpayer=taxpayer), encoding="utf-8")
        with (place / "kaipiao.toml").open("a", encoding="utf-8") as settings:
            settings.write('\n[contingency]\ntable = "contingency.toml"\n')


@dataclass(slots=True)
class Scene:
    """What the steps share."""

    bench: Bench
    till: Till
    stops: list[Stop] = field(default_factory=list)
    orders: int = 0

    def admin(self, method: str, path: str, body: object) -> None:
        admin = self.bench.bureau.info["admin"]
        if method == "PUT":
            put(f"{admin['url']}{path}", admin["credential"], json.dumps(body).encode())
            return
        headers = {"Authorization": f"Bearer {admin['credential']}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{admin['url']}{path}", json.dumps(body).encode(), headers, method=method)  # noqa: S310 — loopback
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 — loopback
            return

    def away(self, services: list[str] | None = None) -> None:
        """The bureau's services (all, or these) answer 503."""
        fault: dict[str, object] = {"kind": "http_error", "status": 503}
        self.bench.set_faults([fault | ({"services": services} if services else {})])

    def back(self) -> None:
        self.bench.set_faults([])

    def move(self, **wish: object) -> None:
        """The clock: `now` or `advance`, and until the platform has seen it."""
        self.admin("PUT", "/clock", wish)
        time.sleep(FOLLOWED)

    def settle(self) -> None:
        """The bureau has answered, and holds whatever was issued."""
        self.bench.wait_settled(PATIENCE)

    def seller(self, place: int) -> dict[str, str]:
        found: dict[str, str] = self.bench.bureau.info["taxpayers"][place]
        return found

    def sell(self, place: int, price: str = "100.00") -> Answer:
        self.orders += 1
        return self.till.post(sale(self.seller(place), f"stop-{self.orders}", price))

    def until_stopped(self, place: int, most: int, price: str = "100.00") -> Answer:
        """Sales until one is refused, at most so many."""
        answer = self.sell(place, price)
        for _ in range(most - 1):
            if answer.status != 201:
                break
            answer = self.sell(place, price)
        return answer

    def note(self, bound: str, answer: Answer) -> Stop:
        stop = Stop(bound, answer.status, answer.body)
        self.stops.append(stop)
        return stop

    def goes_on(self, stop: Stop, place: int, nudge: Callable[[], None] = lambda: None) -> None:
        """Whether a sale is issued again, with a `nudge` of the clock between tries."""
        end = time.monotonic() + PATIENCE
        while not stop.went_on and time.monotonic() < end:
            stop.went_on = self.sell(place).status == 201
            if not stop.went_on:
                time.sleep(0.1)
                nudge()


def sale(seller: dict[str, str], order: str, price: str) -> dict[str, object]:
    name, number = BUYERS[0]
    rate = "0.06" if seller["taxpayer_type"] == "1" else "0.03"
    line = {
        "name": "技术服务费", "short_name": "信息技术服务", "tax_code": "3040203000000000000", "tax_rate": rate,
        "unit": "月", "quantity": "1", "unit_price": price,
    }  # fmt: skip
    buyer = {"name": name, "tax_number": with_check_character(number)}
    return {"order": order, "seller": seller["tax_number"], "kind": "general", "buyer": buyer, "tax_included": True,
            "lines": [line], "remark": f"order:{order}"}  # fmt: skip


def quota(scene: Scene) -> None:
    scene.away()
    stop = scene.note("quota", scene.until_stopped(0, 3, "600000.00"))
    scene.back()
    scene.goes_on(stop, 0)


def numbers(scene: Scene) -> None:
    scene.settle()
    scene.away()
    stop = scene.note("numbers", scene.until_stopped(1, STOCK["segment_size"] * 3))
    scene.back()
    scene.goes_on(stop, 1)


def upload_window(scene: Scene) -> None:
    """48 h: the oldest debt is then too late; it is settled once asking has shown that nobody holds it."""
    scene.settle()
    scene.away()
    scene.sell(0)
    scene.move(advance=48 * 3600.0)
    stop = scene.note("upload_window", scene.sell(0))
    scene.back()
    scene.goes_on(stop, 0, lambda: scene.move(advance=LONG))


def month_end(scene: Scene) -> None:
    """Quota never crosses a month. The third seller's debt of November stays where it is."""
    scene.settle()
    scene.admin("POST", "/taxpayers", _company(scene.seller(1)) | {"files": "manual"})
    scene.move(now="2026-11-30T23:50:00+08:00")
    scene.away()
    scene.sell(2)
    scene.move(now="2026-12-01T00:01:00+08:00")
    stop = scene.note("month_end", scene.sell(0))
    scene.away(UPLOADS)
    scene.goes_on(stop, 0)


def month_close(scene: Scene) -> None:
    scene.move(now="2026-12-13T00:00:10+08:00")
    stop = scene.note("month_close", scene.sell(2))
    scene.back()
    scene.goes_on(stop, 2, lambda: scene.move(advance=LONG))


def quota_validity(scene: Scene) -> None:
    """Of a taxpayer that files by hand the quota ends on the 15th, until the month was filed."""
    scene.sell(1)
    scene.settle()
    scene.away()
    scene.move(now="2026-12-16T00:00:30+08:00")
    stop = scene.note("quota_validity", scene.sell(1))
    scene.admin("POST", "/taxpayers", _company(scene.seller(1)))
    scene.back()
    scene.goes_on(stop, 1)


def year_end(scene: Scene) -> None:
    scene.settle()
    scene.away()
    scene.move(now="2027-01-01T00:01:00+08:00")
    stop = scene.note("year_end", scene.sell(0))
    scene.back()
    scene.goes_on(stop, 0)


STEPS = (quota, numbers, upload_window, month_end, month_close, quota_validity, year_end)


def _company(seller: dict[str, str]) -> dict[str, str]:
    return {name: seller[name] for name in ("tax_number", "name", "region", "taxpayer_type")}


def prove(directory: Path, seed: int, steps: tuple[Callable[[Scene], None], ...] = STEPS) -> list[Stop]:
    """One stop for each step. Raises `NotStarted`."""
    bench = Tabled(directory, Sizes(speed=60.0, seed=seed, start=START, policy=STOCK))
    try:
        bench.set_up()
        scene = Scene(bench, Till(bench.url(), bench.token))
        for step in steps:
            step(scene)
        return scene.stops
    finally:
        bench.close()
