"""/v1/alarms and /v1/silences: answered, counted, bounded in time, and nobody else's."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, token, told
from asgi import Answer, call
from bench import SELLER, Point

from kaipiao.delivery.port import DELIVERED, Notice, Verdict
from kaipiao.ledger.alarms import Alarm, AlarmChange

NOW = datetime.now(UTC)
EVENT: Mapping[str, str | int | bool | None] = {"order": "A-1", "deadline": "2026-11-03", "evil": "<b>\n{order}"}
OF_SELLER = Alarm(1, "unknown", "g1", SELLER, "warning", NOW, NOW, 3, EVENT, EVENT, silenced=1)
OF_PLATFORM = Alarm(2, "breaker", "g2", None, "critical", NOW, NOW, 1, {"endpoint": "e"}, {"endpoint": "e"})
CLOSED = replace(OF_SELLER, id=3, group="g3", closed_at=NOW, closed_by="lapsed")
GONE = replace(OF_SELLER, id=4, group="g4", name="a_former_sort")


async def seeded(p: Point, *alarms: Alarm) -> None:
    await p.ledger.begin_alarms(0)
    rows = alarms or (OF_SELLER, OF_PLATFORM, CLOSED, GONE)
    assert await p.ledger.change_alarms(AlarmChange(0, 0, 10, rows))


async def ask(app: FastAPI, line: str, body: object = None, **more: Any) -> Answer:
    method, _, target = line.partition(" ")
    raw = b"" if body is None else json.dumps(body).encode()
    return await call(
        app, method, target, token=more.pop("bearer", token()), body=raw, headers=more.pop("headers", None)
    )


def later(app: FastAPI, days: float) -> str:
    """By the clock of the application."""
    now: datetime = app.state.services.clock.now()
    return (now + timedelta(days=days)).isoformat(timespec="seconds")


def test_alarms_are_listed_open_ones_or_all_in_pages() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)

        async def listed(query: str) -> list[str]:
            return [one["alarm"] for one in (await ask(app, f"GET /v1/alarms{query}")).json()]

        assert await listed("") == ["1", "2", "4"]
        assert await listed("?state=all") == ["1", "2", "3", "4"]
        assert await listed(f"?taxpayer={SELLER}") == ["1", "4"]
        page = await ask(app, "GET /v1/alarms?limit=2")
        assert page.headers["link"] == '</v1/alarms?limit=2&after=2>; rel="next"'
        assert await listed("?limit=2&after=2") == ["4"]
        assert (await ask(app, "GET /v1/alarms?state=none")).status == 400

    told(story)


def test_one_alarm_says_what_where_how_often_and_what_to_do() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)
        found = (await ask(app, "GET /v1/alarms/1")).json()
        assert (found["sort"], found["severity"], found["state"], found["events"], found["silenced"]) == (
            "unknown", "warning", "open", 3, 1,
        )  # fmt: skip
        assert "A-1" in found["text"]
        assert "kaipiao list --state unknown" in found["step"]
        assert (await ask(app, "GET /v1/alarms/3")).json()["state"] == "closed"
        assert (await ask(app, "GET /v1/alarms/4")).json()["title"].startswith("a_former_sort")
        for missing in ("99", str(2**63 - 1)):
            answer = await ask(app, f"GET /v1/alarms/{missing}")
            assert (answer.status, answer.json()["code"]) == (404, "KP-FIND-06")
        for wrong in ("0", "x", "-1", str(2**63)):
            assert (await ask(app, f"GET /v1/alarms/{wrong}")).status == 400

    told(story)


def test_an_acknowledgement_says_who_and_is_an_event_once() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)
        done = await ask(app, "POST /v1/alarms/1:acknowledge", {"note": "我在处理"}, headers={"idempotency-key": "k"})
        again = await ask(app, "POST /v1/alarms/1:acknowledge", {"note": "我在处理"}, headers={"idempotency-key": "k"})
        other = await ask(app, "POST /v1/alarms/1:acknowledge", {"note": "我也在"})
        assert [one.status for one in (done, again, other)] == [200, 200, 200]
        assert again.body == done.body
        for one in (done, other):
            said = one.json()
            assert (said["state"], said["acknowledged_by"], said["note"]) == ("acknowledged", "test", "我在处理")
        assert (await ask(app, "POST /v1/alarms/3:acknowledge")).json()["state"] == "closed"
        assert (await ask(app, "POST /v1/alarms/9:acknowledge", {})).status == 404
        (event,) = [one for one in await p.ledger.events() if one.kind == "alarm.acknowledged"]
        assert (event.taxpayer, event.data) == (SELLER, {"alarm": "1", "sort": "unknown", "actor": "test"})

    told(story)


def test_a_silence_is_made_listed_and_ended() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)
        made = await ask(app, "POST /v1/silences", {"sort": "breaker", "until": later(app, 1), "reason": "割接"})
        assert (made.status, made.json()["sort"], made.json()["hits"]) == (201, "breaker", 0)
        assert (await ask(app, "GET /v1/silences")).json() == [made.json()]
        name = made.json()["silence"]
        assert (await ask(app, f"DELETE /v1/silences/{name}")).status == 200
        assert (await ask(app, "GET /v1/silences")).json() == []
        gone = await ask(app, f"DELETE /v1/silences/{name}")
        assert (gone.status, gone.json()["code"]) == (404, "KP-FIND-07")
        kinds = [one.kind for one in await p.ledger.events()]
        assert kinds.count("silence.made") == kinds.count("silence.ended") == 1

    told(story)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"sort": "breaker", "reason": "r", "until": 32.0}, "until"),
        ({"sort": "breaker", "reason": "r", "until": -0.01}, "until"),
        ({"sort": "breaker", "reason": "r", "until": "9999-12-31T23:59:59Z"}, "until"),
        ({"sort": "breaker", "reason": "r", "until": "for ever"}, "until"),
        ({"sort": "breaker", "reason": "r"}, "until"),
        ({"sort": "breaker", "until": 1.0}, "reason"),
        ({"sort": "breaker", "until": 1.0, "reason": ""}, "reason"),
        ({"sort": "breaker", "until": 1.0, "reason": "x" * 501}, "reason"),
        ({"sort": "nothing", "until": 1.0, "reason": "r"}, "sort"),
        ({"until": 1.0, "reason": "r"}, "sort"),
        ({"sort": "breaker", "until": 1.0, "reason": "r", "hits": 7}, "hits"),
    ],
)
def test_a_silence_that_never_ends_or_says_nothing_is_refused(form: dict[str, object], field: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)
        until = form.get("until")
        given = {**form, "until": later(app, until)} if isinstance(until, float) else form
        answer = await ask(app, "POST /v1/silences", given)
        assert answer.status == 422
        assert [one["path"] for one in answer.json()["fields"]] == [field]
        assert await p.ledger.silences(datetime(2000, 1, 1, tzinfo=UTC)) == []

    told(story)


def test_who_acts_for_some_taxpayers_sees_and_silences_theirs_only() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await seeded(p)
        mine = token(taxpayers=(SELLER,))
        seen = (await ask(app, "GET /v1/alarms", bearer=mine)).json()
        assert [one["alarm"] for one in seen] == ["1", "4"]
        for line in ("GET /v1/alarms/2", "POST /v1/alarms/2:acknowledge"):
            assert (await ask(app, line, bearer=mine)).status == 404
        wide = {"sort": "breaker", "until": later(app, 1), "reason": "r"}
        refused = await ask(app, "POST /v1/silences", wide, bearer=mine)
        assert (refused.status, refused.json()["fields"][0]["path"]) == (422, "taxpayer")
        assert (await ask(app, "POST /v1/silences", {**wide, "taxpayer": SELLER}, bearer=mine)).status == 201
        assert (await ask(app, "POST /v1/silences", {**wide, "taxpayer": "91X"}, bearer=mine)).status == 404
        await ask(app, "POST /v1/silences", wide)
        assert len((await ask(app, "GET /v1/silences", bearer=mine)).json()) == 1
        assert len((await ask(app, "GET /v1/silences")).json()) == 2

    told(story)


class Told:
    name = "ops"

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def send(self, notice: Notice) -> Verdict:
        self.notices.append(notice)
        return DELIVERED


def test_only_who_may_act_for_all_tries_a_channel() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        channel = Told()
        app.state.services = replace(app.state.services, notifiers={"ops": channel})
        tenant = TOKENS.make("t", "admin", (), timedelta(hours=1), tenant="tenant-a")
        for bearer in (token(taxpayers=(SELLER,)), tenant):
            answer = await ask(app, "POST /v1/alarm-channels/ops:test", bearer=bearer)
            assert (answer.status, answer.json()["code"]) == (404, "KP-FIND-08")
        assert (await ask(app, "POST /v1/alarm-channels/other:test")).status == 404
        assert channel.notices == []
        answer = await ask(app, "POST /v1/alarm-channels/ops:test")
        assert answer.json() == {"channel": "ops", "outcome": "delivered", "cause": None, "retry_after": 0.0}
        assert channel.notices[0].kind == "test"

    told(story)


async def alarm_answers(app: FastAPI, p: Point) -> dict[str, Answer]:
    """Every answer of these routes, by status and route, for the test of the examples."""
    await seeded(p)
    app.state.services = replace(app.state.services, notifiers={"mail": Told()})
    made = await ask(app, "POST /v1/silences", {"sort": "breaker", "until": later(app, 1), "reason": "r"})
    found = {
        "200 GET /v1/alarms": await ask(app, "GET /v1/alarms"),
        "200 GET /v1/alarms/{alarm}": await ask(app, "GET /v1/alarms/1"),
        "200 POST /v1/alarms/{alarm}:acknowledge": await ask(app, "POST /v1/alarms/1:acknowledge"),
        "200 GET /v1/silences": await ask(app, "GET /v1/silences"),
        "201 POST /v1/silences": made,
        "200 POST /v1/alarm-channels/{channel}:test": await ask(app, "POST /v1/alarm-channels/mail:test"),
    }
    ended = await ask(app, f"DELETE /v1/silences/{made.json()['silence']}")
    return found | {"200 DELETE /v1/silences/{silence}": ended}
