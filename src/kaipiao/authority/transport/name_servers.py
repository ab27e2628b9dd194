"""Asking one name server, by UDP and, when its answer was cut, by TCP. What is garbled, forged or of another question is not
listened to: the answer may yet come. dnspython builds and reads the messages; it is loaded when a server is named."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 16  # addresses of one answer that are looked at
_LATE = 0.05  # seconds that the other family is still waited for (RFC 8305 section 3)
_NO_DATA = getattr(socket, "EAI_NODATA", -5)
_WRITTEN = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?(?::(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Server:
    ip: str
    port: int = 53


@dataclass(frozen=True, slots=True)
class Found:
    """Addresses as the server gave them, and for how many seconds they hold."""

    ips: tuple[str, ...]
    ttl: float


def server_of(written: str) -> Server:
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`. Raises ValueError."""
    try:
        return Server(str(ipaddress.ip_address(written)))
    except ValueError:
        matched = _WRITTEN.fullmatch(written)
        if matched is None or matched[2] is None or not 0 < int(matched[2]) < 65536:
            raise
        return Server(str(ipaddress.ip_address(matched[1])), int(matched[2]))


async def ask(server: Server, host: str, seconds: float) -> Found:
    """Both families at once. Raises `socket.gaierror`: EAI_NONAME, EAI_NODATA, or EAI_AGAIN for whatever is no answer."""
    tasks = [asyncio.create_task(_records(server, host, kind, seconds)) for kind in ("AAAA", "A")]
    for task in tasks:
        task.add_done_callback(seen)
    try:
        done, late = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if late:
            has_some = any(task.exception() is None and task.result().ips for task in done)
            await asyncio.wait(late, timeout=_LATE if has_some else None)
        heard = [task for task in tasks if task.done()]
        found = [task.result() for task in heard if task.exception() is None]
        ips = tuple(ip for each in found for ip in each.ips)
        if ips:
            return Found(ips, min(each.ttl for each in found if each.ips))
        raise _worst(error for task in heard if (error := task.exception()) is not None)
    finally:
        for task in tasks:
            task.cancel()


def seen(task: asyncio.Task[Found]) -> None:
    """One that lost the race may have failed: nobody needs to know."""
    if not task.cancelled():
        task.exception()


def _worst(errors: Iterable[BaseException]) -> socket.gaierror:
    codes = {error.args[0] if isinstance(error, socket.gaierror) else socket.EAI_AGAIN for error in errors}
    if not codes:
        return socket.gaierror(_NO_DATA, "no address")
    return socket.gaierror(socket.EAI_NONAME if codes == {socket.EAI_NONAME} else socket.EAI_AGAIN, "name servers")


async def _records(server: Server, host: str, kind: str, seconds: float) -> Found:
    import dns.asyncquery  # noqa: PLC0415 - most installations ask the system
    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415

    try:
        query = dns.message.make_query(host, kind, use_edns=0, payload=1232)
        async with asyncio.timeout(seconds):
            answer, _ = await dns.asyncquery.udp_with_fallback(
                query, server.ip, seconds, server.port, ignore_unexpected=True, ignore_errors=True
            )
        rcode = answer.rcode()
        if rcode == dns.rcode.NXDOMAIN:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if rcode != dns.rcode.NOERROR or not isinstance(answer, dns.message.QueryMessage):
            raise socket.gaierror(socket.EAI_AGAIN, dns.rcode.to_text(rcode))
        chain = answer.resolve_chaining()
    except (dns.exception.DNSException, EOFError, ValueError, NotImplementedError) as error:
        raise socket.gaierror(socket.EAI_AGAIN, type(error).__name__) from error
    except OSError as error:
        if isinstance(error, socket.gaierror):
            raise
        raise socket.gaierror(socket.EAI_AGAIN, type(error).__name__) from error
    records = chain.answer or ()
    return Found(tuple(record.address for record in list(records)[:MOST]), float(chain.minimum_ttl))
