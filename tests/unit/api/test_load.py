"""Under too much load reading makes way for sales, and every answer says that it does."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, post, sale, token, told
from asgi import Answer, call
from bench import SELLER, Point

WHY = "演练"


async def set_level(app: FastAPI, level: str, bearer: str | None = None) -> Answer:
    body = json.dumps({"level": level, "reason": WHY}).encode()
    return await call(app, "POST", "/v1/degradation", token=bearer or token("operator"), body=body)


def test_a_level_by_hand_is_said_in_every_answer_and_let_go_again() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert "kaipiao-degraded" not in (await call(app, "GET", "/healthz")).headers
        answer = await set_level(app, "L2")
        assert answer.status == 200
        assert answer.json()["measures"] == ["keepalive", "cover_looked_at"]
        assert (answer.json()["by_hand"], answer.json()["reason"]) == (True, WHY)
        assert (await call(app, "GET", "/healthz")).headers["kaipiao-degraded"] == "2"
        assert (await set_level(app, "auto")).json()["level"] == 0
        assert "kaipiao-degraded" not in (await call(app, "GET", "/healthz")).headers

    told(story)


def test_a_level_by_hand_is_for_whoever_may_act_for_all_taxpayers() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        narrow = TOKENS.make("ops", "operator", (SELLER,), timedelta(hours=1))
        assert (await set_level(app, "L3", narrow)).status == 403
        assert (await set_level(app, "L3", token("issuer"))).status == 403
        assert (await call(app, "GET", "/v1/degradation", token=narrow)).json()["level"] == 0

    told(story)


def test_what_is_no_level_is_refused() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for wish in ({"level": "L4", "reason": WHY}, {"level": 1, "reason": WHY}, {"level": None, "reason": WHY}, {"level": "L1"},
                     {"level": "L1", "reason": ""}, {"level": "L1", "reason": "a\x1bb"}, {"level": "L1", "reason": WHY, "x": "1"}):  # fmt: skip
            answer = await call(app, "POST", "/v1/degradation", token=token(), body=json.dumps(wish).encode())
            assert answer.status == 422, wish

    told(story)


def test_at_level_3_reading_is_rated_and_selling_is_not() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await set_level(app, "L3")
        read = [(await call(app, "GET", "/v1/invoices", token=token("auditor"))).status for _ in range(12)]
        assert read[0] == 200
        assert read[-1] == 429
        for n in range(12):
            assert (await post(app, sale(f"A-{n}"))).status == 201

    told(story)


def test_at_level_3_a_list_begins_where_the_hot_days_do_unless_it_says_from_when() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async def orders(query: str = "") -> list[str]:
            answer = await call(app, "GET", f"/v1/invoices{query}", token=token())
            return [one["order"] for one in answer.json()]

        assert (await post(app, sale("old"))).status == 201
        p.clock.advance(31 * 86_400)
        await p.supply.round()
        assert (await post(app, sale("new"))).status == 201
        assert await orders() == ["old", "new"]
        await set_level(app, "L3")
        assert await orders() == ["new"]
        assert await orders("?made_from=2026-01-01") == ["old", "new"]

    told(story)
