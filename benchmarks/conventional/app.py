"""The same job the conventional way: FastAPI, pydantic models, a SQLAlchemy session for each request, lxml, a PyPI SM2, httpx.

usage: python app.py BUREAU.json DATABASE [--our-sm2]      first line on stdout: the URL

Rules, arithmetic and the bureau's envelope are ours, so the comparison is one of stacks. It does less than the platform: no
event chain, no frozen content, no fences, no answer to a lost commit, no seal sent to the bureau.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from bureau_client import BureauClient
from fastapi import FastAPI, HTTPException
from shapes import Made, Sale
from signing import signer
from sqlalchemy import create_engine, event, select, update
from sqlalchemy.orm import Session, sessionmaker
from tables import Base, EventRow, InvoiceRow, QuotaRow, SegmentRow
from xml_tree import xml_of

from kaipiao.authority.channel import UploadItem
from kaipiao.authority.leqi.upload import element
from kaipiao.clock import SHANGHAI
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.canonical import invoice_bytes, load_invoice
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Draft, Invoice, Party, Seller
from kaipiao.invoice.rules import Verdict, check_draft
from kaipiao.invoice.taxpayer import bureau_of

BATCH, SEGMENT, QUOTA = 100, 5000, 5_000_000
PAUSE = 0.2  # seconds between looks at the table


class Works:
    def __init__(self, bureau: dict[str, Any], database: Path, ours: bool) -> None:
        self.client = BureauClient(bureau)
        taxpayer = bureau["taxpayers"][0]
        office = bureau_of(taxpayer["region"])
        party = Party(taxpayer["name"], taxpayer["tax_number"])
        self.seller = Seller(party, taxpayer["region"], office.code, office.name, office.tag, "1", "系统")
        self.tax_number = str(taxpayer["tax_number"])
        self.clock_url = str(bureau["clock_url"])
        self.sign = signer(ours)
        engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 30})
        event.listen(engine, "connect", _pragmas)
        Base.metadata.create_all(engine)
        self.sessions = sessionmaker(engine)
        self.writing = threading.Lock()  # SQLite has one writer: without it requests wait in its busy loop

    async def stock(self) -> None:
        """Numbers and quota, before the first sale and whenever few are left."""
        self.clock = await self.client.clock(self.clock_url)
        now = self.now()
        await self.client.quota(self.tax_number, QUOTA)
        first, last = await self.client.numbers(self.tax_number, SEGMENT)
        with self.sessions() as session, session.begin():
            session.add(SegmentRow(first=f"{first:020d}", size=last - first + 1, used=0))
            session.merge(QuotaRow(month=f"{now.astimezone(SHANGHAI):%Y-%m}", remaining=QUOTA))

    def now(self) -> datetime:
        return self.clock.at(time.time())

    def issue(self, sale: Sale) -> tuple[Made, bool]:
        """One session and one commit for a sale, in a thread of the server's pool."""
        draft = parse_request(sale.model_dump_json(exclude_none=True).encode())
        findings = check_draft(draft, self.seller, self.now().astimezone(SHANGHAI).date())
        if any(finding.stops and finding.verdict is Verdict.INVALID for finding in findings):
            raise HTTPException(422, [finding.code for finding in findings])
        with self.writing, self.sessions() as session, session.begin():
            known = session.scalar(select(InvoiceRow).where(InvoiceRow.client_order == sale.order))
            if known is not None:
                return _made(known), True
            return _made(self._make(session, draft)), False

    def _make(self, session: Session, draft: Draft) -> InvoiceRow:
        segment = session.scalar(select(SegmentRow).where(SegmentRow.used < SegmentRow.size).limit(1))
        quota = session.scalar(select(QuotaRow).limit(1))
        if segment is None or quota is None:
            raise HTTPException(503, "no numbers")
        number, segment.used = f"{int(segment.first) + segment.used:020d}", segment.used + 1
        made_at = self.now()
        invoice = complete(draft, self.seller, number, made_at)
        xml = xml_of(invoice)
        quota.remaining -= invoice.amount
        row = InvoiceRow(
            client_order=draft.order, number=number, state="issued", made_at=made_at, amount=invoice.amount,
            tax=invoice.tax, total=invoice.total, content=invoice_bytes(invoice), xml=xml, seal=self.sign(xml),
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add(EventRow(invoice=row.id, kind="issued", at=made_at))
        return row

    async def upload_and_poll(self) -> None:
        while True:
            with self.writing, self.sessions() as session, session.begin():
                rows = list(session.scalars(select(InvoiceRow).where(InvoiceRow.state == "issued").limit(BATCH)))
                items = [(row.id, _item(row)) for row in rows]
            if items:
                payload = [element(item, invoice, self.client.settings) for _, (item, invoice) in items]
                await self._mark([key for key, _ in items], await self.client.upload(payload))
            await self._poll()
            if len(items) < BATCH:
                await asyncio.sleep(PAUSE)

    async def _mark(self, keys: list[int], submission: str) -> None:
        with self.writing, self.sessions() as session, session.begin():
            for row in session.scalars(select(InvoiceRow).where(InvoiceRow.id.in_(keys))):
                row.state, row.submission = "submitted", submission
                session.add(EventRow(invoice=row.id, kind="submitted", at=self.now()))

    async def _poll(self) -> None:
        with self.sessions() as session:
            waiting = select(InvoiceRow.submission).where(InvoiceRow.state == "submitted").distinct().limit(4)
            submissions = list(session.scalars(waiting))
        for submission in submissions:
            found = await self.client.results(submission or "")
            by_status: dict[str, list[str]] = defaultdict(list)
            for number, status in found.items():
                by_status[status].append(number)
            with self.writing, self.sessions() as session, session.begin():
                held = InvoiceRow.number.in_(by_status["01"])
                session.execute(update(InvoiceRow).where(held).values(state="confirmed"))


def _pragmas(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _made(row: InvoiceRow) -> Made:
    return Made(
        order=row.client_order, number=row.number, amount=f"{row.amount:.2f}", tax=f"{row.tax:.2f}",
        total=f"{row.total:.2f}", seal=row.seal.hex(),
    )  # fmt: skip


def _item(row: InvoiceRow) -> tuple[UploadItem, Invoice]:
    made_at = row.made_at.replace(tzinfo=UTC)
    return UploadItem(row.number, made_at, row.content, row.xml, row.seal, "k"), load_invoice(row.content)


def application(works: Works) -> FastAPI:
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await works.stock()
        task = asyncio.create_task(works.upload_and_poll())
        yield
        task.cancel()

    app = FastAPI(lifespan=life)

    @app.post("/v1/invoices", status_code=201)
    def issue(sale: Sale) -> Made:
        made, _ = works.issue(sale)
        return made

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bureau", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--our-sm2", action="store_true")
    given = parser.parse_args()
    works = Works(json.loads(given.bureau.read_text(encoding="utf-8")), given.database, given.our_sm2)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    config = uvicorn.Config(application(works), access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
