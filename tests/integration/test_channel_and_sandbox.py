"""The direct channel and the bureau to test against, over mutual TLS: both were built from the same facts, not together."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpcore2
import pytest

from authority_invoices import invoice, item, line
from kaipiao.authority.channel import Answer, ItemStatus, MonthState, MonthTotals, Outcome
from kaipiao.authority.leqi import LeqiChannel, LeqiSettings
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
from kaipiao.authority.transport import Timeouts, TlsSettings, Transport
from kaipiao.clock import ClockFunction, month_of
from kaipiao.invoice.model import Invoice, Party

T = TypeVar("T")
SPEED = 200.0
BRISK = Timeouts(wait=2.0, answer=2.0)


@dataclass
class Both:
    channel: LeqiChannel
    transport: Transport
    info: SandboxInfo
    taxpayer: str
    seller: Party

    async def now(self) -> datetime:
        shown = json.loads((await self.transport.get(self.info.clock_url)).body)
        function = ClockFunction(shown["anchor"], shown["shown"], shown["speed"])
        return function.at(time.time())

    async def fault(self, **fields: Any) -> None:
        """Set a fault through the bureau's admin door."""
        async with httpcore2.AsyncConnectionPool() as pool:
            answer = await pool.request(
                "PUT",
                f"{self.info.admin.url}/faults",
                headers={"Authorization": f"Bearer {self.info.admin.credential}"},
                content=json.dumps([fields]).encode(),
            )
        assert answer.status < 300, answer.content

    async def numbers(self, quantity: int = 5) -> list[str]:
        pulled = await self.channel.pull_numbers(self.taxpayer, quantity, self.channel.serial())
        assert pulled.value is not None, pulled
        return [f"{int(pulled.value.first) + step:020d}" for step in range(quantity)]

    async def quota(self) -> None:
        moved = await self.channel.move_quota(self.taxpayer, Decimal(100000), self.channel.serial(), returning=False)
        assert moved.outcome is Outcome.OK, moved

    def invoice(self, number: str, **changes: Any) -> Invoice:
        return invoice(number, self.seller, **changes)

    async def result(self, submission: str) -> dict[str, ItemStatus]:
        for _ in range(100):
            polled = await self.channel.poll(self.taxpayer, submission)
            assert polled.value is not None, polled
            found = {entry.number: entry.status for entry in polled.value}
            if ItemStatus.PROCESSING not in found.values():
                return found
            await asyncio.sleep(0.03)
        raise AssertionError("the result never came")


@asynccontextmanager
async def running(folder: Path, settings: dict[str, Any], client_certificate: bool, seal: bool) -> AsyncIterator[Both]:
    ready: asyncio.Future[SandboxInfo] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    options = {"speed": SPEED, "rate_per_second": 0.0} | settings
    serving = asyncio.create_task(serve(SandboxSettings(folder, **options), ready=ready.set_result, stop=stop))
    info = await asyncio.wait_for(ready, 20)
    tls = TlsSettings(Path(info.ca_file))
    if client_certificate:
        tls = replace(tls, client_certificate=Path(info.client_certificate), client_key=Path(info.client_key))
    transport = Transport(tls, BRISK)
    company = info.taxpayers[0]
    leqi = LeqiSettings(
        base_url=info.url,
        jrdwptbh=info.jrdwptbh,
        sydwptbh=info.sydwptbh,
        ylbm=info.ylbm,
        sm4_key_hex=info.sm4_key,
        public_keys={"key-1": "04" + "11" * 64} if seal else {},
        bureaus={company.tax_number: "11100000000"},
    )
    channel = LeqiChannel(leqi, transport)
    try:
        yield Both(channel, transport, info, company.tax_number, Party(company.name, company.tax_number))
    finally:
        await channel.close()
        stop.set()
        await serving


Scene = Callable[[Both], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Run a scene against a bureau of its own."""

    def run(scene: Scene, *, client_certificate: bool = True, seal: bool = False, **settings: Any) -> None:
        async def whole() -> None:
            async with running(tmp_path / "bureau", settings, client_certificate, seal) as both:
                await scene(both)

        asyncio.run(whole())

    return run


def test_from_numbers_to_a_confirmed_invoice(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        first, second, *_ = await both.numbers()
        now = await both.now()
        items = [item(both.invoice(first), now), item(both.invoice(second, lines=(line(amount="12.34"),)), now)]
        accepted = await both.channel.upload(both.taxpayer, items, "w-1")
        assert accepted.outcome is Outcome.OK, accepted
        assert accepted.value is not None
        assert await both.result(accepted.value) == {first: ItemStatus.CONFIRMED, second: ItemStatus.CONFIRMED}
        assert accepted.timeline is not None
        assert accepted.timeline.bytes_sent > 500

    play(scene)


def test_the_same_serial_gives_the_same_numbers_and_the_same_quota(play: Play) -> None:
    async def scene(both: Both) -> None:
        serial, other = both.channel.serial(), both.channel.serial()
        once, twice = [await both.channel.pull_numbers(both.taxpayer, 7, serial) for _ in range(2)]
        assert once.value == twice.value
        assert once.value is not None
        moves = [
            await both.channel.move_quota(both.taxpayer, Decimal("500.00"), other, returning=False) for _ in range(2)
        ]
        assert moves[0].value == moves[1].value
        standing = await both.channel.quota(both.taxpayer)
        assert standing.value is not None
        assert standing.value.total - standing.value.usable == Decimal("500.00")
        assert standing.value.month == (await both.now() + timedelta(hours=8)).strftime("%Y-%m")

    play(scene)


def test_what_the_bureau_holds_has_our_content_digest(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        number, never, *_ = await both.numbers()
        now = await both.now()
        ours = both.invoice(number, lines=(line(amount="33.30"), line("*餐饮服务*餐费", "0.10")), remark="备注")
        mine = item(ours, now)
        accepted = await both.channel.upload(both.taxpayer, [mine], "w")
        assert accepted.value is not None
        await both.result(accepted.value)
        held = await both.channel.ask(both.taxpayer, number, now, ours.total, "general")
        assert held.outcome is Outcome.OK, held
        assert held.value is not None
        assert held.value.total == ours.total
        assert held.value.content_digest == both.channel.content_digest(mine)
        other = both.channel.content_digest(item(replace(ours, buyer=Party("别家")), now))
        assert held.value.content_digest != other
        absent = await both.channel.ask(both.taxpayer, never, now, ours.total, "general")
        assert (absent.outcome, absent.value) == (Outcome.OK, None)

    play(scene)


def test_another_total_under_our_number_is_told_as_other_content(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        number, *_ = await both.numbers()
        now = await both.now()
        mine = item(both.invoice(number), now)
        accepted = await both.channel.upload(both.taxpayer, [mine], "w")
        assert accepted.value is not None
        await both.result(accepted.value)
        held = await both.channel.ask(both.taxpayer, number, now, Decimal("1.00"), "general")
        assert held.outcome is Outcome.OK
        assert held.value is not None
        assert held.value.content_digest != both.channel.content_digest(mine)
        day_after = await both.channel.ask(both.taxpayer, number, now + timedelta(days=1), Decimal("1.00"), "general")
        assert (day_after.outcome, day_after.value) == (Outcome.RETRY, None)

    play(scene)


def test_a_second_upload_is_a_duplicate_and_other_content_is_refused(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        number, *_ = await both.numbers()
        now = await both.now()
        same = item(both.invoice(number), now)
        other = item(both.invoice(number, lines=(line(amount="5.00"),)), now)
        seen = []
        for sent in (same, same, other):
            accepted = await both.channel.upload(both.taxpayer, [sent], "w")
            assert accepted.value is not None
            seen.append((await both.result(accepted.value))[number])
        assert seen[:2] == [ItemStatus.CONFIRMED, ItemStatus.DUPLICATE]
        assert seen[2] is not ItemStatus.CONFIRMED

    play(scene)


def test_a_wrong_seal_is_refused_and_no_seal_is_taken(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        number, *_ = await both.numbers()
        accepted = await both.channel.upload(both.taxpayer, [item(both.invoice(number), await both.now())], "w")
        assert accepted.value is not None
        assert await both.result(accepted.value) == {number: ItemStatus.REJECTED}
        polled = await both.channel.poll(both.taxpayer, accepted.value)
        assert polled.value is not None
        assert polled.value[0].code == "own-SEAL-01"

    play(scene, seal=True)


def test_standing_rates_and_health(play: Play) -> None:
    async def scene(both: Both) -> None:
        standing = await both.channel.standing(both.taxpayer)
        assert standing.value is not None
        assert (standing.value.may_issue, standing.value.reason) == (True, None)
        rates = await both.channel.rates(both.taxpayer)
        assert rates.value is not None
        assert {Decimal("0.13"), Decimal("0.06"), Decimal("0.03")} <= set(rates.value)
        assert (await both.channel.health()).outcome is Outcome.OK
        stranger = await both.channel.standing("91110000MA0000000X")
        assert (stranger.outcome, stranger.code) == (Outcome.REJECTED, "11")

    play(scene)


def test_an_unknown_submission_says_nothing_about_the_invoices(play: Play) -> None:
    async def scene(both: Both) -> None:
        polled = await both.channel.poll(both.taxpayer, "0" * 32)
        assert (polled.outcome, polled.code) == (Outcome.AMBIGUOUS, "04")

    play(scene)


@pytest.mark.parametrize(("mode", "pause"), [("429", 1.0), ("wording", 300.0)])
def test_an_overload_is_surely_not_accepted(play: Play, mode: str, pause: float) -> None:
    async def scene(both: Both) -> None:
        answers: list[Answer[Any]] = [await both.channel.quota(both.taxpayer) for _ in range(12)]
        refused = [answer for answer in answers if answer.outcome is not Outcome.OK]
        assert refused
        assert {(answer.outcome, answer.retry_after) for answer in refused} == {(Outcome.NOT_ACCEPTED, pause)}

    play(scene, rate_per_second=1.0, overload_mode=mode, speed=1.0)


def test_without_a_client_certificate_nothing_is_accepted(play: Play) -> None:
    async def scene(both: Both) -> None:
        answer = await both.channel.pull_numbers(both.taxpayer, 5, both.channel.serial())
        assert answer.code == "handshake.client_certificate_refused"
        assert answer.outcome in (Outcome.NOT_SENT, Outcome.NOT_ACCEPTED)

    play(scene, client_certificate=False)


def test_a_wrong_key_is_a_matter_of_settings_not_of_content(play: Play) -> None:
    async def scene(both: Both) -> None:
        info = both.info
        settings = LeqiSettings(info.url, info.jrdwptbh, info.sydwptbh, info.ylbm, "00" * 16)
        answer = await LeqiChannel(settings, both.transport).quota(both.taxpayer)
        assert (answer.outcome, answer.code) == (Outcome.NOT_ACCEPTED, "own-KEY")

    play(scene)


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        ({"kind": "http_error", "after_commit": True}, Outcome.AMBIGUOUS, "http.503"),
        ({"kind": "http_error"}, Outcome.AMBIGUOUS, "http.503"),
        ({"kind": "too_many"}, Outcome.NOT_ACCEPTED, "http.429"),
        ({"kind": "soft_logout", "form": "page"}, Outcome.NOT_ACCEPTED, "refresh"),
        ({"kind": "soft_logout", "form": "error"}, Outcome.NOT_ACCEPTED, "302"),
        ({"kind": "drop_answer"}, Outcome.AMBIGUOUS, "wait.closed"),
        ({"kind": "half_answer"}, Outcome.AMBIGUOUS, "answer.cut"),
        ({"kind": "hang"}, Outcome.AMBIGUOUS, "wait.timeout"),
        ({"kind": "lose"}, Outcome.AMBIGUOUS, "wait.closed"),
    ],
)
def test_a_fault_of_the_bureau_is_told_for_what_it_proves(
    play: Play, fault: dict[str, Any], outcome: Outcome, code: str
) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        number, *_ = await both.numbers()
        now = await both.now()
        await both.fault(**fault, services=["QDFPSC"], count=1)
        answer = await both.channel.upload(both.taxpayer, [item(both.invoice(number), now)], "w")
        dropped = {"wait.closed", "wait.reset"}
        assert answer.outcome is outcome, answer
        assert answer.code == code or {answer.code, code} <= dropped
        again = await both.channel.upload(both.taxpayer, [item(both.invoice(number), now)], "w")
        assert again.outcome is Outcome.OK

    play(scene, speed=1.0 if fault["kind"] == "hang" else SPEED)


def test_results_in_disorder_are_read_by_number(play: Play) -> None:
    async def scene(both: Both) -> None:
        await both.quota()
        given = await both.numbers(9)
        now = await both.now()
        accepted = await both.channel.upload(both.taxpayer, [item(both.invoice(n), now) for n in given], "w")
        assert accepted.value is not None
        await both.fault(kind="wrong_order", services=["CXQDFPSCJG"])
        found = await both.result(accepted.value)
        assert {number: found[number] for number in given} == dict.fromkeys(given, ItemStatus.CONFIRMED)

    play(scene)


async def two_confirmed(both: Both) -> tuple[str, list[Any]]:
    """The month, and two invoices that the bureau holds in it."""
    await both.quota()
    numbers, now = await both.numbers(2), await both.now()
    items = [item(both.invoice(number), now) for number in numbers]
    accepted = await both.channel.upload(both.taxpayer, items, "w-1")
    assert accepted.value is not None, accepted
    await both.result(accepted.value)
    return month_of(now), items


def test_a_month_is_confirmed_asked_about_and_opened_again(play: Play) -> None:
    async def scene(both: Both) -> None:
        month, _ = await two_confirmed(both)
        totals = MonthTotals(2, Decimal("2000.00"), Decimal("120.00"))
        shown = (await both.channel.summary(both.taxpayer, month)).value
        assert shown is not None
        assert (shown.totals, shown.state) == (totals, MonthState.OPEN)
        wrong = await both.channel.confirm_month(both.taxpayer, month, replace(totals, blue_count=3))
        assert (wrong.outcome, "lzfpsl" in (wrong.message or "")) == (Outcome.REJECTED, True)
        assert (await both.channel.confirm_month(both.taxpayer, month, totals)).outcome is Outcome.OK
        shown = (await both.channel.summary(both.taxpayer, month)).value
        assert shown is not None
        assert shown.state is MonthState.CONFIRMED
        assert shown.confirmed_at is not None
        assert (await both.channel.unconfirm_month(both.taxpayer, month)).outcome is Outcome.OK
        shown = (await both.channel.summary(both.taxpayer, month)).value
        assert shown is not None
        assert shown.state is MonthState.OPEN

    play(scene)


def test_an_answer_to_a_confirmation_that_is_lost_is_a_doubt(play: Play) -> None:
    async def scene(both: Both) -> None:
        month, _ = await two_confirmed(both)
        await both.fault(kind="drop_answer", services=["SCFPHZQRXX"])
        totals = MonthTotals(2, Decimal("2000.00"), Decimal("120.00"))
        assert (await both.channel.confirm_month(both.taxpayer, month, totals)).outcome is Outcome.AMBIGUOUS
        shown = (await both.channel.summary(both.taxpayer, month)).value
        assert shown is not None
        assert shown.state is MonthState.CONFIRMED

    play(scene)


def test_the_list_of_a_month_shows_the_content_that_we_sent(play: Play) -> None:
    async def scene(both: Both) -> None:
        month, items = await two_confirmed(both)
        applied = await both.channel.apply_list(both.taxpayer, month, "general")
        assert applied.value is not None, applied
        again = await both.channel.apply_list(both.taxpayer, month, "general")
        assert again.outcome is Outcome.REJECTED  # one a day
        packet = await both.channel.list_packet(both.taxpayer, applied.value, 1)
        for _ in range(200):
            if packet.outcome is not Outcome.IN_PROGRESS:
                break
            await asyncio.sleep(0.02)
            packet = await both.channel.list_packet(both.taxpayer, applied.value, 1)
        assert packet.value is not None, packet
        assert (packet.value.packets, packet.value.invoices) == (1, 2)
        ours = {one.number: both.channel.content_digest(one) for one in items}
        assert {one.number: one.content_digest for one in packet.value.entries} == ours
        one = packet.value.entries[0]
        assert (one.kind, one.blue) == ("general", True)
        assert (one.amount, one.tax, one.total) == (Decimal(1000), Decimal(60), Decimal(1060))

    play(scene)
