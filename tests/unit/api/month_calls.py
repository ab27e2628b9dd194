"""A month that is over, as an API's test finds it."""

from __future__ import annotations

from dataclasses import replace

from api_stand import token
from asgi import Answer, call
from bench import SELLER, Point
from fastapi import FastAPI

from kaipiao.authority.channel import MonthState, MonthTotals
from kaipiao.issuing.month_state import Manner, MonthContent, Outcome, Run, Seen, dump
from kaipiao.ledger.month_books import FindingRow, MonthBook
from kaipiao.ledger.port import Ledger

OVER = "2026-10"


def at_the_clock_of(app: FastAPI, p: Point) -> None:
    """The API by the clock of the issuing point, in whose present October is over and not closed."""
    app.state.services = replace(app.state.services, clock=p.clock)


async def month_over(p: Point, *, state: MonthState = MonthState.OPEN, totals: MonthTotals | None = None) -> None:
    """October as the bureau has it: empty unless said otherwise."""
    now = p.clock.now()
    run = Run(1, Manner.TOTALS, now, None, ended_at=now, outcome=Outcome.AGREES)
    content = MonthContent(run=run, seen=Seen(now, state, totals or MonthTotals()))
    book = await p.ledger.month_book(SELLER, "pretend", OVER)
    version = book.version if book else 0
    assert await p.ledger.save_month_book(MonthBook(SELLER, "pretend", OVER, version, dump(content)))


async def found(ledger: Ledger, p: Point, month: str = "2026-09") -> None:
    """A difference of another month."""
    row = FindingRow(
        SELLER, "pretend", month, "different", "26442000000000000001", "A-1", {"amount": "1.00"}, {"amount": "2.00"}, 1,
        p.clock.now(),
    )  # fmt: skip
    assert await ledger.save_month_book(MonthBook(SELLER, "pretend", month, 0, dump(MonthContent())), [row])


async def month_answers(app: FastAPI, p: Point) -> dict[str, Answer]:
    """What the routes of months answer, by `status method route`."""
    at_the_clock_of(app, p)
    await month_over(p)
    await found(p.ledger, p)
    post = {"202 POST /v1/months/{month}:unconfirm": f"/v1/months/{OVER}:unconfirm?taxpayer={SELLER}"}
    post["202 POST /v1/months/{month}:confirm"] = f"/v1/months/{OVER}:confirm?taxpayer={SELLER}"
    post["202 POST /v1/reconciliations"] = "/v1/reconciliations?manner=totals"
    answers = {name: await call(app, "POST", target, token=token()) for name, target in post.items()}
    name = "200 GET /v1/months/{month}/findings"
    answers[name] = await call(app, "GET", "/v1/months/2026-09/findings", token=token())
    answers["200 GET /v1/months/{month}"] = await call(app, "GET", f"/v1/months/{OVER}", token=token())
    return answers
