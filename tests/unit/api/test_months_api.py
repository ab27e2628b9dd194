"""/v1/months and /v1/reconciliations: what they show, refuse and write down."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import token, told
from asgi import call
from bench import SELLER, Point
from month_calls import OVER, at_the_clock_of, found, month_over

from kaipiao.authority.channel import MonthState, MonthTotals
from kaipiao.ledger.port import Taxpayer


async def seller(app: FastAPI, p: Point) -> None:
    at_the_clock_of(app, p)
    await p.ledger.save_taxpayers([Taxpayer(SELLER, "default", "示例", ("pretend", "other"))])


def test_a_comparison_is_written_down_once_and_shown() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seller(app, p)
        first = await call(app, "POST", f"/v1/reconciliations?month={OVER}", token=token())
        again = await call(app, "POST", f"/v1/reconciliations?month={OVER}&manner=totals", token=token())
        assert (first.status, again.status) == (202, 202)
        assert again.json() == first.json()
        assert [(one["channel"], one["run"]["state"]) for one in first.json()] == [
            ("pretend", "under_way"),
            ("other", "under_way"),
        ]
        listed = (await call(app, "GET", "/v1/reconciliations", token=token())).json()
        assert {(one["month"], one["channel"], one["run"] is not None) for one in listed} >= {
            (OVER, "pretend", True),
            ("2026-11", "pretend", False),
        }

    told(story)


def test_a_month_that_agrees_can_be_wished_confirmed_and_one_that_does_not_is_refused_by_name() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seller(app, p)
        confirm = f"/v1/months/{OVER}:confirm?taxpayer={SELLER}"
        refused = await call(app, "POST", confirm, token=token())
        assert (refused.status, refused.json()["code"]) == (409, "KP-MONTH-01")
        assert refused.json()["fields"] == ["bureau.not_asked"]
        await month_over(p, totals=MonthTotals(blue_count=1))
        refused = await call(app, "POST", confirm, token=token())
        assert refused.json()["fields"] == ["total.blue_count=0/1"]
        await month_over(p)
        accepted = await call(app, "POST", confirm, token=token())
        assert accepted.status == 202
        assert accepted.json()["closing"]["state"] == "wished"
        assert accepted.json()["closing"]["asked_by"] is not None
        again = await call(app, "POST", confirm, token=token())
        assert again.json()["closing"] == accepted.json()["closing"]

    told(story)


def test_a_month_closed_for_good_is_neither_confirmed_nor_opened() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seller(app, p)
        await month_over(p, state=MonthState.CLOSED)
        for way in ("confirm", "unconfirm"):
            answer = await call(app, "POST", f"/v1/months/{OVER}:{way}?taxpayer={SELLER}", token=token())
            assert (answer.status, answer.json()["fields"]) == (409, ["month.closed"])

    told(story)


def test_findings_show_both_sides_of_the_fields_that_differ() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seller(app, p)
        await found(p.ledger, p)
        (one,) = (await call(app, "GET", "/v1/months/2026-09/findings", token=token())).json()
        assert (one["kind"], one["ours"], one["theirs"]) == ("different", {"amount": "1.00"}, {"amount": "2.00"})
        assert (await call(app, "GET", "/v1/months/2026-08/findings", token=token())).json() == []
        (page, _) = (await call(app, "GET", "/v1/months/2026-09", token=token())).json()
        assert "finding.different=1" in page["open"]

    told(story)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/months/2026-13", 400),
        ("GET", "/v1/months/2026-1", 400),
        ("GET", "/v1/months/%00", 400),
        ("GET", "/v1/months/..%2F..%2Fetc", 400),
        ("GET", "/v1/months/2026-10?taxpayer=nobody", 404),
        ("GET", "/v1/months/2026-10/findings?limit=1001", 400),
        ("POST", "/v1/months/2026-10:confirm", 400),
        ("POST", f"/v1/months/2026-10:confirm?taxpayer={SELLER}&channel=nowhere", 404),
        ("POST", "/v1/months/2026-10:close?taxpayer=x", 405),
        ("POST", "/v1/reconciliations?month=2026-12", 400),
        ("POST", "/v1/reconciliations?manner=guess", 400),
        ("POST", "/v1/reconciliations?month=2026-10&month=2026-09&x=1", 400),
        ("DELETE", "/v1/reconciliations", 405),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(method: str, target: str, status: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seller(app, p)
        answer = await call(app, method, target, token=token())
        assert answer.status == status, answer.body
        assert b"Traceback" not in answer.body
        assert await p.ledger.month_books(SELLER, 10) == []

    told(story)
