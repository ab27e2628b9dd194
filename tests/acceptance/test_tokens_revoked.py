"""Tokens of a running server: revoked, rotated, and both seen in the trail."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import kaipiao

from kaipiao_lab.processes import Command


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert kaipiao("init", "-d", tmp_path / "home", "--port", "0", cwd=tmp_path).code == 0
    return tmp_path / "home"


@pytest.fixture
def url(home: Path) -> Iterator[str]:
    server = Command(["serve", "-d", str(home), "--json"], home / "log")
    try:
        yield str(server.start()["url"])
    finally:
        server.stop()


def made(home: Path, *options: str) -> Any:
    done = kaipiao("token", "-d", home, "--role", "admin", "--json", *options, cwd=home)
    assert done.code == 0, done.err
    return done.last()


def ask(url: str, path: str, token: str) -> tuple[int, Any]:
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def test_a_revoked_token_is_refused_within_a_second_and_the_trail_says_so(home: Path, url: str) -> None:
    token, other = made(home), made(home)
    assert ask(url, "/v1/status", token["token"])[0] == 200
    assert kaipiao("token", "revoke", token["jti"], "-d", home, cwd=home).code == 0
    time.sleep(1.0)
    status, problem = ask(url, "/v1/status", token["token"])
    assert (status, problem["code"]) == (401, "KP-ACCESS-06")
    time.sleep(1.5)  # the look that notes it
    _, events = ask(url, "/v1/events?limit=1000", other["token"])
    assert [e["data"]["token"] for e in events if e["kind"] == "access.revoked"] == [token["jti"]]
    assert ask(url, "/v1/audit", other["token"])[0] == 200
    listed = kaipiao("token", "list-revoked", "-d", home, "--json", cwd=home)
    assert [line["jti"] for line in listed.lines()] == [token["jti"]]


def test_after_a_rotation_old_and_new_tokens_are_good_and_the_trail_names_the_key(home: Path, url: str) -> None:
    before = made(home)
    done = kaipiao("token", "rotate", "-d", home, "--json", cwd=home)
    assert done.last() == {"kid": done.last()["kid"], "former": before["kid"], "settings_changed": True}
    after = made(home)
    assert after["kid"] == done.last()["kid"] != before["kid"]
    time.sleep(2.5)
    assert ask(url, "/v1/status", before["token"])[0] == ask(url, "/v1/status", after["token"])[0] == 200
    _, events = ask(url, "/v1/events?limit=1000", after["token"])
    assert [e["data"]["key"] for e in events if e["kind"] == "access.key_added"] == [after["kid"]]


def test_settings_that_are_not_plainly_to_be_changed_are_left_and_the_line_is_told(home: Path) -> None:
    settings = home / "kaipiao.toml"
    former = made(home)["kid"]
    text = settings.read_text("utf-8").replace(f'token = "{former}"', f"token='{former}'  # ours")
    settings.write_text(text, encoding="utf-8")
    done = kaipiao("token", "rotate", "-d", home, cwd=home)
    assert done.code == 0
    assert 'keys.token = "token-' in done.err
    assert settings.read_text("utf-8") == text


def test_a_subject_is_revoked_until_an_instant_and_not_in_the_future(home: Path) -> None:
    assert kaipiao("token", "revoke", "--subject", "erp", "--before", "2999-01-01", "-d", home, cwd=home).code == 1
    assert kaipiao("token", "revoke", "-d", home, cwd=home).code == 64
    assert kaipiao("token", "-d", home, "revoke", "x", cwd=home).code == 64
    assert kaipiao("token", "revoke", "--subject", "erp", "-d", home, cwd=home).code == 0
    assert kaipiao("token", "list-revoked", "-d", home, "--json", cwd=home).last()["subject"] == "erp"
