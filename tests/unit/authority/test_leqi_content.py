"""Our invoice as the bureau takes it, and its tax-relevant content against the bureau's face of it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authority_invoices import MADE_AT, invoice, item, line
from kaipiao.authority.leqi import LeqiChannel, LeqiSettings
from kaipiao.authority.leqi.content import of_face, of_invoice
from kaipiao.authority.leqi.face import face
from kaipiao.authority.leqi.upload import element
from kaipiao.errors import Internal, SettingsFault
from kaipiao.invoice.model import Element, Invoice, Kind, Line, LineNature, Party, RedReference

SETTINGS = LeqiSettings("https://bureau.example/access/v2/invoke", "J1", "S1", "Y1", "ab" * 16)
REQUIRED = {
    "fphm", "lzfpbz", "ptbh", "fppz", "qyDm", "xsfnsrsbh", "xsfmc", "gmfmc", "hjje", "hjse", "jshj", "kpr", "ip",
    "macdz", "kprq", "fpkjfsDm",
}  # fmt: skip
REQUIRED_IN_LINES = {
    "mxxh", "xmmc", "hwhyslwfwmc", "spfwjc", "je", "slv", "se", "hsje", "sphfwssflhbbm", "fphxz",
}  # fmt: skip

money = st.decimals(Decimal("0.01"), Decimal("999999.99"), places=2, allow_nan=False)
lines = st.builds(
    lambda amount, rate, quantity, name: Line(
        name=f"*服务*{name}",
        amount=amount,
        tax_rate=Decimal(rate),
        tax=(amount * Decimal(rate)).quantize(Decimal("0.01")),
        tax_code="3040201000000000000",
        quantity=quantity,
        unit_price=None if quantity is None else Decimal("1.5"),
    ),
    money,
    st.sampled_from(["0.13", "0.060000", "0", "0.01"]),
    st.none() | st.decimals(1, 999, places=3),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10),
)


def sent(made: Invoice, **settings_changes: Any) -> dict[str, Any]:
    return dict(element(item(made), made, replace(SETTINGS, **settings_changes)))


def shown(made: Invoice) -> dict[str, Any]:
    """The face that a bureau would show of what we sent: other key names, numbers in another spelling."""
    fields = sent(made)
    return {
        "fphm": fields["fphm"],
        "sflzfp": "Y" if fields["lzfpbz"] == "0" else "N",
        "fppzDm": {"01": "81", "02": "82"}[fields["fppz"]],
        "xsfnsrsbh": fields["xsfnsrsbh"],
        "gmfnsrsbh": fields.get("gmfnsrsbh", ""),
        "gmfmc": fields["gmfmc"],
        "hjje": fields["hjje"],
        "hjse": fields["hjse"] + "00",
        "jshj": Decimal(fields["jshj"]),
        "hwxx": [
            {
                "xh": str(entry["mxxh"]),
                "xmmc": entry["hwhyslwfwmc"],
                "sphfwssflhbbm": entry["sphfwssflhbbm"],
                "fpjysl": entry.get("sl", ""),
                "fpjydj": entry.get("dj"),
                "je": entry["je"],
                "slv": entry["slv"],
                "se": entry["se"],
            }
            for entry in reversed(fields["fpmxList"])
        ],
    }


def test_every_required_field_is_there() -> None:
    fields = sent(invoice())
    assert fields.keys() >= REQUIRED
    assert all(entry.keys() >= REQUIRED_IN_LINES for entry in fields["fpmxList"])
    assert fields["kprq"] == "2026-11-24 11:00:00"
    assert (fields["fpkjfsDm"], fields["lzfpbz"], fields["fppz"], fields["ptbh"]) == ("5", "0", "02", "J1")
    assert "ownSeal" not in fields


@given(st.lists(lines, min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_full_name_is_always_short_name_and_item(some: list[Line]) -> None:
    for entry in sent(invoice(lines=tuple(some)))["fpmxList"]:
        assert entry["hwhyslwfwmc"] == f"*{entry['spfwjc']}*{entry['xmmc']}"


@given(st.lists(lines, min_size=1, max_size=5), st.booleans())
@settings(max_examples=60)
def test_the_face_of_what_we_sent_has_our_digest(some: list[Line], natural: bool) -> None:
    buyer = Party("王五", natural_person=True) if natural else Party("公司", "91110000000000000B")
    made = invoice(lines=tuple(some), buyer=buyer)
    seen = shown(made)
    assert of_face(seen) == of_invoice(made)
    if natural:
        assert of_face({**seen, "gmfmc": "王五（个人）"}) == of_invoice(made)


@pytest.mark.parametrize(
    "change",
    [
        {"fphm": "26117000000000000009"},
        {"sflzfp": "N"},
        {"fppzDm": "81"},
        {"xsfnsrsbh": "X"},
        {"gmfnsrsbh": ""},
        {"gmfmc": "别家"},
        {"hjje": "1000.01"},
        {"hjse": "0"},
        {"jshj": "1"},
    ],
)
def test_each_part_of_the_head_counts(change: dict[str, str]) -> None:
    made = invoice()
    assert of_face({**shown(made), **change}) != of_invoice(made)


@pytest.mark.parametrize("name", ["xmmc", "sphfwssflhbbm", "fpjysl", "fpjydj", "je", "slv", "se"])
def test_each_part_of_a_line_counts(name: str) -> None:
    made = invoice()
    seen = shown(made)
    seen["hwxx"][0][name] = "7"
    assert of_face(seen) not in (None, of_invoice(made))


def test_remark_drawer_and_time_do_not_count() -> None:
    made = invoice()
    assert of_invoice(replace(made, remark="x", drawer="y", requested_at="z")) == of_invoice(made)


def test_an_exempt_line_is_the_same_as_a_rate_or_as_words() -> None:
    exempt = replace(line(rate="0"), tax_rate=None, rate_text="免税", tax=None, tax_text="***", policy="03")
    made = invoice(lines=(exempt,))
    seen = shown(made)
    seen["hwxx"][0] |= {"slv": "免税", "se": "***"}
    assert of_face(seen) == of_invoice(made)


@pytest.mark.parametrize(
    "change",
    [{"hwxx": []}, {"hwxx": "x"}, {"hjje": "NaN"}, {"hwxx": [{"je": "1e9999"}]}, {"hwxx": [None, {}] * 2, "jshj": {}}],
)
def test_a_face_that_cannot_be_read_has_no_digest(change: dict[str, object]) -> None:
    assert of_face({**shown(invoice()), **change}) is None


def test_a_red_invoice_names_its_blue_one_and_its_confirmation() -> None:
    red = invoice(
        blue=False,
        kind=Kind.SPECIAL,
        red=RedReference("26117000000000000777", "11010826111000000001"),
        lines=(replace(line(amount="-10.00"), nature=LineNature.NORMAL),),
    )
    fields = sent(red)
    assert (fields["lzfpbz"], fields["fppz"]) == ("1", "01")
    assert (fields["dylzfphm"], fields["hzqrxxdbh"]) == ("26117000000000000777", "11010826111000000001")
    assert fields["hjje"] == "-10.00"


def test_our_seal_goes_with_the_key_that_made_it() -> None:
    fields = sent(invoice(), public_keys={"key-1": "04ff"})
    seal = fields["ownSeal"]
    assert (seal["alg"], seal["keyId"], seal["publicKey"], seal["value"]) == ("SM2-SM3", "key-1", "04ff", b"seal".hex())
    assert gzip.decompress(base64.b64decode(seal["xml"])) == b"<EInvoice/>"
    assert "ownSeal" not in sent(invoice(), public_keys={"another": "04ff"})


def test_extra_elements_and_payments_are_carried() -> None:
    extra = Element("Additional", None, (Element("Information", "合同号"), Element("InformationValue", "HT-1")))
    record = Element("TransactionRecord", None, (Element("PaymentChannel", "01"), Element("TransactionNumber", "42")))
    fields = sent(invoice(additional=(extra, Element("Transaction", None, (record,)))))
    assert fields["fjysList"] == [{"fjysmc": "合同号", "fjyslx": "string", "fjysz": "HT-1"}]
    assert fields["zfxxList"] == [{"zfqdDm": "01", "jydh": "42"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"special": (Element("Freight"),)},
        {"kind": None},
        {"blue": None},
        {"lines": (line("没有简称"),)},
        {"lines": (line("*简称*"),)},
    ],
)
def test_what_the_base_ability_cannot_carry_is_a_defect_of_admission(changes: dict[str, Any]) -> None:
    with pytest.raises(Internal):
        sent(invoice(**changes))


def zipped(*entries: tuple[str, bytes]) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return base64.b64encode(buffer.getvalue()).decode()


def test_the_face_is_the_json_in_the_zip() -> None:
    assert face(zipped(("1.json", json.dumps({"fphm": "1"}).encode()))) == {"fphm": "1"}


@pytest.mark.parametrize(
    "packed",
    [
        None,
        7,
        "",
        "***",
        "A" * 6_000_000,
        zipped(),
        zipped(("1.json", b"no json")),
        zipped(("1.json", b"[]")),
        zipped(("1.json", b"0" * 17_000_000)),
        zipped(*[(f"{n}.json", b"{}") for n in range(9)]),
        zipped(("1.json", b"{}"))[:-40],
    ],
)
def test_a_zip_that_is_broken_or_a_bomb_has_no_face(packed: object) -> None:
    assert face(packed) is None


@given(st.binary(max_size=200), st.integers(0, 200))
@settings(max_examples=80)
def test_a_zip_with_altered_bytes_never_raises(noise: bytes, at: int) -> None:
    raw = bytearray(base64.b64decode(zipped(("1.json", b'{"fphm":"1"}'))))
    raw[at % len(raw) : at % len(raw) + len(noise) % 5] = noise[:5]
    face(base64.b64encode(bytes(raw)).decode())


def test_a_serial_is_both_units_and_32_digits() -> None:
    channel = LeqiChannel(SETTINGS, None, digits=lambda count: "7" * count)  # type: ignore[arg-type]
    assert channel.serial() == "S1J1" + "7" * 32
    assert LeqiChannel(SETTINGS, None).serial() != LeqiChannel(SETTINGS, None).serial()  # type: ignore[arg-type]


def test_the_digest_of_an_item_is_the_digest_of_its_invoice() -> None:
    made = invoice()
    channel = LeqiChannel(SETTINGS, None)  # type: ignore[arg-type]
    assert channel.content_digest(item(made, MADE_AT)) == of_invoice(made)
    assert channel.name == "leqi"
    assert LeqiSettings(**BASE, limits={"settle": 5.0}).capabilities().settle == 5.0


BASE: dict[str, Any] = {
    "base_url": "https://b.example/",
    "jrdwptbh": "J",
    "sydwptbh": "S",
    "ylbm": "Y",
    "sm4_key_hex": "ab" * 16,
}


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://b.example/"},
        {"sm4_key_hex": "ab" * 15},
        {"sm4_key_hex": "zz" * 16},
        {"jrdwptbh": "J\r\nX: 1"},
        {"ylbm": "用例"},
        {"limits": {"setle": 1.0}},
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsFault):
        LeqiSettings(**{**BASE, **change})


def test_the_key_is_not_shown() -> None:
    assert "abab" not in repr(SETTINGS)
