"""From events to modes: what each means, that the order of arrival does not matter, and that nobody but the operator releases
what the operator halted."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kaipiao.issuing.mode_inputs import KINDS, Inputs, of_json, to_json
from kaipiao.issuing.mode_rules import HOLD, LONGEST_HOLD, Setup, derive
from kaipiao.issuing.modes import Mode, ModeState
from kaipiao.issuing.verdicts import Verdict
from kaipiao.ledger.port import Event

START = datetime(2026, 11, 3, 2, tzinfo=UTC)
T, OTHER = "91440300MA5EXMPL17", "91440300MA5EXMPL25"
ONE = Setup({"leqi": ["https://a:443"]}, {"leqi": ["n1"]}, {T: "n1"}, [(T, "leqi")])
THREE = Setup(
    {"leqi": ["https://a:443", "https://b:443"]},
    {"leqi": ["n1", "n2"]},
    {T: "n1", OTHER: "n2"},
    [(T, "leqi"), (OTHER, "leqi")],
)
positions = itertools.count(1)


def event(kind: str, seconds: float = 0, /, **data: str | int | None) -> Event:
    at = START + timedelta(seconds=seconds)
    return Event(next(positions), "w", 1, kind, at, None, None, {"channel": "leqi", **data}, b"", b"")


def opened(seconds: float = 0, cause: str = "wait.timeout", node: str = "n1", endpoint: str = "https://a:443") -> Event:
    return event("breaker.opened", seconds, endpoint=endpoint, cause=cause, failures=3, node=node)


def closed(seconds: float, node: str = "n1", endpoint: str = "https://a:443") -> Event:
    return event("breaker.closed", seconds, endpoint=endpoint, node=node)


def ordered(mode: str, seconds: float = 0, taxpayer: str | None = None) -> Event:
    return event("operator.mode", seconds, taxpayer=taxpayer, mode=mode, reason="r", actor="li")


def said(kind: str, begin: float, end: float | None = None, name: str = "a1") -> Event:
    at = [(START + timedelta(seconds=s)).isoformat() if s is not None else None for s in (begin, end)]
    return event("authority.announced", 0, id=name, kind=kind, **{"from": at[0], "until": at[1]})


def states(
    events: Sequence[Event], seconds: float = 1, setup: Setup = ONE, **more: dict[object, object]
) -> dict[tuple[str | None, str], ModeState]:
    inputs = Inputs()
    inputs.take(events)
    verdicts, budgets = more.get("verdicts", {}), more.get("budgets", {})
    return derive(inputs, setup, START + timedelta(seconds=seconds), verdicts, budgets)  # type: ignore[arg-type]


def mode(
    events: Sequence[Event], seconds: float = 1, setup: Setup = ONE, **more: dict[object, object]
) -> tuple[str, str]:
    state = states(events, seconds, setup, **more)[(None, "leqi")]
    return state.mode.value, state.cause


def test_while_nothing_is_wrong_it_is_online() -> None:
    assert mode([]) == ("online", "reached")
    assert mode([event("node.started", node="n1")]) == ("online", "reached")


def test_an_open_breaker_is_the_authority_s_failure_with_its_evidence_and_is_distrusted_for_a_while_after() -> None:
    fell = opened()
    (state,) = states([fell]).values()
    assert (state.mode, state.cause, state.since) == (Mode.CONTINGENCY_FAILURE, "breaker.open", START)
    assert state.evidence == (fell.position,)
    back = 60 + HOLD.total_seconds()
    assert mode([fell, closed(60)], back - 1)[0] == "contingency_failure"
    assert mode([fell, closed(60)], back)[0] == "online"


def test_what_flaps_is_distrusted_longer_each_time_and_never_for_ever() -> None:
    events: list[Event] = []
    for n in range(12):
        events += [opened(n * 20), closed(n * 20 + 10)]
    last = 11 * 20 + 10
    assert mode(events[:4], 30 + 2 * HOLD.total_seconds() - 1)[0] == "contingency_failure"
    assert mode(events[:4], 30 + 2 * HOLD.total_seconds())[0] == "online"
    assert mode(events, last + LONGEST_HOLD.total_seconds() - 1)[0] == "contingency_failure"
    assert mode(events, last + LONGEST_HOLD.total_seconds())[0] == "online"


def test_one_endpoint_of_two_or_a_slow_one_is_degraded() -> None:
    assert mode([opened()], setup=THREE) == ("degraded", "breaker.partial")
    slow = event("endpoint.slow", 0, endpoint="https://a:443", node="n1")
    assert mode([slow]) == ("degraded", "endpoint.slow")
    assert mode([slow, event("endpoint.quick", 5, endpoint="https://a:443", node="n1")], 6)[0] == "online"


def test_a_node_that_reaches_nothing_while_another_does_is_offline_for_its_taxpayers_only() -> None:
    lost = [opened(cause="resolve.timeout", endpoint=e) for e in THREE.endpoints["leqi"]]
    found = states(lost, setup=THREE)
    assert found[(None, "leqi")].cause == "own.node_unreachable"
    assert found[(None, "leqi")].mode is Mode.DEGRADED
    assert (found[(T, "leqi")].mode, found[(T, "leqi")].cause) == (Mode.OFFLINE, "own.node_unreachable")
    assert (OTHER, "leqi") not in found
    both = [*lost, *(opened(node="n2", endpoint=e) for e in THREE.endpoints["leqi"])]
    assert mode(both, setup=THREE)[0] == "contingency_failure"


def test_a_node_without_taxpayers_says_nothing_of_the_channel() -> None:
    setup = Setup(ONE.endpoints, {"leqi": ["n1"]}, ONE.holders, ONE.places)
    assert mode([opened()], setup=setup)[0] == "contingency_failure"
    assert mode([opened(node="gone")], setup=setup)[0] == "online"
    assert mode([opened(node="gone"), opened()], setup=setup)[0] == "contingency_failure"


def test_our_own_fault_is_told_from_theirs() -> None:
    assert mode([opened(cause="handshake.client_certificate_refused")]) == ("offline", "own.fault")
    assert mode([opened(cause="connect.timeout")])[0] == "contingency_failure", "nothing says whose fault it is"
    two = Setup(
        {**ONE.endpoints, "other": ["https://c:443"]}, {"leqi": ["n1"], "other": ["n1"]}, ONE.holders, ONE.places
    )
    assert mode([opened(cause="connect.timeout")], setup=two) == ("offline", "own.unreachable")
    assert mode([opened(cause="connect.refused")], setup=two)[0] == "contingency_failure", "it answered: it is there"
    assert mode([opened(cause="wait.timeout")], setup=two)[0] == "contingency_failure"


def test_a_verdict_decides_while_it_is_believed() -> None:
    until = START + timedelta(seconds=100)
    verdicts = {"leqi": Verdict("leqi", Mode.OFFLINE, "firewall", START, until)}
    assert mode([opened()], 99, verdicts=verdicts) == ("offline", "firewall")  # type: ignore[arg-type]
    assert mode([opened()], 100, verdicts=verdicts)[0] == "contingency_failure"  # type: ignore[arg-type]
    assert mode([], 1, verdicts=verdicts)[0] == "online", "it explains, it does not take away"  # type: ignore[arg-type]


def test_planned_maintenance_begins_and_ends_by_the_clock_and_a_failure_when_it_is_over() -> None:
    planned = said("maintenance", 100, 200)
    assert [mode([planned], s)[0] for s in (99, 100, 199, 200)] == [
        "online", "contingency_planned", "contingency_planned", "online",
    ]  # fmt: skip
    assert mode([planned, opened(150)], 201) == ("contingency_failure", "breaker.open"), "it did not come back"
    assert mode([planned, event("authority.withdrawn", 0, id="a1")], 150)[0] == "online"
    fell = said("failure", 10)
    assert mode([fell], 1000) == ("contingency_failure", "authority.failure")
    assert mode([fell, said("recovered", 500, name="a2")], 501)[0] == "online"
    assert mode([said("failure", 600, name="a3"), said("recovered", 500, name="a2")], 601)[0] == "contingency_failure"


def test_a_restart_of_the_node_closes_its_breakers_and_no_other_s() -> None:
    events = [opened(), event("node.started", 10, node="n1")]
    assert mode(events, 10 + HOLD.total_seconds())[0] == "online"
    assert mode([opened(), event("node.started", 10, node="n2")], 1000)[0] == "contingency_failure"
    assert mode([*events, opened(20)], 1000)[0] == "contingency_failure"


def test_the_end_of_a_budget_halts_the_taxpayer_and_an_operator_halts_whom_he_names() -> None:
    found = states([], budgets={(T, "leqi"): "upload_window"})
    assert (found[(T, "leqi")].mode, found[(T, "leqi")].cause) == (Mode.HALTED, "budget.upload_window")
    one = states([ordered("halted", taxpayer=T)], setup=THREE)
    assert one[(T, "leqi")].cause == "operator"
    assert one[(None, "leqi")].mode is Mode.ONLINE
    assert (OTHER, "leqi") not in one


def test_the_operator_s_last_word_counts_though_a_clock_was_wrong_when_he_said_the_one_before() -> None:
    """Words were ranked by the instant that a node wrote beside them: a release was ignored until the clock had caught up with
    a halt that was said while it ran a day ahead, and a halt after such a release did not stop anything."""
    day = 86400
    assert mode([ordered("halted", day), ordered("auto")])[0] == "online"
    assert mode([ordered("auto", day), ordered("halted")])[0] == "halted"
    assert states([ordered("halted", day, T), ordered("auto", 0, T)])[(None, "leqi")].mode is Mode.ONLINE


def test_what_opened_while_the_clock_was_wrong_is_over_when_it_closed_or_its_node_started() -> None:
    """By instants the closing lay before the opening: the outage lasted for ever."""
    later = 5 + HOLD.total_seconds()
    assert mode([opened(86400), closed(5)], later)[0] == "online"
    assert mode([opened(86400), event("node.started", 5, node="n1")], later)[0] == "online"
    slow = event("endpoint.slow", 86400, endpoint="https://a:443", node="n1")
    assert mode([slow, event("endpoint.quick", 5, endpoint="https://a:443", node="n1")], later)[0] == "online"


def test_a_way_that_its_node_s_restart_closed_is_forgotten_in_time() -> None:
    inputs = Inputs()
    inputs.take([opened(), event("node.started", 10, node="n1")])
    inputs.forget(START + timedelta(days=2))
    assert not inputs.ways
    inputs.take([opened()])
    inputs.forget(START + timedelta(days=2))
    assert inputs.ways, "one that is open says something however old it is"


EVENTS = st.one_of(
    st.builds(opened, st.integers(0, 900), st.sampled_from(["wait.timeout", "resolve.timeout"]), st.sampled_from(["n1", "n2"])),
    st.builds(closed, st.integers(0, 900), st.sampled_from(["n1", "n2"])),
    st.builds(ordered, st.sampled_from(["halted", "auto", "offline", "online"]), st.integers(0, 900), st.sampled_from([None, T])),
    st.builds(said, st.sampled_from(["maintenance", "failure"]), st.integers(0, 400), st.integers(401, 900), st.sampled_from(["a", "b"])),
    st.builds(lambda s, n: event("node.started", s, node=n), st.integers(0, 900), st.sampled_from(["n1", "n2"])),
    st.builds(lambda n: event("authority.withdrawn", 0, id=n), st.sampled_from(["a", "b"])),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=25), st.randoms(use_true_random=False), st.integers(0, 1500))
def test_events_that_arrive_in_another_order_give_the_same_modes(
    events: list[Event], chance: random.Random, seconds: int
) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert states(shuffled, seconds, THREE) == states(events, seconds, THREE)
    inputs = Inputs()
    for half in (shuffled[::2], shuffled[1::2]):  # and in parts, over a restart
        inputs = of_json(json.loads(json.dumps(to_json(inputs))))
        inputs.take(half)
    now = START + timedelta(seconds=seconds)
    assert derive(inputs, THREE, now, {}, {}) == states(events, seconds, THREE)
    kept = derive(inputs, THREE, now, {}, {})
    inputs.forget(now)
    assert derive(inputs, THREE, now, {}, {}) == kept, "what is forgotten said nothing"


@given(st.lists(EVENTS, max_size=20), st.sampled_from([None, T]), st.integers(901, 5000))
def test_what_the_operator_halted_stays_so_whatever_happens_until_he_says_otherwise(
    events: list[Event], taxpayer: str | None, seconds: int
) -> None:
    later = [e for e in events if e.kind != "operator.mode"]
    found = states([*events, ordered("halted", 901, taxpayer), *later], seconds, THREE)
    state = found.get((taxpayer, "leqi")) or found[(None, "leqi")]
    assert state.mode is Mode.HALTED
    released = states([*events, ordered("halted", 901, taxpayer), ordered("auto", 902, taxpayer)], seconds + 2, THREE)
    if not any(e.kind == "operator.mode" for e in events):
        assert all(s.cause != "operator" for s in released.values())


@given(st.dictionaries(st.sampled_from(["channel", "endpoint", "node", "id", "kind", "from", "until", "mode", "taxpayer", "cause"]),
                       st.one_of(st.none(), st.text("ab-1:", max_size=8), st.integers(), st.booleans())), st.sampled_from(sorted(KINDS)))  # fmt: skip
def test_an_event_of_another_program_that_is_not_whole_changes_nothing_and_harms_nothing(
    data: dict[str, str | int | bool | None], kind: str
) -> None:
    strange = Event(1, "w", 1, kind, START, None, None, data, b"", b"")
    assert states([strange])[(None, "leqi")].mode in set(Mode)
