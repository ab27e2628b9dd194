"""A platform whose power can be cut."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from kaipiao_lab.powercut import restore
from kaipiao_lab.powercut.journal import records
from kaipiao_lab.powercut.restore import Remainder
from kaipiao_lab.processes import Command

FILES = ("ledger.db", "ledger.db-wal")
CAREFUL, CARELESS = "careful", "careless"


class FailingPower(Command):
    """`kaipiao serve` in a data directory, above the layer. `care`: CARELESS runs with `synchronous = OFF`."""

    def __init__(self, place: Path, log: Path, care: str = CAREFUL) -> None:
        self._place = place
        self._base = log.with_suffix(".before")
        self._journal = log.with_suffix(".journal")
        program = ("kaipiao_lab.powercut.serve", str(self._journal), care)
        super().__init__(["serve", "-d", str(place), "--json"], log, program)

    def start(self) -> dict[str, Any]:
        restore.keep(self._place, self._base, FILES)
        self._journal.unlink(missing_ok=True)
        return super().start()

    def cut(self, remainder: Remainder, chance: random.Random) -> int:
        """The power fails, now. Returns how many changes of the files waited for their fsync."""
        self.kill()
        if not self._journal.exists():  # it did not come as far as its first file
            return 0
        return restore.cut(self._place, self._base, records(self._journal), remainder, chance)
