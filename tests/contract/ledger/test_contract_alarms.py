"""Alarms, silences and messages: what every ledger promises, on every node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from kaipiao.ledger.alarms import Alarm, AlarmChange, AlarmDesk, Message, MessageState, Outbox, Silence
from kaipiao.ledger.port import EventDraft
from ledger_books import NOW, OTHER_TAXPAYER, TAXPAYER, Books, on_every_ledger

HOUR = timedelta(hours=1)
HOSTILE = "开票\\0 '\"\0\ud83d🧾\n"
ALARM = Alarm(1, "breaker", '["breaker","a"]', None, "warning", NOW, NOW, 1, {"kind": "x", "n": 3, "t": HOSTILE}, {})
SILENCE = Silence(2, "breaker", None, HOSTILE, NOW, "erp", NOW + HOUR)
MESSAGE = Message(3, "k-3", "opened", "warning", NOW, NOW, "题", HOSTILE, {"alarms": [1]}, ("hook",))


def change(desk: AlarmDesk, **what: object) -> AlarmChange:
    return replace(AlarmChange(desk.revision, desk.position, 10), **what)  # type: ignore[arg-type]


async def begun(books: Books, **what: object) -> None:
    await books.ledger.begin_alarms(0)
    assert await books.ledger.change_alarms(change(await books.ledger.alarm_desk(), **what))


@on_every_ledger
async def test_a_change_holds_as_a_whole_while_its_revision_does_and_is_seen_on_every_node(books: Books) -> None:
    assert await books.other.alarm_desk() == AlarmDesk(0, 0, 0)
    await books.ledger.begin_alarms(7)
    await books.other.begin_alarms(9)
    desk = await books.other.alarm_desk()
    assert desk == AlarmDesk(0, 7, 0), "the first beginning stays"
    events = [EventDraft("alarm.opened", NOW)]
    whole = change(desk, position=8, alarms=[ALARM], silences=[SILENCE], messages=[MESSAGE], events=events)
    assert await books.ledger.change_alarms(whole)
    assert not await books.other.change_alarms(replace(whole, alarms=[replace(ALARM, count=9)]))
    for node in (books.ledger, books.other):
        assert await node.alarm_desk() == AlarmDesk(1, 8, 10)
        assert await node.alarms() == [ALARM] == [await node.alarm(1)]
        assert await node.silences(NOW) == [SILENCE]
        assert await node.outbox() == Outbox(1, NOW)
    assert [event.kind for event in await books.other.events()] == ["alarm.opened"]
    assert await books.ledger.alarm(99) is None


@on_every_ledger
async def test_of_many_changes_from_one_revision_one_holds(books: Books) -> None:
    await books.ledger.begin_alarms(0)
    desk = await books.ledger.alarm_desk()
    nodes = [books.ledger, books.other] * 5
    changes = [change(desk, alarms=[replace(ALARM, id=place)]) for place in range(1, 11)]
    held = await asyncio.gather(*(node.change_alarms(one) for node, one in zip(nodes, changes, strict=True)))
    assert sorted(held) == [False] * 9 + [True]
    assert len(await books.other.alarms()) == 1


@on_every_ledger
async def test_one_node_holds_the_desk_until_its_lease_is_over_or_it_lets_go(books: Books) -> None:
    assert await books.ledger.hold_alarms("a", 15) is None, "nobody has made it yet"
    await books.ledger.begin_alarms(0)
    assert await books.ledger.hold_alarms("a", 15) is not None
    assert await books.other.hold_alarms("b", 15) is None
    books.lease_clock.seconds += 10
    assert await books.ledger.hold_alarms("a", 15) is not None
    books.lease_clock.seconds += 14
    assert await books.other.hold_alarms("b", 15) is None
    books.lease_clock.seconds += 1
    assert await books.other.hold_alarms("b", 15) is not None
    assert await books.ledger.hold_alarms("a", 15) is None
    await books.ledger.release_alarms("a")
    assert await books.ledger.hold_alarms("a", 15) is None, "who does not hold it lets nothing go"
    await books.other.release_alarms("b")
    assert await books.ledger.hold_alarms("a", 15) is not None


@on_every_ledger
async def test_the_events_of_some_kinds_are_found_between_two_places(books: Books) -> None:
    kinds = ["breaker.opened", "issued", "breaker.closed", "issued", "breaker.opened"]
    await books.ledger.append_events([EventDraft(kind, NOW, TAXPAYER) for kind in kinds])
    places = [event.position for event in await books.ledger.events()]
    wanted = {"breaker.opened", "breaker.closed"}

    async def found(after: int, until: int, limit: int = 10) -> list[int]:
        return [one.position for one in await books.other.alarm_events(wanted, after, until, limit)]

    assert await found(0, places[-1]) == [places[0], places[2], places[4]]
    assert await found(places[0], places[3]) == [places[2]]
    assert await found(0, places[-1], 2) == [places[0], places[2]]
    assert await books.other.alarm_events((), 0, places[-1], 10) == []


@on_every_ledger
async def test_alarms_are_listed_by_whose_they_are_and_by_whether_they_are_open(books: Books) -> None:
    rows = [
        ALARM,
        replace(ALARM, id=2, taxpayer=TAXPAYER),
        replace(ALARM, id=3, taxpayer=OTHER_TAXPAYER, closed_at=NOW, closed_by="lapsed"),
        replace(ALARM, id=4, taxpayer=TAXPAYER, acked_at=NOW, acked_by="wang", note=HOSTILE),
    ]
    await begun(books, alarms=rows)

    async def listed(**more: object) -> list[int]:
        return [one.id for one in await books.other.alarms(**more)]  # type: ignore[arg-type]

    assert await books.other.alarms() == rows
    assert await listed(open_only=True) == [1, 2, 4]
    assert await listed(taxpayers=[TAXPAYER]) == [2, 4]
    assert await listed(taxpayers=[OTHER_TAXPAYER], open_only=True) == []
    assert await listed(taxpayers=[]) == []
    assert await listed(after=2, limit=1) == [3]
    closed = replace(ALARM, closed_at=NOW)
    assert await books.ledger.change_alarms(change(await books.ledger.alarm_desk(), alarms=[closed]))
    assert await listed(open_only=True) == [2, 4]


@on_every_ledger
async def test_a_silence_that_is_over_is_not_listed_and_can_be_cut_short(books: Books) -> None:
    await begun(books, silences=[SILENCE, replace(SILENCE, id=4, until=NOW + 2 * HOUR)])
    assert [one.id for one in await books.other.silences(NOW + HOUR)] == [4]
    short = replace(SILENCE, id=4, until=NOW, hits=3)
    assert await books.ledger.change_alarms(change(await books.ledger.alarm_desk(), silences=[short]))
    assert await books.other.silences(NOW) == [SILENCE]


@on_every_ledger
async def test_a_message_is_leased_to_one_node_and_again_only_when_that_lease_ran_out(books: Books) -> None:
    later = replace(MESSAGE, id=4, next_at=NOW + HOUR)
    await begun(books, messages=[MESSAGE, later])
    taken = await asyncio.gather(*(node.lease_messages("n", NOW, 60, 10) for node in (books.ledger, books.other)))
    assert sorted(taken, key=len) == [[], [replace(MESSAGE, epoch=1)]]
    books.lease_clock.seconds += 59
    assert await books.other.lease_messages("b", NOW, 60, 10) == []
    books.lease_clock.seconds += 1
    (again,) = await books.other.lease_messages("b", NOW, 60, 10)
    assert (again.key, again.epoch) == (MESSAGE.key, 2)
    sent = replace(MESSAGE, epoch=1, state=MessageState.SENT, ended_at=NOW, channel="hook")
    assert not await books.ledger.save_message(sent), "who lost its lease says nothing more"
    put_off = replace(again, next_at=NOW + HOUR, tries=1, cause="http.500")
    assert await books.other.save_message(put_off)
    assert await books.ledger.lease_messages("a", NOW, 60, 10) == []
    both = await books.ledger.lease_messages("a", NOW + HOUR, 60, 10)
    assert both == [replace(put_off, epoch=3), replace(later, epoch=1)]
    assert await books.ledger.save_message(replace(both[0], state=MessageState.SENT, ended_at=NOW, channel="hook"))
    assert not await books.ledger.save_message(replace(both[0], state=MessageState.GIVEN_UP, ended_at=NOW))
    assert await books.other.outbox() == Outbox(1, NOW)
    await books.other.forget_messages(NOW + HOUR)
    assert await books.other.outbox() == Outbox(1, NOW), "what waits is not forgotten"


@on_every_ledger
async def test_no_more_messages_are_leased_at_a_time_than_asked_for(books: Books) -> None:
    await begun(books, messages=[replace(MESSAGE, id=place) for place in range(1, 6)])
    assert [one.id for one in await books.ledger.lease_messages("a", NOW, 60, 2)] == [1, 2]
    assert [one.id for one in await books.other.lease_messages("b", NOW, 60, 9)] == [3, 4, 5]
