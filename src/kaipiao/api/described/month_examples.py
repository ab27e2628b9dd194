"""What the description shows of months and of comparing books."""

from __future__ import annotations

_OURS = {
    "blue_count": 1203,
    "blue_amount": "1203000.00",
    "blue_tax": "72180.00",
    "red_count": 2,
    "red_amount": "-200.00",
    "red_tax": "-12.00",
}
RUN: dict[str, object] = {
    "id": "905969664000000001",
    "manner": "list",
    "state": "ended",
    "begun_at": "2026-12-02T03:00:04.000+08:00",
    "ended_at": "2026-12-02T03:04:31.000+08:00",
    "asked_by": None,
    "checked": 1204,
    "unjudged": 0,
    "outcome": "differs",
    "findings": 1,
}
RECONCILIATION: dict[str, object] = {
    "taxpayer": "91110000MAKP00001M",
    "channel": "leqi",
    "month": "2026-11",
    "run": RUN,
}
FINDING: dict[str, object] = {
    "taxpayer": "91110000MAKP00001M",
    "channel": "leqi",
    "month": "2026-11",
    "kind": "different",
    "number": "26117000000000000001",
    "order": "A-1001",
    "ours": {"amount": "100.00"},
    "theirs": {"amount": "1000.00"},
    "found_at": "2026-12-02T03:02:10.000+08:00",
}
MONTH: dict[str, object] = {
    "taxpayer": "91110000MAKP00001M",
    "channel": "leqi",
    "month": "2026-11",
    "deadline": "2026-12-13T00:00:00.000+08:00",
    "ours": _OURS,
    "theirs": {**_OURS, "blue_count": 1204},
    "theirs_at": "2026-12-02T03:04:31.000+08:00",
    "state": "open",
    "open": ["finding.different=1", "total.blue_count=1203/1204"],
    "closing": None,
    "run": RUN,
}
CLOSING: dict[str, object] = {
    **MONTH,
    "theirs": _OURS,
    "open": [],
    "closing": {
        "wish": "confirm",
        "state": "wished",
        "wished_at": "2026-12-03T10:00:00.000+08:00",
        "asked_by": "account:wang",
        "done_at": None,
        "refusal": [],
    },
}
