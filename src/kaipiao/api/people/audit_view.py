"""GET /v1/audit/events: the trail as an auditor asks for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access.audit import About, Wanted, page, subject_of
from kaipiao.access.names import as_known
from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described import stated
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.people_examples import AUDIT_EVENTS
from kaipiao.api.filters import Moment, moment
from kaipiao.api.lists import STALE, listed
from kaipiao.api.pages import NEXT_PAGE, AfterPosition, Limit, link_to
from kaipiao.api.views import stamp
from kaipiao.ledger.port import Event, Span

router = APIRouter(prefix="/v1/audit", tags=["access"])
Auditing = Annotated[Caller, Depends(caller_with(Permission.AUDIT))]


class AuditEventView(BaseModel):
    """`actor`: the subject of the token that did it; null: the platform itself, or nobody that is known."""

    position: int
    at: str
    kind: str
    actor: str | None
    source: str | None = Field(description="来源地址 / address, of access events")
    subject_kind: About
    subject: str | None
    taxpayer: str | None
    data: dict[str, str | int | bool | None]
    writer: str
    sequence: int
    hash: str


@router.get(
    "/events",
    response_model=list[AuditEventView],
    responses={
        200: {"headers": NEXT_PAGE | STALE, "content": example(AUDIT_EVENTS)},
        **problems(*stated.CALLER, *stated.TAXPAYER_UNKNOWN, *stated.READING),
    },
    summary="审计视图 / The audit view",
)
async def events(
    request: Request,
    response: Response,
    caller: Auditing,
    kind: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=64,
            description="种类或其开头 / a kind, or its beginning: access",
            examples=["access"],
        ),
    ] = None,
    about: Annotated[About | None, Query(description="关于什么 / about what", examples=["account"])] = None,
    actor: Annotated[
        str | None,
        Query(min_length=1, max_length=256, description="谁做的 / who did it", examples=["account:wang@north"]),
    ] = None,
    account: Annotated[
        str | None,
        Query(min_length=1, max_length=256, description="关于哪个账户 / about which account", examples=["wang@north"]),
    ] = None,
    taxpayer: Annotated[
        str | None,
        Query(min_length=1, max_length=20, description="纳税人 / tax number", examples=["91110000MAKP00001M"]),
    ] = None,
    order: Annotated[
        str | None, Query(min_length=1, max_length=128, description="订单号 / order", examples=["A-1001"])
    ] = None,
    made_from: Moment = None,
    made_to: Moment = None,
    after: AfterPosition = 0,
    limit: Limit = 100,
) -> list[AuditEventView]:
    """In the order of the trail. A page may be short, or empty, and still have a `Link` to the next: so many events are looked
    at for each. A caller of a tenant sees its taxpayers' events and what happened to its accounts; one of some of its
    taxpayers only their events."""
    services = services_of(request)
    wanted = Wanted(
        taxpayers_for(caller, services, taxpayer),
        whole=caller.may_act_for(ANY),
        tenant=caller.tenant if caller.whole_tenant else None,
        taxpayer=taxpayer,
        kind=kind,
        about=about,
        actor=actor,
        account=None if account is None else as_known(account),
        order=order,
        span=Span(moment(made_from, "made_from"), moment(made_to, "made_to", day_end=True)),
    )
    found, stale = await listed(request, caller, lambda books: page(books, wanted, after, limit))
    response.headers.update(stale)
    if found.next_place is not None:
        response.headers.update(link_to(request, found.next_place))
    return [_view(event) for event in found.events]


def _view(event: Event) -> AuditEventView:
    subject_kind, subject = subject_of(event)
    data = dict(event.data)
    actor, source = data.pop("actor", None), data.pop("source", None)
    return AuditEventView(
        position=event.position,
        at=stamp(event.at) or "",
        kind=event.kind,
        actor=None if actor is None else str(actor),
        source=None if source is None else str(source),
        subject_kind=subject_kind,
        subject=subject,
        taxpayer=event.taxpayer,
        data=data,
        writer=event.writer,
        sequence=event.sequence,
        hash=event.hash.hex(),
    )
