"""What the story says of an operation of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WRITES = frozenset(
    {
        "save_taxpayers", "open_segment_request", "fill_segment", "lease_block", "reclaim_blocks", "renew_blocks",
        "release_blocks", "expire_numbers", "open_quota_request", "fill_quota", "admit", "hold_shards", "release_shards",
        "save_standing", "begin_upload", "end_upload", "advance", "append_events", "save_head",
    }
)  # fmt: skip


def told(name: str, values: tuple[Any, ...], result: Any) -> str:
    """The order keys and numbers in it, and what became of them."""
    words = _WORDS.get(name)
    return name if words is None else f"{name} {words(values, result)}"


def _admitted(values: tuple[Any, ...], result: Any) -> str:
    return ", ".join(f"{a.order} {a.number} {r.outcome.value}" for a, r in zip(values[0], result, strict=True))


def _begun(_values: tuple[Any, ...], result: Any) -> str:
    return (
        f"{result.id} {', '.join(f'{r.order} {r.number}' for r in result.records)}"
        if result is not None
        else "nothing due"
    )


def _changed(advances: Any, holds: Any) -> str:
    """An alarm, a poll, a denial: by the kind of its event."""
    return ", ".join(
        f"{a.event.subject if a.event else a.id} {a.event.kind if a.event else 'later'} → {a.to.value}"
        f"{'' if held else ' (moved on)'}"
        for a, held in zip(advances, holds, strict=True)
    )


_WORDS: dict[str, Callable[[tuple[Any, ...], Any], str]] = {
    "admit": _admitted,
    "advance": lambda values, result: _changed(values[0], result),
    "begin_upload": _begun,
    "end_upload": lambda values, result: f"{values[0].id} {values[0].outcome} {_changed(values[1], result)}",
    "append_events": lambda values, _result: ", ".join(event.kind for event in values[0]),
    "lease_block": lambda _values, block: str(block and (block.id, block.epoch, len(block.numbers))),
    "hold_shards": lambda _values, h: f"{sorted(h.mine)} surplus {h.surplus} short {sorted(h.short)}",
}
