"""Channels, sealers and ledgers that are watched: everything is counted, nothing is changed, no content is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bench import SELLER, StubSealer
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, Outcome, Phase, PhaseSpan, Timeline, UploadItem
from kaipiao.clock import ManualClock
from kaipiao.issuing.ports import Inline
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.operations.metrics import Metrics
from kaipiao.operations.watched_channel import WatchedChannel
from kaipiao.operations.watched_sealing import WatchedSealer, WatchedWorkers

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ITEM = UploadItem("26" + "0" * 18, NOW, b"CONTENT", b"<xml>CONTENT</xml>", b"", "k")
WHOLE = Timeline(
    Phase.ANSWER,
    tuple(PhaseSpan(phase, n * 0.1, n * 0.1 + 0.1) for n, phase in enumerate(Phase)),
    1234,
    reused=False,
    peer="10.0.0.1:443",
)
CUT = Timeline(
    Phase.HANDSHAKE,
    (PhaseSpan(Phase.CONNECT, 0, 0.1), PhaseSpan(Phase.HANDSHAKE, 0.1, None)),
    0,
    reused=False,
    peer=None,
)


class Scripted(PretendBureau):
    """Gives one answer to every upload, poll and ask, or does what it is told."""

    def __init__(self, act: Callable[[], Awaitable[Answer[Any]]]) -> None:
        super().__init__(ManualClock(NOW))
        self.act = act

    async def upload(self, taxpayer: str, items: Any, wire_id: str) -> Answer[str]:
        return await self.act()


def watched(act: Callable[[], Awaitable[Answer[Any]]]) -> tuple[WatchedChannel, Metrics]:
    metrics = Metrics()
    return WatchedChannel(Scripted(act), metrics), metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"kaipiao_{name}", {"channel": "pretend", **labels})


def upload(channel: WatchedChannel) -> Answer[str]:
    return asyncio.run(channel.upload(SELLER, [ITEM, ITEM], "w1"))


def test_a_call_is_counted_by_service_and_outcome_and_timed_by_phase() -> None:
    answer: Answer[str] = Answer(Outcome.OK, "sllsh", "00", timeline=WHOLE)

    async def act() -> Answer[str]:
        return answer

    channel, metrics = watched(act)
    assert upload(channel) is answer
    assert value(metrics, "wire_calls_total", service="upload", outcome="ok") == 1
    assert value(metrics, "uploaded_invoices_total", outcome="ok") == 2
    assert value(metrics, "wire_sent_bytes_total") == 1234
    assert value(metrics, "wire_call_duration_seconds_count", service="upload") == 1
    for phase in Phase:
        assert value(metrics, "wire_phase_duration_seconds_count", phase=phase.value) == 1
        assert value(metrics, "wire_phase_duration_seconds_sum", phase=phase.value) == pytest.approx(0.1)


def test_a_call_that_was_cut_off_is_counted_in_the_phase_it_reached() -> None:
    async def act() -> Answer[str]:
        return Answer(Outcome.NOT_SENT, code="handshake.timeout", timeline=CUT)

    channel, metrics = watched(act)
    upload(channel)
    assert value(metrics, "wire_phase_failures_total", phase="handshake") == 1
    assert value(metrics, "wire_phase_duration_seconds_count", phase="handshake") is None
    assert value(metrics, "wire_phase_duration_seconds_count", phase="connect") == 1
    assert value(metrics, "wire_calls_total", service="upload", outcome="not_sent") == 1


@pytest.mark.parametrize("raised", [ZeroDivisionError, asyncio.CancelledError])
def test_a_call_that_raises_is_counted_and_raises(raised: type[BaseException]) -> None:
    async def act() -> Answer[str]:
        raise raised

    channel, metrics = watched(act)
    with pytest.raises(raised):
        upload(channel)
    assert value(metrics, "wire_calls_total", service="upload", outcome="raised") == 1


def test_the_log_line_of_a_call_has_its_fate_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> Answer[str]:
        return Answer(Outcome.REJECTED, code="C" * 500, message="CONTENT refused", timeline=WHOLE)

    channel, _ = watched(act)
    with caplog.at_level(logging.INFO, logger="kaipiao.wire"):
        upload(channel)
    (line,) = caplog.records
    told = line.__dict__
    assert (told["service"], told["outcome"], told["phase"], told["bytes"]) == ("upload", "rejected", "answer", 1234)
    assert told["code"] == "C" * 40
    assert told["ms"] >= 0
    assert "CONTENT" not in str(told)


def test_every_service_reaches_the_channel_behind_it() -> None:
    async def run() -> Metrics:
        metrics = Metrics()
        bureau = PretendBureau(ManualClock(NOW))
        channel = WatchedChannel(bureau, metrics)
        assert channel.name == bureau.name
        assert channel.capabilities is bureau.capabilities
        segment = await channel.pull_numbers(SELLER, 10, channel.serial())
        assert segment.value is not None
        assert segment.value.quantity == 10
        assert (await channel.quota(SELLER)).outcome is Outcome.OK
        moved = await channel.move_quota(SELLER, Decimal("5.00"), "s", returning=False)
        assert moved.outcome is Outcome.OK
        sent = await channel.upload(SELLER, [ITEM], "w1")
        assert (await channel.poll(SELLER, sent.value or "")).outcome is Outcome.OK
        asked = await channel.ask(SELLER, ITEM.number, NOW, Decimal("1.00"), "01")
        assert asked.outcome is Outcome.OK
        assert (await channel.standing(SELLER)).outcome is Outcome.OK
        assert channel.content_digest(ITEM) == bureau.content_digest(ITEM)
        await channel.rates(SELLER)
        await channel.health()
        await channel.close()
        return metrics

    metrics = asyncio.run(run())
    calls = [s for f in metrics.registry.collect() if f.name == "kaipiao_wire_calls" for s in f.samples]
    services = {s.labels["service"] for s in calls if s.name.endswith("_total")}
    assert services == {
        "numbers", "quota", "move_quota", "upload", "poll", "ask", "standing", "rates", "health",
    }  # fmt: skip


def test_a_seal_is_the_sealers_own_and_timed() -> None:
    metrics = Metrics()
    sealer = WatchedSealer(StubSealer(), metrics)
    seal = sealer.seal(b"data")
    assert seal == StubSealer().seal(b"data")
    assert sealer.verify(b"data", seal)
    assert metrics.registry.get_sample_value("kaipiao_seal_duration_seconds_count") == 1


def test_tasks_in_the_sealing_threads_are_counted_while_they_run_and_when_they_fail() -> None:
    async def run() -> None:
        workers = WatchedWorkers(Inline())
        assert await workers.run(lambda: workers.tasks) == 1
        assert workers.tasks == 0
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert workers.tasks == 0

    asyncio.run(run())


def test_the_ledger_tells_of_every_commit_and_of_how_many_operations_it_took(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []

    async def run() -> None:
        ledger = SqliteLedger(
            tmp_path / "books", on_commit=lambda operations, seconds: told.append((operations, seconds))
        )
        await ledger.open()
        await asyncio.gather(*(ledger.save_taxpayers([]) for _ in range(5)))
        await ledger.close()

    asyncio.run(run())
    assert sum(operations for operations, _ in told) == 5
    assert all(seconds > 0 for _, seconds in told)
