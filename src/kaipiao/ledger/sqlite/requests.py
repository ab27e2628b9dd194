"""Requests with a key, in SQLite."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kaipiao.ledger.requests import NEW, Earlier, Found, KeptAnswer, KeyedRequest, row_of
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import microseconds

FORGET = "DELETE FROM request WHERE until <= ?"
HELD = "SELECT digest, begun_at, status, media, body FROM request WHERE subject = ? AND key = ?"
BEGIN = """
INSERT INTO request (subject, key, digest, begun_at, until, status, media, body) VALUES (?, ?, ?, ?, ?, 0, '', x'')
ON CONFLICT (subject, key) DO UPDATE SET begun_at = excluded.begun_at, until = excluded.until
"""
END = """
UPDATE request SET status = ?, media = ?, body = ? WHERE subject = ? AND key = ? AND digest = ? AND status = 0
"""
FREE = "DELETE FROM request WHERE subject = ? AND key = ? AND digest = ? AND status = 0"


class Requests(Handle):
    """The operations of `RequestBooks`."""

    async def begin_request(
        self, request: KeyedRequest, now: datetime, until: datetime, abandoned: datetime
    ) -> Earlier:
        def begin(transaction: Transaction) -> Earlier:
            transaction.execute(FORGET, (microseconds(now),))
            held: Any = transaction.row(HELD, (request.subject, request.key))
            if held is not None:
                found = row_of(held).judged(request, microseconds(abandoned))
                if found.found is not Found.NEW:
                    return found
            ends = (microseconds(now), microseconds(until))
            transaction.execute(BEGIN, (request.subject, request.key, request.digest, *ends))
            return NEW

        return await self._write(begin)

    async def end_request(self, request: KeyedRequest, answer: KeptAnswer | None) -> None:
        place = (request.subject, request.key, request.digest)
        if answer is None:
            await self._write(lambda transaction: transaction.execute(FREE, place).rowcount)
        else:
            row = (answer.status, answer.media, answer.body, *place)
            await self._write(lambda transaction: transaction.execute(END, row).rowcount)
