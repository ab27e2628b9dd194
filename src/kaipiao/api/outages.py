"""/v1/outages: when a channel was away, what was issued meanwhile, and what became of it (R10).

An outage concerns the installation; of the counts a caller sees what its own taxpayers issued. The sealed report is whole, so
only who may act for all of them gets it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.outage_examples import OUTAGE, OUTAGE_PAGE, OUTAGE_REPORT
from kaipiao.api.described.stated import CALLER, READING, Stated
from kaipiao.api.outage_page import POLICY, page
from kaipiao.api.pages import LARGEST_POSITION, Limit
from kaipiao.api.services import Services
from kaipiao.api.views import stamp
from kaipiao.errors import NotFound
from kaipiao.issuing.outage import Outage, outage_of
from kaipiao.issuing.outage_report import facts_of, read_report
from kaipiao.language import Text

router = APIRouter(prefix="/v1/outages", tags=["platform"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
UNKNOWN: Stated = (NotFound(Text("没有这次中断", "There is no such outage"), code="KP-FIND-10"),)
NO_REPORT: Stated = (
    *UNKNOWN,
    NotFound(Text("中断尚未结束，没有报告", "It is not closed yet: no report"), code="KP-FIND-11"),
)
OutageId = Annotated[
    str,
    Path(
        description="中断编号 / the id of the outage",
        examples=["905969664000000001"],
        json_schema_extra={"pattern": r"^\d{1,19}$"},
    ),
]
Before = Annotated[
    int | None,
    Query(ge=1, le=LARGEST_POSITION, description="上一页最后的编号 / the last id seen", examples=[905969664000000001]),
]


class EvidenceView(BaseModel):
    """An event of the trail: where it stands, and what it says."""

    position: int
    kind: str
    at: str
    code: str | None = None
    endpoint: str | None = None
    phase: str | None = None


class ModeChangeView(BaseModel):
    position: int
    at: str
    mode: str
    cause: str | None = None
    rule: str | None = None
    deadline: str | None = None


class CountsView(BaseModel):
    """Of what was issued meanwhile. `issued` = `uploaded` + `open` + `ended_otherwise`."""

    issued: int
    uploaded: int
    open: int
    ended_otherwise: int
    late: int


class ListView(BaseModel):
    """`digest`: once it is closed. `form`: how it is worked out."""

    digest: str | None
    form: str
    count: int


class OutageView(BaseModel):
    """`back_at`: the mode is online again; `drained_at`: nothing of what was issued meanwhile waits any more; `closed_at`: both,
    and the report is sealed. `cause` is a supposition with its evidence. `debt`: (instant, documents that wait)."""

    outage: str
    channel: str
    open: bool
    begun_at: str
    back_at: str | None
    drained_at: str | None
    closed_at: str | None
    cause: EvidenceView | None
    evidence: list[EvidenceView]
    modes: list[ModeChangeView]
    counts: CountsView
    counted_at: str | None
    invoices: ListView
    debt: list[tuple[str, int]] = Field(description="只给能代表全部纳税人的调用方 / for who may act for all taxpayers")
    links: dict[str, str]


@router.get(
    "",
    response_model=list[OutageView],
    responses={200: {"content": example([OUTAGE])}, **problems(*CALLER, *READING)},
    summary="通道中断，最近的在前 / Outages of channels, the latest first",
)
async def outages(
    request: Request,
    caller: Operating,
    channel: Annotated[str | None, Query(max_length=100, description="通道 / channel", examples=["leqi"])] = None,
    open: Annotated[bool, Query(description="只看未结束的 / only those that are open", examples=[False])] = False,
    before: Before = None,
    limit: Limit = 100,
) -> JSONResponse:
    services = services_of(request)
    rows = await services.ledger.outages(channel=channel, open_only=open, before=before, limit=limit)
    return JSONResponse([view(_seen(outage_of(row), caller, services)) for row in rows])


@router.get(
    "/{outage}",
    response_model=OutageView,
    responses={
        200: {"content": {**example(OUTAGE), "text/html": {"schema": {"type": "string"}, "example": OUTAGE_PAGE}}},
        **problems(*CALLER, *UNKNOWN, *READING),
    },
    summary="一次中断：JSON，或按 Accept 给网页 / One outage: JSON, or a page by Accept",
)
async def outage(request: Request, caller: Operating, outage: OutageId) -> Response:
    services = services_of(request)
    found = await _find(services, outage)
    seen = _seen(found, caller, services)
    if not _wants_page(request.headers.get("accept", "")):
        return JSONResponse(view(seen), headers={"Vary": "Accept"})
    seal = json.loads(found.report)["seal"] if found.report and caller.may_act_for(ANY) else None
    headers = {"Content-Security-Policy": POLICY, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    return Response(page(facts_of(seen), seal), media_type="text/html; charset=utf-8", headers=headers)


@router.get(
    "/{outage}/report",
    response_class=Response,
    responses={
        200: {"content": {"application/json": {"schema": {"type": "object"}, "example": OUTAGE_REPORT}}},
        **problems(*CALLER, *NO_REPORT, *READING),
    },
    summary="签章的结束报告（文件）/ The sealed closing report, as a file",
)
async def report(request: Request, caller: Operating, outage: OutageId) -> Response:
    found = await _find(services_of(request), outage)
    if not caller.may_act_for(ANY):
        raise UNKNOWN[0]
    if not found.report:
        raise NO_REPORT[-1]
    read_report(found.report)  # what was spoilt in the books is not handed on
    return Response(found.report, media_type="application/json")


async def _find(services: Services, given: str) -> Outage:
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 19 else 0
    row = await services.ledger.outage(number) if 0 < number <= LARGEST_POSITION else None
    if row is None:
        raise NotFound(Text("没有这次中断", "There is no such outage"), code="KP-FIND-10")
    return outage_of(row)


def _seen(found: Outage, caller: Caller, services: Services) -> Outage:
    """As this caller may see it."""
    if caller.may_act_for(ANY):
        return found
    mine = set(taxpayers_for(caller, services, None))
    return replace(found, sums={name: sums for name, sums in found.sums.items() if name in mine}, debt=())


def view(found: Outage) -> dict[str, Any]:
    """As `OutageView`; instants in Asia/Shanghai."""
    facts = facts_of(found)
    link = f"/v1/outages/{found.id}"
    for name in ("begun_at", "back_at", "drained_at", "closed_at", "counted_at"):
        facts[name] = stamp(datetime.fromisoformat(facts[name])) if facts[name] else None
    for one in (*facts["evidence"], *facts["modes"], *([facts["cause"]] if facts["cause"] else [])):
        one["at"] = stamp(datetime.fromisoformat(one["at"]))
    facts["debt"] = [[stamp(datetime.fromisoformat(at)), count] for at, count in facts["debt"]]
    links = {"self": link} | ({"report": f"{link}/report"} if found.report else {})
    return {**facts, "open": found.closed_at is None, "links": links}


def _wants_page(accept: str) -> bool:
    """A browser asks for text/html before anything else; everybody else gets JSON."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")[:20]]
    return "text/html" in kinds and "application/json" not in kinds[: kinds.index("text/html")]
