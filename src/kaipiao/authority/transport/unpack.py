"""Undoing gzip within bounds: a small answer must not become a large one."""

from __future__ import annotations

import zlib

GZIP_MAGIC = b"\x1f\x8b"


class Bomb(Exception):
    """Unpacked, it is over the limit."""


class NotPacked(Exception):
    """It is not gzip, not whole, or something follows it."""


def gunzip(data: bytes, limit: int) -> bytes:
    """The one gzip member in `data`, at most `limit` bytes. Raises `Bomb` or `NotPacked`."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, limit + 1)
    except zlib.error as error:
        raise NotPacked(str(error)) from error
    if len(plain) > limit:
        raise Bomb(f"more than {limit} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise NotPacked("cut off, or followed by something")
    return plain
