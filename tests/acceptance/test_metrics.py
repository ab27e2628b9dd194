"""Metrics and logs of a real platform beside a real bureau, as an operator and a scraper meet them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser
from running import kaipiao

from kaipiao.operations.catalogue import CATALOGUE, OF_A_POOL
from kaipiao_lab.bench import Bench
from kaipiao_lab.sales import Sales


def ask(bench: Bench, path: str, token: str | None, body: object = None, **headers: str) -> tuple[int, str]:
    sent = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(bench.url() + path, content, {**sent, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def samples(text: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for family in parser.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        found[family.name] = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return found


@pytest.fixture(scope="module")
def page(bench: Bench) -> dict[str, list[Any]]:
    """The metrics after three invoices were issued and confirmed."""
    for n in range(3):
        status, _ = ask(bench, "/v1/invoices", bench.token, Sales(bench.seller, 41 + n, f"metrics-{n}").next())
        assert status == 201
    assert bench.wait_settled(60) == 0
    status, text = ask(bench, "/metrics", bench.token, Accept="application/openmetrics-text")
    assert status == 200
    return samples(text)


def total(page: dict[str, list[Any]], family: str, suffix: str = "", **labels: str) -> float:
    chosen = (s for s in page[family] if s.name == family + suffix and labels.items() <= s.labels.items())
    return sum(float(s.value) for s in chosen)


def test_a_running_platform_tells_all_of_the_catalogue(page: dict[str, list[Any]]) -> None:
    there = {entry.name for entry in CATALOGUE if entry not in OF_A_POOL}
    assert {name for name in page if name.startswith("kaipiao_")} == there
    assert {"process_cpu_seconds", "process_resident_memory_bytes"} <= set(page)


def test_an_invoice_shows_in_http_seal_ledger_wire_and_books(page: dict[str, list[Any]], bench: Bench) -> None:
    assert total(page, "kaipiao_http_request_duration_seconds", "_count", route="/v1/invoices", status="2xx") >= 3
    assert total(page, "kaipiao_seal_duration_seconds", "_count") >= 3
    assert total(page, "kaipiao_ledger_commit_duration_seconds", "_count") >= 3
    assert total(page, "kaipiao_ledger_commit_operations", "_sum") >= 3
    assert total(page, "kaipiao_wire_calls", "_total", service="upload", outcome="ok") >= 1
    assert total(page, "kaipiao_wire_calls", "_total", service="poll", outcome="ok") >= 1
    assert total(page, "kaipiao_uploaded_invoices", "_total", outcome="ok") >= 3
    assert total(page, "kaipiao_invoices", taxpayer=bench.seller, state="confirmed") >= 3
    assert total(page, "kaipiao_invoices", taxpayer=bench.seller, state="issued") == 0
    assert total(page, "kaipiao_numbers_left", taxpayer=bench.seller) > 0
    assert total(page, "kaipiao_quota_left_yuan", taxpayer=bench.seller) > 0
    assert total(page, "kaipiao_cover_seconds", taxpayer=bench.seller) > 0
    assert total(page, "kaipiao_ready") == 1


@pytest.mark.parametrize("phase", ["resolve", "connect", "handshake", "write", "wait", "answer"])
def test_every_phase_of_a_wire_call_is_timed(page: dict[str, list[Any]], phase: str) -> None:
    assert total(page, "kaipiao_wire_phase_duration_seconds", "_count", phase=phase) >= 1
    assert total(page, "kaipiao_wire_phase_duration_seconds", "_sum", phase=phase) > 0


def test_the_channels_certificates_are_watched(page: dict[str, list[Any]]) -> None:
    left = {s.labels["certificate"]: s.value for s in page["kaipiao_certificate_expiry_seconds"]}
    assert set(left) == {"client", "ca"}
    assert all(value > 86400 for value in left.values())


def test_only_an_operator_may_read_it(bench: Bench, platform: Path) -> None:
    def token(role: str) -> str:
        return kaipiao("token", "-d", platform, "--role", role, cwd=platform).out.strip()

    assert ask(bench, "/metrics", None)[0] == 401
    assert ask(bench, "/metrics", token("issuer"))[0] == 403
    assert ask(bench, "/metrics", token("operator"))[0] == 200


def test_the_log_has_a_line_for_the_request_with_its_id_and_for_calls_to_the_bureau(
    bench: Bench, page: dict[str, list[Any]]
) -> None:
    ask(bench, "/v1/invoices?order=HIDDEN-ORDER", bench.token, **{"X-Request-Id": "acceptance-17"})
    text = (bench.directory / "platform.log").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    (mine,) = [line for line in lines if line.get("request_id") == "acceptance-17"]
    assert (mine["method"], mine["route"], mine["status"]) == ("GET", "/v1/invoices", 200)
    assert mine["subject"] == "erp"
    assert mine["ms"] > 0
    assert "HIDDEN-ORDER" not in text
    calls = [line for line in lines if line["logger"] == "kaipiao.wire"]
    assert {"numbers", "quota", "upload", "poll"} <= {call["service"] for call in calls}
    assert all({"channel", "outcome", "ms"} <= call.keys() for call in calls)


def test_at_log_level_error_a_request_leaves_no_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    kaipiao("init", "-d", home, "--port", "0", cwd=tmp_path)
    from kaipiao_lab.processes import Command, wait_ready

    server = Command(["serve", "-d", str(home), "--json", "--log-level", "error"], tmp_path / "serve.log")
    server.start()
    try:
        wait_ready(str(server.info["url"]))
    finally:
        server.stop()
    assert (tmp_path / "serve.log").read_text("utf-8") == ""


def test_callers_who_mean_harm_leave_no_series_and_no_word_of_theirs(bench: Bench) -> None:
    sale: Any = Sales(bench.seller, 97, "metrics-hostile").next()
    assert ask(bench, "/v1/invoices", bench.token, sale)[0] == 201
    for n in range(20):
        evil = f"EVIL{n}"
        for path in (
            f"/{evil}",
            f"/v1/invoices/{evil}",
            f"/v1/invoices?taxpayer={evil}",
            f"/v1/taxpayers/{evil}/numbers",
        ):
            ask(bench, path, bench.token, **{"X-Request-Id": evil, "User-Agent": evil})
            ask(bench, path, bench.token, {"seller": evil, "order": evil})
        ask(bench, "/v1/status", f"{evil}.{evil}.{evil}")
    _, text = ask(bench, "/metrics", bench.token)
    found = samples(text)
    assert found
    assert "EVIL" not in text
    assert sale["buyer"]["name"] not in text
    assert bench.token not in text
    routes = {s.labels["route"] for s in found["kaipiao_http_request_duration_seconds"]}
    assert all(route == "unmatched" or route.startswith("/") for route in routes)
    assert len(text) < 400_000
