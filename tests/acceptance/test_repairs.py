"""Successors and the repair toolbox on the command line, against a real bureau whose books somebody altered."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from running import Done, kaipiao

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import put
from kaipiao_lab.sales import Sales


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Its clock runs 300 times as fast: what waits for minutes waits for less than a second."""
    made = Bench(tmp_path_factory.mktemp("repairs"), Sizes(speed=300.0, start="2026-11-16T09:00:00+08:00"))
    try:
        made.set_up()
        yield made
    finally:
        made.close()


def run(bench: Bench, *arguments: str) -> Done:
    return kaipiao(*arguments, "-d", bench.directory / "platform", cwd=bench.directory)


def mend(bench: Bench, tool: str, number: str, *more: str) -> Any:
    """What a run for good says."""
    done = run(bench, "repair", "run", tool, number, "--yes", "--reason", "测试", "--json", *more)
    assert done.code == 0, done.out + done.err
    return done.last()


def sell(bench: Bench, name: str) -> tuple[str, str]:
    """(order, number) of a sale that is issued and not waited for."""
    file = bench.directory / f"{name}.json"
    file.write_text(json.dumps(Sales(bench.seller, 7, name).next(), ensure_ascii=False), encoding="utf-8")
    done = run(bench, "issue", str(file), "--no-wait", "--json")
    assert done.code == 0, done.err
    return json.loads(file.read_text(encoding="utf-8"))["order"], done.lines()[0]["number"]


def until(bench: Bench, number: str, state: str) -> Any:
    deadline = time.monotonic() + 60
    while (record := run(bench, "show", number, "--json").last())["state"] != state:
        assert time.monotonic() < deadline, record
    return record


def alter(bench: Bench, statement: str, *values: object) -> int:
    with closing(sqlite3.connect(bench.directory / "bureau" / "bureau.sqlite", timeout=20)) as db, db:
        return db.execute(statement, values).rowcount


def held(bench: Bench, *numbers: str) -> set[str]:
    with closing(sqlite3.connect(bench.directory / "bureau" / "bureau.sqlite", timeout=20)) as db:
        return {number for (number,) in db.execute("SELECT number FROM invoice")} & set(numbers)


def later(bench: Bench, seconds: int) -> None:
    admin = bench.bureau.info["admin"]
    put(f"{admin['url']}/clock", admin["credential"], json.dumps({"advance": seconds}).encode())
    time.sleep(1.5)  # the platform looks at the bureau's clock once a second


def refused(bench: Bench, name: str) -> tuple[str, str]:
    """The bureau finds the quota used up; then it does not."""
    alter(bench, "UPDATE quota SET used = downloaded + 1")
    try:
        order, number = sell(bench, name)
        until(bench, number, "rejected")
    finally:
        alter(bench, "UPDATE quota SET used = 0")
    return order, number


def test_a_refusal_whose_cause_is_mended_is_listed_tried_and_sent_again(bench: Bench) -> None:
    _, number = refused(bench, "again")
    listed = [one for one in run(bench, "repair", "list", "--json").lines() if one["number"] == number]
    assert [one["tools"] for one in listed] == [["resend-same-number", "succeed", "adopt"]]
    shown = run(bench, "repair", "show", number)
    assert "✓ resend-same-number" in shown.out
    assert "✗ adopt" in shown.out
    trial = run(bench, "repair", "run", "resend-same-number", number, "--dry-run")
    assert trial.code == 0
    assert "什么都没有改变" in trial.out
    assert run(bench, "show", number, "--json").last()["state"] == "rejected"
    assert mend(bench, "resend-same-number", number)["after"] == "issued"
    until(bench, number, "confirmed")
    assert held(bench, number) == {number}


def test_a_successor_is_the_one_the_bureau_holds_and_both_name_each_other(bench: Bench) -> None:
    order, number = refused(bench, "next")
    done = run(bench, "repair", "replace", number, "--json")
    assert done.code == 0, done.err
    successor = done.last()["successor"]["number"]
    again = run(bench, "repair", "replace", number, "--json").last()["successor"]
    for same in ("number", "made_at", "seal", "total"):
        assert again[same] == done.last()["successor"][same]
    until(bench, successor, "confirmed")
    assert held(bench, number, successor) == {successor}
    live = run(bench, "show", order, "--json").last()
    assert (live["number"], live["replaces"]) == (successor, number)
    assert run(bench, "show", number, "--json").last()["replaced_by"] == successor
    refusal = run(bench, "repair", "run", "resend-same-number", number, "--yes")
    assert refusal.code != 0
    assert "KP-REPAIR-01" in refusal.err
    assert "replaced" in refusal.err


def test_what_the_bureau_lost_is_given_up_after_two_late_denials_only_and_filed_again(bench: Bench) -> None:
    _, number = sell(bench, "lost")
    until(bench, number, "confirmed")
    assert alter(bench, "DELETE FROM invoice WHERE number = ?", number) == 1
    early = run(bench, "repair", "run", "unconfirm-believed", number)
    assert early.code == 1
    assert "可见时间未到" in early.out
    later(bench, 90_000)
    assert mend(bench, "unconfirm-believed", number)["after"] == "confirmed"
    time.sleep(0.5)  # more than the pause between two asks, by the bureau's clock
    assert mend(bench, "unconfirm-believed", number)["after"] == "unknown"
    until(bench, number, "confirmed")
    assert held(bench, number) == {number}


def test_of_what_missed_its_time_a_successor_follows(bench: Bench) -> None:
    bench.set_faults([{"kind": "http_error", "status": 503, "services": ["QDFPSC"]}])
    try:
        _, number = sell(bench, "late")
        later(bench, 50 * 3600)
        later(bench, 30 * 3600)
        until(bench, number, "expired")
    finally:
        bench.set_faults([])
    done = mend(bench, "succeed", number)
    assert (done["before"], done["after"]) == ("expired", "replaced")
    until(bench, done["successor"], "confirmed")
    assert held(bench, number, done["successor"]) == {done["successor"]}
