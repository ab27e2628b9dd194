"""One sale as one request, with whatever the platform answers to it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

SECONDS = 15.0  # real, of one request


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: the invoice, or the problem (RFC 9457)."""

    status: int
    body: dict[str, Any]


class Till:
    """Sends a request once. Raises OSError without an answer."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/v1/invoices"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, sale: dict[str, object]) -> Answer:
        body = json.dumps(sale, ensure_ascii=False).encode()
        request = urllib.request.Request(self._url, body, self._headers, method="POST")  # noqa: S310 — loopback
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 — loopback
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, json.load(refused))
