"""Quota: what every ledger promises."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from kaipiao.errors import BooksContradicted, Internal, QuotaExhausted
from kaipiao.ledger.port import AdmitOutcome, QuotaAccount, QuotaRequest
from ledger_books import CHANNEL, MONTH, NOW, TAXPAYER, Books, on_every_ledger

ZERO = Decimal(0)
UNTIL = NOW + timedelta(days=20)


def request(serial: str, amount: str, *, returning: bool = False, month: str = MONTH) -> QuotaRequest:
    return QuotaRequest(TAXPAYER, CHANNEL, month, serial, Decimal(amount), returning)


async def account(books: Books) -> QuotaAccount:
    found = await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)
    assert found.left == found.downloaded - found.returned - found.issued
    assert found.left >= 0
    return found


async def fill(books: Books, serial: str, amount: str) -> None:
    await books.ledger.fill_quota(TAXPAYER, serial, Decimal(amount), NOW, UNTIL, NOW)


@on_every_ledger
async def test_an_account_that_never_was_is_empty(books: Books) -> None:
    assert await account(books) == QuotaAccount(ZERO, ZERO, ZERO, ZERO, None, None)


@on_every_ledger
async def test_an_unanswered_request_is_returned_by_month_and_direction(books: Books) -> None:
    assert await books.ledger.open_quota_request(request("q1", "100"), NOW) == request("q1", "100")
    assert await books.ledger.open_quota_request(request("q2", "70"), NOW) == request("q1", "100")
    other = request("q3", "70", month="2026-04")
    assert await books.ledger.open_quota_request(other, NOW) == other


@on_every_ledger
async def test_a_download_counts_when_it_is_answered_and_only_once(books: Books) -> None:
    await books.ledger.open_quota_request(request("q1", "100"), NOW)
    assert (await account(books)).left == 0
    await fill(books, "q1", "80.55")
    await fill(books, "q1", "80.55")
    found = await account(books)
    assert (found.downloaded, found.left) == (Decimal("80.55"), Decimal("80.55"))
    assert (found.valid_from, found.valid_until) == (NOW, UNTIL)
    with pytest.raises(BooksContradicted):
        await fill(books, "q1", "99")


@on_every_ledger
async def test_a_return_is_booked_at_once_and_corrected_by_its_answer(books: Books) -> None:
    await books.download("100")
    await books.ledger.open_quota_request(request("r1", "40", returning=True), NOW)
    assert (await account(books)).left == 60
    await fill(books, "r1", "15.50")
    found = await account(books)
    assert (found.returned, found.left) == (Decimal("15.50"), Decimal("84.50"))
    with pytest.raises(QuotaExhausted):
        await books.ledger.open_quota_request(request("r2", "84.51", returning=True), NOW)
    await books.ledger.open_quota_request(request("r2", "84.50", returning=True), NOW)
    with pytest.raises(QuotaExhausted):
        await fill(books, "r2", "84.51")
    assert (await account(books)).left == 0


@on_every_ledger
async def test_what_makes_no_sense_is_refused_and_changes_nothing(books: Books) -> None:
    for amount in ("0", "-1", "NaN", "Infinity", "1.005", "1e30"):
        with pytest.raises(Internal):
            await books.ledger.open_quota_request(request("q1", amount), NOW)
    with pytest.raises(Internal):
        await fill(books, "never asked", "1")
    await books.download("10")
    await books.ledger.open_quota_request(request("q9", "5"), NOW)
    for amount in ("-1", "NaN", "0.001"):
        with pytest.raises(Internal):
            await fill(books, "q9", amount)
    assert (await account(books)).left == 10


@on_every_ledger
async def test_a_serial_is_used_for_one_request_only(books: Books) -> None:
    await books.ledger.open_quota_request(request("q1", "5"), NOW)
    await fill(books, "q1", "5")
    with pytest.raises(BooksContradicted):
        await books.ledger.open_quota_request(request("q1", "5"), NOW)


@on_every_ledger
async def test_quota_is_taken_to_the_last_cent_and_never_below_zero(books: Books) -> None:
    await books.download("100.01")
    block = await books.block()
    admissions = [books.order(block, i, quota=Decimal(q)) for i, q in enumerate(("60", "40.02", "40.01", "0.01", "0"))]
    results = await books.ledger.admit(admissions)
    assert [r.outcome for r in results] == [
        AdmitOutcome.ADMITTED,
        AdmitOutcome.QUOTA_SHORT,
        AdmitOutcome.ADMITTED,
        AdmitOutcome.QUOTA_SHORT,
        AdmitOutcome.ADMITTED,
    ]
    found = await account(books)
    assert (found.issued, found.left) == (Decimal("100.01"), ZERO)
    assert await books.ledger.issued_since(TAXPAYER, NOW) == (3, Decimal("100.01"))


@on_every_ledger
async def test_quota_of_another_month_is_not_used(books: Books) -> None:
    await books.download("100")
    block = await books.block()
    (result,) = await books.ledger.admit([books.order(block, quota=Decimal(1), month="2026-04")])
    assert result.outcome is AdmitOutcome.QUOTA_SHORT
