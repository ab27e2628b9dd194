"""Messages on their way out: from the trail to a receiver; at least once, in turn, bounded; trouble is told by another way."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from standardwebhooks import Webhook as Verifier

from delivery.receivers import receiver
from delivery.test_http_channels import SECRETS, channel
from kaipiao.clock import ManualClock
from kaipiao.delivery.outbox import Outbox
from kaipiao.delivery.port import DELIVERED, Notice, Notifier, Verdict, later, refused, too_early
from kaipiao.ledger.alarms import AlarmChange, Message, MessageState
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import EventDraft, Ledger
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.operations.alarms.desk import AlarmDeskWork
from kaipiao.operations.alarms.sorts import sorts
from kaipiao.operations.alarms.telling import Manner
from kaipiao.operations.alarms.words import Words

START = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)


class Killed(Exception):
    """The end of a process."""


class Pretended:
    """A channel that answers in turn as it is told, the last for ever."""

    def __init__(self, name: str, *verdicts: Verdict) -> None:
        self.name = name
        self.verdicts = list(verdicts) or [DELIVERED]
        self.keys: list[str] = []
        self.now: Callable[[], Awaitable[None]] | None = None

    async def send(self, notice: Notice) -> Verdict:
        self.keys.append(notice.key)
        if self.now is not None:
            await self.now()
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]


@dataclass
class Stand:
    wall: ManualClock = field(default_factory=lambda: ManualClock(START))
    store: MemoryStore = field(default_factory=MemoryStore)
    seconds: float = 0.0
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def ledger(self, name: str = "n1") -> MemoryLedger:
        return MemoryLedger(name, lambda: self.seconds, store=self.store)

    def outbox(self, *channels: Notifier, node: str = "n1", route: Sequence[str] | None = None, **more: Any) -> Outbox:
        names = [one.name for one in channels]
        routes = {"warning": names if route is None else route}
        return Outbox(
            self.ledger(node), node, {one.name: one for one in channels}, routes, timedelta(hours=24), self.wall, self.wall,
            count=lambda name, outcome: self.counted.update([(name, outcome)]), **more,
        )  # fmt: skip

    async def put(self, count: int = 1, **more: Any) -> None:
        ledger = self.ledger()
        await ledger.begin_alarms(0)
        desk = await ledger.alarm_desk()
        ids = range(desk.last_id + 1, desk.last_id + 1 + count)
        made = [
            Message(i, f"k-{i}", "opened", "warning", self.wall.now(), self.wall.now(), "t", "x", **more) for i in ids
        ]
        assert await ledger.change_alarms(AlarmChange(desk.revision, desk.position, ids[-1], messages=made))

    def message(self, identity: int = 1) -> Message:
        return self.store.alarms.messages[identity]

    async def kinds(self) -> list[tuple[str, Any]]:
        return [(one.kind, one.data.get("channel")) for one in await self.ledger().events()]


def run(story: Callable[[Stand], Awaitable[None]]) -> None:
    asyncio.run(_run(story))


async def _run(story: Callable[[Stand], Awaitable[None]]) -> None:
    await story(Stand())


def test_a_message_is_sent_once_and_marked_so() -> None:
    async def story(s: Stand) -> None:
        hook = Pretended("hook")
        outbox = s.outbox(hook)
        await s.put()
        for _ in range(3):
            await outbox.look()
        assert (hook.keys, s.message().state, s.message().channel) == (["k-1"], MessageState.SENT, "hook")
        assert (s.counted, outbox.age()) == ({("hook", "delivered"): 1}, 0.0)

    run(story)


def test_a_failing_channel_falls_over_to_the_next_at_once_and_its_trouble_is_told_once_and_when_it_is_over() -> None:
    async def story(s: Stand) -> None:
        hook, mail = Pretended("hook", refused("http.404"), refused("http.404"), DELIVERED), Pretended("mail")
        outbox = s.outbox(hook, mail)
        for place in range(1, 4):
            await s.put()
            await outbox.look()
            await outbox.look()
            assert s.message(place).state is MessageState.SENT
        assert (hook.keys, mail.keys) == (["k-1", "k-2", "k-3"], ["k-1", "k-2"])
        assert await s.kinds() == [("delivery.failed", "hook"), ("delivery.worked", "hook")]

    run(story)


def test_one_failure_that_passes_is_no_trouble_and_two_are() -> None:
    async def story(s: Stand) -> None:
        hook, mail = Pretended("hook", later("timeout"), later("timeout")), Pretended("mail")
        outbox = s.outbox(hook, mail)
        await s.put()
        await outbox.look()
        assert await s.kinds() == []
        await s.put()
        await outbox.look()
        assert await s.kinds() == [("delivery.failed", "hook")]

    run(story)


def test_what_is_about_a_channel_does_not_go_through_it() -> None:
    async def story(s: Stand) -> None:
        hook, mail = Pretended("hook"), Pretended("mail")
        await s.put(avoid=("hook",))
        await s.outbox(hook, mail).look()
        assert (hook.keys, mail.keys) == ([], ["k-1"])
        await s.put(avoid=("hook",))
        await s.outbox(hook).look()
        assert (s.message(2).state, s.message(2).cause) == (MessageState.GIVEN_UP, "no.channel")

    run(story)


def test_the_wait_grows_from_round_to_round_and_ends_after_a_day() -> None:
    async def story(s: Stand) -> None:
        hook = Pretended("hook", later("http.500"))
        outbox = s.outbox(hook)
        await s.put()
        waits, before = [], 0
        for _ in range(24 * 3600):
            await outbox.look()
            if len(hook.keys) > before:
                before = len(hook.keys)
                waits.append((s.message().next_at - s.wall.now()).total_seconds())
                s.wall.advance(waits[-1] - 1)
                await outbox.look()
                assert len(hook.keys) == before, "not a second before its time"
            s.wall.advance(1)
            if s.message().state is not MessageState.WAITING:
                break
        assert waits[:8] == [10, 20, 40, 80, 160, 320, 640, 900]
        assert set(waits[8:]) == {900}
        assert (s.message().state, s.message().cause) == (MessageState.GIVEN_UP, "http.500")
        assert ("delivery.given_up", None) in await s.kinds()
        assert s.counted["hook", "given_up"] == 1

    run(story)


def test_a_short_wait_for_the_rate_is_waited_and_a_long_one_is_another_channels() -> None:
    async def story(s: Stand) -> None:
        robot, mail = Pretended("robot", too_early(3), DELIVERED, too_early(600)), Pretended("mail")
        outbox = s.outbox(robot, mail)
        await s.put()
        await outbox.look()
        s.wall.advance(2)
        await outbox.look()
        assert (len(robot.keys), mail.keys) == (1, [])
        s.wall.advance(1)
        await outbox.look()
        assert s.message().channel == "robot"
        await s.put()
        await outbox.look()
        await outbox.look()
        assert mail.keys == ["k-2"]
        assert await s.kinds() == [], "a rate is no trouble"

    run(story)


@pytest.mark.parametrize("after", [False, True], ids=["before it was sent", "after it was sent"])
def test_a_node_that_is_killed_leaves_the_message_to_another_with_the_same_key(after: bool) -> None:
    async def story(s: Stand) -> None:
        async def die() -> None:
            raise Killed

        hook, second = Pretended("hook"), Pretended("hook")
        hook.now = die
        await s.put()
        if after:
            task = asyncio.ensure_future(s.outbox(hook)._try((await s.ledger().lease_messages("n1", START, 120, 8))[0]))
            await asyncio.wait({task})
            assert isinstance(task.exception(), Killed)
        else:
            await s.ledger().lease_messages("n1", START, 120, 8)
        other = s.outbox(second, node="n2")
        s.seconds += 119
        await other.look()
        assert second.keys == [], "as long as the lease holds nobody else sends it"
        s.seconds += 1
        await other.look()
        await other.look()
        assert (hook.keys, second.keys) == (["k-1"] if after else [], ["k-1"])
        assert s.message().state is MessageState.SENT

    run(story)


def test_two_nodes_that_send_at_once_send_each_message_once() -> None:
    async def story(s: Stand) -> None:
        hooks = [Pretended("hook"), Pretended("hook")]

        async def pause() -> None:
            await asyncio.sleep(0)

        for hook in hooks:
            hook.now = pause
        boxes = [s.outbox(hook, node=f"n{place}") for place, hook in enumerate(hooks)]
        await s.put(100)
        while s.message(100).state is MessageState.WAITING:
            await asyncio.gather(*(box.look() for box in boxes))
        sent = Counter(hooks[0].keys + hooks[1].keys)
        assert len(sent) == 100
        assert set(sent.values()) == {1}

    run(story)


def test_a_channel_that_hangs_holds_up_no_other_message() -> None:
    async def story(s: Stand) -> None:
        hook = Pretended("hook")
        hanging = asyncio.Event()

        async def hang() -> None:
            if len(hook.keys) == 1:
                await hanging.wait()

        hook.now = hang
        await s.put(8)
        looking = asyncio.create_task(s.outbox(hook).look())
        while s.message(8).state is MessageState.WAITING:
            await asyncio.sleep(0)
        assert s.message(1).state is MessageState.WAITING
        hanging.set()
        await looking

    run(story)


def test_who_does_not_have_the_desk_sends_nothing() -> None:
    async def story(s: Stand) -> None:
        hook = Pretended("hook")
        await s.put()
        await s.outbox(hook, may_send=lambda: False).look()
        assert hook.keys == []

    run(story)


def test_a_storm_in_the_trail_reaches_the_receiver_as_one_signed_message_with_its_count(tmp_path: Path) -> None:
    async def story(ledger: Ledger, port: int) -> None:
        clock = ManualClock(START)
        manner = Manner(timedelta(seconds=5), timedelta(seconds=300), ("warning",))
        desk = AlarmDeskWork(ledger, "n1", sorts(), manner, Words("test", "n1"), clock)
        hook = channel("webhook", tmp_path, port)
        routes = {"warning": ["ops"]}
        outbox = Outbox(ledger, "n1", {"ops": hook}, routes, timedelta(hours=1), clock, desk._wall)
        await desk.begin()
        storm = [EventDraft("breaker.opened", START, data={"channel": "c", "endpoint": f"e-{i}"}) for i in range(1000)]
        await ledger.append_events(storm)
        for _ in range(3):
            while await desk.look() == 0.0:
                continue
            await outbox.look()
            clock.advance(6)

    async def both() -> None:
        for ledger in (MemoryLedger("w"), SqliteLedger(tmp_path / "data")):
            async with receiver() as far:
                await ledger.open()
                await story(ledger, far.port)
                await ledger.close()
                (got,) = far.got
                said = Verifier(SECRETS[0]).verify(got.body, got.headers)["data"]
                assert (said["count"], said["alarms"]) == (1000, 1000)
                assert (said["first"]["endpoint"], said["last"]["endpoint"]) == ("e-0", "e-999")

    asyncio.run(both())
