"""The connection is lost at COMMIT: nobody is told that it failed, nothing is issued twice, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from kaipiao.clock import SystemClock
from kaipiao.errors import OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.commit import Committer
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import AdmitOutcome
from kaipiao.ledger.postgresql import PostgresqlLedger
from ledger_books import CHANNEL, TAXPAYER, YEAR, Books, advance
from postgresql_server import database_url

from .conftest import WithBooks
from .proxy import Cut, Proxy, proxied

MARK = b"CUT-HERE"
Story = Callable[[Books, PostgresqlLedger, Proxy], Awaitable[None]]


def through_a_proxy(with_books: WithBooks, story: Story) -> None:
    async def test(books: Books) -> None:
        async with proxied(database_url()) as (proxy, url):
            ledger = PostgresqlLedger(url, "node-p", pool_min=1, pool_max=8, lease_clock=books.lease_clock)
            await ledger.open()
            try:
                await story(books, ledger, proxy)
                assert proxy.cuts == 1
            finally:
                await ledger.close()

    with_books(test)


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_an_admission_whose_commit_is_cut_is_found_or_sent_again(with_books: WithBooks, cut: Cut) -> None:
    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        await books.download(100)
        block = await books.block()
        order = books.order(block, content=MARK, quota=Decimal(7))
        proxy.arm(MARK, cut)
        with pytest.raises(OutcomeUnknown):
            await ledger.admit([order])
        stored = cut is Cut.AFTER
        assert bool(await ledger.find(TAXPAYER, orders=[order.order])) is stored
        (again,) = await ledger.admit([order])
        assert again.outcome is (AdmitOutcome.KNOWN if stored else AdmitOutcome.ADMITTED)
        assert again.record is not None
        assert (again.record.id, again.record.number) == (order.id, order.number)
        counts = await ledger.number_counts(TAXPAYER, CHANNEL, YEAR)
        assert (counts.pulled, counts.used, counts.leased) == (10, 1, 9)
        assert len(await ledger.events(taxpayer=TAXPAYER, subject=order.order)) == 1

    through_a_proxy(with_books, story)


@pytest.mark.parametrize("resent_first", [True, False])
def test_a_commit_that_arrives_late_counts_once(with_books: WithBooks, resent_first: bool) -> None:
    """Absent means send the same pair again, never free it: here is why."""

    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        block = await books.block()
        order = books.order(block, content=MARK)
        proxy.arm(MARK, Cut.LATE)
        with pytest.raises(OutcomeUnknown):
            await ledger.admit([order])
        assert await ledger.find(TAXPAYER, orders=[order.order]) == []
        if not resent_first:
            await proxy.let_go()
        (again,) = await ledger.admit([order])
        assert again.outcome is (AdmitOutcome.ADMITTED if resent_first else AdmitOutcome.KNOWN)
        if resent_first:
            await proxy.let_go()
        (record,) = await ledger.find(TAXPAYER, orders=[order.order])
        assert (record.id, record.number) == (order.id, order.number)
        assert len(await ledger.events(taxpayer=TAXPAYER, subject=order.order)) == 1

    through_a_proxy(with_books, story)


def test_a_late_commit_never_forks_the_chain_of_its_writer(with_books: WithBooks) -> None:
    """The lane has gone on meanwhile: the late one finds the chain grown and stores nothing."""

    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        block = await books.block()
        late = books.order(block, 0, content=MARK)
        proxy.arm(MARK, Cut.LATE)
        with pytest.raises(OutcomeUnknown):
            await ledger.admit([late])
        await ledger.admit([books.order(block, 1)])
        await proxy.let_go()
        assert await ledger.find(TAXPAYER, orders=[late.order]) == []
        assert (await ledger.admit([late]))[0].outcome is AdmitOutcome.ADMITTED

    through_a_proxy(with_books, story)


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_a_transaction_whose_commit_is_cut_is_in_doubt_too(with_books: WithBooks, cut: Cut) -> None:
    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        block = await books.block()
        (record,) = await books.admit(books.order(block))
        proxy.arm(b"COMMIT\0", cut)
        with pytest.raises(OutcomeUnknown):
            await ledger.advance([advance(record, State.EXPIRED)])
        done = cut is Cut.AFTER
        assert (await books.again(record)).state is (State.EXPIRED if done else State.ISSUED)
        assert await ledger.advance([advance(record, State.EXPIRED)]) == [not done]

    through_a_proxy(with_books, story)


def test_a_connection_lost_before_the_commit_was_sent_is_tried_again(with_books: WithBooks) -> None:
    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        block = await books.block()
        (record,) = await books.admit(books.order(block))
        proxy.arm(b"BEGIN\0", Cut.BEFORE)
        assert await ledger.advance([advance(record, State.EXPIRED)]) == [True]

    through_a_proxy(with_books, story)


def test_everybody_in_a_group_in_doubt_hears_of_it_and_nobody_of_it_is_answered(with_books: WithBooks) -> None:
    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        block = await books.block()
        orders = [books.order(block, i, content=MARK if i == 2 else b"{}") for i in range(6)]
        proxy.arm(MARK, Cut.AFTER)
        answers = await asyncio.gather(*(ledger.admit([order]) for order in orders), return_exceptions=True)
        assert {type(answer) for answer in answers} == {OutcomeUnknown}
        found = await ledger.find(TAXPAYER, orders=[order.order for order in orders])
        assert [record.number for record in found] == [order.number for order in orders]

    through_a_proxy(with_books, story)


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_issuing_answers_with_the_truth_after_a_cut(with_books: WithBooks, cut: Cut) -> None:
    async def story(books: Books, ledger: PostgresqlLedger, proxy: Proxy) -> None:
        committer = Committer(ledger, SystemClock(), Policy())
        block = await books.block()
        order = books.order(block, content=MARK)
        proxy.arm(MARK, cut)
        freed: list[int] = []
        result = await committer.admit(order, lambda: freed.append(1))
        assert not freed
        assert result.outcome is AdmitOutcome.ADMITTED
        assert result.record is not None
        assert result.record.number == order.number
        await committer.close()

    through_a_proxy(with_books, story)


def test_a_caller_that_leaves_does_not_stop_its_commit(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        order = books.order(block)
        task = asyncio.create_task(books.ledger.admit([order]))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while not await books.ledger.find(TAXPAYER, orders=[order.order]):
                await asyncio.sleep(0.01)

    with_books(test)
