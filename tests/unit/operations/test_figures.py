"""What is looked up for a scrape: at most once a second, and never at the cost of the rest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric

from kaipiao.clock import ManualClock
from kaipiao.errors import KeyStoreUnusable, LedgerFault
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.cover import Cover
from kaipiao.ledger.pooling import SessionCounts
from kaipiao.operations import certificates as certificates_module
from kaipiao.operations import figures as figures_module
from kaipiao.operations.certificates import CertificateFile, Certificates
from kaipiao.operations.figures import MOST_TAXPAYERS, Figures
from kaipiao.operations.metrics import Metrics
from kaipiao.seal.certificates import expires_at, issue_client, new_authority

NOW = datetime(2026, 11, 3, tzinfo=UTC)
BUILD = {"version": "0", "node": "n1", "environment": "test"}


class CountedLedger:
    """Counts the questions; `trouble` is what happens instead of an answer."""

    def __init__(self, trouble: Callable[[], Awaitable[None]] | None = None) -> None:
        self.asked = 0
        self.trouble = trouble

    async def state_counts(self, taxpayer: str) -> dict[State, int]:
        self.asked += 1
        if self.trouble is not None:
            await self.trouble()
        return {State.ISSUED: 3}

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        return None


def figures(ledger: Any, metrics: Metrics | None = None, taxpayers: tuple[str, ...] = ("T1",)) -> Figures:
    async def cover(taxpayer: str) -> Cover:
        return Cover(taxpayer, 0.5, "numbers", 10, 5, "12.30", {})

    async def ready() -> bool:
        return False

    return Figures(metrics or Metrics(), ledger, taxpayers, cover, ready, ManualClock(NOW), Certificates(list), BUILD)


def values(families: list[Metric]) -> dict[str, float]:
    return {
        " ".join([s.name, *s.labels.values()]): s.value for f in families for s in f.samples if "build" not in f.name
    }


def test_a_look_tells_queues_numbers_quota_cover_and_readiness() -> None:
    told = values(asyncio.run(figures(CountedLedger()).families()))
    assert told["kaipiao_invoices T1 issued"] == 3
    assert told["kaipiao_invoices T1 unknown"] == 0
    assert told["kaipiao_numbers_left T1"] == 5
    assert told["kaipiao_quota_left_yuan T1"] == 12.3
    assert told["kaipiao_cover_seconds T1 numbers"] == 1800
    assert told["kaipiao_ready"] == 0
    assert told["kaipiao_debt_age_seconds T1"] == 0


def test_a_ledger_on_a_server_tells_of_its_connections() -> None:
    class Served(CountedLedger):
        def sessions(self) -> SessionCounts:
            return SessionCounts(idle=3, used=2, most=8, waiting=1)

    told = values(asyncio.run(figures(Served()).families()))
    assert told["kaipiao_database_sessions idle"] == 3
    assert told["kaipiao_database_sessions used"] == 2
    assert told["kaipiao_database_sessions_limit"] == 8
    assert told["kaipiao_database_waiting"] == 1
    assert not [name for name in values(asyncio.run(figures(CountedLedger()).families())) if "database" in name]


def test_many_scrapes_within_a_second_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = CountedLedger()

    async def run() -> None:
        looked = figures(ledger)
        await asyncio.gather(*(looked.families() for _ in range(50)))
        assert ledger.asked == 1
        monkeypatch.setattr(figures_module, "FRESH", 0.0)
        await looked.families()
        assert ledger.asked == 2

    asyncio.run(run())


def test_a_ledger_that_fails_takes_its_figures_with_it_and_nothing_else() -> None:
    async def fail() -> None:
        raise LedgerFault

    metrics = Metrics()
    told = values(asyncio.run(figures(CountedLedger(fail), metrics).families()))
    assert "kaipiao_invoices T1 issued" not in told
    assert told["kaipiao_taxpayers_left_out"] == 0
    assert metrics.registry.get_sample_value("kaipiao_scrape_failures_total") == 1


def test_a_ledger_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(figures_module, "PATIENCE", 0.02)
    metrics = Metrics()
    told = values(asyncio.run(asyncio.wait_for(figures(CountedLedger(hang), metrics).families(), 5)))
    assert told["kaipiao_ready"] == 0
    assert metrics.registry.get_sample_value("kaipiao_scrape_failures_total") == 1


def test_more_taxpayers_than_the_limit_make_no_more_series() -> None:
    ledger = CountedLedger()
    many = tuple(f"T{n}" for n in range(MOST_TAXPAYERS + 7))
    told = values(asyncio.run(figures(ledger, taxpayers=many).families()))
    assert ledger.asked == MOST_TAXPAYERS
    assert told["kaipiao_taxpayers_left_out"] == 7
    assert f"kaipiao_numbers_left T{MOST_TAXPAYERS}" not in told


def files(tmp_path: Path, content: bytes) -> Certificates:
    path = tmp_path / "c.pem"
    path.write_bytes(content)
    return Certificates(lambda: [CertificateFile("leqi", "client", path)])


def test_the_first_certificate_of_a_file_to_expire_counts(tmp_path: Path) -> None:
    authority = new_authority("test", days=900)
    client = issue_client(authority, "unit", days=30)
    (left,) = files(tmp_path, authority.certificate_pem + client.certificate_pem).seconds_left().values()
    assert left == pytest.approx(30 * 86400, abs=2 * 86400)


def test_an_expired_certificate_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = files(tmp_path, new_authority("test", days=1).certificate_pem)
    watched.seconds_left()
    monkeypatch.setattr("kaipiao.operations.certificates.time.time", lambda: 5e9)
    (left,) = watched.seconds_left().values()
    assert left < 0


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff"])
def test_a_file_that_is_no_certificate_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    (left,) = files(tmp_path, content).seconds_left().values()
    assert math.isnan(left)
    missing = Certificates(lambda: [CertificateFile("leqi", "ca", tmp_path / "missing")])
    assert math.isnan(next(iter(missing.seconds_left().values())))


def test_a_renewed_certificate_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = files(tmp_path, new_authority("test", days=1).certificate_pem)
    (before,) = watched.seconds_left().values()
    (tmp_path / "c.pem").write_bytes(new_authority("test", days=100).certificate_pem)
    assert next(iter(watched.seconds_left().values())) == pytest.approx(before, abs=5), "not read for every scrape"
    monkeypatch.setattr(certificates_module, "READ_AGAIN", 0.0)
    assert next(iter(watched.seconds_left().values())) > before + 50 * 86400


def test_a_certificate_that_nears_its_end_is_a_line_of_the_log_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = new_authority("test", days=10)
    watched = files(tmp_path, made.certificate_pem)
    monkeypatch.setattr(certificates_module, "READ_AGAIN", 0.0)
    end = expires_at(made.certificate_pem).timestamp()
    for left in (72 * 3600 + 1, 72 * 3600 - 1, 60.0, -1.0, -2.0):
        monkeypatch.setattr("kaipiao.operations.certificates.time.time", lambda now=end - left: now)
        assert next(iter(watched.seconds_left().values())) == pytest.approx(left)
    (tmp_path / "c.pem").unlink()
    watched.seconds_left()
    said = [record.getMessage().partition(" / ")[2] for record in caplog.records]
    assert said == [
        "a certificate has less than 72 h left",
        "a certificate has expired",
        "a certificate file cannot be read",
    ]
    assert {getattr(record, "certificate", None) for record in caplog.records} == {"client"}


def test_certificates_that_are_imported_while_the_platform_runs_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates_module, "READ_AGAIN", 0.0)
    there: list[CertificateFile] = []
    watched = Certificates(lambda: there)
    assert watched.seconds_left() == {}
    (tmp_path / "c.pem").write_bytes(new_authority("test", days=10).certificate_pem)
    there.append(CertificateFile("keys", "key:seal-1", tmp_path / "c.pem"))
    assert list(watched.seconds_left()) == there


def test_a_key_store_that_cannot_be_listed_takes_its_certificates_with_it_and_nothing_else() -> None:
    def unlistable() -> list[CertificateFile]:
        raise KeyStoreUnusable

    metrics = Metrics()
    looked = figures(CountedLedger(), metrics)
    looked._certificates = Certificates(unlistable)
    told = values(asyncio.run(looked.families()))
    assert told["kaipiao_numbers_left T1"] == 5
    assert metrics.registry.get_sample_value("kaipiao_scrape_failures_total") == 1
