"""One byte form for each content: canonical JSON (sorted keys, no spaces, UTF-8, decimals as strings).

`draft_bytes` is what rule R2 compares: two requests are the same content when their bytes are equal, so decimals are
written by value (2.00 and 2 are the same) and what has its empty default is left out (a field that a later version adds
changes nothing for older drafts). `invoice_bytes` keeps the scale of every decimal: it is read back exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from operator import attrgetter
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from kaipiao.errors import Malformed, TooLarge
from kaipiao.invoice.model import Draft, Invoice
from kaipiao.invoice.money import plain, sound
from kaipiao.language import Text

T = TypeVar("T")
_DEEPEST = 190  # levels of JSON; the reader goes to 200, and what is written must be readable
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def draft_bytes(draft: Draft) -> bytes:
    """Canonical JSON of a draft. Raises `Malformed` for numbers (NaN, 1e400) and texts (half characters) that no draft
    has, `TooLarge` for elements nested beyond reading."""
    return _bytes(draft, plain)


def invoice_bytes(invoice: Invoice) -> bytes:
    """Canonical JSON of an invoice, decimals with their scale. Raises as `draft_bytes` does."""
    return _bytes(invoice, _with_scale)


def load_draft(data: bytes) -> Draft:
    """The draft that `draft_bytes` wrote. Raises `Malformed` for anything else."""
    return _load(data, _draft_reader(), draft_bytes)


def load_invoice(data: bytes) -> Invoice:
    """The invoice that `invoice_bytes` wrote. Raises `Malformed` for anything else."""
    return _load(data, _invoice_reader(), invoice_bytes)


def differing_fields(a: bytes, b: bytes) -> list[str]:
    """The paths (`lines[0].amount`) in which two canonical documents differ, in order; never a value.

    A block that only one of them has is named once; so is each line that only one has. Raises `Malformed`.
    """
    return list(_differences("", _parse(a), _parse(b)))


def _with_scale(value: Decimal) -> str:
    return str(sound(value))


def _bytes(value: object, number: Callable[[Decimal], str]) -> bytes:
    try:
        return _encode(_tree(value, number, 0)).encode()
    except UnicodeEncodeError as error:
        raise Malformed(Text("文字中有不完整的字符", "A text holds half a character")) from error


def _tree(value: object, number: Callable[[Decimal], str], depth: int) -> object:
    """Plain JSON values. A text passes as it is: most fields are one, so it is asked first."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Decimal):
        return number(value)
    if depth > _DEEPEST:
        raise TooLarge(Text("要素嵌套过深", "The elements are nested too deeply"), limit=_DEEPEST)
    if isinstance(value, tuple):
        return [_tree(item, number, depth + 1) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    tree: dict[str, object] = {}
    plan = _plan(type(value))
    for name, default, item in zip(plan.names, plan.left_out, plan.values(value), strict=True):
        if item is default or (not item and item == default):
            continue
        tree[name] = item if item.__class__ is str else _tree(item, number, depth + 1)
    return tree


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a class of the model is written: field names in order of the alphabet, the default to leave out of each."""

    names: tuple[str, ...]
    left_out: tuple[object, ...]
    values: attrgetter[tuple[object, ...]]


_plans: dict[type, _Plan] = {}


def _plan(shape: type) -> _Plan:
    if shape not in _plans:
        members = sorted(fields(shape), key=lambda member: member.name)
        names = tuple(member.name for member in members)
        _plans[shape] = _Plan(names, tuple(_left_out(member) for member in members), attrgetter(*names))
    return _plans[shape]


def _left_out(member: Field[object]) -> object:
    """The default of a field if it is an empty one; MISSING where the value is always written."""
    default = member.default
    empty = default is None or default is False or default in ((), frozenset())
    return default if empty else MISSING


def _load(data: bytes, reader: TypeAdapter[T], write: Callable[[T], bytes]) -> T:
    try:
        value = reader.validate_json(data)
    except ValidationError as error:
        raise _not_canonical() from error
    if write(value) != data:
        raise _not_canonical()
    return value


@cache
def _draft_reader() -> TypeAdapter[Draft]:
    return TypeAdapter(Draft)


@cache
def _invoice_reader() -> TypeAdapter[Invoice]:
    return TypeAdapter(Invoice)


def _parse(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_canonical() from error


def _differences(path: str, a: object, b: object) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            yield from _differences(f"{path}.{name}" if path else name, a.get(name), b.get(name))
    elif isinstance(a, list) and isinstance(b, list):
        for index, (one, other) in enumerate(zip_longest(a, b)):
            yield from _differences(f"{path}[{index}]", one, other)
    elif a != b:
        yield path


def _not_canonical() -> Malformed:
    return Malformed(Text("内容不是规范格式的 JSON", "The content is not canonical JSON of the expected shape"))
