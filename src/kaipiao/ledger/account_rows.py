"""Accounts to rows and back, for ledgers in SQL."""

from __future__ import annotations

import json
from typing import Any

from kaipiao.ledger.accounts import Account
from kaipiao.ledger.trail import instant_of, microseconds

# What `account_of` reads and `account_row` gives, in this order.
ACCOUNT_COLUMNS = (
    "account", "tenant", "taxpayers", "role", "password", "made_at", "changed_at", "must_change", "disabled", "epoch",
    "totp", "totp_confirmed", "totp_step", "recovery", "version",
)  # fmt: skip


def account_row(account: Account) -> tuple[Any, ...]:
    return (
        account.account, account.tenant, json.dumps(account.taxpayers), account.role, account.password,
        microseconds(account.made_at), microseconds(account.changed_at), int(account.must_change),
        int(account.disabled), account.epoch, account.totp, int(account.totp_confirmed), account.totp_step,
        json.dumps(account.recovery), account.version,
    )  # fmt: skip


def account_of(row: tuple[Any, ...]) -> Account:
    (
        name, tenant, taxpayers, role, password, made_at, changed_at, must_change, disabled, epoch, totp,
        totp_confirmed, totp_step, recovery, version,
    ) = row  # fmt: skip
    return Account(
        name, tenant, tuple(json.loads(taxpayers)), role, password, instant_of(made_at), instant_of(changed_at),
        bool(must_change), bool(disabled), epoch, totp, bool(totp_confirmed), totp_step,
        tuple(json.loads(recovery)), version,
    )  # fmt: skip
