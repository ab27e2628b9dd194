"""What a list of invoices may be narrowed by, and the link to its next page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from fastapi import Query, Request

from kaipiao.api.pages import link_to
from kaipiao.api.services import Services
from kaipiao.clock import SHANGHAI
from kaipiao.errors import Malformed
from kaipiao.invoice.lifecycle import State
from kaipiao.language import Text
from kaipiao.ledger.ids import first_id
from kaipiao.ledger.lists import ListBooks
from kaipiao.ledger.port import InvoiceRecord, Span
from kaipiao.operations.degradation.ladder import Level

LARGEST_ID = 2**63 - 1
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
Moment = Annotated[
    str | None,
    Query(
        max_length=40,
        description="RFC 3339 时刻，或北京时间的日期 / an instant, or a day in Asia/Shanghai",
        examples=["2026-11-03", "2026-11-03T09:00:00+08:00"],
        json_schema_extra={"anyOf": [{"type": "string", "format": f} for f in ("date", "date-time")]},
    ),
]


@dataclass(frozen=True, slots=True)
class Filters:
    """A page of a list: what it may hold, and where it begins."""

    states: tuple[State, ...]
    kind: str | None
    channel: str | None
    made: Span
    after: int
    limit: int

    async def page(self, ledger: ListBooks, taxpayers: tuple[str, ...]) -> list[InvoiceRecord]:
        """By id over all of these taxpayers."""
        found: list[InvoiceRecord] = []
        for taxpayer in taxpayers:
            found += await ledger.page(
                taxpayer,
                states=self.states,
                after=self.after,
                limit=self.limit,
                kind=self.kind,
                channel=self.channel,
                made=self.made,
            )
        return sorted(found, key=lambda record: record.id)[: self.limit]


async def filters(
    request: Request,
    state: Annotated[
        list[State] | None,
        Query(description="只看这些状态，可重复 / only these states; may be repeated", examples=[["issued"]]),
    ] = None,
    kind: Annotated[
        Literal["general", "special"] | None, Query(description="普票、专票 / kind of invoice", examples=["general"])
    ] = None,
    channel: Annotated[
        str | None, Query(min_length=1, max_length=64, description="通道 / channel", examples=["leqi"])
    ] = None,
    made_from: Moment = None,
    made_to: Moment = None,
    after: Annotated[
        int, Query(ge=0, le=LARGEST_ID, description="上一页末条的 id / id of the last one seen", examples=[0])
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="一页张数 / of a page", examples=[100])] = 100,
) -> Filters:
    """A dependency: the filters of this request. A day in `made_to` is included as a whole, an instant is not."""
    span = Span(moment(made_from, "made_from"), moment(made_to, "made_to", day_end=True))
    return Filters(tuple(state or ()), kind, channel, span, max(after, _hot_from(request, span)), limit)


def _hot_from(request: Request, span: Span) -> int:
    """Under too much load a list that does not say from when begins some days ago: at this id."""
    services: Services = request.app.state.services
    degradation = services.degradation
    if span.first is not None or not degradation.at_least(Level.L3):
        return 0
    return first_id(services.clock.now() - timedelta(days=degradation.lighter.hot_days)) - 1


def next_page(request: Request, filters: Filters, page: list[InvoiceRecord]) -> dict[str, str]:
    """The header `Link` to what follows, when this page is full."""
    return {} if len(page) < filters.limit else link_to(request, page[-1].id)


def moment(given: str | None, name: str, *, day_end: bool = False) -> datetime | None:
    """The instant that a parameter means; of a day its beginning, or its end. Raises `Malformed`."""
    if given is None:
        return None
    try:
        if _DAY.fullmatch(given):
            midnight = datetime.combine(date.fromisoformat(given), time(), SHANGHAI)
            return midnight + timedelta(days=1) if day_end else midnight
        if _INSTANT.fullmatch(given):
            return datetime.fromisoformat(given).astimezone(SHANGHAI)
    except OverflowError:  # just beyond the calendar, seen from Shanghai: before or after everything
        return FIRST if given < "5" else LAST
    except ValueError as no_such_time:
        raise _no_moment(name) from no_such_time
    raise _no_moment(name)


def _no_moment(name: str) -> Malformed:
    text = Text(f"{name} 须为 RFC 3339 时刻或日期", f"{name} is an instant by RFC 3339, or a day")
    return Malformed(text, fields=[f"query.{name}"])
