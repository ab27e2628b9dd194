"""Rules R3–R6 on the shipped code: what silence, duplicates, refusals and late commits lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from bench import Point, point
from pretend_bureau import CAPABILITIES, PretendBureau

from kaipiao.authority.channel import Answer, ItemResult, ItemStatus, Outcome
from kaipiao.clock import ManualClock
from kaipiao.invoice.lifecycle import State

HOUR = 3600.0


def run(story: Callable[[Point], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(await point())

    asyncio.run(told())


def test_an_answered_upload_is_submitted_then_confirmed() -> None:
    async def story(p: Point) -> None:
        await p.issue("A")
        await p.step(2)
        assert await p.state("A") is State.SUBMITTED
        await p.step(20)
        record = await p.record("A")
        assert record.state is State.CONFIRMED
        assert record.provenance == "result"
        assert record.made_at < record.sent_at <= record.accepted_at  # type: ignore[operator]

    run(story)


def test_silence_is_unknown_and_nothing_is_asked_or_sent_before_the_settle_time() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["late"]
        await p.issue("A")
        await p.step(2)
        assert await p.state("A") is State.UNKNOWN
        await p.run(590, every=10)
        assert p.bureau.asked == []
        assert len(p.bureau.uploads) == 1
        await p.run(60)
        assert await p.state("A") is State.CONFIRMED
        assert len(p.bureau.uploads) == 1  # found by asking, never sent again

    run(story)


def test_a_lost_request_is_denied_twice_and_the_same_number_is_sent_again() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["lost"]
        issued = await p.issue("A")
        await p.run(900, every=10)
        assert await p.state("A") is State.CONFIRMED
        assert p.bureau.uploads == [[issued.record.number]]
        assert len(p.bureau.asked) == 2

    run(story)


def test_an_answer_lost_after_the_commit_is_found_by_asking() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["silent"]
        await p.issue("A")
        await p.run(700, every=10)
        record = await p.record("A")
        assert (record.state, record.provenance) == (State.CONFIRMED, "asked")

    run(story)


def test_a_repeated_upload_is_evidence_not_failure() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["silent", "ok"]
        p.bureau.hide = 1000.0  # the bureau shows late what it holds: both asks find nothing
        issued = await p.issue("A")
        await p.run(2000, every=10)
        record = await p.record("A")
        assert p.bureau.uploads == [[issued.record.number], [issued.record.number]]
        assert (record.state, record.provenance) == (State.CONFIRMED, "duplicate")

    run(story)


def test_a_duplicate_with_other_content_is_a_conflict_for_a_person() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.bureau.held[str(issued.record.number)] = b"somebody else's"
        p.bureau.shown_from[str(issued.record.number)] = p.clock.now()
        p.bureau.script = ["repeat"]
        await p.run(60, every=10)
        assert await p.state("A") is State.CONFLICT
        await p.run(3 * HOUR)
        assert p.bureau.uploads == []  # frozen: never sent again

    run(story)


def test_a_refusal_without_doubt_is_final_and_keeps_the_bureaus_words() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.bureau.refusals[str(issued.record.number)] = "授信额度不足"
        await p.run(60, every=10)
        record = await p.record("A")
        assert (record.state, record.problem) == (State.REJECTED, "授信额度不足")

    run(story)


def test_a_refusal_after_a_doubt_is_not_believed_while_the_bureau_may_hide_what_it_holds() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["silent", "ok"]
        p.bureau.hide = 5 * HOUR
        issued = await p.issue("A")
        await p.step(2)
        p.bureau.refusals[str(issued.record.number)] = "额度不足"
        await p.run(2 * HOUR, every=10)  # both asks find nothing, it is sent again, and refused
        record = await p.record("A")
        assert record.refused
        assert record.state is State.UNKNOWN
        await p.run(30 * HOUR, every=600)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_a_refusal_after_a_doubt_is_believed_when_two_late_asks_find_nothing() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.bureau.script = ["lost"]
        await p.step(2)
        p.bureau.refusals[str(issued.record.number)] = "额度不足"
        await p.run(23 * HOUR, every=300)
        assert await p.state("A") is State.UNKNOWN
        await p.run(3 * HOUR, every=300)
        record = await p.record("A")
        assert record.state is State.REJECTED
        assert record.sent_at is not None
        late = [at for at, _ in p.bureau.asked if (at - record.sent_at).total_seconds() >= CAPABILITIES.visibility]
        assert len(late) == 2

    run(story)


def test_while_the_bureau_cannot_be_reached_only_probes_try_it_and_good_ones_release_all() -> None:
    async def story(p: Point) -> None:
        for n in range(5):
            await p.issue(f"A{n}")
        p.bureau.down = True
        await p.run(3000, every=1)
        records = [await p.record(f"A{n}") for n in range(5)]
        assert {(record.state, record.doubt) for record in records} == {(State.ISSUED, False)}
        assert sum(record.tries for record in records) <= 10  # three calls that failed, and what was in them
        assert 500 <= p.bureau.probes <= 620  # of 3,000 s
        p.bureau.down = False
        await p.run(20, every=1)
        assert {await p.state(f"A{n}") for n in range(5)} <= {State.SUBMITTED, State.CONFIRMED}

    run(story)


def test_a_batch_refused_as_a_whole_is_sent_one_by_one_and_one_bad_item_harms_no_other() -> None:
    async def story(p: Point) -> None:
        for order in "ABC":
            await p.issue(order)
        p.bureau.script = ["refuse", "ok", "refuse", "ok"]
        await p.run(120, every=2)
        states = [await p.state(order) for order in "ABC"]
        assert states == [State.CONFIRMED, State.REJECTED, State.CONFIRMED]

    run(story)


def test_what_stays_in_the_house_for_48_hours_expires_and_is_not_sent_late() -> None:
    async def story(p: Point) -> None:
        await p.issue("A")
        p.bureau.down = True
        await p.run(49 * HOUR, every=300)
        p.bureau.down = False
        await p.run(2 * HOUR, every=60)
        assert await p.state("A") is State.EXPIRED
        assert p.bureau.uploads == []

    run(story)


def test_an_unknown_that_the_bureau_held_all_along_is_never_called_expired() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["silent"]
        p.bureau.hide = 20 * HOUR
        await p.issue("A")
        await p.step(2)
        p.bureau.script = ["silent"] * 400
        await p.run(90 * HOUR, every=600)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_alarms_of_an_unresolved_unknown_at_half_and_four_fifths_of_its_time() -> None:
    async def story(p: Point) -> None:
        p.bureau.script = ["silent"]
        await p.issue("A")
        await p.step(2)
        p.bureau.down = True
        await p.run(30 * HOUR, every=300)
        assert (await p.record("A")).alarmed == 50
        await p.run(12 * HOUR, every=300)
        assert (await p.record("A")).alarmed == 80
        kinds = [e.kind for e in await p.ledger.events(subject="A", limit=1000)]
        assert kinds.count("alarm.unknown50") == 1
        assert kinds.count("alarm.unknown80") == 1

    run(story)


def test_a_poll_that_names_other_numbers_changes_nothing_of_ours() -> None:
    async def story(p: Point) -> None:
        await p.issue("A")
        await p.step(2)
        stray = [ItemResult("26447000000000099999", ItemStatus.REJECTED, "02", "别人的")]
        p.bureau.poll_hook = lambda items: Answer(Outcome.OK, stray)
        await p.run(120, every=10)
        assert await p.state("A") is State.SUBMITTED
        p.bureau.poll_hook = None
        await p.run(600, every=10)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_a_result_that_never_comes_is_asked_for_when_the_result_window_is_over() -> None:
    async def story(p: Point) -> None:
        await p.issue("A")
        await p.step(2)
        p.bureau.poll_hook = lambda items: Answer(Outcome.REJECTED, code="04")
        await p.run(11.9 * HOUR, every=60)
        assert await p.state("A") is State.SUBMITTED
        await p.run(HOUR, every=60)
        assert (await p.record("A")).provenance == "asked"

    run(story)


def test_calls_left_without_an_outcome_by_a_dead_process_become_unknown_at_the_next_start() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.clock.advance(2)
        await p.ledger.begin_upload(99, "dead", issued.record.taxpayer, "pretend", "n1", 100, p.clock.now())
        assert await p.state("A") is State.UPLOADING
        assert await p.uploader.recover() == 1
        assert await p.state("A") is State.UNKNOWN
        await p.run(900, every=10)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_calls_of_a_node_that_is_gone_for_good_are_settled_by_another() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.clock.advance(2)
        await p.ledger.hold_shards("n2", [], p.policy.shard_seconds)
        await p.shards.round(set)
        await p.ledger.begin_upload(99, "dead", issued.record.taxpayer, "pretend", "n2", 100, p.clock.now())
        assert await p.uploader.recover() == 0  # it may be on the wire just now
        assert await p.state("A") is State.UPLOADING
        p.clock.advance(1000)
        assert await p.uploader.recover() == 1
        assert await p.state("A") is State.UNKNOWN
        await p.run(900, every=10)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_batches_hold_at_most_what_the_channel_takes() -> None:
    async def story() -> None:
        clock = ManualClock(__import__("bench").START)
        bureau = PretendBureau(clock, replace(CAPABILITIES, upload_batch=10))
        p = await point(clock=clock, bureau=bureau)
        for n in range(25):
            await p.issue(f"A{n}")
        await p.run(60, every=2)
        assert [len(batch) for batch in bureau.uploads] == [10, 10, 5]

    asyncio.run(story())


@pytest.mark.parametrize("word", ["lost", "silent", "late", "busy", "retry", "garbage", "repeat"])
def test_whatever_one_call_meets_the_sale_is_filed_once_under_its_one_number(word: str) -> None:
    async def story(p: Point) -> None:
        p.bureau.script = [word]
        numbers = {str((await p.issue(f"A{n}")).record.number) for n in range(3)}
        await p.run(2 * HOUR, every=30)
        assert set(p.bureau.held) == numbers
        for n in range(3):
            assert await p.state(f"A{n}") is State.CONFIRMED

    run(story)


def test_a_refusal_after_the_bureaus_own_fault_is_not_believed_while_it_may_hold_the_first_copy() -> None:
    async def story(p: Point) -> None:
        issued = await p.issue("A")
        p.bureau.script = ["fault"]
        await p.step(2)
        assert await p.state("A") is State.ISSUED
        p.bureau.refusals[str(issued.record.number)] = "额度不足"
        await p.run(30 * HOUR, every=60)
        assert await p.state("A") is State.CONFIRMED

    run(story)
