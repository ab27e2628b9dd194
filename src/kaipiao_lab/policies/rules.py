"""The policies that are compared. Each baseline differs from the common ground in one rule, and in nothing else.

Common ground: the same number again after a pause, until the bureau has said what became of it; a duplicate is what was
filed before. Each rule stands in a product that is in use; `docs/explanation/policies.md` says what it leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

PAUSE_FIRST, PAUSE_MOST = 30.0, 300.0  # seconds of the bureau's clock between two tries, doubling


class Sight(Enum):
    """What one try has shown to the client."""

    ISSUED = auto()
    DUPLICATE = auto()
    REFUSED = auto()
    NOTHING = auto()  # no connection, a fault of the bureau's, or silence


class Step(Enum):
    """What the client does next."""

    ISSUED = auto()  # believes that the sale is filed
    DENIED = auto()  # believes that it is not, and leaves it to a person
    SAME = auto()  # tries again under the same number
    NEW = auto()  # tries again under another number
    ASK = auto()  # asks the bureau by the number


@dataclass(frozen=True, slots=True)
class Rule:
    """`ask_after`: seconds after a try that showed nothing; absent is then believed at once. `tries`: after so many it is
    dead. `shows`: the figure in which its fault must be seen, else the run was blind."""

    name: str
    shows: Literal["doubled", "held_but_denied", "not_issued"]
    new_number_per_try: bool = False
    duplicate: Step = Step.ISSUED
    ask_after: float | None = None
    tries: int | None = None

    def after_try(self, sight: Sight, tries: int) -> Step:
        """`tries`: of this sale so far, this one included."""
        if sight is Sight.ISSUED:
            return Step.ISSUED
        if sight is Sight.DUPLICATE:
            return self.duplicate
        if sight is Sight.REFUSED or (self.tries is not None and tries >= self.tries):
            return Step.DENIED
        if self.ask_after is not None:
            return Step.ASK
        return Step.NEW if self.new_number_per_try else Step.SAME

    def after_ask(self, held: bool) -> Step:
        """What asking is taken for."""
        return Step.ISSUED if held else Step.NEW


BASELINES = (
    Rule("new_number_per_try", "doubled", new_number_per_try=True),
    Rule("duplicate_is_rejected", "held_but_denied", duplicate=Step.DENIED),
    Rule("duplicate_is_number_consumed", "doubled", duplicate=Step.NEW),
    Rule("ask_after_5_s_absent_is_new_number", "doubled", ask_after=5.0),
    Rule("five_tries_then_dead", "not_issued", tries=5),
)
OURS = "ours"


def pause(tries: int) -> float:
    """Seconds before the next try, after so many."""
    return min(PAUSE_MOST, PAUSE_FIRST * 2.0 ** min(30, max(0, tries - 1)))
