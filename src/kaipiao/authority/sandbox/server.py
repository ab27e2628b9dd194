"""Puts the sandbox together and runs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from kaipiao.authority.sandbox import home, store
from kaipiao.authority.sandbox.admin import Admin
from kaipiao.authority.sandbox.data_tables import shipped_taxpayers
from kaipiao.authority.sandbox.desk import Desk
from kaipiao.authority.sandbox.door import Door
from kaipiao.authority.sandbox.front import CLOCK_PATH, PREFIX, SANDBOX_PREFIX, Front
from kaipiao.authority.sandbox.http_wire import hold
from kaipiao.authority.sandbox.identity import Identity, load_identity
from kaipiao.authority.sandbox.listener import PlainListener, TlsListener
from kaipiao.authority.sandbox.settings import AdminAccess, SandboxInfo, SandboxSettings, TaxpayerInfo
from kaipiao.errors import LedgerFault

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LOOPBACK = "127.0.0.1"
_TICK_SECONDS = 0.05  # real time between two looks for late calls


async def serve(
    settings: SandboxSettings,
    *,
    ready: Callable[[SandboxInfo], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run until `stop` is set or the task is cancelled. `ready` is called once, when both ports answer.

    Raises `DirectoryInUse` when another process runs on the directory, `SettingsFault` for an address that is taken."""
    with home.locked(settings.directory):
        identity = load_identity(settings.directory)
        home.prepare_certificates(settings.directory, settings.host, identity.jrdwptbh)
        with closing(store.open_store(settings.directory / store.FILE_NAME)) as db:
            with store.transaction(db):
                if not store.taxpayers(db):
                    for company in settings.taxpayers or shipped_taxpayers():
                        store.save_taxpayer(db, company)
            with ThreadPoolExecutor(1, "sandbox-desk") as thread:
                await _Bureau(settings, identity, Desk(db, settings, identity), thread).run(ready, stop)


class _Bureau:
    """The running parts: one desk thread, two doors."""

    def __init__(self, settings: SandboxSettings, identity: Identity, desk: Desk, thread: ThreadPoolExecutor) -> None:
        self._settings, self._identity, self._desk, self._thread = settings, identity, desk, thread
        self._front = Front(desk, self._at_desk, self._refuse_for)
        context = home.server_context(
            settings.directory, client_certificate_required=settings.client_certificate_required
        )
        now = desk.clock.now
        self._door = Door(
            (settings.host, settings.port),
            TlsListener(context),
            lambda stream: hold(stream, now, self._front.attend),
            self._front.before_handshake,
        )
        admin = Admin(desk, self._at_desk, self._refuse_for, settings.directory, identity.admin_credential)
        self._side_door = Door(
            (_LOOPBACK, settings.admin_port),
            PlainListener(),
            lambda stream: hold(stream, now, admin.attend),
            lambda: asyncio.sleep(0),
        )

    async def _at_desk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _refuse_for(self, seconds: float) -> None:
        self._door.close_for(self._desk.clock.sleep(seconds))

    async def run(self, ready: Callable[[SandboxInfo], None] | None, stop: asyncio.Event | None) -> None:
        try:
            await self._door.open()
            await self._side_door.open()
            ticking = asyncio.create_task(self._tick())
            stopping = asyncio.create_task((stop or asyncio.Event()).wait())
            try:
                if ready is not None:
                    ready(await self._at_desk(self._info))
                done, _ = await asyncio.wait({ticking, stopping}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                ticking.cancel()
                stopping.cancel()
                await asyncio.gather(ticking, stopping, return_exceptions=True)
        finally:
            await self._door.close()
            await self._side_door.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                await self._at_desk(self._desk.settle_late_calls)
            except LedgerFault as fault:  # the calls stay written down and are tried again
                _log.error("late calls must wait: %s", fault)

    def _info(self) -> SandboxInfo:
        settings, identity, folder = self._settings, self._identity, self._settings.directory.resolve()
        base = f"https://{_reachable(settings.host)}:{self._door.port}"
        companies = store.taxpayers(self._desk.db)
        return SandboxInfo(
            url=f"{base}{PREFIX.rstrip('/')}",
            sandbox_url=f"{base}{SANDBOX_PREFIX.rstrip('/')}",
            ca_file=_file(folder, home.CA_FILE),
            client_certificate=_file(folder, home.CLIENT_CERTIFICATE),
            client_key=_file(folder, home.CLIENT_KEY),
            jrdwptbh=identity.jrdwptbh,
            sydwptbh=identity.sydwptbh,
            ylbm=identity.ylbm,
            sm4_key=identity.sm4_key,
            taxpayers=[TaxpayerInfo(c.tax_number, c.name, c.region, c.taxpayer_type) for c in companies],
            admin=AdminAccess(f"http://{_LOOPBACK}:{self._side_door.port}", identity.admin_credential),
            clock_url=f"{base}{CLOCK_PATH}",
            client_certificate_required=settings.client_certificate_required,
        )


def _file(folder: Path, name: str) -> str:
    return str(folder / name)


def _reachable(host: str) -> str:
    """An address to call: loopback when we listen on all."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 (compared, not bound)
        return _LOOPBACK
    return f"[{host}]" if ":" in host else host
