"""The auditor finds what was lost, doubled or believed wrongly — and nothing where nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaipiao_lab.auditor import Entry, bureau_book, cents, client_book, compare

N1, N2 = "26442000000000000001", "26442000000000000002"


def ours(state: str = "confirmed", number: str = N1, amount: int = 100) -> Entry:
    return Entry("A", number, amount, state)


def theirs(number: str = N1, amount: int = 100, order: str = "A") -> Entry:
    return Entry(order, number, amount)


def test_three_equal_books_have_nothing_to_report() -> None:
    found = compare([theirs()], [ours()], [theirs()])
    assert (found.acknowledged, found.issued, found.confirmed) == (1, 1, 1)
    assert (found.lost, found.doubled, found.believed_wrong) == (0, 0, 0)


@pytest.mark.parametrize(("mine", "bureau"), [([], [theirs()]), ([ours()], []), ([ours(amount=99)], [theirs()])])
def test_an_acknowledged_order_that_is_missing_or_different_anywhere_is_lost(
    mine: list[Entry], bureau: list[Entry]
) -> None:
    assert compare([theirs()], mine, bureau).lost == 1


@pytest.mark.parametrize(
    ("answers", "mine", "bureau"),
    [
        ([theirs()], [ours()], [theirs(), theirs(N2)]),
        ([theirs(), theirs(N2)], [ours()], [theirs()]),
        ([], [ours(), ours(number=N2)], [theirs()]),
    ],
)
def test_one_order_under_two_numbers_in_any_book_is_doubled(
    answers: list[Entry], mine: list[Entry], bureau: list[Entry]
) -> None:
    assert compare(answers, mine, bureau).doubled == 1


@pytest.mark.parametrize("state", ["rejected", "expired", "replaced"])
def test_a_final_negative_that_the_bureau_holds_is_believed_wrongly(state: str) -> None:
    assert compare([], [ours(state)], [theirs()]).believed_wrong == 1
    assert compare([], [ours(state)], []).believed_wrong == 0


def test_confirmed_but_not_held_or_held_otherwise_is_believed_wrongly() -> None:
    assert compare([], [ours()], []).believed_wrong == 1
    assert compare([], [ours()], [theirs(amount=1)]).believed_wrong == 1
    assert compare([], [ours()], [theirs(order="B")]).believed_wrong == 1


def test_books_are_read_as_they_were_written_and_a_torn_last_line_is_no_entry(tmp_path: Path) -> None:
    log = tmp_path / "answers.ndjson"
    log.write_text(
        json.dumps({"order": "A", "number": N1, "total": "1.00"}) + '\n{"order": "B", "numb', encoding="utf-8"
    )
    assert list(client_book(log)) == [theirs()]
    register = tmp_path / "bureau.ndjson"
    register.write_text(
        json.dumps({"number": N1, "total": "1.00", "remark": "谢谢 order:A 再来"}) + "\n", encoding="utf-8"
    )
    assert list(bureau_book(register)) == [theirs()]


def test_a_remark_without_an_order_is_no_contradiction() -> None:
    found = compare([theirs()], [ours()], [theirs(order="")])
    assert (found.lost, found.doubled, found.believed_wrong) == (0, 0, 0)
    assert compare([theirs()], [ours()], [theirs(N2, order="")]).lost == 1


def test_money_is_read_exactly_or_not_at_all() -> None:
    assert cents("12.34") == 1234
    assert cents("-0.1") == -10
    with pytest.raises(ValueError, match="not money"):
        cents("1.005")
