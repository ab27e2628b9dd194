"""People on two nodes of one ledger, whichever it is: what one node decides holds on the other."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "access"))

from people import BY, ROOT, Node

from kaipiao.access.refused import LockedOut, LogInRefused, SessionEnded
from ledger_books import Books, on_every_ledger


def nodes(books: Books) -> tuple[Node, Node]:
    first = Node(ledger=books.ledger)
    return first, first.beside(ledger=books.other)


@on_every_ledger
async def test_one_code_lets_in_once_and_fifty_guesses_are_judged_three_times(books: Books) -> None:
    here, there = nodes(books)
    await here.person()
    secret, _ = await here.enrol()
    code = here.code(secret)
    found = await asyncio.gather(here.sign_in(code=code), there.sign_in(code=code), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["LogInRefused", "SignedIn"]
    await here.accounts.unlock(ROOT, "wang", BY)
    guesses = [(here, there)[i % 2].sign_in(password="guess", source=f"203.0.113.{i}") for i in range(50)]
    kinds = [type(one) for one in await asyncio.gather(*guesses, return_exceptions=True)]
    assert (kinds.count(LogInRefused), kinds.count(LockedOut)) == (3, 47)


@on_every_ledger
async def test_a_session_ended_here_is_over_there_at_the_next_look_and_a_new_one_is_good_at_once(books: Books) -> None:
    here, there = nodes(books)
    await here.person()
    session = here.session(await here.sign_in())
    await there.sessions.require_live(session)
    await here.accounts.set_role(ROOT, "wang", "auditor", BY)
    there.sessions._now = lambda: there.sessions._next_look  # the time between looks has passed
    with pytest.raises(SessionEnded):
        await there.sessions.require_live(session)
    await there.sessions.require_live(here.session(await here.sign_in()))
