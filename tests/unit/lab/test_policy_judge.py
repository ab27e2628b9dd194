"""The judge of the policy matrix sees each way of being wrong, and each baseline differs from the others in its rule alone."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path

import pytest

import kaipiao_lab.policies.judge as judge_module
from kaipiao_lab.auditor import Entry
from kaipiao_lab.policies import book
from kaipiao_lab.policies.book import Sold
from kaipiao_lab.policies.day import QUICK
from kaipiao_lab.policies.judge import Figures, judge
from kaipiao_lab.policies.matrix import faults_of
from kaipiao_lab.policies.rules import BASELINES, OURS, Rule, Sight, Step, pause

CLEAN = Figures(0, 0, 0, 0, 20.0)
SOLD = [Sold("A", 100.0, 110.0, "issued", person=False), Sold("B", 200.0, 230.0, "issued", person=False)]
HELD = [Entry("A", "1", 100), Entry("B", "2", 200)]


def test_books_that_agree_are_clean() -> None:
    assert judge(SOLD, HELD, 1000.0) == Figures(0, 0, 0, 0, 30.0)


def test_a_sale_held_under_two_numbers_is_doubled() -> None:
    assert judge(SOLD, [*HELD, Entry("A", "3", 100)], 1000.0).doubled == 1


def test_a_number_told_twice_is_not_doubled() -> None:
    assert judge(SOLD, [*HELD, HELD[0]], 1000.0).doubled == 0


def test_a_sale_that_the_bureau_holds_and_the_client_denies_is_seen() -> None:
    found = judge([replace(SOLD[0], believes="denied", person=True, usable_at=None), SOLD[1]], HELD, 1000.0)
    assert (found.held_but_denied, found.human, found.not_issued) == (1, 1, 0)


@pytest.mark.parametrize("believes", ["issued", "denied", "open"])
def test_a_sale_that_the_bureau_does_not_hold_is_not_issued_whatever_the_client_believes(believes: book.Belief) -> None:
    found = judge([replace(SOLD[0], believes=believes), SOLD[1]], HELD[1:], 1000.0)
    assert (found.not_issued, found.held_but_denied) == (1, 0)


def test_an_outcome_that_is_still_unknown_at_the_end_is_a_persons() -> None:
    found = judge([replace(SOLD[0], believes="open", person=True), SOLD[1]], HELD, 1000.0)
    assert (found.human, found.held_but_denied) == (1, 0)


def test_who_never_got_a_document_waited_until_the_end() -> None:
    assert judge([replace(SOLD[0], usable_at=None), SOLD[1]], HELD, 1000.0).p99_s == 900.0


@pytest.mark.parametrize("sold", [[], [SOLD[0], SOLD[0]]])
def test_a_book_without_every_sale_once_is_no_book(sold: list[Sold]) -> None:
    with pytest.raises(ValueError, match="every sale once"):
        judge(sold, HELD, 1000.0)


def test_the_judge_shares_no_code_with_what_it_judges() -> None:
    tree = ast.parse(Path(judge_module.__file__).read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name == "kaipiao" or name.startswith("kaipiao.")]


def test_a_book_is_read_as_it_was_written(tmp_path: Path) -> None:
    book.write(tmp_path / "book", SOLD)
    assert list(book.read(tmp_path / "book")) == SOLD


def test_sales_that_were_not_begun_are_open_and_a_persons() -> None:
    assert book.complete(SOLD, [("A", 100.0), ("C", 300.0)])[2:] == [Sold("C", 300.0, None, "open", person=True)]


def figures(**shown: int) -> dict[str, Figures]:
    """Of a run in which each baseline shows its fault."""
    baselines = {rule.name: replace(CLEAN, **{rule.shows: 1}) for rule in BASELINES}
    return {OURS: replace(CLEAN, **shown), **baselines}


def test_a_run_is_sound_when_ours_is_clean_and_every_baseline_shows_its_fault() -> None:
    assert faults_of(figures()) == []


@pytest.mark.parametrize("figure", ["doubled", "held_but_denied", "not_issued", "human"])
def test_each_figure_of_ours_must_be_zero(figure: str) -> None:
    assert len(faults_of(figures(**{figure: 1}))) == 1


@pytest.mark.parametrize("rule", BASELINES, ids=lambda rule: rule.name)
def test_a_run_in_which_a_baseline_is_clean_was_blind(rule: Rule) -> None:
    assert faults_of({**figures(), rule.name: CLEAN}) == [
        f"{rule.name}: its fault ({rule.shows}) was not seen, the run was blind"
    ]


@pytest.mark.parametrize("rule", BASELINES, ids=lambda rule: rule.name)
def test_a_baseline_differs_from_the_common_ground_in_one_rule(rule: Rule) -> None:
    ground = Rule(rule.name, rule.shows)
    assert len([one for one in fields(Rule) if getattr(rule, one.name) != getattr(ground, one.name)]) == 1


def rule(name: str) -> Rule:
    return next(each for each in BASELINES if each.name == name)


@pytest.mark.parametrize(
    ("name", "sight", "tries", "step"),
    [
        ("new_number_per_try", Sight.NOTHING, 1, Step.NEW),
        ("duplicate_is_rejected", Sight.NOTHING, 9, Step.SAME),
        ("duplicate_is_rejected", Sight.DUPLICATE, 2, Step.DENIED),
        ("duplicate_is_number_consumed", Sight.DUPLICATE, 2, Step.NEW),
        ("ask_after_5_s_absent_is_new_number", Sight.NOTHING, 1, Step.ASK),
        ("five_tries_then_dead", Sight.NOTHING, 4, Step.SAME),
        ("five_tries_then_dead", Sight.NOTHING, 5, Step.DENIED),
        ("five_tries_then_dead", Sight.DUPLICATE, 5, Step.ISSUED),
        ("five_tries_then_dead", Sight.REFUSED, 1, Step.DENIED),
    ],
)
def test_a_rule_does_what_its_name_says(name: str, sight: Sight, tries: int, step: Step) -> None:
    assert rule(name).after_try(sight, tries) is step


def test_absent_is_believed_at_once_by_the_rule_that_asks() -> None:
    asking = rule("ask_after_5_s_absent_is_new_number")
    assert (asking.after_ask(False), asking.after_ask(True)) == (Step.NEW, Step.ISSUED)


def test_pauses_double_up_to_five_minutes() -> None:
    assert [pause(tries) for tries in (1, 2, 4, 5, 10_000)] == [30.0, 60.0, 240.0, 300.0, 300.0]


def test_a_day_is_the_same_for_every_policy_and_another_for_another_seed() -> None:
    day, other = replace(QUICK, sales=20), replace(QUICK, sales=20, seed=2)
    assert day.orders(["S"]) == day.orders(["S"]) != other.orders(["S"])
    assert day.outage_begins() == day.outage_begins() != other.outage_begins()


@pytest.mark.parametrize("seed", range(1, 40))
def test_outages_do_not_overlap_and_end_within_the_day(seed: int) -> None:
    day = replace(QUICK, seed=seed)
    begins = day.outage_begins()
    ends = [begin + day.outage for begin in begins]
    assert len(begins) == day.outages
    assert all(end < begin for end, begin in zip(ends, [*begins[1:], day.seconds], strict=True))
