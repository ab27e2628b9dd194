"""Real 数电票 XML goes in: refused by name as it stands, issued and confirmed with the substitutions listed here."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import kaipiao

from kaipiao_lab.bench import Bench
from kaipiao_lab.sales import with_check_character

BUYER = with_check_character("91440300MA5EXMPL1")

# These files are redacted: their tax numbers have no sound check digit, one says no kind, one has a code of zeros.
REFUSED = {
    "einvoice_v0.2_official_guangdong_zhuan.xml": {"KP-FIND-02"},
    "einvoice_v0.31_zhuan_redacted_BitBrewing.xml": {"KP-FIND-02"},
    "einvoice_v0.32_jiangsu_taxi_discountline.xml": {"KP-RULE-00"},
}
"""Unmodified, the seller is no taxpayer of this installation, or the file does not say its kind."""

RULES = {
    "einvoice_v0.2_official_guangdong_zhuan.xml": {"KP-RULE-PARTY-02"},
    "einvoice_v0.31_zhuan_redacted_BitBrewing.xml": {"KP-RULE-PARTY-02", "KP-RULE-CODE-01"},
    "einvoice_v0.32_jiangsu_taxi_discountline.xml": {"KP-RULE-PARTY-03"},
}
"""With only the seller (and where needed the kind) put right: what else is wrong with them."""

KIND = "<GeneralOrSpecialVAT><LabelCode>02</LabelCode><LabelName>普通发票</LabelName></GeneralOrSpecialVAT>"
SUBSTITUTIONS: dict[str, list[tuple[str, str]]] = {
    "einvoice_v0.2_official_guangdong_zhuan.xml": [("91440000000000001Y", BUYER)],
    "einvoice_v0.31_zhuan_redacted_BitBrewing.xml": [
        ("<BuyerIdNum>012345678901234567<", f"<BuyerIdNum>{BUYER}<"),
        (">0000000000000000000</TaxClassificationCode>", ">3040203000000000000</TaxClassificationCode>"),
    ],
    "einvoice_v0.32_jiangsu_taxi_discountline.xml": [("91xxxxxxxxxxxxxxxx3", BUYER)],
}
"""Besides the seller: the buyer's tax number, and one classification code of zeros."""

SELLER_TYPES = {
    "einvoice_v0.31_zhuan_redacted_BitBrewing.xml": "2",
    "einvoice_v0.32_jiangsu_taxi_discountline.xml": "2",
}
"""1 % and 3 % are levy rates: the seller must be a small-scale taxpayer."""

FILES = sorted(REFUSED)


def seller_of(bench: Bench, file: str) -> str:
    wanted = SELLER_TYPES.get(file, "1")
    return next(str(t["tax_number"]) for t in bench.bureau.info["taxpayers"] if t["taxpayer_type"] == wanted)


def with_seller(text: str, bench: Bench, file: str) -> str:
    for old in ("91440000000000000X", "<SellerIdNum>012345678901234567<", "91320000000000000X"):
        new = seller_of(bench, file)
        text = text.replace(old, f"<SellerIdNum>{new}<" if old.startswith("<") else new)
    return text.replace("<GeneralOrSpecialVAT />", KIND)


def codes(out: list[dict[str, object]]) -> set[str]:
    return {str(line["refused"]["code"]) for line in out if "refused" in line}  # type: ignore[index]


@pytest.mark.parametrize("file", FILES)
def test_unmodified_each_is_refused_and_says_why(bench: Bench, platform: Path, samples: Path, file: str) -> None:
    done = kaipiao("issue", samples / "xml" / file, "-d", platform, "--json", cwd=platform)
    assert done.code == 1
    assert codes(done.lines()) == REFUSED[file]


@pytest.mark.parametrize("file", FILES)
def test_with_the_seller_put_right_the_rules_name_what_else_is_wrong(
    bench: Bench, platform: Path, samples: Path, file: str
) -> None:
    text = with_seller((samples / "xml" / file).read_text(encoding="utf-8"), bench, file)
    done = kaipiao("issue", "-", "-d", platform, "--json", cwd=platform, stdin=text.encode())
    assert done.code == 1
    for code in RULES[file]:
        assert code in done.err


@pytest.mark.parametrize("file", FILES)
def test_with_the_listed_substitutions_it_becomes_a_new_confirmed_invoice(
    bench: Bench, platform: Path, samples: Path, file: str
) -> None:
    text = with_seller((samples / "xml" / file).read_text(encoding="utf-8"), bench, file)
    for old, new in SUBSTITUTIONS[file]:
        assert old in text
        text = text.replace(old, new)
    done = kaipiao("issue", "-", "-d", platform, "--json", cwd=platform, stdin=text.encode())
    assert done.code == 0, done.err
    issued, confirmed = done.lines()
    assert issued["order"].startswith("xml:")
    assert confirmed == {"number": issued["number"], "state": "confirmed"}
    again = kaipiao("issue", "-", "-d", platform, "--json", "--no-wait", cwd=platform, stdin=text.encode())
    assert again.lines() == [issued]
    verified = kaipiao("show", issued["number"], "--xml", "-d", platform, cwd=platform)
    (platform / "out.xml").write_text(verified.out, encoding="utf-8")
    (platform / "out.seal").write_text(
        kaipiao("show", issued["number"], "--seal", "-d", platform, cwd=platform).out, encoding="utf-8"
    )
    report = kaipiao("verify", "out.xml", "--seal", "out.seal", "-d", platform, "--json", cwd=platform).last()
    layers = {layer["name"]: layer["verdict"] for layer in report["layers"]}
    assert layers["seal"] == "valid"
    assert "invalid" not in layers.values()
    assert report["number"] == issued["number"]
