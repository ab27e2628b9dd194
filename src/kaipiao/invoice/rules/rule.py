"""What a rule is, and what it finds.

A rule is data: a stable code, where it looks, both texts, its source, and what breaking it means — for a draft that shall
be issued, and for a file that was received. The functions that look for broken rules stand beside the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kaipiao.language import Text


class Verdict(StrEnum):
    VALID = "valid"
    INVALID = "invalid"
    NOT_JUDGED = "not_judged"


class Received(StrEnum):
    """What a broken rule says about a received file."""

    INVALID = "invalid"  # the file contradicts itself
    WARNING = "warning"  # unusual; redacted and old files are so
    NOT_JUDGED = "not_judged"  # our tables cannot tell
    UNASKED = "unasked"  # the rule is about issuing only


@dataclass(frozen=True, slots=True)
class Rule:
    """`path` is the field it looks at, with `[]` for every line; `text` may have {facts}; `stops`: stops issuing."""

    code: str
    path: str
    text: Text
    source: str
    stops: bool = True
    received: Received = Received.WARNING


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken or unjudged rule at one place.

    INVALID with `stops`: a draft is refused, a received file is invalid. INVALID without `stops`: a warning only.
    NOT_JUDGED never stops: the rule could not be decided. The text quotes lengths, limits and computed values, never
    what stands in a field.
    """

    code: str
    path: str
    verdict: Verdict
    stops: bool
    text: Text
    source: str


class Findings:
    """Collects what is found, judged as for issuing or as for a received file."""

    __slots__ = ("_found", "received")

    def __init__(self, *, received: bool) -> None:
        self.received = received
        self._found: list[Finding] = []

    def add(self, rule: Rule, path: str, **facts: object) -> None:
        """The rule is broken at `path`."""
        if not self.received:
            self._append(rule, path, Verdict.INVALID, rule.stops, facts)
        elif rule.received is Received.NOT_JUDGED:
            self.unjudged(rule, path, **facts)
        elif rule.received is not Received.UNASKED:
            self._append(rule, path, Verdict.INVALID, rule.received is Received.INVALID, facts)

    def unjudged(self, rule: Rule, path: str, **facts: object) -> None:
        """Whether the rule is broken at `path` cannot be told."""
        self._append(rule, path, Verdict.NOT_JUDGED, False, facts)

    def _append(self, rule: Rule, path: str, verdict: Verdict, stops: bool, facts: dict[str, object]) -> None:
        text = rule.text.format(**facts) if facts else rule.text
        self._found.append(Finding(rule.code, path, verdict, stops, text, rule.source))

    def all(self) -> tuple[Finding, ...]:
        return tuple(self._found)
