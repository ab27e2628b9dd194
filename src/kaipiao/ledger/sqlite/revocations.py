"""Revoked tokens, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from kaipiao.ledger.revocations import StoredRevocations
from kaipiao.ledger.sqlite.account_statements import REVISE, REVISION
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

FORGET = "DELETE FROM token_revocation WHERE at < ?"
SAVE_JTI = """
INSERT INTO token_revocation (kind, name, at) VALUES ('token', ?, ?) ON CONFLICT (kind, name) DO NOTHING
"""
SAVE_SUBJECT = """
INSERT INTO token_revocation (kind, name, at) VALUES ('subject', ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at WHERE at < excluded.at
"""
ALL = "SELECT name, at FROM token_revocation WHERE kind = ?"


class Revocations(Handle):
    """The operations of `RevocationBooks`."""

    async def save_revocations(
        self, tokens: Mapping[str, datetime], subjects: Mapping[str, datetime], forget: datetime
    ) -> None:
        def save(transaction: Transaction) -> None:
            rows = [(SAVE_JTI, name, at) for name, at in tokens.items()]
            rows += [(SAVE_SUBJECT, name, at) for name, at in subjects.items()]
            changed = 0
            for statement, name, at in rows:
                changed += transaction.execute(statement, (name, microseconds(at))).rowcount
            changed += transaction.execute(FORGET, (microseconds(forget),)).rowcount
            if changed:
                transaction.execute(REVISE)

        await self._write(save)

    async def revocations(self, known: int | None) -> StoredRevocations | None:
        return await self._read(lambda connection: _stored(connection, known))


def _stored(connection: sqlite3.Connection, known: int | None) -> StoredRevocations | None:
    row = connection.execute(REVISION).fetchone()
    revision = int(row[0]) if row else 0
    if revision == known:
        return None
    return StoredRevocations(revision, _of(connection, "token"), _of(connection, "subject"))


def _of(connection: sqlite3.Connection, kind: str) -> dict[str, datetime]:
    return {name: instant_of(at) for name, at in connection.execute(ALL, (kind,))}
