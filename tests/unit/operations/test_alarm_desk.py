"""The desk of alarms: what opens and ends one, what is told together, when, how often, and to whom not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaipiao.clock import ManualClock
from kaipiao.delivery.wording import utf8
from kaipiao.ledger.alarms import Alarm, Message
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.alarms import judging
from kaipiao.operations.alarms.deeds import AlarmDeeds, Reach
from kaipiao.operations.alarms.desk import AlarmDeskWork
from kaipiao.operations.alarms.expiry import Expiries
from kaipiao.operations.alarms.sorts import kinds, read, sorts
from kaipiao.operations.alarms.telling import Manner
from kaipiao.operations.alarms.words import Words

START = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)
ALL = Reach(None)
SELLER = "91440300MA5EXMPL17"


@dataclass
class Stand:
    """Desks of as many nodes as are asked for, on one ledger in memory."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryStore = field(default_factory=MemoryStore)
    seconds: float = 0.0
    routes: tuple[str, ...] = ("critical", "warning", "info")
    further: Any = None

    def node(self, name: str = "n1") -> AlarmDeskWork:
        manner = Manner(timedelta(seconds=5), timedelta(seconds=300), self.routes)
        more = {} if self.further is None else {"further": self.further}
        return AlarmDeskWork(
            self.ledger(name), name, sorts(), manner, Words("test", name), self.clock, wall=self.wall, **more
        )

    def ledger(self, name: str = "n1") -> MemoryLedger:
        return MemoryLedger(name, lambda: self.seconds, store=self.store)

    async def happens(self, kind: str, taxpayer: str | None = None, subject: str | None = None, **data: Any) -> None:
        await self.ledger().append_events([EventDraft(kind, self.clock.now(), taxpayer, subject, data)])

    def messages(self) -> list[Message]:
        return [one for _, one in sorted(self.store.alarms.messages.items())]

    def alarms(self) -> list[Alarm]:
        return [one for _, one in sorted(self.store.alarms.alarms.items())]

    async def later(self, desk: AlarmDeskWork, seconds: float = 6.0) -> None:
        self.clock.advance(seconds)
        await desk.look()

    def deeds(self) -> AlarmDeeds:
        return AlarmDeeds(self.ledger(), self.clock, sorts())


def played(story: Callable[[Stand, AlarmDeskWork], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        stand = Stand(**more)
        desk = stand.node()
        await desk.begin()
        await story(stand, desk)

    asyncio.run(run())


OPENED: dict[str, Any] = {
    "channel": "leqi",
    "endpoint": "https://a:443",
    "cause": "connect.refused",
    "failures": 3,
    "node": "n1",
}


def test_an_event_opens_an_alarm_and_is_told_once_with_what_to_do() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await desk.look()
        assert stand.messages() == [], "what comes together is gathered first"
        await stand.later(desk)
        for _ in range(5):
            await stand.later(desk, 60)
        (message,) = stand.messages()
        assert (message.kind, message.route) == ("opened", "warning")
        assert message.title.startswith("【警告】税局地址连不上 / Warning: ")
        for part in ("https://a:443", "connect.refused", "照常开票", "Issuing goes on", "kaipiao alarm ack 1"):
            assert part in message.text
        assert message.data["sorts"] == {"breaker": 1}

    played(story)


def test_an_event_that_is_no_alarm_is_passed_over() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        for kind in ("issued", "alarm.of_tomorrow", "breaker", ""):
            await stand.happens(kind)
        await stand.happens("mode.changed", channel="leqi", mode="a_mode_of_tomorrow")
        await stand.happens("mode.changed", channel="leqi", mode=None)
        await stand.later(desk)
        assert stand.alarms() == []

    played(story)


def test_what_clears_it_ends_it_and_who_was_told_is_told_of_that_too() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await stand.happens("breaker.opened", **{**OPENED, "endpoint": "https://b:443"})
        await desk.look()
        await stand.later(desk)
        await stand.happens("breaker.closed", channel="leqi", endpoint="https://a:443", seconds=60, node="n2")
        await stand.later(desk)
        assert [one.is_open for one in stand.alarms()] == [False, True]
        assert [one.kind for one in stand.messages()] == ["opened", "recovered"]
        assert stand.messages()[1].title.startswith("【警告】已恢复：")

    played(story)


def test_what_is_over_before_it_was_told_is_not_told_at_all() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await desk.look()
        await stand.happens("breaker.closed", channel="leqi", endpoint="https://a:443")
        await stand.later(desk)
        assert stand.messages() == []

    played(story)


def test_a_storm_of_a_thousand_alarms_is_one_message_with_the_count_a_first_and_a_last_example() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        for place in range(1000):
            await stand.happens("breaker.opened", **{**OPENED, "endpoint": f"https://host-{place:04}:443"})
            if place % 100 == 0:
                await desk.look()
        await stand.later(desk)
        for _ in range(4):
            await stand.later(desk, 60)
        (message,) = stand.messages()
        assert len(stand.alarms()) == 1000
        assert message.title.startswith("【警告】1,000 个告警（1,000 次）")
        assert "1,000 alarms (1,000 events)" in message.title
        assert "host-0000" in message.text
        assert "host-0999" in message.text
        assert "host-0500" not in message.text
        assert (message.data["count"], message.data["alarms"], len(message.data["ids"])) == (1000, 1000, 100)
        assert utf8(message.text) < 2000, "a robot takes it whole"

    played(story)


def test_what_a_node_saw_before_it_was_killed_is_not_told_for_ever() -> None:
    """A bug: breakers, heartbeats, the clock and the level of load are kept in memory, so after a restart nothing ended their
    alarms, and they were told again every few hours."""

    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        seen = (
            ("breaker.opened", OPENED),
            ("clock.skewed", {"skew_ms": 900}),
            ("alarm.heartbeat", {"dependency": "d", "seconds": 90}),
            ("degrade.raised", {"level": 1, "share": 20}),
        )
        for node in ("n1", "n2"):
            for kind, data in seen:
                await stand.happens(kind, **{**data, "node": node, "endpoint": f"https://{node}", "dependency": node})
        await stand.happens("breaker.opened", **{**OPENED, "endpoint": "https://both", "node": "n1"})
        await stand.happens("breaker.opened", **{**OPENED, "endpoint": "https://both", "node": "n2"})
        await stand.later(desk)
        await stand.later(desk)
        told = len(stand.messages())
        await stand.happens("node.started", node="n1")
        await stand.later(desk)
        assert {(one.name, one.last["node"]) for one in stand.alarms() if not one.is_open} == {
            (name, "n1") for name in ("breaker", "clock", "heartbeat", "degraded")
        }
        assert {one.closed_by for one in stand.alarms()} == {None, "node.started"}
        assert sum(one.is_open for one in stand.alarms()) == 5
        assert len(stand.messages()) == told

    played(story)


def test_a_thousand_events_of_one_group_are_one_alarm_and_one_message() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        for place in range(1000):
            await stand.happens("alarm.unknown50", SELLER, f"A-{place}", number=str(place), deadline="d")
        await stand.later(desk)
        await stand.later(desk)
        ((alarm,), (message,)) = (stand.alarms(), stand.messages())
        assert (alarm.count, alarm.first["order"], alarm.last["order"]) == (1000, "A-0", "A-999")
        assert "×1,000" in message.title
        for part in ("A-0 ", "A-999", SELLER, "1,000 times"):
            assert part in message.text

    played(story)


def test_a_storm_that_goes_on_is_one_message_in_each_pause() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        for place in range(60):
            await stand.happens("breaker.opened", **{**OPENED, "endpoint": f"https://host-{place}:443"})
            await stand.later(desk, 10)
        assert [one.data["alarms"] for one in stand.messages()] == [2, 30]  # at 20 s and at 320 s, of 600 s

    played(story)


def test_it_is_told_again_after_its_interval_but_not_when_somebody_has_it() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await desk.look()
        await stand.later(desk)
        await stand.later(desk, 4 * 3600)
        assert [one.kind for one in stand.messages()] == ["opened", "repeated"]
        await stand.deeds().acknowledge(ALL, 1, "wang", None)
        for _ in range(3):
            await stand.later(desk, 4 * 3600)
        assert len(stand.messages()) == 2

    played(story)


def test_a_rise_in_severity_is_told_at_once_though_somebody_has_it() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("alarm.unknown50", SELLER, "A-1", deadline="d")
        await desk.look()
        await stand.later(desk)
        await stand.deeds().acknowledge(ALL, 1, "wang", "mine")
        await stand.happens("alarm.unknown80", SELLER, "A-1", deadline="d")
        await desk.look()
        assert [(one.kind, one.route) for one in stand.messages()] == [("opened", "warning"), ("opened", "critical")]
        (alarm,) = stand.alarms()
        assert (alarm.severity, alarm.acked_by) == ("critical", None)
        await stand.happens("alarm.unknown50", SELLER, "A-2", deadline="d")
        await stand.later(desk)
        assert stand.alarms()[0].severity == "critical", "a lesser one lowers nothing"
        assert len(stand.messages()) == 2

    played(story)


def test_what_is_silenced_is_counted_and_told_when_the_silence_is_over_by_the_clock() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        until = START + timedelta(hours=1)
        await stand.deeds().silence(ALL, "breaker", None, until, "works", "wang")
        for _ in range(3):
            await stand.happens("breaker.opened", **OPENED)
        await stand.happens("outage.begun", outage="1", channel="leqi", cause="c")
        await stand.later(desk)
        await stand.later(desk)
        assert [one.data["sorts"] for one in stand.messages()] == [{"outage": 1}], "another sort is told"
        (silence,) = await stand.deeds().silences(ALL)
        assert (silence.hits, stand.alarms()[0].silenced) == (3, 3)
        await stand.later(desk, 3600 - 13)
        assert len(stand.messages()) == 1, "a second before its end"
        await stand.later(desk, 1)
        assert stand.messages()[-1].data["sorts"] == {"breaker": 1}
        assert await stand.deeds().silences(ALL) == []

    played(story)


def test_a_silence_of_a_taxpayer_is_about_that_taxpayer_alone() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.deeds().silence(ALL, None, SELLER, START + timedelta(hours=1), "closed", "wang")
        await stand.happens("budget.ended", SELLER, channel="leqi", bound="numbers")
        await stand.happens("budget.ended", "91OTHER", channel="leqi", bound="numbers")
        await stand.happens("budget.ended", channel="leqi", bound="numbers")
        await stand.later(desk)
        await stand.later(desk)
        (message,) = stand.messages()
        assert message.data["alarms"] == 2
        assert SELLER not in message.text

    played(story)


def test_one_that_nothing_clears_lapses_without_a_word() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("alarm.unknown50", SELLER, "A-1", deadline="d")
        await desk.look()
        await stand.later(desk)
        await stand.deeds().acknowledge(ALL, 1, "wang", None)
        await stand.later(desk, 48 * 3600)
        (alarm,) = stand.alarms()
        assert (alarm.is_open, alarm.closed_by, len(stand.messages())) == (False, "lapsed", 1)

    played(story)


def test_what_no_channel_is_there_for_is_listed_and_told_once_there_is_one() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await stand.later(desk)
        await stand.later(desk)
        assert (len(stand.alarms()), stand.messages()) == (1, [])
        await desk.release()
        stand.routes = ("warning",)
        await stand.later(stand.node("n2"))
        assert len(stand.messages()) == 1

    played(story, routes=())


def test_each_event_is_judged_once_across_nodes_restarts_and_races() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        other = stand.node("n2")
        for place in range(30):
            await stand.happens("breaker.opened", **OPENED)
            await asyncio.gather(desk.look(), other.look())
            if place % 7 == 0:  # its lease runs out while it sleeps: the other goes on, then it wakes
                stand.seconds += 16
                other.holds = desk.holds = place % 2 == 0
                await asyncio.gather(other.look(), desk.look())
            if place % 10 == 0:
                desk = stand.node("n1")
        (alarm,) = stand.alarms()
        assert alarm.count == 30

    played(story)


def test_a_node_that_lost_the_desk_without_knowing_changes_nothing() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await desk.look()
        assert desk.holds
        stand.seconds += 16
        other = stand.node("n2")
        await stand.happens("breaker.opened", **OPENED)
        await other.look()
        await desk.look()  # believes for some seconds that it has it
        await stand.later(other)
        await desk.look()
        assert (stand.alarms()[0].count, len(stand.messages())) == (1, 1)

    played(story)


def test_killed_at_any_operation_of_the_ledger_nothing_is_lost_or_judged_twice() -> None:
    async def run(killed_at: int) -> tuple[int, int]:
        stand = Stand()
        desk = stand.node()
        await desk.begin()
        for _ in range(3):
            await stand.happens("breaker.opened", **OPENED)
        ledger: Any = desk._ledger
        left = killed_at

        def guarded(name: str) -> Any:
            real = getattr(ledger, name)

            async def call(*given: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                done = await real(*given, **more)
                if left == 0:
                    raise KeyboardInterrupt
                return done

            return call

        for name in ("hold_alarms", "alarm_events", "alarms", "silences", "change_alarms", "last_position"):
            setattr(ledger, name, guarded(name))
        for _ in range(2):
            try:
                await stand.later(desk)
            except KeyboardInterrupt:
                break
        stand.seconds += 16
        again = stand.node("n2")
        await stand.later(again)
        await stand.later(again)
        return stand.alarms()[0].count, len(stand.messages())

    for place in range(1, 14):
        assert asyncio.run(run(place)) == (3, 1), place


def test_events_before_there_was_a_desk_are_no_news() -> None:
    async def run() -> None:
        stand = Stand()
        await stand.happens("breaker.opened", **OPENED)
        desk = stand.node()
        await desk.begin()
        await stand.happens("outage.begun", outage="1", channel="leqi", cause="c")
        await desk.look()
        assert [one.name for one in stand.alarms()] == ["outage"]

    asyncio.run(run())


def test_there_are_never_more_alarms_than_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_OPEN", 10)

    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        for place in range(100):
            await stand.happens("breaker.opened", **{**OPENED, "endpoint": f"e{place}"})
        await desk.look()
        assert len(stand.alarms()) == 11
        assert sum(one.count for one in stand.alarms()) == 100

    played(story)


HOSTILE = "x\r\nBcc: y@z\0\u202e{order} {0} %s <at user_id='all'> @all " + "票" * 5000


def test_what_stands_in_an_event_is_a_word_of_the_text_and_no_more() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", channel="c", endpoint=HOSTILE, cause=HOSTILE, failures=True, __class__=1)
        await stand.happens("outage.begun", outage=None, channel=None)
        await stand.later(desk)
        await stand.later(desk)
        (message,) = stand.messages()
        assert len(message.text) < 3000
        assert not set("\r\0\u202e") & set(message.text + message.title)
        assert "{order}" in message.text, "values are not filled again"

    played(story)


def test_certificates_are_told_once_for_each_threshold_and_once_when_they_are_renewed() -> None:
    async def run() -> None:
        stand, ticks = Stand(), [0.0]
        hours = {"leqi/client": 800.0, "server/server": float("nan")}
        stand.further = Expiries(lambda: hours, lambda: ticks[0]).events

        async def look(left: float) -> list[tuple[str, Any]]:
            hours["leqi/client"] = left
            for desk in nodes:
                for _ in range(3):
                    ticks[0] += 61
                    stand.seconds += 16  # each gets the desk in its turn
                    await stand.later(desk, 1)
            events = await stand.ledger().events()
            return [(one.kind, one.data.get("threshold")) for one in events if "certificate" in one.kind]

        nodes = [stand.node("n1"), stand.node("n2")]
        await nodes[0].begin()
        assert await look(721.0) == []
        said: list[tuple[str, Any]] = []
        for left, threshold in ((719.0, 720), (700.0, None), (300.0, 336), (71.5, 72), (70.0, None), (-1.0, 0)):
            said += [("alarm.certificate", threshold)] if threshold is not None else []
            assert await look(left) == said
        assert stand.alarms()[-1].severity == "critical"
        assert await look(8000.0) == [*said, ("certificate.renewed", None)]
        assert not stand.alarms()[-1].is_open
        nodes = [stand.node("n3")]
        assert await look(50.0) == [*said, ("certificate.renewed", None), ("alarm.certificate", 72)]

    asyncio.run(run())


def test_two_who_acknowledge_at_once_are_one_and_a_change_under_way_is_done_again() -> None:
    async def story(stand: Stand, desk: AlarmDeskWork) -> None:
        await stand.happens("breaker.opened", **OPENED)
        await desk.look()
        deeds = [stand.deeds() for _ in range(5)]
        acked = await asyncio.gather(*(one.acknowledge(ALL, 1, f"w{i}", None) for i, one in enumerate(deeds)))
        assert len({one.acked_by for one in acked}) == 1
        events = [one for one in await stand.ledger().events() if one.kind == "alarm.acknowledged"]
        assert len(events) == 1

    played(story)


# --- the table ----------------------------------------------------------------------------------------------------------

SOUND: dict[str, Any] = {
    "group": ["node"],
    "opens": [{"kind": "a.b", "severity": "warning"}],
    "clears": [{"kind": "a.c"}],
    "repeat_hours": 4,
    "title": {"zh": "题", "en": "title"},
    "text": {"zh": "文 {node}", "en": "text {node}"},
    "step": {"zh": "步", "en": "step"},
}


def test_the_table_of_the_package_is_sound_and_knows_the_events_of_the_rules() -> None:
    found = kinds(sorts())
    wanted = """alarm.unknown50 alarm.unknown80 budget.ended budget.renewed breaker.opened breaker.closed mode.changed
        outage.begun outage.ended alarm.certificate alarm.heartbeat alarm.clock clock.skewed clock.sound degrade.raised
        degrade.lowered reconcile.found number.used_twice conflict month.unconfirmed delivery.failed delivery.worked"""
    assert set(wanted.split()) <= found
    for sort in sorts().values():
        assert sort.title.zh != sort.title.en


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "warning"}, {"opens": []}, {"opens": [{"kind": "a", "severity": "grave"}]}, {"clears": []},
        {"opens": [{"kind": "a", "severity": "info", "then": 1}]}, {"repeat_hours": 0}, {"repeat_hours": "4"},
        {"lapse_hours": -1}, {"title": {"zh": "题"}}, {"text": {"zh": "{a.b}", "en": "x"}}, {"group": ["a b"]},
        {"text": {"zh": "{0}", "en": "x"}}, {"text": {"zh": "{", "en": "x"}}, {"step": None}, {"text": {"zh": "", "en": "x"}},
        {"opens": [{"kind": "a", "severity": "info", "when": {"x": 1}}]},
        {"opens": [{"kind": "a", "severity": "info", "when": {"x": {"most": 1}}}]},
    ],
)  # fmt: skip
def test_a_table_that_is_not_sound_is_refused_at_the_start(change: dict[str, Any]) -> None:
    read({"x": SOUND})
    with pytest.raises(ValueError, match=r"alarms.toml: \[x\]"):
        read({"x": {**SOUND, **change}})


def test_a_sort_that_there_is_no_more_lapses() -> None:
    board = judging.board_of([replace(_alarm(), name="gone")], [], 1)
    judging.lapse(board, sorts(), START)
    assert [one.closed_by for one in board.closed] == ["lapsed"]


def _alarm() -> Alarm:
    return Alarm(1, "breaker", "g", None, "warning", START, START, 1, {}, {})
