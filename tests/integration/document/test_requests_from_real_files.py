"""Real invoice files as requests: the order key comes from the number, and what cannot be issued anew says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaipiao.errors import Malformed, RulesBroken
from kaipiao.intake.files import Refusal, Request, read_requests


def _only(path: Path) -> Request | Refusal:
    (found,) = read_requests(path, path.name)
    return found


@pytest.mark.parametrize(
    ("name", "order", "total"),
    [
        ("einvoice_v0.2_official_guangdong_zhuan.xml", "xml:23440000000000100001", "2.12"),
        ("einvoice_v0.31_zhuan_redacted_BitBrewing.xml", "xml:01234567890123456789", "16000.00"),
    ],
)
def test_a_real_invoice_becomes_a_request(samples: Path, name: str, order: str, total: str) -> None:
    request = _only(samples / "xml" / name)
    assert isinstance(request, Request)
    assert request.draft.order == order
    assert str(request.draft.expected_total) == total


def test_a_real_invoice_that_does_not_say_its_kind_is_refused_with_the_rule(samples: Path) -> None:
    refusal = _only(samples / "xml" / "einvoice_v0.32_jiangsu_taxi_discountline.xml")
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, RulesBroken)
    assert "KP-RULE-KIND-01" in {finding.code for finding in refusal.error.facts["findings"]}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["xbrl_inv_ord_issuer_2021-09-30.xml", "original_invoice_fp2019_jiangsu.xml"])
def test_real_files_of_another_kind_are_no_requests(samples: Path, name: str) -> None:
    refusal = _only(samples / "xml" / name)
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, Malformed)
