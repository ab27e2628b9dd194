"""Logs as JSON lines on stderr. Codes and ids, never document content, keys or tokens.

Of an exception only its type and its places are written: a message may quote what a caller sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from kaipiao.operations.repeats import Repeats
from kaipiao.operations.request_context import REQUEST_ID

FIELDS = (
    "request_id", "method", "route", "status", "ms", "subject", "code", "loop", "failures", "taxpayer", "channel",
    "service", "outcome", "phase", "cause", "bytes", "reused", "repeated",
)  # fmt: skip
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = record.__dict__
        line |= {name: given[name] for name in FIELDS if given.get(name) is not None}
        if "request_id" not in line and (request_id := REQUEST_ID.get()) is not None:
            line["request_id"] = request_id
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["trace"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line, ensure_ascii=False)


def begin(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(Repeats())
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("kaipiao").setLevel(level)  # libraries at debug would show what goes over the wire
