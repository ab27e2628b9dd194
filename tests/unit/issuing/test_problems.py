"""Whatever `problem_code` of an invoice says by ourselves has words in both languages and stands in the documents."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bench import point
from pretend_bureau import CAPABILITIES

import kaipiao
from kaipiao.authority.channel import Answer
from kaipiao.authority.problems import OF_ANSWERS, Problem
from kaipiao.authority.transport import CAUSES
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.decisions import after_poll, overdue
from kaipiao.issuing.problems import DEFECT, LATE, NO_RESULT, OF_ISSUING
from kaipiao.issuing.wire import answer_of
from kaipiao.ledger.port import InvoiceRecord

SOURCE = Path(kaipiao.__file__).parent
PAGE = SOURCE.parent.parent / "docs" / "reference" / "problem-codes.md"
TOLD = (*OF_ISSUING, *OF_ANSWERS)
NOT_OF_INVOICES = {"supply.not_asked"}  # of pulling numbers and quota


def codes_written() -> Iterator[str]:
    """Every literal that the modules of issuing and of the channel hand on as a code of an answer or an invoice."""
    for file in (*SOURCE.glob("issuing/*.py"), *SOURCE.glob("authority/leqi/*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and not _is_error(node):
                yield from (_literal(k.value) for k in node.keywords if k.arg == "code")
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                yield from (_literal(v) for k, v in pairs if k is not None and _literal(k) == "problem_code")


def _is_error(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in {"NotFound", "SettingsFault"}


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return ast.unparse(node)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_no_code_reaches_an_invoice_without_words() -> None:
    told = {problem.code for problem in TOLD}
    assert set(codes_written()) - told - NOT_OF_INVOICES - {""} == set()


@pytest.mark.parametrize("problem", TOLD, ids=lambda problem: problem.code)
def test_every_problem_has_words_in_both_languages_and_a_next_step_in_the_documents(problem: Problem) -> None:
    page = PAGE.read_text("utf-8")
    told = problem.filled("…")
    for words in (f"`{told.code}`", told.text.zh, told.text.en, told.next_step.zh, told.next_step.en):
        assert words.strip("`")
        assert words in page
    assert len(problem.filled(599).text.both) <= 300


def test_every_failure_of_the_wire_stands_in_the_documents() -> None:
    page = PAGE.read_text("utf-8")
    assert [code for code in CAUSES if f"`{code}`" not in page] == []


def test_what_issuing_itself_says_of_an_invoice_is_stored_with_its_words() -> None:
    async def story() -> InvoiceRecord:
        p = await point()
        await p.issue("A")
        return await p.record("A")

    record = asyncio.run(story())
    much_later = record.made_at + timedelta(days=30)
    sent = replace(record, state=State.SUBMITTED, submitted_at=record.made_at)
    late, silent = overdue(record, CAPABILITIES, much_later), after_poll(sent, None, CAPABILITIES, much_later)
    assert (late.changes["problem_code"], late.changes["problem"]) == (LATE.code, LATE.text.both)
    assert (silent.changes["problem_code"], silent.changes["problem"]) == (NO_RESULT.code, NO_RESULT.text.both)


def test_what_a_defect_of_a_channel_leaves_is_told_in_words() -> None:
    async def defect() -> Answer[str]:
        raise ZeroDivisionError

    answer = asyncio.run(answer_of(defect(), "leqi", "upload"))
    assert (answer.code, answer.message) == (DEFECT.code, DEFECT.text.both)
