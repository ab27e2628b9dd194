"""What the platform stands on besides its own books: the clock, and services of others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER
from kaipiao.clock import SHANGHAI

router = APIRouter(tags=["platform"])
PROBLEMS = problems(*CALLER)
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]


class SourceView(BaseModel):
    """Our clock is ahead of the true time by so many milliseconds, from–to; behind: negative."""

    source: str
    low_ms: float
    high_ms: float
    agrees: bool


class ClockView(BaseModel):
    """`skew_ms`: what our clock is off for certain, null when nobody says anything or no majority agrees. `judged`: false where
    the clock is a sandbox's."""

    skew_ms: float | None
    warns: bool
    stops: bool
    judged: bool
    warn_ms: float
    stop_lead_ms: float
    stop_lag_ms: float
    sources: list[SourceView]


class DependencyView(BaseModel):
    name: str
    kind: str = Field(examples=["payment"])
    last: str | None = Field(description="最近一次应答 / when it last answered")
    silent_s: float
    missing: bool
    cause: str | None = Field(examples=["connect.refused"])


_CLOCK: dict[str, object] = {
    "skew_ms": 0.0,
    "warns": False,
    "stops": False,
    "judged": True,
    "warn_ms": 200.0,
    "stop_lead_ms": 5000.0,
    "stop_lag_ms": 300000.0,
    "sources": [{"source": "kernel", "low_ms": -12.5, "high_ms": 12.5, "agrees": True}],
}
_DEPENDENCIES = [
    {
        "name": "unionpay",
        "kind": "payment",
        "last": "2026-11-03T10:15:30+08:00",
        "silent_s": 12.0,
        "missing": False,
        "cause": None,
    }
]


@router.get(
    "/v1/clock",
    response_model=ClockView,
    responses={200: {"content": example(_CLOCK)}, **PROBLEMS},
    summary="时钟可信吗 / Is the clock right?",
)
async def clock(request: Request, caller: Operating) -> ClockView:
    del caller
    watch = services_of(request).clock_watch
    gate = watch.gate
    standing, limits = gate.standing, gate.limits
    return ClockView(
        skew_ms=None if standing.skew is None else _milliseconds(standing.skew),
        warns=gate.warns,
        stops=gate.stops,
        judged=gate.judges,
        warn_ms=_milliseconds(limits.warn),
        stop_lead_ms=_milliseconds(limits.lead),
        stop_lag_ms=_milliseconds(limits.lag),
        sources=[
            SourceView(
                source=reading.source,
                low_ms=_milliseconds(reading.low),
                high_ms=_milliseconds(reading.high),
                agrees=reading.source in standing.agreeing,
            )
            for reading in watch.readings
        ],
    )


@router.get(
    "/v1/dependencies",
    response_model=list[DependencyView],
    responses={200: {"content": example(_DEPENDENCIES)}, **PROBLEMS},
    summary="外部服务的心跳 / Heartbeats of services of others",
)
async def dependencies(request: Request, caller: Operating) -> list[DependencyView]:
    del caller
    return [
        DependencyView(
            name=state.name,
            kind=state.kind,
            last=state.last.astimezone(SHANGHAI).isoformat(timespec="seconds") if state.last else None,
            silent_s=round(state.silent, 1),
            missing=state.missing,
            cause=state.cause,
        )
        for state in services_of(request).heartbeats.states()
    ]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
