"""The bureau is killed and comes back: the mode changes with its cause, invoices go on, cover is shown; a halt is obeyed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import kaipiao

from kaipiao_lab.bench import Bench, Sizes

WHEN = "2026-11-03T09:00:00+08:00"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "bench", Sizes(speed=10.0, start=WHEN))
    try:
        bench.set_up()
        yield bench
    finally:
        bench.close()


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return found


def test_a_bureau_that_is_gone_changes_the_mode_and_stops_nothing_and_a_halt_stops_it(bench: Bench) -> None:
    place = bench.directory / "platform"

    def mode(*more: str) -> Any:
        done = kaipiao("mode", "-d", place, "--json", *more, cwd=bench.directory)
        assert done.code == 0, done.err
        return done.last()

    def channel() -> Any:
        return mode()["channels"][0]

    shop = bench.open_shop()
    shop.sell(10, 30)
    assert bench.wait_settled(60) == 0
    assert channel()["mode"] == "online"
    bench.bureau.kill()
    shop.sell(10, 30)
    away = until(lambda: (one := channel())["mode"] == "contingency_failure" and one)
    assert (away["cause"], away["rule"]) == ("breaker.open", "upload_window")
    seller = next(one for one in mode()["taxpayers"] if one["taxpayer"] == bench.seller)
    assert 0 < seller["cover_hours"] <= 48
    said = kaipiao("mode", "-d", place, cwd=bench.directory).out
    assert "应急：税局故障" in said
    assert "最早一张未上传发票之后 48 小时" in said
    assert shop.takings.acknowledged == 20, "the shop noticed nothing"

    mode("--set", "halted", "--reason", "核对")
    assert channel()["mode"] == "halted"
    listed = kaipiao("announce", "-d", place, "--kind", "failure", "--text", "主机故障", "--json", cwd=bench.directory)
    assert json.loads(listed.out)["state"] == "holds"
    assert channel()["mode"] == "halted", "nobody but the operator releases it"
    mode("--set", "auto", "--reason", "完毕")
    assert channel()["cause"] == "authority.failure" or channel()["cause"] == "breaker.open"

    bench.restart_bureau()
    assert channel()["cause"] == "authority.failure", "what was announced lasts until it is said to be over"
    rows = [{"kind": "recovered", "text": "已恢复"}]
    (bench.directory / "said.json").write_text(json.dumps(rows), "utf-8")
    told = kaipiao("announce", "-d", place, "--file", "said.json", "--json", cwd=bench.directory)
    assert json.loads(told.out)["kind"] == "recovered", told.err
    back = until(lambda: (one := channel())["mode"] == "online" and one)
    assert (back["cause"], back["deadline"], back["rule"]) == ("reached", None, None)
    assert bench.wait_settled(60) == 0
    (bench.directory / "broken.json").write_bytes(b"\xff{")
    refused = kaipiao("announce", "-d", place, "--file", "broken.json", cwd=bench.directory)
    assert refused.code == 1
    assert "UTF-8" in refused.err
