"""How much one caller may have under way: so many things, and so many bytes of them."""

from __future__ import annotations

import asyncio


class Window:
    """For one who enters and any number who leave. Something larger than `size` enters when nothing else is inside."""

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._size = size
        self._inside = 0
        self._bytes = 0
        self._changed = asyncio.Event()

    async def enter(self, size: int) -> None:
        """Wait until there is room."""
        while self._inside and (self._inside >= self._count or self._bytes + size > self._size):
            self._changed.clear()
            await self._changed.wait()
        self._inside += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self._inside -= 1
        self._bytes -= size
        self._changed.set()
