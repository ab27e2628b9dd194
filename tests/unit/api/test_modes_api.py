"""/v1/mode and /v1/announcements: what is shown, who may say what, and what is refused."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, token, told
from asgi import Answer, call
from bench import SELLER, Point

from kaipiao.issuing.modes import Mode


async def say(app: FastAPI, path: str, body: Any, bearer: str | None = None, method: str = "POST") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await call(app, method, path, token=bearer or token("operator"), body=raw)


def narrow() -> str:
    return TOKENS.make("branch", "operator", (SELLER,), timedelta(hours=1))


async def mode_answers(app: FastAPI) -> dict[str, Answer]:
    """Of the routes that say something, for `test_description`."""
    until = (app.state.services.clock.now() + timedelta(days=2)).isoformat()
    made = await say(app, "/v1/announcements", {"kind": "maintenance", "until": until})
    return {
        "200 POST /v1/mode": await say(app, "/v1/mode", {"mode": "auto", "reason": "r"}),
        "201 POST /v1/announcements": made,
        "200 DELETE /v1/announcements/{announcement}": await say(
            app, f"/v1/announcements/{made.json()[0]['id']}", b"", method="DELETE"
        ),
    }


def test_a_mode_is_shown_with_cause_cover_and_what_the_operator_said_and_is_released_by_auto() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        before = (await call(app, "GET", "/v1/mode", token=token("operator"))).json()
        assert [one["mode"] for one in before["channels"]] == ["online"]
        (own,) = before["taxpayers"]
        assert own["cover_hours"] > 0
        assert own["rate_source"] == "last_hour"
        halted = await say(app, "/v1/mode", {"mode": "halted", "reason": "核对"})
        assert halted.status == 200
        (channel,) = halted.json()["channels"]
        assert (channel["mode"], channel["cause"], channel["reason"]) == ("halted", "operator", "核对")
        events = await p.ledger.signals(["mode.changed"])
        assert [e.data["mode"] for e in events] == ["halted"]
        (order,) = await p.ledger.signals(["operator.mode"])
        assert order.data["actor"] == "test"
        released = await say(app, "/v1/mode", {"mode": "auto", "reason": "done"})
        assert [one["mode"] for one in released.json()["channels"]] == ["online"]

    told(story)


def test_one_taxpayer_is_halted_and_the_channel_is_not() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await say(app, "/v1/mode", {"mode": "halted", "reason": "r", "taxpayer": SELLER}, narrow())
        found = answer.json()
        assert [found["channels"][0]["mode"], found["taxpayers"][0]["mode"]] == [Mode.ONLINE, Mode.HALTED]

    told(story)


def test_an_announcement_is_told_listed_held_and_withdrawn() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        now = app.state.services.clock.now()
        times = {"from": (now - timedelta(minutes=1)).isoformat(), "until": (now + timedelta(hours=8)).isoformat()}
        made = await say(app, "/v1/announcements", {"kind": "maintenance", "text": "系统升级", **times})
        assert made.status == 201
        (one,) = made.json()
        assert (one["kind"], one["state"], one["actor"], one["text"]) == ("maintenance", "holds", "test", "系统升级")
        listed = await call(app, "GET", "/v1/announcements", token=token("operator"))
        assert listed.json() == made.json()
        for _ in range(2):
            gone = await say(app, f"/v1/announcements/{one['id']}", b"", method="DELETE")
            assert (gone.status, gone.json()[0]["state"]) == (200, "withdrawn")
        assert (await say(app, "/v1/announcements/77", b"", method="DELETE")).status == 404

    told(story)


def test_only_who_may_act_for_all_announces_and_steers_a_channel() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await say(app, "/v1/mode", {"mode": "halted", "reason": "r"}, narrow())).status == 404
        assert (await say(app, "/v1/announcements", {"kind": "failure"}, narrow())).status == 404
        assert (await say(app, "/v1/announcements/77", b"", narrow(), method="DELETE")).status == 404
        assert await p.ledger.signals(["operator.mode", "authority.announced", "authority.withdrawn"]) == []

    told(story)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/mode", {}),
        ("/v1/mode", {"mode": "halted"}),
        ("/v1/mode", {"mode": "asleep", "reason": "r"}),
        ("/v1/mode", {"mode": "halted", "reason": "a\u0000b"}),
        ("/v1/mode", {"mode": "halted", "reason": "r" * 201}),
        ("/v1/mode", {"mode": "halted", "reason": "r", "channel": "moon"}),
        ("/v1/mode", {"mode": "halted", "reason": "r", "more": 1}),
        ("/v1/announcements", {"kind": "rain"}),
        ("/v1/announcements", {"kind": "maintenance"}),
        ("/v1/announcements", {"kind": "maintenance", "until": "2026-11-08T06:00:00"}),
        ("/v1/announcements", {"kind": "maintenance", "until": "2000-01-01T00:00:00Z"}),
        ("/v1/announcements", {"kind": "failure", "from": "0001-01-01T00:00:00+14:00"}),
        ("/v1/announcements", {"kind": "failure", "from": "soon"}),
        ("/v1/announcements", {"kind": "failure", "text": "\u001b[31m"}),
        ("/v1/announcements", {"kind": "recovered", "until": "2099-01-01T00:00:00Z"}),
        ("/v1/announcements", {"kind": "failure", "channel": "moon"}),
        ("/v1/announcements", b"[1]"),
        ("/v1/announcements", b"\xff"),
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_is_said(path: str, body: Any) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await say(app, path, body)
        assert answer.status in (400, 422), answer.body
        assert answer.json()["code"].startswith("KP-INPUT-0")
        assert await p.ledger.signals(["operator.mode", "authority.announced"]) == []

    told(story)
