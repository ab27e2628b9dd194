"""What no client library would send, byte by byte on the socket: each gets the answer that HTTP or the API defines for it,
with a stable code, and the server goes on."""

from __future__ import annotations

import json
import re
import socket
from urllib.parse import urlsplit

import pytest

from kaipiao_lab.bench import Bench

HOST = b"Host: x\r\n"
SALE = b'{"order":"A"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BAD, NOWHERE = (400, "KP-INPUT-01"), (404, "KP-FIND-03")
FIELDS = (422, "KP-INPUT-04")  # it was read as it was sent: a sale without its fields
GET_HEALTH = b"GET /healthz HTTP/1.1\r\n"
Expected = tuple[int, str | None]

LINES: dict[str, tuple[bytes, Expected]] = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", (200, None)),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", BAD),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", BAD),
    "TLS on the plain port": (b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" + bytes(240), BAD),
    "absolute form": (b"GET http://x/healthz HTTP/1.1\r\n" + HOST + b"\r\n", (200, None)),
    "no Host": (GET_HEALTH + b"\r\n", BAD),
    "two Hosts": (GET_HEALTH + HOST + HOST + b"\r\n", BAD),
    "a folded header": (GET_HEALTH + HOST + b"X-A: 1\r\n 2\r\n\r\n", BAD),
    "CR alone": (GET_HEALTH + HOST + b"X-A: 1\rX-B: 2\r\n\r\n", BAD),
    "LF alone": (b"GET /healthz HTTP/1.1\nHost: x\n\n", BAD),
    "NUL in a value": (GET_HEALTH + HOST + b"X-A: a\0b\r\n\r\n", BAD),
    "NUL in a name": (GET_HEALTH + HOST + b"X\0A: b\r\n\r\n", BAD),
    "a space before the colon": (GET_HEALTH + HOST + b"X-A : b\r\n\r\n", BAD),
    "100 KB of request line": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (431, "KP-HTTP-08")),
    "1,000 headers": (GET_HEALTH + HOST + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)), (431, "KP-HTTP-08")),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", NOWHERE),
    "OPTIONS": (b"OPTIONS /v1/invoices HTTP/1.1\r\n" + HOST + b"\r\n", (405, "KP-HTTP-01")),
    "TRACE": (b"TRACE /v1/status HTTP/1.1\r\n" + HOST + b"\r\n", (405, "KP-HTTP-01")),
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n", BAD),
    "raw UTF-8 in the address": ("GET /v1/发票 HTTP/1.1\r\n".encode() + HOST + b"\r\n", BAD),
}
TARGETS: dict[bytes, Expected] = {
    b"/v1/invoices/%2F..%2F": NOWHERE,
    b"/v1/invoices/%00": (404, "KP-FIND-01"),
    b"/v1/../healthz": NOWHERE,
    b"/../../etc/passwd": NOWHERE,
    b"/v1/%zz": NOWHERE,
    b"/v1/invoices?order=" + b"a" * 129: BAD,
    b"/v1/invoices?order=" + b"a" * 60_000: BAD,
    b"/v1/invoices?order=%ff%fe": (200, None),
    b"/v1/invoices?order=\xff": BAD,
}
FRAMES: dict[str, tuple[bytes, bytes, Expected]] = {
    "length +5": (b"Content-Length: +5\r\n", b"12345", BAD),
    "length 5, 5": (b"Content-Length: 5, 5\r\n", b"12345", BAD),
    "length -1": (b"Content-Length: -1\r\n", b"", BAD),
    "length 0x5": (b"Content-Length: 0x5\r\n", b"12345", BAD),
    "no length in it": (b"Content-Length: \r\n", b"", BAD),
    "length over 64 bits": (b"Content-Length: 99999999999999999999999\r\n", b"1", BAD),
    "length over the limit": (b"Content-Length: 9223372036854775808\r\n", b"1", (413, "KP-INPUT-02")),
    "chunk extensions": (CHUNKED, b'd;a=b;c="d"\r\n' + SALE + b"\r\n0\r\n\r\n", FIELDS),
    "trailers": (
        CHUNKED,
        b"d\r\n" + SALE + b"\r\n0\r\nAuthorization: Bearer x\r\nContent-Type: text/x\r\n\r\n",
        FIELDS,
    ),
    "a chunk of size zz": (CHUNKED, b"zz\r\n" + SALE + b"\r\n0\r\n\r\n", BAD),
    "a chunk of size -1": (CHUNKED, b"-1\r\n\r\n", BAD),
    "a chunk of size 0xd": (CHUNKED, b"0xd\r\n" + SALE + b"\r\n0\r\n\r\n", BAD),
    "a chunk longer than its size": (CHUNKED, b"5\r\n" + SALE + b"\r\n0\r\n\r\n", BAD),
    "an endless chunk": (CHUNKED, b"FFFFFFFFFFFFFFFFF\r\n", BAD),
    "no coding of chunks": (b"Transfer-Encoding: xchunked\r\n", b"d\r\n" + SALE + b"\r\n0\r\n\r\n", BAD),
}
DIGITS = b"9" * 100_000
BODIES: dict[str, tuple[bytes, Expected]] = {
    "nothing": (b"", BAD),
    "a byte order mark": (b"\xef\xbb\xbf" + SALE, FIELDS),
    "UTF-16": (SALE.decode().encode("utf-16"), BAD),
    "no UTF-8": (b'{"order":"\xff"}', BAD),
    "NaN": (b'{"expected_total":NaN}', BAD),
    "-Infinity": (b'{"expected_total":-Infinity}', BAD),
    "1e400": (b'{"order":"A","expected_total":1e400}', FIELDS),
    "1e-999999999": (b'{"order":"A","expected_total":1e-999999999}', FIELDS),
    "100,000 digits": (b'{"order":"A","expected_total":' + DIGITS + b"}", BAD),
    "100,000 decimals": (b'{"order":"A","expected_total":0.' + DIGITS + b"}", BAD),
    "100,000 arrays": (b"[" * 100_000, (413, "KP-INPUT-02")),
    "100,000 objects": (b'{"a":' * 100_000, (413, "KP-INPUT-02")),
    "one key twice": (b'{"order":"A","order":"B"}', BAD),
    "half a character": (b'{"order":"\\ud800"}', FIELDS),
    "half a character as a key": (b'{"order":"A","\\udc00":1}', FIELDS),
    "NUL in the order key": (b'{"order":"a\\u0000"}', FIELDS),
    "a megabyte of order key": (b'{"order":"' + b"a" * 1_000_000 + b'"}', FIELDS),
    "two documents": (SALE + SALE, BAD),
    "a comment": (SALE + b"//", BAD),
}


def talk(bench: Bench, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the last answer on a connection that ends with it."""
    place = urlsplit(bench.url())
    said = b""
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as line:
        line.sendall(raw)
        try:
            while piece := line.recv(65_536):
                said += piece
        except ConnectionResetError:
            pass
    while said.startswith(b"HTTP/1.1 100 "):
        said = said.partition(b"\r\n\r\n")[2]
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return int(first.split()[1]), headers, body


def check(bench: Bench, raw: bytes, expected: Expected) -> None:
    status, headers, body = talk(bench, raw)
    assert (status, json.loads(body).get("code") if status >= 400 else None) == expected, body[:300]
    assert b"Traceback" not in body
    assert headers["content-type"] == ("application/problem+json" if status >= 400 else "application/json")
    assert talk(bench, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200


def signed_in(bench: Bench) -> bytes:
    return HOST + f"Authorization: Bearer {bench.token}\r\nConnection: close\r\n".encode()


@pytest.mark.parametrize("case", LINES.values(), ids=LINES)
def test_a_head_that_no_client_sends(bench: Bench, case: tuple[bytes, Expected]) -> None:
    raw, expected = case
    check(bench, raw.replace(HOST, HOST + b"Connection: close\r\n", 1), expected)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:30].decode("latin-1"))
def test_an_address_that_is_none(bench: Bench, target: bytes) -> None:
    check(bench, b"GET " + target + b" HTTP/1.1\r\n" + signed_in(bench) + b"\r\n", TARGETS[target])


@pytest.mark.parametrize("case", FRAMES.values(), ids=FRAMES)
def test_a_body_whose_frame_is_broken_or_rare(bench: Bench, case: tuple[bytes, bytes, Expected]) -> None:
    header, body, expected = case
    head = b"POST /v1/invoices:check HTTP/1.1\r\n" + signed_in(bench)
    check(bench, head + header + b"\r\n" + body, expected)


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_json_that_no_program_should_write(bench: Bench, case: tuple[bytes, Expected]) -> None:
    body, expected = case
    head = b"POST /v1/invoices:check HTTP/1.1\r\n" + signed_in(bench)
    check(bench, head + b"Content-Length: %d\r\n\r\n" % len(body) + body, expected)


def test_whoever_expects_100_gets_it_only_when_the_body_is_wanted(bench: Bench) -> None:
    expects = b"Expect: 100-continue\r\nContent-Length: 13\r\n\r\n"
    head = b"POST /v1/invoices:check HTTP/1.1\r\n"
    check(bench, head + signed_in(bench) + expects + SALE, FIELDS)
    check(bench, head + HOST + b"Connection: close\r\n" + expects, (401, "KP-ACCESS-01"))


def test_head_is_get_without_a_body_everywhere(bench: Bench) -> None:
    _, _, document = talk(bench, b"GET /openapi.json HTTP/1.0\r\n\r\n")
    for path, operations in json.loads(document)["paths"].items():
        if "get" not in operations:
            continue
        names = dict.fromkeys(re.findall(r"\{([a-z_]+)\}", path), "1")
        known = {"number": "2" * 20, "taxpayer": bench.seller, "account": "nobody", "month": "2026-11"}
        target = path.format(**{**names, **known}).encode()
        found = {}
        for method in (b"GET", b"HEAD"):
            status, headers, body = talk(bench, method + b" " + target + b" HTTP/1.1\r\n" + signed_in(bench) + b"\r\n")
            found[method] = (status, headers["content-type"])
        assert body == b"", path
        assert found[b"GET"] == found[b"HEAD"], path
