"""Requests with a key, in memory."""

from __future__ import annotations

from datetime import datetime

from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.requests import NEW, Earlier, Found, KeptAnswer, KeyedRequest, Row
from kaipiao.ledger.trail import microseconds


class Requests(Handle):
    """The operations of `RequestBooks`."""

    async def begin_request(
        self, request: KeyedRequest, now: datetime, until: datetime, abandoned: datetime
    ) -> Earlier:
        held = self.store.requests
        for place in [place for place, (_, end) in held.items() if end <= microseconds(now)]:
            del held[place]
        place = (request.subject, request.key)
        if place in held:
            found = held[place][0].judged(request, microseconds(abandoned))
            if found.found is not Found.NEW:
                return found
        held[place] = (Row(request.digest, microseconds(now), None), microseconds(until))
        return NEW

    async def end_request(self, request: KeyedRequest, answer: KeptAnswer | None) -> None:
        place = (request.subject, request.key)
        row, until = self.store.requests.get(place, (None, 0))
        if row is None or row.digest != request.digest or row.answer is not None:
            return
        if answer is None:
            del self.store.requests[place]
        else:
            self.store.requests[place] = (Row(row.digest, row.begun, answer), until)
