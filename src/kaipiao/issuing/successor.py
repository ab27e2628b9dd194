"""Final negatives get a successor under a new number (R4, R14; docs/model/upload_model.py; ADR 0114)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kaipiao.clock import Clock
from kaipiao.errors import NotFound, OrderConflict, OrderNotReplaceable
from kaipiao.invoice.canonical import differing_fields, draft_bytes
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.model import Draft
from kaipiao.issuing import trail
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.issuer import Issued, Issuer
from kaipiao.issuing.problems import DIED
from kaipiao.issuing.questions import Asked, Questions
from kaipiao.issuing.repair_tools import THEIRS
from kaipiao.language import Text
from kaipiao.ledger.changes import REPLACEABLE
from kaipiao.ledger.port import Advance, Event, InvoiceRecord, Ledger, Value

NOT_FINAL = Text(
    "它不是终局被拒（rejected）或逾期（expired）：税局可能持有它，或还会收到它",
    "It is not finally rejected or expired: the bureau may hold it, or may still get it",
)
SENDER_OPEN = Text(
    "有一次上传没有自己的结局，它的发送方可能只是睡着了：等上传时限过去",
    "An upload of it has no outcome of its own, its sender may only be asleep: wait until its time for uploading is over",
)
SILENT = Text("税局现在答不了是否持有它：稍后再试", "The bureau cannot say now whether it holds it: try again later")
IS_HELD = Text(
    "税局持有这个号码：不是被拒，平台已重新查询它",
    "The bureau holds this number: it is not refused, and the platform asks for it again",
)
HELD_AGAIN = "refusal.doubted"


@dataclass(frozen=True, slots=True)
class Replacement:
    """An invoice and what replaced it. `issued.replayed`: it had been replaced before."""

    predecessor: InvoiceRecord
    issued: Issued


class Successors:
    """Replaces what is finally not held. Everything that can be known is checked before; the ledger decides at the end."""

    def __init__(self, ledger: Ledger, issuer: Issuer, questions: Questions, clock: Clock) -> None:
        self._ledger = ledger
        self._issuer = issuer
        self._questions = questions
        self._clock = clock

    async def replace(self, taxpayer: str, number: str, draft: Draft | None = None) -> Replacement:
        """Give the invoice of this number its successor: with `draft`, corrected, else with the same content. The same call
        again gives the same answer. Raises `NotFound`, `OrderConflict` (another order, or replaced by other content already),
        `OrderNotReplaceable` with the reason, and as `Issuer.issue`."""
        found = await self._ledger.find(taxpayer, numbers=[number])
        if not found:
            raise NotFound()
        record = found[0]
        if draft is not None and draft.order != record.order:
            raise OrderConflict(fields=["order"], number=record.number)
        if record.state is not State.REPLACED:
            await self._require(record)
            await self._issuer.succeed(record, draft, window_closed=self.window_closed(record))
        return await self._as_replaced(taxpayer, number, draft, replayed=record.state is State.REPLACED)

    async def reason_against(self, record: InvoiceRecord) -> Text | None:
        """Why it may have no successor, as far as our own books tell; None: they allow it."""
        if record.state not in REPLACEABLE:
            return NOT_FINAL
        if record.state is State.REJECTED and not self.window_closed(record) and await self._has_open_sender(record):
            return SENDER_OPEN
        return None

    def window_closed(self, record: InvoiceRecord) -> bool:
        return self._clock.now() >= upload_closes(record.made_at, self._questions.capabilities(record))

    async def successor_of(self, record: InvoiceRecord) -> InvoiceRecord | None:
        """What replaced it, from the trail."""
        async for event in self.events(record):
            if event.kind == "state.replaced" and event.data.get("id") == record.id:
                identity = event.data["successor"]
                if isinstance(identity, int):
                    return await self._by_id(record.taxpayer, identity)
        return None

    async def predecessor_of(self, record: InvoiceRecord) -> InvoiceRecord | None:
        return None if record.replaces is None else await self._by_id(record.taxpayer, record.replaces)

    async def judged(self, record: InvoiceRecord) -> tuple[Text | None, Asked | None]:
        """Why it may have no successor, after asking where it must be asked, and what was heard."""
        against = await self.reason_against(record)
        asked = None if against is not None else await self._asked_first(record)
        if asked is not None and asked.silent is not None:
            against = SILENT
        elif asked is not None and asked.held is not None:
            against = IS_HELD
        return against, asked

    async def _require(self, record: InvoiceRecord) -> None:
        against, asked = await self.judged(record)
        if asked is not None and asked.held is not None:
            await self._ledger.advance([doubted(record, asked)])
        if against is not None:
            raise OrderNotReplaceable(against, number=record.number, state=record.state.value)

    async def _as_replaced(self, taxpayer: str, number: str, draft: Draft | None, *, replayed: bool) -> Replacement:
        """Both as the ledger has them now; whoever made the successor."""
        (old,) = await self._ledger.find(taxpayer, numbers=[number])
        new = await self.successor_of(old)
        if new is None:
            raise OrderNotReplaceable(NOT_FINAL, number=old.number, state=old.state.value)
        if draft is not None and draft_bytes(draft) != new.content:
            raise OrderConflict(fields=differing_fields(new.content, draft_bytes(draft)), number=new.number)
        documents = await self._ledger.documents(taxpayer, [new.id])
        return Replacement(old, Issued(new, documents[new.id], replayed=replayed))

    async def _asked_first(self, record: InvoiceRecord) -> Asked | None:
        """However sure a refusal was, the bureau is asked for the number before another takes its place. None: what two
        late denials have shown, or a person, needs no asking."""
        if record.state is State.EXPIRED or record.late_denials >= 2 or record.provenance == THEIRS:
            return None
        return await self._questions.ask(self._ledger, record)

    async def _has_open_sender(self, record: InvoiceRecord) -> bool:
        """As `Ledger.admit` will judge it."""
        for upload in await self._ledger.open_uploads():
            if record.id in {each.id for each in upload.records}:
                return True
        async for event in self.events(record):
            if event.data.get("number") == record.number and event.data.get("code") == DIED.code:
                return True
        return False

    async def events(self, record: InvoiceRecord) -> AsyncIterator[Event]:
        """The whole trail of its order."""
        after = 0
        while page := await self._ledger.events(taxpayer=record.taxpayer, subject=record.order, after=after):
            for event in page:
                yield event
            after = page[-1].position

    async def _by_id(self, taxpayer: str, identity: int) -> InvoiceRecord | None:
        found = await self._ledger.page(taxpayer, after=identity - 1, limit=1)
        return found[0] if found and found[0].id == identity else None


def doubted(record: InvoiceRecord, asked: Asked) -> Advance:
    """A refused or expired invoice that the bureau holds after all: it is asked for again, and that decides."""
    changes: dict[str, Value] = {
        "next_at": asked.at,
        "unknown_since": asked.at,
        "alarmed": 0,
        "doubt": True,
        "refused": False,
        "denials": 0,
        "late_denials": 0,
    }
    event = trail.changed(record, HELD_AGAIN, asked.at, held=asked.held.content_digest.hex() if asked.held else None)
    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, changes, event)
