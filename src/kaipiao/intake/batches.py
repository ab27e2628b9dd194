"""A batch as it arrives: NDJSON or a JSON array in pieces of any length, cut into its items without holding the whole.

Where an item ends is all that is decided here; whether it is a request is for `parse_request`. What is held is one item.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from kaipiao.errors import KaipiaoError, Malformed, TooLarge
from kaipiao.intake.exact_json import parse
from kaipiao.language import Text

_BOM = b"\xef\xbb\xbf"
_MARKS = re.compile(rb'["\\{}\[\],]')
_STRING_MARKS = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"
_LONGEST_ORDER = 128


@dataclass(frozen=True, slots=True)
class Item:
    """One item as it was sent. `position`: the line in NDJSON, the place in an array, both from 1."""

    position: int
    raw: bytes


def order_of(raw: bytes) -> str | None:
    """The order key of an item that is refused, where it has one that could be used."""
    try:
        body = parse(raw)
    except KaipiaoError:
        return None
    order = body.get("order") if isinstance(body, dict) else None
    return order if isinstance(order, str) and len(order) <= _LONGEST_ORDER and order.isprintable() else None


class Splitter(Protocol):
    """Both raise `TooLarge` for an item over the limit and `Malformed` where the batch itself breaks off; what was given
    before counts. `position` is that of the item which is not whole yet."""

    position: int

    def feed(self, piece: bytes) -> Iterator[Item]: ...

    def end(self) -> Iterator[Item]: ...


class Lines:
    """NDJSON: blank lines count, but are no items."""

    def __init__(self, item_limit: int) -> None:
        self._limit = item_limit
        self._held = bytearray()
        self.position = 1

    def feed(self, piece: bytes) -> Iterator[Item]:
        first, *rest = piece.split(b"\n")
        self._held += first
        for following in rest:
            yield from self._take()
            self.position += 1
            self._held += following
        self._check()

    def end(self) -> Iterator[Item]:
        yield from self._take()

    def _take(self) -> Iterator[Item]:
        self._check()
        line = bytes(self._held)
        self._held.clear()
        if self.position == 1:
            line = line.removeprefix(_BOM)
        if line.strip():
            yield Item(self.position, line)

    def _check(self) -> None:
        if len(self._held) > self._limit:
            raise _too_large(self._limit)


class Array:
    """A JSON array. Its brackets, strings and commas are followed; all else is left to the parser of the items."""

    def __init__(self, item_limit: int) -> None:
        self._limit = item_limit
        self._held = bytearray()
        self._looked = 0  # so many bytes of what is held were looked at
        self._blank = 0  # bytes before the opening bracket
        self._depth = 0
        self._in_string = False
        self._ended = False
        self.position = 1

    def feed(self, piece: bytes) -> Iterator[Item]:
        self._held += piece
        if self._depth == 0 and not self._ended and not self._begin():
            self._check()
            return
        while not self._ended and (mark := self._next_mark()) is not None:
            yield from self._passed(*mark)
        if self._ended and self._held.strip(_SPACE):
            raise _broken()
        self._check()

    def end(self) -> Iterator[Item]:
        if not self._ended:
            raise _broken()
        return iter(())

    def _check(self) -> None:
        if len(self._held) > self._limit:
            raise _too_large(self._limit)

    def _begin(self) -> bool:
        """Past the opening bracket, as soon as it is there. What is blank before it is counted, but not held."""
        first = self._blank == 0
        if first and len(self._held) < len(_BOM) and _BOM.startswith(self._held):
            return False  # nothing yet, or half of a byte order mark
        start = (self._held.removeprefix(_BOM) if first else self._held).lstrip(_SPACE)
        self._blank += len(self._held) - len(start)
        if self._blank > self._limit:
            raise _too_large(self._limit)
        if not start:
            self._held.clear()
            return False
        if not start.startswith(b"["):
            raise _broken()
        self._held, self._depth = start[1:], 1
        return True

    def _next_mark(self) -> tuple[int, int] | None:
        """(place, byte) of the next mark that means something here."""
        while (found := (_STRING_MARKS if self._in_string else _MARKS).search(self._held, self._looked)) is not None:
            place = found.start()
            byte = self._held[place]
            if self._in_string and byte == 0x5C:
                if place + 1 >= len(self._held):
                    return None  # what is escaped has not come yet
                self._looked = place + 2
                continue
            self._looked = place + 1
            return place, byte
        self._looked = len(self._held)
        return None

    def _passed(self, place: int, byte: int) -> Iterator[Item]:
        mark = chr(byte)
        if mark == '"':
            self._in_string = not self._in_string
        elif mark in "[{":
            self._depth += 1
        elif mark == "]" and self._depth == 1:
            yield from self._close(place)
        elif mark in "]}":
            if self._depth == 1:
                raise _broken()
            self._depth -= 1
        elif mark == "," and self._depth == 1:
            yield self._take(place)
            self.position += 1

    def _close(self, place: int) -> Iterator[Item]:
        """The closing bracket. An empty array has no item; after a comma one must come."""
        item = self._take(place)
        if item.raw.strip(_SPACE) or self.position > 1:
            yield item
        self._ended = True

    def _take(self, place: int) -> Item:
        if place > self._limit:
            raise _too_large(self._limit)
        item = Item(self.position, bytes(self._held[:place]))
        del self._held[: place + 1]
        self._looked = 0
        return item


def _too_large(limit: int) -> TooLarge:
    return TooLarge(Text(f"一笔超过 {limit} 字节", f"An item is over {limit} bytes"), limit=limit)


def _broken() -> Malformed:
    return Malformed(Text("请求体不是完整的 JSON 数组", "The body is not a whole JSON array"))
