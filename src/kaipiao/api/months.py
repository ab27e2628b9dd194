"""/v1/months, /v1/reconciliations: both sides' books of a month beside each other, compared, and the month's end."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import example
from kaipiao.api.described.month_examples import CLOSING, FINDING, MONTH, RECONCILIATION
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, READING, TAXPAYER_UNKNOWN, WRITING, Stated
from kaipiao.api.pages import Limit
from kaipiao.api.services import Services
from kaipiao.api.views import stamp
from kaipiao.authority.channel import MonthTotals
from kaipiao.clock import month_of
from kaipiao.errors import LedgerBusy, Malformed, MonthNotReady, NotFound
from kaipiao.issuing.comparison import shown
from kaipiao.issuing.findings import Kind
from kaipiao.issuing.month_end import MonthDesk, MonthView
from kaipiao.issuing.month_state import Closing, Manner, Run, Wish, load
from kaipiao.issuing.reconcile_policy import months_open
from kaipiao.issuing.reconciler import Later, begin_run
from kaipiao.issuing.trail import actor
from kaipiao.language import Text
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.month_books import FindingRow

router = APIRouter(tags=["months"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Managing = Annotated[Caller, Depends(caller_with(Permission.MONTHS))]
_MONTH = r"^20\d\d-(0[1-9]|1[0-2])$"
MonthPath = Annotated[
    str,
    Path(pattern=_MONTH, description="yyyy-MM，北京时间 / in Asia/Shanghai", examples=["2026-11"]),
]
MonthQuery = Annotated[
    str | None,
    Query(pattern=_MONTH, description="yyyy-MM；缺省本月 / this month", examples=["2026-11"]),
]
Seller = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=40,
        description="纳税人识别号；缺省全部 / tax number, all of them if left out",
        examples=["91110000MAKP00001M"],
    ),
]
OneSeller = Annotated[
    str, Query(min_length=1, max_length=40, description="纳税人识别号 / tax number", examples=["91110000MAKP00001M"])
]
OneChannel = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        description="通道；缺省首选 / channel, the preferred one if left out",
        examples=["leqi"],
    ),
]
Way = Annotated[
    Manner,
    Query(
        description="list 清单（用一次申请；无可用申请时逐张查询），numbers 逐张查询，totals 只比合计"
        " / by the bureau's list (spends a request; number by number where none is left), by number, or totals only",
        examples=["list"],
    ),
]
NOT_READY: Stated = (MonthNotReady(fields=["debt.unknown=1", "total.blue_count=1203/1204"]),)
FUTURE: Stated = (Malformed(Text("月份尚未开始", "The month has not begun"), fields=["query.month"]),)
ASKING = problems(*CALLER, *TAXPAYER_UNKNOWN, *READING)


class RunView(BaseModel):
    """A comparison. `manner` is the one that was used in the end; `unjudged`: what could not be had an answer about."""

    id: str
    manner: Literal["totals", "list", "numbers"]
    state: Literal["under_way", "ended"]
    begun_at: str
    ended_at: str | None
    asked_by: str | None = Field(description="空：自动 / null: by itself")
    checked: int
    unjudged: int
    outcome: Literal["agrees", "differs", "incomplete"] | None
    findings: int


class ReconciliationView(BaseModel):
    """`run`: the latest comparison of the month, null: none yet."""

    taxpayer: str
    channel: str
    month: str
    run: RunView | None


class FindingView(BaseModel):
    """`ours` and `theirs` hold only the fields that differ. `number` is null for a difference of the month as a whole."""

    taxpayer: str
    channel: str
    month: str
    kind: Kind
    number: str | None
    order: str | None
    ours: dict[str, str | None]
    theirs: dict[str, str | None]
    found_at: str


class TotalsView(BaseModel):
    """Amounts without tax, and tax, in CNY; red ones are negative."""

    blue_count: int
    blue_amount: str
    blue_tax: str
    red_count: int
    red_amount: str
    red_tax: str


class ClosingView(BaseModel):
    """A wish to confirm or to open again. `sent`: it went to the bureau, which is asked until it is sure."""

    wish: Literal["confirm", "unconfirm"]
    state: Literal["wished", "sent", "done", "refused"]
    wished_at: str
    asked_by: str | None
    done_at: str | None
    refusal: list[str]


class MonthPage(BaseModel):
    """`theirs`: what the bureau last said, at `theirs_at`; `open`: all that stands in the way of confirming it, as codes."""

    taxpayer: str
    channel: str
    month: str
    deadline: str
    ours: TotalsView
    theirs: TotalsView | None
    theirs_at: str | None
    state: Literal["open", "confirmed", "closed"] | None = Field(description="税局最近所说 / as the bureau last said")
    open: list[str]
    closing: ClosingView | None
    run: RunView | None


@router.get(
    "/v1/reconciliations",
    response_model=list[ReconciliationView],
    responses={200: {"content": example([RECONCILIATION])}, **ASKING},
    summary="各月最近一次核对 / The latest comparison of each month",
)
async def reconciliations(
    request: Request, caller: Operating, taxpayer: Seller = None, limit: Limit = 24
) -> list[ReconciliationView]:
    """`limit`: months of each taxpayer. Months still open are listed also where they were never compared."""
    services = services_of(request)
    found = []
    for seller, channels in (await _sellers(services, caller, taxpayer)).items():
        books = await services.ledger.month_books(seller, limit)
        runs = {(book.channel, book.month): load(book.content).run for book in books}
        runs |= {(c, m): None for c in channels for m in months_open(services.clock.now()) if (c, m) not in runs}
        latest = sorted(runs, key=lambda place: (place[1], place[0]), reverse=True)
        found += [_reconciliation(seller, *place, runs[place]) for place in latest]
    return found


@router.post(
    "/v1/reconciliations",
    status_code=202,
    response_model=list[ReconciliationView],
    responses={202: {"content": example([RECONCILIATION])}, **problems(*CALLER, *TAXPAYER_UNKNOWN, *WRITING, *FUTURE)},
    summary="核对两边的账 / Compare both sides' books",
)
async def reconcile(
    request: Request, caller: Managing, month: MonthQuery = None, taxpayer: Seller = None, manner: Way = Manner.LIST
) -> JSONResponse:
    """Written down, and made by the node that works for the taxpayer. One that is under way is shown as it is."""
    services = services_of(request)
    now = services.clock.now()
    asked = month or month_of(now)
    if asked > month_of(now):
        raise Malformed(Text("月份尚未开始", "The month has not begun"), fields=["query.month"])
    ids, begun = IdMaker(services.clock.now), []
    for seller, channels in (await _sellers(services, caller, taxpayer)).items():
        for channel in channels:
            run = await begin_run(services.ledger, (seller, channel, asked), manner, actor.get(), ids.next(), now)
            begun.append(_reconciliation(seller, channel, asked, run).model_dump())
    return JSONResponse(begun, 202)


@router.get(
    "/v1/months/{month}",
    response_model=list[MonthPage],
    responses={200: {"content": example([MONTH])}, **ASKING},
    summary="一个月的两边与未结事项 / A month, both sides, and what is open",
)
async def month(request: Request, month: MonthPath, caller: Operating, taxpayer: Seller = None) -> list[MonthPage]:
    services = services_of(request)
    desk = MonthDesk(services.ledger, services.clock)
    sellers = await _sellers(services, caller, taxpayer)
    return [_page(await desk.view(seller, c, month)) for seller, channels in sellers.items() for c in channels]


@router.get(
    "/v1/months/{month}/findings",
    response_model=list[FindingView],
    responses={200: {"content": example([FINDING])}, **ASKING},
    summary="两边不一致之处 / Where both sides differ",
)
async def findings(
    request: Request, month: MonthPath, caller: Operating, taxpayer: Seller = None, limit: Limit = 1000
) -> list[FindingView]:
    services = services_of(request)
    found: list[FindingRow] = []
    for seller in taxpayers_for(caller, services, taxpayer):
        found += await services.ledger.findings(seller, month=month, limit=limit)
    return [_finding(row) for row in found[:limit]]


@router.post(
    "/v1/months/{month}:confirm",
    status_code=202,
    response_model=MonthPage,
    responses={
        202: {"content": example(CLOSING)},
        **problems(*CALLER, *TAXPAYER_UNKNOWN, *WRITING, LedgerBusy(), *NOT_READY),
    },
    summary="汇总确认 / Confirm a month",
)
async def confirm(
    request: Request, month: MonthPath, caller: Managing, taxpayer: OneSeller, channel: OneChannel = None
) -> JSONResponse:
    """Written down, and sent by the node that works for the taxpayer; `closing` says what became of it."""
    return await _wish(request, caller, (taxpayer, channel, month), Wish.CONFIRM)


@router.post(
    "/v1/months/{month}:unconfirm",
    status_code=202,
    response_model=MonthPage,
    responses={
        202: {"content": example(CLOSING)},
        **problems(*CALLER, *TAXPAYER_UNKNOWN, *WRITING, LedgerBusy(), *NOT_READY),
    },
    summary="取消汇总确认 / Open a confirmed month again",
)
async def unconfirm(
    request: Request, month: MonthPath, caller: Managing, taxpayer: OneSeller, channel: OneChannel = None
) -> JSONResponse:
    """Until the 13th of the next month, 00:00."""
    return await _wish(request, caller, (taxpayer, channel, month), Wish.UNCONFIRM)


async def _wish(request: Request, caller: Caller, place: tuple[str, str | None, str], wish: Wish) -> JSONResponse:
    services = services_of(request)
    taxpayer, channel, month = place
    channels = (await _sellers(services, caller, taxpayer))[taxpayer]
    chosen = channel or channels[0]
    if chosen not in channels:
        raise NotFound(Text("没有这个通道", "There is no such channel"), code="KP-FIND-02")
    desk = MonthDesk(services.ledger, services.clock)
    try:
        view, refusal = await desk.wish(taxpayer, chosen, month, wish, actor.get())
    except Later as other:
        raise LedgerBusy() from other
    if refusal:
        listed = ", ".join(refusal)
        raise MonthNotReady(Text(f"尚未了结：{listed}", f"Still open: {listed}"), fields=list(refusal))
    return JSONResponse(_page(view).model_dump(), 202)


async def _sellers(services: Services, caller: Caller, asked: str | None) -> dict[str, tuple[str, ...]]:
    """The taxpayers that the request is about, each with its channels in order of preference."""
    mine = taxpayers_for(caller, services, asked)
    rows = {row.taxpayer: row.channels for row in await services.ledger.taxpayers()}
    if asked is not None and asked not in rows:
        raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")
    return {taxpayer: rows[taxpayer] for taxpayer in mine if taxpayer in rows}


def _reconciliation(taxpayer: str, channel: str, month: str, run: Run | None) -> ReconciliationView:
    return ReconciliationView(taxpayer=taxpayer, channel=channel, month=month, run=_run(run))


def _run(run: Run | None) -> RunView | None:
    if run is None:
        return None
    return RunView(
        id=str(run.id),
        manner=run.manner.value,
        state="under_way" if run.ended_at is None else "ended",
        begun_at=stamp(run.begun_at) or "",
        ended_at=stamp(run.ended_at),
        asked_by=run.asked_by,
        checked=run.checked,
        unjudged=run.unjudged,
        outcome=run.outcome.value if run.outcome is not None else None,
        findings=run.findings,
    )


def _finding(row: FindingRow) -> FindingView:
    return FindingView(
        taxpayer=row.taxpayer,
        channel=row.channel,
        month=row.month,
        kind=Kind(row.kind),
        number=row.number or None,
        order=row.order,
        ours=dict(row.ours),
        theirs=dict(row.theirs),
        found_at=stamp(row.found_at) or "",
    )


def _page(view: MonthView) -> MonthPage:
    seen = view.content.seen
    return MonthPage(
        taxpayer=view.taxpayer,
        channel=view.channel,
        month=view.month,
        deadline=stamp(view.deadline) or "",
        ours=_totals(view.ours),
        theirs=_totals(seen.totals) if seen is not None else None,
        theirs_at=stamp(seen.at) if seen is not None else None,
        state=seen.state.value if seen is not None else None,
        open=list(view.open),
        closing=_closing(view.content.closing),
        run=_run(view.content.run),
    )


def _totals(totals: MonthTotals) -> TotalsView:
    return TotalsView(
        blue_count=totals.blue_count,
        blue_amount=shown(totals.blue_amount),
        blue_tax=shown(totals.blue_tax),
        red_count=totals.red_count,
        red_amount=shown(totals.red_amount),
        red_tax=shown(totals.red_tax),
    )


def _closing(closing: Closing | None) -> ClosingView | None:
    if closing is None:
        return None
    state: Literal["wished", "sent", "done", "refused"] = "wished" if closing.sent_at is None else "sent"
    if closing.done_at is not None:
        state = "refused" if closing.refusal else "done"
    return ClosingView(
        wish=closing.wish.value,
        state=state,
        wished_at=stamp(closing.wished_at) or "",
        asked_by=closing.asked_by,
        done_at=stamp(closing.done_at),
        refusal=list(closing.refusal),
    )
