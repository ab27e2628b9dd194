"""Whatever a call says, the desk answers: no input may cost another invoice of its call, or the connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kaipiao.authority.sandbox import bureau, store
from kaipiao.authority.sandbox.bureau_clock import ClockChange
from kaipiao.authority.sandbox.data_tables import field_rules, shipped_taxpayers
from kaipiao.authority.sandbox.desk import Desk, Letter
from kaipiao.authority.sandbox.faults import Fault, Strike
from kaipiao.authority.sandbox.identity import Identity, load_identity
from kaipiao.authority.sandbox.settings import SandboxSettings
from kaipiao.errors import LedgerFault
from kaipiao.seal.sm4 import decrypt_ecb, encrypt_ecb

SELLER = shipped_taxpayers()[0].tax_number
START = datetime(2026, 6, 10, 4, tzinfo=UTC)


class Client:
    def __init__(self, desk: Desk, identity: Identity) -> None:
        self.desk, self.identity, self._key = desk, identity, bytes.fromhex(identity.sm4_key)

    def letter(self, service: str, plain: bytes, ability: str | None = "202007") -> Letter:
        ids = {name: getattr(self.identity, name) for name in ("jrdwptbh", "sydwptbh", "ylbm")}
        headers = {"fwbm": service, "nlbm": ability or "", **ids}
        return Letter(ability, service, headers, base64.b64encode(encrypt_ecb(self._key, plain)))

    def send(self, service: str, plain: bytes, ability: str | None = "202007") -> dict[str, Any]:
        """The inner Response."""
        reply = self.desk.serve(self.letter(service, plain, ability))
        assert reply.body is not None
        response: dict[str, Any] = json.loads(json.loads(reply.body)["body"])["Response"]
        return response

    def call(self, service: str, data: object, ability: str | None = "202007") -> dict[str, Any]:
        response = self.send(service, json.dumps(data).encode(), ability)
        answer: dict[str, Any] = json.loads(decrypt_ecb(self._key, base64.b64decode(response["Data"])))
        return answer


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    identity = load_identity(tmp_path)
    db = store.open_store(tmp_path / "b.sqlite")
    for company in shipped_taxpayers():
        store.save_taxpayer(db, company)
    chosen = SandboxSettings(tmp_path, rate_per_second=0, start=START, speed=0.001, result_delay_seconds=(0, 0))
    client = Client(Desk(db, chosen, identity), identity)
    ask = {"nsrsbh": SELLER, "ptbh": identity.jrdwptbh, "sqlx": "0", "sqed": "1000000", "ywlsh": "q"}
    client.call("XZTHSXED", ask)
    client.call("QDFPPLFM", {"nsrsbh": SELLER, "lysl": 5000, "ywlsh": "n"})
    yield client
    db.close()


def sound(client: Client, sequence: int) -> dict[str, Any]:
    line = {
        "mxxh": 1, "xmmc": "b", "hwhyslwfwmc": "*a*b", "spfwjc": "a", "je": "100.00", "slv": "0.06", "se": "6.00",
        "hsje": "106.00", "sphfwssflhbbm": "1" * 19, "fphxz": "00",
    }  # fmt: skip
    return {
        "fphm": f"26117{sequence:015d}", "lzfpbz": "0", "ptbh": client.identity.jrdwptbh, "fppz": "02", "qyDm": "1",
        "xsfnsrsbh": SELLER, "xsfmc": "s", "gmfmc": "b", "hjje": "100.00", "hjse": "6.00", "jshj": "106.00", "kpr": "k",
        "ip": "1", "macdz": "m", "kprq": "2026-06-10 12:00:00", "fpmxList": [line],
    }  # fmt: skip


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["0001-01-01 00:00:00", "9999-12-31 23:59:59", "-0", "NaN", "1" * 20, "9" * 16, "-1.00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = sorted({row.field for rows in field_rules().values() for row in rows} | {"fpmxList", "ownSeal", "fjysList"})
SERVICES = sorted(bureau.SERVICES, key=str)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(st.sampled_from(SERVICES), st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=6) | JUNK)
@QUICK
def test_every_service_answers_whatever_it_is_asked(
    client: Client, which: tuple[str | None, str], data: object
) -> None:
    ability, service = which
    assert client.call(service, data, ability)["returncode"] in {"00", "01", "02", "03", "04", "11"}


@given(st.sampled_from(FIELDS), JUNK, st.booleans())
@example("kprq", "0001-01-01 00:00:00", False)
@example("kprq", "9999-12-31 23:59:59", False)
@example("unknown", "\x00", False)
@example("sl", "-1", True)
@QUICK
def test_a_field_of_any_value_harms_no_neighbour(client: Client, name: str, value: object, in_line: bool) -> None:
    client.turn = getattr(client, "turn", 1) + 2  # type: ignore[attr-defined]
    first, bad = sound(client, client.turn), sound(client, client.turn + 1)  # type: ignore[attr-defined]
    (bad["fpmxList"][0] if in_line else bad)[name] = value
    answer = client.call("QDFPSC", [first, bad])
    assert answer["returncode"] == "00"
    client.desk.clock.change(ClockChange(advance=20))
    results = client.call("CXQDFPSCJG", {"sllsh": answer["sllsh"]})["resultList"]
    assert results[0]["status"] == "00"
    client.desk.clock.change(ClockChange(now=START))


def test_a_late_call_is_carried_out_before_any_call_that_comes_after_its_time(client: Client) -> None:
    item = sound(client, 1)
    late = Strike(Fault(kind="late"), 30.0)
    assert client.desk.serve(client.letter("QDFPSC", json.dumps([item]).encode()), late).body is None
    asked = {"fplx": "82", "fphm": item["fphm"], "kprq": "20260610"}
    assert client.call("FPZTXXCX", asked)["returncode"] == "04"
    client.desk.clock.change(ClockChange(advance=31))
    assert client.call("FPZTXXCX", asked)["returncode"] == "00"


@pytest.mark.parametrize("plain", ['[{"gmfmc":"\\ud800"}]', "[" * 500 + "]" * 500, '{"a":' * 20 + "1" + "}" * 20])
def test_lone_surrogates_and_deep_nesting_are_refused_before_they_reach_the_books(client: Client, plain: str) -> None:
    assert client.send("QDFPSC", plain.encode())["Error"]["Code"] == "own-KEY"


def test_a_pair_of_surrogates_is_one_character(client: Client) -> None:
    item = sound(client, 4000) | {"gmfmc": "𠮷野家"}
    assert client.call("QDFPSC", [item])["returncode"] == "00"
    held = client.desk.db.execute("SELECT content FROM invoice").fetchone()[0]
    assert json.loads(held)["gmfmc"] == "𠮷野家"


def test_a_refused_number_is_free_for_the_corrected_invoice(client: Client) -> None:
    item = sound(client, 1)
    client.call("QDFPSC", [item | {"hjse": "99"}])
    client.call("QDFPSC", [item])
    assert client.desk.db.execute("SELECT number FROM invoice").fetchall() == [(item["fphm"],)]


def test_a_full_disk_stores_nothing_and_is_over_when_there_is_room_again(client: Client) -> None:
    db = client.desk.db
    items = [sound(client, at) | {"bz": "长" * 400} for at in range(1, 101)]
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerFault):
        client.call("QDFPSC", items)
    assert db.execute("SELECT COUNT(*) FROM invoice").fetchone() == (0,)
    db.execute("PRAGMA max_page_count = 1000000")
    assert client.call("QDFPSC", items)["returncode"] == "00"
    assert db.execute("SELECT COUNT(*) FROM invoice").fetchone() == (100,)
