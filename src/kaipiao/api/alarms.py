"""/v1/alarms, /v1/silences, /v1/alarm-channels: what is wrong, who has it, and for how long nobody is told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described import stated
from kaipiao.api.described.alarm_examples import ACKNOWLEDGED, ALARM, SILENCE, SILENCE_FORM, TRIED
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.filters import LAST, moment
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.once import PARAMETER, REPLAYED, once
from kaipiao.api.pages import LARGEST_POSITION, NEXT_PAGE, AfterPosition, Limit, link_to
from kaipiao.api.views import stamp
from kaipiao.errors import FieldsRefused, LedgerBusy, Malformed, NotFound
from kaipiao.language import Text
from kaipiao.ledger.alarms import Alarm, Silence
from kaipiao.operations.alarms.deeds import AlarmDeeds, Reach
from kaipiao.operations.alarms.words import said_of, step_of, title_of, trial_of

router = APIRouter(prefix="/v1", tags=["alarms"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Answering = Annotated[Caller, Depends(caller_with(Permission.ALARMS))]
Number = Annotated[int, Path(ge=1, le=LARGEST_POSITION, description="编号 / its id", examples=[17])]
ALARM_UNKNOWN: stated.Stated = (NotFound(Text("没有这个告警", "There is no such alarm"), code="KP-FIND-06"),)
SILENCE_UNKNOWN: stated.Stated = (NotFound(Text("没有这个静默", "There is no such silence"), code="KP-FIND-07"),)
CHANNEL_UNKNOWN: stated.Stated = (
    NotFound(Text("没有这个告警渠道", "There is no such channel of alarms"), code="KP-FIND-08"),
)
BUSY: stated.Stated = (*stated.WRITING, LedgerBusy())
KEYED: dict[str, Any] = {"parameters": [PARAMETER]}
LISTED: dict[int | str, dict[str, Any]] = {200: {"headers": NEXT_PAGE, "content": example([ALARM])}}


class AlarmView(BaseModel):
    """`title`, `text`, `step`: in both languages. `events`: how many came; `silenced`: of them, while a silence held."""

    alarm: str = Field(description="编号 / id")
    sort: str = Field(description="种类，见 docs/reference/alarms.md / the sort of alarm")
    severity: Literal["critical", "warning", "info"]
    state: Literal["open", "acknowledged", "closed"]
    taxpayer: str | None = Field(description="null：平台 / the platform")
    title: str
    text: str
    step: str
    events: int
    silenced: int
    opened_at: str
    last_at: str
    told_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    note: str | None
    closed_at: str | None
    closed_by: str | None
    first: dict[str, str | int | bool | None]
    last: dict[str, str | int | bool | None]


class SilenceView(BaseModel):
    """`hits`: events that nobody was told of because of it."""

    silence: str
    sort: str | None
    taxpayer: str | None
    reason: str
    made_at: str
    made_by: str | None
    until: str
    hits: int


class TriedView(BaseModel):
    """What a channel did with a message."""

    channel: str
    outcome: Literal["delivered", "refused", "later"]
    cause: str | None
    retry_after: float


class AcknowledgeForm(Form):
    note: Annotated[str | None, Field(max_length=500, description="备注 / a note")] = None


class SilenceForm(Form):
    sort: Annotated[str | None, Field(min_length=1, max_length=64, description="种类 / the sort of alarms")] = None
    taxpayer: Annotated[str | None, Field(min_length=1, max_length=20, description="纳税人 / only its")] = None
    until: Annotated[
        str,
        Field(
            max_length=40,
            description="到何时，31 天之内 / until when, within 31 days",
            json_schema_extra={"format": "date-time"},
        ),
    ]
    reason: Annotated[str, Field(min_length=1, max_length=500, description="为何 / why")]


def deeds_of(request: Request) -> AlarmDeeds:
    deeds: AlarmDeeds = request.app.state.alarms
    return deeds


def instant_of(until: str) -> datetime:
    """Raises `FieldsRefused`."""
    try:
        return moment(until, "until") or LAST
    except Malformed as wrong:
        zh, en = "须为 RFC 3339 时刻或日期", "an instant by RFC 3339, or a day"
        fields = [{"path": "until", "zh": zh, "en": en}]
        raise FieldsRefused(Text(f"until：{zh}", f"until: {en}"), fields=fields) from wrong


def reach_of(request: Request, caller: Caller, taxpayer: str | None = None) -> Reach:
    """Raises `NotFound` for a taxpayer out of reach."""
    if taxpayer is None and caller.may_act_for(ANY):
        return Reach(None)
    return Reach(taxpayers_for(caller, services_of(request), taxpayer))


@router.get(
    "/alarms",
    response_model=list[AlarmView],
    responses={**LISTED, **problems(*stated.CALLER, *stated.TAXPAYER_UNKNOWN, *stated.READING)},
    summary="告警 / Alarms",
)
async def alarms(
    request: Request,
    response: Response,
    caller: Operating,
    state: Annotated[
        Literal["open", "all"], Query(description="open：未结束的 / those that are not over", examples=["open"])
    ] = "open",
    taxpayer: Annotated[
        str | None,
        Query(min_length=1, max_length=20, description="只看这个纳税人 / only its", examples=["91110000MAKP00001M"]),
    ] = None,
    after: AfterPosition = 0,
    limit: Limit = 100,
) -> list[AlarmView]:
    """By id. The platform's own are shown to whoever may act for all taxpayers."""
    reach, deeds = reach_of(request, caller, taxpayer), deeds_of(request)
    found = await deeds.page(reach, open_only=state == "open", after=after, limit=limit)
    if len(found) == limit:
        response.headers.update(link_to(request, found[-1].id))
    return [_view(one, deeds) for one in found]


@router.get(
    "/alarms/{alarm}",
    response_model=AlarmView,
    responses={200: {"content": example(ALARM)}, **problems(*stated.CALLER, *ALARM_UNKNOWN, *stated.READING)},
    summary="一个告警 / One alarm",
)
async def show(request: Request, caller: Operating, alarm: Number) -> AlarmView:
    deeds = deeds_of(request)
    return _view(await deeds.find(reach_of(request, caller), alarm), deeds)


@router.post(
    "/alarms/{alarm}:acknowledge",
    response_model=AlarmView,
    responses={
        200: {"headers": REPLAYED, "content": example(ACKNOWLEDGED)},
        **problems(*stated.BODY, *stated.FIELDS, *stated.CALLER, *ALARM_UNKNOWN, *stated.KEYED, *BUSY),
    },
    openapi_extra={**described(AcknowledgeForm, {"note": "我在处理"}), **KEYED},
    summary="确认：有人在处理 / Acknowledge: somebody has it",
)
async def acknowledge(request: Request, caller: Answering, alarm: Number) -> Response:
    """It is not told again, unless it becomes more severe."""
    form, deeds = await form_of(request, AcknowledgeForm), deeds_of(request)

    async def done() -> AlarmView:
        return _view(await deeds.acknowledge(reach_of(request, caller), alarm, caller.subject, form.note), deeds)

    return await once(request, caller, done, body=form.model_dump_json().encode)


@router.get(
    "/silences",
    response_model=list[SilenceView],
    responses={200: {"content": example([SILENCE])}, **problems(*stated.CALLER, *stated.READING)},
    summary="生效中的静默 / Silences that hold",
)
async def silences(request: Request, caller: Operating) -> list[SilenceView]:
    return [_silence(one) for one in await deeds_of(request).silences(reach_of(request, caller))]


@router.post(
    "/silences",
    status_code=201,
    response_model=SilenceView,
    responses={
        201: {"headers": REPLAYED, "content": example(SILENCE)},
        **problems(*stated.BODY, *stated.FIELDS, *stated.CALLER, *stated.TAXPAYER_UNKNOWN, *stated.KEYED, *BUSY),
    },
    openapi_extra={**described(SilenceForm, SILENCE_FORM), **KEYED},
    summary="静默：到时为止不通知 / A silence: nobody is told until then",
)
async def silence(request: Request, caller: Answering) -> Response:
    """Never for ever. What falls under it is counted and listed all the same; what is still open afterwards is told."""
    form = await form_of(request, SilenceForm)

    async def made() -> SilenceView:
        until, reach = instant_of(form.until), reach_of(request, caller)
        deeds = deeds_of(request)
        return _silence(await deeds.silence(reach, form.sort, form.taxpayer, until, form.reason, caller.subject))

    return await once(request, caller, made, 201, body=form.model_dump_json().encode)


@router.delete(
    "/silences/{silence}",
    response_model=SilenceView,
    responses={
        200: {"content": example(SILENCE)},
        **problems(*stated.CALLER, *SILENCE_UNKNOWN, *stated.READING, *BUSY),
    },
    summary="结束静默 / End a silence",
)
async def end(request: Request, caller: Answering, silence: Number) -> SilenceView:
    return _silence(await deeds_of(request).end(reach_of(request, caller), silence, caller.subject))


@router.post(
    "/alarm-channels/{channel}:test",
    response_model=TriedView,
    responses={200: {"content": example(TRIED)}, **problems(*stated.CALLER, *CHANNEL_UNKNOWN)},
    summary="试发一条消息 / Send a message to try a channel",
)
async def test(
    request: Request,
    caller: Answering,
    channel: Annotated[
        str, Path(min_length=1, max_length=40, description="设置中的名称 / its name in the settings", examples=["mail"])
    ],
) -> TriedView:
    """At once, one try. For whoever may act for all taxpayers: channels are the installation's."""
    services = services_of(request)
    notifier = services.notifiers.get(channel) if caller.may_act_for(ANY) else None
    if notifier is None:
        raise CHANNEL_UNKNOWN[0]
    notice = trial_of(services.environment, services.node, services.wall_clock.now())
    verdict = await notifier.send(notice)
    return TriedView(
        channel=channel,
        outcome=str(verdict.outcome),  # type: ignore[arg-type]
        cause=verdict.cause,
        retry_after=verdict.retry_after,
    )


def _view(alarm: Alarm, deeds: AlarmDeeds) -> AlarmView:
    state = "closed" if not alarm.is_open else "open" if alarm.acked_at is None else "acknowledged"
    return AlarmView(
        alarm=str(alarm.id),
        sort=alarm.name,
        severity=alarm.severity,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        taxpayer=alarm.taxpayer,
        title=title_of(alarm, deeds.sorts).both,
        text=said_of(alarm, deeds.sorts).both,
        step=step_of(alarm, deeds.sorts).both,
        events=alarm.count,
        silenced=alarm.silenced,
        opened_at=stamp(alarm.opened_at) or "",
        last_at=stamp(alarm.last_at) or "",
        told_at=stamp(alarm.told_at),
        acknowledged_at=stamp(alarm.acked_at),
        acknowledged_by=alarm.acked_by,
        note=alarm.note,
        closed_at=stamp(alarm.closed_at),
        closed_by=alarm.closed_by,
        first=dict(alarm.first),
        last=dict(alarm.last),
    )


def _silence(silence: Silence) -> SilenceView:
    return SilenceView(
        silence=str(silence.id),
        sort=silence.name,
        taxpayer=silence.taxpayer,
        reason=silence.reason,
        made_at=stamp(silence.made_at) or "",
        made_by=silence.made_by,
        until=stamp(silence.until) or "",
        hits=silence.hits,
    )
