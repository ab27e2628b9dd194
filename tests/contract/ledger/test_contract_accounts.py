"""Accounts, sessions and counted log-ins: what every ledger promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from kaipiao.ledger.accounts import Account, LoginLimit, LoginTry, LoginWait
from kaipiao.ledger.port import EventDraft
from ledger_books import NOW, TAXPAYER, Books, on_every_ledger

LIMIT = LoginLimit(3, 300.0)
WANG = Account("wang@north", "north", (TAXPAYER,), "issuer", "$argon2id$v=19$…", NOW, NOW, recovery=("aa", "bb"))


def event(kind: str) -> EventDraft:
    return EventDraft(kind, NOW, None, None, {"account": "wang@north"})


def attempt(mark: str, *keys: str) -> list[LoginTry]:
    return [LoginTry(key, mark, event(f"locked {key}")) for key in keys]


async def kinds(books: Books) -> list[str]:
    return [one.kind for one in await books.ledger.platform_events()]


@on_every_ledger
async def test_an_account_is_kept_as_it_is_and_changed_only_from_the_version_that_was_seen(books: Books) -> None:
    assert await books.ledger.save_account(WANG, [event("made")])
    assert await books.ledger.account("wang@north") == WANG
    assert not await books.ledger.save_account(WANG, [event("twice")])
    changed = replace(WANG, role="auditor", disabled=True, totp='{"a\\": 1}', totp_step=7, recovery=(), version=2)
    assert await books.other.save_account(changed, [event("changed")])
    assert not await books.ledger.save_account(replace(WANG, version=2), [event("late")])
    assert await books.ledger.account("wang@north") == changed
    assert await books.ledger.account("WANG@north") is None
    assert await kinds(books) == ["made", "changed"]


@on_every_ledger
async def test_of_two_changes_at_once_exactly_one_holds(books: Books) -> None:
    await books.ledger.save_account(WANG, [])
    steps = [replace(WANG, totp_step=step, version=2) for step in range(20)]
    nodes = (books.ledger, books.other)
    done = await asyncio.gather(*(nodes[i % 2].save_account(one, []) for i, one in enumerate(steps)))
    assert sum(done) == 1
    made = await asyncio.gather(*(nodes[i % 2].save_account(replace(WANG, account="new"), []) for i in range(20)))
    assert sum(made) == 1


@on_every_ledger
async def test_accounts_are_listed_by_name_and_by_tenant(books: Books) -> None:
    for name, tenant in (("b@north", "north"), ("a@south", "south"), ("a@north", "north"), ("root", None)):
        await books.ledger.save_account(replace(WANG, account=name, tenant=tenant), [])
    await books.ledger.save_tenants(["south", "north"], NOW)
    await books.other.save_tenants(["north"], NOW)
    assert await books.ledger.tenants() == ["north", "south"]
    assert [a.account for a in await books.ledger.accounts("north", "", 10)] == ["a@north", "b@north"]
    assert [a.account for a in await books.ledger.accounts(None, "a@north", 2)] == ["a@south", "b@north"]
    assert await books.ledger.accounts("east", "", 10) == []


@on_every_ledger
async def test_the_revision_is_raised_by_what_ends_sessions_and_by_nothing_else(books: Books) -> None:
    first = await books.ledger.session_marks(None)
    assert first is not None
    await books.ledger.save_account(WANG, [])
    made = await books.other.session_marks(first.revision)
    assert made is not None
    assert made.epochs == {"wang@north": 1}
    await books.ledger.save_account(replace(WANG, totp_step=9, version=2), [])
    assert await books.other.session_marks(made.revision) is None
    await books.ledger.save_account(replace(WANG, epoch=2, version=3), [])
    raised = await books.other.session_marks(made.revision)
    assert raised is not None
    assert raised.epochs == {"wang@north": 2}
    await books.ledger.end_session("j1", NOW + timedelta(hours=1), NOW, [event("out")])
    await books.ledger.end_session("j1", NOW + timedelta(hours=1), NOW, [event("out again")])
    ended = await books.other.session_marks(raised.revision)
    assert ended is not None
    assert ended.ended == {"j1"}
    await books.ledger.end_session("j2", NOW + timedelta(hours=3), NOW + timedelta(hours=1), [])
    last = await books.other.session_marks(ended.revision)
    assert last is not None
    assert last.ended == {"j2"}
    assert await kinds(books) == ["out"]


@on_every_ledger
async def test_three_failures_lock_for_the_time_and_the_lock_is_told_once(books: Books) -> None:
    for number in range(3):
        tries = attempt(str(number), "a")
        assert await books.ledger.begin_login(tries, LIMIT, NOW) is None
        await books.other.fail_login(tries, LIMIT, NOW + timedelta(seconds=number), [event(f"refused {number}")])
    assert await kinds(books) == ["refused 0", "refused 1", "refused 2", "locked a"]
    until = NOW + timedelta(seconds=302)
    assert await books.other.login_locks(["a", "b"], NOW) == {"a": until}
    waiting = await books.other.begin_login(attempt("x", "b", "a"), LIMIT, NOW + timedelta(seconds=2))
    assert waiting == LoginWait(300.0, locked=True)
    assert await books.ledger.begin_login(attempt("x", "b"), LIMIT, NOW) is None, "what was refused took no place"
    assert await books.ledger.login_locks(["a"], until) == {}
    assert await books.ledger.begin_login(attempt("y", "a"), LIMIT, until) is None


@on_every_ledger
async def test_failures_older_than_the_time_do_not_count(books: Books) -> None:
    for seconds in (0, 290, 301, 589):
        tries = attempt(str(seconds), "a")
        now = NOW + timedelta(seconds=seconds)
        assert await books.ledger.begin_login(tries, LIMIT, now) is None
        await books.ledger.fail_login(tries, LIMIT, now, [])
    assert await books.ledger.login_locks(["a"], NOW + timedelta(seconds=589)) != {}


@on_every_ledger
async def test_fifty_at_once_over_two_nodes_take_three_places(books: Books) -> None:
    nodes = (books.ledger, books.other)
    found = await asyncio.gather(
        *(nodes[i % 2].begin_login(attempt(str(i), "a", f"source:{i}"), LIMIT, NOW) for i in range(50))
    )
    assert found.count(None) == 3
    assert all(wait is None or not wait.locked for wait in found)


@on_every_ledger
async def test_a_mark_counts_once_a_success_gives_its_place_back_and_clears_what_it_may(books: Books) -> None:
    for _ in range(5):
        tries = attempt("same", "source")
        assert await books.ledger.begin_login(tries, LIMIT, NOW) is None
        await books.ledger.fail_login(tries, LIMIT, NOW, [])
    for mark in ("b", "c"):
        assert await books.ledger.begin_login(attempt(mark, "source", "name"), LIMIT, NOW) is None
    assert await books.ledger.begin_login(attempt("d", "source"), LIMIT, NOW) is not None
    await books.ledger.pass_login(attempt("c", "source"), ["name"], [event("in")])
    assert await books.ledger.begin_login(attempt("d", "source", "name"), LIMIT, NOW) is None
    assert await kinds(books) == ["in"]


@on_every_ledger
async def test_an_unlock_lets_in_at_once(books: Books) -> None:
    for number in range(3):
        tries = attempt(str(number), "a")
        await books.ledger.begin_login(tries, LIMIT, NOW)
        await books.ledger.fail_login(tries, LIMIT, NOW, [])
    await books.other.pass_login([], ["a"], [event("unlocked")])
    assert await books.ledger.login_locks(["a"], NOW) == {}
    assert await books.ledger.begin_login(attempt("x", "a"), LIMIT, NOW) is None


@on_every_ledger
async def test_events_of_the_platform_are_read_apart_from_those_of_taxpayers(books: Books) -> None:
    await books.ledger.append_events([event("one"), EventDraft("issued", NOW, TAXPAYER, "o"), event("two")])
    await books.other.append_events([EventDraft("issued", NOW, TAXPAYER, "p"), event("three")])
    found = await books.ledger.platform_events(limit=2)
    assert [one.kind for one in found] == ["one", "two"]
    assert [one.kind for one in await books.ledger.platform_events(after=found[-1].position)] == ["three"]
