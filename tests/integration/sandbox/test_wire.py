"""What an outside client may do wrong on the wire, and the shapes that published clients count on."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from .conftest import START
from .outside import BASE, Outside, invoice, sm4


def error_of(body: bytes) -> tuple[str, str]:
    inner = json.loads(json.loads(body)["body"])["Response"]
    assert "Data" not in inner
    return inner["Error"]["Code"], inner["Error"]["Message"]


def test_a_client_like_the_published_php_one_works(bureau: Outside) -> None:
    """No content-type, `{}` for nothing, JSON numbers, `json.loads(outer["body"])["Response"]["Data"]`, another SM4."""
    oracle = pytest.importorskip("gmssl.sm4", reason="the oracle gmssl is not installed")
    key = bytes.fromhex(bureau.info["sm4_key"])
    coder = oracle.CryptSM4()
    coder.set_key(key, oracle.SM4_ENCRYPT)
    body = base64.b64encode(coder.crypt_ecb(b"{}"))
    _, headers, raw = bureau.post(f"/access/v2/invoke/{BASE}/CXKYSL", body, bureau.headers("CXKYSL"))
    outer = json.loads(raw)
    assert isinstance(outer["body"], str)
    reader = oracle.CryptSM4()
    reader.set_key(key, oracle.SM4_DECRYPT)
    answer = json.loads(reader.crypt_ecb(base64.b64decode(json.loads(outer["body"])["Response"]["Data"])))
    assert answer["returncode"] == "00"
    assert headers["content-type"].startswith("application/json")


def test_both_paths_are_served_and_header_names_are_case_insensitive(bureau: Outside) -> None:
    for prefix in ("/access/v2/invoke", "/access/sandbox/v2/invoke"):
        assert bureau.raw_call("CXKYSL", {}, prefix=prefix)[0] == 200
    headers = {name.upper(): value for name, value in bureau.headers("CXKYSL").items()}
    body = base64.b64encode(sm4(bureau.info["sm4_key"], b"{}", encrypt=True)) + b"\r\n"
    _, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/CXKYSL", body, headers)
    assert "Data" in json.loads(json.loads(raw)["body"])["Response"]


def test_answers_are_zipped_for_clients_that_accept_it(bureau: Outside) -> None:
    _, headers, body = bureau.raw_call("CXKYSL", {}, **{"accept-encoding": "gzip, deflate"})
    assert headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["httpStatusCode"] == "200"
    assert "content-encoding" not in bureau.raw_call("CXKYSL", {})[1]


@pytest.mark.parametrize("name", ["fwbm", "nlbm", "jrdwptbh", "sydwptbh", "ylbm"])
def test_a_missing_or_wrong_header_is_named(bureau: Outside, name: str) -> None:
    body = base64.b64encode(sm4(bureau.info["sm4_key"], b"{}", encrypt=True))
    for value in (None, "wrong"):
        headers = bureau.headers("CXKYSL")
        headers.pop(name)
        headers |= {name: value} if value else {}
        status, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/CXKYSL", body, headers)
        code, message = error_of(raw)
        assert (status, code) == (200, "own-HEAD")
        assert name in message


@pytest.mark.parametrize(
    ("service", "ability"), [("NOPE", BASE), ("CXKYSL", "999999"), ("CXKYSL", None), ("LQSX_SWZJ_GT4_QYXXCSH", BASE)]
)
def test_an_unknown_service_or_ability_is_an_error_of_the_envelope(
    bureau: Outside, service: str, ability: str | None
) -> None:
    assert error_of(bureau.raw_call(service, {}, ability)[2])[0] == "own-SERVICE"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"not base64 \xff",
        base64.b64encode(b"fifteen bytes.."),
        base64.b64encode(b"0" * 64),
        b"\0" * 1000,
    ],
)
def test_a_broken_envelope_is_refused(bureau: Outside, body: bytes) -> None:
    status, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/CXKYSL", body, bureau.headers("CXKYSL"))
    assert (status, error_of(raw)[0]) == (200, "own-KEY")


@pytest.mark.parametrize(
    "plain",
    [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": Infinity}', b"[" * 100_000, '{"a":"半'.encode(), b"{}{}"],
)
def test_what_is_no_json_inside_the_envelope_is_refused(bureau: Outside, plain: bytes) -> None:
    body = base64.b64encode(sm4(bureau.info["sm4_key"], plain, encrypt=True))
    _, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/QDFPSC", body, bureau.headers("QDFPSC"))
    assert error_of(raw)[0] == "own-KEY"


@pytest.mark.parametrize(
    "value",
    ["1e400", "-0.0", '"-0"', "1e-400", "9" * 5000, '"' + "9" * 5000 + '"', '"１００"', "true", "[]", "{}", '"1_0"'],
)
def test_odd_numbers_are_refused_or_read_and_never_break_the_bureau(bureau: Outside, value: str) -> None:
    bureau.download()
    item = invoice(bureau, bureau.pull(1)[0])
    plain = json.dumps([item], ensure_ascii=False).replace('"hjje": "100.00"', f'"hjje": {value}')
    assert value in plain
    body = base64.b64encode(sm4(bureau.info["sm4_key"], plain.encode(), encrypt=True))
    _, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/QDFPSC", body, bureau.headers("QDFPSC"))
    inner = json.loads(json.loads(raw)["body"])["Response"]
    if "Error" not in inner:
        sllsh = json.loads(bureau.decrypt(inner["Data"]))["sllsh"]
        bureau.advance(20)
        assert bureau.poll(sllsh)[0]["status"] == "02"
    assert bureau.books() == []


def test_a_wrong_key_is_refused_and_nothing_is_stored(bureau: Outside) -> None:
    bureau.download()
    item = invoice(bureau, bureau.pull(1)[0])
    body = base64.b64encode(sm4("00" * 16, json.dumps([item]).encode(), encrypt=True))
    _, _, raw = bureau.post(f"/access/v2/invoke/{BASE}/QDFPSC", body, bureau.headers("QDFPSC"))
    assert error_of(raw)[0] == "own-KEY"
    assert bureau.books() == []


def test_other_paths_and_methods(bureau: Outside) -> None:
    host, port = bureau.address
    connection = http.client.HTTPSConnection(host, port, timeout=10, context=bureau.context())
    expected = [("GET", "/", 404), ("POST", "/access/v2/invoke/", 404), ("POST", "/access/v2/invoke/a/b/c", 404)]
    expected += [("GET", f"/access/v2/invoke/{BASE}/CXKYSL", 405), ("POST", "/sandbox/v1/clock", 404)]
    for method, path, status in expected:
        connection.request(method, path, b"x" if method == "POST" else None)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_the_clock_is_open_and_the_date_header_shows_it(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC), speed=60.0)
    host, port = bureau.address
    connection = http.client.HTTPSConnection(host, port, timeout=10, context=bureau.context())
    connection.request("GET", "/sandbox/v1/clock")
    answer = connection.getresponse()
    clock = json.loads(answer.read())
    connection.close()
    assert set(clock) == {"anchor", "shown", "speed", "now"}
    assert (clock["shown"], clock["speed"]) == (datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp(), 60.0)
    agreed = clock["shown"] + (time.time() - clock["anchor"]) * 60
    assert abs(bureau.now().timestamp() - agreed) < 60
    assert parsedate_to_datetime(str(answer.getheader("date"))).year == 2030


def test_a_client_without_certificate_is_refused_unless_switched_off(sandbox: START) -> None:
    bureau = sandbox()
    bare = Outside(bureau.info, certificate=False)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        bare.call("CXKYSL", {})
    sandbox.stop()  # type: ignore[attr-defined]
    open_to_all = sandbox(client_certificate_required=False)
    open_to_all.certificate = False
    assert open_to_all.call("CXKYSL", {})["returncode"] == "00"


def test_a_certificate_of_another_authority_is_refused(bureau: Outside, tmp_path: object) -> None:
    from pathlib import Path

    from kaipiao.seal.certificates import issue_client, new_authority

    folder = Path(str(tmp_path))
    stranger = issue_client(new_authority("somebody", 1), "client", 1)
    (folder / "c.pem").write_bytes(stranger.certificate_pem)
    (folder / "c.key").write_bytes(stranger.key_pem)
    info = bureau.info | {"client_certificate": str(folder / "c.pem"), "client_key": str(folder / "c.key")}
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Outside(info).call("CXKYSL", {})
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


def tls(bureau: Outside) -> ssl.SSLSocket:
    host, port = bureau.address
    return bureau.context().wrap_socket(socket.create_connection((host, port), 10), server_hostname=host)


def test_an_announced_body_above_the_limit_is_refused_before_it_is_read(bureau: Outside) -> None:
    with tls(bureau) as wire:
        wire.sendall(b"POST /access/v2/invoke/202007/QDFPSC HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_above_the_limit_is_refused(bureau: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    from kaipiao.authority.sandbox import data_tables, http_wire

    small = data_tables.limits().model_copy(update={"body_bytes": 1000, "head_seconds": 0.3, "body_seconds": 0.3})
    monkeypatch.setattr(http_wire, "limits", lambda: small)
    with tls(bureau) as wire:
        wire.sendall(b"POST /access/v2/invoke/202007/QDFPSC HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        wire.sendall(b"400\r\n" + b"a" * 0x400 + b"\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 413")
    with tls(bureau) as wire:
        wire.sendall(b"POST /access/v2/invoke/202007/QDFPSC HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc")
        assert wire.recv(4096).startswith(b"HTTP/1.1 408")
    with tls(bureau) as wire:
        wire.sendall(b"POST /access")
        assert wire.recv(4096).startswith(b"HTTP/1.1 408")
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


@pytest.mark.parametrize("junk", [b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_is_answered_400(bureau: Outside, junk: bytes) -> None:
    with tls(bureau) as wire:
        wire.sendall(junk)
        assert wire.recv(4096).startswith(b"HTTP/1.1 400")


def test_a_head_without_end_is_refused(bureau: Outside) -> None:
    with tls(bureau) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nX: " + b"a" * 40_000)
        assert wire.recv(4096).startswith(b"HTTP/1.1 431")


def test_clients_that_break_off_leave_the_bureau_standing(bureau: Outside) -> None:
    host, port = bureau.address
    for data in (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", b"\x80" * 500):
        with socket.create_connection((host, port), 10) as plain:
            plain.sendall(data)
    for part in (
        b"",
        b"POST /acc",
        b"POST /access/v2/invoke/202007/CXKYSL HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
    ):
        wire = tls(bureau)
        wire.sendall(part)
        wire.close()
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


def test_a_connection_serves_many_calls_and_many_connections_are_served_at_once(bureau: Outside) -> None:
    for _ in range(5):
        bureau.call("CXKYSL", {})
    failures: list[BaseException] = []

    def work() -> None:
        client = Outside(bureau.info)
        try:
            for _ in range(5):
                client.pull(2)
        except BaseException as failure:
            failures.append(failure)
        finally:
            client.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert int(bureau.pull(1)[0][5:]) == 81


def test_expect_100_continue(bureau: Outside) -> None:
    body = base64.b64encode(sm4(bureau.info["sm4_key"], b"{}", encrypt=True))
    headers = bureau.headers("CXKYSL") | {"host": "x", "expect": "100-continue", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with tls(bureau) as wire:
        wire.sendall(f"POST /access/v2/invoke/{BASE}/CXKYSL HTTP/1.1\r\n{head}\r\n".encode())
        assert wire.recv(4096).startswith(b"HTTP/1.1 100")
        wire.sendall(body)
        assert wire.recv(4096).startswith(b"HTTP/1.1 200")


def test_above_five_calls_a_second_comes_429_with_retry_after(sandbox: START) -> None:
    bureau = sandbox(rate_per_second=5.0, speed=0.01)
    other = bureau.info["taxpayers"][1]["tax_number"]
    asked = {"nsrsbh": bureau.taxpayer}
    assert [bureau.raw_call("CXNSRJBXX", asked)[0] for _ in range(6)] == [200] * 5 + [429]
    _, headers, body = bureau.raw_call("CXNSRJBXX", asked)
    assert headers["retry-after"] == "1"
    assert json.loads(body)["httpStatusCode"] == "429"
    assert bureau.raw_call("CXNSRJBXX", {"nsrsbh": other})[0] == 200, "the limit is of each taxpayer"
    bureau.advance(1)
    assert bureau.raw_call("CXNSRJBXX", asked)[0] == 200


def test_a_refused_upload_is_not_in_the_books(sandbox: START) -> None:
    bureau = sandbox(rate_per_second=1.0, speed=0.01)
    number = bureau.pull(1)[0]
    bureau.advance(1)
    bureau.download()
    assert bureau.raw_call("QDFPSC", [invoice(bureau, number)])[0] == 429
    assert bureau.books() == []


def test_the_other_mode_says_it_in_the_bureaus_own_words(sandbox: START) -> None:
    bureau = sandbox(rate_per_second=2.0, speed=0.01, overload_mode="wording")
    answers = [bureau.raw_call("CXNSRJBXX", {"nsrsbh": bureau.taxpayer}) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert error_of(answers[2][2]) == ("own-LIMIT", "当前访问请求较多，请5分钟后重试，将访问并发控制在2以内")
