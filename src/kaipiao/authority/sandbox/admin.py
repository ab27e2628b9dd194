"""The administrator's port: faults, clock, books, companies. Plain HTTP on loopback, with a credential of its own.

A port of its own, because it must answer while the bureau refuses everybody."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.books import export_books
from kaipiao.authority.sandbox.bureau_clock import ClockChange
from kaipiao.authority.sandbox.desk import Desk
from kaipiao.authority.sandbox.faults import FAULTS
from kaipiao.authority.sandbox.front import AtDesk
from kaipiao.authority.sandbox.http_wire import Conversation, Head
from kaipiao.authority.sandbox.settings import VirtualTaxpayer
from kaipiao.authority.sandbox.store import transaction
from kaipiao.authority.sandbox.values import to_json
from kaipiao.errors import InputRefused

_LINES = 500  # of the books in one piece


class Admin:
    def __init__(
        self, desk: Desk, at_desk: AtDesk, close_door: Callable[[float], None], directory: Path, credential: str
    ) -> None:
        self._desk = desk
        self._at_desk = at_desk
        self._close_door = close_door
        self._directory = directory
        self._expected = f"Bearer {credential}".encode()
        self._ways: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/faults"): lambda _: desk.faults.listed(),
            ("PUT", "/faults"): self._set_faults,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/clock"): lambda _: desk.clock.shown(),
            ("PUT", "/clock"): self._set_clock,
            ("POST", "/taxpayers"): self._add_taxpayer,
        }

    async def attend(self, head: Head, talk: Conversation) -> None:
        body = await talk.body()
        if not secrets.compare_digest(head.headers.get("authorization", "").encode(), self._expected):
            await talk.answer(401, _problem("own-ADMIN-01", "管理凭证缺失或不正确"), {"www-authenticate": "Bearer"})
        elif (head.method, head.path) == ("GET", "/books"):
            await self._books(talk)
        elif (head.method, head.path) in self._ways:
            await self._serve(self._ways[head.method, head.path], body, talk)
        else:
            await talk.answer(404, _problem("own-ADMIN-02", "没有这个管理接口"))

    async def _serve(self, way: Callable[[bytes], object], body: bytes, talk: Conversation) -> None:
        try:
            answer = await self._at_desk(lambda: way(body))
        except ValidationError as fault:
            await talk.answer(422, _problem("own-ADMIN-03", str(fault)))
            return
        except InputRefused as refused:
            await talk.answer(refused.status, _problem(refused.code, f"{refused.detail.zh} / {refused.detail.en}"))
            return
        await talk.answer(200, to_json(answer).encode())
        for strike in await self._at_desk(self._desk.faults.strike_at_once):
            self._close_door(strike.seconds)

    def _set_faults(self, body: bytes) -> object:
        self._desk.faults.set(FAULTS.validate_json(body))
        return self._desk.faults.listed()

    def _clear_faults(self, body: bytes) -> object:
        self._desk.faults.set(())
        return []

    def _set_clock(self, body: bytes) -> object:
        self._desk.clock.change(ClockChange.model_validate_json(body))
        self._desk.settle_late_calls()
        return self._desk.clock.shown()

    def _add_taxpayer(self, body: bytes) -> object:
        company = VirtualTaxpayer.model_validate_json(body)
        with transaction(self._desk.db):
            store.save_taxpayer(self._desk.db, company)
        return company.model_dump(mode="json")

    async def _books(self, talk: Conversation) -> None:
        """NDJSON, one invoice a line, read beside the desk."""
        await talk.begin_stream("application/x-ndjson; charset=utf-8")
        entries = export_books(self._directory)
        while piece := await asyncio.to_thread(_piece, entries):
            await talk.piece(piece)
        await talk.end_stream()


def _piece(entries: Iterator[dict[str, object]]) -> bytes:
    return "".join(f"{to_json(entry)}\n" for entry in islice(entries, _LINES)).encode()


def _problem(code: str, message: str) -> bytes:
    return to_json({"code": code, "message": message}).encode()
