#!/usr/bin/env python3
"""上传、失联、查询、后继发票的显式状态模型，穷举到底。

An explicit-state model of what an order may go through: upload, silence, asking, refusal, a conflict that a person decides,
successors and the successors of these, and belief that is withdrawn. All states are visited. It stands beside the product
on purpose and shares no code with it: change the model first when a rule changes.

The order's sale may be filed under one number at a time: first, second, third of a chain, each linked to the one before.

The bureau may lose a call or its answer; commit late, within the settle time; show what it holds late, within the
visibility time; refuse for a reason of its own even when it holds an earlier copy; close a number's window at any moment;
hold somebody else's content under the first number; and, once, forget what it has confirmed. A sender may pause between
its claim and its first byte, and send whenever it wakes. A second node may act on what it read before the first one did.

usage: upload_model.py     the rules hold, and each named mistake breaks them (exit status 1 if not)

Invariants: the sale is never held twice; and whenever nothing is on its way, what is believed final is true.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

CHAIN = 3  # numbers that one order may go through
TRIES = 2  # sends of one number
SAME, OTHER = "the same sale", "another sale"  # what somebody else's content under the first number may be
NOT_HELD = frozenset({"rejected", "expired"})


@dataclass(frozen=True, slots=True)
class Rules:
    """Each rule is one that a shipped product broke."""

    silence_is_unknown: bool = True
    denials_wait_for_the_settle_time: bool = True
    final_denials_wait_until_all_is_shown: bool = True
    a_refusal_after_a_doubt_is_asked: bool = True
    a_repeated_upload_is_evidence: bool = True
    a_successor_waits_for_open_senders: bool = True
    a_successor_of_a_refused_one_asks: bool = True  # by the number, however sure the refusal was
    a_successor_is_conditional: bool = True  # on the predecessor being live and as it was seen
    replaced_is_never_sent: bool = True
    a_person_decides_a_conflict: bool = True
    belief_is_withdrawn_by_asking: bool = True  # "not there" after a confirmation leads to asking, not to an end


MISTAKES = {
    "silence_is_unknown": "silence read as an end",
    "denials_wait_for_the_settle_time": "no settle time",
    "final_denials_wait_until_all_is_shown": "a denial believed before the bureau shows all that it holds",
    "a_refusal_after_a_doubt_is_asked": "a refusal believed without asking",
    "a_repeated_upload_is_evidence": "a repeated upload read as failed",
    "a_successor_waits_for_open_senders": "a successor while a sender of the first may still wake",
    "a_successor_of_a_refused_one_asks": "a successor of a refused invoice whose number the bureau holds",
    "a_successor_is_conditional": "two nodes each give the order a successor",
    "replaced_is_never_sent": "the predecessor is sent again",
    "a_person_decides_a_conflict": "a conflict decided without looking at it",
    "belief_is_withdrawn_by_asking": "a confirmed invoice given up at the first denial",
}


@dataclass(frozen=True, slots=True)
class State:
    # the bureau
    held: frozenset[int] = frozenset()
    shown: frozenset[int] = frozenset()
    arriving: frozenset[int] = frozenset()  # taken at the door, committed later
    closed: frozenset[int] = frozenset()  # numbers whose window is over
    foreign: str = ""  # what else than ours it holds under the first number
    forgot: bool = False
    # our books: the live invoice of the order; those before it are replaced
    live: int = 0
    mine: str = "issued"  # issued, sent, unknown, refused, confirmed, conflict, rejected, expired
    denials: int = 0
    late_denials: int = 0
    tries: int = 0
    doubt: bool = False
    frozen: bool = False  # a person found other content under this number: it is sent no more
    asleep: frozenset[int] = frozenset()  # numbers of which a sender has claimed and not sent yet
    raced: bool = False


Step = tuple[str, State]


def steps(s: State, r: Rules) -> Iterator[Step]:
    yield from _bureau(s)
    yield from _senders(s, r)
    if s.mine == "issued" and s.tries < TRIES:
        yield "send", _sent(s)
    if s.mine == "sent":
        yield from _answers(s, r)
    if s.mine in ("unknown", "refused"):
        yield from _asked(s, r)
    if s.mine == "conflict":
        yield from _decided(s, r)
    if s.mine == "confirmed":
        yield from _withdrawn(s, r)
    if s.mine in NOT_HELD:
        yield from _succeeded(s, r)
    if s.mine == "rejected" and not s.frozen and s.live not in s.closed and s.tries < TRIES:
        yield "cause mended, the same number again", _sent(s)


def _bureau(s: State) -> Iterator[Step]:
    for n in s.arriving:
        yield f"commit {n}", replace(s, arriving=s.arriving - {n}, held=s.held | {n})
    for n in s.held - s.shown:
        yield f"show {n}", replace(s, shown=s.shown | {n})
    if s.live not in s.closed:
        yield f"the window of {s.live} closes", replace(s, closed=s.closed | {s.live})
    if not s.held and not s.arriving and not s.foreign and s.live == 0 and not s.tries:
        for what in (SAME, OTHER):  # of a copy of our books that lived on, so long ago that it is shown
            yield f"it holds {what} under 0", replace(s, foreign=what, held=frozenset({0}), shown=frozenset({0}))
    if s.mine == "confirmed" and s.live in s.held and not s.forgot and not s.foreign:
        yield "it forgets", replace(s, held=s.held - {s.live}, shown=s.shown - {s.live}, forgot=True)


def _arrives(s: State, n: int) -> Iterator[tuple[str, State]]:
    """(answer, state): what it may do with a copy at its door. The order of its checks is published nowhere."""
    yield "refused", s
    if n in s.held:
        yield "repeated", s
    elif n not in s.closed:
        yield "taken", replace(s, arriving=s.arriving | {n})


def _senders(s: State, r: Rules) -> Iterator[Step]:
    """Of senders that slept, and of a node that forgot that a number is replaced."""
    if s.mine == "sent" and s.live not in s.asleep:
        yield "the sender falls asleep", replace(s, mine="unknown", doubt=True, asleep=s.asleep | {s.live})
    for n in s.asleep:
        awake = replace(s, asleep=s.asleep - {n})
        if n == s.live and s.mine != "confirmed":
            awake = replace(awake, mine="unknown", denials=0, late_denials=0)
        for answer, t in _arrives(awake, n):
            yield f"the sender of {n} wakes and sends ({answer})", t
    if not r.replaced_is_never_sent:
        for n in range(s.live):
            for answer, t in _arrives(s, n):
                yield f"{n} is sent though it is replaced ({answer})", t


def _sent(s: State) -> State:
    return replace(s, mine="sent", tries=s.tries + 1, denials=0, late_denials=0)


def _answers(s: State, r: Rules) -> Iterator[Step]:
    silent = "unknown" if r.silence_is_unknown else "rejected"
    yield "lost on its way", replace(s, mine=silent, doubt=True)
    for answer, t in _arrives(s, s.live):
        yield f"its answer is lost ({answer})", replace(t, mine=silent, doubt=True)
        if answer == "taken":  # an acceptance number is no result: what comes of it is polled, or asked for
            yield "taken", replace(t, mine="unknown", doubt=True)
        elif answer == "repeated":
            believed = "unknown" if s.foreign and s.live == 0 else "confirmed"  # the original is fetched and compared
            yield "repeated", replace(t, mine=believed if r.a_repeated_upload_is_evidence else "rejected", doubt=True)
        else:
            asks = r.a_refusal_after_a_doubt_is_asked and s.doubt
            yield "refused", replace(t, mine="refused" if asks else "rejected")


def _asked(s: State, r: Rules) -> Iterator[Step]:
    settled = not s.arriving or not r.denials_wait_for_the_settle_time
    all_shown = s.held == s.shown or not r.final_denials_wait_until_all_is_shown
    if s.live in s.shown:
        yield "ask: found", replace(s, mine="conflict" if s.foreign and s.live == 0 else "confirmed")
    elif settled:
        late = min(2, s.late_denials + 1) if all_shown else 0
        yield "ask: not found", replace(s, denials=min(2, s.denials + 1), late_denials=late)
    if s.denials == 2 and s.mine == "unknown" and s.live not in s.closed and s.tries < TRIES:
        yield "the same number again", _sent(s)
    if s.late_denials == 2 and s.mine == "refused":
        yield "the refusal is believed", replace(s, mine="rejected")
    if s.late_denials == 2 and s.live in s.closed:
        yield "it is expired", replace(s, mine="expired")


def _decided(s: State, r: Rules) -> Iterator[Step]:
    """A person who has looked takes theirs when it is this sale, and refuses it when it is not."""
    if s.foreign == SAME or not r.a_person_decides_a_conflict:
        yield "theirs is taken", replace(s, mine="confirmed")
    if s.foreign == OTHER or not r.a_person_decides_a_conflict:
        yield "theirs is refused", replace(s, mine="rejected", frozen=True)


def _withdrawn(s: State, r: Rules) -> Iterator[Step]:
    if s.live in s.shown or s.arriving:
        return
    if not r.belief_is_withdrawn_by_asking:
        yield "not found: given up", replace(s, mine="expired")
    elif s.held == s.shown:
        yield (
            "not found, twice, all is shown: asked again",
            replace(s, mine="unknown", denials=0, late_denials=0, doubt=True),
        )


def _succeeded(s: State, r: Rules) -> Iterator[Step]:
    open_sender = s.live in s.asleep and s.live not in s.closed
    if s.live + 1 >= CHAIN or (open_sender and r.a_successor_waits_for_open_senders):
        return
    if s.mine == "rejected" and not s.frozen and s.live in s.shown and r.a_successor_of_a_refused_one_asks:
        yield "asked first: found", replace(s, mine="conflict" if s.foreign and s.live == 0 else "confirmed")
        return
    new = replace(
        s, live=s.live + 1, mine="issued", tries=0, denials=0, late_denials=0, doubt=False, frozen=False
    )  # fmt: skip
    yield f"{new.live} replaces {s.live}", new
    if not r.a_successor_is_conditional and not s.raced and s.live + 2 < CHAIN:
        other = replace(new, arriving=s.arriving | {s.live + 1}, live=s.live + 2, raced=True)
        yield f"two nodes replace {s.live}, both send", other


def broken(s: State) -> str | None:
    """Which invariant does not hold, in words."""
    filed = s.held - {0} if s.foreign == OTHER else s.held
    if len(filed) > 1:
        return "the sale is filed twice"
    if s.arriving or s.mine == "sent" or s.asleep - s.closed:
        return None
    if s.mine == "confirmed" and s.live not in filed and not s.forgot:
        return "believed accepted, is not"
    if s.mine in NOT_HELD and s.live in filed and not (s.foreign and s.live == 0):
        return "believed refused, is held"
    if any(n in filed for n in range(s.live)):
        return "believed replaced, is held"
    return None


def explore(r: Rules) -> tuple[int, str | None, list[str]]:
    """(states seen, what broke, by which steps). Breadth first: the story is a shortest one."""
    start = State()
    before: dict[State, tuple[State, str] | None] = {start: None}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        if (why := broken(state)) is not None:
            return len(before), why, _story(before, state)
        for step, after in steps(state, r):
            if after not in before:
                before[after] = (state, step)
                queue.append(after)
    return len(before), None, []


def _story(before: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    story: list[str] = []
    while (origin := before[state]) is not None:
        state, step = origin
        story.append(step)
    return story[::-1]


def main() -> int:
    count, why, story = explore(Rules())
    told = [f"the rules: {count} states, {why or 'nothing broken'}" + "".join(f" · {step}" for step in story)]
    failures = int(why is not None)
    for rule in fields(Rules):
        count, why, story = explore(Rules(**{rule.name: False}))
        told.append(f"{MISTAKES[rule.name]}: {count} states, {why or 'NOT CAUGHT'}: {' · '.join(story)}")
        failures += why is None
    sys.stdout.write("\n".join(told) + "\n")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
