"""What the description of the API shows as examples of alarms."""

from __future__ import annotations

_EVENT: dict[str, object] = {
    "channel": "leqi",
    "endpoint": "https://bureau.example:443",
    "cause": "connect.refused",
    "failures": 3,
    "node": "node-1",
    "kind_of_event": "breaker.opened",
    "at": "2026-11-03T01:00:00+00:00",
    "order": None,
}
ALARM: dict[str, object] = {
    "alarm": "17",
    "sort": "breaker",
    "severity": "warning",
    "state": "open",
    "taxpayer": None,
    "title": "税局地址连不上 An address of the bureau cannot be reached",
    "text": "https://bureau.example:443（通道 leqi）：connect.refused，连续失败 3 次。 https://bureau.example:443 (channel leqi): "
    "connect.refused, 3 failures in a row.",
    "step": "照常开票；检查网络、域名与证书。 Issuing goes on; check network, names and certificates.",
    "events": 1,
    "silenced": 0,
    "opened_at": "2026-11-03T09:00:01.000+08:00",
    "last_at": "2026-11-03T09:00:01.000+08:00",
    "told_at": "2026-11-03T09:00:06.000+08:00",
    "acknowledged_at": None,
    "acknowledged_by": None,
    "note": None,
    "closed_at": None,
    "closed_by": None,
    "first": _EVENT,
    "last": _EVENT,
}
ACKNOWLEDGED: dict[str, object] = {
    **ALARM,
    "state": "acknowledged",
    "acknowledged_at": "2026-11-03T09:05:00.000+08:00",
    "acknowledged_by": "account:wang",
    "note": "我在处理",
}
SILENCE_FORM: dict[str, object] = {"sort": "breaker", "until": "2026-11-04T06:00:00+08:00", "reason": "机房割接"}
SILENCE: dict[str, object] = {
    "silence": "18",
    "sort": "breaker",
    "taxpayer": None,
    "reason": "机房割接",
    "made_at": "2026-11-03T22:00:00.000+08:00",
    "made_by": "account:wang",
    "until": "2026-11-04T06:00:00.000+08:00",
    "hits": 42,
}
TRIED: dict[str, object] = {"channel": "mail", "outcome": "delivered", "cause": None, "retry_after": 0.0}
