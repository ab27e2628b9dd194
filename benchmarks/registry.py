"""The rows of `make bench`. Each is a function in a module `rows_*.py` of this folder, which lists its own as `ROWS`."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from parts import parts
from stand import Stand

T = TypeVar("T")
HERE = Path(__file__).resolve().parent


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(slots=True)
class Run:
    """One run, and what its rows share: each shared figure is measured once, when the first row asks for it."""

    quick: bool
    _known: dict[str, Any] = field(default_factory=dict)
    _closing: list[Callable[[], None]] = field(default_factory=list)

    def once(self, name: str, measure: Callable[[], T]) -> T:
        """What `measure` gave in this run."""
        if name not in self._known:
            self._known[name] = measure()
        known: T = self._known[name]
        return known

    def parts(self) -> dict[str, float]:
        """µs of CPU of each unavoidable part of an invoice, alone (`parts.py`)."""
        return self.once("parts", self._parts)

    def stand(self) -> Stand:
        """A bureau and an embedded platform, for all rows that need no other."""
        return self.once("stand", self._stand)

    def leave_stand(self) -> None:
        """Nothing more is measured on it: what it still has to do would be in the way of other rows."""
        self._known.pop("stand").close()

    def scratch(self) -> Path:
        """A folder of this run."""
        return self.once("scratch", self._scratch)

    def closing(self, end: Callable[[], None]) -> None:
        """`end` ends what a row has started; the last first."""
        self._closing.append(end)

    def close(self) -> None:
        """End what was started, the last first."""
        while self._closing:
            self._closing.pop()()

    def _parts(self) -> dict[str, float]:
        found = parts(2 if self.quick else 10)
        for name, microseconds in found.items():
            say(f"  {name:12} {microseconds:8.1f} µs CPU per invoice")
        say(f"  {'sum':12} {sum(found.values()):8.1f} µs")
        return found

    def _stand(self) -> Stand:
        stand = Stand(self.scratch() / "stand")
        self._closing.append(stand.close)
        stand.start()
        return stand

    def _scratch(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="kaipiao-bench-")
        self._closing.append(folder.cleanup)
        return Path(folder.name)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the last line: a ratio, or KB or MB where its name says so. `target` as in the README ("" for none).
    A row that needs long is left out of a quick run."""

    name: str
    target: str
    measure: Callable[[Run], float]
    long: bool = False


def rows() -> list[Row]:
    """All of them, module by module in the order of their names."""
    modules = [importlib.import_module(path.stem) for path in sorted(HERE.glob("rows_*.py"))]
    return [row for module in modules for row in module.ROWS]
