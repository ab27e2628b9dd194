"""What the description of the API shows as examples."""

from __future__ import annotations

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
BATCH_ANSWERS = (
    '{"position":1,"order":"A-1001","status":201,"invoice":{"order":"A-1001","number":"26117000000000000001",'
    '"kind":"general","amount":"100.00","tax":"6.00","total":"106.00","made_at":"2026-11-03T09:00:00.000+08:00",'
    '"seal":{"algorithm":"SM2-SM3","key_id":"seal-1","digest":"9f…","value":"30…"},'
    '"links":{"self":"/v1/invoices/26117000000000000001"}}}\n'
    '{"position":2,"order":"A-1002","status":409,"problem":{"type":"urn:kaipiao:problem:KP-ORDER-01","status":409,'
    '"code":"KP-ORDER-01","send_again":"no"}}\n'
)
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
        "id": "905969664000000001",
    }
]

CANCELLED: dict[str, object] = {
    **LISTED[0],
    **dict.fromkeys(("number", "sent_at", "accepted_at", "deadline", "provenance")),
    "state": "cancelled",
}


def example(value: object) -> dict[str, object]:
    """The `content` of a JSON answer with this example."""
    return {"application/json": {"example": value}}


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
    "numbers_left": 2780,
    "quota_left": "871599.50",
    "bounds": {"numbers": 9.1, "quota": None, "upload_window": 48.0, "month_end": 663.0, "year_end": 1407.0},
}
STREAM = (
    'retry: 2000\nid: 4710\n\nid: 4711\nevent: confirmed\ndata: {"position":4711,"writer":"node-1","sequence":4711,'
    '"kind":"confirmed","at":"2026-11-03T09:00:03.480+08:00","taxpayer":"91110000MAKP00001M","order":"A-1001",'
    '"data":{"number":"26117000000000000001"},"hash":"5c…"}\n\n: \n\n'
)
