"""The audit names the first event that was altered, deleted, inserted or moved, and a tail that was cut off."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.ledger.audit import Break, BreakKind, TrailReport, head_bytes, verify_trail
from kaipiao.ledger.port import ChainHead, Event, EventDraft
from kaipiao.ledger.trail import ChainTip, chained, data_text
from kaipiao.seal.digest import sm3

NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


def trail(count: int, *writers: str) -> list[Event]:
    """`count` events of the writers in turn."""
    return list(written(count, *(writers or ("w",))))


def written(count: int, *writers: str) -> Iterator[Event]:
    tips = {writer: ChainTip(writer) for writer in writers}
    for position in range(1, count + 1):
        tip = tips[writers[position % len(writers)]]
        draft = EventDraft("issued", NOW + timedelta(seconds=position), "t", f"o{position}", {"n": position})
        after = tips[tip.writer] = chained(tip, draft, data_text(draft.data))
        yield Event(
            position,
            tip.writer,
            after.sequence,
            draft.kind,
            draft.at,
            "t",
            draft.subject,
            draft.data,
            tip.hash,
            after.hash,
        )


def head(event: Event, signature: bytes = b"good") -> ChainHead:
    return ChainHead(event.writer, event.sequence, event.hash, NOW, "key", signature)


def audit(events: list[Event], *heads: ChainHead) -> TrailReport:
    return verify_trail(events, heads, lambda h: h.signature == b"good")


def first_break(events: list[Event], *heads: ChainHead, writer: str = "w") -> Break | None:
    report = audit(events, *heads)
    (found,) = [w for w in report.writers if w.writer == writer]
    assert report.sound == all(w.first_break is None and not w.bad_heads for w in report.writers)
    return found.first_break


def rehashed(event: Event, previous: bytes) -> Event:
    """The event as a forger makes it: chained anew."""
    draft = EventDraft(event.kind, event.at, event.taxpayer, event.subject, event.data)
    tip = chained(ChainTip(event.writer, event.sequence - 1, previous), draft, data_text(event.data))
    return replace(event, previous=previous, hash=tip.hash)


def test_an_untouched_trail_is_sound_and_says_what_no_head_covers() -> None:
    events = trail(10)
    report = audit(events, head(events[3]), head(events[6]))
    assert report.sound
    assert report.events == 10
    (writer,) = report.writers
    assert (writer.covered, writer.uncovered) == (7, (8, 10))
    assert audit(events, head(events[-1])).writers[0].uncovered is None


def test_an_empty_trail_is_sound() -> None:
    assert audit([]).sound
    assert audit([]).events == 0


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"at": NOW},
        {"taxpayer": "u"},
        {"subject": None},
        {"data": {"n": 99}},
        {"data": {"n": "5"}},
        {"data": {"n": True}},
        {"data": {}},
        {"data": {"n": 1.5}},
        {"hash": b"h" * 32},
    ],
)
def test_an_altered_event_is_named(change: dict[str, object]) -> None:
    events = trail(10)
    events[4] = replace(events[4], **change)  # type: ignore[arg-type]
    assert first_break(events) == Break(BreakKind.ALTERED, "w", 5, 5)


def test_an_event_that_was_altered_and_hashed_anew_is_seen_at_its_successor() -> None:
    events = trail(10)
    events[4] = rehashed(replace(events[4], kind="other"), events[3].hash)
    assert first_break(events) == Break(BreakKind.UNLINKED, "w", 6, 6)


def test_a_tail_that_was_rewritten_as_a_whole_is_seen_at_the_next_head() -> None:
    events = trail(10)
    vouched = head(events[7])
    previous = events[3].hash
    for i in range(4, 10):
        events[i] = rehashed(replace(events[i], kind="other"), previous)
        previous = events[i].hash
    assert first_break(events) is None
    assert first_break(events, vouched) == Break(BreakKind.HEAD_DIFFERS, "w", 8, 8)


def test_a_deleted_event_is_named() -> None:
    events = trail(10)
    del events[4]
    assert first_break(events) == Break(BreakKind.MISSING, "w", 5)
    assert first_break(trail(10)[1:]) == Break(BreakKind.MISSING, "w", 1)


def test_a_moved_event_is_named_and_told_from_a_deleted_one() -> None:
    events = trail(10)
    events.insert(8, events.pop(4))
    assert first_break(events) == Break(BreakKind.MOVED, "w", 5, 5)


def test_an_inserted_event_is_named() -> None:
    events = trail(10)
    events.insert(5, replace(rehashed(replace(events[4], kind="other"), events[3].hash), position=99))
    assert first_break(events) == Break(BreakKind.INSERTED, "w", 5, 99)


def test_a_cut_tail_is_seen_up_to_the_last_signed_head() -> None:
    events = trail(10)
    vouched = head(events[7])
    assert first_break(events[:9], vouched) is None
    assert first_break(events[:8], vouched) is None
    assert first_break(events[:7], vouched) == Break(BreakKind.CUT, "w", 8)
    assert first_break([], vouched) == Break(BreakKind.CUT, "w", 1)


def test_a_head_that_does_not_verify_vouches_for_nothing_and_is_named() -> None:
    events = trail(10)
    forged = head(events[9], b"forged")
    report = audit(events, forged, head(events[3]))
    assert not report.sound
    assert report.writers[0].bad_heads == (forged,)
    assert report.writers[0].uncovered == (5, 10)


def test_each_writer_is_judged_by_itself() -> None:
    events = trail(20, "a", "b")
    broken = [replace(e, kind="x") if (e.writer, e.sequence) == ("b", 3) else e for e in events]
    assert first_break(broken, writer="a") is None
    assert first_break(broken, writer="b") == Break(BreakKind.ALTERED, "b", 3, 5)


@settings(max_examples=60)
@given(st.data())
def test_any_single_forgery_below_a_head_is_found_and_nothing_before_it_is_blamed(data: st.DataObject) -> None:
    events = trail(12)
    vouched = head(events[-1])
    place = data.draw(st.integers(0, 11))
    kind = data.draw(st.sampled_from(["alter", "delete", "double", "swap"]))
    forged = list(events)
    if kind == "alter":
        forged[place] = replace(events[place], subject="forged")
    elif kind == "delete":
        del forged[place]
    elif kind == "double":
        forged.insert(place, events[place])
    else:
        other = data.draw(st.integers(0, 11).filter(lambda i: i != place))
        forged[place], forged[other] = forged[other], forged[place]
        place = min(place, other)
    found = first_break(forged, vouched)
    assert found is not None
    assert found.sequence in (place + 1, place + 2) if kind == "swap" else found.sequence == place + 1


def test_a_long_trail_is_read_without_holding_it() -> None:
    tracemalloc.start()
    report = verify_trail(written(20_000, "a", "b"), [], lambda h: True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.sound
    assert report.events == 20_000
    assert most < 1_000_000


def test_a_head_covers_every_part_of_what_it_says() -> None:
    said = head_bytes("w", 5, b"h" * 32, NOW)
    others = [
        head_bytes("v", 5, b"h" * 32, NOW),
        head_bytes("w", 6, b"h" * 32, NOW),
        head_bytes("w", 5, b"g" * 32, NOW),
        head_bytes("w", 5, b"h" * 32, NOW + timedelta(microseconds=1)),
    ]
    assert len({said, *others}) == 5


def test_the_hash_of_an_event_is_what_the_documentation_says() -> None:
    """Anyone can compute it: one JSON array, UTF-8, SM3."""
    draft = EventDraft("issued", NOW, "t", "单", {"b": 1, "a": None})
    text = (
        '["w",1,"issued",1772683200000000,"t","单","{\\"a\\":null,\\"b\\":1}","' + "00" * 32 + '"]'
    )  # fmt: skip
    assert chained(ChainTip("w"), draft, data_text(draft.data)).hash == sm3(text.encode())


def test_forgeries_at_random_places_never_raise() -> None:
    chance = random.Random(4)
    for _ in range(200):
        events = trail(8)
        for _ in range(3):
            i = chance.randrange(len(events))
            events[i] = replace(
                events[i], sequence=chance.randrange(-2, 12), hash=chance.randbytes(chance.randrange(40))
            )
        chance.shuffle(events)
        assert not audit(events, head(trail(8)[-1])).sound
