"""What an answer means for "may I send again?": a table, and the phase rule for calls that got no answer.

The table is `authority/data/outcomes.tsv`. Wording comes first, because an overload or a lost session is told under any
code; then the code at its place, for its service. Return codes differ per service: 01 is never absence.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from kaipiao.authority.channel import Outcome
from kaipiao.authority.transport.failure import Failure
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

_COLUMNS = ("id", "layer", "where", "service", "code", "pattern", "outcome", "retry_after", "source")
_READ_AT_MOST = 65536  # characters of a body that are searched for wording
# Whose wording counts at a place. Only what the bureau itself says of a call may refuse its content; a page may tell a
# lost session; under a server error only the overload's own sentence is believed.
_SPOKEN = frozenset({"overload", "session", "leqi"})
_PAGE = frozenset({"overload", "session"})
_ERROR_PAGE = frozenset({"overload"})


class Where(StrEnum):
    """The place in an answer at which a code was read."""

    HTTP = "http"
    OUTER = "outer"
    ERROR = "error"
    RETURN = "return"
    ITEM = "item"
    SOFT = "soft"
    BODY = "body"
    VENDOR = "vendor"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. `codes` and `patterns` may be empty, not both; `retry_after` in seconds."""

    id: str
    layer: str
    where: Where
    service: str
    codes: tuple[str, ...]
    patterns: tuple[str, ...]
    outcome: Outcome
    retry_after: float | None
    source: str

    def says(self, text: str) -> bool:
        return any(_contains(text, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`row` is the id of the deciding row, or `phase` for the rule of R3."""

    outcome: Outcome
    retry_after: float | None
    row: str


class Outcomes:
    """The table, ready to be asked. Raises `SettingsFault` for rows that contradict each other or cannot be read."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        self._by_code: dict[tuple[str, Where, str, str], Row] = {}
        for row in self.rows:
            for code in row.codes:
                key = (row.layer if row.where is Where.VENDOR else "", row.where, row.service, code)
                if self._by_code.setdefault(key, row) is not row and row.where is not Where.VENDOR:
                    raise _broken(f"{row.id} repeats {key}")
        self._wording = tuple(row for row in self.rows if row.patterns)

    def of_code(self, where: Where, service: str, code: str, *, writes: bool, layer: str = "") -> Verdict | None:
        """The verdict on a code at its place: the service's own row, its group's, the general one, then the same for
        any other code. None where the table says nothing."""
        group = "@write" if writes else "@read"
        for wanted in (code, "*"):
            for scope in (service, group, "*"):
                row = self._by_code.get((layer, where, scope, wanted))
                if row is not None:
                    return Verdict(row.outcome, row.retry_after, row.id)
        return None

    def of_wording(self, text: str, layers: Container[str]) -> Verdict | None:
        """The verdict on words of these layers that mean the same under any code: an overload, a lost session."""
        text = text[:_READ_AT_MOST]
        for row in self._wording:
            if row.layer in layers and row.says(text):
                return Verdict(row.outcome, row.retry_after, row.id)
        return None


def of_failure(failure: Failure, *, writes: bool) -> Verdict:
    """Rule R3. Nothing sent: NOT_SENT. Our certificate refused: NOT_ACCEPTED. Sent without a whole answer: AMBIGUOUS,
    or for a question, which changes nothing, RETRY."""
    if failure.surely_not_sent:
        return Verdict(Outcome.NOT_SENT, None, "phase")
    if failure.surely_not_accepted:
        return Verdict(Outcome.NOT_ACCEPTED, None, "phase")
    return Verdict(Outcome.AMBIGUOUS if writes else Outcome.RETRY, None, "phase")


def classify(where: Where, service: str, code: str, message: str = "", *, writes: bool) -> Verdict:
    """The verdict on an answer of the direct protocol. `message`: the bureau's words there, or the body's beginning.

    `writes`: the service changes the books, so that silence is a doubt. Success is decided by the code alone.
    """
    table = outcomes()
    found = table.of_code(where, service, code, writes=writes)
    if found is None or found.outcome is not Outcome.OK:
        found = table.of_wording(message, _believed(where, code)) or found
    return found or Verdict(Outcome.AMBIGUOUS if writes else Outcome.RETRY, None, "unknown")


def _believed(where: Where, code: str) -> frozenset[str]:
    if where in (Where.ERROR, Where.RETURN, Where.ITEM):
        return _SPOKEN
    return _ERROR_PAGE if where is Where.HTTP and code >= "500" else _PAGE


@cache
def outcomes() -> Outcomes:
    """The shipped table, read and validated once."""
    text = files("kaipiao.authority").joinpath("data/outcomes.tsv").read_text(encoding="utf-8")
    return Outcomes(read_rows(text))


def read_rows(text: str) -> list[Row]:
    """The rows of a table as text. Raises `SettingsFault` naming the line."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if not lines or tuple(lines[0].split("\t")) != _COLUMNS:
        raise _broken("the columns are not the expected ones")
    rows = [_read_row(line) for line in lines[1:]]
    if len({row.id for row in rows}) != len(rows):
        raise _broken("an id is used twice")
    return rows


def _read_row(line: str) -> Row:
    cells = line.split("\t")
    if len(cells) != len(_COLUMNS) or not all(cells):
        raise _broken(line[:60])
    named: Mapping[str, str] = dict(zip(_COLUMNS, cells, strict=True))
    try:
        row = Row(
            id=named["id"],
            layer=named["layer"],
            where=Where(named["where"]),
            service=named["service"],
            codes=_parts(named["code"]),
            patterns=_parts(named["pattern"]),
            outcome=Outcome(named["outcome"]),
            retry_after=None if named["retry_after"] == "-" else float(named["retry_after"]),
            source=named["source"],
        )
    except ValueError as error:
        raise _broken(line[:60]) from error
    if not row.codes and not row.patterns:
        raise _broken(f"{row.id} has neither code nor wording")
    return row


def _parts(cell: str) -> tuple[str, ...]:
    return () if cell == "-" else tuple(part.strip() for part in cell.split("|"))


def _contains(text: str, pattern: str) -> bool:
    """The pieces between `*`, in order. Linear in the text, whatever the pattern."""
    at = 0
    for piece in pattern.split("*"):
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _broken(what: str) -> SettingsFault:
    return SettingsFault(Text(f"内置的结果分类表有误：{what}", f"The shipped table of outcomes is broken: {what}"))
