"""Tokens that were made on this machine, written down for the trail: who may do what until when; never a token itself.

One line of JSON each, added by the command that makes it, taken up by `access.notes` within a second, or at the next start.
What is long over leaves the file when another is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from kaipiao.access.revocations import LONGEST_LIFE
from kaipiao.access.tokens import Made
from kaipiao.seal import durable
from kaipiao.seal.importing.exclusive import exclusive

_FILE_LIMIT = 64 * 1024 * 1024  # bytes; a line has about 250
Line = Mapping[str, str]


def path_in(directory: Path) -> Path:
    return directory / "access" / "made.jsonl"


def note(directory: Path, made: Made, now: datetime) -> None:
    """Durable when it returns. Raises `OSError`."""
    path = path_in(directory)
    line = {
        "jti": made.jti,
        "token_of": made.subject,
        "role": made.role,
        "reach": made.tenant if made.tenant and not made.taxpayers else ",".join(made.taxpayers),
        "expires": made.expires.isoformat(),
        "key": made.key_id,
    }
    with exclusive(path.parent):
        kept = [held for held in read(path).values() if datetime.fromisoformat(held["expires"]) > now - LONGEST_LIFE]
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in (*kept, line))
        durable.replace(path, "".join(lines).encode("utf-8"))


def read(path: Path) -> dict[str, Line]:
    """By jti. A line that cannot be read is left out: it keeps nobody out, and nothing goes by it."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT)
    except FileNotFoundError:
        return {}
    found = [_line(raw) for raw in content.splitlines()]
    return {line["jti"]: line for line in found if line is not None}


def _line(raw: bytes) -> Line | None:
    try:
        line = {str(name): str(value) for name, value in json.loads(raw).items()}
        sound = datetime.fromisoformat(line["expires"]).utcoffset() is not None and "jti" in line
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    return line if sound else None
