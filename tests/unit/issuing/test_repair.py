"""The repair toolbox (R14): what each tool needs, does and refuses, on the shipped code with a pretend bureau."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from bench import SELLER, START, Point, point
from test_successors import DAY, HOUR, by_number, expired, refused, successors

from kaipiao.authority.channel import Answer, Outcome
from kaipiao.errors import NotFound, RepairRefused
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.questions import Questions
from kaipiao.issuing.repair import Repaired, Repairs, tool_of
from kaipiao.issuing.repair_tools import TOOLS
from kaipiao.issuing.stragglers import straggled
from kaipiao.issuing.wire import upload_item
from kaipiao.ledger.month_books import FindingRow, MonthBook

OTHER_CONTENT = b"x" * 32


@dataclass
class Box:
    """The toolbox of one point."""

    p: Point
    repairs: Repairs

    async def run(self, tool: str, number: str) -> Repaired:
        return await self.repairs.run(tool_of(tool), SELLER, number, "测试")

    async def dry(self, tool: str, number: str) -> Repaired:
        """A dry run changes nothing, whatever it says."""
        before = await books(self.p)
        planned = await self.repairs.planned(tool_of(tool), SELLER, number, "测试")
        assert await books(self.p) == before
        assert not planned.done
        return planned

    async def refused(self, tool: str, number: str) -> str:
        """Its English reasons: a dry run tells them, a run raises them and changes nothing."""
        told = [text.en for text in (await self.dry(tool, number)).plan.against]
        assert told
        before = await books(self.p)
        with pytest.raises(RepairRefused) as refusal:
            await self.run(tool, number)
        assert await books(self.p) == before
        assert refusal.value.detail.en == "; ".join(told)
        return refusal.value.detail.en

    async def kinds(self, order: str = "A") -> list[str]:
        return [e.kind for e in await self.p.ledger.events(taxpayer=SELLER, subject=order)]


async def books(p: Point) -> object:
    return await p.ledger.page(SELLER), await p.ledger.events()


def tell(story: Callable[[Box], Awaitable[None]]) -> None:
    async def run() -> None:
        p = await point()
        questions = Questions({p.bureau.name: p.bureau}, {p.bureau.name: Pace(p.clock, 1000.0)}, p.clock)
        await story(Box(p, Repairs(p.ledger, successors(p), questions, p.clock)))

    asyncio.run(run())


async def confirmed(p: Point, order: str = "A") -> str:
    number = (await p.issue(order)).record.number or ""
    await p.run(60, every=10)
    assert await p.state(order) is State.CONFIRMED
    return number


async def in_conflict(p: Point) -> str:
    number = (await p.issue("A")).record.number or ""
    p.bureau.held[number], p.bureau.shown_from[number] = OTHER_CONTENT, START
    p.bureau.script = ["lost"]
    await p.run(700, every=10)
    assert await p.state("A") is State.CONFLICT
    return number


def forget(p: Point, number: str) -> None:
    del p.bureau.held[number]


def test_a_mended_cause_sends_the_same_number_again() -> None:
    async def story(box: Box) -> None:
        number = await refused(box.p)
        assert "the same frozen bytes" in (await box.dry("resend-same-number", number)).plan.would[0].en
        del box.p.bureau.refusals[number]
        await box.run("resend-same-number", number)
        await box.p.run(60, every=10)
        assert await box.p.state("A") is State.CONFIRMED
        assert "repair.resend" in await box.kinds()

    tell(story)


def test_after_its_time_the_same_number_is_not_sent_again() -> None:
    async def story(box: Box) -> None:
        number = await refused(box.p)
        box.p.clock.advance(49 * HOUR)
        assert "use `succeed`" in await box.refused("resend-same-number", number)
        assert "not for that" in await box.refused("settle-now", number)

    tell(story)


def test_succeed_replaces_and_says_who_and_why() -> None:
    async def story(box: Box) -> None:
        number = await refused(box.p)
        done = await box.run("succeed", number)
        assert done.successor is not None
        assert done.after is not None
        assert (done.after.state, done.successor.order) == (State.REPLACED, "A")
        (event,) = [e for e in await box.p.ledger.events(taxpayer=SELLER) if e.kind == "repair.succeed"]
        assert (event.data["number"], event.data["reason"]) == (number, "测试")

    tell(story)


def test_succeed_says_beforehand_that_the_bureau_holds_it_or_cannot_say() -> None:
    async def story(box: Box) -> None:
        number = await refused(box.p)
        box.p.bureau.down = True
        assert "cannot say" in (await box.dry("succeed", number)).plan.against[0].en
        box.p.bureau.down = False
        box.p.bureau.held[number], box.p.bureau.shown_from[number] = OTHER_CONTENT, START
        assert "holds this number" in (await box.dry("succeed", number)).plan.against[0].en

    tell(story)


def test_settle_now_asks_at_once_but_never_before_the_answer_would_count() -> None:
    async def story(box: Box) -> None:
        p = box.p
        p.bureau.script, p.bureau.hide = ["silent", "refuse"], 2 * DAY
        number = (await p.issue("A")).record.number or ""
        await p.step(2)
        assert await p.state("A") is State.UNKNOWN
        assert "settle time" in await box.refused("settle-now", number)
        await p.run(HOUR, every=60)
        record = await p.record("A")
        assert record.next_at is not None
        assert (record.next_at - p.clock.now()).total_seconds() > HOUR  # it waits until all is shown
        p.bureau.shown_from[number] = p.clock.now()
        await box.run("settle-now", number)
        await p.step(1)
        assert await p.state("A") is State.CONFIRMED

    tell(story)


def test_a_person_takes_what_the_bureau_holds_in_a_conflict_and_the_evidence_is_kept() -> None:
    async def story(box: Box) -> None:
        number = await in_conflict(box.p)
        await box.run("accept-theirs", number)
        record = await by_number(box.p, number)
        assert (record.state, record.provenance) == (State.CONFIRMED, "theirs")
        events = await box.p.ledger.events(taxpayer=SELLER, subject="A")
        (event,) = [e for e in events if e.kind == "repair.accept_theirs"]
        assert (event.data["held"], event.data["reason"]) == (OTHER_CONTENT.hex(), "测试")
        assert event.data["ours"] != event.data["held"]

    tell(story)


def test_a_person_refuses_what_the_bureau_holds_the_number_is_frozen_and_a_successor_follows() -> None:
    async def story(box: Box) -> None:
        number = await in_conflict(box.p)
        await box.run("refuse-theirs", number)
        assert await box.p.state("A") is State.REJECTED
        assert "sent no more" in await box.refused("resend-same-number", number)
        done = await box.run("succeed", number)
        await box.p.run(120, every=10)
        assert await box.p.state("A") is State.CONFIRMED
        assert done.successor is not None
        assert set(box.p.bureau.held) == {number, done.successor.number}

    tell(story)


def test_a_conflict_is_decided_on_what_the_bureau_shows_now_or_not_at_all() -> None:
    async def story(box: Box) -> None:
        number = await in_conflict(box.p)
        box.p.bureau.down = True
        for tool in ("accept-theirs", "refuse-theirs"):
            assert "no answer" in await box.refused(tool, number)
        box.p.bureau.down = False
        forget(box.p, number)
        for tool in ("accept-theirs", "refuse-theirs"):
            assert "does not hold" in await box.refused(tool, number)

    tell(story)


@pytest.mark.parametrize("same", [True, False])
def test_adopt_confirms_what_the_bureau_holds_or_makes_a_conflict_of_it(same: bool) -> None:
    async def story(box: Box) -> None:
        p = box.p
        number = await expired(p)
        assert "does not hold" in await box.refused("adopt", number)
        record = await by_number(p, number)
        documents = await p.ledger.documents(SELLER, [record.id])
        ours = p.bureau.content_digest(upload_item(record, documents[record.id]))
        p.bureau.held[number], p.bureau.shown_from[number] = ours if same else OTHER_CONTENT, START
        await box.run("adopt", number)
        assert await p.state("A") is (State.CONFIRMED if same else State.CONFLICT)

    tell(story)


def test_a_number_that_our_books_do_not_know_is_noted_for_a_person() -> None:
    async def story(box: Box) -> None:
        number = "26447000000000009999"
        await box.run("adopt", number)
        (event,) = [e for e in await box.p.ledger.events(taxpayer=SELLER) if e.kind == "repair.foreign_number"]
        assert event.data["number"] == number
        assert "no invoice of this number" in await box.refused("resend-same-number", number)
        assert "stays free" in (await box.dry("free-number", number)).plan.would[0].en

    tell(story)


def test_a_confirmed_invoice_is_given_up_only_after_two_late_denials_and_is_then_asked_for_again() -> None:
    async def story(box: Box) -> None:
        p = box.p
        number = await confirmed(p)
        assert "holds it" in await box.refused("unconfirm-believed", number)
        forget(p, number)
        assert "visibility" in await box.refused("unconfirm-believed", number)  # it may only hide it
        p.clock.advance(DAY + 60)
        await box.run("unconfirm-believed", number)
        assert await p.state("A") is State.CONFIRMED  # one denial is none
        assert "just now" in await box.refused("unconfirm-believed", number)
        p.clock.advance(61)
        await box.run("unconfirm-believed", number)
        assert await p.state("A") is State.UNKNOWN
        await p.run(HOUR, every=30)
        assert await p.state("A") is State.CONFIRMED  # within its time: the same number was sent again
        assert number in p.bureau.held

    tell(story)


def test_a_confirmed_invoice_that_is_lost_after_its_time_expires_and_may_get_a_successor() -> None:
    async def story(box: Box) -> None:
        p = box.p
        number = await confirmed(p)
        forget(p, number)
        p.clock.advance(3 * DAY)
        await box.run("unconfirm-believed", number)
        p.clock.advance(61)
        await box.run("unconfirm-believed", number)
        await p.run(HOUR, every=30)
        assert await p.state("A") is State.EXPIRED
        await p.supply.round()
        done = await box.run("succeed", number)
        await p.run(120, every=10)
        assert done.successor is not None
        assert set(p.bureau.held) == {done.successor.number}

    tell(story)


def test_other_content_under_a_confirmed_number_becomes_a_conflict() -> None:
    async def story(box: Box) -> None:
        number = await confirmed(box.p)
        box.p.bureau.held[number] = OTHER_CONTENT
        await box.run("unconfirm-believed", number)
        await box.p.run(60, every=10)
        assert await box.p.state("A") is State.CONFLICT

    tell(story)


async def alive(p: Point) -> str:
    """A replaced invoice of which a late copy may have arrived."""
    number = await expired(p)
    await successors(p).replace(SELLER, number)
    old = await by_number(p, number)
    news = straggled(old, Answer(Outcome.AMBIGUOUS, code="wait.timeout"), p.bureau.capabilities, p.clock.now())
    assert news is not None
    assert await p.ledger.advance([news]) == [True]
    return number


def test_of_a_replaced_invoice_the_bureau_is_asked_and_two_that_are_held_are_told_loudly() -> None:
    async def story(box: Box) -> None:
        number = await alive(box.p)
        assert "visibility" in await box.refused("ask-replaced", number)
        box.p.bureau.held[number], box.p.bureau.shown_from[number] = OTHER_CONTENT, START
        await box.run("ask-replaced", number)
        record = await by_number(box.p, number)
        assert (record.state, record.problem_code) == (State.REPLACED, "KP-REPLACED-HELD")
        letter = await box.dry("red-letter", number)
        assert f"amount {-record.amount:.2f}" in letter.plan.would[0].en
        assert "cannot make red letters yet" in await box.refused("red-letter", number)

    tell(story)


def test_a_doubt_about_a_replaced_invoice_ends_when_all_that_is_held_is_shown() -> None:
    async def story(box: Box) -> None:
        number = await alive(box.p)
        box.p.clock.advance(DAY)
        await box.run("ask-replaced", number)
        record = await by_number(box.p, number)
        assert (record.problem_code, record.doubt) == (None, False)
        assert "nothing to mend" in await box.refused("ask-replaced", number)

    tell(story)


def test_what_is_repairable_is_listed_with_the_tools_for_it() -> None:
    async def story(box: Box) -> None:
        p = box.p
        assert await box.repairs.listed(SELLER, 100) == []
        first = await refused(p, "A")
        well = await confirmed(p, "B")
        row = FindingRow(SELLER, "pretend", "2026-11", "missing_there", well, "B", {}, {}, 1, START)
        foreign = FindingRow(
            SELLER, "pretend", "2026-11", "missing_here", "26447000000000009999", None, {}, {}, 1, START
        )
        await p.ledger.save_month_book(MonthBook(SELLER, "pretend", "2026-11", 0, "{}"), [row, foreign])
        found = await box.repairs.listed(SELLER, 100)
        assert [(f.record.number if f.record else None, f.tools) for f in found] == [
            (first, ("resend-same-number", "succeed", "adopt")),
            (None, ("adopt",)),
            (well, ("unconfirm-believed",)),
        ]
        assert len(await box.repairs.listed(SELLER, 1)) == 1
        await box.run("adopt", "26447000000000009999")
        kinds = [e.kind for e in await p.ledger.events(taxpayer=SELLER)]
        assert "reconcile.repaired" in kinds

    tell(story)


def test_two_runs_at_once_are_one_and_the_other_is_told_to_look_again() -> None:
    async def story(box: Box) -> None:
        number = await in_conflict(box.p)
        both = await asyncio.gather(
            box.run("accept-theirs", number), box.run("refuse-theirs", number), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in both) == ["RepairRefused", "Repaired"]

    tell(story)


def test_there_is_no_tool_of_another_name_and_each_says_what_it_is_for() -> None:
    with pytest.raises(NotFound):
        tool_of("double-it")
    for tool in TOOLS.values():
        assert tool.purpose.zh
        assert tool.purpose.en
