"""Addresses that have proved to be a host's by its certificate, kept in a file: what is tried when no name server answers."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from kaipiao.seal import durable

log = logging.getLogger(__name__)

HOSTS, EACH = 64, 8  # that are kept
LARGEST = 256 * 1024  # bytes of a file of ours; more is not ours
FRESHEN = 600.0  # seconds after which a proof is written anew


class KnownGood:
    """Host → addresses with the time of their last proof (seconds since 1970). `path` None: in memory only."""

    def __init__(self, path: Path | None, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall = wall
        self._hosts = _read(path, wall()) if path is not None else {}
        self._saving: asyncio.Task[None] | None = None
        self._dirty = False

    def of(self, host: str, seconds: float) -> tuple[str, ...]:
        """Those proved within so many seconds, the latest first."""
        since = self._wall() - seconds
        known = sorted(self._hosts.get(host, {}).items(), key=lambda pair: -pair[1])
        return tuple(ip for ip, at in known if at >= since)

    def proved(self, host: str, ip: str) -> None:
        now, known = self._wall(), self._hosts.setdefault(host, {})
        is_news = ip not in known or not 0 <= now - known[ip] < FRESHEN
        known[ip] = now
        if is_news:
            self._drop_old()
            self._dirty = True
            if self._path is not None and (self._saving is None or self._saving.done()):
                self._saving = asyncio.get_running_loop().create_task(self._save(self._path))

    async def close(self) -> None:
        """What is known is in the file."""
        if self._saving is not None:
            await self._saving

    async def _save(self, path: Path) -> None:
        while self._dirty:
            self._dirty = False
            content = json.dumps({"version": 1, "hosts": self._hosts}, sort_keys=True).encode()
            try:
                await asyncio.to_thread(durable.replace, path, content)
            except OSError as error:
                log.warning("known addresses not written", extra={"cause": type(error).__name__})

    def _drop_old(self) -> None:
        for known in self._hosts.values():
            while len(known) > EACH:
                del known[min(known, key=known.__getitem__)]
        while len(self._hosts) > HOSTS:
            del self._hosts[min(self._hosts, key=lambda host: max(self._hosts[host].values(), default=0.0))]


def _read(path: Path, now: float) -> dict[str, dict[str, float]]:
    """What the file says; nothing, and a line in the log, when it is not as we write it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError("too large")
        hosts = json.loads(content)["hosts"]
        return {str(host): _addresses(known, now) for host, known in list(hosts.items())[:HOSTS]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        log.warning("known addresses ignored", extra={"cause": type(error).__name__})
        return {}


def _addresses(known: dict[str, float], now: float) -> dict[str, float]:
    """A proof of the future is none: the clock was wrong then, or is now."""
    proofs = {str(ipaddress.ip_address(ip)): float(at) for ip, at in list(known.items())[:EACH]}
    return {ip: at for ip, at in proofs.items() if 0 <= at <= now}
