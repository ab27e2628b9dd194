"""What the disk has after the power failed: everything up to each file's last fsync, and of the rest what chance gives.

A write that was not followed by an fsync may be there, or not, or a part of its sectors, in any order with others.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kaipiao_lab.powercut.journal import Kind, Record

SECTOR = 512  # bytes that a disk writes whole or not at all


class Remainder(StrEnum):
    """What becomes of that which no fsync followed."""

    NOTHING = "nothing"
    ALL = "all"
    CHANCE = "chance"


@dataclass(slots=True)
class _File:
    path: str
    content: bytearray
    exists: bool
    waiting: list[Record] = field(default_factory=list)


def cut(place: Path, base: Path, records: Iterable[Record], remainder: Remainder, chance: random.Random) -> int:
    """Make the files in `place` what a disk would have: `base` is how they were when the records begin. Returns how many
    changes were waiting for an fsync."""
    files = _replay(base, records)
    waiting = 0
    for file in files.values():
        waiting += len(file.waiting)
        for record in file.waiting:
            _apply_some(file, record, remainder, chance)
        _put(place / Path(file.path).name, file)
    for shared in place.glob("*-shm"):  # memory, not disk
        shared.unlink()
    return waiting


def keep(place: Path, base: Path, names: Iterable[str]) -> None:
    """How the files are now, before the power comes on."""
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    for name in names:
        if (place / name).exists():
            shutil.copyfile(place / name, base / name)


def _replay(base: Path, records: Iterable[Record]) -> dict[str, _File]:
    files: dict[str, _File] = {}
    opened: dict[int, _File] = {}
    for record in records:
        if record.kind is Kind.OPEN:
            path = record.data.decode()
            opened[record.file] = files.setdefault(path, _from(base, path))
        elif record.kind is Kind.DELETE:
            _delete(files.get(record.data.decode()))
        elif record.kind is Kind.SYNC:
            _sync(opened[record.file])
        else:
            opened[record.file].waiting.append(record)
    return files


def _from(base: Path, path: str) -> _File:
    before = base / Path(path).name
    exists = before.exists()
    return _File(path, bytearray(before.read_bytes()) if exists else bytearray(), exists)


def _delete(file: _File | None) -> None:
    if file is not None:
        file.exists, file.content = False, bytearray()
        file.waiting.clear()


def _sync(file: _File) -> None:
    """A file that is new is in its directory from its first fsync on: SQLite syncs that too."""
    for record in file.waiting:
        _apply(file, record)
    file.waiting.clear()
    file.exists = True


def _apply(file: _File, record: Record) -> None:
    content = file.content
    if record.kind is Kind.TRUNCATE:
        del content[record.offset :]
        content.extend(bytes(max(0, record.offset - len(content))))
        return
    end = record.offset + len(record.data)
    content.extend(bytes(max(0, end - len(content))))
    content[record.offset : end] = record.data


def _apply_some(file: _File, record: Record, remainder: Remainder, chance: random.Random) -> None:
    if remainder is Remainder.ALL:
        _apply(file, record)
        file.exists = True
    elif remainder is Remainder.CHANCE and chance.random() < 0.5:
        for part in _sectors(record):
            if chance.random() < 0.7:
                _apply(file, part)
                file.exists = True


def _sectors(record: Record) -> list[Record]:
    """Its parts that reach the disk each by itself."""
    if record.kind is not Kind.WRITE:
        return [record]
    parts, at, end = [], record.offset, record.offset + len(record.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        data = record.data[at - record.offset : until - record.offset]
        parts.append(Record(Kind.WRITE, record.file, at, data))
        at = until
    return parts


def _put(target: Path, file: _File) -> None:
    if file.exists:
        target.write_bytes(file.content)
    else:
        target.unlink(missing_ok=True)
