"""The SQLite adapter as a whole."""

from __future__ import annotations

from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.accounts import Accounts
from kaipiao.ledger.sqlite.admissions import Admissions
from kaipiao.ledger.sqlite.alarms import Alarms
from kaipiao.ledger.sqlite.continuity import Continuity
from kaipiao.ledger.sqlite.due import Due
from kaipiao.ledger.sqlite.month_books import Months
from kaipiao.ledger.sqlite.numbers import Numbers
from kaipiao.ledger.sqlite.outages import Outages
from kaipiao.ledger.sqlite.quotas import Quotas
from kaipiao.ledger.sqlite.reading import Reading
from kaipiao.ledger.sqlite.requests import Requests
from kaipiao.ledger.sqlite.revocations import Revocations
from kaipiao.ledger.sqlite.shards import Shards
from kaipiao.ledger.sqlite.trail import Trail
from kaipiao.ledger.sqlite.uploads import Uploads


class SqliteLedger(
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
    """`Ledger` in a SQLite file in a data directory that one process has to itself."""

    async def check_counts(self) -> list[str]:
        """What in the books contradicts itself: empty, always. Reads every row."""
        return await self._read(
            lambda c: [
                f"{what}: {row}" for what, statement in sql.CONTRADICTIONS.items() for row in c.execute(statement)
            ]
        )
