"""Revoked tokens, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.revocations import StoredRevocations


class Revocations(Handle):
    """The operations of `RevocationBooks`."""

    async def save_revocations(
        self, tokens: Mapping[str, datetime], subjects: Mapping[str, datetime], forget: datetime
    ) -> None:
        people = self.store.people
        before = people.revoked_tokens, people.revoked_subjects
        later = {name: max(at, people.revoked_subjects.get(name, at)) for name, at in subjects.items()}
        people.revoked_tokens = _since(forget, {**tokens, **people.revoked_tokens})
        people.revoked_subjects = _since(forget, {**people.revoked_subjects, **later})
        people.revision += before != (people.revoked_tokens, people.revoked_subjects)

    async def revocations(self, known: int | None) -> StoredRevocations | None:
        people = self.store.people
        if people.revision == known:
            return None
        return StoredRevocations(people.revision, dict(people.revoked_tokens), dict(people.revoked_subjects))


def _since(first: datetime, revoked: Mapping[str, datetime]) -> dict[str, datetime]:
    return {name: at for name, at in revoked.items() if at >= first}
