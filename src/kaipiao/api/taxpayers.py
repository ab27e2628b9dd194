"""/v1/taxpayers: the sellers of this installation, and what each has in stock: numbers, quota, cover."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import COVER, NUMBERS, QUOTA, TAXPAYERS, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, READING, TAXPAYER_UNKNOWN
from kaipiao.api.services import Services
from kaipiao.api.views import stamp
from kaipiao.clock import month_of, year_of
from kaipiao.errors import NotFound
from kaipiao.language import Text
from kaipiao.ledger.port import Taxpayer

router = APIRouter(prefix="/v1/taxpayers", tags=["taxpayers"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
TaxNumber = Annotated[
    str,
    Path(
        description="纳税人识别号 / tax number",
        examples=["91110000MAKP00001M"],
        json_schema_extra={"pattern": "^[0-9A-Z]{15,20}$"},
    ),
]
Month = Annotated[
    str | None,
    Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$", description="yyyy-MM；缺省本月 / this month", examples=["2026-11"]),
]
Year = Annotated[int | None, Query(ge=2000, le=2099, description="缺省今年 / this year", examples=[2026])]
PROBLEMS = problems(*CALLER, *TAXPAYER_UNKNOWN, *READING)


class TaxpayerView(BaseModel):
    taxpayer: str
    name: str
    tenant: str
    channels: list[str] = Field(description="按先后 / in order of preference")


class NumbersView(BaseModel):
    """`pulled` = `free` + `leased` + `used` + `expired`, always."""

    channel: str
    year: int
    pulled: int
    free: int
    leased: int = Field(description="在某个节点手中 / in the hands of a node")
    used: int
    expired: int


class QuotaView(BaseModel):
    """`downloaded` - `returned` - `issued` = `left`, always. Amounts without tax."""

    channel: str
    month: str
    downloaded: str
    returned: str
    issued: str
    left: str
    valid_from: str | None
    valid_until: str | None


class CoverView(BaseModel):
    """How long this taxpayer can go on issuing with nobody answering. `bounds`: hours by each bound, null: far off."""

    taxpayer: str
    hours: float
    bound: str
    rate_per_hour: int
    rate_source: str = Field(
        description="四周同时段的 90 百分位，或最近一小时 / 90th percentile of this hour over four weeks, or the last hour"
    )
    rate_samples: int
    quota_per_hour: str
    numbers_left: int
    quota_left: str
    bounds: dict[str, float | None]


@router.get(
    "",
    response_model=list[TaxpayerView],
    responses={200: {"content": example(TAXPAYERS)}, **problems(*CALLER, *READING)},
    summary="纳税人 / The sellers",
)
async def taxpayers(request: Request, caller: Operating) -> list[TaxpayerView]:
    services = services_of(request)
    mine = taxpayers_for(caller, services, None)
    rows = {row.taxpayer: row for row in await services.ledger.taxpayers()}
    known = [rows[taxpayer] for taxpayer in mine if taxpayer in rows]
    return [
        TaxpayerView(taxpayer=row.taxpayer, name=row.name, tenant=row.tenant, channels=list(row.channels))
        for row in known
    ]


@router.get(
    "/{taxpayer}/numbers",
    response_model=list[NumbersView],
    responses={200: {"content": example(NUMBERS)}, **PROBLEMS},
    summary="号码账 / The ledger of numbers",
)
async def numbers(request: Request, taxpayer: TaxNumber, caller: Operating, year: Year = None) -> list[NumbersView]:
    """A row per channel."""
    services = services_of(request)
    row = await _row(services, caller, taxpayer)
    asked = year if year is not None else year_of(_now(services))
    found = [(channel, await services.ledger.number_counts(taxpayer, channel, asked)) for channel in row.channels]
    return [
        NumbersView(
            channel=channel,
            year=asked,
            pulled=counts.pulled,
            free=counts.free,
            leased=counts.leased,
            used=counts.used,
            expired=counts.expired,
        )
        for channel, counts in found
    ]


@router.get(
    "/{taxpayer}/quota",
    response_model=list[QuotaView],
    responses={200: {"content": example(QUOTA)}, **PROBLEMS},
    summary="额度账 / The ledger of quota",
)
async def quota(request: Request, taxpayer: TaxNumber, caller: Operating, month: Month = None) -> list[QuotaView]:
    """A row per channel."""
    services = services_of(request)
    row = await _row(services, caller, taxpayer)
    asked = month or month_of(_now(services))
    found = [(channel, await services.ledger.quota(taxpayer, channel, asked)) for channel in row.channels]
    return [
        QuotaView(
            channel=channel,
            month=asked,
            downloaded=f"{account.downloaded:.2f}",
            returned=f"{account.returned:.2f}",
            issued=f"{account.issued:.2f}",
            left=f"{account.left:.2f}",
            valid_from=stamp(account.valid_from),
            valid_until=stamp(account.valid_until),
        )
        for channel, account in found
    ]


@router.get(
    "/{taxpayer}/cover",
    response_model=CoverView,
    responses={200: {"content": example(COVER)}, **PROBLEMS},
    summary="可持续时长 / Cover",
)
async def cover(request: Request, taxpayer: TaxNumber, caller: Operating) -> CoverView:
    services = services_of(request)
    await _row(services, caller, taxpayer)
    found = await services.cover(taxpayer)
    return CoverView(
        taxpayer=taxpayer,
        hours=found.hours,
        bound=found.bound,
        rate_per_hour=found.rate_per_hour,
        rate_source=found.rate_source,
        rate_samples=found.rate_samples,
        quota_per_hour=found.quota_per_hour,
        numbers_left=found.numbers_left,
        quota_left=found.quota_left,
        bounds=found.bounds,
    )


async def _row(services: Services, caller: Caller, taxpayer: str) -> Taxpayer:
    taxpayers_for(caller, services, taxpayer)
    for row in await services.ledger.taxpayers():
        if row.taxpayer == taxpayer:
            return row
    raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")


def _now(services: Services) -> datetime:
    return services.clock.now()
