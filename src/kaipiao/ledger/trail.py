"""The event trail: what an event's hash covers, and how the next one is chained to it.

One chain per writer, because one chain for all would serialise every commit. A writer is one run of one node.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kaipiao.errors import Internal
from kaipiao.language import Text
from kaipiao.ledger.port import EventDraft
from kaipiao.seal.digest import sm3

NO_HASH = bytes(32)  # what the first event of a writer names as its predecessor
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_quoted = json.encoder.encode_basestring  # a text as `json` writes it with ensure_ascii=False
_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode

EventValue = str | int | bool | None


@dataclass(frozen=True, slots=True)
class ChainTip:
    """The last event of a writer: its sequence number (0 = none yet) and its hash."""

    writer: str
    sequence: int = 0
    hash: bytes = NO_HASH


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970 in UTC, exact. Refuses an instant without a zone: its meaning would depend on the machine."""
    if instant.tzinfo is None:
        raise Internal(Text("时间缺少时区", "An instant without a time zone reached the ledger"))
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(stored: int) -> datetime:
    """The instant, in UTC, of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=stored)


def check_data(data: Mapping[str, EventValue]) -> None:
    """Refuse any kind of value that an event does not hold."""
    for value in data.values():
        if value is not None and not isinstance(value, str | int):  # bool is an int
            raise Internal(Text("事件含有不支持的值", f"An event holds a value of type {type(value).__name__}"))


def data_text(data: Mapping[str, EventValue]) -> str:
    """The data of an event as canonical JSON: keys sorted, no blanks, plain UTF-8. Refuses any other kind of value."""
    check_data(data)
    return f"{{{','.join([f'{_quoted(name)}:{_json(data[name])}' for name in sorted(data)])}}}"


def _json(value: EventValue) -> str:
    """What `json` makes of it. Written out here because four events go with every invoice, and a general encoder takes
    three times as long."""
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    return ("true" if value else "false") if isinstance(value, bool) else int.__repr__(value)


def canonical_event(
    writer: str,
    sequence: int,
    kind: str,
    at: int,
    taxpayer: str | None,
    subject: str | None,
    data: str,
    previous: bytes,
) -> bytes:
    """The bytes that an event's hash covers: one JSON array, UTF-8. `at` in microseconds since 1970, `data` as
    `data_text` makes it. The position is left out: it belongs to the place where the trail is kept."""
    text = (
        f"[{_quoted(writer)},{sequence},{_quoted(kind)},{at},{_json(taxpayer)},{_json(subject)},"
        f'{_quoted(data)},"{previous.hex()}"]'
    )
    return text.encode("utf-8", "surrogatepass")


def chained(tip: ChainTip, draft: EventDraft, data: str) -> ChainTip:
    """The tip after this event. `data` is `data_text(draft.data)`."""
    sequence = tip.sequence + 1
    body = canonical_event(
        tip.writer, sequence, draft.kind, microseconds(draft.at), draft.taxpayer, draft.subject, data, tip.hash
    )
    return ChainTip(tip.writer, sequence, sm3(body))


def head_bytes(writer: str, sequence: int, digest: bytes, at: datetime) -> bytes:
    """The bytes that a head's signature covers."""
    parts = ["head", writer, sequence, digest.hex(), microseconds(at)]
    return _canonical(parts).encode("utf-8", "surrogatepass")
