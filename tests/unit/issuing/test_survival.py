"""Nothing that goes wrong in one place stops another: hanging calls, defects of a channel, a ledger that fails, lost channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bench import OTHER, SELLER, START, Point, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, Outcome
from kaipiao.clock import ManualClock
from kaipiao.errors import LedgerFault, OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.node import Loop, Node
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Advance, Upload, UploadEnd

HOUR = 3600.0


@pytest.mark.parametrize("service", ["upload", "poll", "ask"])
def test_a_call_that_hangs_for_one_taxpayer_keeps_no_other_waiting(service: str) -> None:
    async def story() -> None:
        p = await point(sellers=(SELLER, OTHER), patience=0.01)
        if service == "ask":
            p.bureau.script = ["silent", "silent"]
        p.bureau.hanging.add((service, SELLER))
        await p.issue("A")
        for _ in range(3):
            await p.step(2)
        await p.issue("B", by=OTHER)  # after the first call began to hang
        for _ in range(60):
            await p.step(15)
        assert await p.state("B", by=OTHER) is State.CONFIRMED
        assert await p.state("A") is not State.CONFIRMED
        await p.uploader.close(0)
        await p.settler.close(0)

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_bureau_that_asks_one_taxpayer_to_wait_for_an_hour_holds_no_slot_of_others() -> None:
    class Waiting(ManualClock):
        async def sleep(self, seconds: float) -> None:
            if seconds > 60:
                await asyncio.Event().wait()
            await super().sleep(seconds)

    async def story() -> None:
        p = await point(sellers=(SELLER, OTHER), clock=Waiting(START), policy=Policy(uploads_at_once=1), patience=0.01)
        await p.issue("A")
        await p.issue("B", by=OTHER)
        p.uploader._paces["pretend"].hold(SELLER, HOUR)
        for _ in range(4):
            await p.step(15)
        assert await p.state("B", by=OTHER) is State.CONFIRMED
        await p.uploader.close(0)

    asyncio.run(asyncio.wait_for(story(), 20))


def test_an_invoice_that_the_channel_cannot_carry_takes_no_other_of_its_batch_along() -> None:
    async def story() -> None:
        p = await point()
        poisoned = await p.issue("bad")
        p.bureau.poisoned.add(str(poisoned.record.number))
        for n in range(5):
            await p.issue(f"A{n}")
        await p.run(HOUR, every=10)
        assert [await p.state(f"A{n}") for n in range(5)] == [State.CONFIRMED] * 5
        await p.issue("later")
        await p.run(60, every=10)
        assert await p.state("later") is State.CONFIRMED
        await p.run(80 * HOUR, every=300)
        assert await p.state("bad") is State.EXPIRED  # asked for twice after its window: the bureau does not hold it
        assert p.bureau.held.keys() == {(await p.record(o)).number for o in ("A0", "A1", "A2", "A3", "A4", "later")}

    asyncio.run(story())


def test_an_unknown_whose_content_cannot_be_compared_keeps_no_other_unknown_waiting() -> None:
    async def story() -> None:
        p = await point()
        p.bureau.script = ["silent"]
        bad = await p.issue("bad")
        await p.issue("A")
        p.bureau.unreadable = set()
        await p.step(2)
        p.bureau.unreadable.add(str(bad.record.number))
        await p.run(1200, every=10)
        assert await p.state("A") is State.CONFIRMED
        assert await p.state("bad") is State.UNKNOWN
        p.bureau.unreadable.clear()
        await p.run(600, every=10)
        assert await p.state("bad") is State.CONFIRMED

    asyncio.run(story())


class Failing(MemoryLedger):
    """Its next calls of some operations fail: `fault` (nothing done) or `doubt` (done, and not told) or `absent` (in doubt, not done)."""

    def __init__(self, writer: str, store: MemoryStore | None = None) -> None:
        super().__init__(writer, store=store)
        self.plan: dict[str, list[str]] = {}

    def _word(self, operation: str) -> str:
        words = self.plan.get(operation)
        return words.pop(0) if words else "fine"

    async def _fail(self, operation: str, call: Any) -> Any:
        word = self._word(operation)
        if word == "fault":
            call.close()
            raise LedgerFault()
        if word == "absent":
            call.close()
            raise OutcomeUnknown()
        result = await call
        if word == "doubt":
            raise OutcomeUnknown()
        return result

    async def begin_upload(self, *values: Any) -> Upload | None:
        result: Upload | None = await self._fail("begin_upload", super().begin_upload(*values))
        return result

    async def end_upload(self, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
        result: list[bool] = await self._fail("end_upload", super().end_upload(end, advances))
        return result

    async def advance(self, advances: Sequence[Advance]) -> list[bool]:
        result: list[bool] = await self._fail("advance", super().advance(advances))
        return result


@pytest.mark.parametrize("word", ["fault", "doubt", "absent"])
def test_an_outcome_that_the_ledger_could_not_take_leaves_nothing_uploading_also_when_it_is_never_idle(
    word: str,
) -> None:
    async def story() -> None:
        ledger = Failing("n1")
        p = await point(ledger)
        await p.issue("A")
        ledger.plan["end_upload"] = [word]
        for n in range(30):
            await p.issue(f"B{n}")  # something is sent in every round
            await p.step(5)
        await p.run(900, every=10)
        assert await p.state("A") is State.CONFIRMED
        assert await ledger.open_uploads() == []

    asyncio.run(story())


def test_a_call_whose_begin_was_in_doubt_was_never_sent_and_casts_no_doubt_on_its_invoices() -> None:
    async def story() -> None:
        ledger = Failing("n1")
        p = await point(ledger)
        await p.issue("A")
        ledger.plan["begin_upload"] = ["doubt"]
        await p.step(2)
        assert p.bureau.uploads == []
        assert await p.state("A") is State.UPLOADING
        await p.run(60, every=5)
        record = await p.record("A")
        assert (record.state, record.doubt) == (State.CONFIRMED, False)

    asyncio.run(story())


@pytest.mark.parametrize("word", ["fault", "doubt", "absent"])
def test_a_result_that_the_ledger_could_not_take_is_fetched_again(word: str) -> None:
    async def story() -> None:
        ledger = Failing("n1")
        p = await point(ledger)
        await p.issue("A")
        await p.step(2)
        ledger.plan["advance"] = [word] * 3
        await p.run(300, every=10)
        assert await p.state("A") is State.CONFIRMED

    asyncio.run(story())


def test_invoices_of_a_channel_that_is_no_longer_configured_keep_no_other_waiting() -> None:
    async def story() -> None:
        store, clock = MemoryStore(), ManualClock(START)
        gone = PretendBureau(clock, name="gone")
        old = await point(MemoryLedger("n1", store=store), bureau=gone, clock=clock)
        gone.script = ["ok", "silent"]
        for order in ("submitted", "unknown", "uploading", "issued"):
            await old.issue(order)
            clock.advance(2)
            if order == "uploading":
                await old.ledger.begin_upload(9, "w", SELLER, "gone", "n1", 100, clock.now())
            elif order != "issued":
                await old.uploader.round()
        new = await point(MemoryLedger("n2", store=store), bureau=PretendBureau(clock, next_number=50_000), clock=clock)
        assert await new.uploader.recover() == 0
        await new.issue("A", by=SELLER)
        await new.run(1200, every=10)
        assert await new.state("A") is State.CONFIRMED
        states = [await new.state(order) for order in ("submitted", "unknown", "uploading", "issued")]
        assert states == [State.SUBMITTED, State.UNKNOWN, State.UPLOADING, State.ISSUED]
        await old.uploader.recover()  # configured again
        await old.run(3 * HOUR)
        states = [await new.state(order) for order in ("submitted", "unknown", "uploading", "issued")]
        assert states == [State.CONFIRMED] * 4

    asyncio.run(story())


def test_a_loop_outlives_a_defect_and_a_ledger_that_is_away_for_days_and_tells_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns: list[float] = []

    async def story() -> None:
        clock = ManualClock(START)
        recovered = asyncio.Event()

        async def work() -> float:
            turns.append(0)
            if len(turns) < 1500:
                raise LedgerFault() if len(turns) % 2 else KeyError("a defect")
            recovered.set()
            return 1.0

        loop = Loop("test", work, clock, real=clock)
        with caplog.at_level(logging.ERROR):
            loop.start()
            await asyncio.wait_for(recovered.wait(), 10)
            await loop.stop(1.0)

    asyncio.run(story())
    assert any(r.exc_info for r in caplog.records)


def test_a_call_on_the_wire_at_the_stop_is_cut_after_its_grace_and_settles_at_the_next_start() -> None:
    async def story() -> None:
        store, clock = MemoryStore(), ManualClock(START)
        policy = Policy(stop_grace=0.05)
        p = await point(MemoryLedger("n1", store=store), clock=clock, policy=policy, patience=0.01)
        await p.issue("A")
        p.bureau.hanging.add(("upload", SELLER))
        node = Node("n1", p.ledger, p.issuer, p.numbers, p.shards, p.uploader, p.settler, p.supply, clock, p.policy)
        await p.step(2)
        await asyncio.wait_for(node.stop(), 5)
        assert await p.state("A") is State.UPLOADING
        p.bureau.hanging.clear()
        again = await point(MemoryLedger("n1", store=store), bureau=p.bureau, clock=clock)
        assert await again.uploader.recover() == 1
        await again.run(1200, every=10)
        assert await again.state("A") is State.CONFIRMED
        assert len(p.bureau.held) == 1

    asyncio.run(story())


def test_after_the_result_window_an_absent_invoice_is_sent_again_at_once_and_not_called_late() -> None:
    async def story() -> None:
        p = await point()
        issued = await p.issue("A")
        await p.step(2)
        p.bureau.poll_hook = lambda items: Answer(Outcome.REJECTED, code="04")
        p.bureau.held.clear()  # its acceptance came to nothing
        await p.run(12.5 * HOUR, every=60)
        p.bureau.poll_hook = None
        await p.run(HOUR, every=10)
        kinds = [e.kind for e in await p.ledger.events(subject="A", limit=10_000)]
        assert "upload.window_closed" not in kinds
        assert p.bureau.uploads == [[issued.record.number]] * 2
        assert await p.state("A") is State.CONFIRMED

    asyncio.run(story())


def test_alarms_count_from_the_first_doubt_however_often_it_is_sent_again() -> None:
    async def story() -> None:
        p = await point()
        p.bureau.script = ["lost"] * 1000
        await p.issue("A")
        await p.run(30 * HOUR, every=60)
        kinds = [e.kind for e in await p.ledger.events(subject="A", limit=100_000)]
        assert kinds.count("upload.begun") > 10
        assert kinds.count("alarm.unknown50") == 1
        await p.run(12 * HOUR, every=60)
        kinds = [e.kind for e in await p.ledger.events(subject="A", limit=100_000)]
        assert kinds.count("alarm.unknown80") == 1

    asyncio.run(story())


def test_one_taxpayer_whose_supply_hangs_leaves_the_others_supplied() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        bureau = PretendBureau(clock)
        bureau.hanging.add(("numbers", SELLER))
        p = await point(bureau=bureau, clock=clock, sellers=(SELLER, OTHER), patience=0.01)
        assert (await p.issue("B", by=OTHER)).record.number
        assert not await p.supply.round()
        await p.supply.close(0)

    asyncio.run(asyncio.wait_for(story(), 10))


def test_a_call_that_ends_while_open_calls_are_read_is_not_taken_for_a_dead_one() -> None:
    """Looking for orphans goes on beside slow calls: one that gets its answer meanwhile keeps it."""

    class Reading(MemoryLedger):
        async def open_uploads(self, node: str | None = None) -> list[Upload]:
            found = await super().open_uploads(node)
            gate.set()
            for _ in range(50):
                await asyncio.sleep(0)
            current = {r.id: r for r in self.store.invoices.values()}
            return [replace(u, records=tuple(current[r.id] for r in u.records)) for u in found]

    gate = asyncio.Event()

    class Gated(PretendBureau):
        async def upload(self, taxpayer: str, items: Sequence[Any], wire_id: str) -> Answer[str]:
            await gate.wait()
            return await super().upload(taxpayer, items, wire_id)

    async def story() -> None:
        clock = ManualClock(START)
        p = await point(Reading("n1"), bureau=Gated(clock), clock=clock, patience=0.01)
        await p.issue("A")
        clock.advance(2)
        await p.uploader.round()  # it is on the wire
        assert await p.uploader.recover() == 0
        record = await p.record("A")
        assert (record.state, record.doubt) == (State.SUBMITTED, False)

    asyncio.run(asyncio.wait_for(story(), 10))


def test_what_its_own_slow_sender_ended_while_another_node_read_it_is_not_doubted_again() -> None:
    """A confirmed invoice may become UNKNOWN since repairs can withdraw belief: the node that ends calls of a sender that is
    gone took it back when the sender woke between its two reads."""

    class Reading(MemoryLedger):
        async def open_uploads(self, node: str | None = None) -> list[Upload]:
            found = await super().open_uploads(node)
            if found:
                gate.set()
                for _ in range(50):
                    await asyncio.sleep(0)
                await senders[0].uploader.round()
                clock.advance(10)
                await senders[0].settler.poll_round()
            current = {r.id: r for r in self.store.invoices.values()}
            return [replace(u, records=tuple(current[r.id] for r in u.records)) for u in found]

    class Gated(PretendBureau):
        async def upload(self, taxpayer: str, items: Sequence[Any], wire_id: str) -> Answer[str]:
            await gate.wait()
            return await super().upload(taxpayer, items, wire_id)

    async def story() -> None:
        sender = await point(MemoryLedger("n1", store=store), bureau=Gated(clock), clock=clock, patience=0.01)
        senders.append(sender)
        await sender.issue("A")
        clock.advance(2)
        await sender.uploader.round()  # it is on the wire
        clock.advance(sender.policy.abandoned_seconds)
        other = await point(Reading("n2", store=store), sender.bureau, clock=clock, node="n2", patience=0.01)
        vars(other.shards)["holds"] = lambda _taxpayer: True
        await other.uploader.recover()
        record = await sender.record("A")
        assert (record.state, record.doubt) == (State.CONFIRMED, False)

    clock, store, gate = ManualClock(START), MemoryStore(), asyncio.Event()
    senders: list[Point] = []
    asyncio.run(asyncio.wait_for(story(), 10))
