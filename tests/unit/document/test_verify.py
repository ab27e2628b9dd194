"""What a verification says of sound, wrong, foreign and hostile files. It never raises."""

from __future__ import annotations

import io
import json
import random
import struct
import time
import tracemalloc
import zipfile
import zlib

import pytest
from document_examples import FILE, NUMBER

from kaipiao.document.verify import Layer, Report, Verdict, report_json, verify
from kaipiao.seal.port import Seal


def _verify(text: str, name: str = "a.xml") -> Report:
    return verify(text.encode(), name)


def _layer(report: Report, name: str) -> Layer:
    return next(layer for layer in report.layers if layer.name == name)


def _verdicts(report: Report) -> dict[str, Verdict]:
    return {layer.name: layer.verdict for layer in report.layers}


def test_a_sound_invoice_is_valid_in_every_layer_but_the_signature() -> None:
    report = _verify(FILE)
    assert (report.kind, report.number, report.file) == ("einvoice", NUMBER, "a.xml")
    assert list(_verdicts(report)) == [
        "syntax",
        "structure",
        "arithmetic",
        "words",
        "consistency",
        "rules",
        "signature",
    ]
    assert {name for name, verdict in _verdicts(report).items() if verdict is not Verdict.VALID} == {"signature"}
    assert not any(layer.warnings for layer in report.layers)
    assert report.overall is Verdict.NOT_JUDGED
    assert report.fields["total"] == "106.00"
    assert report.fields["blue"] is True


@pytest.mark.parametrize(
    ("before", "after", "layer"),
    [
        ("<Amount>100.00<", "<Amount>200.00<", "arithmetic"),
        ("<TotalTax-includedAmount>106.00<", "<TotalTax-includedAmount>107.00<", "arithmetic"),
        ("<ComTaxAm>6.00<", "<ComTaxAm>9.00<", "arithmetic"),
        ("<TotalTaxAm>6.00<", "<TotalTaxAm>60.00<", "arithmetic"),
        ("壹佰零陆圆整", "贰佰零陆圆整", "words"),
        (f"<InvoiceNumber>{NUMBER}", "<InvoiceNumber>26117000000000000002", "consistency"),
        (f"<EIid>{NUMBER}", "<EIid>2611700000000000000", "consistency"),
        ("SWEI1100", "SWEI3200", "consistency"),
        ("11100000000", "13200000000", "consistency"),
        ("<LabelCode>Y<", "<LabelCode>N<", "rules"),
        ("<Drawer>张三</Drawer>", "", "structure"),
        ("<TaxRate>0.06</TaxRate>", "", "structure"),
        ("<SellerIdNum>91110000600037341L</SellerIdNum>", "", "structure"),
        ("<TotalAmWithoutTax>100.00</TotalAmWithoutTax>", "", "structure"),
        ("<TotalAmWithoutTax>100.00<", "<TotalAmWithoutTax>abc<", "structure"),
    ],
)
def test_each_kind_of_contradiction_is_found_by_its_layer(before: str, after: str, layer: str) -> None:
    report = _verify(FILE.replace(before, after))
    assert report.kind == "einvoice"
    assert _layer(report, layer).verdict is Verdict.INVALID
    assert _layer(report, layer).reason.zh != _layer(report, layer).reason.en
    assert report.overall is Verdict.INVALID


@pytest.mark.parametrize(
    ("before", "after", "layer"),
    [
        ("91110000600037341L", "911100006000373410", "rules"),
        ("91330106MA7GAL1299", "123", "rules"),
        ("SWEI1100", "XXXXXXXX", "consistency"),
        ("11100000000", "0123", "consistency"),
        ("<IssueTime>2026-11-24<", "<IssueTime>2025-11-24<", "consistency"),
        ("<IssueTime>2026-11-24<", "<IssueTime>2026/11/24<", "structure"),
        ("<Drawer>张三<", "<Drawer><", "structure"),
        ("</EInvoice>", "<ptbh/></EInvoice>", "structure"),
    ],
)
def test_what_is_unusual_on_a_received_file_is_a_warning(before: str, after: str, layer: str) -> None:
    report = _verify(FILE.replace(before, after))
    assert _layer(report, layer).warnings
    assert _layer(report, layer).verdict is Verdict.VALID
    assert report.overall is Verdict.NOT_JUDGED


def test_the_region_of_a_city_with_its_own_plan_is_known() -> None:
    text = FILE.replace(NUMBER, "26957000000000000001").replace("SWEI1100", "SWEI4403")
    assert _layer(_verify(text.replace("11100000000", "14403000000")), "consistency").verdict is Verdict.VALID
    assert _layer(_verify(text), "consistency").verdict is Verdict.INVALID


def test_the_bureaus_signature_is_not_judged_and_the_reason_is_said() -> None:
    signed = FILE.replace(
        "</EInvoice>", "<TaxBureauSignature><SignatureValue>00</SignatureValue></TaxBureauSignature></EInvoice>"
    )
    there, absent = _layer(_verify(signed), "signature"), _layer(_verify(FILE), "signature")
    assert there.verdict is absent.verdict is Verdict.NOT_JUDGED
    assert "canonicalised" in there.reason.en
    assert "no signature" in absent.reason.en


def test_missing_mandatory_elements_are_listed() -> None:
    start, end = FILE.index("<TaxSupervisionInfo>"), FILE.index("</TaxSupervisionInfo>") + 21
    reason = _layer(_verify(FILE[:start] + FILE[end:]), "structure").reason
    for name in ("InvoiceNumber", "IssueTime", "TaxBureauCode", "TaxBureauName"):
        assert f"TaxSupervisionInfo/{name}" in reason.zh


class _Keys:
    """A sealer that holds one seal for good."""

    def seal(self, data: bytes) -> Seal:
        return Seal("k", "SM2-SM3", data[:4])

    def verify(self, data: bytes, seal: Seal) -> bool:
        return seal.value == data[:4]


@pytest.mark.parametrize(
    ("value", "sealer", "verdict"),
    [(b"<?xm", _Keys(), Verdict.VALID), (b"fake", _Keys(), Verdict.INVALID), (b"<?xm", None, Verdict.NOT_JUDGED)],
)
def test_our_own_seal_is_a_layer_when_it_is_given(value: bytes, sealer: _Keys | None, verdict: Verdict) -> None:
    report = verify(FILE.encode(), "a.xml", seal=Seal("k", "SM2-SM3", value), sealer=sealer)
    assert report.layers[-1].name == "seal"
    assert report.layers[-1].verdict is verdict
    assert report.overall is (Verdict.INVALID if verdict is Verdict.INVALID else Verdict.NOT_JUDGED)


FP = (
    '<eInvoice xmlns:fp="http://www.edrm.org.cn/schema/e-invoice/2019" Version="1.0"><fp:InvoiceCode>1</fp:InvoiceCode>'
    "<fp:InvoiceNo>12345678</fp:InvoiceNo><fp:TaxInclusiveTotalAmount>106.00</fp:TaxInclusiveTotalAmount>"
    "<fp:TaxTotalAmount>6.00</fp:TaxTotalAmount><fp:TaxExclusiveTotalAmount>100.00</fp:TaxExclusiveTotalAmount>"
    "<fp:GoodsInfos><fp:GoodsInfo><fp:Amount>100.00</fp:Amount><fp:TaxAmount>6.00</fp:TaxAmount></fp:GoodsInfo></fp:GoodsInfos>"
    "</eInvoice>"
)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("", "", Verdict.VALID),
        ("106.00", "107.00", Verdict.INVALID),
        ("<fp:Amount>100.00", "<fp:Amount>99.00", Verdict.INVALID),
        ("<fp:TaxAmount>6.00", "<fp:TaxAmount>9.00", Verdict.INVALID),
        ("<fp:TaxTotalAmount>6.00</fp:TaxTotalAmount>", "", Verdict.NOT_JUDGED),
        ("<fp:Amount>100.00", "<fp:Amount>many", Verdict.NOT_JUDGED),
    ],
)
def test_the_sums_of_an_invoice_of_2019_are_judged_the_rest_is_not(before: str, after: str, verdict: Verdict) -> None:
    report = _verify(FP.replace(before, after) if before else FP)
    assert (report.kind, report.number, report.fields["code"]) == ("fp_einvoice_2019", "12345678", "1")
    assert _verdicts(report) == {"syntax": Verdict.VALID, "arithmetic": verdict, "content": Verdict.NOT_JUDGED}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<root/>", "xml"),
        ('<EInvoice xmlns="http://www.ofdspec.org/2016"/>', "ofd_custom_tag"),
        ('<o:root xmlns:o="http://www.ofdspec.org/2016"/>', "ofd_custom_tag"),
        ('<o:Signature xmlns:o="http://www.ofdspec.org/2016"/>', "ofd_signature"),
        ('<o:Document xmlns:o="http://www.ofdspec.org/2016"/>', "xml"),
        ('<xbrl xmlns="http://www.xbrl.org/2003/instance"/>', "xml"),
        (
            '<xbrl xmlns="http://www.xbrl.org/2003/instance"><a xmlns="http://xbrl.mof.gov.cn/taxonomy/2030-01-01/inv"/></xbrl>',
            "xbrl_inv",
        ),
        (
            '<xbrl xmlns="http://www.xbrl.org/2003/instance"><a xmlns="http://xbrl.mof.gov.cn/taxonomy/2023-12-31/rai"/></xbrl>',
            "xml",
        ),
    ],
)
def test_sound_xml_that_is_no_invoice_is_not_invalid(text: str, kind: str) -> None:
    report = _verify(text)
    assert report.kind == kind
    assert report.overall is Verdict.NOT_JUDGED


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


OFD = (
    '<ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016"><ofd:DocBody><ofd:DocInfo><ofd:CustomDatas>'
    f'<ofd:CustomData Name="发票号码">{NUMBER}</ofd:CustomData><ofd:CustomData Name="价税合计">106.00</ofd:CustomData>'
    '<ofd:CustomData Name="x">y</ofd:CustomData></ofd:CustomDatas></ofd:DocInfo></ofd:DocBody></ofd:OFD>'
).encode()


def test_an_ofd_is_known_and_says_its_number() -> None:
    report = verify(_zip({"OFD.xml": OFD}), "a.ofd")
    assert (report.kind, report.number, report.overall) == ("ofd", NUMBER, Verdict.NOT_JUDGED)
    assert report.fields == {"number": NUMBER, "total": "106.00"}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (_zip({"a.txt": b"x"}), "a.zip"),
        (_zip({}), "a.zip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a.png"),
        ("只是文字\n".encode(), "readme.txt"),
        (b"\x30\x03\x02\x01\x05", "seal.esl"),
    ],
)
def test_other_sound_files_are_unknown_and_not_invalid(data: bytes, name: str) -> None:
    report = verify(data, name)
    assert (report.kind, report.overall) == ("unknown", Verdict.NOT_JUDGED)


def test_a_pdf_is_known_by_its_head_and_must_have_its_end() -> None:
    assert verify(b"%PDF-1.7\n...\n%%EOF\n", "a.pdf").overall is Verdict.NOT_JUDGED
    assert verify(b"%PDF-1.7\n...", "a.pdf").overall is Verdict.INVALID
    assert verify(b"%PDF-1.7\n...\n%%EOF\n", "a.pdf").kind == "pdf"


def _with_wrong_checksum() -> bytes:
    data = bytearray(_zip({"OFD.xml": OFD}, zipfile.ZIP_STORED))
    data[data.index(b"106.00")] ^= 1
    return bytes(data)


def _with_huge_directory() -> bytes:
    return b"PK\x03\x04" + b"\0" * 100 + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 65535, 65535, 3_000_000, 104, 0)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "a.xml"),
        (b"", ""),
        (b"\x00" * 1000, "a"),
        (bytes(range(256)) * 10, "a.bin"),
        (b"not an invoice", "a.xml"),
        (b"not an invoice", "a.OFD"),
        (b"not an invoice", "a.pdf"),
        (b"<EInvoice>", "a.xml"),
        (FILE.encode()[:700], "a.xml"),
        (FILE.encode("gbk"), "a.xml"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><EInvoice>&a;</EInvoice>', "a.xml"),
        (b"<a>" * 100_000, "a.xml"),
        (b"<a>" + b" " * 20_000_000 + b"</a>", "a.xml"),
        (b"PK\x03\x04", "a.ofd"),
        (_zip({"OFD.xml": OFD})[:-30], "a.ofd"),
        (_zip({"OFD.xml": OFD})[:200] + b"\0" * 500 + _zip({"OFD.xml": OFD})[200:], "a.ofd"),
        (_zip({"OFD.xml": b"<broken"}), "a.ofd"),
        (_zip({"OFD.xml": b"<a>" + b" " * 50_000_000 + b"</a>"}), "bomb.ofd"),
        (_zip({"OFD.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "a.ofd"),
        (_zip({"OFD.xml": OFD}, zipfile.ZIP_LZMA), "a.ofd"),
        (_with_wrong_checksum(), "a.ofd"),
        (_with_huge_directory(), "a.ofd"),
    ],
)
def test_unreadable_and_hostile_bytes_are_invalid_with_a_reason(data: bytes, name: str) -> None:
    begin = time.perf_counter()
    report = verify(data, name)
    assert (report.kind, report.number, report.overall) == ("unknown", None, Verdict.INVALID)
    assert report.layers[0].reason.zh
    assert report.layers[0].reason.en
    assert time.perf_counter() - begin < 3


def test_an_encrypted_package_is_unreadable() -> None:
    data = bytearray(_zip({"OFD.xml": OFD}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert verify(bytes(data), "a.ofd").overall is Verdict.INVALID


def _verified_with_peak(data: bytes) -> tuple[Report, int]:
    """The report, and the most memory in bytes that making it took."""
    tracemalloc.start()
    try:
        return verify(data, "a.ofd"), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_giant_entry_beside_the_small_one_is_never_unpacked() -> None:
    report, peak = _verified_with_peak(_zip({"Doc_0/Res/bomb": b"\0" * 60_000_000, "OFD.xml": OFD}))
    assert report.kind == "ofd"
    assert peak < 10_000_000


def test_a_bomb_in_the_place_of_the_small_one_is_unpacked_up_to_the_limit_only() -> None:
    report, peak = _verified_with_peak(_zip({"OFD.xml": b"<a>" + b" " * 50_000_000 + b"</a>"}))
    assert report.overall is Verdict.INVALID
    assert peak < 10_000_000


def test_a_sound_package_with_an_absurd_directory_is_refused_unread() -> None:
    data = _zip({"OFD.xml": OFD} | {f"{count:060000d}": b"" for count in range(40)})
    report = verify(data, "a.ofd")
    assert report.overall is Verdict.INVALID
    assert "directory" in report.layers[0].reason.en


def test_damaged_bytes_at_random_never_raise() -> None:
    chance = random.Random(20261124)
    for good, name in ((FILE.encode(), "a.xml"), (_zip({"OFD.xml": OFD}), "a.ofd"), (FP.encode(), "b.xml")):
        for _ in range(300):
            data = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            report = verify(bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data), name)
            assert report.overall in set(Verdict)
            json.loads(report_json(report, "zh"))


def test_a_long_invoice_is_judged_within_seconds() -> None:
    start, end = (
        FILE.index("<IssuItemInformation>"),
        FILE.index("</IssuItemInformation>") + len("</IssuItemInformation>"),
    )
    text = FILE[:start] + FILE[start:end] * 5000 + FILE[end:]
    begin = time.perf_counter()
    report = _verify(text)
    assert report.fields["lines"] == 5000
    assert _layer(report, "arithmetic").verdict is Verdict.INVALID
    assert time.perf_counter() - begin < 10


def test_thousands_of_findings_are_told_by_the_first_and_a_count() -> None:
    start, end = (
        FILE.index("<IssuItemInformation>"),
        FILE.index("</IssuItemInformation>") + len("</IssuItemInformation>"),
    )
    wrong = FILE[start:end].replace("3040203000000000000", "0")
    report = _verify(FILE[:start] + wrong * 500 + FILE[end:])
    assert len(_layer(report, "rules").warnings) == 21
    assert len(report_json(report, "zh")) < 20_000


def test_a_megabyte_in_the_place_of_a_number_is_not_printed() -> None:
    report = _verify(FILE.replace(f"<EIid>{NUMBER}", "<EIid>" + "9" * 900_000))
    assert report.overall is Verdict.INVALID
    assert len(report_json(report, "en")) < 20_000


def test_the_json_form_has_the_promised_keys_on_one_line() -> None:
    line = report_json(_verify(FILE), "en")
    assert "\n" not in line
    document = json.loads(line)
    assert set(document) == {"file", "kind", "number", "fields", "layers", "overall"}
    assert all(set(layer) == {"name", "verdict", "reason", "warnings"} for layer in document["layers"])
    assert document["overall"] == "not_judged"
    assert document["layers"][0]["reason"] == "The XML can be read."
    assert json.loads(report_json(_verify("<a/>"), "zh"))["number"] is None


def test_a_checksum_of_a_package_is_really_checked() -> None:
    data = _zip({"OFD.xml": OFD}, zipfile.ZIP_STORED)
    assert struct.pack("<I", zlib.crc32(OFD)) in data
    assert verify(data, "a.ofd").kind == "ofd"
    assert verify(_with_wrong_checksum(), "a.ofd").kind == "unknown"
