"""A layer between SQLite and its files: it writes down every write, truncation and fsync of a database and its WAL.

It is SQLite's own way of adding such a layer, a VFS (https://www.sqlite.org/vfs.html): the default one, of which some
functions are ours and call the former ones. So it works on SQLite as the interpreter has it, without a compiler or root.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kaipiao_lab.powercut.journal import Journal, Kind, Record

_MAIN_DB, _WAL = 0x0000_0100, 0x0008_0000  # SQLITE_OPEN_…
_IOERR = 10  # SQLITE_IOERR
_NAME = b"power-cut"

_Pointer = ctypes.c_void_p
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, _Pointer)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_int)
_CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs. What is not used here is only carried along."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", _Pointer),
        ("name", ctypes.c_char_p),
        ("data", _Pointer),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("others", _Pointer * 14),
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _CLOSE),
        ("read", _Pointer),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        ("others", _Pointer * 13),
    )


class NotPossible(Exception):
    """The interpreter's SQLite cannot be reached from here."""


class Layer:
    """Made once per process, before the first connection. Lives as long as the process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._library = _library()
        self._files: dict[int, int] = {}  # address of SQLite's file object: our number
        self._opened = 0
        self._methods: dict[int, _Methods] = {}  # by the address of the former ones
        self._kept: list[Any] = []  # what SQLite holds pointers to
        former = self._library.sqlite3_vfs_find(None)
        if not former:
            raise NotPossible("SQLite has no default VFS")
        self._former = ctypes.cast(former, ctypes.POINTER(_Vfs)).contents
        self._vfs = _Vfs.from_buffer_copy(self._former)

    def install(self) -> None:
        """From now on every connection goes through it. Raises `NotPossible`."""
        self._vfs.name = _NAME
        self._vfs.next = None
        self._vfs.open = self._keep(_OPEN(self._open))
        self._vfs.delete = self._keep(_DELETE(self._delete))
        if self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) != 0:
            raise NotPossible("SQLite did not take the layer")
        self._prove()

    def _prove(self) -> None:
        """Another copy of SQLite may have been reached than the one that the interpreter uses."""
        with tempfile.TemporaryDirectory() as place:
            connection = sqlite3.connect(os.path.join(place, "probe.db"))
            connection.execute("CREATE TABLE probe (n)")
            connection.close()
        if self._opened == 0:
            raise NotPossible("the interpreter uses another SQLite than the one that was reached")

    def _keep(self, function: Any) -> Any:
        self._kept.append(function)
        return function

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        result: int = self._former.open(vfs, name, file, flags, out)
        pointer = ctypes.cast(file, ctypes.POINTER(_Pointer))
        if result == 0 and flags & (_MAIN_DB | _WAL) and name and pointer[0]:
            self._opened += 1
            self._files[file] = self._opened
            path = ctypes.string_at(name)
            pointer[0] = ctypes.addressof(self._methods_over(pointer[0]))
            return self._note(Record(Kind.OPEN, self._opened, data=path))
        return result

    def _methods_over(self, former: int) -> _Methods:
        """The same functions, but for those that change a file."""
        if former not in self._methods:
            old = ctypes.cast(former, ctypes.POINTER(_Methods)).contents
            new = _Methods.from_buffer_copy(old)
            new.close = self._keep(_CLOSE(self._closing(old.close)))
            new.write = self._keep(_WRITE(self._writing(old.write)))
            new.truncate = self._keep(_TRUNCATE(self._truncating(old.truncate)))
            new.sync = self._keep(_SYNC(self._syncing(old.sync)))
            self._methods[former] = new
        return self._methods[former]

    def _closing(self, former: Callable[[int], int]) -> Callable[[int], int]:
        def close(file: int) -> int:
            self._files.pop(file, None)
            return former(file)

        return close

    def _writing(self, former: Callable[[int, int, int, int], int]) -> Callable[[int, int, int, int], int]:
        def write(file: int, data: int, length: int, offset: int) -> int:
            record = Record(Kind.WRITE, self._files[file], offset, ctypes.string_at(data, length))
            return self._note(record) or former(file, data, length, offset)

        return write

    def _truncating(self, former: Callable[[int, int], int]) -> Callable[[int, int], int]:
        def truncate(file: int, size: int) -> int:
            return self._note(Record(Kind.TRUNCATE, self._files[file], size)) or former(file, size)

        return truncate

    def _syncing(self, former: Callable[[int, int], int]) -> Callable[[int, int], int]:
        def sync(file: int, flags: int) -> int:
            return former(file, flags) or self._note(Record(Kind.SYNC, self._files[file]))

        return sync

    def _delete(self, vfs: int, name: bytes, sync_directory: int) -> int:
        result: int = self._former.delete(vfs, name, sync_directory)
        return result or self._note(Record(Kind.DELETE, 0, data=name))

    def _note(self, record: Record) -> int:
        """0, or what tells SQLite that its disk failed."""
        try:
            self._journal.append(record)
        except OSError as error:
            sys.stderr.write(f"the journal of the power cut cannot be written: {error}\n")
            return _IOERR
        return 0


def _library() -> Any:
    """The SQLite that the module `sqlite3` is bound to."""
    module = importlib.import_module("_sqlite3")
    file = getattr(module, "__file__", None)
    library = ctypes.CDLL(file) if file else ctypes.CDLL(None)
    try:
        library.sqlite3_vfs_find.restype = _Pointer
        library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        library.sqlite3_vfs_register.argtypes = [_Pointer, ctypes.c_int]
    except AttributeError as hidden:
        raise NotPossible("the interpreter's SQLite shows none of its functions") from hidden
    return library


_installed: list[Layer] = []  # SQLite holds pointers into it until the process ends


def install(journal: Path) -> None:
    """Write everything down in this file. Raises `NotPossible`."""
    layer = Layer(Journal(journal))
    _installed.append(layer)
    layer.install()
