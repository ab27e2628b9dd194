"""What the kernel says of its own clock: whether a time service keeps it, and how far it may be off (adjtimex(2))."""

from __future__ import annotations

import ctypes
import ctypes.util

from kaipiao.issuing.clock_gate import Reading

NAME = "kernel"
_UNSYNCHRONISED = 0x0040  # STA_UNSYNC
_MICROSECONDS = 1e-6


class _Timex(ctypes.Structure):
    """struct timex of 64-bit Linux, as far as it is read; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("most_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read() -> Reading | None:
    """None where nothing keeps the clock, or where the kernel cannot be asked (another system than Linux)."""
    library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    if not hasattr(library, "adjtimex"):
        return None
    state = _Timex()
    if library.adjtimex(ctypes.byref(state)) < 0 or state.status & _UNSYNCHRONISED:
        return None
    error = state.most_error * _MICROSECONDS
    return Reading(NAME, -error, error)
