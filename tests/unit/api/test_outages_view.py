"""/v1/outages: who sees what, pages and reports, hostile ids and words."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_stand import application, standing, token, told
from asgi import Answer, call
from bench import OTHER, SELLER, START, Point
from outage_stand import PRIVATE, an_outage, closed, keep

from kaipiao.api.outage_page import page
from kaipiao.api.services import Services
from kaipiao.issuing.outage import Evidence, ModeChange
from kaipiao.issuing.outage_report import facts_of, holds

EVIL = "<script>alert(1)</script>\"'&"


async def ask(app: Any, target: str, accept: str = "*/*", **who: Any) -> Answer:
    return await call(app, "GET", target, token=token("operator", **who), headers={"accept": accept})


def test_they_are_listed_the_latest_first_in_pages() -> None:
    async def story(app: Any, p: Point) -> None:
        assert (await ask(app, "/v1/outages")).json() == []
        await keep(p, *(closed(n) for n in range(1, 5)), an_outage(9))
        assert [one["outage"] for one in (await ask(app, "/v1/outages?limit=2")).json()] == ["9", "4"]
        assert [one["outage"] for one in (await ask(app, "/v1/outages?before=3")).json()] == ["2", "1"]
        assert [one["outage"] for one in (await ask(app, "/v1/outages?open=true")).json()] == ["9"]
        assert (await ask(app, "/v1/outages?channel=none")).json() == []
        assert (await ask(app, "/v1/outages?limit=0")).status == 400
        assert (await ask(app, "/v1/outages?before=x")).status == 400

    told(story)


def test_one_of_them_says_everything_and_leads_to_its_report() -> None:
    async def story(app: Any, p: Point) -> None:
        await keep(p, closed())
        body = (await ask(app, "/v1/outages/7")).json()
        assert body["counts"] == {"issued": 907, "uploaded": 897, "open": 7, "ended_otherwise": 3, "late": 2}
        assert body["begun_at"] == "2026-11-03T10:00:00.000+08:00"
        assert (body["open"], body["cause"]["phase"]) == (False, "connect")
        sealed = await ask(app, body["links"]["report"])
        assert holds(sealed.body, lambda key_id: PRIVATE.public_key)

    told(story)


def test_an_open_one_has_no_report_yet() -> None:
    async def story(app: Any, p: Point) -> None:
        await keep(p, an_outage())
        assert "report" not in (await ask(app, "/v1/outages/7")).json()["links"]
        answer = await ask(app, "/v1/outages/7/report")
        assert (answer.status, answer.json()["code"]) == (404, "KP-FIND-11")

    told(story)


def test_who_acts_for_some_taxpayers_sees_their_counts_only_and_no_report() -> None:
    async def run() -> None:
        async with standing(sellers=(SELLER, OTHER)) as p:
            app = application(p)
            services: Services = app.state.services
            app.state.services = replace(services, taxpayers=(SELLER, OTHER))
            await keep(p, closed())
            body = (await ask(app, "/v1/outages/7", taxpayers=(OTHER,))).json()
            assert (body["counts"]["issued"], body["invoices"]["count"], body["debt"]) == (7, 7, [])
            html = (await ask(app, "/v1/outages/7", "text/html", taxpayers=(OTHER,))).body.decode()
            assert "907" not in html
            assert "900" not in html
            answer = await ask(app, "/v1/outages/7/report", taxpayers=(OTHER,))
            assert (answer.status, answer.json()["code"]) == (404, "KP-FIND-10")
            assert (await ask(app, "/v1/outages/7/report")).status == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    "given",
    [
        "0",
        "-1",
        "8",
        "9" * 19,
        "9" * 40,
        "%D9%A7",
        "7%00",
        "7%20",
        "..%2F..",
        "7'%20OR%201=1--",
        "x" * 5000,
        "1e3",
        "+7",
    ],
)
def test_an_id_that_is_none_is_not_found(given: str) -> None:
    async def story(app: Any, p: Point) -> None:
        await keep(p, closed())
        for path in (f"/v1/outages/{given}", f"/v1/outages/{given}/report"):
            answer = await ask(app, path)
            assert answer.status == 404, answer.body
            assert answer.json()["code"].startswith("KP-FIND-10")

    told(story)


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        (", ;;q=,\x7f" * 500, False),
    ],
)
def test_a_browser_gets_a_page_and_everybody_else_json(accept: str, html: bool) -> None:
    async def story(app: Any, p: Point) -> None:
        await keep(p, closed())
        answer = await ask(app, "/v1/outages/7", accept)
        assert answer.headers["content-type"].startswith("text/html" if html else "application/json")
        assert answer.headers["vary"] == "Accept"
        if html:
            assert "default-src 'none'" in answer.headers["content-security-policy"]

    told(story)


def test_the_page_loads_nothing_runs_nothing_and_escapes_what_came_from_outside() -> None:
    one = closed()
    hostile = replace(
        one,
        channel=EVIL,
        hypothesis=Evidence(1, EVIL, START.isoformat(), EVIL, EVIL, EVIL),
        evidence=(Evidence(1, EVIL, START.isoformat(), EVIL, EVIL, EVIL),),
        modes=(ModeChange(2, START.isoformat(), EVIL, EVIL, EVIL, EVIL),),
    )
    seal = json.loads(one.report)["seal"]
    html = page(facts_of(hostile), {**seal, "key_id": EVIL})
    assert "<script" not in html.lower()
    assert "alert(1)</" not in html
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["'(]?\s*(?:https?:|//|data:)""", html.replace(EVIL, ""))
    assert not re.search(r"<(?:link|img|iframe|object|embed|form|a)\b", html)
    assert not re.search(r"\son\w+=", html)
    assert "prefers-color-scheme:dark" in html
    assert "@media print" in html
    assert html.index("通道中断报告") < html.index("Outage report")


@pytest.mark.parametrize(
    "change", [{"debt": ()}, {"modes": ()}, {"counted_at": None, "debt": ()}, {"hypothesis": None}]
)
def test_a_page_of_an_outage_that_has_just_begun(change: dict[str, Any]) -> None:
    assert "<svg" in page(facts_of(an_outage(**change)), None)


def test_the_picture_shows_modes_debt_and_when_it_was_drained() -> None:
    html = page(facts_of(closed()), None)
    assert html.count('class="m-') == 2
    assert "polyline" in html
    assert "清空 drained" in html
    assert "恢复 back" in html
