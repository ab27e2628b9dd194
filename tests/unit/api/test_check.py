"""Checking without issuing: the same judgement, the same figures, nothing stored or taken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import Answer, call
from bench import OTHER, SELLER, Point


async def check(app: FastAPI, body: Any, **more: Any) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = more.pop("token", token())
    return await call(app, "POST", "/v1/invoices:check", token=given, body=raw, **more)


def test_a_sound_request_comes_to_what_the_invoice_then_has_and_nothing_is_stored_or_taken() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        before = await p.ledger.number_counts(SELLER, "pretend", 2026)
        trail = len(await p.ledger.events())
        found = (await check(app, sale())).json()
        assert found["issuable"] is True
        assert found["findings"] == []
        assert found["lines"][0]["name"] == "*餐饮服务*工作午餐"
        assert found["lines"][0]["unit_price"].startswith("50")
        assert found["total_in_words"] == "壹佰零陆圆整"
        assert await p.ledger.page(SELLER) == []
        assert await p.ledger.number_counts(SELLER, "pretend", 2026) == before
        assert len(await p.ledger.events()) == trail
        made = (await post(app, sale())).json()
        assert [made[k] for k in ("amount", "tax", "total")] == [found[k] for k in ("amount", "tax", "total")]

    told(story)


def test_broken_rules_are_told_as_findings_in_the_callers_language() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        wrong = sale(kind="special", expected_total="1.00")
        found = (await check(app, wrong, headers={"accept-language": "en"})).json()
        refused = (await post(app, wrong, headers={"accept-language": "en"})).json()
        assert found["issuable"] is False
        assert (found["total"], found["lines"]) == (None, [])
        stopping = [f for f in found["findings"] if f["stops"]]
        assert [f["code"] for f in stopping] == [f["code"] for f in refused["findings"]]
        assert "106.00" in str(stopping)

    told(story)


def test_what_the_channel_cannot_carry_is_a_finding_too() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        found = (await check(app, sale(special=[{"name": "Extra", "text": "x"}]))).json()
        carried = p.bureau.capabilities.special_elements
        assert found["issuable"] is carried
        assert ("KP-ISSUE-06" in [f["code"] for f in found["findings"]]) is not carried

    told(story)


def test_the_form_is_refused_as_for_issuing_and_another_taxpayer_is_not_found() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await check(app, b"{")).status == 400
        assert (await check(app, sale(kind="x"))).status == 422
        assert (await check(app, sale(seller=OTHER))).status == 404
        assert (await check(app, sale(), headers={"content-type": "text/plain"})).status == 415
        assert (await check(app, sale(), token=token("auditor"))).status == 403

    told(story)
