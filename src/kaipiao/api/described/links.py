"""What leads on from an answer, for programs: OpenAPI links, by operation and status."""

from __future__ import annotations

from typing import Any

_NUMBER = "$response.body#/number"
_ORDER = "$response.body#/order"


def _of_number(number: str) -> dict[str, Any]:
    """Everything that can be asked of an invoice whose number is known."""
    return {
        operation: {"operationId": f"invoices_{operation}", "parameters": {"path.number": number}}
        for operation in ("show", "document", "seal", "events")
    }


_BY_ORDER: dict[str, Any] = {"find": {"operationId": "invoices_find", "parameters": {"query.order": _ORDER}}}
_CANCEL: dict[str, Any] = {
    "cancel": {
        "operationId": "later_cancel",
        "parameters": {"query.order": _ORDER, "query.taxpayer": "$response.body#/taxpayer"},
    }
}
_STOCK: dict[str, Any] = {
    part: {"operationId": f"taxpayers_{part}", "parameters": {"path.taxpayer": "$response.body#/0/taxpayer"}}
    for part in ("numbers", "quota", "cover")
}
LINKS: dict[str, dict[str, Any]] = {
    "invoices_issue": {
        "201": {**_of_number(_NUMBER), **_BY_ORDER},
        "200": {**_of_number(_NUMBER), **_BY_ORDER},
        "202": {**_BY_ORDER, **_CANCEL},
    },
    "invoices_show": {"200": {**_of_number(_NUMBER), **_BY_ORDER}},
    "taxpayers_taxpayers": {"200": _STOCK},
}
