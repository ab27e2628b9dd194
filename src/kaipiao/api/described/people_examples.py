"""What the description of the API shows as examples, of the routes about people."""

from __future__ import annotations

LOG_IN = {"account": "wang@north", "password": "four plain words here", "totp": "287082"}
SIGNED_IN: dict[str, object] = {
    "token": "eyJ…",
    "account": "wang@north",
    "role": "operator",
    "tenant": "north",
    "taxpayers": [],
    "expires": "2026-11-03T17:00:00.000+08:00",
    "must": [],
}
ACCOUNT: dict[str, object] = {
    "account": "wang@north",
    "tenant": "north",
    "taxpayers": [],
    "role": "operator",
    "disabled": False,
    "must_change": False,
    "totp": True,
    "made_at": "2026-11-01T09:00:00.000+08:00",
    "password_changed_at": "2026-11-02T09:00:00.000+08:00",
    "locked_until": None,
}
NEW_ACCOUNT = {"account": "wang", "role": "operator", "tenant": "north"}
MADE: dict[str, object] = {**ACCOUNT, "must_change": True, "totp": False, "initial_password": "qZ3…"}
NEW_PASSWORD = {"password": "four plain words here", "new_password": "five other plain words here"}
PASSWORD = {"password": "four plain words here"}
CODE = {"code": "287082"}
URI = {"uri": "otpauth://totp/Kaipiao:wang%40north?secret=…&issuer=Kaipiao&algorithm=SHA1&digits=6&period=30"}
RECOVERY = {"recovery_codes": ["abcd-efgh-jkmn-pqrs"]}
ROLE = {"role": "auditor"}
AUDIT_EVENTS: list[dict[str, object]] = [
    {
        "position": 4712,
        "at": "2026-11-03T09:00:05.000+08:00",
        "kind": "access.role_changed",
        "actor": "account:head@north",
        "source": "192.0.2.7",
        "subject_kind": "account",
        "subject": "wang@north",
        "taxpayer": None,
        "data": {"account": "wang@north", "role": "auditor", "tenant": "north"},
        "writer": "node-1-20261103T010000Z",
        "sequence": 4712,
        "hash": "bedc63c9c8395c40e446448760c59b63298952d09b080d9908d553675a81d142",
    }
]
