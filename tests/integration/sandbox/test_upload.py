from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaipiao.seal.sm2 import Sm2PrivateKey

from .conftest import START
from .outside import SHANGHAI, Outside, invoice, line


def test_an_upload_is_confirmed_and_stands_in_the_books(bureau: Outside) -> None:
    numbers = bureau.pull(3)
    bureau.download()
    sllsh = bureau.upload([invoice(bureau, number) for number in numbers])
    assert [entry["status"] for entry in bureau.poll(sllsh)] == ["01", "01", "01"]
    bureau.advance(20)
    assert bureau.poll(sllsh) == [{"fphm": number, "status": "00", "message": "上传成功"} for number in numbers]
    books = bureau.books()
    assert [entry["number"] for entry in books] == numbers
    assert {(e["taxpayer"], e["amount"], e["tax"], e["total"], e["state"]) for e in books} == {
        (bureau.taxpayer, "100.00", "6.00", "106.00", "confirmed")
    }
    assert books[0]["remark"] == f"order-{numbers[0]}"


def test_no_result_is_shown_before_ten_seconds_however_fast_it_was_judged(sandbox: START) -> None:
    bureau = sandbox(result_delay_seconds=(0.0, 0.0), start=datetime(2026, 5, 5, tzinfo=UTC))
    bureau.download()
    sllsh = bureau.upload([invoice(bureau, bureau.pull(1)[0])])
    bureau.advance(8)
    assert bureau.poll(sllsh)[0]["status"] == "01"
    bureau.advance(2)
    assert bureau.poll(sllsh)[0]["status"] == "00"


def test_a_result_can_be_asked_for_twelve_hours(bureau: Outside) -> None:
    bureau.download()
    sllsh = bureau.upload([invoice(bureau, bureau.pull(1)[0])])
    bureau.advance(12 * 3600 - 60)
    assert bureau.poll(sllsh)[0]["status"] == "00"
    bureau.advance(61)
    assert bureau.call("CXQDFPSCJG", {"sllsh": sllsh})["returncode"] == "04"
    assert bureau.call("CXQDFPSCJG", {"sllsh": "f" * 32})["returnmsg"] == "查无数据"


def test_the_same_content_again_is_a_duplicate_whatever_its_bytes(bureau: Outside) -> None:
    number = bureau.pull(1)[0]
    bureau.download()
    first = invoice(bureau, number)
    assert bureau.confirmed([first]) == ["00"]
    bureau.advance(100)
    again: dict[str, Any] = dict(reversed(list(first.items())))
    again |= {"ip": "10.0.0.1", "macdz": "aa", "kpr": "别人", "bz": "", "hjje": 100, "jshj": 106.0}
    again["kprq"] = first["kprq"][:10] + " 00:00:01"
    again["fpmxList"] = [line(slv="0.060000", sl=1)]
    assert bureau.confirmed([again]) == ["03"]
    assert bureau.books()[0]["remark"] == f"order-{number}"


@pytest.mark.parametrize(
    "change",
    [
        {"gmfmc": "另一买家"},
        {"gmfnsrsbh": "91310000MAKP00002X"},
        {"fppz": "01"},
        {"fpmxList": [line(sphfwssflhbbm="3070401000000000000")]},
        {"fpmxList": [line(fphxz="02")]},
    ],
)
def test_other_content_under_a_used_number_fails_and_the_first_stays(bureau: Outside, change: dict[str, Any]) -> None:
    number = bureau.pull(1)[0]
    bureau.download()
    first = invoice(bureau, number)
    assert bureau.confirmed([first]) == ["00"]
    sllsh = bureau.upload([first | change])
    bureau.advance(20)
    (result,) = bureau.poll(sllsh)
    assert (result["status"], result["Code"]) == ("02", "own-NUMBER-03")
    assert bureau.confirmed([first]) == ["03"]


def test_the_same_invoice_twice_in_one_call_is_held_once(bureau: Outside) -> None:
    number = bureau.pull(1)[0]
    bureau.download()
    item = invoice(bureau, number)
    assert bureau.confirmed([item, item, item | {"gmfmc": "另一买家"}]) == ["00", "03", "02"]


def test_one_bad_invoice_harms_no_other_of_its_call(bureau: Outside) -> None:
    numbers = bureau.pull(4)
    bureau.download()
    good = [invoice(bureau, number) for number in numbers]
    mixed: list[Any] = [
        good[0],
        "no object",
        good[1] | {"hjje": "99.00"},
        [],
        None,
        good[2] | {"fpmxList": {}},
        7,
        good[3],
    ]
    sllsh = bureau.upload(mixed)
    bureau.advance(20)
    assert [entry["status"] for entry in bureau.poll(sllsh)] == ["00", "02", "02", "02", "02", "02", "02", "00"]
    assert [entry["number"] for entry in bureau.books()] == [numbers[0], numbers[3]]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("own-FIELD-01", {"ip": None}),
    ("own-FIELD-01", {"macdz": ""}),
    ("own-FIELD-01", {"qyDm": None}),
    ("own-FIELD-01", {"kprq": None}),
    ("own-FIELD-01", {"fpmxList": [{**line(), "hsje": ""}]}),
    ("own-FIELD-02", {"gmfmc": "长" * 301}),
    ("own-FIELD-02", {"bz": "长" * 451}),
    ("own-FIELD-02", {"hjje": "100.001"}),
    ("own-FIELD-02", {"jshj": "12345678901234567.00"}),
    ("own-FIELD-03", {"kprq": "2026/01/01"}),
    ("own-FIELD-03", {"hjje": "NaN"}),
    ("own-FIELD-03", {"hjje": "1e2"}),
    ("own-FIELD-03", {"hjje": True}),
    ("own-FIELD-03", {"xsfmc": ["a"]}),
    ("own-FIELD-03", {"kprq": "2026-13-45 00:00:00"}),
    ("own-FORM-02", {"fpmxList": []}),
    ("own-FORM-02", {"fpmxList": [line(mxxh=at) for at in range(5001)]}),
    ("own-FORM-03", {"fpmxList": ["a"]}),
    ("own-FORM-03", {"fjysList": "a"}),
    ("own-HEAD-01", {"ptbh": "another"}),
    ("own-KIND-01", {"fppz": "09"}),
    ("own-KIND-02", {"tdys": "03"}),
    ("own-KIND-03", {"cezslxDm": "01"}),
    ("own-BUYER-01", {"gmfnsrsbh": "not a number"}),
    ("own-BUYER-02", {"fppz": "01", "gmfnsrsbh": ""}),
    ("own-BUYER-02", {"fppz": "01", "gmfzrrbz": "Y"}),
    ("own-SELLER-01", {"xsfnsrsbh": "91110000MAKP99999X"}),
    ("own-RED-01", {"lzfpbz": "1", "hjje": "-100.00", "hjse": "-6.00", "jshj": "-106.00"}),
    ("own-LINE-01", {"fpmxList": [line(), line()]}),
    ("own-LINE-02", {"fpmxList": [line(xmmc="别的")]}),
    ("own-LINE-03", {"fpmxList": [line(fphxz="09")]}),
    ("own-LINE-04", {"fpmxList": [line(fphxz="01")]}),
    ("own-LINE-05", {"fpmxList": [line(sl="")]}),
    ("own-LINE-06", {"fpmxList": [line(sl="one")]}),
    ("own-LINE-07", {"fpmxList": [line("200.00", "12.00"), line("-100.00", "-6.00", mxxh=2, sl="", dj="")]}),
    ("own-CODE-01", {"fpmxList": [line(sphfwssflhbbm="304020300000000000A")]}),
    ("own-RATE-01", {"fpmxList": [line(slv="0.07")]}),
    ("own-RATE-02", {"fpmxList": [line(slv="0.13")]}),
    ("own-RATE-03", {"fpmxList": [line(yhzcbs="03")]}),
    ("own-RATE-04", {"fppz": "01", "fpmxList": [line("100.00", "0.00", slv="0")]}),
    ("own-SUM-01", {"fpmxList": [line(dj="99.98")]}),
    ("own-SUM-02", {"fpmxList": [line(tax="6.07")]}),
    ("own-SUM-03", {"fpmxList": [line(hsje="106.01")]}),
    ("own-SUM-04", {"hjje": "100.02", "jshj": "106.02"}),
    ("own-SUM-05", {"hjse": "7.28", "jshj": "107.28"}),
    ("own-SUM-06", {"jshj": "106.01"}),
    ("own-SUM-07", {"hjje": "0", "hjse": "0", "jshj": "0", "fpmxList": [line("0.00", "0.00", sl="", dj="")]}),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from kaipiao.authority.sandbox.settings import SandboxSettings

    from .conftest import Running

    running = Running(SandboxSettings(tmp_path_factory.mktemp("shared"), rate_per_second=0))
    client = Outside(running.info)
    client.download()
    yield client
    client.close()
    running.stop()


def codes(client: Outside, items: list[dict[str, Any]]) -> list[str | None]:
    sllsh = client.upload(items)
    client.advance(20)
    return [entry.get("Code") for entry in client.poll(sllsh)]


@pytest.mark.parametrize(("code", "change"), REFUSED, ids=[f"{code}-{at}" for at, (code, _) in enumerate(REFUSED)])
def test_an_invoice_is_refused_with_the_code_that_explains_it(
    shared: Outside, code: str, change: dict[str, Any]
) -> None:
    assert codes(shared, [invoice(shared, shared.pull(1)[0], **change)]) == [code]


ACCEPTED: list[dict[str, Any]] = [
    {"fpkjfsDm": None},  # a client in use does not send it
    {"xsfdz": "", "skyhmc": "", "fjysList": "", "cekcList": [], "zfxxList": None, "gmfzrrbz": ""},
    {"lzfpbz": 0, "hjje": 100, "hjse": 6.0, "jshj": 106.00, "fpmxList": [line(je=100, se=6, slv=0.06, hsje=106.0)]},
    {"fjysList": [{"fjysmc": "合同号", "fjyslx": "text", "fjysz": "1"}]},
    {"gmfnsrsbh": "", "gmfmc": "张三（个人）", "gmfzrrbz": "Y"},
    {"hjse": "6.06", "jshj": "106.06", "fpmxList": [line(tax="6.06")]},
    {"hjse": "0.00", "jshj": "100.00", "fpmxList": [line("100.00", "0.00", slv=0, yhzcbs="03")]},
    {
        "hjje": "90.00",
        "hjse": "5.40",
        "jshj": "95.40",
        "fpmxList": [line(fphxz="02"), line("-10.00", "-0.60", mxxh=2, fphxz="01", sl="", dj="")],
    },
]


@pytest.mark.parametrize("change", ACCEPTED)
def test_what_clients_in_use_send_is_accepted(shared: Outside, change: dict[str, Any]) -> None:
    assert codes(shared, [invoice(shared, shared.pull(1)[0], **change)]) == [None]


def test_a_number_of_nobody_or_of_another_taxpayer_is_refused(shared: Outside) -> None:
    mine = shared.pull(1)[0]
    other = shared.info["taxpayers"][1]["tax_number"]
    theirs = shared.call("QDFPPLFM", {"nsrsbh": other, "lysl": 1, "ywlsh": shared.serial()})["fpqshm"]
    never = f"{int(mine) + 100_000:020d}"
    items = [invoice(shared, number) for number in (theirs, never, "123", "x" * 20)]
    assert codes(shared, items) == ["own-NUMBER-02", "own-NUMBER-02", "own-NUMBER-01", "own-NUMBER-01"]


def kprq(instant: datetime) -> str:
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def test_an_invoice_must_come_within_48_hours(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2026, 5, 20, tzinfo=UTC))
    bureau.download()
    numbers = bureau.pull(3)
    ages = (timedelta(hours=47, minutes=59), timedelta(hours=48, seconds=1), timedelta(minutes=-6))
    items = [invoice(bureau, n, kprq=kprq(bureau.now() - age)) for n, age in zip(numbers, ages, strict=True)]
    assert codes(bureau, items) == [None, "own-TIME-03", "own-TIME-01"]


def test_a_closed_month_takes_no_more_invoices(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2026, 5, 12, 15, 59, tzinfo=UTC))  # 23:59 in Shanghai, one minute before the close
    numbers = bureau.pull(2)
    april = kprq(datetime(2026, 4, 30, 15, 0, tzinfo=UTC))
    assert codes(bureau, [invoice(bureau, numbers[0], kprq=april)]) == ["own-TIME-03"]
    bureau.advance(120)
    assert codes(bureau, [invoice(bureau, numbers[1], kprq=april)]) == ["own-TIME-04"]


def test_last_years_numbers_belong_to_last_years_invoices_only(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2026, 12, 31, 15, 30, tzinfo=UTC))  # 23:30 in Shanghai
    bureau.download()
    old = bureau.pull(2)
    before = kprq(bureau.now())
    bureau.advance(3600)
    new = bureau.pull(1)
    assert (old[0][:2], new[0][:2]) == ("26", "27")
    bureau.download()
    items = [
        invoice(bureau, old[0], kprq=before),  # made before midnight, uploaded after it
        invoice(bureau, old[1]),
        invoice(bureau, new[0]),
    ]
    assert codes(bureau, items) == [None, "own-TIME-02", None]


def test_a_call_of_more_than_a_hundred_or_of_none_is_refused_whole(bureau: Outside) -> None:
    numbers = bureau.pull(101)
    bureau.download()
    item = invoice(bureau, numbers[0])
    for data in ([item | {"fphm": number} for number in numbers], [], {}, {"a": 1}, None, "text", 5):
        assert bureau.call("QDFPSC", data)["returncode"] == "01"
    assert bureau.books() == []


def sealed(client: Outside, number: str, total: str = "106.00", **changes: Any) -> dict[str, Any]:
    key = Sm2PrivateKey.generate()
    head = f"<Header><EIid>{number}</EIid></Header>"
    xml = f"<EInvoice>{head}<B><TotalTax-includedAmount>{total}</TotalTax-includedAmount></B></EInvoice>".encode()
    seal = {
        "alg": "SM2-SM3",
        "keyId": "k1",
        "value": key.sign(xml).hex(),
        "publicKey": key.public_key.point.hex(),
        "xml": base64.b64encode(gzip.compress(xml)).decode(),
    }
    return invoice(client, number) | {"ownSeal": seal | changes}


def test_a_sound_seal_is_accepted_and_a_wrong_one_refuses_that_invoice_only(shared: Outside) -> None:
    numbers = shared.pull(8)
    bomb = base64.b64encode(gzip.compress(b"\0" * (32 << 20))).decode()
    items = [
        sealed(shared, numbers[0]),
        sealed(shared, numbers[1], total="107.00"),
        sealed(shared, numbers[2], value="00"),
        sealed(shared, numbers[3], publicKey="04" + "11" * 64),
        sealed(shared, numbers[4], xml="%%%"),
        sealed(shared, numbers[5], xml=bomb),
        invoice(shared, numbers[6]) | {"ownSeal": sealed(shared, numbers[0])["ownSeal"]},
        invoice(shared, numbers[7]) | {"ownSeal": "text"},
    ]
    assert codes(shared, items) == [None] + ["own-SEAL-01"] * 7


def test_a_risky_taxpayer_may_not_issue(bureau: Outside) -> None:
    bureau.download()
    number = bureau.pull(1)[0]
    company = {"tax_number": bureau.taxpayer, "name": "沙箱示例", "region": "11", "risky": True}
    assert bureau.admin("POST", "/taxpayers", company)[0] == 200
    assert codes(bureau, [invoice(bureau, number)]) == ["own-SELLER-02"]
    assert bureau.call("CXNSRFXXX", {"nsrsbh": bureau.taxpayer})["fxnsrbz"] == "Y"
