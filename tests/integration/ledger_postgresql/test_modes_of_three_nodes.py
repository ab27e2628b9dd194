"""Three nodes on one PostgreSQL ledger agree on the mode, write each change once, and go on when one is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kaipiao.authority.leqi.settings import CAPABILITIES
from kaipiao.clock import SystemClock
from kaipiao.issuing import budgets
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.mode_controller import ModeController
from kaipiao.issuing.modes import Mode
from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql import PostgresqlLedger
from ledger_books import CHANNEL, NOW, OTHER_TAXPAYER, TAXPAYER, Books, CheckedLedger
from postgresql_server import database_url

from .conftest import WithBooks

PATIENCE = 20


def controller(ledger: CheckedLedger) -> ModeController:
    return ModeController(
        ledger,
        Gate(ledger, budgets.load(), {CHANNEL: "leqi"}),
        {CHANNEL: CAPABILITIES},
        lambda: {CHANNEL: {"https://a"}},
        [(TAXPAYER, CHANNEL), (OTHER_TAXPAYER, CHANNEL)],
        SystemClock(),
        holds=lambda taxpayer: True,
        quota_until=lambda taxpayer, channel: None,
    )


async def going_round(modes: ModeController) -> None:
    while True:
        await modes.round()
        await asyncio.sleep(0.01)


async def agreed(nodes: list[ModeController], mode: Mode) -> None:
    async with asyncio.timeout(PATIENCE):
        while {node.state(None, CHANNEL).mode for node in nodes} != {mode}:
            await asyncio.sleep(0.01)


def test_three_nodes_agree_and_each_change_is_written_once_though_one_is_killed(
    with_books: WithBooks, tmp_path: Path
) -> None:
    async def test(books: Books) -> None:
        third = PostgresqlLedger(database_url(), "c")
        await third.open()
        nodes = [controller(books.ledger), controller(books.other), controller(third)]
        for node in nodes:
            await node.open()
        running = [asyncio.create_task(going_round(node)) for node in nodes]
        try:
            await say(books.ledger, "halted")
            await agreed(nodes, Mode.HALTED)
            killed = running.pop()
            await say(books.other, "offline")
            killed.cancel()  # wherever it is: between reading and writing, or in its commit
            await asyncio.wait([killed])
            await agreed(nodes[:2], Mode.OFFLINE)
            await say(books.ledger, "auto")
            await agreed(nodes[:2], Mode.ONLINE)
            again = controller(third)
            await again.open()
            assert again.state(None, CHANNEL).mode is Mode.ONLINE, "it goes on from the checkpoint"
            assert again.worked.states == nodes[0].worked.states
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            await third.close()
        events = await books.ledger.signals(["mode.changed"])
        assert [event.data["mode"] for event in events] == ["halted", "offline", "online"]

    with_books(test)


async def say(ledger: CheckedLedger, mode: str) -> None:
    data = {"channel": CHANNEL, "mode": mode, "reason": "r", "actor": "li"}
    await ledger.append_events([EventDraft("operator.mode", NOW, data=data)])
