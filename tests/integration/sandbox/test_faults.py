from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any

import pytest

from .conftest import START
from .outside import Outside, invoice

BROKEN = (ConnectionError, http.client.HTTPException, ssl.SSLError, TimeoutError)


def ready(bureau: Outside) -> dict[str, Any]:
    bureau.download()
    return invoice(bureau, bureau.pull(1)[0])


def held(bureau: Outside) -> list[str]:
    return [str(entry["number"]) for entry in bureau.books()]


def hits(bureau: Outside) -> list[int]:
    return [entry["hits"] for entry in json.loads(bureau.admin("GET", "/faults")[1])]


def test_a_dropped_answer_leaves_the_invoice_in_the_books(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "drop_answer", "count": 1, "services": ["QDFPSC"]})
    with pytest.raises(BROKEN):
        bureau.upload([item])
    assert held(bureau) == [item["fphm"]]
    assert bureau.confirmed([item]) == ["03"]


def test_a_lost_request_leaves_nothing(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "lose", "count": 1})
    with pytest.raises(BROKEN):
        bureau.upload([item])
    assert held(bureau) == []
    assert bureau.confirmed([item]) == ["00"]


def test_a_late_commit_after_no_answer_comes_when_its_time_comes(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "late", "count": 1, "seconds": [100, 100]})
    with pytest.raises(BROKEN):
        bureau.upload([item])
    bureau.advance(90)
    assert held(bureau) == []
    bureau.advance(11)
    assert held(bureau) == [item["fphm"]]


def test_the_same_invoice_sent_again_before_its_late_copy_arrives_is_held_once(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "late", "count": 1, "seconds": [100, 100]})
    with pytest.raises(BROKEN):
        bureau.upload([item])
    assert bureau.confirmed([item]) == ["00"]
    bureau.advance(101)
    assert held(bureau) == [item["fphm"]]
    assert bureau.call("CXSXED", {"nsrsbh": bureau.taxpayer})["yxzwsyed"] == "999900.00"


def test_a_late_commit_after_an_answer_is_in_progress_until_then(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "late", "count": 1, "seconds": [100, 100], "answered": True})
    sllsh = bureau.upload([item])
    bureau.advance(60)
    assert bureau.poll(sllsh) == [{"fphm": item["fphm"], "status": "01", "message": "处理中"}]
    assert held(bureau) == []
    bureau.advance(50)
    bureau.advance(20)
    assert bureau.poll(sllsh)[0]["status"] == "00"


def test_late_numbers_are_given_once_whatever_is_asked_meanwhile(bureau: Outside) -> None:
    bureau.order({"kind": "late", "count": 1, "seconds": [50, 50], "services": ["QDFPPLFM"]})
    asked = {"nsrsbh": bureau.taxpayer, "lysl": 10, "ywlsh": bureau.serial()}
    with pytest.raises(BROKEN):
        bureau.call("QDFPPLFM", asked)
    first = bureau.call("QDFPPLFM", asked)
    bureau.advance(60)
    assert bureau.call("QDFPPLFM", asked) == first


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize(
    ("fault", "status"),
    [({"kind": "http_error", "status": 502}, 502), ({"kind": "too_many"}, 429), ({"kind": "soft_logout"}, 200)],
)
def test_an_error_answer_strikes_before_or_after_the_commit(
    bureau: Outside, fault: dict[str, Any], status: int, after_commit: bool
) -> None:
    item = ready(bureau)
    bureau.order(fault | {"count": 1, "after_commit": after_commit})
    seen, headers, body = bureau.raw_call("QDFPSC", [item])
    assert seen == status
    assert ("retry-after" in headers) == (status == 429)
    assert "Data" not in body.decode()
    assert held(bureau) == ([item["fphm"]] if after_commit else [])
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


def test_a_soft_log_out_has_two_forms_inside_a_200(bureau: Outside) -> None:
    bureau.order({"kind": "soft_logout", "count": 1}, {"kind": "soft_logout", "count": 1, "form": "page"})
    error = json.loads(json.loads(bureau.raw_call("CXKYSL", {})[2])["body"])["Response"]["Error"]
    assert error == {"Code": "302", "Message": "税局请求异常"}
    assert json.loads(bureau.raw_call("CXKYSL", {})[2])["CodeMsg"] == "refresh"


def test_half_an_answer_is_cut_in_its_body(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "half_answer", "count": 1})
    with pytest.raises(http.client.IncompleteRead) as cut:
        bureau.upload([item])
    assert len(cut.value.partial) > 0
    assert held(bureau) == [item["fphm"]]


def test_results_come_in_a_wrong_order_with_a_stranger_among_them(bureau: Outside) -> None:
    bureau.download()
    numbers = bureau.pull(20)
    sllsh = bureau.upload([invoice(bureau, number) for number in numbers])
    bureau.advance(20)
    bureau.order({"kind": "wrong_order", "count": 1})
    bureau.call("CXKYSL", {})  # no turn of this fault
    results = [entry["fphm"] for entry in bureau.poll(sllsh)]
    assert sorted(results) == sorted([*numbers, "0" * 20])
    assert results != [*numbers, "0" * 20]
    assert [entry["fphm"] for entry in bureau.poll(sllsh)] == numbers


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_hang_says_nothing_until_the_client_leaves(bureau: Outside, after_commit: bool) -> None:
    item = ready(bureau)
    bureau.order({"kind": "hang", "count": 1, "services": ["QDFPSC"], "after_commit": after_commit})
    bureau.timeout = 0.3
    bureau.close()
    with pytest.raises(TimeoutError):
        bureau.upload([item])
    bureau.timeout = 10
    assert held(bureau) == ([item["fphm"]] if after_commit else [])
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


@pytest.mark.parametrize("phase", ["handshake", "reading", "answering"])
def test_a_delay_strikes_in_its_phase_and_goes_by_the_sandboxes_clock(sandbox: START, phase: str) -> None:
    bureau = sandbox(speed=10.0)
    bureau.order({"kind": "delay", "phase": phase, "seconds": [4, 4], "count": 1})
    bureau.close()
    begin = time.monotonic()
    bureau.call("CXKYSL", {})
    assert 0.35 < time.monotonic() - begin < 3
    begin = time.monotonic()
    bureau.call("CXKYSL", {})
    assert time.monotonic() - begin < 0.35
    assert hits(bureau) == [1]


def test_a_refusing_bureau_listens_again_on_the_same_port(bureau: Outside) -> None:
    assert bureau.call("CXKYSL", {})["returncode"] == "00"
    bureau.order({"kind": "refuse", "seconds": [0.6, 0.6]})
    with pytest.raises(BROKEN):
        bureau.call("CXKYSL", {})
    with pytest.raises(ConnectionRefusedError):
        bureau.call("CXKYSL", {})
    deadline = time.monotonic() + 5
    while True:
        try:
            assert bureau.call("CXKYSL", {})["returncode"] == "00"
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_refusal_by_chance_strikes_at_a_call_and_stores_nothing(bureau: Outside) -> None:
    item = ready(bureau)
    bureau.order({"kind": "refuse", "probability": 0.999999, "count": 1, "seconds": [0.2, 0.2], "services": ["QDFPSC"]})
    assert bureau.call("CXKYSL", {})["returncode"] == "00"
    with pytest.raises(BROKEN):
        bureau.upload([item])
    assert held(bureau) == []
    time.sleep(0.5)
    assert bureau.confirmed([item]) == ["00"]


def test_a_fault_applies_to_its_services_and_as_often_as_it_says(bureau: Outside) -> None:
    bureau.order({"kind": "http_error", "services": ["CXKYSL"], "count": 2})
    assert bureau.raw_call("CXNSRJBXX", {"nsrsbh": bureau.taxpayer})[0] == 200
    assert [bureau.raw_call("CXKYSL", {})[0] for _ in range(4)] == [503, 503, 200, 200]
    assert hits(bureau) == [2]
    assert bureau.admin("DELETE", "/faults")[0] == 200
    assert hits(bureau) == []


def test_the_same_seed_strikes_the_same_calls(bureau: Outside) -> None:
    def run(seed: int) -> list[int]:
        bureau.order({"kind": "http_error", "probability": 0.5, "seed": seed})
        return [bureau.raw_call("CXKYSL", {})[0] for _ in range(30)]

    first = run(1)
    assert {200, 503} == set(first)
    assert run(1) == first
    assert run(2) != first


def test_the_count_of_a_fault_survives_a_restart(sandbox: START) -> None:
    bureau = sandbox()
    bureau.order({"kind": "http_error", "count": 2})
    assert bureau.raw_call("CXKYSL", {})[0] == 503
    sandbox.stop()  # type: ignore[attr-defined]
    again = sandbox()
    assert [again.raw_call("CXKYSL", {})[0] for _ in range(3)] == [503, 200, 200]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "unheard"},
        {"kind": "late", "probability": 0},
        {"kind": "late", "probability": 2},
        {"kind": "late", "seconds": [5, 1]},
        {"kind": "delay", "phase": "handshake", "services": ["QDFPSC"]},
        {"kind": "http_error", "status": 200},
        {"kind": "late", "count": 0},
        {"kind": "late", "typo": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(bureau: Outside, fault: dict[str, Any]) -> None:
    assert bureau.admin("PUT", "/faults", [fault])[0] == 422
    assert hits(bureau) == []


def test_two_faults_of_one_name_are_refused_and_those_before_stay(bureau: Outside) -> None:
    bureau.order({"kind": "http_error", "count": 2})
    for faults in (
        [{"kind": "hang", "id": "a"}, {"kind": "lose", "id": "a"}],
        [{"kind": "hang", "id": "f2"}, {"kind": "lose"}],
    ):
        assert bureau.admin("PUT", "/faults", faults)[0] == 422
    assert bureau.raw_call("CXKYSL", {})[0] == 503
    assert hits(bureau) == [1]


@pytest.mark.parametrize("wish", [{"now": "9999-12-31T23:59:59Z"}, {"now": "0001-01-01T00:00:00Z"}, {"advance": 1e9}])
def test_a_clock_that_would_leave_all_calendars_is_refused_and_goes_on(bureau: Outside, wish: dict[str, Any]) -> None:
    assert bureau.admin("PUT", "/clock", {"now": "2190-01-01T00:00:00Z"})[0] == 200
    status, body = bureau.admin("PUT", "/clock", wish)
    assert status == 422
    assert "2000 to 2199" in json.loads(body)["message"]
    assert json.loads(bureau.admin("GET", "/clock")[1])["now"].startswith("2190-01-01")


def test_the_administrator_needs_its_own_credential(bureau: Outside) -> None:
    for credential in ("wrong", bureau.info["sm4_key"]):
        for method, path in (("GET", "/faults"), ("PUT", "/clock"), ("GET", "/books"), ("POST", "/taxpayers")):
            assert bureau.admin(method, path, {}, credential)[0] == 401
    assert bureau.admin("GET", "/nothing")[0] == 404
    assert bureau.admin("PUT", "/clock", {"speed": -1})[0] == 422
    assert bureau.admin("PUT", "/clock", {"advance": 1, "now": "2030-01-01T00:00:00Z"})[0] == 422
    assert bureau.admin("POST", "/taxpayers", {"tax_number": "x", "name": "", "region": "1"})[0] == 422
