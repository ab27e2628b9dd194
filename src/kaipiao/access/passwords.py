"""Passwords as argon2id hashes (RFC 9106), worked out in threads of their own, so many at a time and no more."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from kaipiao.errors import Internal, TooManyRequests
from kaipiao.language import Text
from kaipiao.settings import AccessSettings

T = TypeVar("T")
MOST_WAITING = 64  # callers, those whose hash is worked out among them
TRY_AGAIN_SECONDS = 2
NICENESS = 15


class Passwords:
    """A flood of log-ins can use `hash_at_once` threads and their memory, never more; issuing goes on beside it."""

    def __init__(self, settings: AccessSettings) -> None:
        self._hasher = PasswordHasher(settings.argon2_rounds, settings.argon2_memory_kib, settings.argon2_lanes)
        self._threads = ThreadPoolExecutor(settings.hash_at_once, "password", _give_way)
        self._nobody = _of_nobody(settings)
        self._waiting = 0
        self.worked_out = 0  # hashes so far

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among those who wait. Raises `TooManyRequests` when all are taken."""
        if self._waiting >= MOST_WAITING:
            raise TooManyRequests(retry_after=TRY_AGAIN_SECONDS)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def hash(self, password: bytes) -> str:
        """A new hash in PHC form."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, hashed: str | None, password: bytes) -> bool:
        """Is this the password? None: there is nobody by that name, which costs as much to find out."""
        return await self._in_thread(lambda: self._matches(hashed or self._nobody, password)) and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Was it made with other parameters than those of now?"""
        return self._hasher.check_needs_rehash(hashed)

    def _matches(self, hashed: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as broken:
            raise Internal(Text("账户的口令散列无法读取", "The hash of an account cannot be read")) from broken

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.worked_out += 1
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _give_way() -> None:
    """This thread, and the lanes that it starts, give way to everything else: a log-in can wait, a sale cannot. Only Linux
    has a niceness for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _of_nobody(settings: AccessSettings) -> str:
    """A hash with the parameters of now, of a password that nobody knows."""
    salt, tag = (base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_rounds},p={settings.argon2_lanes}"
    return f"$argon2id$v=19${cost}${salt}${tag}"
