"""Several addresses of one register: the next is used while no byte of a request was sent, and never after one was."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from kaipiao.authority.channel import Answer, Missed, Outcome
from kaipiao.authority.endpoints import Endpoints, endpoint_of
from kaipiao.authority.leqi import LeqiChannel, LeqiSettings
from kaipiao.authority.transport import Transport
from kaipiao.errors import SettingsFault
from kaipiao.settings import ChannelSettings, DnsSettings, parse

from .conftest import SHORT, SMALL, Pki
from .servers import Server, answer, read_request, reset
from .test_wire_faults import over_tls

Runner = Callable[[Any], Any]


def serving(requests: list[bytes]) -> Callable[[socket.socket], None]:
    def handler(sock: socket.socket) -> None:
        while (request := read_request(sock))[0]:
            requests.append(request[0])
            sock.sendall(answer(b"busy", status="429 Too Many Requests"))

    return handler


def dead() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def pull(run: Runner, pki: Pki, ports: list[int], *, usable: list[int] | None = None) -> Answer[Any]:
    """Pull numbers, which no second register may be asked for."""

    async def story() -> Answer[Any]:
        urls = [f"https://127.0.0.1:{port}/access/v2/invoke" for port in ports]
        settings = LeqiSettings(urls[0], "J1", "S1", "Y1", "0" * 32, further_urls=tuple(urls[1:]))
        channel = LeqiChannel(settings, Transport(pki.tls(), SHORT, SMALL))
        if usable is not None:
            channel.endpoints.usable = lambda: [f"https://127.0.0.1:{port}" for port in usable]
        try:
            return await channel.pull_numbers("91110000MAKP00001M", 5, "serial")
        finally:
            await channel.close()

    result = run(story())
    assert isinstance(result, Answer)
    return result


def test_when_the_first_address_cannot_be_reached_the_same_call_goes_to_the_next(run: Runner, pki: Pki) -> None:
    requests: list[bytes] = []
    with Server(over_tls(pki.context(), serving(requests))) as second:
        closed = dead()
        told = pull(run, pki, [closed, second.port])
    assert told.outcome is Outcome.NOT_ACCEPTED
    assert told.timeline is not None
    assert told.timeline.endpoint == f"https://127.0.0.1:{second.port}"
    assert told.timeline.missed == (Missed(f"https://127.0.0.1:{closed}", "connect.refused"),)
    assert len(requests) == 1


@pytest.mark.parametrize("part", ["nothing", "half an answer"])
def test_after_a_byte_was_sent_no_other_address_hears_of_it(run: Runner, pki: Pki, part: str) -> None:
    requests: list[bytes] = []

    def cut(sock: socket.socket) -> None:
        read_request(sock)
        if part == "half an answer":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        reset(sock)

    with ExitStack() as stack:
        first = stack.enter_context(Server(over_tls(pki.context(), cut)))
        second = stack.enter_context(Server(over_tls(pki.context(), serving(requests))))
        told = pull(run, pki, [first.port, second.port])
    assert told.outcome is Outcome.AMBIGUOUS
    assert told.timeline is not None
    assert (told.timeline.endpoint, told.timeline.missed) == (f"https://127.0.0.1:{first.port}", ())
    assert requests == []


def test_a_refusal_is_an_answer_and_no_reason_to_go_elsewhere(run: Runner, pki: Pki) -> None:
    one: list[bytes] = []
    two: list[bytes] = []
    with ExitStack() as stack:
        first = stack.enter_context(Server(over_tls(pki.context(), serving(one))))
        second = stack.enter_context(Server(over_tls(pki.context(), serving(two))))
        pull(run, pki, [first.port, second.port])
    assert (len(one), len(two)) == (1, 0)


def test_when_no_address_can_be_reached_each_was_tried_once(run: Runner, pki: Pki) -> None:
    first, second = dead(), dead()
    told = pull(run, pki, [first, second])
    assert (told.outcome, told.code) == (Outcome.NOT_SENT, "connect.refused")
    assert told.timeline is not None
    assert [missed.endpoint for missed in told.timeline.missed] == [f"https://127.0.0.1:{first}"]
    assert told.timeline.endpoint == f"https://127.0.0.1:{second}"


def test_an_address_that_the_breaker_holds_shut_is_not_called(run: Runner, pki: Pki) -> None:
    one: list[bytes] = []
    two: list[bytes] = []
    with ExitStack() as stack:
        first = stack.enter_context(Server(over_tls(pki.context(), serving(one))))
        second = stack.enter_context(Server(over_tls(pki.context(), serving(two))))
        pull(run, pki, [first.port, second.port], usable=[second.port])
    assert (len(one), len(two)) == (0, 1)


CHANNEL = {
    "base_url": "https://a.example/access/v2/invoke", "ca_file": "ca.pem", "jrdwptbh": "J", "sydwptbh": "S", "ylbm": "Y",
    "sm4_key_file": "sm4",
}  # fmt: skip
MORE = ["https://b.example:8443/access/v2/invoke/"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"further_urls": MORE}, "shares_register"),
        ({"shares_register": True}, "further_urls"),
        ({"further_urls": ["https://a.example:443/access/v2/invoke"], "shares_register": True}, "twice"),
        ({"further_urls": ["https://b.example/access/sandbox/v2/invoke"], "shares_register": True}, "paths differ"),
        ({"further_urls": ["http://b.example/access/v2/invoke"], "shares_register": True}, "further_urls"),
        ({"further_urls": ["https://b.example:99999/access/v2/invoke"], "shares_register": True}, "Port"),
    ],
)
def test_addresses_of_which_nobody_says_that_they_are_one_register_are_refused_at_the_start(
    changes: dict[str, Any], says: str
) -> None:
    raw = {"keys": {"audit": "a", "token": "t"}, "channel": {"leqi": CHANNEL | changes}}
    with pytest.raises(SettingsFault, match=says):
        parse(raw, "kaipiao.toml")


def test_addresses_of_one_register_are_taken_in_their_order() -> None:
    settings = ChannelSettings.model_validate(CHANNEL | {"further_urls": MORE, "shares_register": True})
    endpoints = Endpoints([settings.base_url, *settings.further_urls])
    assert endpoints.names == ("https://a.example:443", "https://b.example:8443")
    assert endpoint_of("https://[2001:db8::1]/x") == "https://[2001:db8::1]:443"


@pytest.mark.parametrize(
    "groups",
    [[], [[]], [["dns.example"]], [["192.0.2.53:0"]], [["192.0.2.53:99999"]], [["2001:db8::53", "[2001:db8::53"]],
     [["192.0.2.53"], ["192.0.2.53"]], [["system"]] * 2, [["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"], ["192.0.2.4"], ["system"]]],
)  # fmt: skip
def test_groups_of_name_servers_that_make_no_sense_are_refused(groups: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="groups"):
        DnsSettings.model_validate({"groups": groups})


def test_four_groups_of_servers_are_taken() -> None:
    groups = [["system"], ["192.0.2.53", "192.0.2.54:5353"], ["2001:db8::53"], ["[2001:db8::54]:53"]]
    assert DnsSettings.model_validate({"groups": groups}).groups == groups
