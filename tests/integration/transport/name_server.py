"""A name server on loopback, UDP and TCP on one port, that answers what a test says: well, wrongly, late or never."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

HOST = "bureau.example."
Say = Callable[[dns.message.Message, bool], Sequence[bytes]]


class NameServer:
    """`say` gets the query and whether it came by TCP; it returns the datagrams (or the one message) to send back."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[tuple[str, bool]] = []
        self._udp, self._tcp = _pair()
        self.port: int = self._udp.getsockname()[1]
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._datagrams, self._streams)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()

    def _datagrams(self) -> None:
        while True:
            wire, peer = self._udp.recvfrom(65535)
            if not wire:
                return
            for answer in self._answers(wire, tcp=False):
                self._udp.sendto(answer, peer)

    def _streams(self) -> None:
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            with sock, suppress(OSError):
                sock.settimeout(5)
                length = int.from_bytes(sock.recv(2), "big")
                for answer in self._answers(sock.recv(length), tcp=True):
                    sock.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answers(self, wire: bytes, *, tcp: bool) -> Sequence[bytes]:
        query = dns.message.from_wire(wire)
        self.asked.append((dns.rdatatype.to_text(query.question[0].rdtype), tcp))
        return self.say(query, tcp)


def _pair() -> tuple[socket.socket, socket.socket]:
    """UDP and TCP on one port: a port that is free for one may be somebody's for the other."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(("127.0.0.1", udp.getsockname()[1]))
        except OSError:
            udp.close()


def answered(query: dns.message.Message, *ips: str, ttl: int = 60, rcode: int = 0) -> bytes:
    """A sound answer with those of the addresses that are of the family that was asked for."""
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.Rcode(rcode))
    question = query.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    fitting = [ip for ip in ips if (":" in ip) == (kind == "AAAA")]
    if fitting:
        response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *fitting))
    return response.to_wire(max_size=65535)


def good(*ips: str, ttl: int = 60) -> Say:
    return lambda query, _tcp: [answered(query, *ips, ttl=ttl)]


def silent(_query: dns.message.Message, _tcp: bool) -> Sequence[bytes]:
    return []


def failing(rcode: int) -> Say:
    return lambda query, _tcp: [answered(query, rcode=rcode)]


def garbage(query: dns.message.Message, _tcp: bool) -> Sequence[bytes]:
    return [b"\x00", query.to_wire()[:7], b"\xff" * 400]


def forged_then_good(*ips: str) -> Say:
    """Answers with another id and to another question come first."""

    def say(query: dns.message.Message, _tcp: bool) -> Sequence[bytes]:
        other = dns.message.make_query("elsewhere.example.", query.question[0].rdtype, id=query.id)
        forged = bytearray(answered(query, "192.0.2.66", "2001:db8::66"))
        forged[0] ^= 0xFF
        return [bytes(forged), answered(other, "192.0.2.66", "2001:db8::66"), answered(query, *ips)]

    return say


def cut(*ips: str) -> Say:
    """Truncated by UDP, whole by TCP."""

    def say(query: dns.message.Message, tcp: bool) -> Sequence[bytes]:
        if tcp:
            return [answered(query, *ips)]
        response = dns.message.make_response(query)
        response.flags |= 0x0200  # TC
        return [response.to_wire()]

    return say


def looping(query: dns.message.Message, _tcp: bool) -> Sequence[bytes]:
    response = dns.message.make_response(query)
    for name, target in ((HOST, "b.example."), ("b.example.", HOST)):
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
    return [response.to_wire()]


def alias(*ips: str, ttl: int = 60) -> Say:
    """Through a CNAME, whose time to live counts too."""

    def say(query: dns.message.Message, _tcp: bool) -> Sequence[bytes]:
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(HOST, ttl, "IN", "CNAME", "real.example."))
        fitting = [ip for ip in ips if (":" in ip) == (kind == "AAAA")]
        if fitting:
            response.answer.append(dns.rrset.from_text("real.example.", 3600, "IN", kind, *fitting))
        return [response.to_wire()]

    return say


def huge(query: dns.message.Message, tcp: bool) -> Sequence[bytes]:
    """As many addresses as a message holds."""
    if not tcp:
        return cut()(query, tcp)
    return [answered(query, *(f"198.51.{n // 250}.{n % 250 + 1}" for n in range(1500)))]
