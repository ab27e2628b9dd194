"""The month's summary and the lists of what was issued, as an outside client sees them."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import START
from .outside import Outside, invoice

COLLECT = "203067"
MONTH = datetime(2026, 11, 20, 4, tzinfo=UTC)
ONE = {"lzfpsl": "1", "lzfpje": "100.00", "lzfpse": "6.00", "hzfpsl": "0", "hzfpje": "0", "hzfpse": 0}


def month(bureau: Outside, month: str = "2026-11", way: str = "0", **more: Any) -> dict[str, Any]:
    fields = {"xsfnsrsbh": bureau.taxpayer, "xsfsjswjgdm": "11100000000", "ywlx": way, "ptbh": bureau.info["jrdwptbh"]}
    return {**fields, "yf": month, **more}


def confirm(bureau: Outside, **more: Any) -> dict[str, Any]:
    return bureau.call("SCFPHZQRXX", month(bureau, **more))


def standing(bureau: Outside, **more: Any) -> dict[str, Any]:
    return bureau.call("CXFPHZQRXX", month(bureau, **more))


def wanted(bureau: Outside, **more: Any) -> dict[str, Any]:
    span = {"kprqq": "2026-11-01", "kprqz": "2026-11-30"}
    return {"nsrsbh": bureau.taxpayer, "sjlx": "2", "fplx": "82", **span, **more}


def ask_list(bureau: Outside, **more: Any) -> dict[str, Any]:
    return bureau.call("PLFPXZSQ", wanted(bureau, **more), COLLECT)


def packet(bureau: Outside, ticket: str, at: object = 1, **more: Any) -> dict[str, Any]:
    return bureau.call("PLFPXZSQFK", {"nsrsbh": bureau.taxpayer, "pclsh": ticket, "sjbxh": at, **more}, COLLECT)


def entries(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert answer["returncode"] == "00", answer
    listed: list[dict[str, Any]] = json.loads(gzip.decompress(base64.b64decode(answer["sjb"])))
    return listed


@pytest.fixture
def november(sandbox: START) -> tuple[Outside, list[dict[str, Any]]]:
    """A bureau on 20 November with one invoice of 100.00 in its books."""
    bureau = sandbox(start=MONTH)
    bureau.download()
    made = [invoice(bureau, number) for number in bureau.pull(3)]
    assert bureau.confirmed(made[:1]) == ["00"]
    return bureau, made


def test_a_month_is_confirmed_with_the_bureaus_figures_and_closes_at_once(
    november: tuple[Outside, list[dict[str, Any]]],
) -> None:
    bureau, made = november
    assert standing(bureau) | {"qrzt": "0", "lzfpsl": "1", "lzfpje": "100.00", "hzfpsl": "0"} == standing(bureau)
    assert confirm(bureau, **ONE)["returncode"] == "00"
    assert confirm(bureau, **ONE)["returncode"] == "00"  # again: it is so already
    assert standing(bureau)["qrzt"] == "1"
    submission = bureau.upload(made[:2])
    bureau.advance(20)
    found = bureau.poll(submission)
    assert [(one["status"], one.get("Code")) for one in found] == [("03", None), ("02", "own-TIME-05")]


def test_a_confirmation_that_was_cancelled_takes_uploads_again(november: tuple[Outside, list[dict[str, Any]]]) -> None:
    bureau, made = november
    confirm(bureau, **ONE)
    assert confirm(bureau, way="1")["returncode"] == "00"
    assert standing(bureau)["qrzt"] == "0"
    assert bureau.confirmed(made[1:2]) == ["00"]


@pytest.mark.parametrize("name", sorted(ONE))
@pytest.mark.parametrize("value", ["7", None, "-1"])
def test_a_wrong_figure_is_refused_and_named(
    november: tuple[Outside, list[dict[str, Any]]], name: str, value: str | None
) -> None:
    bureau, _ = november
    answer = confirm(bureau, **(ONE | {name: value}))
    assert answer["returncode"] == "01"
    assert name in answer["returnmsg"]
    assert standing(bureau)["qrzt"] == "0"


def test_the_thirteenth_at_midnight_closes_the_month_for_good(
    november: tuple[Outside, list[dict[str, Any]]],
) -> None:
    bureau, _ = november
    status, _ = bureau.admin("PUT", "/clock", {"now": "2026-12-12T23:59:50+08:00", "speed": 0.001})
    assert status == 200
    assert confirm(bureau, **ONE)["returncode"] == "00"
    bureau.advance(10)
    assert standing(bureau)["qrzt"] == "2"
    assert confirm(bureau, way="1")["returncode"] == "03"
    assert confirm(bureau, **ONE)["returncode"] == "03"


@pytest.mark.parametrize(
    "change",
    [
        {"yf": "2026-13"}, {"yf": "2026-12"}, {"yf": "2026-1"}, {"yf": ""}, {"yf": "二〇二六"}, {"ywlx": "2"},
        {"ptbh": "other"}, {"xsfsjswjgdm": None}, {"lzfpsl": "1.5"}, {"lzfpje": "x"}, {"lzfpje": [1]},
        {"xsfnsrsbh": {"a": 1}},
    ],
)  # fmt: skip
def test_a_confirmation_that_makes_no_sense_changes_nothing(
    november: tuple[Outside, list[dict[str, Any]]], change: dict[str, Any]
) -> None:
    bureau, _ = november
    assert bureau.call("SCFPHZQRXX", month(bureau) | ONE | change)["returncode"] == "01"
    assert standing(bureau)["qrzt"] == "0"


def test_a_list_is_applied_for_made_and_fetched(november: tuple[Outside, list[dict[str, Any]]]) -> None:
    bureau, made = november
    ticket = ask_list(bureau)["pclsh"]
    assert packet(bureau, ticket)["returncode"] == "10"
    bureau.advance(180)
    assert bureau.confirmed(made[1:2]) == ["00"]  # after it was applied for: not in it
    answer = packet(bureau, ticket)
    assert (answer["fpsl"], answer["sjbsl"], answer["sjbxh"]) == ("1", "1", "1")
    (entry,) = entries(answer)
    assert (entry["fphm"], entry["hjje"], entry["jshj"]) == (made[0]["fphm"], "100.00", "106.00")
    assert packet(bureau, ticket, 2)["returncode"] == "01"
    other = bureau.info["taxpayers"][1]["tax_number"]
    assert packet(bureau, ticket, nsrsbh=other)["returncode"] == "04"


def test_lists_are_limited_by_day_and_month_for_each_kind(november: tuple[Outside, list[dict[str, Any]]]) -> None:
    bureau, _ = november
    for day in range(5):
        assert ask_list(bureau)["returncode"] == "00", day
        assert ask_list(bureau)["returncode"] == "03", day
        assert ask_list(bureau, fplx="81")["returncode"] == "00", day
        bureau.advance(86400)
    assert ask_list(bureau)["returncode"] == "03"  # the sixth of the month
    past = {"kprqq": "2026-10-01", "kprqz": "2026-10-31"}
    for _ in range(3):
        assert ask_list(bureau, **past)["returncode"] == "00"
        bureau.advance(86400)
    assert ask_list(bureau, **past)["returncode"] == "03"


@pytest.mark.parametrize(
    "change",
    [
        {"kprqq": "2026-10-31"}, {"kprqz": "2026-12-01"}, {"kprqq": "2026-11-31x"}, {"kprqq": None}, {"sjlx": "1"},
        {"fplx": "04"}, {"kprqq": "2027-01-01", "kprqz": "2027-01-02"}, {"nsrsbh": []},
        {"kprqq": "2026-11-20", "kprqz": "2026-11-19"},
    ],
)  # fmt: skip
def test_a_question_for_a_list_that_makes_no_sense_costs_no_request(
    november: tuple[Outside, list[dict[str, Any]]], change: dict[str, Any]
) -> None:
    bureau, _ = november
    assert ask_list(bureau, **change)["returncode"] == "01"
    assert ask_list(bureau)["returncode"] == "00"


@pytest.mark.parametrize("at", [0, -1, "x", None, 10**7])
def test_a_packet_that_does_not_exist_is_refused(november: tuple[Outside, list[dict[str, Any]]], at: object) -> None:
    bureau, _ = november
    ticket = ask_list(bureau)["pclsh"]
    bureau.advance(180)
    assert packet(bureau, ticket, at)["returncode"] == "01"
