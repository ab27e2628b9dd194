"""The list of what was revoked: durable, whole, small, and never forgotten by accident."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.access.revocations import (
    LONGEST_LIFE,
    NOTHING,
    RevocationsUnreadable,
    Revoked,
    path_in,
    read,
    revoke_subject,
    revoke_token,
)
from kaipiao.errors import Malformed

NOW = datetime(2026, 11, 3, 9, 0, 0, 250_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_nothing_is_revoked_where_there_is_no_list(tmp_path: Path) -> None:
    assert read(path_in(tmp_path)) == NOTHING


def test_a_token_and_a_subject_are_kept_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    revoke_token(tmp_path, "a1", NOW)
    revoke_subject(tmp_path, "erp", NOW, NOW)
    assert read(path_in(tmp_path)) == Revoked({"a1": NOW}, {"erp": NOW})
    assert path_in(tmp_path).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path_in(tmp_path).parent.iterdir()] == ["revoked.json"]


def test_revoking_again_keeps_the_first_instant_of_a_token_and_the_last_of_a_subject(tmp_path: Path) -> None:
    for at in (NOW, NOW + SECOND, NOW - SECOND):
        revoke_token(tmp_path, "a1", at)
        revoke_subject(tmp_path, "erp", at, at)
    held = read(path_in(tmp_path))
    assert held == Revoked({"a1": NOW}, {"erp": NOW + SECOND})


@given(made=st.integers(-10, 10))
def test_a_subjects_tokens_made_until_then_are_covered_and_later_ones_are_not(made: int) -> None:
    revoked = Revoked({}, {"erp": NOW})
    assert revoked.covers("x", "erp", NOW.timestamp() + made) == (made <= 0)
    assert not revoked.covers("x", "another", NOW.timestamp() + made)


def test_what_no_living_token_can_match_leaves_the_list(tmp_path: Path) -> None:
    revoke_token(tmp_path, "old", NOW)
    revoke_subject(tmp_path, "old", NOW, NOW)
    revoke_token(tmp_path, "last", NOW + LONGEST_LIFE)
    assert "old" in read(path_in(tmp_path)).tokens
    revoke_token(tmp_path, "new", NOW + LONGEST_LIFE + SECOND)
    held = read(path_in(tmp_path))
    assert set(held.tokens) == {"last", "new"}
    assert held.subjects == {}


def test_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [threading.Thread(target=revoke_token, args=(tmp_path, f"t{n}", NOW)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read(path_in(tmp_path)).tokens) == {f"t{n}" for n in range(12)}


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "\x00", "\u202e"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed):
        revoke_token(tmp_path, name, NOW)
    with pytest.raises(Malformed):
        revoke_subject(tmp_path, name, NOW, NOW)
    assert read(path_in(tmp_path)) == NOTHING


def test_tokens_that_are_yet_to_be_made_cannot_be_revoked(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        revoke_subject(tmp_path, "erp", NOW + SECOND, NOW)


SOUND: dict[str, object] = {"form": 1, "tokens": {}, "subjects": {}}
CHANGES: list[dict[str, object]] = [
    {"form": 2},
    {"tokens": []},
    {"tokens": {"a": 1}},
    {"tokens": {"a": "yesterday"}},
    {"tokens": {"a": "2026-11-03T09:00:00"}},
    {"more": 1},
]
NOISE = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("content", [*NOISE, *(json.dumps(SOUND | change).encode() for change in CHANGES)])
def test_a_damaged_list_is_an_error_and_is_never_written_over(tmp_path: Path, content: bytes) -> None:
    path = path_in(tmp_path)
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RevocationsUnreadable):
        read(path)
    with pytest.raises(RevocationsUnreadable):
        revoke_token(tmp_path, "a1", NOW)
    assert path.read_bytes() == content


def test_a_list_that_must_exist_and_does_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RevocationsUnreadable):
        read(path_in(tmp_path), must_exist=True)
