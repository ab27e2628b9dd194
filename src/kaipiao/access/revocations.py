"""What was revoked: single tokens by their `jti`, and all tokens of a subject that were made until an instant.

One JSON file in the data directory, replaced as a whole, durable before the command that revokes has ended. An entry is
dropped when no token that it could concern is in time any more: no token lives longer than `LONGEST_LIFE`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kaipiao.errors import KaipiaoError, Malformed, Resend
from kaipiao.language import Text
from kaipiao.seal import durable
from kaipiao.seal.importing.exclusive import exclusive
from kaipiao.system_words import reason_of

LONGEST_LIFE = timedelta(days=366)  # of a token
LONGEST_NAME = 256  # characters of a jti or a subject
_FILE_LIMIT = 64 * 1024 * 1024  # bytes; an entry has about 80
_FORM = 1


class RevocationsUnreadable(KaipiaoError):
    """The list of what was revoked cannot be read: nobody is let in by guessing."""

    code = "KP-ACCESS-07"
    title = Text("撤销清单无法读取", "The list of revoked tokens cannot be read")
    next_step = Text(
        "请从备份恢复 access/revoked.json；确认无撤销时才可删除它。",
        "Restore access/revoked.json from a backup; remove it only when nothing was revoked.",
    )
    resend = Resend.AFTER_CHANGE
    status = 503


@dataclass(frozen=True, slots=True)
class Revoked:
    """`tokens`: jti → when it was revoked. `subjects`: subject → tokens made until then are revoked."""

    tokens: Mapping[str, datetime]
    subjects: Mapping[str, datetime]

    def covers(self, jti: str, subject: str, made_at: float) -> bool:
        """Is this token revoked? `made_at`: its `iat`, seconds since 1970."""
        if jti in self.tokens:
            return True
        until = self.subjects.get(subject)
        return until is not None and made_at <= until.timestamp()


NOTHING = Revoked({}, {})


def path_in(directory: Path) -> Path:
    return directory / "access" / "revoked.json"


def mark(path: Path) -> object:
    """What differs when the file was replaced. A file that vanished has a mark of its own."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error.errno)
    return found.st_mtime_ns, found.st_size, found.st_ino


def read(path: Path, *, must_exist: bool = False) -> Revoked:
    """Empty when there is no such file yet. Raises `RevocationsUnreadable`, also for a file that must exist and does not:
    who deletes the list must not let the revoked in again."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not must_exist:
            return NOTHING
        reason = reason_of(error)
        raise RevocationsUnreadable(Text(f"{path}：{reason.zh}", f"{path}: {reason.en}")) from error
    try:
        return _parsed(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise RevocationsUnreadable(Text(f"{path} 内容有误", f"{path} is damaged")) from broken


def revoke_token(directory: Path, jti: str, now: datetime) -> None:
    """Durable when it returns. Revoking again keeps the first instant. Raises `Malformed`, `RevocationsUnreadable`, `OSError`."""
    _require_name(jti)
    with _changing(directory) as path:
        held = read(path)
        _write(path, Revoked({jti: now, **held.tokens}, held.subjects), now)


def revoke_subject(directory: Path, subject: str, until: datetime, now: datetime) -> None:
    """Every token of `subject` made until then (not after now: later tokens are not yet made). A later instant wins.
    Raises as `revoke_token`."""
    _require_name(subject)
    if until > now:
        raise Malformed(Text("时刻不能在将来", "The instant must not lie in the future"))
    with _changing(directory) as path:
        held = read(path)
        latest = max(until, held.subjects.get(subject, until))
        _write(path, Revoked(held.tokens, {**held.subjects, subject: latest}), now)


@contextmanager
def _changing(directory: Path) -> Iterator[Path]:
    """Two commands at once: the second reads what the first wrote."""
    path = path_in(directory)
    with exclusive(path.parent):
        durable.sync_directory(directory)  # the folder itself may be new
        yield path


def _write(path: Path, revoked: Revoked, now: datetime) -> None:
    oldest = now - LONGEST_LIFE
    content = {
        "form": _FORM,
        "tokens": {jti: _told(at) for jti, at in revoked.tokens.items() if at >= oldest},
        "subjects": {name: _told(at) for name, at in revoked.subjects.items() if at >= oldest},
    }
    durable.replace(path, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8"))


def _parsed(content: bytes) -> Revoked:
    raw = json.loads(content)
    if len(content) > _FILE_LIMIT or raw["form"] != _FORM or set(raw) != {"form", "tokens", "subjects"}:
        raise ValueError("not our form")
    return Revoked(*({name: _instant(at) for name, at in raw[part].items()} for part in ("tokens", "subjects")))


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant without its zone")
    return found


def _told(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _require_name(name: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Malformed(Text("jti 或名称须为 1–256 个可见字符", "A jti or subject has 1–256 visible characters"))
