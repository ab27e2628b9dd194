"""Outages (R10): begun, counted and closed by the trail, exactly once, whoever is killed and whenever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench import OTHER, SELLER, START, Point, point

from kaipiao.errors import KaipiaoError, Malformed
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import outage as story
from kaipiao.issuing.outage import Outage, outage_of
from kaipiao.issuing.outage_report import SIZE_LIMIT, canonical, facts_of, holds, read_report, sealed_report
from kaipiao.issuing.outage_sums import list_digest
from kaipiao.issuing.outage_watch import OutageKeeper, OutagePolicy
from kaipiao.issuing.ports import Inline
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.outages import OutageSums
from kaipiao.ledger.port import EventDraft, Ledger, Taxpayer
from kaipiao.seal.detached import SealFile, seal_file
from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2Sealer

PRIVATE = Sm2PrivateKey.generate()
AUDIT = Sm2Sealer("audit", PRIVATE)
CHANNEL = "pretend"
FLAP = 300.0


def sealing(data: bytes) -> SealFile:
    return seal_file(data, AUDIT.seal(data), AUDIT.public_key)


@dataclass
class Trail:
    """A point of issuing, whoever watches over it, and what the trail is told."""

    p: Point

    def keeper(self, ledger: Ledger | None = None, *, leads: bool = True, channels: Any = None) -> OutageKeeper:
        named = {CHANNEL: self.p.bureau} if channels is None else channels
        ours = (lambda: leads, sealing, Inline(), self.p.clock, IdMaker(self.p.clock.now), OutagePolicy(FLAP, 60.0))
        return OutageKeeper(ledger or self.p.ledger, named, *ours, lambda: 0.0)

    async def tell(self, kind: str, **data: str | int | bool | None) -> None:
        await self.p.ledger.append_events([EventDraft(kind, self.p.clock.now(), data={"channel": CHANNEL, **data})])

    async def mode(self, mode: str, cause: str = "breaker.open", **data: str | None) -> None:
        await self.tell("mode.changed", mode=mode, former="online", cause=cause, rule=None, deadline=None, **data)

    async def all(self) -> list[Outage]:
        return [outage_of(row) for row in await self.p.ledger.outages()]

    async def only(self) -> Outage:
        (one,) = await self.all()
        return one

    async def kinds(self) -> list[str]:
        return [e.kind for e in await self.p.ledger.platform_events() if e.kind.startswith("outage.")]

    async def settle(self, seconds: float = 7200.0) -> None:
        await self.p.run(seconds)


def play(story_of: Callable[[Trail], Awaitable[None]], sellers: Sequence[str] = (SELLER,)) -> None:
    async def run() -> None:
        p = await point(sellers=sellers)
        await p.ledger.save_taxpayers([Taxpayer(s, "default", "示例", (CHANNEL,)) for s in sellers])
        await story_of(Trail(p))

    asyncio.run(run())


async def whole(t: Trail, keeper: OutageKeeper, count: int = 3) -> Outage:
    """An outage from its begin to its report: `count` invoices issued in it."""
    await t.tell("breaker.opened", endpoint="https://127.0.0.1:1", cause="connect.refused", failures=3, node="n1")
    await t.mode("contingency_failure")
    await keeper.round()
    t.p.clock.advance(10)
    for n in range(count):
        await t.p.issue(f"o-{n}")
    t.p.clock.advance(120)
    await keeper.round()
    await t.mode("online", cause="breaker.closed")
    await keeper.round()
    await t.settle()
    await keeper.round()
    return (await t.all())[0]


def test_from_begin_to_sealed_report() -> None:
    async def tale(t: Trail) -> None:
        ended = await whole(t, t.keeper())
        assert ended.back_at == ended.begun_at + timedelta(seconds=130)
        assert ended.drained_at is not None
        assert ended.closed_at is not None
        assert ended.closed_at >= ended.drained_at
        assert ended.total == OutageSums(3, 3, 0, 0)
        assert ended.hypothesis is not None
        assert (ended.hypothesis.code, ended.hypothesis.phase) == ("connect.refused", "connect")
        assert ended.hypothesis.endpoint == "https://127.0.0.1:1"
        events = {e.position: e.kind for e in await t.p.ledger.platform_events()}
        assert all(events[one.position] == one.kind for one in ended.evidence)
        assert [m.mode for m in ended.modes] == ["contingency_failure", "online"]
        assert [count for _, count in ended.debt] == [0, 3, 3, 0]
        assert await t.kinds() == ["outage.begun", "outage.ended", "outage.reported"]
        assert holds(ended.report, lambda key_id: PRIVATE.public_key)
        reported = (await t.p.ledger.platform_events())[-1]
        assert reported.data["digest"] == sm3(canonical(read_report(ended.report)[0])).hex()
        assert await t.keeper().round() > 0
        assert len(await t.all()) == 1

    play(tale)


def test_the_digest_of_the_list_is_that_of_what_was_issued_while_it_lasted() -> None:
    async def tale(t: Trail) -> None:
        for seller in (OTHER, SELLER):
            await t.p.issue("before", by=seller)
        t.p.clock.advance(1)
        ended = await whole(t, t.keeper(), count=5)
        lines = []
        for n in range(5):
            record = await t.p.record(f"o-{n}")
            document = (await t.p.ledger.documents(SELLER, [record.id]))[record.id]
            lines.append(f"{SELLER},{record.number},{document.digest.hex()}\n")
        assert ended.list_digest == sm3("".join(sorted(lines)).encode()).hex()

    play(tale, (SELLER, OTHER))


def test_an_outage_ends_when_the_mode_is_back_and_the_debt_is_drained_not_before() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        await t.mode("offline", cause="resolver.stale")
        await keeper.round()
        t.p.clock.advance(1)
        await t.p.issue("waits")
        t.p.clock.advance(1)
        await t.mode("online")
        for _ in range(20):
            t.p.clock.advance(60)
            await keeper.round()
        one = await t.only()
        assert (one.back_at is not None, one.drained_at, one.closed_at) == (True, None, None)
        assert one.total == OutageSums(1, 0, 1, 0)
        await t.settle()
        await keeper.round()
        assert (await t.only()).closed_at is not None
        assert await t.p.state("waits") is State.CONFIRMED

    play(tale)


def test_flaps_are_one_outage_and_a_later_fall_is_another() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        for mode in ("contingency_failure", "online", "contingency_failure", "degraded", "online"):
            await t.mode(mode)
            t.p.clock.advance(FLAP - 1)
            await keeper.round()
        one = await t.only()
        assert one.closed_at is None
        assert [m.mode for m in one.modes][-2:] == ["degraded", "online"]
        assert await t.kinds() == ["outage.begun"]
        t.p.clock.advance(2)
        t.p.clock.advance(FLAP)
        await keeper.round()
        assert (await t.only()).closed_at is not None
        await t.mode("contingency_planned")
        await keeper.round()
        assert len(await t.all()) == 2

    play(tale)


@pytest.mark.parametrize("mode", ["online", "degraded", "halted"])
def test_other_modes_begin_none(mode: str) -> None:
    async def tale(t: Trail) -> None:
        await t.mode(mode)
        await t.keeper().round()
        assert await t.all() == []

    play(tale)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"mode": None},
        {"mode": "gone"},
        {"mode": 7},
        {"mode": True},
        {"mode": "offline", "channel": None},
        {"mode": "offline", "channel": ""},
        {"mode": "offline", "channel": 3},
    ],
)
def test_a_change_of_mode_that_cannot_be_read_is_passed(data: dict[str, Any]) -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        await t.tell("mode.changed", **data)
        await t.mode("offline")
        await keeper.round()
        assert (await t.only()).channel == CHANNEL

    play(tale)


def test_a_taxpayers_own_mode_begins_no_outage_of_the_channel() -> None:
    async def tale(t: Trail) -> None:
        data = {"channel": CHANNEL, "mode": "offline", "former": "online", "cause": "budget.numbers"}
        await t.p.ledger.append_events([EventDraft("mode.changed", START, SELLER, None, data)])
        await t.keeper().round()
        assert await t.all() == []

    play(tale)


def test_who_does_not_lead_does_nothing() -> None:
    async def tale(t: Trail) -> None:
        await t.mode("offline")
        await t.keeper(leads=False).round()
        assert await t.all() == []

    play(tale)


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """A ledger whose user dies at its n-th call: before it is done, or after."""

    def __init__(self, ledger: Ledger, dies_at: int, done: bool) -> None:
        self._ledger, self._left, self._done = ledger, dies_at, done

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._done:
                raise Killed
            result = await getattr(self._ledger, name)(*args, **named)
            if self._left == 0:
                raise Killed
            return result

        return call


async def with_deaths(t: Trail, turn: Callable[[], Awaitable[None]], dies_at: int, done: bool) -> None:
    """The round dies at that call, then another keeper does it anew."""
    keeper = t.keeper(Dying(t.p.ledger, dies_at, done))
    with contextlib.suppress(Killed):
        await keeper.round()
    await turn()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 12))
def test_killed_at_any_call_there_is_one_outage_with_one_report(dies_at: int, done: bool) -> None:
    async def tale(t: Trail) -> None:
        async def again() -> None:
            await t.keeper().round()

        await t.mode("contingency_failure")
        await with_deaths(t, again, dies_at, done)
        t.p.clock.advance(5)
        await t.p.issue("o-1")
        t.p.clock.advance(1)
        await t.mode("online")
        await with_deaths(t, again, dies_at, done)
        await t.settle()
        await with_deaths(t, again, dies_at, done)
        await again()
        ended = await t.only()
        assert ended.closed_at is not None
        assert ended.total == OutageSums(1, 1, 0, 0)
        assert await t.kinds() == ["outage.begun", "outage.ended", "outage.reported"]
        assert holds(ended.report, lambda key_id: PRIVATE.public_key)

    play(tale)


def test_three_nodes_that_all_believe_that_they_lead_make_one_outage() -> None:
    async def tale(t: Trail) -> None:
        store: MemoryStore = t.p.ledger.store  # type: ignore[attr-defined]
        keepers = [t.keeper(MemoryLedger(f"m{n}", store=store)) for n in range(3)]

        async def all_at_once() -> None:
            await asyncio.gather(*(keeper.round() for keeper in keepers))

        await t.mode("contingency_failure")
        await all_at_once()
        await t.mode("online")
        t.p.clock.advance(FLAP + 1)
        await all_at_once()
        await all_at_once()
        assert (await t.only()).closed_at is not None
        assert await t.kinds() == ["outage.begun", "outage.ended", "outage.reported"]

    play(tale)


def test_a_trail_full_of_other_things_is_passed_in_pages_and_the_cursor_moves() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        await t.p.ledger.append_events([EventDraft("access.passed", START) for _ in range(1200)])
        await t.mode("offline")
        for _ in range(4):
            await keeper.round()
        assert (await t.only()).channel == CHANNEL
        watch = await t.p.ledger.outage_watch()
        assert watch.position >= 1200

    play(tale)


def test_hostile_words_of_events_are_kept_short_and_all_of_it_stays_bounded() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        await t.mode("offline", cause="<script>" * 1000)
        for n in range(400):
            await t.tell("breaker.opened", cause="x" * 10_000, endpoint=f"e{n}")
            await t.mode("degraded" if n % 2 else "offline")
        for _ in range(3):
            await keeper.round()
        for _ in range(600):
            t.p.clock.advance(60)
            await keeper.round()
        one = await t.only()
        assert len(one.modes) <= story.MOST_MODES
        assert len(one.evidence) <= story.MOST_EVIDENCE
        assert len(one.debt) <= story.MOST_SAMPLES + 1
        assert one.modes[0].cause == "<script>" * 25
        assert len((await t.p.ledger.outages())[0].detail) < 100_000

    play(tale)


def test_what_is_later_than_48_hours_is_counted_late() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper()
        await t.mode("contingency_failure")
        await keeper.round()
        t.p.clock.advance(1)
        await t.p.issue("late")
        t.p.clock.advance(48 * 3600 + 2)
        await keeper.round()
        assert (await t.only()).total == OutageSums(1, 0, 1, 1)

    play(tale)


def test_a_channel_that_is_not_configured_any_more_still_gets_its_end() -> None:
    async def tale(t: Trail) -> None:
        keeper = t.keeper(channels={})
        await t.mode("offline")
        await t.mode("online")
        t.p.clock.advance(FLAP + 1)
        await keeper.round()
        await keeper.round()
        assert (await t.only()).closed_at is not None

    play(tale)


def sealed() -> bytes:
    return sealed_report(Outage(7, "leqi", START, START, START, START, list_digest="00"), sealing)


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    whole_file = json.loads(sealed())
    change(whole_file)
    return json.dumps(whole_file).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["report"].update(outage="8"),
        lambda f: f["report"]["counts"].update(late=-1),
        lambda f: f["report"].update(more=1),
        lambda f: f["report"].pop("back_at"),
        lambda f: f["seal"].update(digest="00" * 32),
        lambda f: f["seal"].update(public_key=Sm2PrivateKey.generate().public_key.point.hex()),
        lambda f: f["report"].update(channel="\ud800"),
    ],
)
def test_a_report_that_was_altered_does_not_hold(change: Callable[[dict[str, Any]], object]) -> None:
    assert holds(sealed(), lambda key_id: PRIVATE.public_key)
    assert not holds(altered(change), lambda key_id: PRIVATE.public_key)


def test_a_report_that_another_key_sealed_does_not_hold() -> None:
    assert not holds(sealed(), lambda key_id: Sm2PrivateKey.generate().public_key)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        sealed()[:-40],
        sealed().replace(b'"outage": "7"', b'"outage": "7", "outage": "8"'),
        sealed().replace(b'"issued": 0', b'"issued": 0.5'),
        sealed().replace(b'"issued": 0', b'"issued": NaN'),
        b" " * (SIZE_LIMIT + 1),
        altered(lambda f: f.update(format="kaipiao-outage-report-2")),
        altered(lambda f: f.update(extra=1)),
        altered(lambda f: f.update(report=[])),
        altered(lambda f: f.update(seal=None)),
    ],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        holds(content, lambda key_id: PRIVATE.public_key)


@pytest.mark.parametrize(
    "change", [{"signature": "zz"}, {"key_id": "../x"}, {"algorithm": "none"}, {"public_key": "04"}]
)
def test_a_seal_that_is_none_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(KaipiaoError):
        holds(altered(lambda f: f["seal"].update(change)), lambda key_id: PRIVATE.public_key)


def test_facts_say_what_is_still_open() -> None:
    one = replace(Outage(7, "leqi", START), sums={SELLER: OutageSums(10, 6, 3, 1)})
    counts = facts_of(one)["counts"]
    assert counts == {"issued": 10, "uploaded": 6, "open": 3, "ended_otherwise": 1, "late": 1}


def test_an_empty_list_has_the_digest_of_nothing() -> None:
    async def tale(t: Trail) -> None:
        end = START + timedelta(hours=1)
        assert await list_digest(t.p.ledger, CHANNEL, [SELLER], START, end) == sm3(b"")

    play(tale)
