"""What a database did to its files, in order, in a file that outlives the process.

A record: kind (1 byte), file (4 bytes), offset (8 bytes), length (4 bytes), then so many bytes. All little-endian.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_HEAD = struct.Struct("<BIqI")


class Kind(IntEnum):
    OPEN = 1  # data: the path
    WRITE = 2
    TRUNCATE = 3  # offset: the new size
    SYNC = 4  # it had returned
    DELETE = 5  # data: the path


@dataclass(frozen=True, slots=True)
class Record:
    """`file`: a number that an OPEN gave. `offset` in bytes."""

    kind: Kind
    file: int
    offset: int = 0
    data: bytes = b""


class Journal:
    """Appends. Of a process that is killed, the kernel keeps what was appended."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()

    def append(self, record: Record) -> None:
        head = _HEAD.pack(record.kind, record.file, record.offset, len(record.data))
        rest = memoryview(head + record.data)
        with self._lock:
            while rest:
                rest = rest[os.write(self._file, rest) :]


def records(path: Path) -> Iterator[Record]:
    """All whole records; one that was cut off by the kill is none."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            kind, number, offset, length = _HEAD.unpack(head)
            data = file.read(length)
            if len(data) < length:
                return
            yield Record(Kind(kind), number, offset, data)
