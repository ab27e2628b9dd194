"""Files of requests: one wrong item harms no other, and each refusal names its place."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kaipiao.errors import FieldsRefused, Malformed, OrderKeyMissing, RulesBroken, TooLarge
from kaipiao.intake import files
from kaipiao.intake.files import Refusal, Request, read_requests

NUMBER = "26117000000000000001"


def _body(order: str) -> str:
    line = {"name": "*信息技术服务*软件维护", "tax_code": "3040203000000000000", "tax_rate": "0.06", "amount": 100.00}
    body = {
        "order": order,
        "seller": "91110000600037341L",
        "kind": "general",
        "buyer": {"name": "示例乙有限公司"},
        "lines": [line],
    }
    return json.dumps(body, ensure_ascii=False)


def _read(text: str | bytes, name: str = "in.json") -> list[Request | Refusal]:
    data = text.encode() if isinstance(text, str) else text
    return list(read_requests(io.BytesIO(data), name))


def _orders(found: list[Request | Refusal]) -> list[str | tuple[int, type]]:
    return [one.draft.order if isinstance(one, Request) else (one.position, type(one.error)) for one in found]


def test_one_object_on_one_line_or_on_many() -> None:
    assert _orders(_read(_body("A"))) == ["A"]
    assert _orders(_read(json.dumps(json.loads(_body("A")), indent=2))) == ["A"]
    assert _orders(_read(b"\xef\xbb\xbf\n\n  " + _body("A").encode() + b"\n\n")) == ["A"]


def test_an_array_in_any_layout() -> None:
    for separator in (",", " ,\n", ",\r\n\t"):
        assert _orders(_read("[" + separator.join(map(_body, "ABC")) + "]")) == ["A", "B", "C"]
    assert _read("[ ]") == []


def test_lines_with_blank_ones_between() -> None:
    found = _read("\n".join([_body("A"), "", _body("B"), ""]), "in.ndjson")
    assert _orders(found) == ["A", "B"]
    assert [one.position for one in found] == [1, 3]


@pytest.mark.parametrize("name", ["in.ndjson", "in.jsonl", "in.json", "-"])
def test_one_bad_line_harms_no_other(name: str) -> None:
    found = _read("\n".join([_body("A"), '{"order": "B", ', _body("C"), "nonsense", "{}", _body("D")]), name)
    assert _orders(found) == ["A", (2, Malformed), "C", (4, Malformed), (5, OrderKeyMissing), "D"]


def test_a_first_line_that_is_cut_off_is_seen_as_a_line() -> None:
    assert _orders(_read(_body("A")[:50] + "\n" + _body("B"))) == [(1, Malformed), "B"]


def test_a_wrong_item_of_an_array_harms_no_other() -> None:
    found = _read(f'[{_body("A")}, {{"order": "B"}}, 5, {_body("D")}]')
    assert _orders(found) == ["A", (2, FieldsRefused), (3, Malformed), "D"]


@pytest.mark.parametrize("end", ["", ",", "]]", "] x", ", }", f", {_body('C')[:30]}", ', {"a": ' + "9" * 5000])
def test_an_array_that_breaks_off_keeps_what_came_before(end: str) -> None:
    found = _read(f"[{_body('A')}, {_body('B')}{end}")
    assert _orders(found) == ["A", "B", (3, Malformed)]


def test_a_file_without_anything_is_refused_as_such() -> None:
    assert _orders(_read("")) == [(1, Malformed)]
    assert _orders(_read(" \n\n ")) == [(1, Malformed)]


@pytest.mark.parametrize("data", [b"\xff\x00", b"hello", b"\x00" * 100, _body("A").encode("gbk"), b"[" * 100_000])
def test_what_is_nothing_of_this_is_one_refusal(data: bytes) -> None:
    (refusal,) = _read(data)
    assert isinstance(refusal, Refusal)
    assert refusal.file == "in.json"


def test_a_line_over_the_limit_is_one_refusal_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_BODY", 1000)
    monkeypatch.setattr("kaipiao.intake.requests.LARGEST_BODY", 1000)
    long = _body("x" * 5000)
    assert _orders(_read("\n".join([long, _body("B"), long, _body("D")]), "a.ndjson")) == [
        (1, TooLarge),
        "B",
        (3, TooLarge),
        "D",
    ]


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_FILE", 100)
    assert _orders(_read(f"[{_body('A')}]")) == [(1, TooLarge)]


def test_lines_are_read_one_at_a_time() -> None:
    class Endless(io.RawIOBase):
        """A stream that never ends: only a reader that streams gets anything out of it."""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            line = _body("A").encode() + b"\n"
            view = memoryview(buffer)  # type: ignore[arg-type]
            count = min(len(view), len(line))
            view[:count] = line[:count]
            return count

    found = read_requests(io.BufferedReader(Endless(), 1_000_000), "endless")
    first = next(found)
    assert isinstance(first, Request)
    assert first.draft.order == "A"


def _xml(number: str = NUMBER, blue: str = "Y") -> str:
    return (
        f"<EInvoice><Header><EIid>{number}</EIid><InherentLabel><InIssuType><LabelCode>{blue}</LabelCode></InIssuType>"
        "<GeneralOrSpecialVAT><LabelCode>02</LabelCode></GeneralOrSpecialVAT></InherentLabel></Header><EInvoiceData>"
        "<SellerInformation><SellerIdNum>91110000600037341L</SellerIdNum></SellerInformation>"
        "<BuyerInformation><BuyerName>示例乙有限公司</BuyerName></BuyerInformation><BasicInformation>"
        "<TotalAmWithoutTax>100.00</TotalAmWithoutTax><TotalTaxAm>6.00</TotalTaxAm>"
        "<TotalTax-includedAmount>106.00</TotalTax-includedAmount></BasicInformation><IssuItemInformation>"
        "<ItemName>*信息技术服务*软件维护</ItemName><Amount>100.00</Amount><TaxRate>0.06</TaxRate><ComTaxAm>6.00</ComTaxAm>"
        "<TaxClassificationCode>3040203000000000000</TaxClassificationCode></IssuItemInformation></EInvoiceData></EInvoice>"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_order_key_of_an_invoice_file_comes_from_its_number(encoding: str) -> None:
    (request,) = _read(_xml().encode(encoding), "invoice")
    assert isinstance(request, Request)
    assert request.draft.order == f"xml:{NUMBER}"
    assert request.draft.buyer.name == "示例乙有限公司"
    assert str(request.draft.lines[0].amount) == "100.00"


def test_an_invoice_file_without_a_number_has_no_order_key() -> None:
    assert _orders(_read(_xml(number=""), "a.xml")) == [(1, OrderKeyMissing)]


def test_a_red_invoice_file_cannot_be_issued_anew() -> None:
    assert _orders(_read(_xml(blue="N"), "a.xml")) == [(1, RulesBroken)]


@pytest.mark.parametrize(
    "text", ["<a/>", "<EInvoice", "", "no xml", '<!DOCTYPE x [<!ENTITY a "b">]><EInvoice>&a;</EInvoice>']
)
def test_xml_that_is_no_invoice_is_refused(text: str) -> None:
    assert _orders(_read(text, "a.XML")) == [(1, Malformed)]


def test_a_path_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_text(_body("A"), encoding="utf-8")
    assert _orders(list(read_requests(path, "in.json"))) == ["A"]
    with pytest.raises(FileNotFoundError):
        list(read_requests(tmp_path / "none", "none"))
