"""/v1/mode, /v1/announcements: in which mode issuing runs and why, the operator's word, and what the authority announced."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, FIELDS, READING, TAXPAYER_UNKNOWN, WRITING, Stated
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.services import Services
from kaipiao.api.views import stamp
from kaipiao.errors import FieldsRefused, NotFound
from kaipiao.issuing.announcements import Announcement, checked
from kaipiao.issuing.budgets import Bound
from kaipiao.issuing.modes import Mode, ModeState
from kaipiao.language import Text
from kaipiao.ledger.ids import IdMaker

router = APIRouter(tags=["platform"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Steering = Annotated[Caller, Depends(caller_with(Permission.STEER))]
UNKNOWN: Stated = (NotFound(Text("没有这条公告", "There is no such announcement"), code="KP-FIND-09"),)
AnnouncementId = Annotated[
    str,
    Path(
        max_length=40,
        description="公告编号 / the id of the announcement",
        examples=["905969664000000002"],
        json_schema_extra={"pattern": r"^[0-9-]{1,40}$"},
    ),
]
RULES: dict[str, Text] = {
    Bound.UPLOAD_WINDOW: Text("最早一张未上传发票之后 48 小时", "48 h after the oldest invoice that was not uploaded"),
    Bound.MONTH_CLOSE: Text("上月发票最迟 13 日零点前上传", "invoices of last month are taken until the 13th, 00:00"),
    Bound.MONTH_END: Text("月末：新月份需要新的额度", "month end: the new month needs quota of its own"),
    Bound.YEAR_END: Text("年末：新年份需要新的号码", "year end: the new year needs numbers of its own"),
    Bound.QUOTA_VALIDITY: Text("额度有效期结束", "the validity of the quota ends"),
}  # fmt: skip


class ModeView(BaseModel):
    """Of a channel (`taxpayer` null), or of one taxpayer on it. `deadline`: until when issuing may go on without an answer of
    the bureau, by `rule`; null while it is online, and while it is halted. `evidence`: positions of events."""

    channel: str
    taxpayer: str | None
    mode: Mode
    cause: str
    since: str
    reason: str | None = Field(description="操作员所写 / as the operator said")
    rule: str | None
    rule_zh: str | None
    rule_en: str | None
    deadline: str | None
    evidence: list[int]
    cover_hours: float | None = Field(description="只在纳税人上 / of taxpayers only")
    cover_bound: str | None
    rate_source: Literal["four_weeks", "last_hour"] | None


class ModesView(BaseModel):
    channels: list[ModeView]
    taxpayers: list[ModeView]


class AnnouncementView(BaseModel):
    """`until` null: open. `state` now."""

    id: str
    channel: str
    kind: Literal["maintenance", "failure", "recovered"]
    begin: str = Field(serialization_alias="from")
    until: str | None
    text: str
    actor: str | None
    state: Literal["coming", "holds", "over", "withdrawn"]


class ModeForm(Form):
    mode: Annotated[
        Literal["auto", "halted", "offline", "contingency_planned", "contingency_failure", "degraded", "online"],
        Field(description="auto：由平台推导 / auto: as the platform derives it"),
    ]
    reason: Annotated[str, Field(min_length=1, max_length=200, description="为何 / why")]
    channel: Annotated[str | None, Field(max_length=100, description="缺省全部通道 / default: all")] = None
    taxpayer: Annotated[str | None, Field(max_length=20, description="只对这个纳税人 / only this taxpayer")] = None


class AnnouncementForm(Form):
    kind: Annotated[str, Field(max_length=20, description="maintenance | failure | recovered")]
    begin: Annotated[
        str | None,
        Field(
            alias="from",
            max_length=40,
            description="缺省现在 / default: now",
            json_schema_extra={"format": "date-time"},
        ),
    ] = None
    until: Annotated[
        str | None,
        Field(max_length=40, description="维护必填 / maintenance needs it", json_schema_extra={"format": "date-time"}),
    ] = None
    text: Annotated[str, Field(max_length=200, description="公告原文 / its words")] = ""
    channel: Annotated[str | None, Field(max_length=100, description="缺省全部通道 / default: all")] = None


_STATE = {
    "channel": "leqi", "taxpayer": None, "mode": "contingency_failure", "cause": "breaker.open",
    "since": "2026-11-03T10:15:30.000+08:00", "reason": None, "rule": "upload_window",
    "rule_zh": RULES[Bound.UPLOAD_WINDOW].zh, "rule_en": RULES[Bound.UPLOAD_WINDOW].en,
    "deadline": "2026-11-05T10:14:02.000+08:00", "evidence": [4711], "cover_hours": None, "cover_bound": None,
    "rate_source": None,
}  # fmt: skip
MODES = {
    "channels": [_STATE],
    "taxpayers": [
        {
            **_STATE,
            "taxpayer": "91110000MAKP00001M",
            "cover_hours": 41.5,
            "cover_bound": "numbers",
            "rate_source": "four_weeks",
        }
    ],
}
ORDER = {"mode": "halted", "reason": "核对上月数据", "channel": "leqi"}
ANNOUNCEMENT = {
    "kind": "maintenance", "from": "2026-11-07T22:00:00+08:00", "until": "2026-11-08T06:00:00+08:00", "text": "系统升级",
}  # fmt: skip
ANNOUNCED = [
    {"id": "905969664000000002", "channel": "leqi", **ANNOUNCEMENT, "actor": "li", "state": "coming"},
]  # fmt: skip


@router.get(
    "/v1/mode",
    response_model=ModesView,
    responses={200: {"content": example(MODES)}, **problems(*CALLER, *READING)},
    summary="开票模式、起因、期限、可持续时长 / Mode, cause, deadline, cover",
)
async def modes(request: Request, caller: Operating) -> JSONResponse:
    return JSONResponse(await _modes(services_of(request), caller))


@router.post(
    "/v1/mode",
    response_model=ModesView,
    openapi_extra=described(ModeForm, ORDER),
    responses={200: {"content": example(MODES)}, **problems(*CALLER, *FIELDS, *TAXPAYER_UNKNOWN, *WRITING)},
    summary="操作员：暂停、指定或交还模式 / The operator's word: halt, set, release",
)
async def order(request: Request, caller: Steering) -> JSONResponse:
    """Without a taxpayer it concerns the whole installation: only who may act for all of it says so."""
    form, services = await form_of(request, ModeForm), services_of(request)
    places = _channels(services)
    if form.channel is not None and form.channel not in places:
        raise _no_channel()
    if not form.reason.isprintable():
        raise FieldsRefused(fields=[{"path": "reason", "zh": "须为可见字符", "en": "printable characters"}])
    if form.taxpayer is not None:
        taxpayers_for(caller, services, form.taxpayer)
        places = [c for t, c in services.modes.places if t == form.taxpayer]
    elif not caller.may_act_for(ANY):
        raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")
    wanted = [name for name in places if form.channel in (None, name)]
    if not wanted:  # a channel of others: nothing would be done, and it would look done
        raise _no_channel()
    await services.modes.order(form.taxpayer, wanted, form.mode, form.reason)
    return JSONResponse(await _modes(services, caller))


@router.get(
    "/v1/announcements",
    response_model=list[AnnouncementView],
    responses={200: {"content": example(ANNOUNCED)}, **problems(*CALLER)},
    summary="税局公告 / What the authority announced",
)
async def announcements(request: Request, caller: Operating) -> JSONResponse:
    del caller  # they are of the installation, about nobody
    services = services_of(request)
    return JSONResponse([_announcement(a, services.clock.now()) for a in services.modes.announcements()])


@router.post(
    "/v1/announcements",
    response_model=list[AnnouncementView],
    status_code=201,
    openapi_extra=described(AnnouncementForm, ANNOUNCEMENT),
    responses={201: {"content": example(ANNOUNCED)}, **problems(*CALLER, *FIELDS, *TAXPAYER_UNKNOWN, *WRITING)},
    summary="登记税局公告 / Tell what the authority announced",
)
async def announce(request: Request, caller: Steering) -> JSONResponse:
    """One for each channel that it concerns."""
    form, services = await form_of(request, AnnouncementForm), services_of(request)
    _for_all(caller)
    now = services.clock.now()
    fields = {"kind": form.kind, "from": form.begin, "until": form.until, "text": form.text, "channel": form.channel}
    made = checked(fields, _channels(services), now, str(IdMaker(services.clock.now).next()))
    await services.modes.announce(made)
    wanted = {a.id for a in made}
    found = [_announcement(a, now) for a in services.modes.announcements() if a.id in wanted]
    return JSONResponse(found, 201)


@router.delete(
    "/v1/announcements/{announcement}",
    response_model=list[AnnouncementView],
    responses={200: {"content": example(ANNOUNCED)}, **problems(*CALLER, *UNKNOWN, *TAXPAYER_UNKNOWN, *WRITING)},
    summary="撤回公告 / Withdraw an announcement",
)
async def withdraw(request: Request, caller: Steering, announcement: AnnouncementId) -> JSONResponse:
    """It stays in the list, as withdrawn."""
    services = services_of(request)
    _for_all(caller)
    if not any(a.id == announcement for a in services.modes.announcements()):
        raise UNKNOWN[0]
    await services.modes.withdraw(announcement)
    found = [a for a in services.modes.announcements() if a.id == announcement]
    return JSONResponse([_announcement(a, services.clock.now()) for a in found])


def _for_all(caller: Caller) -> None:
    if not caller.may_act_for(ANY):
        raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")


def _no_channel() -> FieldsRefused:
    return FieldsRefused(fields=[{"path": "channel", "zh": "没有这个通道", "en": "there is no such channel"}])


def _channels(services: Services) -> list[str]:
    return list(dict.fromkeys(channel for _, channel in services.modes.places))


async def _modes(services: Services, caller: Caller) -> dict[str, Any]:
    mine = taxpayers_for(caller, services, None)
    places = [(t, c) for t, c in services.modes.places if t in mine]
    channels = [_state(services, services.modes.state(None, c)) for c in dict.fromkeys(c for _, c in places)]
    taxpayers = []
    for taxpayer, channel in dict(reversed(places)).items():  # the preferred channel of each
        cover = await services.cover(taxpayer)
        shown = _state(services, services.modes.state(taxpayer, channel))
        taxpayers.append(
            {**shown, "cover_hours": cover.hours, "cover_bound": cover.bound, "rate_source": cover.rate_source}
        )
    return {"channels": channels, "taxpayers": sorted(taxpayers, key=lambda one: mine.index(one["taxpayer"]))}


def _state(services: Services, state: ModeState) -> dict[str, Any]:
    rule = RULES.get(state.rule or "")
    return {
        "channel": state.channel,
        "taxpayer": state.taxpayer,
        "mode": state.mode.value,
        "cause": state.cause,
        "since": stamp(state.since),
        "reason": services.modes.reason(state.taxpayer, state.channel) if state.cause == "operator" else None,
        "rule": state.rule,
        "rule_zh": rule.zh if rule else None,
        "rule_en": rule.en if rule else None,
        "deadline": stamp(state.deadline),
        "evidence": list(state.evidence),
        "cover_hours": None,
        "cover_bound": None,
        "rate_source": None,
    }


def _announcement(one: Announcement, now: datetime) -> dict[str, Any]:
    state = "withdrawn" if one.withdrawn else "over" if one.over(now) else "holds" if one.holds(now) else "coming"
    return {
        "id": one.id,
        "channel": one.channel,
        "kind": one.kind.value,
        "from": stamp(one.begin),
        "until": stamp(one.end),
        "text": one.text,
        "actor": one.actor,
        "state": state,
    }
