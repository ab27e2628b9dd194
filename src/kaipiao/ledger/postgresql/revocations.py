"""Revoked tokens, in PostgreSQL: what one node revokes holds on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kaipiao.ledger.postgresql.account_statements import REVISE, REVISION
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.revocations import StoredRevocations
from kaipiao.ledger.trail import instant_of, microseconds

FORGET = """
DELETE FROM token_revocation WHERE (kind, name) IN (
    SELECT kind, name FROM token_revocation WHERE at < $1 ORDER BY kind, name LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""
# In one order for all nodes.
SAVE_TOKENS = """
INSERT INTO token_revocation (kind, name, at)
SELECT 'token', n, a FROM unnest($1::text[], $2::bigint[]) AS given (n, a) ORDER BY n
ON CONFLICT (kind, name) DO NOTHING
"""
SAVE_SUBJECTS = """
INSERT INTO token_revocation (kind, name, at)
SELECT 'subject', n, a FROM unnest($1::text[], $2::bigint[]) AS given (n, a) ORDER BY n
ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at WHERE token_revocation.at < excluded.at
"""
ALL = "SELECT name, at FROM token_revocation WHERE kind = $1"


class Revocations(Handle):
    """The operations of `RevocationBooks`."""

    async def save_revocations(
        self, tokens: Mapping[str, datetime], subjects: Mapping[str, datetime], forget: datetime
    ) -> None:
        async def save(transaction: Transaction) -> None:
            changed = await transaction.execute(SAVE_TOKENS, *_columns(tokens))
            changed += await transaction.execute(SAVE_SUBJECTS, *_columns(subjects))
            changed += await transaction.execute(FORGET, microseconds(forget))
            if changed:
                await transaction.execute(REVISE)

        await self._write(save)

    async def revocations(self, known: int | None) -> StoredRevocations | None:
        """The revision first: what is read after it may be newer, and is then read again."""
        found = await self._fetch(REVISION)
        revision = int(found[0][0]) if found else 0
        if revision == known:
            return None
        return StoredRevocations(revision, await self._of("token"), await self._of("subject"))

    async def _of(self, kind: str) -> dict[str, datetime]:
        return {original(name): instant_of(at) for name, at in await self._fetch(ALL, kind)}


def _columns(revoked: Mapping[str, datetime]) -> tuple[list[str], list[int]]:
    return [stored(name) for name in revoked], [microseconds(at) for at in revoked.values()]
