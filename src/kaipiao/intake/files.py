"""Requests out of files: JSON (one object or an array), NDJSON, `EInvoice` XML.

One wrong item harms no other: it becomes a `Refusal` with its place, and reading goes on. NDJSON is read line by line, so a
file of any length uses the memory of one line; the other forms are read whole, up to a limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from kaipiao.document.xml import read_invoice
from kaipiao.errors import KaipiaoError, Malformed, OrderKeyMissing, TooLarge
from kaipiao.intake.exact_json import syntax_error
from kaipiao.intake.requests import LARGEST_BODY, parse_request
from kaipiao.invoice.drafting import draft_from_invoice
from kaipiao.invoice.model import Draft
from kaipiao.language import Text

LARGEST_FILE = 50_000_000  # bytes of a JSON array, a single object or an XML file
_SPACE = " \t\n\r"
# Only to find where an item ends; the item itself is parsed by `parse_request`.
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a file. `position`: the line in NDJSON, the place in an array, from 1; 1 for a file of one request."""

    file: str
    position: int
    draft: Draft


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stood at `position` and cannot be used. In a JSON array that breaks off, the rest is one refusal."""

    file: str
    position: int
    error: KaipiaoError


def read_requests(source: Path | BinaryIO, name: str) -> Iterator[Request | Refusal]:
    """Every request of a file, in order. `name` is what the file is called in messages; an ending `.ndjson` or `.jsonl`
    says that each line is a request, else the content tells. Raises `OSError` if the file cannot be read at all."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            yield from _read(stream, name)
    else:
        yield from _read(source, name)


def _read(stream: BinaryIO, name: str) -> Iterator[Request | Refusal]:
    head, following = _first_line(stream)
    if name.lower().endswith((".ndjson", ".jsonl")) or _is_lines(head, following):
        rest = iter(partial(stream.readline, LARGEST_BODY + 2), b"")
        yield from _read_lines(chain(BytesIO(head), (following,) if following else (), rest), name)
        return
    data = head + following + stream.read(max(0, LARGEST_FILE + 1 - len(head) - len(following)))
    if len(data) > LARGEST_FILE:
        yield Refusal(name, 1, _too_large(LARGEST_FILE))
    elif name.lower().endswith(".xml") or _bare(head).startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        yield _xml(data, name)
    else:
        yield from _read_json(data, name)


def _first_line(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Everything up to the end of the first line that is not blank, and the line after it."""
    line = stream.readline(LARGEST_BODY + 2)
    head = bytearray(line)  # bytes would be copied for every blank line
    while line and not line.strip() and len(head) < LARGEST_BODY:
        line = stream.readline(LARGEST_BODY + 2)
        head += line
    return bytes(head), stream.readline(LARGEST_BODY + 2)


def _bare(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()


def _is_lines(head: bytes, following: bytes) -> bool:
    """An object that ends on its first line, or is followed by another object: also when the first is cut off."""
    first = _bare(head)
    return first.startswith(b"{") and (first.rstrip().endswith(b"}") or following.lstrip().startswith(b"{"))


def _read_lines(parts: Iterable[bytes], name: str) -> Iterator[Request | Refusal]:
    """Parts are lines; a line over the limit comes in several, and only its first counts."""
    position, continued = 0, False
    for part in parts:
        if not continued:
            position += 1
            if part.strip():
                yield _request(part, position, name)
        continued = not part.endswith(b"\n")


def _request(raw: bytes, position: int, name: str) -> Request | Refusal:
    try:
        return Request(name, position, parse_request(raw))
    except KaipiaoError as error:
        return Refusal(name, position, error)


def _read_json(data: bytes, name: str) -> Iterator[Request | Refusal]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = Text("第 {offset} 字节不是 UTF-8。", "Byte {offset} is not UTF-8.").format(offset=error.start)
        yield Refusal(name, 1, Malformed(wrong, offset=error.start))
        return
    if text.lstrip(_SPACE).startswith("["):
        yield from _array(text, name)
    elif text.strip(_SPACE):
        yield _request(data, 1, name)
    else:
        yield Refusal(name, 1, Malformed(Text("文件是空的。", "The file is empty.")))


def _array(text: str, name: str) -> Iterator[Request | Refusal]:
    """Item by item, so that the items before a break still count."""
    place, position = _after_space(text, text.index("[") + 1), 0
    if text[place : place + 1] == "]":
        place = _after_space(text, place + 1)
    else:
        separator = ","
        while separator == ",":
            position += 1
            try:
                _, end = _scan(text, place)
            except json.JSONDecodeError as error:
                yield Refusal(name, position, syntax_error(error))
                return
            except RecursionError:
                yield Refusal(name, position, TooLarge(Text("JSON 嵌套过深。", "The JSON is nested too deeply.")))
                return
            yield _request(text[place:end].encode("utf-8", "surrogatepass"), position, name)
            place = _after_space(text, end)
            separator = text[place : place + 1]
            place = _after_space(text, place + 1)
        if separator != "]":
            place = -1
    if place != len(text):
        yield Refusal(
            name, position + 1, Malformed(Text("JSON 数组没有正确结束。", "The JSON array does not end properly."))
        )


def _after_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place


def _xml(data: bytes, name: str) -> Request | Refusal:
    try:
        invoice = read_invoice(data)
        return Request(name, 1, draft_from_invoice(invoice, f"xml:{invoice.number}"))
    except KaipiaoError as error:
        missing = error.facts.get("path") == "Header/EIid"
        return Refusal(name, 1, OrderKeyMissing() if missing else error)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        Text("文件超过 {limit} 字节。", "The file is over {limit} bytes.").format(limit=limit), limit="size"
    )
