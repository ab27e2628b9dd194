"""Lists with filters and a cursor; the ledgers of numbers and quota of each taxpayer."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import OTHER, SELLER, Point

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import Advance, EventDraft, Taxpayer


async def orders(app: FastAPI, query: str) -> list[str]:
    answer = await call(app, "GET", f"/v1/invoices?{query}", token=token())
    assert answer.status == 200, answer.body
    return [one["order"] for one in answer.json()]


async def three(app: FastAPI, p: Point) -> None:
    """One a day from 3 November, 10:00 in Shanghai; the second special, the third expired."""
    for place in range(3):
        kind = "special" if place == 1 else "general"
        buyer = {"name": "示例购买方", "tax_number": OTHER}
        assert (await post(app, sale(f"A-{place}", kind=kind, buyer=buyer))).status == 201
        p.clock.advance(86400)
    record = await p.record("A-2")
    event = EventDraft("state.expired", p.clock.now(), SELLER, "A-2")
    assert await p.ledger.advance([Advance(SELLER, record.id, record.version, State.EXPIRED, {}, event)]) == [True]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", "012"),
        ("state=issued", "01"),
        ("state=issued&state=expired", "012"),
        ("state=confirmed", ""),
        ("kind=special", "1"),
        ("channel=pretend", "012"),
        ("channel=none", ""),
        ("made_from=2026-11-04", "12"),
        ("made_to=2026-11-04", "01"),
        ("made_from=2026-11-04&made_to=2026-11-04", "1"),
        ("made_from=2026-11-04T10:00:00%2B08:00", "12"),
        ("made_from=2026-11-04T03:00:00.5Z", "2"),
        ("made_to=2026-11-04T10:00:00%2B08:00", "0"),
        ("made_from=2026-11-05&state=issued", ""),
        ("made_from=2026-11-04T03:00:00.0000000001Z", "2"),
        ("made_to=9999-12-31", "012"),
        ("made_from=9999-12-31T23:59:59-23:00", ""),
        ("made_from=0001-01-01&made_to=9999-12-31T23:00:00Z", "012"),
        ("made_to=0001-01-01T00:00:00%2B23:00", ""),
        (f"taxpayer={SELLER}&kind=general&made_from=2026-11-05", "2"),
    ],
)
def test_a_list_holds_what_was_asked_for(query: str, wanted: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await three(app, p)
        assert await orders(app, query) == [f"A-{place}" for place in wanted]

    told(story)


@pytest.mark.parametrize(
    "query",
    ["made_from=yesterday", "made_from=2026-02-30", "made_to=2026-11-04T25:00:00Z", "made_to=2026-11-04T10:00:00",
     "made_to=", "kind=red", "channel=", "state=none", "kind=general&kind=special", "made_from=%EF%BC%92026-11-04",
     "made_from=0000-01-01", "made_to=10000-01-01"],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused(query: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await call(app, "GET", f"/v1/invoices?{query}", token=token())
        assert (answer.status, answer.json()["code"]) == (400, "KP-INPUT-01")

    told(story)


def test_the_links_lead_through_everything_once_and_what_is_new_comes_last() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for place in range(5):
            await post(app, sale(f"A-{place}"))
        found: list[str] = []
        target: str | None = "/v1/invoices?limit=2&state=issued&state=expired"
        while target is not None:
            answer = await call(app, "GET", target, token=token())
            found += [one["order"] for one in answer.json()]
            await post(app, sale("A-5"))
            link = answer.headers.get("link")
            target = None if link is None else re.fullmatch(r'<([^>]+)>; rel="next"', link)[1]  # type: ignore[index]
            assert target is None or "state=issued&state=expired" in target
        assert found == [f"A-{place}" for place in range(6)]

    told(story)


async def get(app: FastAPI, path: str, **more: Any) -> Any:
    answer = await call(app, "GET", path, token=token(**more))
    assert answer.status == 200, answer.body
    return answer.json()


def test_the_stock_of_a_taxpayer_adds_up() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await p.ledger.save_taxpayers([Taxpayer(SELLER, "default", "示例销售有限公司", ("pretend",))])
        await post(app, sale())
        assert [t["taxpayer"] for t in await get(app, "/v1/taxpayers", role="operator")] == [SELLER]
        (numbers,) = await get(app, f"/v1/taxpayers/{SELLER}/numbers?year=2026")
        assert numbers["pulled"] == sum(numbers[k] for k in ("free", "leased", "used", "expired"))
        assert (numbers["used"], numbers["channel"]) == (1, "pretend")
        (quota,) = await get(app, f"/v1/taxpayers/{SELLER}/quota?month=2026-11")
        assert quota["issued"] == "100.00"
        assert float(quota["left"]) == float(quota["downloaded"]) - float(quota["returned"]) - 100
        cover = await get(app, f"/v1/taxpayers/{SELLER}/cover")
        assert cover["bounds"][cover["bound"]] == pytest.approx(cover["hours"], abs=0.01)

    told(story)


def test_the_stock_of_another_is_not_found_and_needs_the_role_of_an_operator() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await p.ledger.save_taxpayers([Taxpayer(t, "default", "某公司", ("pretend",)) for t in (SELLER, OTHER)])
        for part in ("numbers", "quota", "cover"):
            for path in (f"/v1/taxpayers/{OTHER}/{part}", f"/v1/taxpayers/x%00/{part}"):
                assert (await call(app, "GET", path, token=token())).status == 404
            assert (await call(app, "GET", f"/v1/taxpayers/{SELLER}/{part}", token=token("issuer"))).status == 403
        assert await get(app, "/v1/taxpayers", role="operator", taxpayers=(OTHER,)) == []
        assert (await call(app, "GET", f"/v1/taxpayers/{SELLER}/quota?month=2026-13", token=token())).status == 400

    told(story)
