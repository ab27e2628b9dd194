"""Signing in: who gets in, who learns nothing, how often anybody may try."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from people import BY, CHEAP, HERE, PASSWORD, ROOT, THERE, Node

from kaipiao.access import passwords as passwords_module
from kaipiao.access.names import as_known, source_of
from kaipiao.access.refused import LockedOut, LogInRefused, PasswordRefused, SessionEnded
from kaipiao.access.tokens import ROLES, Permission
from kaipiao.errors import LedgerFault, TooManyRequests


def played(story: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story(Node()))


async def fails(node: Node, name: str = "wang", source: str = HERE) -> None:
    with pytest.raises(LogInRefused):
        await node.sign_in(name, "not the password", source=source)


def test_who_knows_the_password_gets_a_session_with_the_role_and_its_own_account() -> None:
    async def story(node: Node) -> None:
        await node.person(role="auditor")
        signed = await node.sign_in(" ＷＡＮＧ ")
        caller = node.caller(signed)
        assert caller.subject == "account:wang"
        assert caller.permissions == ROLES["auditor"] | {Permission.OWN}
        assert signed.must == ()
        await node.sessions.require_live(node.session(signed))
        assert node.events() == ["access.account_made", "access.login"]

    played(story)


@pytest.mark.parametrize("case", ["unknown", "wrong password", "disabled", "no code", "wrong code"])
def test_every_refusal_says_the_same_after_the_same_work(case: str) -> None:
    async def story(node: Node) -> None:
        await node.person()
        name, password, code = "wang", PASSWORD, None
        if case == "unknown":
            name = "nobody"
        elif case == "wrong password":
            password = "five plain words here"
        elif case == "disabled":
            await node.accounts.disable(ROOT, "wang", BY)
        else:
            await node.enrol()
            code = None if case == "no code" else "000000"
        before = node.passwords.worked_out
        with pytest.raises(LogInRefused) as refused:
            await node.sign_in(name, password, code)
        assert node.passwords.worked_out == before + 1
        assert (refused.value.code, refused.value.detail, refused.value.facts) == (
            "KP-ACCESS-08", LogInRefused.title, {},
        )  # fmt: skip

    played(story)


def test_three_failures_lock_a_name_for_five_minutes_and_the_right_password_does_not_help() -> None:
    async def story(node: Node) -> None:
        await node.person()
        for _ in range(3):
            await fails(node)
        before = node.passwords.worked_out
        with pytest.raises(LockedOut) as locked:
            await node.sign_in(source=THERE)
        assert locked.value.facts == {"retry_after": 300}
        assert node.passwords.worked_out == before
        node.clock.pass_(299)
        with pytest.raises(LockedOut):
            await node.sign_in()
        node.clock.pass_(1)
        await node.sign_in()
        assert node.events().count("access.locked") == 1

    played(story)


def test_a_name_that_does_not_exist_is_locked_the_same_way_and_never_written_down() -> None:
    async def story(node: Node) -> None:
        for _ in range(3):
            await fails(node, "my-secret-typed-here")
        with pytest.raises(LockedOut) as locked:
            await node.sign_in("my-secret-typed-here")
        assert locked.value.facts == {"retry_after": 300}
        assert "my-secret" not in repr(node.store)
        assert node.events() == ["access.login_refused"] * 3 + ["access.locked"]

    played(story)


def test_who_mistypes_locks_himself_and_not_the_office() -> None:
    async def story(node: Node) -> None:
        await node.person()
        await node.person("li")
        for _ in range(3):
            await fails(node)
        await node.sign_in("li")

    played(story)


def test_many_names_from_one_source_lock_the_source_and_nobody_elsewhere() -> None:
    async def story(node: Node) -> None:
        await node.person()
        for name in ("a", "b", "c"):
            await fails(node, name)
        with pytest.raises(LockedOut):
            await node.sign_in()
        await node.sign_in(source=THERE)
        assert node.events().count("access.source_locked") == 1

    played(story)


def test_many_sources_on_one_name_are_judged_three_times() -> None:
    async def story(node: Node) -> None:
        await node.person()
        judged = 0
        for number in range(20):
            try:
                await node.sign_in(password="guess", source=f"203.0.113.{number}")
            except LogInRefused:
                judged += 1
            except LockedOut:
                pass
        assert judged == 3

    played(story)


def test_fifty_guesses_at_once_over_two_nodes_are_judged_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaipiao.access.log_in.BUSY_PAUSE", 0.001)

    async def story(node: Node) -> None:
        await node.person()
        nodes = (node, node.beside())
        before = sum(one.passwords.worked_out for one in nodes)
        found = await asyncio.gather(
            *(nodes[i % 2].sign_in(password="guess", source=f"203.0.113.{i}") for i in range(50)),
            return_exceptions=True,
        )
        kinds = [type(one) for one in found]
        assert (kinds.count(LogInRefused), kinds.count(LockedOut)) == (3, 47)
        assert sum(one.passwords.worked_out for one in nodes) - before == 3

    played(story)


def test_an_office_of_twenty_signs_in_at_once_from_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaipiao.access.log_in.BUSY_PAUSE", 0.01)
    monkeypatch.setattr("kaipiao.access.log_in.BUSY_TRIES", 500)

    async def story(node: Node) -> None:
        names = [f"person-{number}" for number in range(20)]
        for name in names:
            await node.person(name)
        await asyncio.gather(*(node.sign_in(name) for name in names))

    played(story)


def test_a_success_clears_the_name_but_not_what_others_did_from_that_source() -> None:
    async def story(node: Node) -> None:
        await node.person()
        for name in ("a", "b", "wang", "wang"):
            if name == "wang":
                await node.sign_in()
            else:
                await fails(node, name)
        await fails(node)
        with pytest.raises(LockedOut):
            await node.sign_in("c")

    played(story)


def test_an_admin_unlocks_at_once_and_that_is_told() -> None:
    async def story(node: Node) -> None:
        await node.person()
        for number in range(3):
            await fails(node, source=f"203.0.113.{number}")
        await node.accounts.unlock(ROOT, "wang", BY)
        await node.sign_in()
        assert node.events()[-2:] == ["access.unlocked", "access.login"]

    played(story)


def test_failures_are_durable_and_the_same_on_every_node() -> None:
    async def story(node: Node) -> None:
        await node.person()
        other = node.beside()
        for one in (node, other, node):
            await fails(one)
        with pytest.raises(LockedOut):
            await other.sign_in()

    played(story)


def test_a_flood_is_told_to_wait_before_anything_is_counted_or_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "MOST_WAITING", 4)

    async def story(node: Node) -> None:
        found = await asyncio.gather(
            *(node.sign_in(f"n{i}", "guess", source=f"203.0.113.{i}") for i in range(30)), return_exceptions=True
        )
        busy = [one for one in found if type(one) is TooManyRequests]
        assert len(busy) == 26
        assert busy[0].facts == {"retry_after": 2}
        assert node.passwords.worked_out == 4

    played(story)


def test_a_place_is_given_back_when_the_ledger_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(node: Node) -> None:
        await node.person()

        async def broken(_: str) -> None:
            raise LedgerFault

        with monkeypatch.context() as patch:
            patch.setattr(node.ledger, "account", broken)
            for _ in range(5):
                with pytest.raises(LedgerFault):
                    await node.sign_in()
        await node.sign_in()

    played(story)


@pytest.mark.parametrize("password", ["x" * 1025, "票" * 342, "\ud800 half a character", "ﷺ" * 100])
def test_what_no_password_can_be_is_refused_before_any_work(password: str) -> None:
    async def story(node: Node) -> None:
        with pytest.raises(PasswordRefused) as refused:
            await node.sign_in(password=password)
        assert password[:20] not in str(refused.value)
        assert node.passwords.worked_out == 0

    played(story)


def test_a_hash_is_made_anew_when_the_parameters_change() -> None:
    async def story(node: Node) -> None:
        await node.person()
        stronger = Node(node.store, node.clock, node.keys, CHEAP.model_copy(update={"argon2_rounds": 2}))
        await stronger.sign_in()
        found = await node.ledger.account("wang")
        assert found is not None
        assert ",t=2," in found.password
        before = stronger.passwords.worked_out
        await stronger.sign_in()
        assert stronger.passwords.worked_out == before + 1

    played(story)


@pytest.mark.parametrize("change", ["role", "disable", "reset", "password", "log out"])
def test_a_session_ends_with_what_ends_it_on_another_node_too(change: str) -> None:
    async def story(node: Node) -> None:
        await node.person()
        other = node.beside()
        signed = await node.sign_in()
        session = node.session(signed)
        await other.sessions.require_live(session)
        if change == "role":
            await node.accounts.set_role(ROOT, "wang", "operator", BY)
        elif change == "disable":
            await node.accounts.disable(ROOT, "wang", BY)
        elif change == "reset":
            await node.accounts.reset_password(ROOT, "wang", None, BY)
        elif change == "password":
            await node.own.set_password(session, PASSWORD, "other plain words here", HERE)
        else:
            await node.own.log_out(session, HERE)
        with pytest.raises(SessionEnded):
            await node.sessions.require_live(session)
        other.sessions._now = lambda: other.sessions._next_look  # the time between looks has passed
        with pytest.raises(SessionEnded):
            await other.sessions.require_live(session)

    played(story)


def test_a_session_costs_no_read_of_the_ledger_between_looks_and_a_newer_one_is_known_at_once() -> None:
    async def story(node: Node) -> None:
        await node.person()
        other = node.beside()
        reads = 0
        whole = other.ledger.session_marks

        async def counted(known: int | None) -> object:
            nonlocal reads
            reads += 1
            return await whole(known)

        other.ledger.session_marks = counted
        first = node.session(await node.sign_in())
        for _ in range(100):
            await other.sessions.require_live(first)
        assert reads == 1
        await node.accounts.set_role(ROOT, "wang", "operator", BY)
        await other.sessions.require_live(node.session(await node.sign_in()))
        assert reads == 2
        with pytest.raises(SessionEnded):
            await other.sessions.require_live(replace(first, account="somebody"))

    played(story)


def test_a_new_first_password_must_be_changed_before_anything_else() -> None:
    async def story(node: Node) -> None:
        await node.person()
        _, first = await node.accounts.reset_password(ROOT, "wang", None, BY)
        assert first is not None
        signed = await node.sign_in(password=first)
        assert signed.must == ("password",)
        assert node.caller(signed).permissions == {Permission.OWN}
        await node.own.set_password(node.session(signed), first, "other plain words here", HERE)
        assert (await node.sign_in(password="other plain words here")).must == ()

    played(story)


def test_guessing_the_present_password_from_an_open_session_is_counted_too() -> None:
    async def story(node: Node) -> None:
        await node.person()
        session = node.session(await node.sign_in())
        for _ in range(3):
            with pytest.raises(LogInRefused):
                await node.own.set_password(session, "guess", "other plain words here", HERE)
        with pytest.raises(LockedOut):
            await node.own.set_password(session, PASSWORD, "other plain words here", HERE)

    played(story)


def test_an_admin_needs_codes_where_the_settings_say_so() -> None:
    async def story(node: Node) -> None:
        await node.person("root", "admin")
        signed = await node.sign_in("root")
        assert signed.must == ("totp",)
        assert node.caller(signed).permissions == {Permission.OWN}
        secret, _ = await node.enrol("root")
        again = await node.sign_in("root", code=node.code(secret))
        assert Permission.MANAGE_ACCOUNTS in node.caller(again).permissions
        free = Node(node.store, node.clock, node.keys, CHEAP.model_copy(update={"admin_totp": False}))
        await free.person("other", "admin")
        assert (await free.sign_in("other")).must == ()

    played(story)


def test_a_session_lives_as_long_as_the_settings_say() -> None:
    async def story(node: Node) -> None:
        await node.person()
        begun = node.caller(await node.sign_in()).session
        short = Node(node.store, node.clock, node.keys, CHEAP.model_copy(update={"session_hours": 1.0}))
        later = short.caller(await short.sign_in()).session
        assert begun is not None
        assert later is not None
        assert timedelta(hours=6.9) < begun.expires - later.expires < timedelta(hours=7.1)

    played(story)


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_source_is_an_address_or_a_site(host: str | None, source: str) -> None:
    assert source_of(host) == source


@pytest.mark.parametrize("given", ["wang\0", "WANG@North ", "王\u3000", "x" * 1000, "\ud800"])
def test_any_text_may_be_given_as_a_name(given: str) -> None:
    async def story(node: Node) -> None:
        assert as_known(given) == as_known(as_known(given))
        await fails(node, given)

    played(story)
