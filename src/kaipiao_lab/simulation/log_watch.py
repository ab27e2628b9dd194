"""What the platform logs: a defect of ours that a loop or an errand outlived must not go unnoticed here."""

from __future__ import annotations

import logging
from types import TracebackType

from kaipiao.errors import Internal, KaipiaoError
from kaipiao_lab.simulation.judge import Judge
from kaipiao_lab.simulation.ledger_faults import Injected
from kaipiao_lab.simulation.story import Story

EXPECTED = frozenset({"a channel raised", "errand failed"})  # for what the world itself raises: `Internal`


class LogWatch(logging.Handler):
    """While it is entered, every error that the platform logs is in the story."""

    def __init__(self, story: Story, judge: Judge) -> None:
        super().__init__(logging.ERROR)
        self._story = story
        self._judge = judge
        self._log = logging.getLogger("kaipiao")

    def __enter__(self) -> None:
        self._before = (self._log.level, self._log.propagate)
        self._log.propagate = False
        self._log.setLevel(logging.ERROR)
        self._log.addHandler(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._log.removeHandler(self)
        self._log.level, self._log.propagate = self._before
        self._log.setLevel(self._before[0])

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        code = getattr(record, "code", None) or (type(error).__name__ if error else "")
        self._story.tell(f"log: {record.msg} {code}")
        if error is None or isinstance(error, Injected) or self._story.over:
            return
        ours = isinstance(error, KaipiaoError) and not isinstance(error, Internal)
        if not ours and not (record.msg in EXPECTED and isinstance(error, Internal)):
            self._judge.breaks("no work meets a defect of ours", f"{record.msg}: {error!r}")
