"""/metrics as a scraper meets it: its form, its names, who may read it, and that nobody can make it grow."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import string
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from api_stand import application, sale, token
from asgi import Answer, call
from bench import OTHER, SELLER, Point, point
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser as plain
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics

from kaipiao.api.app import create
from kaipiao.issuing.cover import Cover, cover_of
from kaipiao.issuing.modes import Mode
from kaipiao.operations import catalogue
from kaipiao.operations.catalogue import CATALOGUE, Entry, Kind
from kaipiao.operations.certificates import CertificateFile, Certificates
from kaipiao.operations.figures import Figures
from kaipiao.operations.metrics import Metrics
from kaipiao.operations.scrape import Scrape, wants_plain
from kaipiao.operations.watched_channel import WatchedChannel
from kaipiao.operations.watched_sealing import WatchedSealer, WatchedWorkers

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


def watched(p: Point, sellers: tuple[str, ...] = (SELLER,)) -> FastAPI:
    """The application, wired as app.py wires it."""
    metrics = Metrics()
    metrics.gauges[catalogue.SEAL_TASKS] = lambda: 0
    metrics.gauges[catalogue.SEAL_THREADS] = lambda: 2

    async def cover(taxpayer: str) -> Cover:
        return await cover_of(p.ledger, taxpayer, "pretend", p.bureau.capabilities, p.clock)

    async def ready() -> bool:
        return True

    certificates = Certificates(lambda: [CertificateFile("pretend", "ca", Path("/nowhere"))])
    build = {"version": "0", "node": "n1", "environment": "test"}
    figures = Figures(
        metrics, p.ledger, sellers, cover, ready, p.clock, certificates, build, lambda: {"leqi": Mode.ONLINE}
    )
    services = replace(application(p).state.services, scrape=Scrape(metrics, figures.families), taxpayers=sellers)
    return create(services)


def families(answer: Answer) -> dict[str, Metric]:
    assert answer.status == 200, answer.body
    parsed = openmetrics.text_string_to_metric_families(answer.body.decode())  # type: ignore[no-untyped-call]
    found: Iterator[Metric] = iter(parsed)
    return {family.name: family for family in found}


def ours(answer: Answer) -> dict[str, Metric]:
    return {name: family for name, family in families(answer).items() if name.startswith("kaipiao_")}


def after(work: Callable[[FastAPI, Point], Awaitable[None]], sellers: tuple[str, ...] = (SELLER,)) -> Answer:
    """The page as an admin sees it after some work."""

    async def run() -> Answer:
        p = await point(sellers=sellers)
        app = watched(p, sellers)
        await work(app, p)
        return await call(app, "GET", "/metrics", token=token(), headers=OPENMETRICS)

    return asyncio.run(run())


async def nothing(app: FastAPI, p: Point) -> None:
    pass


def test_the_page_has_exactly_the_metrics_of_the_catalogue() -> None:
    found = ours(after(nothing))
    there = [entry for entry in CATALOGUE if entry not in catalogue.OF_A_POOL]
    assert set(found) == {entry.name for entry in there}
    for entry in there:
        assert found[entry.name].type == entry.kind.value
        assert found[entry.name].documentation == entry.help


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_names_follow_the_rules_of_prometheus(entry: Entry) -> None:
    assert re.fullmatch(r"kaipiao_[a-z]+(_[a-z]+)*", entry.name)
    assert not re.search(r"_(total|info|count|sum|bucket|created)$", entry.name), "the form adds these"
    assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mb|percent)(_|$)", entry.name), "base units only"
    if entry.unit:
        assert entry.name.endswith(f"_{entry.unit}")
    else:
        assert not re.search(r"_(seconds|bytes)$", entry.name)
    assert all(re.fullmatch(r"[a-z]+", label) and label not in ("le", "quantile") for label in entry.labels)
    assert (entry.kind is Kind.HISTOGRAM) == bool(entry.buckets)
    assert list(entry.buckets) == sorted(set(entry.buckets))
    assert re.search(r"[\u4e00-\u9fff]", entry.text.zh)
    assert re.search(r"[A-Za-z]{3}", entry.text.en)


def test_what_happened_is_counted_by_the_routes_template_and_the_class_of_status() -> None:
    async def work(app: FastAPI, p: Point) -> None:
        for order in ("A-1", "A-2", "A-2"):
            await call(app, "POST", "/v1/invoices", token=token(), body=json.dumps(sale(order)).encode())
        await call(app, "GET", "/v1/invoices/26442000000000000001", token=token())
        await call(app, "HEAD", "/healthz")

    page = ours(after(work))
    counted = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in page["kaipiao_http_request_duration_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counted == {
        ("POST", "/v1/invoices", "2xx"): 3,
        ("GET", "/v1/invoices/{number}", "4xx"): 1,
        ("GET", "/healthz", "2xx"): 1,
    }
    states = {s.labels["state"]: s.value for s in page["kaipiao_invoices"].samples}
    assert states["issued"] == 2
    assert sum(states.values()) == 2
    (left,) = page["kaipiao_numbers_left"].samples
    assert left.value == 1998
    (cover,) = page["kaipiao_cover_seconds"].samples
    assert cover.labels == {"taxpayer": SELLER, "bound": "upload_window"}
    assert cover.value == 48 * 3600
    (flying,) = page["kaipiao_http_requests_in_flight"].samples
    assert flying.value == 1, "the scrape itself"


def test_paths_methods_and_queries_of_a_caller_make_no_series() -> None:
    async def work(app: FastAPI, p: Point) -> None:
        for n in range(300):
            await call(app, f"M{n}", f"/p{n}/{'x' * n}?q={n}", token=token())
            await call(app, "GET", f"/v1/invoices/{n:020d}?secret={n}", token=token())
            await call(app, "GET", f"/p{n}")

    family = ours(after(work))["kaipiao_http_request_duration_seconds"]
    series = {(s.labels["method"], s.labels["route"], s.labels["status"]) for s in family.samples}
    assert series == {
        ("other", "unmatched", "4xx"),
        ("GET", "/v1/invoices/{number}", "4xx"),
        ("GET", "unmatched", "4xx"),
    }


def test_a_defect_is_a_request_with_status_5xx() -> None:
    async def work(app: FastAPI, p: Point) -> None:
        async def broken() -> None:
            raise ZeroDivisionError

        object.__setattr__(app.state.services, "readiness", broken)
        assert (await call(app, "GET", "/readyz")).status == 500

    family = ours(after(work))["kaipiao_http_request_duration_seconds"]
    assert {s.labels["status"] for s in family.samples if s.labels["route"] == "/readyz"} == {"5xx"}


@pytest.mark.parametrize(
    ("accept", "is_plain"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text", False),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", False),
        ("text/plain", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.1", True),
        ("text/*;q=0.5, */*;q=0.1", True),
        ("TEXT/PLAIN ; Q=1", True),
        ("application/json", False),
        ("text/plain;q=0", False),
        ("text/plain;q=nan", False),
        ("text/plain;q=1e9", False),
        (",;=,;q=,", False),
    ],
)
def test_the_form_is_negotiated(accept: str | None, is_plain: bool) -> None:
    assert wants_plain(accept) is is_plain


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=string.printable + "é", max_size=60))
def test_no_accept_header_breaks_it(accept: str) -> None:
    assert wants_plain(accept) in (True, False)


def test_the_older_text_is_told_apart_by_its_content_type() -> None:
    async def run() -> tuple[Answer, Answer]:
        app = watched(await point())
        new = await call(app, "GET", "/metrics", token=token("operator"))
        return new, await call(app, "GET", "/metrics", token=token("operator"), headers={"accept": "text/plain"})

    new, old = asyncio.run(run())
    assert new.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert new.body.endswith(b"# EOF\n")
    assert old.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {family.name for family in plain.text_string_to_metric_families(old.body.decode())}
    assert "kaipiao_wire_calls" in names
    assert old.headers["vary"] == new.headers["vary"] == "Accept"


def test_who_may_read_it() -> None:
    async def run() -> dict[str, int]:
        app = watched(await point())
        roles = ("issuer", "auditor", "operator", "admin")
        told = {role: (await call(app, "GET", "/metrics", token=token(role))).status for role in roles}
        told["nobody"] = (await call(app, "GET", "/metrics")).status
        told["query"] = (await call(app, "GET", "/metrics?name[]=x", token=token())).status
        return told

    assert asyncio.run(run()) == {
        "issuer": 403, "auditor": 403, "operator": 200, "admin": 200, "nobody": 401, "query": 400,
    }  # fmt: skip


def test_a_token_for_one_taxpayer_sees_no_series_of_another() -> None:
    async def run() -> tuple[Answer, Answer]:
        sellers = (SELLER, OTHER)
        app = watched(await point(sellers=sellers), sellers)
        one = await call(app, "GET", "/metrics", token=token("operator", (OTHER,)), headers=OPENMETRICS)
        return one, await call(app, "GET", "/metrics", token=token("operator"), headers=OPENMETRICS)

    one, both = asyncio.run(run())
    assert SELLER.encode() not in one.body
    assert OTHER.encode() in one.body
    assert SELLER.encode() in both.body
    assert set(families(one)) == set(families(both))


def test_two_platforms_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.sealed(0.001)
    assert first.registry.get_sample_value("kaipiao_seal_duration_seconds_count") == 1
    assert second.registry.get_sample_value("kaipiao_seal_duration_seconds_count") == 0


def test_the_page_of_a_fresh_platform_has_process_metrics() -> None:
    assert {"process_cpu_seconds", "process_resident_memory_bytes", "python_gc_collections"} <= set(
        families(after(nothing))
    )


def test_everything_that_is_watched_still_has_the_ports_methods() -> None:
    from kaipiao.authority.channel import Channel
    from kaipiao.issuing.ports import Workers
    from kaipiao.seal.port import Sealer

    for port, wrapper in ((Channel, WatchedChannel), (Sealer, WatchedSealer), (Workers, WatchedWorkers)):
        for name, method in inspect.getmembers(port, inspect.isfunction):
            if not name.startswith("_"):
                assert inspect.signature(getattr(wrapper, name)) == inspect.signature(method), name
