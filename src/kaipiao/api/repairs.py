"""/v1/repairs: what is repairable now, what a tool would do, and doing it (R14)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import LISTED, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import (
    BODY,
    CALLER,
    FIELDS,
    INVOICE_UNKNOWN,
    READING,
    TAXPAYER_UNKNOWN,
    WRITING,
    Stated,
)
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.pages import Limit
from kaipiao.api.sales.succession import linked, successors_over
from kaipiao.api.services import Services
from kaipiao.api.views import InvoiceView
from kaipiao.errors import NotFound, RepairRefused
from kaipiao.issuing.repair import Repairable, Repaired, Repairs, tool_of
from kaipiao.issuing.repair_tools import TOOLS, Tool
from kaipiao.language import Text
from kaipiao.ledger.changes import is_number

router = APIRouter(prefix="/v1/repairs", tags=["repairs"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Repairing = Annotated[Caller, Depends(caller_with(Permission.REPAIR))]
NUMBER = "26117000000000000001"
Number = Annotated[
    str,
    Path(
        description="20 位发票号码 / 20 digits",
        examples=[NUMBER],
        json_schema_extra={"pattern": "^[0-9]{20}$"},
    ),
]
Taxpayer = Annotated[
    str | None,
    Query(min_length=1, max_length=20, description="纳税人识别号 / tax number", examples=["91110000MAKP00001M"]),
]
NOT_SO: Stated = (RepairRefused(tool="resend-same-number", number=NUMBER, state="rejected"),)
TOOL_UNKNOWN: Stated = (NotFound(Text("没有这个工具", "There is no such tool"), tools=", ".join(TOOLS)),)
REJECTED: dict[str, object] = {
    **LISTED[0], "state": "rejected", "accepted_at": None, "provenance": None,
}  # fmt: skip
WANTED: dict[str, object] = {
    "tool": "resend-same-number", "number": NUMBER, "reason": "额度已补足", "dry_run": True,
}  # fmt: skip
PLANNED: dict[str, object] = {
    "tool": "resend-same-number",
    "number": NUMBER,
    "taxpayer": "91110000MAKP00001M",
    "done": False,
    "would": [f"{NUMBER} 以同一号码、同一份冻结的内容再次发送"],
    "against": [],
    "before": "rejected",
    "after": "rejected",
    "successor": None,
}
ONE: dict[str, object] = {
    "taxpayer": "91110000MAKP00001M",
    "number": NUMBER,
    "order": "A-1001",
    "state": "rejected",
    "problem": None,
    "finding": None,
    "tools": ["resend-same-number", "succeed", "adopt"],
}
SHOWN: dict[str, object] = {
    "invoice": REJECTED,
    "tools": [
        {
            "tool": "resend-same-number",
            "purpose": "被拒原因已在票外排除：同一号码再发送",
            "possible": True,
            "would": PLANNED["would"],
            "against": [],
        }
    ],
}


class RepairableView(BaseModel):
    """`finding`: of reconciliation, as its month names it. `number` is null for a difference of a month as a whole."""

    taxpayer: str
    number: str | None
    order: str | None
    state: str | None
    problem: str | None
    finding: str | None
    tools: list[str]


class ToolView(BaseModel):
    """A tool as it stands for this invoice now. `possible`: nothing speaks against it."""

    tool: str
    purpose: str
    possible: bool
    would: list[str]
    against: list[str]


class ShownView(BaseModel):
    invoice: InvoiceView
    tools: list[ToolView]


class RepairView(BaseModel):
    """`done`: false for a dry run, and nothing was changed. `against`: why a run would be refused. `before`, `after`: states."""

    tool: str
    number: str
    taxpayer: str
    done: bool
    would: list[str]
    against: list[str]
    before: str | None
    after: str | None
    successor: str | None


class RepairForm(Form):
    """`reason` goes into the trail: your own words, nothing about a buyer."""

    tool: str = Field(min_length=1, max_length=40)
    number: str = Field(pattern="^[0-9]{20}$")
    taxpayer: str | None = Field(default=None, min_length=1, max_length=20)
    reason: str = Field(min_length=1, max_length=200)
    dry_run: bool


@router.get(
    "",
    response_model=list[RepairableView],
    responses={200: {"content": example([ONE])}, **problems(*CALLER, *TAXPAYER_UNKNOWN, *READING)},
    summary="此刻可修复的 / What is repairable now",
)
async def find(
    request: Request, caller: Operating, taxpayer: Taxpayer = None, limit: Limit = 100
) -> list[RepairableView]:
    """Refused, expired, in conflict, unknown for too long, replaced with a late copy, and what reconciliation found."""
    services = services_of(request)
    found: list[RepairableView] = []
    for owner in taxpayers_for(caller, services, taxpayer):
        if len(found) < limit:
            found += map(_repairable, await repairs_over(services).listed(owner, limit - len(found)))
    return found


@router.get(
    "/{number}",
    response_model=ShownView,
    responses={200: {"content": example(SHOWN)}, **problems(*CALLER, *INVOICE_UNKNOWN, *TAXPAYER_UNKNOWN, *READING)},
    summary="对一张发票各工具会做什么 / What each tool would do with one invoice",
)
async def show(request: Request, caller: Repairing, number: Number, taxpayer: Taxpayer = None) -> ShownView:
    """Tools that must ask the bureau do ask it. Nothing is changed."""
    services = services_of(request)
    repairs = repairs_over(services)
    owner = await _owner(services, caller, number, taxpayer)
    found = await services.ledger.find(owner, numbers=[number])
    if not found:
        raise NotFound()
    tools = [TOOLS[name] for name in repairs.tools_for(found[0])]
    planned = [(tool, await repairs.planned(tool, owner, number, "")) for tool in tools]
    return ShownView(invoice=await linked(services, found[0]), tools=[_tool(tool, one) for tool, one in planned])


@router.post(
    "",
    response_model=RepairView,
    responses={
        200: {"content": example(PLANNED)},
        **problems(*CALLER, *TOOL_UNKNOWN, *TAXPAYER_UNKNOWN, *BODY, *FIELDS, *NOT_SO, *WRITING),
    },
    openapi_extra=described(RepairForm, WANTED),
    summary="试算或运行一个修复工具 / A dry run, or a run, of a tool",
)
async def run(request: Request, caller: Repairing) -> RepairView:
    """With `dry_run`: what it would do and what speaks against it. Without: it is done and told in the trail, or refused with every
    reason (`409` `KP-REPAIR-01`)."""
    services = services_of(request)
    form = await form_of(request, RepairForm)
    tool = tool_of(form.tool)
    owner = await _owner(services, caller, form.number, form.taxpayer)
    repairs = repairs_over(services)
    work = repairs.planned if form.dry_run else repairs.run
    return _repaired(tool, owner, form.number, await work(tool, owner, form.number, form.reason))


def repairs_over(services: Services) -> Repairs:
    return Repairs(services.ledger, successors_over(services), services.questions, services.clock)


async def _owner(services: Services, caller: Caller, number: str, asked: str | None) -> str:
    """Whose number it is; of one that nobody has, the taxpayer that was named, or the only one there is."""
    owners = taxpayers_for(caller, services, asked)
    for owner in owners if is_number(number) else ():
        if await services.ledger.find(owner, numbers=[number]):
            return owner
    if len(owners) != 1:
        raise NotFound()
    return owners[0]


def _repairable(one: Repairable) -> RepairableView:
    record, row = one.record, one.finding
    return RepairableView(
        taxpayer=one.taxpayer,
        number=record.number if record else (row.number or None) if row else None,
        order=record.order if record else row.order if row else None,
        state=record.state.value if record else None,
        problem=record.problem if record else None,
        finding=row.kind if row else None,
        tools=list(one.tools),
    )


def _tool(tool: Tool, one: Repaired) -> ToolView:
    return ToolView(
        tool=tool.name,
        purpose=tool.purpose.both,
        possible=not one.plan.against,
        would=[text.both for text in one.plan.would],
        against=[text.both for text in one.plan.against],
    )


def _repaired(tool: Tool, taxpayer: str, number: str, one: Repaired) -> RepairView:
    return RepairView(
        tool=tool.name,
        number=number,
        taxpayer=taxpayer,
        done=one.done,
        would=[text.both for text in one.plan.would],
        against=[text.both for text in one.plan.against],
        before=one.before.state.value if one.before else None,
        after=one.after.state.value if one.after else None,
        successor=one.successor.number if one.successor else None,
    )
