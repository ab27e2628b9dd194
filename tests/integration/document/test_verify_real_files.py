"""`verify` on every real file: the kind is known, nothing sound is called invalid, nothing raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaipiao.document.verify import Report, Verdict, report_json, verify

# file → kind, number, the layers that are judged valid
EXPECTED = {
    "xml/einvoice_v0.2_official_guangdong_zhuan.xml": ("einvoice", "23440000000000100001"),
    "xml/einvoice_v0.31_zhuan_redacted_BitBrewing.xml": ("einvoice", "01234567890123456789"),
    "xml/einvoice_v0.32_jiangsu_taxi_discountline.xml": ("einvoice", "26320000000000100001"),
    "xml/ofd_Signature_realCA.xml": ("ofd_signature", None),
    "xml/ofd_customtag_shudian_root.xml": ("ofd_custom_tag", None),
    "xml/original_invoice_fp2019_beijing_100lines.xml": ("fp_einvoice_2019", "71500013"),
    "xml/original_invoice_fp2019_jiangsu.xml": ("fp_einvoice_2019", "25577301"),
    "xml/xbrl_einv_receiver_2023-12-31_special.xml": ("xbrl_einv", "23440000000000100011"),
    "xml/xbrl_inv_ord_issuer_2021-09-30.xml": ("xbrl_inv", "99934328"),
    "snippets/einvoice_red_fragment.xml": ("xml", None),
    "ofd/dianpu_2020_beijing_list100_signed_testCA.ofd": ("ofd", "71500013"),
    "ofd/dianpu_2020_chongqing_signed_testCA_TAMPERED.ofd": ("ofd", "99999951"),
    "ofd/dianpu_2020_chongqing_signed_testCA_valid.ofd": ("ofd", "99999951"),
    "ofd/dianpu_2022_nuonuo_xbrl_signed_realCA.ofd": ("ofd", None),
    "ofd/dianpu_template_5pages.ofd": ("ofd", "12235358"),
    "ofd/generic_digital_sign_non_ses.ofd": ("ofd", None),
    "ofd/generic_ses_v4_signed_ofdrw.ofd": ("ofd", None),
    "ofd/seal_picture_jianzhizhang_suwell.ofd": ("ofd", None),
    "ofd/shudian_zhuan_2024_suwell.ofd": ("ofd", "24112000000048542163"),
}


def _report(samples: Path, name: str) -> Report:
    return verify((samples / name).read_bytes(), name)


def test_every_real_document_is_in_the_list(samples: Path) -> None:
    found = {str(path.relative_to(samples)) for folder in ("xml", "ofd") for path in (samples / folder).iterdir()}
    assert found == {name for name in EXPECTED if not name.startswith("snippets")}


@pytest.mark.parametrize("name", EXPECTED)
def test_kind_and_number_are_known_and_nothing_sound_is_called_invalid(samples: Path, name: str) -> None:
    report = _report(samples, name)
    assert (report.kind, report.number) == EXPECTED[name]
    assert report.overall is Verdict.NOT_JUDGED
    assert report.layers[0].verdict is Verdict.VALID
    for language in ("zh", "en"):
        assert json.loads(report_json(report, language))["kind"] == EXPECTED[name][0]


@pytest.mark.parametrize("name", [name for name, (kind, _) in EXPECTED.items() if kind == "einvoice"])
def test_real_invoices_hold_in_every_layer_and_their_redacted_parts_are_warnings(samples: Path, name: str) -> None:
    report = _report(samples, name)
    unjudged = [layer.name for layer in report.layers if layer.verdict is not Verdict.VALID]
    assert unjudged == ["signature"]
    rules = next(layer for layer in report.layers if layer.name == "rules")
    assert any("KP-RULE-PARTY" in warning.zh for warning in rules.warnings)


@pytest.mark.parametrize("name", [name for name, (kind, _) in EXPECTED.items() if kind.startswith(("fp", "xbrl"))])
def test_the_sums_of_other_real_invoices_add_up(samples: Path, name: str) -> None:
    layers = {layer.name: layer.verdict for layer in _report(samples, name).layers}
    assert layers["arithmetic"] is Verdict.VALID
    assert layers["content"] is Verdict.NOT_JUDGED


def test_seals_and_pictures_are_sound_files_of_no_kind_that_is_judged(samples: Path) -> None:
    for path in sorted([*(samples / "seal").iterdir(), *(samples / "qr").iterdir()]):
        report = verify(path.read_bytes(), path.name)
        assert (report.kind, report.overall) == ("unknown", Verdict.NOT_JUDGED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_file_that_lost_its_second_half_is_invalid(samples: Path, name: str) -> None:
    data = (samples / name).read_bytes()
    assert verify(data[: len(data) // 2], name).overall is Verdict.INVALID
