"""The body of a request: exact numbers, known fields, named refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.errors import FieldsRefused, InputRefused, KaipiaoError, Malformed, OrderKeyMissing, TooLarge
from kaipiao.intake.requests import InvoiceRequest, parse_request, request_json
from kaipiao.invoice.model import Draft, DraftLine, Element, Kind, LineNature, Party
from kaipiao.invoice.tables import tables

LINE: dict[str, Any] = {"name": "*信息技术服务*软件维护", "tax_code": "3040203000000000000", "tax_rate": "0.06"}
BODY: dict[str, Any] = {
    "order": "A-1",
    "seller": "91110000600037341L",
    "kind": "general",
    "buyer": {"name": "示例乙有限公司", "tax_number": "91330106MA7GAL1299"},
    "lines": [{**LINE, "amount": "100.00"}],
}
SECRET = "秘密内容"


def _raw(**changes: object) -> bytes:
    return json.dumps({**BODY, **changes}, ensure_ascii=False).encode()


def _with_line(text: str) -> bytes:
    """The body with one field of the line as raw JSON text."""
    return _raw().replace(b'"amount": "100.00"', text.encode())


def _wrong_paths(raw: bytes) -> list[str]:
    with pytest.raises(FieldsRefused) as caught:
        parse_request(raw)
    return [field["path"] for field in caught.value.facts["fields"]]  # type: ignore[attr-defined]


def test_a_whole_body_becomes_a_draft() -> None:
    raw = _raw(
        kind="special",
        buyer={
            "name": "示例乙有限公司",
            "tax_number": "91330106MA7GAL1299",
            "address": "示例路2号",
            "telephone": "010",
            "bank": "示例银行",
            "account": "1",
            "handler": "李四",
            "natural_person": False,
        },
        lines=[
            {
                **LINE,
                "short_name": "信息技术服务",
                "quantity": "2",
                "unit_price": "50",
                "amount": "100.00",
                "tax": "6.00",
                "unit": "次",
                "specification": "甲型",
                "discount": "1.00",
                "nature": "02",
                "policy": "01",
            }
        ],
        tax_included=True,
        remark="第一行\n第二行",
        drawer="张三",
        expected_total="106.00",
        special=[
            {"name": "Toll", "children": [{"name": "PlateNumber", "text": "京A00000"}], "attributes": {"id": "1"}}
        ],
    )
    plate = Element("PlateNumber", "京A00000")
    assert parse_request(raw) == Draft(
        order="A-1",
        seller_tax_number="91110000600037341L",
        kind=Kind.SPECIAL,
        buyer=Party("示例乙有限公司", "91330106MA7GAL1299", "示例路2号", "010", "示例银行", "1", "李四"),
        lines=(
            DraftLine(
                name=LINE["name"],
                tax_code=LINE["tax_code"],
                tax_rate=Decimal("0.06"),
                amount=Decimal("100.00"),
                tax=Decimal("6.00"),
                quantity=Decimal(2),
                unit_price=Decimal(50),
                unit="次",
                specification="甲型",
                short_name="信息技术服务",
                discount=Decimal("1.00"),
                nature=LineNature.DISCOUNTED,
                policy="01",
            ),
        ),
        tax_included=True,
        remark="第一行\n第二行",
        drawer="张三",
        special=(Element("Toll", None, (plate,), (("id", "1"),)),),
        expected_total=Decimal("106.00"),
    )


@pytest.mark.parametrize("digits", ["100.00", "0.10", "0", "-0.96", "1234567890123456.12", "0.1234567890123", "5"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_a_number_is_taken_exactly_as_it_is_written(digits: str, quote: str) -> None:
    draft = parse_request(_with_line(f'"amount": {quote}{digits}{quote}'))
    assert str(draft.lines[0].amount) == digits


@pytest.mark.parametrize(
    ("digits", "taken"), [("1E2", "100"), ("-2.55e-11", "-0.0000000000255"), ("1.50e1", "15.0"), ("0e5", "0")]
)
def test_the_exponent_of_a_json_number_is_carried_out(digits: str, taken: str) -> None:
    quantity = parse_request(_with_line(f'"quantity": {digits}')).lines[0].quantity
    assert quantity is not None
    assert format(quantity, "f") == taken


@pytest.mark.parametrize(
    "digits",
    [
        "1e400",
        "1e-14",
        "1e16",
        "1e999999999",
        "-0e5",
        "-0",
        "-0.00",
        "0.30000000000000004",
        "12345678901234567",
        '"1e2"',
        '"NaN"',
        '"Infinity"',
        '"-0.0"',
        '" 1"',
        '"1_0"',
        '"１"',
        '"+1"',
        '"01"',
        '".5"',
        '"5."',
        '""',
        '"1,000"',
        '"0x1F"',
        "true",
        "[1]",
        "{}",
        '"6%"',
        "1" * 50,
    ],
)
def test_a_number_in_any_other_form_is_refused_with_its_path(digits: str) -> None:
    assert _wrong_paths(_with_line(f'"amount": {digits}')) == ["lines[0].amount"]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_json(constant: str) -> None:
    with pytest.raises(Malformed):
        parse_request(_with_line(f'"amount": {constant}'))


def test_absurdly_long_numbers_cost_nothing() -> None:
    for digits in ("9" * 100_000, "0." + "1" * 100_000, "1e" + "9" * 100_000):
        with pytest.raises(Malformed):
            parse_request(_with_line(f'"amount": {digits}'))
    with pytest.raises(FieldsRefused):
        parse_request(_with_line('"amount": 1e999999999'))


@pytest.mark.parametrize("order", [" ", " A-1", "A-1 ", "\u3000A-1", "A-1\u00a0", "\tA-1", "A-1\n"])
def test_an_order_key_with_a_space_at_its_edge_is_refused_as_it_looks_like_another(order: str) -> None:
    assert _wrong_paths(_raw(order=order)) == ["order"]


def test_an_order_key_may_be_of_any_script_with_spaces_inside() -> None:
    for order in ("A", "订单 1 号", "🎉", "Заказ-7", "A  B"):
        assert parse_request(_raw(order=order)).order == order


def test_the_published_schema_allows_as_many_lines_as_the_limits_do() -> None:
    lines = InvoiceRequest.model_json_schema()["properties"]["lines"]
    assert lines["maxItems"] == tables().limits.counts.lines
    assert lines["minItems"] == 1


@pytest.mark.parametrize("order", [None, "", ...])
def test_without_an_order_key_nothing_else_is_looked_at(order: object) -> None:
    body = {name: value for name, value in BODY.items() if name != "order"}
    raw = json.dumps(body if order is ... else {**body, "order": order, "nonsense": 1}).encode()
    with pytest.raises(OrderKeyMissing) as caught:
        parse_request(raw)
    assert caught.value.code == "KP-INPUT-03"


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"remrak": "x"}, ["remrak"]),
        ({"buyer": {"name": "甲", "taxnumber": "1"}}, ["buyer.taxnumber"]),
        ({"buyer": {}}, ["buyer.name"]),
        ({"buyer": "甲"}, ["buyer"]),
        ({"buyer": {"name": 5}}, ["buyer.name"]),
        ({"buyer": {"name": ""}}, ["buyer.name"]),
        ({"buyer": {"name": "甲", "natural_person": 1}}, ["buyer.natural_person"]),
        ({"order": 5}, ["order"]),
        ({"order": "x" * 129}, ["order"]),
        ({"kind": "red"}, ["kind"]),
        ({"kind": None}, ["kind"]),
        ({"lines": {}}, ["lines"]),
        ({"lines": []}, ["lines"]),
        ({"lines": [5]}, ["lines[0]"]),
        ({"lines": [LINE, {**LINE, "nature": "03"}]}, ["lines[1].nature"]),
        ({"tax_included": "true"}, ["tax_included"]),
        ({"remark": "x" * 2001}, ["remark"]),
        ({"special": [{"name": ""}]}, ["special[0].name"]),
        ({"special": [{"name": "a><b"}]}, ["special[0].name"]),
        ({"special": [{"name": "RedEInvoice"}]}, ["special[0].name"]),
        ({"special": [{"name": "Toll", "children": [{"name": "1"}]}]}, ["special[0].children[0].name"]),
        ({"special": [{"name": "Toll", "attributes": {"xmlns": "x"}}]}, ["special[0].attributes.xmlns"]),
        ({"seller": None, "drawer": 1, "x": 1}, ["seller", "drawer", "x"]),
    ],
)
def test_wrong_fields_are_named_by_their_path(changes: dict[str, object], paths: list[str]) -> None:
    assert _wrong_paths(_raw(**changes)) == paths


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u200b", "\u202e", "\ufeff", "\uffff", "\ud800"]
)
def test_characters_that_cannot_be_seen_are_refused(hidden: str) -> None:
    raw = json.dumps({**BODY, "remark": f"甲{hidden}乙", "order": f"A{hidden}"}).encode()
    assert _wrong_paths(raw) == ["order", "remark"]


@pytest.mark.parametrize("field", ["order", "seller", "kind", "remark", "drawer", "expected_total", "tax_included"])
def test_no_refusal_quotes_a_value(field: str) -> None:
    raw = _raw(**{field: {"x": SECRET}})
    with pytest.raises(InputRefused) as caught:
        parse_request(raw)
    error = caught.value
    assert SECRET not in f"{error}{error.detail}{error.facts}"
    assert error.__cause__ is None


def test_a_name_of_an_unknown_field_is_cut_and_cleaned() -> None:
    (path,) = _wrong_paths(_raw(**{"\x1b\n" + "x" * 5000: 1}))
    assert path == "??" + "x" * 38


def test_a_body_cut_off_anywhere_is_malformed_with_its_place() -> None:
    raw = _raw()
    for length in range(len(raw) - 1):
        with pytest.raises(Malformed):
            parse_request(raw[:length])
    with pytest.raises(Malformed) as caught:
        parse_request(b'{"order": "A-1",\n"lines": [}')
    assert (caught.value.facts["line"], caught.value.facts["column"]) == (2, 11)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"5",
        b"{}x",
        b"\xff\xfe",
        _raw().decode().encode("gbk"),
        _raw().decode().encode("utf-16"),
    ],
)
def test_what_is_no_json_object_in_utf8_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse_request(raw)
    assert caught.value.code == "KP-INPUT-01"


def test_a_field_that_stands_twice_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse_request(_raw().replace(b'"kind"', b'"order": "A-2", "kind"'))


def test_5000_lines_are_read_and_5001_are_too_many() -> None:
    assert len(parse_request(_raw(lines=[LINE] * 5000)).lines) == 5000
    with pytest.raises(FieldsRefused) as caught:
        parse_request(_raw(lines=[{}] * 5001))
    assert caught.value.facts["limit"] == 5000
    assert [field["path"] for field in caught.value.facts["fields"]] == ["lines"]  # type: ignore[attr-defined]


def test_size_and_nesting_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse_request(b" " * 8_000_001)
    with pytest.raises(TooLarge):
        parse_request(b"[" * 100_000)
    deep: dict[str, object] = {"name": "x"}
    for _ in range(25):
        deep = {"name": "x", "children": [deep]}
    with pytest.raises(TooLarge):
        parse_request(_raw(special=[deep]))
    for _ in range(400):
        deep = {"name": "x", "children": [deep]}
    with pytest.raises(KaipiaoError):
        parse_request(_raw(special=[deep]))


def test_a_thousand_wrong_fields_are_told_by_the_first_fifty() -> None:
    paths = _wrong_paths(_raw(lines=[{}] * 1000))
    assert len(paths) == 50


_texts = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=8)
_some = st.none() | _texts | st.just("")
_digits = st.decimals(-(10**15), 10**15, places=2).filter(lambda number: number != 0)
_lines = st.builds(
    DraftLine,
    name=_texts,
    tax_code=_texts,
    tax_rate=st.sampled_from([Decimal("0.13"), Decimal("0.060000"), Decimal(0)]),
    amount=st.none() | _digits,
    tax=st.none() | _digits,
    quantity=st.none() | _digits,
    unit_price=st.none() | _digits,
    unit=_some,
    specification=_some,
    short_name=_some,
    discount=st.none() | _digits,
    nature=st.sampled_from(LineNature),
    policy=_some,
)
_drafts = st.builds(
    Draft,
    order=_texts.map(str.strip).filter(bool),
    seller_tax_number=_texts,
    kind=st.sampled_from(Kind),
    buyer=st.builds(Party, name=_texts, tax_number=_some, address=_some, handler=_some, natural_person=st.booleans()),
    lines=st.lists(_lines, min_size=1, max_size=3).map(tuple),
    tax_included=st.booleans(),
    remark=_some,
    drawer=_some,
    special=st.just(()) | st.just((Element("Toll", None, (Element("A", "b"),), (("c", "d"),)),)),
    expected_total=st.none() | _digits,
)


@settings(max_examples=150, deadline=None)
@given(_drafts)
def test_a_draft_survives_the_way_through_its_body(draft: Draft) -> None:
    again = parse_request(request_json(draft))
    assert again == draft
    assert request_json(again) == request_json(draft)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_raise_anything_but_a_named_refusal(raw: bytes) -> None:
    with pytest.raises(InputRefused):
        parse_request(raw)


def test_the_body_is_sent_as_plain_utf8_without_escapes() -> None:
    draft = parse_request(_raw())
    assert "示例乙有限公司" in request_json(draft).decode()
    assert b"\\u" not in request_json(replace(draft, remark="开票"))


def test_the_schema_for_the_api_names_every_field_and_allows_no_other() -> None:
    schema = InvoiceRequest.model_json_schema()
    assert schema["required"] == ["order", "seller", "kind", "buyer", "lines"]
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]) == {"BuyerBody", "LineBody", "ElementBody"}
    assert json.dumps(schema).isascii()
