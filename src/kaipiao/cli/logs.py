"""Logs as JSON lines on stderr. Codes and ids, never document content, keys or tokens.

Of an exception only its type and its places are written: a message may quote what a caller sent.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import json
import logging
import sys
import threading
import traceback
from contextlib import nullcontext, suppress
from typing import TextIO

from kaipiao.operations.repeats import Repeats
from kaipiao.operations.request_context import REQUEST_ID
from kaipiao.operations.request_line import RequestLine, instant

FIELDS = frozenset({
    "request_id", "method", "route", "status", "ms", "subject", "code", "loop", "failures", "taxpayer", "channel",
    "service", "outcome", "phase", "cause", "bytes", "reused", "repeated", "certificate",
})  # fmt: skip
_ESCAPED = "kaipiao-json"  # a way to deal with what cannot be encoded, by name
_ENCODED = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, RequestLine):
            return record.json()
        line: dict[str, object] = {
            "at": instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in record.__dict__.items():
            if name in FIELDS and value is not None:
                line[name] = value
        if "request_id" not in line and (request_id := REQUEST_ID.get()) is not None:
            line["request_id"] = request_id
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["trace"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(record.exc_info[2])]
        return _ENCODED(line)


class LinesOfATurn(logging.StreamHandler[TextIO]):
    """Lines of requests that end in one turn of the event loop are written in one go: they end in groups, as the ledger
    commits them, and each write would let go of the interpreter and wait for it. Every other line is written at once, behind
    those that came before it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record, RequestLine) and (loop := asyncio._get_running_loop()) is not None:
            if not self._lines:
                loop.call_soon(self.flush)
            self._lines.append(self.format(record))
            return
        self._write()
        super().emit(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            self._write()
            super().flush()

    def _write(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            with suppress(OSError, ValueError):  # nobody reads the log any more; a request does not fail for that
                self.stream.write("\n".join(lines) + "\n")


def begin(level: int = logging.INFO) -> None:
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # our lines do not say them
    if isinstance(sys.stderr, io.TextIOWrapper):
        codecs.register_error(_ESCAPED, _escaped)
        sys.stderr.reconfigure(errors=_ESCAPED)
    handler = LinesOfATurn(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(Repeats())
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("kaipiao").setLevel(level)  # libraries at debug would show what goes over the wire
    logging.captureWarnings(True)  # what would be written past the handler becomes a line like any other
    threading.excepthook = _thread_died


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """What the encoding of stderr cannot say, as JSON says it; Python's own escapes would break the line."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None:
        logging.getLogger(__name__).error("a thread has died", exc_info=died.exc_value)
