"""Two tenants on one platform: with A's token, B's identifiers lead nowhere, on every route that there is.

The routes and their parameters come from the API's own description; a parameter whose meaning is not told here fails.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "access"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, application, everything, post, sale, standing, token
from asgi import Answer, call
from bench import OTHER, SELLER, START, Point
from people_calls import make, session, sign_in

from kaipiao.api.people.parts import people_over
from kaipiao.api.services import Services
from kaipiao.clock import SystemClock
from kaipiao.ledger.alarms import Alarm, AlarmChange, Silence
from kaipiao.ledger.month_books import FindingRow, MonthBook
from kaipiao.ledger.port import Taxpayer
from kaipiao.operations.alarms.deeds import AlarmDeeds
from kaipiao.operations.alarms.sorts import sorts

ISSUED, WAITING = "order-of-b", "waiting-of-b"
TOTAL = "7421.19"  # nothing else comes to this
REMARK = "remark-of-b"
HEAD = "head@tenant-b"
HARMLESS = {
    "about",
    "Idempotency-Key",
    "X-Request-Id",
    "Accept-Language",
    "state",
    "kind",
    "channel",
    "made_from",
    "made_to",
    "after",
    "limit",
    "month",
    "manner",
    "year",
    "Last-Event-ID",
    "outage",
    "open",
    "before",
}
# Routes that no table of identifiers can call, each with the test that shows the same of it.
OWN = "test_people.py::test_what_a_person_does_to_its_own_account_touches_nobody_elses"
APART = {
    "POST /v1/degradation": "test_load.py::test_a_level_by_hand_is_for_whoever_may_act_for_all_taxpayers",
    "POST /v1/sessions": OWN,
    "DELETE /v1/sessions/current": OWN,
    "GET /v1/account": OWN,
    "POST /v1/account/password": OWN,
    "POST /v1/account/totp": OWN,
    "POST /v1/account/totp:confirm": OWN,
    "POST /v1/announcements": "test_modes_api.py::test_only_who_may_act_for_all_announces_and_steers_a_channel",
    "DELETE /v1/announcements/{announcement}": "test_modes_api.py::test_only_who_may_act_for_all_announces_and_steers_a_channel",
    "POST /v1/alarm-channels/{channel}:test": "test_alarms_api.py::test_only_who_may_act_for_all_tries_a_channel",
}
FINDING_OF_B = FindingRow(OTHER, "pretend", "2026-11", "different", "7", "only-of-b", {"total": TOTAL}, {}, 1, START)
MENDED = "test_repairs_api.py::test_nobody_replaces_or_mends_what_is_anothers"
APART |= dict.fromkeys(
    ("POST /v1/invoices:replace", "GET /v1/repairs", "GET /v1/repairs/{number}", "POST /v1/repairs"), MENDED
)
TOLD_TO_ALL = {
    "/healthz",
    "/v1/announcements",
    "/readyz",
    "/v1/audit",
    "/v1/clock",
    "/v1/dependencies",
    "/v1/degradation",
    "/v1/outages",
}  # of the installation, about nobody
TENANTS = {"tenant-a": (SELLER,), "tenant-b": (OTHER,)}
A, B = (TOKENS.make("test", "admin", (), timedelta(hours=1), tenant=tenant) for tenant in TENANTS)


@dataclass(frozen=True)
class Case:
    """A request that means something of B's."""

    method: str
    path: str  # as described
    target: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.headers.get('prefer', '')}"


@dataclass
class Two:
    """A platform with both tenants; `number` is B's."""

    app: FastAPI
    point: Point
    number: str

    async def books(self) -> object:
        return await everything(self.point.ledger)

    async def ask(self, case: Case, bearer: str) -> Answer:
        if case.path == "/v1/events/stream":
            return await _listen(self.app, case, bearer)
        return await call(self.app, case.method, case.target, token=bearer, body=case.body, headers=dict(case.headers))


def told_of_two(story: Callable[[Two], Awaitable[None]]) -> None:
    async def run() -> None:
        async with standing(sellers=(SELLER, OTHER)) as p:
            await story(await two(p))

    asyncio.run(run())


async def two(p: Point) -> Two:
    app = application(p)
    services: Services = app.state.services
    TOKENS.tenants = TENANTS
    app.state.services = replace(services, taxpayers=(SELLER, OTHER))
    app.state.people = people_over(app.state.services)
    for name, tenant in ((HEAD, "tenant-b"), ("head@tenant-a", "tenant-a")):
        assert (await make(app, name, "admin", tenant=tenant)).status == 201
        assert (await sign_in(app, name)).status == 201
    await p.ledger.save_taxpayers(
        [Taxpayer(SELLER, "tenant-a", "甲公司", ("pretend",)), Taxpayer(OTHER, "tenant-b", "乙公司", ("pretend",))]
    )
    await p.ledger.save_month_book(MonthBook(OTHER, "pretend", "2026-11", 0, "{}"), [FINDING_OF_B])
    await alarm_of_b(p)
    app.state.alarms = AlarmDeeds(p.ledger, SystemClock(), sorts())  # the ends of silences below are of real time
    await p.ledger.save_month_book(MonthBook(OTHER, "pretend", "2026-11", 0, "{}"), [FINDING_OF_B])
    mine = await post(app, sale(ISSUED, remark="remark-of-a"), token=A)
    theirs = await post(app, sale_of_b(ISSUED), token=B)
    waiting = await post(app, sale_of_b(WAITING), token=B, headers={"prefer": "respond-async"})
    assert (mine.status, theirs.status, waiting.status) == (201, 201, 202)
    assert theirs.json()["total"] == TOTAL
    return Two(app, p, theirs.json()["number"])


async def alarm_of_b(p: Point) -> None:
    now = datetime.now(UTC)
    alarm = Alarm(1, "unknown", "g", OTHER, "warning", now, now, 1, {"order": WAITING}, {"order": WAITING})
    silence = Silence(2, None, OTHER, REMARK, now, "test", now + timedelta(days=9))
    await p.ledger.begin_alarms(0)
    assert await p.ledger.change_alarms(AlarmChange(0, 0, 2, [alarm], [silence]))


def sale_of_b(order: str) -> dict[str, Any]:
    line = {**sale()["lines"][0], "quantity": "1", "unit_price": TOTAL}
    return sale(order, seller=OTHER, remark=REMARK, lines=[line])


def described(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of the API's description, but for what is shown elsewhere."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            if f"{method.upper()} {path}" not in APART:
                yield method.upper(), path, operation


def cases(both: Two) -> Iterator[Case]:
    """Every route with every choice of B's identifiers that it takes."""
    for method, path, operation in described(both.app):
        order = WAITING if path.endswith(":cancel") else "only-of-b"
        identifiers = {"number": both.number, "taxpayer": OTHER, "order": order}
        identifiers |= {"alarm": "1", "silence": "2"}
        identifiers |= {"account": HEAD, "tenant": "tenant-b", "actor": f"account:{HEAD}"}
        places: dict[str, list[tuple[str, bool]]] = {"path": [], "query": [], "header": []}
        for parameter in operation.get("parameters", []):
            name = parameter["name"]
            assert name in identifiers or name in HARMLESS or name == "Prefer", f"what does {name} of {path} identify?"
            if name in identifiers:
                places[parameter["in"]].append((name, parameter.get("required", False)))
        where = path.replace("{month}", "2026-11")  # of which B has a finding
        for name, _ in places["path"]:
            where = where.replace(f"{{{name}}}", identifiers[name])
        for chosen in _choices(places["query"]):
            if chosen or places["path"] or "requestBody" in operation:
                query = urlencode({name: identifiers[name] for name in chosen})
                yield from _with_bodies(method, path, f"{where}?{query}" if query else where, operation)


BODIES: dict[str, list[dict[str, object]]] = {
    "/v1/accounts": [
        {"account": "new", "role": "issuer", "tenant": "tenant-b"},
        {"account": "newer", "role": "admin", "taxpayers": [OTHER]},
    ],
    "/v1/accounts/{account}:role": [{"role": "auditor"}],
    "/v1/alarms/{alarm}:acknowledge": [{}],
    "/v1/mode": [{"mode": "auto", "reason": "r", "taxpayer": OTHER}],
    "/v1/silences": [
        {"taxpayer": OTHER, "until": f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}", "reason": "r"}
    ],
    "/v1/accounts/{account}:reset-password": [{}],
}


def _choices(parameters: list[tuple[str, bool]]) -> Iterator[tuple[str, ...]]:
    needed = tuple(name for name, required in parameters if required)
    free = [name for name, required in parameters if not required]
    for count in range(len(free) + 1):
        for some in itertools.combinations(free, count):
            yield needed + some


def _with_bodies(method: str, path: str, target: str, operation: dict[str, Any]) -> Iterator[Case]:
    if path in BODIES:
        for one in BODIES[path]:
            yield Case(method, path, target, json.dumps(one).encode(), {"content-type": "application/json"})
        return
    body = json.dumps(sale_of_b("new-of-b")).encode()
    again = json.dumps(sale_of_b(ISSUED)).encode()
    forms = operation.get("requestBody", {}).get("content", {})
    if not forms:
        yield Case(method, path, target)
        return
    form = json.dumps(forms["application/json"]["schema"])
    assert "/InvoiceRequest" in form, f"what in a body of {method} {path} ({form}) identifies something of B's?"
    if "application/x-ndjson" in forms:
        yield Case(method, path, target, body + b"\n" + again, {"content-type": "application/x-ndjson"})
        yield Case(method, path, target, b"[" + body + b"," + again + b"]", {"content-type": "application/json"})
    else:
        prefers = any(p["name"] == "Prefer" for p in operation.get("parameters", []))
        for raw, headers in itertools.product((body, again), ({}, {"prefer": "respond-async"}) if prefers else ({},)):
            yield Case(method, path, target, raw, headers)


def statuses(answer: Answer) -> set[int]:
    """Of an answer; of a batch, those of its items; an empty list or stream is as good as 404."""
    kind = answer.headers.get("content-type", "")
    if answer.status == 200 and kind.startswith("application/x-ndjson"):
        return {json.loads(line)["status"] for line in answer.body.splitlines()}
    if answer.status == 200 and kind.startswith("application/json") and answer.json() == []:
        return {404}
    return {answer.status}


def traces(both: Two, answer: Answer, *, asked: str = "") -> list[str]:
    """What of B's stands in an answer, but for what the caller said himself."""
    text = answer.body.decode() + json.dumps(answer.headers)
    secrets = (both.number, OTHER, TOTAL, REMARK, WAITING, HEAD, "tenant-b", "乙公司", "only-of-b")
    return [secret for secret in secrets if secret in text and secret not in asked]


async def _listen(app: FastAPI, case: Case, bearer: str) -> Answer:
    """A stream, from its beginning, left after a moment."""
    answer = Answer(0, {}, b"")
    moment = asyncio.Event()
    path, _, query = case.target.partition("?")
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": f"{query}&after=0".strip("&").encode(),
        "headers": [(b"authorization", f"Bearer {bearer}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Any:
        await moment.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
        answer.body += message.get("body", b"")

    asyncio.get_running_loop().call_later(0.1, moment.set)
    await app(scope, receive, send)
    return answer


@pytest.mark.parametrize("kind", ["token of the tenant", "token of its taxpayer", "person of the tenant"])
def test_with_what_lets_a_in_every_route_with_identifiers_of_b_is_404_or_empty_and_touches_nothing(kind: str) -> None:
    async def story(both: Two) -> None:
        bearer = {"token of the tenant": A, "token of its taxpayer": token(taxpayers=(SELLER,))}.get(kind)
        bearer = bearer or await session(both.app, "head@tenant-a")
        before = await both.books()
        tried = list(cases(both))
        for case in tried:
            answer = await both.ask(case, bearer)
            asked = case.target + case.body.decode()
            assert traces(both, answer, asked=asked) == [], f"{case}: {answer.body!r}"
            if not case.path.endswith("/stream"):
                assert statuses(answer) == {404}, f"{case}: {answer.status} {answer.body!r}"
            assert await both.books() == before, f"{case} has changed the ledger"
        assert len(tried) >= 20

    told_of_two(story)


def test_routes_that_take_no_identifier_show_nothing_of_another_tenant() -> None:
    async def story(both: Two) -> None:
        before = await both.books()
        tried = 0
        for method, path, _ in described(both.app):
            if "{" not in path and method == "GET":
                answer = await both.ask(Case(method, path, path), A)
                assert answer.status == 200, f"{path}: {answer.body!r}"
                assert traces(both, answer) == [], f"{path}: {answer.body!r}"
                own = await both.ask(Case(method, path, path), B)
                assert path in TOLD_TO_ALL or path == "/metrics" or traces(both, own), f"{path} shows B nothing at all"
                tried += 1
        assert tried >= 8
        assert await both.books() == before

    told_of_two(story)


def test_the_same_requests_with_the_token_of_b_do_find_what_they_name() -> None:
    """Else the 404s above would prove nothing."""

    async def story(both: Two) -> None:
        for case in list(cases(both)):
            found = statuses(await both.ask(case, B))
            only = "order=only-of-b" in case.target
            narrow = case.path == "/v1/audit/events" and "&" in case.target  # nothing is about all of that at once
            not_over = found == {409} and case.path.startswith("/v1/months/")  # the month is found, and has not ended
            assert only or narrow or not_over or max(found) < 300, f"{case}: {found}"

    told_of_two(story)


def test_both_may_use_the_same_order_key_and_neither_meets_the_other() -> None:
    async def story(both: Two) -> None:
        waiting = {"prefer": "respond-async"}
        for bearer, body in ((A, sale("shared")), (B, sale_of_b("shared"))):
            assert (await post(both.app, body, token=bearer, headers=waiting)).status == 202
        cancelled = await call(both.app, "POST", "/v1/invoices:cancel?order=shared", token=A)
        assert (cancelled.status, cancelled.json()["taxpayer"]) == (200, SELLER)
        theirs = (await call(both.app, "GET", "/v1/invoices?order=shared", token=B)).json()
        assert [(one["taxpayer"], one["state"]) for one in theirs] == [(OTHER, "accepted")]

    told_of_two(story)


def test_one_batch_with_sales_of_both_issues_those_of_the_caller_only() -> None:
    async def story(both: Two) -> None:
        body = b"\n".join(json.dumps(one).encode() for one in (sale("m-1"), sale_of_b("m-2"), sale("m-3")))
        answer = await call(
            both.app, "POST", "/v1/invoices:batch", token=A, body=body, headers={"content-type": "application/x-ndjson"}
        )
        assert [json.loads(line)["status"] for line in answer.body.splitlines()] == [201, 404, 201]
        assert await both.point.ledger.find(OTHER, orders=["m-2"]) == []

    told_of_two(story)


def test_a_route_that_this_table_does_not_know_how_to_call_fails() -> None:
    async def story(both: Two) -> None:
        document = both.app.openapi_schema = copy.deepcopy(both.app.openapi())
        known = len(list(cases(both)))
        stranger = {"parameters": [{"name": "device", "in": "query"}]}
        bodied = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}}}
        for unknown in (stranger, bodied):
            document["paths"]["/v1/new"] = {"post": {"parameters": [], **unknown}}
            with pytest.raises(AssertionError, match="/v1/new"):
                list(cases(both))
        document["paths"]["/v1/new"] = {"get": {"parameters": [{"name": "order", "in": "query"}]}}
        assert len(list(cases(both))) == known + 1

    told_of_two(story)


def test_what_is_shown_elsewhere_is_there() -> None:
    here = Path(__file__).parent
    for route, place in APART.items():
        file, _, name = place.partition("::")
        assert f"def {name}(" in (here / file).read_text("utf-8"), route


@pytest.mark.parametrize("taxpayers", [(), ("91110000MAKP00009M",), ("",)])
def test_a_token_for_nobody_here_finds_nothing(taxpayers: tuple[str, ...]) -> None:
    async def story(both: Two) -> None:
        before = await both.books()
        for case in cases(both):
            answer = await both.ask(case, token(taxpayers=taxpayers))
            assert traces(both, answer, asked=case.target + case.body.decode()) == [], case
            assert case.path.endswith("/stream") or statuses(answer) == {404}, f"{case}: {answer.body!r}"
        assert await both.books() == before

    told_of_two(story)
