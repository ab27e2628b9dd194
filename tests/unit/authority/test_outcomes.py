"""What an answer means: the table is sound, and each place has its own codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.authority.channel import Outcome, Phase
from kaipiao.authority.outcomes import Where, classify, of_failure, outcomes, read_rows
from kaipiao.authority.transport import CAUSES, Failure
from kaipiao.errors import SettingsFault

OVERLOAD = "当前访问请求较多，请5分钟后重试，将访问并发控制在5以内"
HEADER = "id\tlayer\twhere\tservice\tcode\tpattern\toutcome\tretry_after\tsource\n"


@pytest.mark.parametrize(
    ("where", "service", "code", "outcome"),
    [
        (Where.RETURN, "QDFPSC", "00", Outcome.OK),
        (Where.RETURN, "QDFPSC", "01", Outcome.REJECTED),
        (Where.RETURN, "QDFPSC", "03", Outcome.REJECTED),
        (Where.RETURN, "QDFPSC", "09", Outcome.RETRY),
        (Where.RETURN, "QDFPSC", "10", Outcome.IN_PROGRESS),
        (Where.RETURN, "QDFPSC", "77", Outcome.AMBIGUOUS),
        (Where.ITEM, "CXQDFPSCJG", "01", Outcome.IN_PROGRESS),
        (Where.ITEM, "CXQDFPSCJG", "02", Outcome.REJECTED),
        (Where.ITEM, "CXQDFPSCJG", "03", Outcome.ALREADY_ACCEPTED),
        (Where.ERROR, "QDFPSC", "302", Outcome.NOT_ACCEPTED),
        (Where.ERROR, "QDFPSC", "whatever", Outcome.REJECTED),
        (Where.OUTER, "QDFPSC", "40322", Outcome.AMBIGUOUS),
        (Where.OUTER, "QDFPSC", "-1", Outcome.AMBIGUOUS),
        (Where.HTTP, "QDFPSC", "502", Outcome.AMBIGUOUS),
        (Where.HTTP, "QDFPSC", "302", Outcome.NOT_ACCEPTED),
        (Where.HTTP, "QDFPSC", "403", Outcome.NOT_ACCEPTED),
        (Where.HTTP, "QDFPSC", "408", Outcome.AMBIGUOUS),
        (Where.HTTP, "QDFPSC", "204", Outcome.AMBIGUOUS),
        (Where.BODY, "QDFPSC", "answer.unreadable", Outcome.AMBIGUOUS),
    ],
)
def test_a_code_means_what_its_place_says(where: Where, service: str, code: str, outcome: Outcome) -> None:
    assert classify(where, service, code, writes=True).outcome is outcome


@pytest.mark.parametrize("service", ["FPCY_NEW", "FPZTXXCX", "CXQDFPSCJG"])
@pytest.mark.parametrize("code", ["01", "03", "09", "11", "99", "", "xx"])
def test_no_other_code_is_ever_read_as_absence(service: str, code: str) -> None:
    """OK stands for an answer to the question: only 00 and the service's own no-data code are one."""
    assert classify(Where.RETURN, service, code, writes=False).outcome is not Outcome.OK


def test_absence_has_one_code_of_its_own_in_each_service() -> None:
    assert classify(Where.RETURN, "FPCY_NEW", "02", writes=False).outcome is Outcome.OK
    assert classify(Where.RETURN, "FPCY_NEW", "04", writes=False).outcome is not Outcome.OK
    assert classify(Where.RETURN, "FPZTXXCX", "04", writes=False).outcome is Outcome.OK
    assert classify(Where.RETURN, "CXQDFPSCJG", "04", writes=False).outcome is Outcome.AMBIGUOUS


def test_a_question_that_was_refused_never_rejects_an_invoice() -> None:
    for service in ("FPCY_NEW", "FPZTXXCX", "CXQDFPSCJG"):
        for code in ("01", "03", "04", "11"):
            assert classify(Where.RETURN, service, code, writes=False).outcome is not Outcome.REJECTED


@pytest.mark.parametrize(
    ("where", "code"),
    [(Where.ERROR, "01"), (Where.RETURN, "99"), (Where.OUTER, "500"), (Where.HTTP, "503"), (Where.BODY, "x")],
)
def test_the_overload_wording_wins_over_any_code(where: Where, code: str) -> None:
    verdict = classify(where, "QDFPSC", code, OVERLOAD, writes=True)
    assert (verdict.outcome, verdict.retry_after) == (Outcome.NOT_ACCEPTED, 300.0)


def test_a_lost_session_is_believed_in_a_page_but_not_under_a_server_error() -> None:
    page = "<html>您的会话已过期，请重新登录</html>"
    assert classify(Where.BODY, "QDFPSC", "x", page, writes=True).outcome is Outcome.NOT_ACCEPTED
    assert classify(Where.HTTP, "QDFPSC", "500", page, writes=True).outcome is Outcome.AMBIGUOUS


def test_a_page_never_rejects_by_its_words() -> None:
    words = "上传时间与开票时间间隔应小于48小时"
    assert classify(Where.BODY, "QDFPSC", "x", words, writes=True).outcome is Outcome.AMBIGUOUS
    assert classify(Where.ERROR, "QDFPSC", "x", words, writes=True).outcome is Outcome.REJECTED


def test_success_is_decided_by_its_code_whatever_the_words() -> None:
    assert classify(Where.RETURN, "QDFPSC", "00", "请重新登录", writes=True).outcome is Outcome.OK


@given(st.sampled_from(sorted(Where)), st.text(max_size=12), st.text(max_size=200), st.booleans())
def test_anything_has_a_verdict(where: Where, code: str, message: str, writes: bool) -> None:
    verdict = classify(where, "QDFPSC", code, message, writes=writes)
    assert verdict.outcome is not Outcome.NOT_SENT


@given(st.sampled_from(sorted(CAUSES)), st.sampled_from(Phase), st.booleans(), st.booleans())
def test_the_phase_rule(cause: str, phase: Phase, sent: bool, writes: bool) -> None:
    outcome = of_failure(Failure(cause, phase, not sent, not sent), writes=writes).outcome
    assert (outcome is Outcome.NOT_SENT) is not sent
    if sent:
        assert outcome is (Outcome.AMBIGUOUS if writes else Outcome.RETRY)


def test_our_refused_certificate_is_no_doubt() -> None:
    failure = Failure("handshake.client_certificate_refused", Phase.HANDSHAKE, False, True)
    assert of_failure(failure, writes=True).outcome is Outcome.NOT_ACCEPTED


def test_codes_of_middleware_are_asked_for_by_layer() -> None:
    table = outcomes()
    session = table.of_code(Where.VENDOR, "*", "1101", writes=True, layer="session")
    assert session is not None
    assert session.outcome is Outcome.NOT_ACCEPTED
    assert table.of_code(Where.VENDOR, "*", "1101", writes=True) is None
    duplicate = table.of_code(Where.VENDOR, "*", "6783", writes=True, layer="tax")
    assert duplicate is not None
    assert duplicate.outcome is Outcome.ALREADY_ACCEPTED


@pytest.mark.parametrize(
    "table",
    [
        "",
        "id\tcode\n",
        HEADER + "A\tleqi\treturn\t*\t00\t-\tfine\t-\tsource\n",
        HEADER + "A\tleqi\tnowhere\t*\t00\t-\tok\t-\tsource\n",
        HEADER + "A\tleqi\treturn\t*\t-\t-\tok\t-\tsource\n",
        HEADER + "A\tleqi\treturn\t*\t00\t-\tok\tsoon\tsource\n",
        HEADER + "A\tleqi\treturn\t*\t00\t-\tok\t-\t\n",
        HEADER + "A\tleqi\treturn\t*\t00\t-\tok\t-\tsource\n" * 2,
    ],
)
def test_a_broken_table_is_refused_as_a_whole(table: str) -> None:
    with pytest.raises(SettingsFault):
        read_rows(table)
