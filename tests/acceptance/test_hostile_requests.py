"""What strangers and their tools send: the running server refuses each as it is described, with a code, and goes on."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from kaipiao_lab.bench import Bench

DEEP = b'{"order":' + b"[" * 50_000
CASES: list[tuple[str, str, bytes | None, dict[str, str], int]] = [
    ("GET", "/v1/invoices/", None, {}, 404),
    ("GET", "/v1/status/", None, {}, 404),
    ("GET", "/v1/invoices/%2Fetc%2Fpasswd", None, {}, 404),
    ("GET", "/v1/invoices/2611700000000000000%31%00", None, {}, 404),
    ("GET", "/v1/invoices/%ff%fe", None, {}, 404),
    ("GET", "/v1/invoices?order=%ff%fe%00", None, {}, 200),
    ("GET", "/v1/invoices?limit=" + "9" * 4000, None, {}, 400),
    ("GET", "/v1/invoices?after=1e400", None, {}, 400),
    ("GET", "//v1/status", None, {}, 404),
    ("TRACE", "/v1/status", None, {}, 405),
    ("PROPFIND", "/v1/invoices", None, {}, 405),
    ("POST", "/v1/status", b"", {}, 405),
    ("POST", "/v1/invoices", b'{"order": "\xff"}', {}, 400),
    ("POST", "/v1/invoices", DEEP, {}, 413),
    ("POST", "/v1/invoices", b'{"order": "A", "order": "B"}', {}, 400),
    ("POST", "/v1/invoices", b'{"order": "A", "expected_total": ' + b"9" * 5000 + b"}", {}, 400),
    ("POST", "/v1/invoices", b"\x1f\x8b\x08\x00", {"Content-Encoding": "gzip"}, 415),
    ("POST", "/v1/invoices", b"{}", {"Content-Type": "application/json; charset=gbk"}, 415),
    ("POST", "/v1/invoices", b"{}", {"Content-Type": "application/json;charset=utf-8"}, 422),
    ("POST", "/v1/invoices:batch", b"", {}, 400),
    ("POST", "/v1/invoices:batch", b"{}", {"Content-Type": "application/json"}, 400),
    ("POST", "/v1/invoices:cancel?order=x", None, {"Idempotency-Key": "a b"}, 400),
]


@pytest.mark.parametrize(("method", "target", "body", "headers", "status"), CASES, ids=lambda part: str(part)[:40])
def test_what_makes_no_sense_is_refused_with_a_code(
    bench: Bench, method: str, target: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    place = urlsplit(bench.url())
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=20)
    connection.request(method, target, body, {"Authorization": f"Bearer {bench.token}", **headers})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == status, content[:300]
    assert answer.headers["X-Request-Id"]
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(content)["code"].startswith("KP-")
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "raw", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n"]
)
def test_what_is_no_http_harms_nobody(bench: Bench, raw: bytes) -> None:
    place = urlsplit(bench.url())
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as line:
        line.sendall(raw)
        line.shutdown(socket.SHUT_WR)
        said = line.recv(4096)
    assert not said.startswith(b"HTTP/1.1 5")
    connection = http.client.HTTPConnection(place.hostname or "", place.port or 0, timeout=20)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
