"""A running platform's tokens: keys come and go, tokens are revoked, and both count within a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kaipiao.access import watched
from kaipiao.access.keys import key_store, tokens_of
from kaipiao.access.revocations import RevocationsUnreadable, path_in, revoke_subject, revoke_token
from kaipiao.access.tokens import Tokens
from kaipiao.errors import AccessRefused
from kaipiao.seal.importing.rotation import rotate
from kaipiao.settings import Settings, parse

HOUR = timedelta(hours=1)


class Ticking:
    """The clock that is looked at for the once-a-second look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    ticking = Ticking()
    monkeypatch.setattr(watched, "time", ticking)
    return ticking


def settings_with(directory: Path, key_id: str | None = None) -> Settings:
    made = parse({"keys": {"audit": "a", "token": key_id or "t-1"}}, "test")
    if key_id is None:
        key_store(directory, made).create("token", "P-256", "t-1")
    return made


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(AccessRefused) as found:
        action()
    return found.value.code


def test_a_remembered_token_that_was_revoked_passes_for_less_than_a_second(tmp_path: Path, clock: Ticking) -> None:
    settings = settings_with(tmp_path)
    running = tokens_of(tmp_path, settings)
    made, other = (running.make_known("erp", "issuer", ("*",), HOUR) for _ in range(2))
    running.check(made.token)  # from here on it is remembered
    revoke_token(tmp_path, made.jti, datetime.now(UTC))
    clock.now += 0.99
    running.check(made.token)
    clock.now += 0.01
    assert refused(lambda: running.check(made.token)) == "KP-ACCESS-06"
    assert running.check(other.token).subject == "erp"


def until_refused(running: Tokens, token: str) -> None:
    give_up = time.monotonic() + 5
    while time.monotonic() < give_up:
        running.check(token)
        time.sleep(0.01)


def test_by_the_real_clock_too(tmp_path: Path) -> None:
    running = tokens_of(tmp_path, settings_with(tmp_path))
    made = running.make_known("erp", "issuer", ("*",), HOUR)
    running.check(made.token)
    revoke_token(tmp_path, made.jti, datetime.now(UTC))
    revoked_at = time.monotonic()
    assert refused(lambda: until_refused(running, made.token)) == "KP-ACCESS-06"
    assert time.monotonic() - revoked_at < 1.2


def test_a_subjects_tokens_end_and_a_token_made_right_after_is_good(tmp_path: Path, clock: Ticking) -> None:
    running = tokens_of(tmp_path, settings_with(tmp_path))
    before = running.make("erp", "issuer", ("*",), HOUR)
    now = datetime.now(UTC)
    revoke_subject(tmp_path, "erp", now, now)
    after = running.make("erp", "issuer", ("*",), HOUR)
    clock.now += 1
    assert refused(lambda: running.check(before)) == "KP-ACCESS-06"
    assert running.check(after).subject == "erp"


def test_what_was_revoked_stays_so_after_a_restart(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    made = tokens_of(tmp_path, settings).make_known("erp", "issuer", ("*",), HOUR)
    revoke_token(tmp_path, made.jti, datetime.now(UTC))
    assert refused(lambda: tokens_of(tmp_path, settings).check(made.token)) == "KP-ACCESS-06"


@pytest.mark.parametrize("harm", [lambda path: path.write_bytes(b"{"), lambda path: path.unlink()])
def test_a_list_that_is_damaged_or_deleted_while_running_lets_nobody_in_again(
    tmp_path: Path, clock: Ticking, harm: Callable[[Path], object]
) -> None:
    running = tokens_of(tmp_path, settings_with(tmp_path))
    made, other = (running.make_known("erp", "issuer", ("*",), HOUR) for _ in range(2))
    revoke_token(tmp_path, made.jti, datetime.now(UTC))
    clock.now += 1
    assert refused(lambda: running.check(made.token)) == "KP-ACCESS-06"
    harm(path_in(tmp_path))
    clock.now += 1
    assert refused(lambda: running.check(made.token)) == "KP-ACCESS-06"
    assert running.check(other.token).subject == "erp"


def test_a_damaged_list_stops_the_start(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    path_in(tmp_path).parent.mkdir()
    path_in(tmp_path).write_bytes(b"{")
    with pytest.raises(RevocationsUnreadable):
        tokens_of(tmp_path, settings)


def test_a_new_key_verifies_without_a_restart_and_the_old_one_until_it_is_taken_away(
    tmp_path: Path, clock: Ticking
) -> None:
    running = tokens_of(tmp_path, settings_with(tmp_path))
    old = running.make("erp", "issuer", ("*",), HOUR)
    key_store(tmp_path, settings_with(tmp_path, "t-1")).create("token", "P-256", "t-2")
    new = tokens_of(tmp_path, settings_with(tmp_path, "t-2")).make("erp", "issuer", ("*",), HOUR)
    assert refused(lambda: running.check(new)) == "KP-ACCESS-01"  # not yet seen
    clock.now += 1
    assert running.check(new).subject == running.check(old).subject == "erp"
    (tmp_path / "keys" / "t-1.key").unlink()
    clock.now += 1
    assert refused(lambda: running.check(old)) == "KP-ACCESS-01"
    assert running.check(new).subject == "erp"


def test_a_key_of_another_purpose_or_kind_verifies_no_token(tmp_path: Path, clock: Ticking) -> None:
    settings = settings_with(tmp_path)
    store = key_store(tmp_path, settings)
    store.create("tls-client", "P-256", "t-2")
    store.create("token", "SM2", "t-3")
    assert set(tokens_of(tmp_path, settings).ring.value()) == {"t-1"}
    forged = tokens_of(tmp_path, settings_with(tmp_path, "t-2")).make("erp", "admin", ("*",), HOUR)
    assert refused(lambda: tokens_of(tmp_path, settings).check(forged)) == "KP-ACCESS-01"


def test_a_damaged_key_beside_it_harms_no_other(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    (tmp_path / "keys" / "t-2.key").write_bytes(b"\x00" * 100)
    running = tokens_of(tmp_path, settings)
    assert running.check(running.make("erp", "issuer", ("*",), HOUR)).subject == "erp"


def test_a_key_made_after_the_key_encryption_key_was_changed_is_read(tmp_path: Path, clock: Ticking) -> None:
    settings = settings_with(tmp_path)
    running = tokens_of(tmp_path, settings)
    rotate(tmp_path / "keys", tmp_path / "keys" / "kek")
    key_store(tmp_path, settings).create("token", "P-256", "t-2")
    new = tokens_of(tmp_path, settings_with(tmp_path, "t-2")).make("erp", "issuer", ("*",), HOUR)
    clock.now += 1
    assert running.check(new).subject == "erp"
