"""The PostgreSQL adapter as a whole."""

from __future__ import annotations

from kaipiao.ledger.postgresql.accounts import Accounts
from kaipiao.ledger.postgresql.admissions import Admissions
from kaipiao.ledger.postgresql.alarms import Alarms
from kaipiao.ledger.postgresql.continuity import Continuity
from kaipiao.ledger.postgresql.contradictions import CONTRADICTIONS
from kaipiao.ledger.postgresql.due import Due
from kaipiao.ledger.postgresql.month_books import Months
from kaipiao.ledger.postgresql.numbers import Numbers
from kaipiao.ledger.postgresql.outages import Outages
from kaipiao.ledger.postgresql.quotas import Quotas
from kaipiao.ledger.postgresql.reading import Reading
from kaipiao.ledger.postgresql.requests import Requests
from kaipiao.ledger.postgresql.revocations import Revocations
from kaipiao.ledger.postgresql.shards import Shards
from kaipiao.ledger.postgresql.standby import PRIMARY, Place, place_of
from kaipiao.ledger.postgresql.trail import Trail
from kaipiao.ledger.postgresql.uploads import Uploads

_AUDIT_SECONDS = 3600.0


class PostgresqlLedger(
    Numbers,
    Quotas,
    Admissions,
    Reading,
    Shards,
    Due,
    Uploads,
    Trail,
    Accounts,
    Requests,
    Revocations,
    Continuity,
    Months,
    Alarms,
    Outages,
):
    """`Ledger` in a PostgreSQL database that any number of nodes share."""

    async def check_counts(self) -> list[str]:
        """What in the books contradicts itself: empty, always. Reads every row, in one snapshot for each sum."""
        found = []
        for what, statement in CONTRADICTIONS.items():
            found += [f"{what}: {tuple(row)}" for row in await self._fetch_within(_AUDIT_SECONDS, statement)]
        return found

    async def place(self) -> Place:
        """Where the log of the primary ends now."""
        (row,) = await self._fetch(PRIMARY)
        return place_of(row)
