"""Two nodes want the same things at the same time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, Block
from ledger_books import CHANNEL, MONTH, OTHER_TAXPAYER, TAXPAYER, YEAR, Books, CheckedLedger, advance

from .conftest import WithBooks

ORDERS = 120


def test_one_set_of_orders_from_two_nodes_in_any_grouping_is_issued_once(with_books: WithBooks) -> None:
    chance = random.Random(1)

    async def test(books: Books) -> None:
        await books.download(ORDERS + 30)
        await books.pull(4 * ORDERS)
        nodes = (books.ledger, books.other)
        blocks = [await books.lease(name, 2 * ORDERS) for name in "ab"]

        def wishes(block: Block) -> list[list[Admission]]:
            every = [books.order(block, i, order=f"same-{i}", quota=Decimal(1)) for i in range(ORDERS)]
            chance.shuffle(every)
            groups = []
            while every:
                size = chance.choice([1, 1, 2, 7, 20])
                groups.append(every[:size])
                every = every[size:]
            return groups

        calls = [node.admit(group) for node, block in zip(nodes, blocks, strict=True) for group in wishes(block)]
        chance.shuffle(calls)
        results = [result for answer in await asyncio.gather(*calls) for result in answer]
        assert Counter(r.outcome for r in results) == {AdmitOutcome.ADMITTED: ORDERS, AdmitOutcome.KNOWN: ORDERS}
        account = await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)
        assert (account.issued, account.left) == (Decimal(ORDERS), Decimal(30))
        counts = await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)
        assert counts.used == ORDERS

    with_books(test)


def test_a_short_quota_is_given_out_to_the_last_cent_and_no_further(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        await books.download(50)
        await books.pull(200)
        one, two = await books.lease("a", 100), await books.lease("b", 100)
        calls = [
            node.admit([books.order(block, i, quota=Decimal(1))])
            for i in range(80)
            for node, block in ((books.ledger, one), (books.other, two))
        ]
        outcomes = Counter(result.outcome for (result,) in await asyncio.gather(*calls))
        assert outcomes == {AdmitOutcome.ADMITTED: 50, AdmitOutcome.QUOTA_SHORT: 110}

    with_books(test)


def test_a_block_is_taken_over_while_its_owner_commits(with_books: WithBooks) -> None:
    """Whatever the order: what the taker may use and what the owner used never overlap."""

    async def test(books: Books) -> None:
        await books.pull(400)
        for _ in range(4):
            block = await books.lease("a", 400)
            calls = [books.ledger.admit([books.order(block, i)]) for i in range(len(block.numbers) // 2)]
            owner = asyncio.gather(*calls)
            await asyncio.sleep(0.004)
            books.lease_clock.seconds += 31
            taken = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 400, 30)
            assert taken is not None
            used = [r.record.number for (r,) in await owner if r.outcome is AdmitOutcome.ADMITTED and r.record]
            assert not set(used) & set(taken.numbers)
            assert (taken.id, len(used) + len(taken.numbers)) == (block.id, len(block.numbers))
            await books.other.release_blocks("b")

    with_books(test)


def test_changes_of_the_same_invoices_in_opposite_order_end(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block(40)
        records = await books.admit(*(books.order(block, i) for i in range(40)))

        async def node(ledger: CheckedLedger, forward: bool) -> int:
            order = records if forward else records[::-1]
            parts = [order[i : i + 10] for i in range(0, 40, 10)]
            results = [await ledger.advance([advance(r, State.EXPIRED) for r in part]) for part in parts]
            return sum(done for part in results for done in part)

        done = await asyncio.gather(node(books.ledger, True), node(books.other, False), node(books.other, True))
        assert sum(done) == 40
        assert await books.ledger.state_counts(TAXPAYER) == {State.EXPIRED: 40}

    with_books(test)


def test_several_taxpayers_in_mixed_groups_do_not_lock_each_other_up(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        await books.pull(200)
        await books.pull(200, taxpayer=OTHER_TAXPAYER)
        await books.download(1000)
        await books.download(1000, taxpayer=OTHER_TAXPAYER)
        blocks = [
            await books.lease(name, 100, taxpayer=taxpayer)
            for taxpayer in (TAXPAYER, OTHER_TAXPAYER)
            for name in ("a", "b")
        ]

        def group(i: int, order: list[Block]) -> list[Admission]:
            return [books.order(block, i, quota=Decimal(2)) for block in order]

        calls = []
        for i in range(40):
            calls.append(books.ledger.admit(group(i, blocks)))
            calls.append(books.other.admit(group(i + 40, blocks[::-1])))
        results: list[AdmitResult] = [r for answer in await asyncio.gather(*calls) for r in answer]
        assert {r.outcome for r in results} == {AdmitOutcome.ADMITTED}
        assert len(results) == 320

    with_books(test)


def test_two_successors_of_one_invoice_from_two_nodes_are_one(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block(30)
        for i in range(0, 24, 3):
            (first,) = await books.admit(books.order(block, i))
            await books.advance(first, State.EXPIRED)
            successor = books.order(block, i + 1, order=first.order, replaces=first.id)
            rival = replace(successor, id=next(books.ids), number=block.numbers[i + 2])
            answers = await asyncio.gather(books.ledger.admit([successor]), books.other.admit([rival]))
            assert sorted(str(r.outcome) for (r,) in answers) == ["admitted", "known"]

    with_books(test)
