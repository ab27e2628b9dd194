"""What the memory ledger holds of people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from kaipiao.ledger.accounts import Account
from kaipiao.ledger.login_counts import LoginCount


@dataclass(slots=True)
class People:
    """The tables of `AccountBooks` and `RevocationBooks`. `ended`: jti → until when it would have lived."""

    tenants: set[str] = field(default_factory=set)
    accounts: dict[str, Account] = field(default_factory=dict)
    ended: dict[str, datetime] = field(default_factory=dict)
    revoked_tokens: dict[str, datetime] = field(default_factory=dict)
    revoked_subjects: dict[str, datetime] = field(default_factory=dict)
    revision: int = 0
    logins: dict[str, LoginCount] = field(default_factory=dict)
