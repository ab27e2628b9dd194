"""The id of the HTTP request that is being worked on: every log line of it carries the id (cli/logs.py)."""

from __future__ import annotations

from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("kaipiao.request_id", default=None)
