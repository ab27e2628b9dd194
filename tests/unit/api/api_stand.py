"""What tests of the API stand on: the application over an issuing point, with tokens, on each of the three ledgers."""

from __future__ import annotations

import asyncio
import copy
import json
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from asgi import Answer, call
from bench import OTHER, SELLER, Point, point

from kaipiao.access.tokens import Tokens
from kaipiao.api.app import create
from kaipiao.api.services import Readiness, Services
from kaipiao.issuing import budgets
from kaipiao.issuing.cover import Cover, cover_of
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.mode_controller import ModeController
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.questions import Questions
from kaipiao.ledger.audit import read_trail
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import Ledger
from kaipiao.ledger.postgresql import PostgresqlLedger
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.operations.degradation.stale_reads import StaleReads
from kaipiao.operations.degradation.state import undegraded
from kaipiao.seal.sm2 import Sm2PrivateKey
from kaipiao.settings import AccessSettings
from on_every_ledger import on
from postgresql_server import TABLES, database_url, emptied

TOKENS = Tokens(ec.generate_private_key(ec.SECP256R1()), "k1")
KEY = Sm2PrivateKey.generate()
CHEAP = AccessSettings(
    argon2_memory_kib=7_168, argon2_rounds=1, argon2_lanes=1, admin_totp=False
)  # hashes cost nothing


def token(role: str = "admin", taxpayers: tuple[str, ...] = ("*",)) -> str:
    return TOKENS.make("test", role, taxpayers, timedelta(hours=1))


def sale(order: str = "A-1", **changes: Any) -> dict[str, Any]:
    line = {
        "name": "工作午餐",
        "short_name": "餐饮服务",
        "tax_code": "3070401000000000000",
        "tax_rate": "0.06",
        "quantity": "2",
        "unit_price": "53.00",
    }
    body = {
        "order": order,
        "seller": SELLER,
        "kind": "general",
        "buyer": {"name": "示例购买方"},
        "lines": [line],
        "tax_included": True,
    }
    return {**body, **changes}


def application(p: Point) -> FastAPI:
    async def ready() -> Readiness:
        return Readiness(())

    async def cover(taxpayer: str) -> Cover:
        return await cover_of(p.ledger, taxpayer, "pretend", p.bureau.capabilities, p.clock)

    degradation = undegraded()
    return create(
        Services(
            issuer=p.issuer,
            ledger=p.ledger,
            tokens=TOKENS,
            taxpayers=(SELLER,),
            environment="test",
            node="n1",
            body_limit=1024 * 1024,
            readiness=ready,
            cover=cover,
            modes=modes(p),
            degradation=degradation,
            stale_reads=StaleReads(p.ledger, degradation),
            audit=lambda: read_trail(p.ledger, lambda head: True),
            public_key=lambda key_id: KEY.public_key,
            access=CHEAP,
            clock=p.clock,
            questions=Questions({p.bureau.name: p.bureau}, {p.bureau.name: Pace(p.clock, 1000.0)}, p.clock),
        )
    )


def modes(p: Point) -> ModeController:
    """Of the only node, over the table of the package."""
    return ModeController(
        p.ledger,
        Gate(p.ledger, budgets.load(), {"pretend": "pretend"}),
        {"pretend": p.bureau.capabilities},
        lambda: {"pretend": {state.endpoint for state in p.breakers.states()}},
        [(SELLER, "pretend"), (OTHER, "pretend")],
        p.clock,
        holds=p.shards.holds,
        quota_until=p.supply.quota_until,
    )


def told(story: Callable[[FastAPI, Point], Awaitable[None]]) -> None:
    """Tell the story to an application on the ledger of this run of the test (`tests/on_every_ledger.py`)."""

    async def run() -> None:
        async with standing() as p:
            await story(application(p), p)

    asyncio.run(run())


@asynccontextmanager
async def standing(**more: Any) -> AsyncIterator[Point]:
    """An issuing point on the ledger of this run; `more` is for `bench.point`."""
    async with LEDGERS[on.ledger]() as ledger:
        yield await point(ledger, **more)


@asynccontextmanager
async def memory() -> AsyncIterator[Ledger]:
    yield MemoryLedger("n1")


@asynccontextmanager
async def sqlite() -> AsyncIterator[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder), "n1")
        try:
            yield ledger
        finally:
            await ledger.close()


@asynccontextmanager
async def postgresql() -> AsyncIterator[Ledger]:
    """One database for all tests, empty at the beginning of each."""
    url = database_url()
    ledger = PostgresqlLedger(url, "n1", pool_min=1, pool_max=8)
    if "postgresql" in on.ready:
        await emptied(url)
    else:  # the first to come makes the tables
        await ledger.open()
        await ledger.close()
        await emptied(url)
        on.ready.add("postgresql")
    try:
        yield ledger
    finally:
        await ledger.close()


LEDGERS: dict[str, Callable[[], AbstractAsyncContextManager[Ledger]]] = {
    "memory": memory,
    "postgresql": postgresql,
    "sqlite": sqlite,
}


async def everything(ledger: Ledger) -> object:
    """All that this ledger holds, to be compared with what it holds later."""
    if isinstance(ledger, MemoryLedger):
        return copy.deepcopy(ledger.store)
    if isinstance(ledger, SqliteLedger):
        return await asyncio.to_thread(_rows_of_file, ledger.directory / "ledger.db")
    connection = await asyncpg.connect(database_url())
    try:
        return {table: sorted(map(repr, await connection.fetch(f"SELECT * FROM {table}"))) for table in TABLES}
    finally:
        await connection.close()


def _rows_of_file(path: Path) -> object:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in tables}


async def post(app: FastAPI, body: Any, **more: Any) -> Answer:
    raw = body if isinstance(body, (bytes, list)) else json.dumps(body, ensure_ascii=False).encode()
    return await call(app, "POST", "/v1/invoices", token=more.pop("token", token()), body=raw, **more)
