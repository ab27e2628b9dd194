from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import START
from .outside import Outside, invoice, line


def test_segments_follow_each_other_and_repeat_by_serial(bureau: Outside) -> None:
    asked = {"nsrsbh": bureau.taxpayer, "lysl": "5000", "ywlsh": bureau.serial()}
    first = bureau.call("QDFPPLFM", asked)
    assert first["lysl"] == "5000"
    assert int(first["fpzzhm"]) - int(first["fpqshm"]) == 4999
    year = bureau.now().strftime("%y")
    assert first["fpqshm"].startswith(f"{year}117")
    assert bureau.call("QDFPPLFM", asked | {"lysl": 5000}) == first
    assert int(bureau.pull(1)[0]) == int(first["fpzzhm"]) + 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lysl": 5001}, "01"),
        ({"lysl": 0}, "01"),
        ({"lysl": -1}, "01"),
        ({"lysl": 1.5}, "01"),
        ({"lysl": "many"}, "01"),
        ({"lysl": None}, "01"),
        ({"ywlsh": ""}, "01"),
        ({"ywlsh": "9" * 101}, "01"),
        ({"nsrsbh": "91110000MAKP99999X"}, "11"),
    ],
)
def test_a_segment_call_that_is_wrong_gets_no_numbers(bureau: Outside, change: dict[str, Any], code: str) -> None:
    good = {"nsrsbh": bureau.taxpayer, "lysl": 10, "ywlsh": bureau.serial()}
    answer = bureau.call("QDFPPLFM", good | change)
    assert answer["returncode"] == code
    assert "fpqshm" not in answer


def test_a_serial_cannot_be_used_for_another_quantity_or_taxpayer(bureau: Outside) -> None:
    asked = {"nsrsbh": bureau.taxpayer, "lysl": 10, "ywlsh": bureau.serial()}
    first = bureau.call("QDFPPLFM", asked)
    other = bureau.info["taxpayers"][1]["tax_number"]
    assert bureau.call("QDFPPLFM", asked | {"lysl": 11})["returncode"] == "01"
    assert bureau.call("QDFPPLFM", asked | {"nsrsbh": other})["returncode"] == "01"
    assert bureau.call("QDFPPLFM", asked) == first


def test_quota_is_downloaded_used_and_returned_and_its_sums_agree(bureau: Outside) -> None:
    def standing() -> list[str]:
        answer = bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})
        assert answer["ztsxbz"] == "N"
        return [answer[name] for name in ("bysxed", "kysyed", "yxzed", "yxzwsyed")]

    assert standing() == ["100000000.00", "100000000.00", "0.00", "0.00"]
    assert bureau.download("500.00")["returncode"] == "00"
    assert bureau.confirmed([invoice(bureau, number) for number in bureau.pull(6)]) == ["00"] * 5 + ["02"]
    assert standing() == ["100000000.00", "99999500.00", "500.00", "0.00"]
    assert bureau.download("0.01", returning=True)["returncode"] == "01"
    assert bureau.download("100.50")["returncode"] == "00"
    assert bureau.download("100.50", returning=True)["returncode"] == "00"
    assert standing() == ["100000000.00", "99999500.00", "500.00", "0.00"]


def test_a_quota_move_repeats_by_serial_and_not_otherwise(bureau: Outside) -> None:
    serial = bureau.serial()
    first = bureau.download("70.00", serial=serial)
    assert bureau.download("70.0", serial=serial) == first
    assert bureau.download("71.00", serial=serial)["returncode"] == "01"
    assert bureau.download("70.00", returning=True, serial=serial)["returncode"] == "01"
    assert bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["yxzed"] == "70.00"
    assert bureau.download("999999999.00")["returncode"] == "01"
    assert bureau.download("0")["returncode"] == "01"
    assert bureau.download("-5")["returncode"] == "01"


def test_quota_never_crosses_the_month(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2026, 4, 30, 15, 0, tzinfo=UTC))  # 23:00 in Shanghai
    granted = bureau.download("1000.00")
    assert (granted["syqjq"], granted["syqjz"]) == ("2026-04-01 00:00:00", "2026-04-30 23:59:59")
    april = invoice(bureau, bureau.pull(1)[0])
    bureau.advance(3600)
    may = invoice(bureau, bureau.pull(1)[0])
    sllsh = bureau.upload([april, may])
    bureau.advance(20)
    results = bureau.poll(sllsh)
    assert [entry["status"] for entry in results] == ["00", "02"]
    assert "授信额度不足" in results[1]["message"]
    standing = bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})
    assert (standing["sq"], standing["yxzed"]) == ("202605", "0.00")


def test_a_taxpayer_that_files_by_hand_must_adjust_the_validity_after_the_filing_day(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2026, 4, 15, 15, 0, tzinfo=UTC))
    company = {"tax_number": bureau.taxpayer, "name": "沙箱示例", "region": "11", "files": "manual"}
    assert bureau.admin("POST", "/taxpayers", company)[0] == 200
    assert bureau.download("1000.00")["syqjz"] == "2026-04-15 23:59:59"
    bureau.advance(3600)
    late = invoice(bureau, bureau.pull(1)[0])
    assert "不在有效期" in bureau.download("1.00")["returnmsg"]
    assert bureau.confirmed([late]) == ["02"]
    wrong = bureau.call("TZSXEDYXQ", {"xsfnsrsbh": bureau.taxpayer, "sxedsq": "2026-05"})
    assert wrong["returncode"] == "01"
    adjusted = bureau.call("TZSXEDYXQ", {"xsfnsrsbh": bureau.taxpayer, "sxedsq": "2026-04"})
    assert adjusted["syqjz"] == "2026-04-30 23:59:59"
    assert bureau.confirmed([late]) == ["00"]


def test_the_hourly_rule_of_the_quota_query_is_off_until_asked_for(sandbox: START) -> None:
    bureau = sandbox(quota_query_interval=True)
    assert bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["returncode"] == "00"
    assert "1小时" in bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["returnmsg"]
    bureau.advance(3601)
    assert bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["returncode"] == "00"


def test_a_paused_taxpayer_gets_no_quota(bureau: Outside) -> None:
    company = {"tax_number": bureau.taxpayer, "name": "沙箱示例", "region": "11", "quota_paused": True}
    bureau.admin("POST", "/taxpayers", company)
    assert bureau.download("1.00")["returncode"] == "03"
    assert bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["ztsxbz"] == "Y"


def test_standing_of_known_and_unknown_taxpayers(bureau: Outside) -> None:
    basic = bureau.call("CXNSRJBXX", {"nsrsbh": bureau.taxpayer})
    assert (basic["nsrztdm"], basic["nsrlx"], basic["nsrmc"]) == ("03", "1", bureau.info["taxpayers"][0]["name"])
    risk = bureau.call("CXNSRFXXX", {"nsrsbh": bureau.taxpayer})
    assert (risk["fxnsrlx"], risk["nsryjjb"], risk["fxnsrbz"]) == ("", "", "N")
    for service in ("CXNSRJBXX", "CXNSRFXXX", "CXSXED", "CXSSFLBM"):
        assert bureau.call(service, {"nsrsbh": "91110000MAKP99999X"})["returncode"] == "11"
        assert bureau.call(service, {})["returncode"] == "01"


def test_rates_and_codes(bureau: Outside) -> None:
    rates = bureau.call("CXKYSL", {})
    assert rates["count"] == str(len(rates["slList"]))
    assert {"0.13", "0.06", "0.03"} <= {entry["slzsl"] for entry in rates["slList"] if entry["cszt"] == "0"}
    codes = bureau.call("CXSSFLBM", {"nsrsbh": bureau.taxpayer, "sjc": "", "sjswjgdm": ""})
    entries = json.loads(gzip.decompress(base64.b64decode(codes["spbmList"])))
    assert len(entries) == int(codes["count"]) > 0
    assert entries[0]["zzssl"] == "6%"
    assert bureau.call("CXSSFLBM", {"nsrsbh": bureau.taxpayer, "sjc": codes["sjc"]})["count"] == "0"


def test_rates_end_when_the_law_says_so(sandbox: START) -> None:
    bureau = sandbox(start=datetime(2028, 1, 1, tzinfo=UTC))
    stopped = {e["slzsl"] for e in bureau.call("CXKYSL", {})["slList"] if e["cszt"] == "1"}
    assert stopped == {"0.05", "0.01"}


def test_virtual_companies_are_asked_without_an_ability_code(bureau: Outside) -> None:
    asked = {"nsrsbh": bureau.taxpayer, "ssjswjgDm": "11100000000"}
    assert bureau.call("LQSX_SWZJ_GT4_CXXNQYXX", asked, None)["nsrsbh"] == bureau.taxpayer
    company = {"tax_number": bureau.taxpayer, "name": "沙箱示例", "region": "11", "status": "05"}
    bureau.admin("POST", "/taxpayers", company | {"bureau_code": "11100000000"})
    assert bureau.call("LQSX_SWZJ_GT4_QYXXCSH", asked, None)["returncode"] == "00"
    assert bureau.call("CXNSRJBXX", {"nsrsbh": bureau.taxpayer})["nsrztdm"] == "03"
    wrong = asked | {"ssjswjgDm": "13100000000"}
    assert bureau.call("LQSX_SWZJ_GT4_CXXNQYXX", wrong, None)["returncode"] == "04"
    assert bureau.call("LQSX_SWZJ_GT4_QYXXCSH", wrong, None)["returncode"] == "04"


def held(bureau: Outside) -> dict[str, Any]:
    bureau.download()
    lines = [line(ggxh="A-1", dw="次"), line("50.00", "1.50", mxxh=2, slv="0.03", sl="2", dj="25")]
    item = invoice(bureau, bureau.pull(1)[0], hjje="150.00", hjse="7.50", jshj="157.50", fpmxList=lines)
    assert bureau.confirmed([item]) == ["00"]
    return item


def test_status_by_number_in_both_abilities(bureau: Outside) -> None:
    item = held(bureau)
    asked = {"fplx": "82", "fpdm": "", "fphm": item["fphm"], "kprq": item["kprq"][:10].replace("-", "")}
    for ability in ("202007", "203067"):
        answer = bureau.call("FPZTXXCX", asked, ability)
        assert (answer["returncode"], answer["fpzt"], answer["kprq"]) == ("00", "0", item["kprq"])
        for change in ({"fphm": "9" * 20}, {"kprq": "20200101"}, {"fplx": "81"}):
            assert bureau.call("FPZTXXCX", asked | change, ability)["returncode"] == "04"
        assert bureau.call("FPZTXXCX", asked | {"fplx": "02"}, ability)["returncode"] == "01"


def test_face_by_number_for_seller_and_buyer_only(bureau: Outside) -> None:
    item = held(bureau)
    asked = {
        "fplx": "82",
        "fphm": item["fphm"],
        "kprq": item["kprq"][:10].replace("-", ""),
        "kpje": "157.50",
        "nsrsbh": bureau.taxpayer,
    }
    packed = bureau.call("FPCY_NEW", asked, "203059")["cyjgxx"]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as archive:
        assert archive.namelist() == ["1.json"]
        face = json.loads(archive.read("1.json"))
    assert (face["fppzDm"], face["sflzfp"], face["jshj"], face["jshjdx"]) == ("82", "Y", "157.50", "壹佰伍拾柒圆伍角整")
    assert [(row["xmmc"], row["slv"], row["se"]) for row in face["hwxx"]] == [
        ("*信息技术服务*技术服务费", "0.06", "6.00"),
        ("*信息技术服务*技术服务费", "0.03", "1.50"),
    ]
    assert bureau.call("FPCY_NEW", asked | {"nsrsbh": item["gmfnsrsbh"]}, "203059")["returncode"] == "00"
    expected = [
        ({"nsrsbh": bureau.info["taxpayers"][2]["tax_number"]}, "04"),
        ({"kpje": "150.00"}, "03"),
        ({"fplx": "81"}, "03"),
        ({"kprq": "20200101"}, "03"),
        ({"fphm": "9" * 20}, "02"),
        ({"nsrsbh": ""}, "01"),
        ({"fplx": "02"}, "01"),
    ]
    answers = [bureau.call("FPCY_NEW", asked | change, "203059")["returncode"] for change, _ in expected]
    assert answers == [code for _, code in expected]


def test_an_invoice_is_invisible_until_its_result_is_ready(sandbox: START) -> None:
    bureau = sandbox(result_delay_seconds=(300.0, 300.0))
    bureau.download()
    item = invoice(bureau, bureau.pull(1)[0])
    bureau.upload([item])
    asked = {"fplx": "82", "fphm": item["fphm"], "kprq": item["kprq"][:10].replace("-", "")}
    assert bureau.call("FPZTXXCX", asked)["returncode"] == "04"
    assert bureau.call("FPCY_NEW", asked | {"nsrsbh": bureau.taxpayer}, "203059")["returncode"] == "02"
    assert bureau.books()[0]["state"] == "processing"
    bureau.advance(301)
    assert bureau.call("FPZTXXCX", asked)["returncode"] == "00"
    assert bureau.books()[0]["state"] == "confirmed"
