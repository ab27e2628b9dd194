"""What the description of the API shows as examples of outages."""

from __future__ import annotations

from kaipiao.api.described.examples import DIGEST, SEAL

_ID = "905969664000000001"
_CAUSE: dict[str, object] = {
    "position": 4711,
    "kind": "breaker.opened",
    "at": "2026-11-03T09:00:15.000+08:00",
    "code": "connect.refused",
    "endpoint": "https://127.0.0.1:8443",
    "phase": "connect",
}
OUTAGE: dict[str, object] = {
    "outage": _ID,
    "channel": "leqi",
    "open": False,
    "begun_at": "2026-11-03T09:00:15.200+08:00",
    "back_at": "2026-11-03T12:00:20.000+08:00",
    "drained_at": "2026-11-03T12:03:41.000+08:00",
    "closed_at": "2026-11-03T12:05:21.000+08:00",
    "cause": _CAUSE,
    "evidence": [_CAUSE],
    "modes": [
        {
            "position": 4712,
            "at": "2026-11-03T09:00:15.200+08:00",
            "mode": "contingency_failure",
            "cause": "breaker.open",
            "rule": "upload_window",
            "deadline": "2026-11-05T09:00:15+08:00",
        },
        {"position": 9911, "at": "2026-11-03T12:00:20.000+08:00", "mode": "online", "cause": "breaker.closed"},
    ],
    "counts": {"issued": 905, "uploaded": 905, "open": 0, "ended_otherwise": 0, "late": 0},
    "counted_at": "2026-11-03T12:05:21.000+08:00",
    "invoices": {"digest": DIGEST, "form": "SM3 of the lines 'taxpayer,number,digest\\n'", "count": 905},
    "debt": [["2026-11-03T09:01:15.200+08:00", 5], ["2026-11-03T12:03:41.000+08:00", 0]],
    "links": {"self": f"/v1/outages/{_ID}", "report": f"/v1/outages/{_ID}/report"},
}
OUTAGE_PAGE = (
    '<!DOCTYPE html>\n<html lang="zh-CN"><head><title>通道中断 leqi · Outage</title></head><body>…</body></html>\n'
)
OUTAGE_REPORT: dict[str, object] = {
    "format": "kaipiao-outage-report-1",
    "report": {name: value for name, value in OUTAGE.items() if name not in ("open", "links")},
    "seal": SEAL,
}
