"""The laws of the breaker: when it opens, what goes while it is open, that it always closes again (R11, P29, P30)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bench import OTHER, SELLER, START, Point, point
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, Missed, Outcome, Phase, PhaseSpan, Timeline
from kaipiao.authority.endpoints import Endpoints
from kaipiao.clock import ManualClock
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.breaker import SLOW, Breaker, BreakerRules, Showed, showed
from kaipiao.issuing.breakers import Breakers, FarSide
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.problems import BREAKER_OPEN, DEFECT, LEASE_LOST, answered
from kaipiao.ledger.memory import MemoryLedger

HOUR = 3600.0
RULES = BreakerRules()


def took(seconds: float, outcome: Outcome = Outcome.OK, code: str | None = None, **more: Any) -> Answer[Any]:
    spans = (PhaseSpan(Phase.WRITE, 40.0, 40.5), PhaseSpan(Phase.WAIT, 40.5, 40.0 + seconds))  # 40 s for a connection
    return Answer(outcome, code=code, timeline=Timeline(Phase.ANSWER, spans, 100, True, "x", **more))


@pytest.mark.parametrize(
    ("answer", "shows"),
    [
        (took(4.9), Showed.GOOD),
        (took(5.0), Showed.SLOW),
        (took(1, Outcome.REJECTED, "02"), Showed.GOOD),
        (took(1, Outcome.NOT_ACCEPTED, "http.429"), Showed.GOOD),
        (took(1, Outcome.ALREADY_ACCEPTED, "03"), Showed.GOOD),
        (took(1, Outcome.AMBIGUOUS, "77"), Showed.GOOD),  # the bureau's own code, whatever it means: it answered
        (took(1, Outcome.NOT_SENT, "F009"), Showed.GOOD),  # one taxpayer's device sends nothing on
        (took(1, Outcome.AMBIGUOUS, "answer.unreadable"), Showed.FAILED),
        (took(1, Outcome.AMBIGUOUS, "http.502"), Showed.FAILED),
        (took(1, Outcome.NOT_ACCEPTED, "http.503"), Showed.FAILED),
        (took(1, Outcome.NOT_ACCEPTED, "handshake.client_certificate_refused"), Showed.FAILED),
        (took(60, Outcome.RETRY, "wait.timeout"), Showed.FAILED),
        (took(1, Outcome.RETRY, "09"), Showed.FAILED),
        (Answer(Outcome.NOT_SENT, code="connect.refused"), Showed.FAILED),
        (Answer(Outcome.NOT_SENT, code="queue.timeout"), Showed.NOTHING),
        (answered(Outcome.AMBIGUOUS, DEFECT), Showed.NOTHING),
        (answered(Outcome.NOT_SENT, LEASE_LOST), Showed.NOTHING),
        (answered(Outcome.NOT_SENT, BREAKER_OPEN), Showed.NOTHING),
    ],
)
def test_what_a_call_shows_of_the_far_side(answer: Answer[Any], shows: Showed) -> None:
    assert showed(answer, RULES.slow_s) is shows


WORDS = st.sampled_from([Showed.GOOD, Showed.SLOW, Showed.FAILED, Showed.NOTHING])


@given(st.lists(st.tuples(WORDS, st.floats(0, 40), st.booleans()), max_size=120), st.integers(0, 9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_happened_it_closes_in_bounded_time_once_probes_are_good_and_never_probes_twice_at_a_time(
    story: list[tuple[Showed, float, bool]], seed: int, slowly: bool
) -> None:
    now, chance = START, random.Random(seed)
    breaker = Breaker(RULES, now, chance)
    row = 0
    for what, seconds, hurry in story:
        now += timedelta(seconds=seconds)
        if breaker.begin_probe(now, hurry):
            assert breaker.open
            assert not breaker.begin_probe(now + timedelta(days=1), hurry)  # one is under way
            breaker.probed(what, "x", now)
            row = 0
        elif breaker.may_begin(now):
            assert not breaker.open
            row = (
                row + 1
                if what is Showed.FAILED or (what is Showed.SLOW and not breaker.slow)
                else (row if what is Showed.NOTHING else 0)
            )
            breaker.begun(now)
            breaker.heard(what, "x", breaker.era, now)
            assert breaker.open is (row >= RULES.failures)
            row = 0 if breaker.open else row
    good_from = now
    while breaker.open:
        now += timedelta(seconds=0.5)
        if breaker.begin_probe(now, False):
            breaker.probed(Showed.SLOW if slowly else Showed.GOOD, None, now)
    assert now - good_from <= timedelta(seconds=RULES.probe_most_s * 1.2 + RULES.good_probes * RULES.probe_s * 1.2 + 1)
    assert breaker.may_begin(now + timedelta(seconds=RULES.slow_gap_s))
    assert not slowly or now == good_from or breaker.slow


def opened(rules: BreakerRules = RULES, what: Showed = Showed.FAILED) -> Breaker:
    breaker = Breaker(rules, START, random.Random(1))
    for _ in range(rules.failures):
        breaker.heard(what, "connect.refused", breaker.era, START)
    assert breaker.open
    return breaker


def probed(breaker: Breaker, what: Showed, now: Any) -> Any:
    while not breaker.begin_probe(now, False):
        now += timedelta(seconds=0.25)
    breaker.probed(what, None, now)
    return now


def test_calls_that_began_before_a_change_say_nothing_about_what_came_after_it() -> None:
    breaker = opened()
    before, now = breaker.era - 1, START
    for _ in range(2):
        now = probed(breaker, Showed.GOOD, now)
    assert not breaker.open
    for _ in range(16):  # they hung all the time, and time out now
        breaker.heard(Showed.FAILED, "wait.timeout", before, now)
    assert not breaker.open


def test_a_bureau_that_answers_everything_in_six_seconds_opens_it_once_and_is_then_used() -> None:
    breaker, now = opened(what=Showed.SLOW), START
    assert breaker.cause == SLOW
    for _ in range(2):
        now = probed(breaker, Showed.SLOW, now)
    assert (breaker.open, breaker.slow) == (False, True)
    begun = 0
    for _ in range(600):
        now += timedelta(seconds=1)
        if breaker.may_begin(now):
            breaker.begun(now)
            breaker.heard(Showed.SLOW, None, breaker.era, now)
            begun += 1
    assert not breaker.open
    assert begun >= 290
    for _ in range(3):
        breaker.heard(Showed.GOOD, None, breaker.era, now)
    assert not breaker.slow


def test_a_bureau_whose_probes_are_quick_and_whose_calls_are_slow_is_used_too() -> None:
    breaker, now = opened(what=Showed.SLOW), START
    for _ in range(2):
        now = probed(breaker, Showed.GOOD, now)
    assert (breaker.open, breaker.slow) == (False, False)  # a quick answer closes it
    for _ in range(3):
        now += timedelta(seconds=6)
        breaker.heard(Showed.SLOW, None, breaker.era, now)
    assert breaker.open
    for _ in range(2):
        now = probed(breaker, Showed.GOOD, now)
    assert (breaker.open, breaker.slow) == (False, True)  # twice is enough to know it


def test_a_slow_bureau_that_then_fails_opens_it_again() -> None:
    breaker, now = opened(what=Showed.SLOW), START
    for _ in range(2):
        now = probed(breaker, Showed.SLOW, now)
    for _ in range(3):
        breaker.heard(Showed.FAILED, "wait.timeout", breaker.era, now)
    assert breaker.open


def test_a_clock_that_is_put_back_stops_neither_probes_nor_the_calls_of_a_slow_bureau() -> None:
    """Both waited until the clock had come to where it had been: an hour put back was an hour without a call."""
    breaker = Breaker(RULES, START, random.Random(1))
    for _ in range(3):
        breaker.heard(Showed.SLOW, None, 0, START + timedelta(hours=1))
    assert breaker.open
    assert breaker.begin_probe(START, hurry=False)
    breaker.probed(Showed.SLOW, None, START)
    assert breaker.begin_probe(START + timedelta(seconds=10), hurry=False)
    breaker.probed(Showed.SLOW, None, START + timedelta(seconds=10))
    assert breaker.slow
    assert not breaker.open
    breaker.begun(START + timedelta(hours=1))
    assert breaker.may_begin(START + timedelta(seconds=20))


def test_the_drain_after_it_closed_starts_gently() -> None:
    breaker, now = opened(), START
    for _ in range(2):
        now = probed(breaker, Showed.GOOD, now)
    begun = []
    for step in range(10 * 50):
        at = now + timedelta(seconds=step / 50)
        if breaker.may_begin(at):
            breaker.begun(at)
            begun.append(step // 50)
    assert [begun.count(second) for second in range(4)] == sorted(begun.count(second) for second in range(4))
    assert begun.count(0) <= 2
    assert begun.count(9) == 50


class Watched(PretendBureau):
    """Notes what was asked of it while it is down or back."""

    services: list[str]

    async def upload(self, *values: Any) -> Answer[str]:
        self.services.append("upload")
        return await super().upload(*values)

    async def poll(self, *values: Any) -> Any:
        self.services.append("poll")
        return await super().poll(*values)

    async def pull_numbers(self, *values: Any) -> Any:
        self.services.append("numbers")
        return await super().pull_numbers(*values)


async def watched(rules: BreakerRules | None = None, **more: Any) -> tuple[Point, Watched]:
    clock = ManualClock(START)
    bureau = Watched(clock)
    bureau.services = []
    return await point(bureau=bureau, clock=clock, rules=rules, **more), bureau


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 60))


def test_while_it_is_open_nothing_goes_but_health_calls_and_never_an_upload() -> None:
    async def story() -> None:
        p, bureau = await watched(sellers=(SELLER, OTHER))
        for n in range(20):
            await p.issue(f"A{n}")
            await p.issue(f"B{n}", by=OTHER)
        bureau.down = True
        while not p.breakers.is_open("pretend"):
            await p.step(2)
        bureau.services.clear()
        before = bureau.probes
        for _ in range(1800):
            await p.step(2)
            await p.supply.round()
        assert bureau.services == []
        assert 500 <= bureau.probes - before <= 900
        bureau.down = False
        await p.run(30, every=1)
        assert {await p.state(f"{key}{n}", by=by) for n in range(20) for key, by in (("A", SELLER), ("B", OTHER))} <= {
            State.SUBMITTED,
            State.CONFIRMED,
        }

    run(story)


def test_each_change_is_one_event_with_its_cause_also_when_the_ledger_was_away() -> None:
    async def story() -> None:
        p, bureau = await watched()
        told: list[tuple[str, str, str | None]] = []
        p.breakers.on_open.append(lambda *about: told.append(about))
        await p.issue("A")
        bureau.down = True
        for _ in range(30):
            await p.step(2)
        bureau.down = False
        await p.run(30, every=1)
        kinds = ("breaker.opened", "breaker.closed")
        first, second = [e for e in await p.ledger.events(limit=10_000) if e.kind in kinds]
        endpoint = "https://pretend:443"
        assert first.data == {
            "channel": "pretend", "endpoint": endpoint, "cause": "connect.refused", "failures": 3, "node": "n1",
        }  # fmt: skip
        assert told == [("pretend", endpoint, "connect.refused")]
        assert (second.kind, second.data["endpoint"], second.data["node"]) == ("breaker.closed", endpoint, "n1")
        assert 40 <= int(str(second.data["seconds"])) <= 80
        (state,) = p.breakers.states()
        assert (state.channel, state.endpoint, state.open, state.slow) == ("pretend", endpoint, False, False)

    run(story)


def test_an_upload_that_was_claimed_when_it_opened_is_not_sent() -> None:
    async def story() -> None:
        p, bureau = await watched()
        await p.issue("A")
        p.clock.advance(2)
        begin = p.ledger.begin_upload

        async def while_it_opens(*values: Any) -> Any:
            upload = await begin(*values)
            for _ in range(3):
                place = p.breakers.enter("pretend")
                assert place is not None
                place.heard(Answer(Outcome.NOT_SENT, code="connect.timeout"))
            return upload

        p.uploader._ledger = _With(p.ledger, begin_upload=while_it_opens)
        await p.uploader.round()
        p.uploader._ledger = p.ledger
        record = await p.record("A")
        assert bureau.services == ["numbers"]
        assert (record.state, record.doubt, record.problem_code) == (State.ISSUED, False, BREAKER_OPEN.code)
        await p.run(60, every=1)
        assert await p.state("A") is State.CONFIRMED

    run(story)


class _With:
    def __init__(self, ledger: Any, **others: Any) -> None:
        self._ledger, self._others = ledger, others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(self._ledger, name)


def test_a_window_that_closes_soon_makes_probes_hurry_and_is_not_missed_by_a_bureau_that_is_back_in_time() -> None:
    async def story() -> None:
        rules = replace(RULES, probe_s=60.0, probe_most_s=120.0, jitter=0.0)
        p, bureau = await watched(rules)
        p.breakers._oldest_debts = p.ledger.oldest_debts
        p.breakers._taxpayers = p.shards.held
        await p.issue("A")
        bureau.down = True
        await p.run(47 * HOUR, every=300)
        await p.run(HOUR - 12, every=4)
        assert p.breakers.is_open("pretend")
        bureau.down = False
        await p.run(10, every=1)
        assert await p.state("A") in (State.SUBMITTED, State.CONFIRMED)
        assert bureau.uploads == [[(await p.record("A")).number]]

    run(story)


def test_a_hanging_probe_is_one_probe_and_has_an_end() -> None:
    async def story() -> None:
        rules = replace(RULES, probe_timeout_s=0.05)
        clock = ManualClock(START)
        started = 0

        async def hang(_endpoint: str) -> Answer[None]:
            nonlocal started
            started += 1
            await asyncio.Event().wait()
            raise AssertionError

        ledger = MemoryLedger("n1")
        await ledger.open()
        bureau = PretendBureau(clock)
        fars = {"pretend": FarSide(Endpoints(["https://one"]), hang)}
        breakers = Breakers(
            {"pretend": bureau}, clock, Policy(errand_patience=0.001), Notices(ledger, "n1"), rules, fars
        )
        for _ in range(3):
            place = breakers.enter("pretend")
            assert place is not None
            place.heard(Answer(Outcome.NOT_SENT, code="connect.refused"))
        for _ in range(5):
            clock.advance(10)
            await breakers.round()
        assert started == 1
        while breakers.states()[0].cause != "breaker.probe_timeout":
            await asyncio.sleep(0.01)
        clock.advance(10)
        await breakers.round()
        assert started == 2
        await breakers.close(0)

    run(story)


def two_endpoints(clock: ManualClock, ledger: MemoryLedger) -> tuple[Breakers, set[str]]:
    down: set[str] = set()

    async def probe(endpoint: str) -> Answer[None]:
        return Answer(Outcome.NOT_SENT, code="connect.refused") if endpoint in down else Answer(Outcome.OK)

    fars = {"leqi": FarSide(Endpoints(["https://one/a", "https://two/a"]), probe)}
    channels = {"leqi": PretendBureau(clock, name="leqi")}
    return Breakers(channels, clock, Policy(), Notices(ledger, "n1"), RULES, fars, chance=random.Random(1)), down


def test_the_next_call_goes_to_another_endpoint_of_the_register_and_back_when_the_first_has_held_for_a_while() -> None:
    async def story() -> None:
        clock, ledger = ManualClock(START), MemoryLedger("n1")
        await ledger.open()
        breakers, down = two_endpoints(clock, ledger)
        endpoints = breakers._fars["leqi"].endpoints
        one, two = "https://one:443", "https://two:443"
        down.add(one)
        for _ in range(3):  # at the first not a byte left, the second answered
            assert endpoints.usable()[0] == one
            place = breakers.enter("leqi")
            assert place is not None
            place.heard(took(1, endpoint=two, missed=(Missed(one, "connect.timeout"),)))
        assert list(endpoints.usable()) == [two]
        assert not breakers.is_open("leqi")
        down.clear()
        for _ in range(10):
            clock.advance(2)
            await breakers.round()
        assert list(endpoints.usable()) == [two, one]  # closed, and not steady yet
        clock.advance(RULES.steady_s)
        assert list(endpoints.usable()) == [one, two]
        await breakers.round()
        kinds = [e.kind for e in await ledger.events()]
        assert kinds == ["breaker.opened", "endpoint.switched", "breaker.closed", "endpoint.switched"]
        back = (await ledger.events())[-1].data
        assert back == {"channel": "leqi", "endpoint": one, "former": two, "node": "n1"}

    run(story)


def test_a_channel_is_shut_only_when_every_endpoint_is() -> None:
    async def story() -> None:
        clock, ledger = ManualClock(START), MemoryLedger("n1")
        await ledger.open()
        breakers, down = two_endpoints(clock, ledger)
        down |= {"https://one:443", "https://two:443"}
        for endpoint in sorted(down):
            assert breakers.may_call("leqi")
            for _ in range(3):
                place = breakers.enter("leqi")
                assert place is not None
                place.heard(took(1, Outcome.AMBIGUOUS, "wait.timeout", endpoint=endpoint))
        assert not breakers.may_call("leqi")
        assert [s.open for s in breakers.states()] == [True, True]

    run(story)
