"""Answers of the bureau may be broken, hostile, huge or half: always an `Answer`, never an exception."""

from __future__ import annotations

import base64
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.authority.channel import Outcome, Phase, Timeline
from kaipiao.authority.leqi import envelope, numbers, quota, rates, reading, results, services, standing
from kaipiao.authority.leqi.call import read
from kaipiao.authority.leqi.services import Service
from kaipiao.authority.transport import CAUSES, Failure, Reply
from kaipiao.seal.sm4 import encrypt_ecb

KEY = bytes(range(16))
LINE = Timeline(Phase.ANSWER, (), 100, False, None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def reply(body: bytes | str, status: int = 200, **headers: str) -> Reply:
    raw = body.encode() if isinstance(body, str) else body
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, LINE, None)


def wrapped(data: object) -> str:
    plain = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    cipher = base64.b64encode(encrypt_ecb(KEY, plain)).decode()
    return json.dumps({"httpStatusCode": "200", "body": json.dumps({"Response": {"RequestId": "1", "Data": cipher}})})


def outcome(body: bytes | str, service: Service = services.UPLOAD, status: int = 200) -> Outcome:
    return read(KEY, service, reply(body, status)).outcome


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=5))
@settings(max_examples=60)
def test_what_is_sealed_opens_again(data: dict[str, str]) -> None:
    assert envelope.opened(KEY, envelope.sealed(KEY, data).decode()) == data


def test_chinese_goes_as_raw_utf8_and_nothing_as_an_empty_object() -> None:
    from kaipiao.seal.sm4 import decrypt_ecb

    plain = decrypt_ecb(KEY, base64.b64decode(envelope.sealed(KEY, {"名": "开票"})))
    assert plain == '{"名":"开票"}'.encode()
    assert decrypt_ecb(KEY, base64.b64decode(envelope.sealed(KEY, []))) == b"{}"


@pytest.mark.parametrize("shape", ["body string", "body object", "Response string", "gzip"])
def test_every_shape_that_published_clients_accept_is_read(shape: str) -> None:
    cipher = base64.b64encode(encrypt_ecb(KEY, b'{"returncode":"00","sllsh":"ab"}')).decode()
    response: Any = {"RequestId": "1", "Data": cipher}
    inner: Any = {"Response": json.dumps(response) if shape == "Response string" else response}
    body: Any = inner if shape == "body object" else json.dumps(inner)
    raw = json.dumps({"httpStatusCode": 200 if shape == "gzip" else "200", "body": body}).encode()
    answer = read(KEY, services.UPLOAD, reply(gzip.compress(raw) if shape == "gzip" else raw))
    assert (answer.outcome, answer.code) == (Outcome.OK, "00")
    assert answer.value == {"returncode": "00", "sllsh": "ab"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", Outcome.AMBIGUOUS),
        ("not json", Outcome.AMBIGUOUS),
        ("[1,2]", Outcome.AMBIGUOUS),
        ("[" * 100_000, Outcome.AMBIGUOUS),
        ("1" * 10_000, Outcome.AMBIGUOUS),
        (b"\xff\xfe\x00", Outcome.AMBIGUOUS),
        (b"\x1f\x8b broken gzip", Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"200"}', Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"200","body":"{}"}', Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"200","body":null}', Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"200","body":"{\\"Response\\":{\\"Data\\":\\"AAAA\\"}}"}', Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"500","body":""}', Outcome.AMBIGUOUS),
        ('{"httpStatusCode":{},"body":""}', Outcome.AMBIGUOUS),
        (wrapped(b"no json"), Outcome.AMBIGUOUS),
        (wrapped([]), Outcome.AMBIGUOUS),
        (wrapped({}), Outcome.AMBIGUOUS),
        (wrapped({"returncode": 0}), Outcome.AMBIGUOUS),
        (wrapped(b'{"returncode":"00","x":NaN}'), Outcome.AMBIGUOUS),
        ('{"httpStatusCode":"200","body":{"Response":{"Error":{"Code":"01","Message":"字段"}}}}', Outcome.REJECTED),
        ('{"httpStatusCode":"200","body":{"Response":{"Error":"oops"}}}', Outcome.REJECTED),
        ('{"CodeMsg":"refresh","Address":"/nonlogin"}', Outcome.NOT_ACCEPTED),
        ('{"errcode":"91300"}', Outcome.NOT_ACCEPTED),
        ('{"code":91300}', Outcome.NOT_ACCEPTED),
        ("<html>请重新登录</html>", Outcome.NOT_ACCEPTED),
    ],
)
def test_an_answer_to_an_upload(body: bytes | str, expected: Outcome) -> None:
    assert outcome(body) is expected


def test_another_key_is_no_proof_of_anything() -> None:
    answer = read(bytes(16), services.UPLOAD, reply(wrapped({"returncode": "00"})))
    assert (answer.outcome, answer.value) == (Outcome.AMBIGUOUS, None)


def test_the_same_silence_is_no_doubt_for_a_question() -> None:
    assert outcome("not json", services.QUOTA) is Outcome.RETRY
    assert outcome("", services.QUOTA, 502) is Outcome.RETRY


@given(JSON)
@settings(max_examples=150)
def test_any_json_is_an_answer(anything: object) -> None:
    for body in (anything, {"httpStatusCode": "200", "body": anything}, {"body": {"Response": anything}}):
        answer = read(KEY, services.UPLOAD, reply(json.dumps(body)))
        assert answer.outcome is not Outcome.OK
        assert answer.value is None


@given(st.binary(max_size=300), st.integers(100, 599))
@settings(max_examples=100)
def test_any_bytes_are_an_answer(body: bytes, status: int) -> None:
    assert read(KEY, services.UPLOAD, reply(body, status)).outcome is not Outcome.OK


@given(st.dictionaries(st.sampled_from(
    ["fpqshm", "fpzzhm", "lysl", "bysxed", "kysyed", "sq", "sqed", "syqjq", "syqjz", "resultList", "slList", "nsrztdm",
     "fxnsrbz", "nsrsbh", "slzsl"]), JSON))  # fmt: skip
@settings(max_examples=150)
def test_any_data_is_understood_or_not_believed(data: dict[str, object]) -> None:
    numbers.segment(data, 5)
    quota.standing(data)
    quota.grant(data, Decimal(5))
    results.results(data)
    rates.rates(data)
    standing.standing("91110000000000000A", data, data)


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_what_a_failed_wire_proves_is_said_in_both_languages(cause: str) -> None:
    failure = Failure(cause, Phase.WAIT, surely_not_sent=False, surely_not_accepted=False)
    answer = read(KEY, services.UPLOAD, Reply(None, {}, b"", LINE, failure))
    assert answer.code == cause
    assert answer.message == f"{CAUSES[cause].proves.zh} {CAUSES[cause].proves.en}"
    assert len(answer.message) <= reading.MESSAGE_LIMIT


def test_messages_are_one_bounded_line_that_prints() -> None:
    body = {"Response": {"Error": {"Code": "x" * 999, "Message": "a\x1b[31m\r\nb\u202e\ud800" + "长" * 9999}}}
    answer = read(KEY, services.UPLOAD, reply(json.dumps({"httpStatusCode": "200", "body": body})))
    assert answer.code is not None
    assert answer.message is not None
    assert len(answer.code) <= 40
    assert len(answer.message) <= 300
    assert answer.message.isprintable()
    answer.message.encode()


@pytest.mark.parametrize(
    ("said", "pause"),
    [("7", 7.0), ("999999999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-1", 1.0), ("²", 1.0), ("", 1.0)],
)
def test_retry_after_is_bounded_and_never_believed_blindly(said: str, pause: float) -> None:
    answer = read(KEY, services.UPLOAD, reply("", 429, retry_after=said))
    assert (answer.outcome, answer.retry_after) == (Outcome.NOT_ACCEPTED, pause)


FIRST, LAST = "26117000000000000001", "26117000000000000005"


@pytest.mark.parametrize(
    "data",
    [
        {"fpqshm": FIRST, "fpzzhm": "26117000000000000006", "lysl": "5"},
        {"fpqshm": LAST, "fpzzhm": FIRST, "lysl": "5"},
        {"fpqshm": FIRST, "fpzzhm": LAST, "lysl": "4"},
        {"fpqshm": FIRST[:-1], "fpzzhm": LAST[:-1]},
        {"fpqshm": 26117000000000000001, "fpzzhm": 26117000000000000005},
        {"fpqshm": "２" + FIRST[1:], "fpzzhm": LAST},
        {},
    ],
)
def test_a_segment_that_contradicts_itself_is_not_believed(data: dict[str, object]) -> None:
    assert numbers.segment(data, 5) is None


def test_a_segment_that_agrees_is() -> None:
    found = numbers.segment({"fpqshm": FIRST, "fpzzhm": LAST, "lysl": 5}, 5)
    assert found is not None
    assert (found.first, found.last, found.quantity) == (FIRST, LAST, 5)


def test_no_more_quota_is_granted_than_was_asked_for() -> None:
    data = {"sqed": "100.01", "syqjq": "2026-11-01 00:00:00", "syqjz": "2026-11-30 23:59:59"}
    assert quota.grant(data, Decimal("100.00")) is None
    assert quota.grant({**data, "sqed": 100}, Decimal("100.00")) is not None
    assert quota.grant({**data, "syqjz": data["syqjq"], "sqed": 1}, Decimal(100)) is None


def test_a_result_that_is_told_in_two_ways_is_left_out() -> None:
    entries = [
        {"fphm": FIRST, "status": "00"},
        {"fphm": LAST, "status": "00"},
        {"fphm": LAST, "status": "02", "message": "上传失败"},
        {"fphm": LAST, "status": "00"},
        {"fphm": "26117000000000000002", "status": "07"},
        {"fphm": 5},
        None,
    ]
    for given_as in (entries, json.dumps(entries)):
        assert [(r.number, r.status.value) for r in results.results({"resultList": given_as})] == [(FIRST, "00")]


BASIC = {"nsrsbh": "T", "nsrmc": "公司", "nsrztdm": "03"}
RISK = {"nsrsbh": "T", "fxnsrlx": "", "nsryjjb": "", "fxnsrbz": "N"}


@pytest.mark.parametrize(
    ("basic", "risk", "reason"),
    [
        ({}, {}, None),
        ({"nsrztdm": "09"}, {}, None),
        ({"nsrztdm": "05"}, {}, "nsrztdm=05"),
        ({}, {"fxnsrlx": "01"}, "fxnsrlx=01"),
        ({}, {"fxnsrlx": "02"}, None),
        ({}, {"nsryjjb": "01"}, "nsryjjb=01"),
        ({}, {"fxnsrbz": "Y"}, "fxnsrbz=Y"),
    ],
)
def test_who_may_issue(basic: dict[str, str], risk: dict[str, str], reason: str | None) -> None:
    found = standing.standing("T", BASIC | basic, RISK | risk)
    assert found is not None
    assert (found.may_issue, found.reason) == (reason is None, reason)


def test_a_standing_that_is_not_said_or_another_ones_is_not_judged() -> None:
    assert standing.standing("T", {"nsrsbh": "T"}, RISK) is None
    assert standing.standing("T", BASIC, {"nsrsbh": "T"}) is None
    assert standing.standing("U", BASIC, RISK) is None


@pytest.mark.parametrize(
    "value", ["1e400", "NaN", "-Infinity", "٣", "1_000", " 1", "0x10", "9" * 99, True, 1 << 200, {}]
)
def test_what_is_no_plain_number_is_none(value: object) -> None:
    assert reading.number(value) is None
