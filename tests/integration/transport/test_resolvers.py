"""Groups of name servers, for real over UDP and TCP: each fault of one leads to the next, what is kept is kept within limits,
and a wrong address never gets a byte of a request."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport import Reply, Transport
from kaipiao.authority.transport.connecting import in_turn
from kaipiao.authority.transport.known_good import KnownGood
from kaipiao.authority.transport.name_servers import MOST, Server, server_of
from kaipiao.authority.transport.resolve import Address, address_of
from kaipiao.authority.transport.resolvers import SYSTEM, Group, GroupResolver, NameRules, NoGroup

from .conftest import SHORT, SMALL, Pki
from .name_server import (
    NameServer,
    Say,
    alias,
    answered,
    cut,
    failing,
    forged_then_good,
    garbage,
    good,
    huge,
    looping,
    silent,
)
from .servers import Server as TlsServer
from .test_wire_faults import good as serve_well
from .test_wire_faults import over_tls

Runner = Callable[[Any], Any]
NAME = "bureau.example"
A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
RULES = NameRules(timeout_s=0.2)


class Bench:
    """Name servers by group, a resolver that asks them, what it told."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.now = 1000.0
        self.wall = 5000.0
        self.servers: list[NameServer] = []

    def resolver(
        self, *says: Say | None, rules: NameRules = RULES, file: Path | None = None, **more: Any
    ) -> GroupResolver:
        """One group for each; None: the system's."""
        self.servers = [self.stack.enter_context(NameServer(say or silent)) for say in says]
        groups = [
            Group(str(n), (Server("127.0.0.1", server.port) if say else SYSTEM,))
            for n, (say, server) in enumerate(zip(says, self.servers, strict=True), start=1)
        ]
        known = KnownGood(file, lambda: self.wall)
        return GroupResolver(
            groups, rules, known, lambda kind, data: self.told.append((kind, data)), clock=lambda: self.now, **more
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


def ips(addresses: list[Address]) -> list[str]:
    return [address.ip for address in addresses]


async def ask(resolver: GroupResolver, seconds: float = 5.0) -> list[str]:
    return ips(await resolver.addresses(NAME, 443, seconds))


@pytest.mark.parametrize(
    "fault",
    [silent, garbage, looping, failing(2), failing(3), failing(5), good(), good("127.0.0.1"), good("0.0.0.0"), good("::1"),
     good("::ffff:127.0.0.1"), good("224.0.0.1"), good("255.255.255.255"), good("169.254.1.1")],
    ids=["silent", "garbage", "CNAME loop", "SERVFAIL", "NXDOMAIN", "REFUSED", "no address", "loopback", "unspecified",
         "loopback 6", "mapped", "multicast", "broadcast", "link local"],
)  # fmt: skip
def test_each_fault_of_a_group_leads_to_the_next_which_is_then_kept_and_told(
    run: Runner, bench: Bench, fault: Say
) -> None:
    async def story() -> None:
        resolver = bench.resolver(fault, good(A, ttl=0))
        assert await ask(resolver) == [A]
        assert bench.told == [("resolver.switched", {"group": "2", "former": "1"})]
        asked = len(bench.servers[0].asked)
        assert await ask(resolver) == [A]
        assert len(bench.servers[0].asked) == asked
        assert len(bench.told) == 1
        await resolver.close()

    run(story())


def test_after_a_while_the_first_group_is_tried_again_and_kept_when_it_answers(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        resolver = bench.resolver(silent, good(A, ttl=0))
        await ask(resolver)
        bench.now += RULES.return_s
        await ask(resolver)
        assert resolver.current == "2"  # still silent
        bench.servers[0].say = good(B, ttl=0)
        assert await ask(resolver) == [A]  # not before its time
        bench.now += RULES.return_s
        assert await ask(resolver) == [B]
        assert resolver.current == "1"
        await resolver.close()

    run(story())


@pytest.mark.parametrize("say", [forged_then_good(A), cut(A), alias(A)], ids=["forged first", "truncated", "alias"])
def test_what_is_not_the_answer_is_not_listened_to_and_what_was_cut_is_asked_by_tcp(
    run: Runner, bench: Bench, say: Say
) -> None:
    async def story() -> None:
        resolver = bench.resolver(say, good(B))
        assert await ask(resolver) == [A]
        await resolver.close()

    run(story())


def test_a_huge_answer_is_read_in_part(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        resolver = bench.resolver(huge, rules=NameRules(timeout_s=5.0))
        assert len(await ask(resolver)) == MOST
        await resolver.close()

    run(story())


def test_both_families_are_asked_for_and_one_that_fails_costs_the_other_nothing(run: Runner, bench: Bench) -> None:
    def only_a(query: Any, tcp: bool) -> Any:
        return good(A, B)(query, tcp) if query.question[0].rdtype == 1 else []

    async def story() -> None:
        resolver = bench.resolver(good(A, "2001:db8::1"))
        assert set(await ask(resolver)) == {A, "2001:db8::1"}
        assert {kind for kind, _ in bench.servers[0].asked} == {"A", "AAAA"}
        await resolver.close()
        resolver = bench.resolver(only_a)
        assert set(await ask(resolver)) == {A, B}
        await resolver.close()

    run(story())


def test_the_families_take_turns() -> None:
    addresses = [address_of(ip, 443) for ip in ("2001:db8::1", "2001:db8::2", A, B, C)]
    assert ips(in_turn(addresses)) == ["2001:db8::1", A, "2001:db8::2", B, C]


@pytest.mark.parametrize(("ttl", "kept"), [(10, 10), (86_400, 300), (0, 0)])
def test_an_answer_is_kept_for_its_time_to_live_and_300_s_at_most(
    run: Runner, bench: Bench, ttl: int, kept: int
) -> None:
    async def story() -> None:
        resolver = bench.resolver(alias(A, ttl=ttl))
        await ask(resolver)
        bench.servers[0].say = good(B)
        if kept:
            bench.now += kept - 1
            assert await ask(resolver) == [A]
        bench.now += 1
        assert await ask(resolver) == [B]
        await resolver.close()

    run(story())


def test_when_all_groups_fail_the_cause_is_told(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        resolver = bench.resolver(failing(3), failing(3))
        with pytest.raises(socket.gaierror) as caught:
            await ask(resolver)
        assert caught.value.args[0] == socket.EAI_NONAME
        await resolver.close()
        resolver = bench.resolver(silent, failing(2))
        with pytest.raises(socket.gaierror) as caught:
            await ask(resolver)
        assert caught.value.args[0] == socket.EAI_AGAIN
        await resolver.close()

    run(story())


def test_a_name_may_lead_to_this_machine_only_where_the_settings_say_so(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        rules = NameRules(timeout_s=0.3, local_hosts=frozenset({NAME}))
        resolver = bench.resolver(good("127.0.0.1"), rules=rules)
        assert await ask(resolver) == ["127.0.0.1"]
        await resolver.close()

    run(story())


def test_known_good_addresses_outlast_a_restart_and_are_used_within_their_hours_only(
    run: Runner, bench: Bench, tmp_path: Path
) -> None:
    async def story() -> None:
        file = tmp_path / "known.json"
        first = bench.resolver(good(A, B), file=file)
        await ask(first)
        first.proved(NAME, A)  # B never showed the host's certificate
        await first.close()
        again = bench.resolver(silent, failing(3), file=file)
        bench.wall += 24 * 3600
        found = await again.addresses(NAME, 443, 5.0)
        assert [(a.ip, a.stale) for a in found] == [(A, True)]
        await again.addresses(NAME, 443, 5.0)
        assert bench.told == [("resolver.stale", {"host": NAME})]  # once
        bench.wall += 1
        with pytest.raises(socket.gaierror):
            await ask(again)
        await again.close()

    run(story())


def test_a_caller_with_little_time_gets_the_known_good_address_while_the_look_up_goes_on(
    run: Runner, bench: Bench
) -> None:
    async def story() -> None:
        resolver = bench.resolver(silent, silent, good(B), rules=NameRules(timeout_s=0.4))
        resolver.proved(NAME, A)
        assert await ask(resolver, seconds=0.2) == [A]
        while resolver._running:
            await asyncio.sleep(0.02)
        assert await ask(resolver, seconds=0.2) == [B]
        await resolver.close()

    run(story())


HOSTILE = [
    b"", b"{", b"[]", b'{"hosts": 1}', b'{"hosts": {"a": []}}', b'{"hosts": {"a": {"not an address": 1}}}',
    b'{"hosts": {"bureau.example": {"192.0.2.1": "soon"}}}', b'{"hosts": {"bureau.example": {"192.0.2.1": 1e300}}}',
    b'{"hosts": {"bureau.example": {"192.0.2.1": NaN}}}', b"[" * 200_000, b"\xff\xfe", b" " * 300_000,
    b'{"hosts": {"bureau.example": {"192.0.2.1": 1%s}}}' % (b"0" * 400),
]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_file_that_is_not_as_we_write_it_is_ignored_and_written_anew(
    run: Runner, bench: Bench, tmp_path: Path, content: bytes
) -> None:
    async def story() -> None:
        file = tmp_path / "known.json"
        file.write_bytes(content)
        resolver = bench.resolver(failing(3), file=file)
        with pytest.raises(socket.gaierror):
            await ask(resolver)
        resolver.proved(NAME, A)
        await resolver.close()
        assert json.loads(file.read_bytes())["hosts"][NAME] == {A: bench.wall}

    run(story())


def test_a_file_of_hosts_without_proofs_is_no_obstacle_to_new_ones(run: Runner, tmp_path: Path) -> None:
    """A bug: the oldest of 65 hosts was looked for among proofs that some of them did not have."""

    async def story() -> None:
        file = tmp_path / "known.json"
        file.write_text(json.dumps({"version": 1, "hosts": {f"h{n}.example": {} for n in range(64)}}))
        known = KnownGood(file, lambda: 5000.0)
        known.proved(NAME, A)
        await known.close()
        assert json.loads(file.read_bytes())["hosts"][NAME] == {A: 5000.0}

    run(story())


def test_a_group_is_chosen_by_hand_and_left_alone_until_it_is_given_back(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        resolver = bench.resolver(good(A, ttl=0), good(B, ttl=0))
        resolver.use("2")
        bench.now += 10 * RULES.return_s
        assert await ask(resolver) == [B]
        resolver.use(None)
        assert await ask(resolver) == [A]
        with pytest.raises(NoGroup):
            resolver.use("5")
        await resolver.close()

    run(story())


def test_the_system_may_be_one_of_the_groups_and_its_answers_are_not_kept(run: Runner, bench: Bench) -> None:
    async def story() -> None:
        answers = [[address_of(A, 0)], [address_of(B, 0)]]
        resolver = bench.resolver(silent, None, lookup=lambda host, port: answers.pop(0))
        assert await ask(resolver) == [A]
        assert await ask(resolver) == [B]
        await resolver.close()

    run(story())


@pytest.mark.parametrize(
    ("written", "server"),
    [("192.0.2.53", Server("192.0.2.53")), ("192.0.2.53:5353", Server("192.0.2.53", 5353)),
     ("2001:db8::53", Server("2001:db8::53")), ("[2001:db8::53]:5353", Server("2001:db8::53", 5353))],
)  # fmt: skip
def test_a_server_is_written_with_a_port_or_without(written: str, server: Server) -> None:
    assert server_of(written) == server


@pytest.mark.parametrize(
    "written", ["", "dns.example", "192.0.2.53:0", "192.0.2.53:99999", "192.0.2.999", "[::1", "::1]:x"]
)
def test_what_is_no_server_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        server_of(written)


REAL, STRANGER, DEAD = "127.0.0.1", "127.0.0.2", "127.0.0.3"  # at one port
ONE_MACHINE = NameRules(timeout_s=0.3, local_hosts=frozenset({NAME}))


class Places:
    """The host's own server, and a stranger's at another address, who has no certificate of the host."""

    def __init__(self, pki: Pki, stack: ExitStack, pair: tuple[Path, Path]) -> None:
        self.overheard: list[bytes] = []
        own = pki.authority.leaf("bureau", hosts=(NAME,))
        self.real = stack.enter_context(TlsServer(over_tls(pki.context(own), serve_well)))
        self.port = self.real.port
        context = pki.context(pair)
        self.stranger = stack.enter_context(TlsServer(over_tls(context, self._overhear), address=(STRANGER, self.port)))

    def _overhear(self, sock: socket.socket) -> None:
        if data := sock.recv(65536):
            self.overheard.append(data)


async def post(pki: Pki, resolver: GroupResolver, port: int, times: int = 1) -> list[Reply]:
    transport = Transport(pki.tls(), SHORT, SMALL, names=resolver)
    try:
        url = f"https://{NAME}:{port}/access"
        return [await transport.post(url, {"fwbm": "QDFPSC"}, b"an invoice") for _ in range(times)]
    finally:
        await transport.close()
        await resolver.close()


@pytest.fixture(params=["wrong name", "unknown authority"])
def stranger(request: pytest.FixtureRequest, pki: Pki) -> tuple[Path, Path]:
    if request.param == "wrong name":
        return pki.authority.leaf("elsewhere", hosts=("elsewhere.example",))
    return pki.stranger.leaf("bureau-forged", hosts=(NAME,))


def test_a_wrong_address_gets_no_byte_of_a_request_and_the_next_one_of_the_answer_is_used(
    run: Runner, bench: Bench, pki: Pki, stranger: tuple[Path, Path]
) -> None:
    places = Places(pki, bench.stack, stranger)
    both = [address_of(STRANGER, 0), address_of(REAL, 0)]
    resolver = bench.resolver(None, lookup=lambda host, port: both, rules=ONE_MACHINE)
    (reply,) = run(post(pki, resolver, places.port))
    assert (reply.status, reply.failure) == (200, None)
    assert reply.timeline.peer == f"{REAL}:{places.port}"
    assert places.stranger.connections == 1
    assert places.overheard == []


@pytest.mark.parametrize("wrong", [STRANGER, DEAD])
def test_when_nothing_of_an_answer_is_the_host_the_next_group_is_asked_in_the_same_call(
    run: Runner, bench: Bench, pki: Pki, stranger: tuple[Path, Path], wrong: str
) -> None:
    places = Places(pki, bench.stack, stranger)
    resolver = bench.resolver(good(wrong), good(REAL), rules=ONE_MACHINE)
    first, second = run(post(pki, resolver, places.port, times=2))
    assert (first.status, first.failure) == (200, None)
    assert (second.status, second.timeline.reused) == (200, True)
    assert bench.told == [("resolver.switched", {"group": "2", "former": "1"})]
    assert places.overheard == []


def rotating(last: int = 250) -> Say:
    """Poison that gives another dead address every time it is asked."""
    places = iter(range(10, last))
    return lambda query, _tcp: [answered(query, f"127.0.9.{next(places)}", ttl=300)]


def test_a_name_server_with_ever_new_wrong_addresses_cannot_keep_a_call_busy_and_the_next_group_is_asked(
    run: Runner, bench: Bench, pki: Pki, stranger: tuple[Path, Path]
) -> None:
    """A bug: such a group stayed the first to be asked, and the call went on until it ran out of addresses."""
    places = Places(pki, bench.stack, stranger)
    resolver = bench.resolver(rotating(), good(REAL), rules=ONE_MACHINE)
    (reply,) = run(post(pki, resolver, places.port))
    assert (reply.status, reply.failure) == (200, None)
    assert len(bench.servers[0].asked) <= 4  # two families, twice at most
    everywhere = bench.resolver(rotating(), rotating(), rules=ONE_MACHINE)
    (reply,) = run(post(pki, everywhere, places.port))
    assert reply.failure is not None
    assert (reply.failure.cause, reply.failure.surely_not_sent) == ("connect.refused", True)
    assert sum(len(server.asked) for server in bench.servers) <= 4 * 2 * 2


def test_when_every_group_leads_to_a_stranger_the_call_fails_with_nothing_sent(
    run: Runner, bench: Bench, pki: Pki, stranger: tuple[Path, Path]
) -> None:
    places = Places(pki, bench.stack, stranger)
    resolver = bench.resolver(good(STRANGER), good(STRANGER), rules=ONE_MACHINE)
    for reply in run(post(pki, resolver, places.port, times=2)):
        assert reply.failure is not None
        assert reply.failure.cause in ("handshake.wrong_name", "handshake.unknown_ca")
        assert reply.failure.surely_not_sent
        assert (reply.failure.phase, reply.timeline.reached) == (Phase.HANDSHAKE, Phase.HANDSHAKE)
        assert reply.timeline.bytes_sent == 0
    assert places.stranger.connections == 2  # once a call, however many groups say so
    assert places.overheard == []
    assert bench.told == []  # nobody is better than the other


def test_a_call_through_a_known_good_address_is_marked_in_its_timeline(run: Runner, bench: Bench, pki: Pki) -> None:
    places = Places(pki, bench.stack, pki.server)

    async def story() -> list[Reply]:
        resolver = bench.resolver(good(REAL, ttl=0), rules=ONE_MACHINE)
        transport = Transport(pki.tls(), SHORT, SMALL, names=resolver)
        url = f"https://{NAME}:{places.port}/access"
        replies = [await transport.post(url, {"Connection": "close"}, b"x")]
        bench.servers[0].say = silent
        await asyncio.sleep(0.05)
        replies.append(await transport.post(url, {"Connection": "close"}, b"x"))
        await transport.close()
        await resolver.close()
        return replies

    before, during = run(story())
    assert (before.status, before.timeline.stale) == (200, False)
    assert (during.status, during.timeline.stale, during.timeline.reused) == (200, True, False)
    assert bench.told == [("resolver.stale", {"host": NAME})]


def test_a_silent_address_costs_a_moment_and_not_the_call(run: Runner, bench: Bench, pki: Pki) -> None:
    places = Places(pki, bench.stack, pki.server)
    with socket.socket() as full:
        full.bind((DEAD, places.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:  # the queue is full: further connects are met with silence
            sock.setblocking(False)
            sock.connect_ex((DEAD, places.port))
        resolver = bench.resolver(good(DEAD, REAL), rules=ONE_MACHINE)
        (reply,) = run(post(pki, resolver, places.port))
        for sock in waiting:
            sock.close()
    assert (reply.status, reply.failure) == (200, None)
    connected = next(span for span in reply.timeline.spans if span.phase is Phase.CONNECT)
    assert connected.end is not None
    assert connected.end - connected.start < 0.4  # the time-out of the phase
