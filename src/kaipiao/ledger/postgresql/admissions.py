"""Admission in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.ledger.changes import check_admission
from kaipiao.ledger.port import Admission, AdmitResult
from kaipiao.ledger.postgresql.handle import Handle


class Admissions(Handle):
    """The admission of the port."""

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        for admission in admissions:
            check_admission(admission)
        return await self._admit(list(admissions)) if admissions else []
