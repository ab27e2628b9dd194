"""Sources of time: what a packet, a Date, a kernel say; and what is no answer at all."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.authority.channel import FarTime
from kaipiao.issuing.clock_gate import ClockGate, Reading, agree
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.clock_watch import ClockWatch
from kaipiao.operations.time_sources import kernel, sntp
from kaipiao.operations.time_sources.bureau import BureauTime

NOW = 1_774_000_000.0


def stamp(seconds: float) -> tuple[int, int]:
    total = seconds + 2_208_988_800
    return int(total) % 2**32, int((total % 1) * 2**32)


def packet(
    true: float, *, mode: int = 4, leap: int = 0, version: int = 4, stratum: int = 2, held: float = 0.0, cookie: bytes = b"12345678"
) -> bytes:  # fmt: skip
    head = struct.pack(">BBbb3I", leap << 6 | version << 3 | mode, stratum, 6, -20, 0, 0, 0)
    return head + struct.pack(">2I", 0, 0) + cookie + struct.pack(">4I", *stamp(true), *stamp(true + held))


def test_a_server_that_says_the_same_finds_no_skew() -> None:
    found = sntp.reading("x", packet(NOW), NOW - 0.01, NOW + 0.01)
    assert found is not None
    assert found.low < 0 < found.high
    assert found.high - found.low < 0.05


def test_a_clock_that_is_ahead_is_said_to_be_ahead() -> None:
    found = sntp.reading("x", packet(NOW - 7.0, held=0.1), NOW - 0.2, NOW)
    assert found is not None
    assert 6.7 < found.low < found.high < 7.0


@pytest.mark.parametrize(
    "wrong",
    [
        packet(NOW, mode=3),
        packet(NOW, mode=6),
        packet(NOW, leap=3),
        packet(NOW, stratum=0),  # kiss-of-death
        packet(NOW, stratum=16),
        packet(NOW, version=7),
        packet(NOW, held=-5.0),
        packet(NOW, held=900.0),  # it cannot have held it longer than we waited
        bytes(48),
        b"\xff" * 48,
    ],
)
def test_what_no_sound_server_says_is_no_reading(wrong: bytes) -> None:
    assert sntp.reading("x", wrong, NOW - 0.01, NOW + 0.01) is None


@given(st.binary(min_size=48, max_size=48))
def test_no_packet_breaks_it(noise: bytes) -> None:
    found = sntp.reading("x", noise, NOW, NOW + 0.01)
    assert found is None or found.low <= found.high


def test_the_era_after_2036_is_understood() -> None:
    later = 2_100_000_000.0  # July 2036, NTP's second era
    found = sntp.reading("x", packet(later), later - 0.01, later + 0.01)
    assert found is not None
    assert abs(found.low) < 1


@pytest.mark.parametrize("address", ["a:b:c:d", "[::1", ":123", "host:0", "host:99999", "host:x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        sntp.TimeServer(address)


class Server(asyncio.DatagramProtocol):
    """Answers what `answer` makes of the cookie."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for words in self._answer(data[40:48]):
            self._transport.sendto(words, addr)


async def asked(answer: Callable[[bytes], list[bytes]]) -> Reading | None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Server(answer), ("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        return await sntp.TimeServer(f"127.0.0.1:{port}", lambda: NOW).read()
    finally:
        transport.close()


def test_over_a_socket_and_what_others_send_in_between_is_ignored() -> None:
    answers = [packet(NOW - 900), b"short", packet(NOW, cookie=b"notours!")]
    found = asyncio.run(asked(lambda cookie: [*answers, packet(NOW, cookie=cookie)]))
    assert found is not None
    assert found.low < 0 < found.high


def test_a_server_that_is_silent_is_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sntp, "PATIENCE", 0.05)
    assert asyncio.run(asked(lambda _: [])) is None


def test_the_kernel_says_something_or_nothing_but_never_fails() -> None:
    found = kernel.read()
    assert found is None or found.low <= 0 <= found.high


def test_many_dates_of_whole_seconds_say_more_than_one() -> None:
    bureau = BureauTime("direct")
    ahead = 3.0
    for n in range(40):
        true = NOW + n * 1.37
        bureau.note(FarTime(float(int(true)), true + ahead - 0.01, true + ahead + 0.01))
    found = bureau.read(NOW + 60)
    assert found is not None
    assert found.low <= ahead <= found.high
    assert found.high - found.low < 0.2


def heard(bureau: BureauTime, begun: float, answers: int, ahead: float = 0.0) -> None:
    """So many answers, one a second; our clock is `ahead` of the bureau's."""
    for n in range(answers):
        bureau.note(FarTime(begun + n - ahead, begun + n + 0.1, begun + n + 0.2))


def test_when_the_bureau_sets_its_clock_only_the_newest_count() -> None:
    bureau = BureauTime("direct")
    heard(bureau, NOW, 10)
    heard(bureau, NOW + 10, 3, ahead=3600)
    found = bureau.read(NOW + 14)
    assert found is not None
    assert found.low > 3598


def test_one_wrong_date_of_the_bureau_stops_nothing_whatever_came_before() -> None:
    """A bug: a single answer with a wrong Date threw the others away, and alone it stopped issuing."""
    bureau, gate = BureauTime("direct"), ClockGate()
    for before in (0, 1, 10):
        heard(bureau, NOW, before)
        heard(bureau, NOW + 10, 1, ahead=-3600)
        heard(bureau, NOW + 11, 1, ahead=3600)
        found = bureau.read(NOW + 12)
        gate.standing = agree([] if found is None else [found])
        assert not gate.stops
        assert not gate.warns


def test_less_than_three_answers_of_the_bureau_say_nothing() -> None:
    bureau = BureauTime("direct")
    heard(bureau, NOW, 2)
    assert bureau.read(NOW + 3) is None
    heard(bureau, NOW + 2, 1)
    assert bureau.read(NOW + 3) is not None


def test_what_was_heard_long_ago_is_forgotten() -> None:
    bureau = BureauTime("direct")
    heard(bureau, NOW, 3)
    assert bureau.read(NOW + 599) is not None
    assert bureau.read(NOW + 603) is None


def test_the_watch_tells_once_when_the_clock_goes_wrong_and_once_when_it_is_right() -> None:
    told: list[str] = []
    says = [Reading("kernel", -0.01, 0.01)]

    async def append(events: object) -> None:
        assert isinstance(events, list)
        told.extend(event.kind for event in events if isinstance(event, EventDraft))

    async def story() -> None:
        gate = ClockGate()
        watch = ClockWatch(gate, [], append, "n1", 60.0, own=lambda: says[0])
        await watch.round()
        assert told == []
        says[0] = Reading("kernel", 0.4, 0.5)
        await watch.round()
        await watch.round()
        assert told == ["clock.skewed", "alarm.clock"]
        assert gate.warns
        says[0] = Reading("kernel", -0.1, 0.1)
        await watch.round()
        assert told == ["clock.skewed", "alarm.clock", "clock.sound"]

    asyncio.run(story())
