"""Revocations and changes of keys become events, once each, also those made while nothing ran."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaipiao.access import made_tokens
from kaipiao.access.keys import key_store, tokens_of
from kaipiao.access.notes import AccessNotes
from kaipiao.access.revocations import revoke_subject, revoke_token
from kaipiao.clock import SystemClock
from kaipiao.ledger.port import EventDraft
from kaipiao.settings import Settings, parse

NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)


def settings_with(directory: Path, key_id: str | None = None) -> Settings:
    made = parse({"keys": {"audit": "a", "token": key_id or "t-1"}}, "test")
    if key_id is None:
        key_store(directory, made).create("token", "P-256", "t-1")
    return made


class Trail:
    def __init__(self) -> None:
        self.told: list[EventDraft] = []
        self.failing = False

    async def append(self, events: Sequence[EventDraft]) -> None:
        if self.failing:
            raise OSError("the disk is full")
        self.told += events

    def take(self) -> list[tuple[str, object]]:
        found = [(e.kind, e.data.get("token") or e.data.get("token_subject") or e.data.get("key")) for e in self.told]
        self.told = []
        return sorted(found, key=str)


def started(home: Path, trail: Trail) -> AccessNotes:
    """A platform that starts now."""
    return AccessNotes(home, tokens_of(home, settings_with(home, "t-1")), SystemClock(), trail.append)


def test_each_change_is_noted_once_over_restarts(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    trail = Trail()
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == []  # the keys that were there from the first are no news
    revoke_token(tmp_path, "a1", NOW)
    revoke_subject(tmp_path, "erp", NOW, NOW)
    key_store(tmp_path, settings).create("token", "P-256", "t-2")
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == [("access.key_added", "t-2"), ("access.revoked", "a1"), ("access.revoked", "erp")]
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == []
    (tmp_path / "keys" / "t-2.key").unlink()
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == [("access.key_removed", "t-2")]


def test_what_was_revoked_before_the_first_start_is_noted(tmp_path: Path) -> None:
    settings_with(tmp_path)
    revoke_token(tmp_path, "a1", NOW)
    trail = Trail()
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == [("access.revoked", "a1")]


def test_what_could_not_be_stored_is_noted_later(tmp_path: Path) -> None:
    settings_with(tmp_path)
    trail = Trail()
    revoke_token(tmp_path, "a1", NOW)
    notes = started(tmp_path, trail)
    trail.failing = True
    with pytest.raises(OSError, match="full"):
        asyncio.run(notes.look())
    trail.failing = False
    asyncio.run(notes.look())
    assert trail.take() == [("access.revoked", "a1")]


def test_a_damaged_note_leaves_no_revocation_out(tmp_path: Path) -> None:
    settings_with(tmp_path)
    revoke_token(tmp_path, "a1", NOW)
    (tmp_path / "access" / "noted.json").write_bytes(b"{")
    trail = Trail()
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == [("access.revoked", "a1")]


def test_a_token_that_was_made_is_told_once_with_what_it_is_for_and_never_itself(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    trail = Trail()
    made = tokens_of(tmp_path, settings).make_known("erp", "issuer", ("91110000MAKP00001M",), timedelta(hours=1))
    made_tokens.note(tmp_path, made, NOW)
    with made_tokens.path_in(tmp_path).open("ab") as file:
        file.write(b'{"jti": "half-written\n[]\nnull\n\xff\n')
    for _ in range(2):
        asyncio.run(started(tmp_path, trail).look())
    (event,) = trail.told
    assert (event.kind, event.data["token"], event.data["token_of"]) == ("access.token_made", made.jti, "erp")
    assert (event.data["actor"], event.data["role"], event.data["reach"]) == ("local", "issuer", "91110000MAKP00001M")
    kept = made_tokens.path_in(tmp_path).read_text("utf-8", errors="replace")
    assert made.token not in repr(event) + kept


def test_tokens_that_are_long_over_leave_the_file_when_another_is_made(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path, settings_with(tmp_path))
    first, second = (tokens.make_known(name, "issuer", ("*",), timedelta(hours=1)) for name in ("a", "b"))
    made_tokens.note(tmp_path, first, datetime.now(UTC))
    made_tokens.note(tmp_path, second, datetime.now(UTC) + timedelta(days=400))
    assert list(made_tokens.read(made_tokens.path_in(tmp_path))) == [second.jti]


def test_a_line_whose_instant_has_no_zone_stops_no_new_token(tmp_path: Path) -> None:
    made = tokens_of(tmp_path, settings_with(tmp_path)).make_known("erp", "issuer", ("*",), timedelta(hours=1))
    path = made_tokens.path_in(tmp_path)
    path.parent.mkdir()
    path.write_text('{"jti": "by-hand", "expires": "2026-11-03T09:00:00"}\n', encoding="utf-8")
    made_tokens.note(tmp_path, made, NOW)
    assert list(made_tokens.read(path)) == [made.jti]


def test_a_list_of_what_was_noted_by_an_earlier_program_is_read(tmp_path: Path) -> None:
    settings_with(tmp_path)
    revoke_token(tmp_path, "a1", NOW)
    trail = Trail()
    asyncio.run(started(tmp_path, trail).look())
    trail.take()
    noted = tmp_path / "access" / "noted.json"
    before = json.loads(noted.read_text("utf-8"))
    del before["made"]
    noted.write_text(json.dumps(before), "utf-8")
    asyncio.run(started(tmp_path, trail).look())
    assert trail.take() == []
