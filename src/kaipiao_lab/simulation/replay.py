"""A seed's ledger operations, asked again of SQLite in real files: every answer must be the same, and so must the end.

In the simulation the memory ledger carries out one operation after the other. SQLite is given the same ones in the same
order, each awaited before the next: where every answer is equal, the issuing code above could not have told the
difference, so the seed on SQLite is this very seed. What two commits at once do in SQLite is not shown by this.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from kaipiao.errors import KaipiaoError
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import Event, Ledger
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao_lab.simulation.line import CHANNEL
from kaipiao_lab.simulation.recording import Deed, Recording
from kaipiao_lab.simulation.seed import run
from kaipiao_lab.simulation.world import World

SET_FREE = frozenset({"open", "close"})


def differences(seed: int) -> list[str]:
    """What differs; empty when every answer and the end state are the same."""
    recording = Recording(lambda: 0.0)
    result, world = run(seed, recording)
    if result.promise is not None:
        return [f"the seed itself fails: {result.fact}"]
    with tempfile.TemporaryDirectory(prefix="kaipiao-simulation-") as directory:
        return asyncio.run(_replayed(Path(directory), recording.deeds, world))


async def _replayed(directory: Path, deeds: list[Deed], world: World) -> list[str]:
    now = [0.0]
    ledger = SqliteLedger(directory, "replay", lease_clock=lambda: now[0])
    await ledger.open()
    try:
        found: list[str] = []
        for place, deed in enumerate(deeds):
            if deed.name in SET_FREE:
                continue
            now[0] = deed.at
            answer = await _answer(ledger, deed)
            if plain(answer) != plain(deed.result):
                found.append(f"operation {place} {deed.name}{deed.values}: {answer} instead of {deed.result}")
        now[0] = world.loop.time()
        memory = MemoryLedger("judge", lease_clock=world.loop.time, store=world.store)
        ours, theirs = await dump(memory, world), await dump(ledger, world)
        found += [f"{key}: {theirs[key]} instead of {ours[key]}" for key in ours if ours[key] != theirs[key]]
        found += await ledger.check_counts()
        return found
    finally:
        await ledger.close()


async def _answer(ledger: Ledger, deed: Deed) -> Any:
    try:
        return await getattr(ledger, deed.name)(*deed.values, **deed.named)
    except KaipiaoError as error:
        return error


async def dump(ledger: Ledger, world: World) -> dict[str, Any]:
    """All that the ledger says in the end, apart from the writers' names and hashes."""
    said: dict[str, Any] = {}
    for seller in world.sellers:
        said[f"invoices {seller}"] = [plain(r) for r in await ledger.page(seller, limit=100_000)]
        for year in (2026, 2027):
            said[f"numbers {seller} {year}"] = await ledger.number_counts(seller, CHANNEL, year)
        for month in ("2026-11", "2026-12", "2027-01"):
            said[f"quota {seller} {month}"] = plain(await ledger.quota(seller, CHANNEL, month))
        said[f"documents {seller}"] = await ledger.documents(
            seller, [r.id for r in await ledger.page(seller, limit=100_000)]
        )
    said["events"] = [plain(event) for event in await ledger.events(limit=1_000_000)]
    said["standings"] = await ledger.standings()
    said["open uploads"] = await ledger.open_uploads()
    return said


def plain(value: Any) -> Any:
    """Comparable: errors by their code, events without writer and hashes, mappings and sets without an order."""
    if isinstance(value, KaipiaoError):
        return value.code
    if isinstance(value, Event):
        return (value.kind, value.at, value.taxpayer, value.subject, sorted(value.data.items(), key=str))
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
