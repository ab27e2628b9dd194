"""Requests with a key, in PostgreSQL: of two nodes that begin the same one, one does."""

from __future__ import annotations

from datetime import datetime

from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.texts import stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.requests import NEW, Earlier, Found, KeptAnswer, KeyedRequest, row_of
from kaipiao.ledger.trail import microseconds

FORGET = """
DELETE FROM request WHERE (subject, key) IN (
    SELECT subject, key FROM request WHERE until <= $1 ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED)
"""
BEGIN = """
INSERT INTO request (subject, key, digest, begun_at, until, status, media, body) VALUES ($1, $2, $3, $4, $5, 0, '', '')
ON CONFLICT (subject, key) DO UPDATE
SET digest = excluded.digest, begun_at = excluded.begun_at, until = excluded.until, status = 0, media = '', body = ''
WHERE request.until <= excluded.begun_at
    OR (request.digest = excluded.digest AND request.status = 0 AND request.begun_at < $6)
"""
HELD = "SELECT digest, begun_at, status, media, body FROM request WHERE subject = $1 AND key = $2"
END = """
UPDATE request SET status = $4, media = $5, body = $6 WHERE subject = $1 AND key = $2 AND digest = $3 AND status = 0
"""
FREE = "DELETE FROM request WHERE subject = $1 AND key = $2 AND digest = $3 AND status = 0"


class Requests(Handle):
    """The operations of `RequestBooks`."""

    async def begin_request(
        self, request: KeyedRequest, now: datetime, until: datetime, abandoned: datetime
    ) -> Earlier:
        place = (stored(request.subject), stored(request.key))
        ends = (microseconds(now), microseconds(until), microseconds(abandoned))

        async def begin(transaction: Transaction) -> Earlier:
            await transaction.execute(FORGET, ends[0])
            if await transaction.execute(BEGIN, *place, request.digest, *ends):
                return NEW
            held = await transaction.row(HELD, *place)
            if held is None:  # freed just now: whoever has it under way comes again
                return Earlier(Found.UNDER_WAY)
            return row_of(tuple(held)).judged(request, 0)

        return await self._write(begin)

    async def end_request(self, request: KeyedRequest, answer: KeptAnswer | None) -> None:
        place = (stored(request.subject), stored(request.key), request.digest)
        if answer is None:
            await self._write(lambda transaction: transaction.execute(FREE, *place))
        else:
            row = (answer.status, answer.media, answer.body)
            await self._write(lambda transaction: transaction.execute(END, *place, *row))
