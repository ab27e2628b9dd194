"""Both sides' books and the month's end, with a real bureau whose books somebody altered behind everybody's back."""

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

NOVEMBER = "2026-11"


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bureau of its own: its clock runs 300 times as fast, so that a list is made in less than a second."""
    made = Bench(tmp_path_factory.mktemp("months"), Sizes(speed=300.0, start="2026-11-20T09:00:00+08:00"))
    try:
        made.set_up()
        yield made
    finally:
        made.close()


def run(bench: Bench, *arguments: str, seconds: float = 90) -> Done:
    return kaipiao(*arguments, "-d", bench.directory / "platform", cwd=bench.directory, seconds=seconds)


def issue(bench: Bench, name: str, count: int) -> list[str]:
    """Numbers of invoices that both sides hold."""
    sales = Sales(bench.seller, 5, name)
    file = bench.directory / f"{name}.json"
    file.write_text("\n".join(json.dumps(sales.next(), ensure_ascii=False) for _ in range(count)), encoding="utf-8")
    done = run(bench, "issue", str(file))
    assert done.code == 0, done.err
    return [line.split("\t")[1] for line in done.out.splitlines()]


def alter(bench: Bench, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(bench.directory / "bureau" / "bureau.sqlite", timeout=20)) as db, db:
        assert db.execute(statement, values).rowcount == 1


def copy(bench: Bench, number: str, stranger: str) -> None:
    """The bureau holds the same once more, under a number that our books do not know."""
    with closing(sqlite3.connect(bench.directory / "bureau" / "bureau.sqlite", timeout=20)) as db, db:
        row = list(db.execute("SELECT * FROM invoice WHERE number = ?", (number,)).fetchone())
        row[0], row[-1] = stranger, row[-1].replace(number, stranger)
        db.execute(f"INSERT INTO invoice VALUES ({', '.join('?' * len(row))})", row)


def found(done: Done) -> dict[str, list[dict[str, Any]]]:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for one in done.last()["findings"]:
        by_kind.setdefault(one["kind"], []).append(one)
    return by_kind


def test_a_month_that_agrees_is_confirmed_and_opened_again(altered: Bench) -> None:
    issue(altered, "nov", 3)
    early = run(altered, "month", "confirm", NOVEMBER, "--taxpayer", altered.seller)
    assert early.code == 1
    assert "month.not_over" in early.err
    assert "月份尚未结束" in early.err
    admin = altered.bureau.info["admin"]
    put(f"{admin['url']}/clock", admin["credential"], b'{"now": "2026-12-02T10:00:00+08:00"}')
    time.sleep(1.5)  # the platform looks at the bureau's clock once a second
    compared = run(altered, "reconcile", "--month", NOVEMBER, "--taxpayer", altered.seller)
    assert compared.code == 0, compared.out + compared.err
    assert "一致" in compared.out
    confirm = ("month", "confirm", NOVEMBER, "--taxpayer", altered.seller)
    assert run(altered, *confirm, "--dry-run").code == 0
    done = run(altered, *confirm, "--json")
    assert done.code == 0, done.out + done.err
    assert (done.last()["state"], done.last()["ours"]["blue_count"]) == ("confirmed", 3)
    assert "已确认" in run(altered, "month", "show", NOVEMBER).out
    opened = run(altered, "month", "unconfirm", NOVEMBER, "--taxpayer", altered.seller, "--json")
    assert (opened.code, opened.last()["state"]) == (0, "open")


def test_each_difference_is_found_and_named_on_the_command_line(altered: Bench) -> None:
    gone, doubled, changed, sound = issue(altered, "dec", 4)
    strangers = [f"{doubled[:5]}{900 + n:015d}" for n in range(2)]
    alter(altered, "DELETE FROM invoice WHERE number = ?", gone)
    for stranger in strangers:
        copy(altered, doubled, stranger)
    alter(altered, "UPDATE invoice SET amount = '1.00', total = '7.77' WHERE number = ?", changed)
    done = run(altered, "reconcile", "--taxpayer", altered.seller, "--json")
    assert done.code == 1, done.err
    (comparison,) = done.last()["reconciliations"]
    assert (comparison["run"]["manner"], comparison["run"]["outcome"]) == ("list", "differs")
    kinds = found(done)
    assert [one["number"] for one in kinds["missing_there"]] == [gone]
    assert [one["number"] for one in kinds["missing_here"]] == strangers
    (different,) = kinds["different"]
    assert (different["number"], different["theirs"]["total"]) == (changed, "7.77")
    (total,) = kinds["month_total_off"]
    assert int(total["theirs"]["blue_count"]) - int(total["ours"]["blue_count"]) == 1
    assert sound not in done.out
    shown = run(altered, "reconcile", "--totals", "--taxpayer", altered.seller)
    assert shown.code == 1
    for words in ("税局没有", "我方没有", "内容不同", "月合计不符", "7.77", gone):
        assert words in shown.out
    refused = run(altered, "month", "confirm", comparison["month"], "--taxpayer", altered.seller)
    assert refused.code == 1


def test_what_stays_unknown_too_long_is_found(altered: Bench) -> None:
    silence: dict[str, object] = {"kind": "drop_answer", "services": ["QDFPSC"]}
    away: dict[str, object] = {"kind": "http_error", "services": ["FPCY_NEW", "FPZTXXCX"]}
    altered.set_faults([silence, away])
    try:
        file = altered.directory / "stuck.json"
        file.write_text(json.dumps(Sales(altered.seller, 5, "stuck").next(), ensure_ascii=False), encoding="utf-8")
        order = json.loads(file.read_text(encoding="utf-8"))["order"]
        run(altered, "issue", str(file), "--no-wait")
        until = time.monotonic() + 60
        while True:
            record = run(altered, "show", order, "--json").last()
            if record["state"] == "unknown":
                break
            assert time.monotonic() < until, record
        admin = altered.bureau.info["admin"]
        put(f"{admin['url']}/clock", admin["credential"], b'{"advance": 50000}')
        time.sleep(1.5)
        done = run(altered, "reconcile", "--totals", "--taxpayer", altered.seller, "--json")
        assert record["number"] in [one["number"] for one in found(done)["stuck_unknown"]]
    finally:
        altered.set_faults([])
