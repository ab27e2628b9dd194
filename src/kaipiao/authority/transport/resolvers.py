"""Up to four groups of name servers (P38), asked in turn: the one that works is kept, and the first is tried again after a
while. An answer that cannot be the host's leads to the next group; the certificate judges the rest. When nobody answers,
addresses that proved to be the host's within some hours are used, and that is told. All times here are real time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kaipiao.authority.transport.known_good import KnownGood
from kaipiao.authority.transport.name_servers import Found, Server, ask, seen
from kaipiao.authority.transport.names import as_address
from kaipiao.authority.transport.resolve import Address, Lookup, Resolver, address_of, system_lookup

log = logging.getLogger(__name__)

Tell = Callable[[str, dict[str, str | int | bool | None]], None]
SYSTEM = "system"
_PATIENCE = 0.6  # share of a caller's time after which a known good address is taken instead of an answer
_DISTRUST = 60.0  # seconds
_LONE = 30.0  # seconds for the system's own resolver when there is no other group


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that are asked at the same time. `name` is what events and people call it."""

    name: str
    servers: tuple[Server | str, ...]  # SYSTEM: the machine's own resolver


@dataclass(frozen=True, slots=True)
class NameRules:
    """Seconds, real time. `local_hosts`: names that may lead to this machine."""

    max_ttl_s: float = 300.0
    timeout_s: float = 1.0
    stale_s: float = 24 * 3600.0
    return_s: float = 300.0
    local_hosts: frozenset[str] = frozenset()


class NoGroup(ValueError):
    """There is no group of this name."""


def _told_to_nobody(_kind: str, _data: dict[str, str | int | bool | None]) -> None:
    return None


class GroupResolver:
    """See `Names`. Belongs to one event loop. A look-up that nobody waits for any more goes on and is there for the next."""

    def __init__(
        self,
        groups: Sequence[Group],
        rules: NameRules | None = None,
        known: KnownGood | None = None,
        tell: Tell = _told_to_nobody,
        lookup: Lookup = system_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.groups = tuple(groups)
        self._rules = rules or NameRules()
        self._known = known or KnownGood(None)
        self._tell = tell
        self._system = Resolver(lookup)
        self._clock = clock
        self._current = 0
        self._pinned = False
        self._left_first = clock()
        self._fresh: dict[str, tuple[tuple[str, ...], float]] = {}
        self._running: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._distrusted: dict[tuple[str, str], float] = {}
        self._gave: dict[str, int] = {}  # host → the group whose addresses were used last
        self._doubted: dict[tuple[str, int], float] = {}  # (host, group) → since when
        self._stale: set[str] = set()

    @property
    def current(self) -> str:
        return self.groups[self._current].name

    def use(self, name: str | None) -> None:
        """By hand: begin with this group until told otherwise; None: as it was meant to be. Raises `NoGroup`."""
        names = [group.name for group in self.groups]
        if name is not None and name not in names:
            raise NoGroup(name)
        self._pinned = name is not None
        self._fresh.clear()
        self._switch(names.index(name) if name is not None else 0)

    async def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """See `Names`."""
        literal = as_address(host)
        if literal is not None:
            return [address_of(str(literal), port)]
        fresh, until = self._fresh.get(host, ((), 0.0))
        if until > self._clock():
            return [address_of(ip, port) for ip in fresh]
        known = self._known.of(host, self._rules.stale_s)
        task = self._running.get(host) or self._start(host)
        await asyncio.wait([task], timeout=seconds * _PATIENCE if known else None)
        if task.done() and task.exception() is None:
            self._stale.discard(host)
            return [address_of(ip, port) for ip in task.result()]
        if not known:
            return [address_of(ip, port) for ip in task.result()]  # raises why not
        self._say_stale(host)
        return [address_of(ip, port, stale=True) for ip in known]

    def distrust(self, host: str, ip: str) -> bool:
        """See `Names`. It comes last for a while, and so does the group that gave nothing better."""
        now = self._clock()
        self._distrusted = {place: until for place, until in self._distrusted.items() if until > now}
        self._distrusted[(host, ip)] = now + _DISTRUST
        self._fresh.pop(host, None)
        if host in self._gave:
            self._doubted[(host, self._gave[host])] = now
        return len(self.groups) > 1

    def proved(self, host: str, ip: str) -> None:
        self._distrusted.pop((host, ip), None)
        if as_address(host) is None:
            self._known.proved(host, ip)

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        await self._known.close()

    def _start(self, host: str) -> asyncio.Task[tuple[str, ...]]:
        task = self._running[host] = asyncio.create_task(self._look_up(host), name=f"resolve {host}")
        task.add_done_callback(lambda done: self._ended(host, done))
        return task

    def _ended(self, host: str, done: asyncio.Task[tuple[str, ...]]) -> None:
        self._running.pop(host, None)
        if not done.cancelled():
            done.exception()  # seen, even if all that asked have gone

    async def _look_up(self, host: str) -> tuple[str, ...]:
        """The groups in turn, the one that worked last first. Raises `socket.gaierror` when none has an answer."""
        last = socket.gaierror(socket.EAI_AGAIN, "no name server")
        doubtful: tuple[str, ...] = ()
        for index in self._order(host):
            group = self.groups[index]
            try:
                found = await self._ask_group(group, host)
            except socket.gaierror as error:
                last = error
                log.info("a group of name servers has no answer", extra={"group": group.name, "host": host})
                continue
            good = tuple(ip for ip in found.ips if self._distrusted.get((host, ip), 0.0) <= self._clock())
            if good:
                self._switch(index)
                self._gave[host] = index
                ips = good + tuple(ip for ip in found.ips if ip not in good)
                self._fresh[host] = (ips, self._clock() + min(found.ttl, self._rules.max_ttl_s))
                return ips
            doubtful = doubtful or found.ips
        if doubtful:  # everybody says so: then it is the host that has a fault
            return doubtful
        raise last

    def _order(self, host: str) -> list[int]:
        """A group that led astray is asked after the others for a while, whatever it would say now."""
        since, now = self._doubted, self._clock()
        return sorted(self._turns(), key=lambda i: at if (at := since.get((host, i), 0.0)) + _DISTRUST > now else 0.0)

    def _turns(self) -> list[int]:
        first = self._current
        if len(self.groups) == 1:
            return [0, 0]  # a datagram may be lost
        if not self._pinned and first and self._clock() - self._left_first >= self._rules.return_s:
            first, self._left_first = 0, self._clock()
            return [0, self._current, *(i for i in range(len(self.groups)) if i not in (0, self._current))]
        return [first, *(i for i in range(len(self.groups)) if i != first)]

    def _switch(self, index: int) -> None:
        if index == self._current:
            return
        former, self._current, self._left_first = self.current, index, self._clock()
        told: dict[str, str | int | bool | None] = {"group": self.current, "former": former}
        log.warning("another group of name servers is asked", extra=told)
        self._tell("resolver.switched", told)

    async def _ask_group(self, group: Group, host: str) -> Found:
        """The first answer of the group that can be the host's. Raises the error of the last, `socket.gaierror`."""
        patient = len(self.groups) == 1 and SYSTEM in group.servers
        seconds = _LONE if patient else self._rules.timeout_s
        tasks = {asyncio.create_task(self._ask_server(server, host, seconds)) for server in group.servers}
        for task in tasks:
            task.add_done_callback(seen)
        last = socket.gaierror(socket.EAI_AGAIN, "no answer")
        pending = set(tasks)
        try:
            async with asyncio.timeout(seconds):
                while pending:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        error = task.exception()
                        if error is None:
                            return task.result()
                        if not isinstance(error, socket.gaierror):
                            raise error
                        last = error
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "silence") from None
        finally:
            for task in tasks:
                task.cancel()
        raise last

    async def _ask_server(self, server: Server | str, host: str, seconds: float) -> Found:
        if isinstance(server, Server):
            found = await ask(server, host, seconds)
        else:
            found = await self._ask_system(host)
        ips = tuple(ip for ip in found.ips if self._can_be(ip, host))
        if not ips:
            log.warning("a name server gave addresses that cannot be the host's", extra={"host": host})
            raise socket.gaierror(socket.EAI_AGAIN, "implausible")
        return Found(ips, found.ttl)

    async def _ask_system(self, host: str) -> Found:
        """The system keeps its own answers, so they are not kept here."""
        try:
            found = await self._system.addresses(host, 0)
        except socket.gaierror:
            raise
        except OSError as error:
            raise socket.gaierror(socket.EAI_AGAIN, str(error)) from error
        if not found:
            raise socket.gaierror(getattr(socket, "EAI_NODATA", -5), "no address")
        return Found(tuple(address.ip for address in found), 0.0)

    def _can_be(self, ip: str, host: str) -> bool:
        name = host.rstrip(".").lower()
        if name in self._rules.local_hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        address = ipaddress.ip_address(ip.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        never = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
        return not (never or (address.version == 4 and address.is_reserved))

    def _say_stale(self, host: str) -> None:
        if host not in self._stale:
            self._stale.add(host)
            log.warning("no name server answers, a known good address is used", extra={"host": host})
            self._tell("resolver.stale", {"host": host})
