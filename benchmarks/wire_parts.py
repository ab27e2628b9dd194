"""The unavoidable parts on the wire: the TLS write of an envelope, and the poll of its results."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kaipiao.authority.channel import Phase, Timeline
from kaipiao.authority.leqi import services
from kaipiao.authority.leqi.call import read
from kaipiao.authority.leqi.envelope import sealed
from kaipiao.authority.leqi.results import results
from kaipiao.authority.sandbox import envelope, home
from kaipiao.authority.transport import Reply, TlsSettings
from kaipiao.authority.transport.p256 import P256, P256Session

_PIECE = 65536
_NO_TIME = Timeline(Phase.ANSWER, (), 0, reused=True, peer=None)


def thread_cpu(do: Callable[[], object], repeat: int) -> float:
    """The least CPU of this thread of several rounds, µs."""
    rounds = []
    for _ in range(repeat):
        began = time.thread_time()
        do()
        rounds.append(time.thread_time() - began)
    return min(rounds) * 1e6


def tls_write(bodies: Sequence[bytes], repeat: int) -> float:
    """µs to encrypt these bodies in the transport's own TLS session and to write them to a socket that is read elsewhere."""
    with tempfile.TemporaryDirectory(prefix="kaipiao-bench-") as scratch:
        session = _session(Path(scratch))
    here, there = socket.socketpair()
    threading.Thread(target=_drain, args=(there,), daemon=True).start()

    def write() -> None:
        for body in bodies:
            for start in range(0, len(body), _PIECE):
                here.sendall(session.encrypt(body[start : start + _PIECE]))

    spent = thread_cpu(write, repeat)
    here.close()
    return spent


def poll(key: bytes, batches: Sequence[Sequence[str]], repeat: int) -> float:
    """µs to ask for the results of these batches of numbers and to understand the answers."""
    answers = [_answer(key, numbers) for numbers in batches]

    def ask() -> None:
        for answer in answers:
            sealed(key, {"sllsh": "0" * 30})
            reply = Reply(200, {}, answer, _NO_TIME, None)
            value = read(key, services.RESULT, reply).value
            assert value is not None
            assert len(results(value)) == len(batches[0])

    return thread_cpu(ask, repeat)


def _answer(key: bytes, numbers: Sequence[str]) -> bytes:
    """As the bureau gives it: every invoice is confirmed."""
    listed = [{"fphm": number, "status": "00", "message": "上传成功"} for number in numbers]
    return envelope.wrap(key, {"returncode": "00", "returnmsg": "成功", "resultList": listed})


def _session(directory: Path) -> P256Session:
    """A session after its handshake with a server in memory."""
    home.prepare_certificates(directory, "localhost", "ZL0000000001")
    client = TlsSettings(directory / home.CA_FILE, directory / home.CLIENT_CERTIFICATE, directory / home.CLIENT_KEY)
    session = P256(client).session("localhost")
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = home.server_context(directory, client_certificate_required=True).wrap_bio(into, out, server_side=True)
    done = False
    while not done:
        done = session.handshake()
        into.write(session.outgoing())
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        session.receive(out.read())
    return session


def _drain(there: socket.socket) -> None:
    while there.recv(1 << 20):
        pass
    there.close()
