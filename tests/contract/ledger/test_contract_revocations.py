"""Revoked tokens: what every ledger promises, on every node."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from kaipiao.ledger.port import Ledger
from kaipiao.ledger.revocations import StoredRevocations
from ledger_books import NOW, Books, on_every_ledger

YEAR_AGO = NOW - timedelta(days=366)
LATER = NOW + timedelta(microseconds=1)


async def stored(ledger: Ledger, known: int | None = None) -> StoredRevocations:
    found = await ledger.revocations(known)
    assert found is not None
    return found


@on_every_ledger
async def test_what_is_revoked_here_is_revoked_there_and_costs_one_look_while_nothing_changes(books: Books) -> None:
    before = await stored(books.other)
    assert (before.tokens, before.subjects) == ({}, {})
    assert await books.other.revocations(before.revision) is None
    names = {"jti-1": NOW, "开票\\0 1'": LATER}
    await books.ledger.save_revocations(names, {"erp": NOW}, YEAR_AGO)
    after = await stored(books.other, before.revision)
    assert (after.tokens, after.subjects) == (names, {"erp": NOW})
    assert await books.other.revocations(after.revision) is None
    await books.other.save_revocations(names, {"erp": NOW}, YEAR_AGO)
    assert await books.ledger.revocations(after.revision) is None, "the same again is no change"


@on_every_ledger
async def test_of_a_token_the_first_instant_stays_and_of_a_subject_the_last(books: Books) -> None:
    def both(at: datetime) -> tuple[dict[str, datetime], dict[str, datetime]]:
        return {"jti": at}, {"erp": at}

    await books.ledger.save_revocations(*both(NOW), YEAR_AGO)
    for at in (LATER, YEAR_AGO):
        await books.other.save_revocations(*both(at), YEAR_AGO)
    found = await stored(books.ledger)
    assert (found.tokens, found.subjects) == ({"jti": NOW}, {"erp": LATER})


@on_every_ledger
async def test_what_concerns_no_token_that_is_in_time_is_forgotten(books: Books) -> None:
    await books.ledger.save_revocations({"old": YEAR_AGO, "new": NOW}, {"old": YEAR_AGO}, YEAR_AGO)
    before = await stored(books.ledger)
    assert set(before.tokens) == {"old", "new"}
    await books.ledger.save_revocations({}, {}, YEAR_AGO + timedelta(microseconds=1))
    after = await stored(books.other, before.revision)
    assert (set(after.tokens), set(after.subjects)) == ({"new"}, set())


@on_every_ledger
async def test_nodes_that_revoke_at_once_lose_nothing(books: Books) -> None:
    nodes = (books.ledger, books.other)
    names = [f"jti-{place}" for place in range(20)]
    pairs = [{names[i]: NOW, names[-1 - i]: NOW} for i in range(20)]
    await asyncio.gather(*(nodes[i % 2].save_revocations(pairs[i], {"erp": NOW}, YEAR_AGO) for i in range(20)))
    assert set((await stored(books.other)).tokens) == set(names)
