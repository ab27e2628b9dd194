"""The sandbox's clock: a function of the machine's, kept in the books, so that both sides agree while it is down."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from kaipiao.authority.sandbox import store
from kaipiao.clock import ClockFunction, FunctionClock
from kaipiao.errors import FieldsRefused
from kaipiao.language import Text

YEARS = range(2000, 2200)  # beyond them neither an invoice number nor Python could say the date for long


class ClockChange(BaseModel):
    """A wish of the administrator: another speed, and either an instant or a step in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speed: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    now: AwareDatetime | None = None
    advance: float | None = Field(default=None, ge=-1e9, le=1e9, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.now is not None and self.advance is not None:
            raise ValueError("either now or advance")
        return self


class BureauClock(FunctionClock):
    """Goes on from the stored function; the first start makes it from the settings."""

    def __init__(self, db: sqlite3.Connection, start: datetime | None, speed: float) -> None:
        stored = store.load_clock(db)
        machine = time.time()
        shown = start.timestamp() if start else machine
        super().__init__(stored or ClockFunction(machine, _possible(shown), speed))
        self._db = db
        if stored is None:
            store.save_clock(db, self.function)

    def change(self, wish: ClockChange) -> None:
        """Durable when it returns. Raises `FieldsRefused` for an instant at which no bureau was or will be."""
        machine = time.time()
        shown = (wish.now or self.function.at(machine)).timestamp() + (wish.advance or 0.0)
        function = ClockFunction(machine, _possible(shown), wish.speed or self.function.speed)
        store.save_clock(self._db, function)
        self.function = function

    def shown(self) -> dict[str, object]:
        """What GET /sandbox/v1/clock answers."""
        function = self.function
        return {
            "anchor": function.anchor,
            "shown": function.shown,
            "speed": function.speed,
            "now": self.now().isoformat(),
        }


def _possible(shown: float) -> float:
    """Seconds since the epoch within `YEARS`."""
    begin, end = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (YEARS.start, YEARS.stop))
    if not begin <= shown < end:
        raise FieldsRefused(
            Text(
                f"沙箱时钟须在 {YEARS.start} 至 {YEARS.stop - 1} 年之间",
                f"The sandbox's clock must be within the years {YEARS.start} to {YEARS.stop - 1}",
            )
        )
    return shown
