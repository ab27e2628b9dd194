"""Names, settings, bounds: the parts of the transport that need no socket."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport import CAUSES, Timeouts, TlsSettings, Transport
from kaipiao.authority.transport.names import _matches, as_address
from kaipiao.authority.transport.record import Record
from kaipiao.authority.transport.unpack import Bomb, NotPacked, gunzip
from kaipiao.errors import SettingsFault


@pytest.mark.parametrize(
    ("pattern", "host", "good"),
    [
        ("bureau.example", "bureau.example", True),
        ("Bureau.Example.", "bureau.example", True),
        ("*.bureau.example", "lq.bureau.example", True),
        ("*.bureau.example", "a.lq.bureau.example", False),
        ("*.bureau.example", "bureau.example", False),
        ("*.example", "bureau.example", False),
        ("*", "example", False),
        ("l*.bureau.example", "lq.bureau.example", False),
        ("bureau.example", "bureau.example.evil", False),
        ("*.bureau.example", ".bureau.example", False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label_only(pattern: str, host: str, good: bool) -> None:
    assert _matches(pattern, host) is good


def test_an_address_is_an_address_in_any_spelling() -> None:
    assert as_address("[::1]") == as_address("0:0:0:0:0:0:0:1")
    assert as_address("bureau.example") is None


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_gunzip_gives_the_whole_or_refuses(data: bytes, limit: int) -> None:
    packed = gzip.compress(data)
    if len(data) <= limit:
        assert gunzip(packed, limit) == data
    else:
        with pytest.raises(Bomb):
            gunzip(packed, limit)


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_gunzip_refuses_what_is_not_one_whole_member(noise: bytes) -> None:
    whole = gzip.compress(b"answer")
    for broken in (whole[:-1], whole + b"x", whole + whole, noise.replace(b"\x1f\x8b", b"")):
        with pytest.raises((NotPacked, Bomb)):
            gunzip(broken, 1000)


def test_time_outs_follow_a_faster_clock_down_to_half_a_second() -> None:
    fast = Timeouts(wait=60.0, resolve=5.0).divided(20)
    assert (fast.wait, fast.resolve) == (3.0, 0.5)


def test_every_cause_begins_with_the_place_where_it_happens() -> None:
    places = {"queue", *Phase}
    assert {code.partition(".")[0] for code in CAUSES} == places


def test_the_first_failure_of_a_call_counts() -> None:
    record = Record(Timeouts())
    record.enter(Phase.WRITE)
    record.fail("write.reset")
    record.enter(Phase.WAIT)
    record.fail("wait.closed")
    assert record.failure is not None
    assert record.failure.cause == "write.reset"
    assert record.failure.surely_not_sent


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("Tue, 24 Nov 2026 04:00:00 GMT", 1_795_492_800.0),
        ("Tue, 24 Nov 2026 12:00:00 CST", None),
        ("Tue, 24 Nov 2026 04:00:00 -0000", None),
        ("Tue, 24 Nov 2026 04:00:00", None),
        ("Tue, 99 Nov 2026 04:00:00 GMT", None),
        ("Tue, 24 Nov 2026 04:00:00 GMT, Tue, 24 Nov 2026 09:00:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_only_a_date_of_http_is_a_date(date: str | None, told: float | None) -> None:
    """A bug: one without its zone was read in this machine's own, and put the clock eight hours off."""
    record = Record(Timeouts())
    record.enter(Phase.WRITE)
    record.enter(Phase.ANSWER)
    record.dated(date)
    far = record.timeline().far_time
    assert (None if far is None else far.date) == told


@pytest.mark.parametrize("content", [b"", b"no certificate", None])
def test_certificates_that_cannot_be_used_are_a_fault_of_the_settings(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsFault):
        Transport(TlsSettings(ca_file=file))


def test_an_unknown_tls_profile_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault):
        Transport(TlsSettings(ca_file=tmp_path / "ca.pem", profile="rot13"))
