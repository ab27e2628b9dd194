"""People from the first admin to the audit view, as an operator does it: commands, HTTP, a restart in between."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from running import Done, kaipiao

from kaipiao_lab.processes import Command

PASSWORD, NEW = "绝密的四个词 plain words", "another five plain words"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert kaipiao("init", "-d", tmp_path / "home", "--port", "0", cwd=tmp_path).code == 0
    return tmp_path / "home"


@pytest.fixture
def server(home: Path) -> Iterator[Command]:
    """A server that is not yet started."""
    command = Command(["serve", "-d", str(home), "--json"], home / "log")
    try:
        yield command
    finally:
        command.stop()


def accounts(home: Path, *words: str, stdin: str = "") -> Done:
    return kaipiao("accounts", *words, "-d", home, cwd=home, stdin=stdin.encode())


def ask(url: str, method: str, path: str, token: str | None, body: object = None) -> tuple[int, Any, str]:
    """(status, JSON, what came)."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, raw, {**headers, "Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read().decode()
            return answer.status, json.loads(text or "null"), text
    except urllib.error.HTTPError as refused:
        text = refused.read().decode()
        return refused.code, json.loads(text), text


def code_of(uri: str, steps: int = 0) -> str:
    text = parse_qs(urlsplit(uri).query)["secret"][0]
    secret = b32decode(text + "=" * (-len(text) % 8))
    return TOTP(secret, 6, SHA1(), 30).generate(time.time() + 30 * steps).decode()


def test_from_the_first_admin_to_the_audit_view_without_a_secret_anywhere(home: Path, server: Command) -> None:
    made = accounts(home, "add", "root", "--role", "admin", "--password-file", "-", stdin=PASSWORD + "\n")
    assert made.code == 0, made.err
    assert accounts(home, "add", "wang", "--role", "issuer").code == 64, "no terminal, no file: no password"
    url = str(server.start()["url"])
    problems: list[str] = []

    status, signed, _ = ask(url, "POST", "/v1/sessions", None, {"account": "root", "password": PASSWORD})
    assert (status, signed["must"]) == (201, ["totp"])
    status, begun, _ = ask(url, "POST", "/v1/account/totp", signed["token"], {"password": PASSWORD})
    assert status == 200
    _, confirmed, _ = ask(url, "POST", "/v1/account/totp:confirm", signed["token"], {"code": code_of(begun["uri"])})
    credentials = {"account": "root", "password": PASSWORD, "totp": confirmed["recovery_codes"][0]}
    status, admin, _ = ask(url, "POST", "/v1/sessions", None, credentials)
    assert (status, admin["must"]) == (201, [])
    status, _, text = ask(url, "POST", "/v1/sessions", None, credentials)
    assert status == 401, "a recovery code is good once"
    problems.append(text)

    status, li, _ = ask(url, "POST", "/v1/accounts", admin["token"], {"account": "li", "role": "auditor"})
    assert status == 201
    first = li["initial_password"]
    status, session, _ = ask(url, "POST", "/v1/sessions", None, {"account": "li", "password": first})
    assert session["must"] == ["password"]
    body = {"password": first, "new_password": NEW}
    assert ask(url, "POST", "/v1/account/password", session["token"], body)[0] == 204

    for _ in range(3):
        problems.append(ask(url, "POST", "/v1/sessions", None, {"account": "li", "password": "wrong guess"})[2])
    status, _, text = ask(url, "POST", "/v1/sessions", None, {"account": "li", "password": NEW})
    assert status == 429
    problems.append(text)
    assert ask(url, "POST", "/v1/accounts/li:unlock", admin["token"])[0] == 200
    status, session, _ = ask(url, "POST", "/v1/sessions", None, {"account": "li", "password": NEW})
    assert status == 201

    server.stop()
    url = str(server.start()["url"])
    status, events, text = ask(url, "GET", "/v1/audit/events?kind=access&limit=1000", session["token"])
    assert status == 200, "a session outlives a restart"
    kinds = [(event["kind"], event["actor"]) for event in events]
    for wanted in (
        ("access.account_made", "local"),
        ("access.totp_enrolled", "account:root"),
        ("access.account_made", "account:root"),
        ("access.password_changed", "account:li"),
        ("access.locked", None),
        ("access.unlocked", "account:root"),
        ("access.login", "account:li"),
    ):
        assert wanted in kinds, wanted
    assert ask(url, "POST", "/v1/accounts/li:disable", admin["token"])[0] == 200
    assert ask(url, "GET", "/v1/audit/events", session["token"])[0] == 401
    told = kaipiao("audit", "events", "--account", "li", "--json", "-d", home, cwd=home)
    assert told.lines()[-1]["kind"] == "access.account_disabled"

    server.stop()
    secret = parse_qs(urlsplit(begun["uri"]).query)["secret"][0]
    private = [PASSWORD, NEW, first, "wrong guess", secret, *confirmed["recovery_codes"], admin["token"]]
    private += [signed["token"], session["token"]]
    places = {"log": (home / "log").read_text("utf-8"), "problems": "".join(problems), "events": text + told.out}
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "log")
    places |= {"the data directory": kept.decode("utf-8", "replace")}
    for place, content in places.items():
        for value in private:
            assert value not in content, place


def test_a_tenant_is_given_to_a_token_and_an_account_only_where_it_exists(home: Path) -> None:
    refused = kaipiao("token", "--tenant", "nowhere", "-d", home, cwd=home)
    assert refused.code == 64
    refused = accounts(
        home, "add", "x", "--role", "issuer", "--tenant", "nowhere", "--password-file", "-", stdin=PASSWORD
    )
    assert (refused.code, "KP-FIND-05" in refused.err) == (1, True)
    refused = accounts(home, "add", "x", "--role", "issuer", "--password-file", "-", stdin="short")
    assert (refused.code, "KP-ACCESS-10" in refused.err, "short" in refused.err) == (1, True, False)
    assert accounts(home, "list", "--json").out == ""
