"""What the description of the API shows as examples."""

from __future__ import annotations

import json

SALE: dict[str, object] = {
    "order": "A-1001",
    "seller": "91110000MAKP00001M",
    "kind": "general",
    "buyer": {"name": "示例商贸有限公司"},
    "tax_included": True,
    "lines": [
        {
            "name": "工作午餐",
            "short_name": "餐饮服务",
            "tax_code": "3070401000000000000",
            "tax_rate": "0.06",
            "quantity": "2",
            "unit_price": "53.00",
        }
    ],
}
_LINE = (
    '{"name":"工作午餐","short_name":"餐饮服务","tax_code":"3070401000000000000","tax_rate":"0.06","amount":"106.00"}'
)
BATCH_LINES = "".join(
    f'{{"order":"A-{place}","seller":"91110000MAKP00001M","kind":"general","buyer":{{"name":"示例商贸有限公司"}},'
    f'"tax_included":true,"lines":[{_LINE}]}}\n'
    for place in (1001, 1002)
)
_NUMBER = "26117000000000000001"
_LINK = f"/v1/invoices/{_NUMBER}"
_MADE_AT = "2026-11-03T09:00:00.000+08:00"
DIGEST = "bedc63c9c8395c40e446448760c59b63298952d09b080d9908d553675a81d142"
_SIGNATURE = (
    "3045022072f855a72ff029922c23107ca1fa77b2febf20772225f4ff3968722c7ac7400202"
    "2100b08ec01c1959903f41e542df75a64180033a4a62d423ed5a8cf3fc2fd79cd581"
)
ISSUED: dict[str, object] = {
    "order": "A-1001",
    "number": _NUMBER,
    "kind": "general",
    "amount": "100.00",
    "tax": "6.00",
    "total": "106.00",
    "made_at": _MADE_AT,
    "seal": {"algorithm": "SM2-SM3", "key_id": "seal-1", "digest": DIGEST, "value": _SIGNATURE},
    "links": {
        "self": _LINK,
        "document": f"{_LINK}/document",
        "seal": f"{_LINK}/seal",
        "events": f"{_LINK}/events",
    },
}
CHECKED: dict[str, object] = {
    "order": "A-1001",
    "seller": "91110000MAKP00001M",
    "kind": "general",
    "issuable": True,
    "findings": [],
    "amount": "100.00",
    "tax": "6.00",
    "total": "106.00",
    "total_in_words": "壹佰零陆圆整",
    "lines": [
        {
            "name": "*餐饮服务*工作午餐",
            "tax_code": "3070401000000000000",
            "tax_rate": "0.06",
            "rate_text": None,
            "quantity": "2",
            "unit": None,
            "unit_price": "50",
            "amount": "100.00",
            "tax": "6.00",
            "nature": "00",
        }
    ],
}
LISTED: list[dict[str, object]] = [
    {
        "order": "A-1001",
        "number": "26117000000000000001",
        "taxpayer": "91110000MAKP00001M",
        "kind": "general",
        "state": "confirmed",
        "amount": "100.00",
        "tax": "6.00",
        "total": "106.00",
        "channel": "leqi",
        "made_at": "2026-11-03T09:00:00.000+08:00",
        "sent_at": "2026-11-03T09:00:01.120+08:00",
        "accepted_at": "2026-11-03T09:00:03.480+08:00",
        "deadline": "2026-11-05T09:00:00.000+08:00",
        "provenance": "result",
        "problem_code": None,
        "problem": None,
        "notice": None,
        "replaces": None,
        "replaced_by": None,
        "id": "905969664000000001",
    }
]

CANCELLED: dict[str, object] = {
    **LISTED[0],
    **dict.fromkeys(("number", "sent_at", "accepted_at", "deadline", "provenance")),
    "state": "cancelled",
}


ACCEPTED: dict[str, object] = {
    **LISTED[0],
    **dict.fromkeys(("number", "sent_at", "accepted_at", "deadline", "provenance")),
    "state": "accepted",
}
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<EInvoice><Header><EIid>26117000000000000001</EIid>'
    "<EInvoiceTag>SWEI1100</EInvoiceTag><Version>0.35</Version></Header></EInvoice>"
)
SEAL: dict[str, object] = {
    "format": "kaipiao-seal-1",
    "algorithm": "SM2-SM3",
    "key_id": "seal-1",
    "digest": DIGEST,
    "signature": _SIGNATURE,
    "public_key": "04148df4a66939cd190ed61e1d2040f44f44a86b1475bcb3cb048f9299f9b13531"
    "067f4233bcf1c486225d04edf6bf524c1afa3475ee23d2f910718e8abd4b02b6",
}
EVENTS: list[dict[str, object]] = [
    {
        "position": 4711,
        "writer": "node-1-20261103T010000Z",
        "sequence": 4711,
        "kind": "confirmed",
        "at": "2026-11-03T09:00:03.480+08:00",
        "taxpayer": "91110000MAKP00001M",
        "order": "A-1001",
        "data": {"number": _NUMBER, "provenance": "result"},
        "hash": "17528881216699d9621029a5c5b21531f7bd6785cd6fa7d901a8578bc79a53b2",
    }
]


def example(value: object) -> dict[str, object]:
    """The `content` of a JSON answer with this example."""
    return {"application/json": {"example": value}}


def lines(*answers: object) -> str:
    """NDJSON: a line for each."""
    return "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in answers)


TAXPAYERS = [{"taxpayer": "91110000MAKP00001M", "name": "示例商贸有限公司", "tenant": "default", "channels": ["leqi"]}]
NUMBERS = [
    {"channel": "leqi", "year": 2026, "pulled": 4000, "free": 2600, "leased": 180, "used": 1220, "expired": 0},
]
QUOTA = [
    {
        "channel": "leqi",
        "month": "2026-11",
        "downloaded": "1000000.00",
        "returned": "0.00",
        "issued": "128400.50",
        "left": "871599.50",
        "valid_from": "2026-11-01T00:00:00.000+08:00",
        "valid_until": "2026-12-01T00:00:00.000+08:00",
    }
]
COVER: dict[str, object] = {
    "taxpayer": "91110000MAKP00001M",
    "hours": 9.1,
    "bound": "numbers",
    "rate_per_hour": 305,
    "rate_source": "four_weeks",
    "rate_samples": 4,
    "quota_per_hour": "61000.00",
    "numbers_left": 2780,
    "quota_left": "871599.50",
    "bounds": {"numbers": 9.1, "quota": None, "upload_window": 48.0, "month_end": 663.0, "year_end": 1407.0},
}
STATUS: dict[str, object] = {
    "environment": "test",
    "node": "node-1",
    "version": "0.1.0",
    "ready": True,
    "reasons": [],
    "door": {"waiting": 0, "under_way": 3, "limit": 64, "batches": 0},
    "taxpayers": [
        {
            "taxpayer": "91110000MAKP00001M",
            "states": {"issued": 2, "confirmed": 1218},
            "cover_hours": 9.1,
            "cover_bound": "numbers",
            "cover_bounds": {"numbers": 9.1, "quota": None, "upload_window": 48.0, "month_end": 663.0},
            "rate_per_hour": 305,
            "rate_source": "four_weeks",
            "rate_samples": 4,
            "quota_per_hour": "61000.00",
            "numbers_left": 2780,
            "quota_left": "871599.50",
        }
    ],
}
HEALTHY = {"status": "ok", "version": "0.1.0"}
READY: dict[str, object] = {"status": "ready", "reasons": []}
NOT_READY: dict[str, object] = {"status": "not_ready", "reasons": ["numbers:91110000MAKP00001M"]}
AUDIT: dict[str, object] = {
    "sound": True,
    "events": 4711,
    "writers": [
        {
            "writer": "node-1-20261103T010000Z",
            "events": 4711,
            "covered": 4700,
            "uncovered": [4701, 4711],
            "first_break": None,
            "bad_heads": [],
        }
    ],
}
METRICS = (
    "# HELP kaipiao_http_requests_seconds 请求 Requests\n# TYPE kaipiao_http_requests_seconds histogram\n"
    'kaipiao_http_requests_seconds_count{method="POST",route="/v1/invoices",status="2xx"} 1220.0\n# EOF\n'
)
BOOKS = lines(LISTED[0])
STREAM = (
    f"retry: 2000\nid: 4710\n\nid: 4711\nevent: confirmed\ndata: {json.dumps(EVENTS[0], ensure_ascii=False)}\n\n: \n\n"
)
