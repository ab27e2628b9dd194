"""The wire of the storm: what it cuts is cut, what it holds waits, half an answer is half an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kaipiao_lab.storm.wire import Wire


@pytest.fixture
def echo() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    def answer(peer: socket.socket) -> None:
        with peer:
            try:
                while piece := peer.recv(1000):
                    peer.sendall(piece)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def wire(echo: int) -> Iterator[Wire]:
    made = Wire(lambda: echo)
    yield made
    made.close()


def said(line: socket.socket, words: bytes) -> bytes:
    line.sendall(words)
    return line.recv(1000)


def connect(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=5)


def test_it_carries_both_ways_and_cut_connections_are_reset(wire: Wire) -> None:
    with connect(wire) as line:
        assert said(line, b"hello") == b"hello"
        assert wire.cut() == 1
        with pytest.raises(ConnectionResetError):
            line.recv(1000)
    with connect(wire) as line:
        assert said(line, b"again") == b"again"


def test_what_is_held_comes_later(wire: Wire) -> None:
    with connect(wire) as line:
        assert said(line, b"a") == b"a"
        wire.hold(0.3)
        began = time.monotonic()
        assert said(line, b"b") == b"b"
        assert time.monotonic() - began >= 0.29


def test_half_an_answer_passes_once(wire: Wire) -> None:
    with connect(wire) as line:
        assert said(line, b"12345678") == b"12345678"
        wire.halve()
        assert said(line, b"12345678") in (b"1234", b"")
        with pytest.raises(ConnectionResetError):
            line.recv(1000)
    with connect(wire) as line:
        assert said(line, b"whole") == b"whole"


def test_where_nobody_is_the_caller_is_reset() -> None:
    made = Wire(lambda: None)
    try:
        with pytest.raises(ConnectionResetError), socket.socket() as line:  # noqa: PT012 — the reset may come before connect returns
            line.connect(("127.0.0.1", made.port))
            line.recv(10)
    finally:
        made.close()
