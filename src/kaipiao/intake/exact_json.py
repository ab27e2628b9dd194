"""JSON as it was written: numbers never pass through a float, a key never hides another.

A float cannot tell 0.10 from 0.1 and makes 1e400 infinite, and pydantic's own JSON parser reads numbers as floats. So the
text is parsed by the standard library, whose scanner hands over the digits, and the tree is validated afterwards.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

from kaipiao.errors import Malformed, TooLarge
from kaipiao.language import Text

_LONGEST_NUMBER = 60


def parse(raw: bytes) -> object:
    """The tree of a JSON document in UTF-8; numbers are `Decimal` with the scale they were written in.

    Raises `Malformed` (with line and column where known) for anything that is not JSON, for NaN and Infinity, for a key
    that stands twice; `TooLarge` for nesting that no request needs.
    """
    try:
        return _decoder.decode(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Malformed(
            Text("第 {offset} 字节不是 UTF-8。", "Byte {offset} is not UTF-8.").format(offset=error.start),
            offset=error.start,
        ) from None
    except json.JSONDecodeError as error:
        raise syntax_error(error) from None
    except RecursionError:
        raise TooLarge(Text("JSON 嵌套过深。", "The JSON is nested too deeply."), limit="depth") from None


def syntax_error(error: json.JSONDecodeError) -> Malformed:
    return Malformed(
        Text("JSON 语法错误：第 {line} 行第 {column} 列。", "JSON syntax error: line {line}, column {column}.").format(
            line=error.lineno, column=error.colno
        ),
        line=error.lineno,
        column=error.colno,
    )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(Text("同一个字段出现了两次。", "A field stands twice."))
    return found


def _number(digits: str) -> Decimal:
    if len(digits) > _LONGEST_NUMBER:
        raise Malformed(Text("数字过长。", "A number is too long."))
    return Decimal(digits)


def _no_constant(_: str) -> NoReturn:
    raise Malformed(Text("NaN 和 Infinity 不是数字。", "NaN and Infinity are no numbers."))


_decoder = json.JSONDecoder(
    parse_float=_number, parse_int=_number, parse_constant=_no_constant, object_pairs_hook=_object
)
