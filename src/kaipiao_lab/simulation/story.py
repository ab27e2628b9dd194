"""What happened, line by line. Two runs of a seed tell the same story to the letter: `digest` says whether they did."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from kaipiao_lab.simulation.processes import present


class Broken(AssertionError):
    """A promise that was not kept. `about`: what to look for in the story (an order key, a number)."""

    def __init__(self, promise: str, fact: str, about: str | None = None) -> None:
        super().__init__(f"{promise}: {fact}")
        self.promise = promise
        self.about = about


class Story:
    """The trace of one seed. `time` gives the machine's and the platform's present, in seconds."""

    def __init__(self, time: Callable[[], tuple[float, float]]) -> None:
        self._time = time
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        self.over = False  # the judge has spoken: what still ends is nobody's concern

    def tell(self, what: str) -> None:
        if self.over:
            return
        real, shown = self._time()
        process = present()
        self.lines.append(f"{real:10.3f} {shown:12.1f} {process.name if process else '-':8} {what}")

    def digest(self) -> str:
        return hashlib.blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()

    def about(self, words: tuple[str, ...], most: int) -> list[str]:
        """The last lines in which one of the words occurs."""
        return [line for line in self.lines if any(word in line for word in words)][-most:]
