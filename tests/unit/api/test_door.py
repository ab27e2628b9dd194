"""The door through the API: what passes by the queue and what does not, who is told to come again, what waits without a turn."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import sale, token, told
from asgi import Answer, call
from bench import OTHER, SELLER, Point

from kaipiao.access.tokens import ANY, Caller
from kaipiao.api.door.admission import MOST_RESTING, Admission, Bounds, Priority
from kaipiao.api.door.places import party_of

NARROW = Bounds(work_max=1, work_min=1, queue_max=2, batches_max=1, batches_share=1.0)


@asynccontextmanager
async def busy(app: FastAPI, bounds: Bounds = NARROW) -> AsyncIterator[Admission]:
    """Somebody has the only turn until the end."""
    admission = Admission(bounds)
    app.state.services = replace(app.state.services, admission=admission)
    first = admission.place("somebody", Priority.SALE)
    await first.turn()
    try:
        yield admission
    finally:
        first.leave()


def posted(app: FastAPI, order: str, path: str = "/v1/invoices", **headers: str) -> asyncio.Task[Answer]:
    body = json.dumps(sale(order)).encode()
    return asyncio.create_task(call(app, "POST", path, token=token(), body=body, headers=headers))


async def until_waiting(admission: Admission, count: int) -> None:
    async with asyncio.timeout(5):
        while sum(map(admission.waiting, Priority)) < count:
            await asyncio.sleep(0)


def test_a_full_queue_refuses_sales_checks_and_later_ones_and_lets_everything_else_pass() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async with busy(app) as admission:
            waiting = [posted(app, "A-1"), posted(app, "A-2", prefer="respond-async")]
            await until_waiting(admission, 2)
            for path, headers in (("", {}), ("", {"prefer": "respond-async"}), (":check", {})):
                refused = await posted(app, "A-9", "/v1/invoices" + path, **headers)
                assert (refused.status, refused.json()["code"], refused.json()["reason"]) == (
                    429,
                    "KP-HTTP-06",
                    "queue",
                )
                assert int(refused.headers["retry-after"]) >= 1
            for method, path in (
                ("GET", "/healthz"),
                ("GET", "/readyz"),
                ("GET", "/metrics"),
                ("GET", "/v1/invoices?order=A-1"),
                ("POST", "/v1/invoices:cancel?order=A-1"),
            ):
                answer = await call(app, method, path, token=token())
                assert answer.status in (200, 404), (path, answer.body)
            status = await call(app, "GET", "/v1/status", token=token())
            assert status.json()["door"] == {"waiting": 2, "under_way": 1, "limit": 1, "batches": 0}
        assert sorted([one.status for one in await asyncio.gather(*waiting)]) == [201, 202]
        assert await p.ledger.find(SELLER, orders=["A-9"]) == []

    told(story)


def test_what_waits_and_is_refused_is_in_the_metrics() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async with busy(app) as admission:
            admission.refused = app.state.services.scrape.metrics.order_refused
            waiting = [posted(app, "A-1"), posted(app, "A-2")]
            await until_waiting(admission, 2)
            await posted(app, "A-3")
            page = (await call(app, "GET", "/metrics", token=token())).body.decode()
            assert 'kaipiao_orders_refused_total{reason="queue"} 1.0' in page
        await asyncio.gather(*waiting)

    told(story)


def test_one_batch_too_many_is_refused_and_its_items_wait_as_long_as_it_takes() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        lines = b"".join(json.dumps(sale(f"B-{n}")).encode() + b"\n" for n in range(20))
        async with busy(app) as admission:
            running = asyncio.create_task(call(app, "POST", "/v1/invoices:batch", token=token(), body=lines))
            await until_waiting(admission, 20)
            refused = await call(app, "POST", "/v1/invoices:batch", token=token(), body=lines)
            assert (refused.status, refused.json()["reason"]) == (429, "batches")
        answers = [json.loads(line)["status"] for line in (await running).body.splitlines()]
        assert answers == [201] * 20
        assert (admission.batches, admission.under_way, admission.held) == (0, 0, 0)

    told(story)


def test_who_waits_for_a_number_has_no_turn_meanwhile_and_only_so_many_wait() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        admission = Admission(NARROW)
        for _ in range(MOST_RESTING):
            place = admission.place("a", Priority.BULK)
            place.hold(10)
            await place.turn()
            assert place.rest()
            assert (admission.under_way, admission.held) == (0, 0)
        last = admission.place("a", Priority.BULK)
        await last.turn()
        assert not last.rest()
        assert admission.under_way == 1
        place.leave()
        assert last.rest()

    told(story)


def test_a_refusal_half_way_through_a_body_leaves_nothing_behind() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        admission = Admission(Bounds(queue_bytes=100))
        app.state.services = replace(app.state.services, admission=admission)
        refused = await posted(app, "A-1")
        assert (refused.status, refused.json()["reason"]) == (429, "bytes")
        assert (admission.under_way, admission.held) == (0, 0)

    told(story)


def test_whose_share_a_caller_takes() -> None:
    def caller(*taxpayers: str, tenant: str | None = None) -> Caller:
        return Caller("till", taxpayers, frozenset(), tenant)

    tenants = {SELLER: "shops", OTHER: "shops"}
    assert party_of(caller(SELLER), tenants) == party_of(caller(OTHER, SELLER), tenants) == "tenant:shops"
    assert party_of(caller(tenant="shops"), {}) == "tenant:shops"
    assert party_of(caller(SELLER, tenant="default"), {}) == party_of(caller(SELLER), {})
    assert party_of(caller(SELLER), {}) != party_of(caller(OTHER), {})
    assert party_of(caller(SELLER, OTHER), {}) == party_of(caller(OTHER, SELLER), {})
    assert party_of(caller(ANY), tenants) == "subject:till"
