"""Upload and settle in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import advanced, alarm_step, claimed, defect, upload_begun_event, upload_ended_event
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import UploadRow, prepared
from kaipiao.ledger.numbering import number_taken
from kaipiao.ledger.port import Advance, EventDraft, InvoiceRecord, Upload, UploadEnd

_NEVER = datetime.max.replace(tzinfo=UTC)


class Uploads(Handle):
    """The upload and settle operations of the port."""

    async def due_pairs(self, now: datetime) -> list[tuple[str, str]]:
        first: dict[tuple[str, str], datetime] = {}
        for record in self._due(State.ISSUED, now):
            pair = (record.taxpayer, record.channel)
            first[pair] = min(first.get(pair, _NEVER), record.deadline or _NEVER)
        return sorted(first, key=lambda pair: (first[pair], pair))

    async def begin_upload(
        self, upload_id: int, wire_id: str, taxpayer: str, channel: str, node: str, limit: int, now: datetime
    ) -> Upload | None:
        if (taxpayer, upload_id) in self.store.uploads:
            raise defect("上传标识重复", "An id of an upload is used twice", id=upload_id)
        mine = [r for r in self._due(State.ISSUED, now) if (r.taxpayer, r.channel) == (taxpayer, channel)]
        batch = _batch(mine, limit)
        if not batch:
            return None
        records = tuple(claimed(record) for record in batch)
        events = prepared([upload_begun_event(r, upload_id, wire_id, node, now) for r in records])
        for record in records:
            self.store.keep(record)
        attempts: dict[int, str | None] = {r.id: None for r in records}
        self.store.uploads[(taxpayer, upload_id)] = UploadRow(
            upload_id, wire_id, taxpayer, channel, node, now, attempts
        )
        self.store.append(self.writer, events)
        documents = tuple(self.store.sealed.get((taxpayer, r.id)) for r in records)
        return Upload(upload_id, wire_id, taxpayer, channel, node, now, records, documents)

    async def end_upload(self, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
        row = self.store.uploads.get((end.taxpayer, end.id))
        if row is None:
            raise defect("没有此上传", "There is no such upload", id=end.id)
        if end.attempts.keys() - row.attempts.keys():
            raise defect("结果含有未上传的发票", "An outcome names an invoice that was not in the upload", id=end.id)
        events = [] if row.end is not None else prepared([upload_ended_event(end)])
        results = self._advance(advances, events)
        if row.end is None:
            row.end = end
            row.attempts.update(end.attempts)
        return results

    async def open_uploads(self, node: str | None = None) -> list[Upload]:
        rows = [r for r in self.store.uploads.values() if r.end is None and node in (None, r.node)]
        return [self._open(row) for row in sorted(rows, key=lambda r: (r.begun_at, r.id))]

    async def due(
        self,
        state: State,
        now: datetime,
        limit: int,
        *,
        each: int | None = None,
        taxpayers: Collection[str] | None = None,
    ) -> list[InvoiceRecord]:
        ordered = sorted(self._due(state, now), key=lambda r: (r.next_at, r.taxpayer, r.id))
        places: Counter[str] = Counter()
        ranked = []
        for record in ordered:
            if taxpayers is None or record.taxpayer in taxpayers:
                places[record.taxpayer] += 1
                if each is None or places[record.taxpayer] <= each:
                    ranked.append((places[record.taxpayer], record))
        return [record for _, record in sorted(ranked, key=lambda pair: pair[0])][:limit]

    async def alarming(self, now: datetime, limit: int) -> list[InvoiceRecord]:
        late = [r for r in self.store.in_state(State.UNKNOWN) if alarm_step(r, now) > r.alarmed]
        return sorted(late, key=_urgency)[:limit]

    async def advance(self, advances: Sequence[Advance]) -> list[bool]:
        return self._advance(advances, [])

    def _advance(self, advances: Sequence[Advance], events: list[tuple[EventDraft, str]]) -> list[bool]:
        """Work out every change first, then store all of them: a defect in one leaves nothing half done."""
        staged: dict[tuple[str, int], InvoiceRecord] = {}
        numbers: dict[tuple[str, str], int] = {}
        results = []
        for advance in advances:
            key = (advance.taxpayer, advance.id)
            record = staged.get(key) or self.store.invoices.get(key)
            holds = record is not None and record.version == advance.version
            results.append(holds)
            if record is None or not holds:
                continue
            staged[key] = after = advanced(record, advance)
            if after.number is not None and record.number is None:
                self._check_new_number(after, numbers)
                numbers[(after.taxpayer, after.number)] = after.id
            events += prepared([] if advance.event is None else [advance.event])
        for record in staged.values():
            self.store.keep(record)
        self.store.numbers.update(numbers)
        self.store.append(self.writer, events)
        return results

    def _check_new_number(self, record: InvoiceRecord, numbers: dict[tuple[str, str], int]) -> None:
        """A number that came with the answer: nobody else's, and none of those that are handed out here."""
        key = (record.taxpayer, record.number or "")
        ours = any(
            s.first <= int(key[1]) < s.first + s.size
            for s in self.store.segments.values()
            if s.request.taxpayer == record.taxpayer
        )
        if ours or key in self.store.numbers or key in numbers:
            raise number_taken(key[1])

    def _due(self, state: State, now: datetime) -> list[InvoiceRecord]:
        return [r for r in self.store.in_state(state) if r.next_at is not None and r.next_at <= now]

    def _open(self, row: UploadRow) -> Upload:
        records = (self.store.invoices[(row.taxpayer, i)] for i in row.attempts)
        ordered = tuple(sorted(records, key=_urgency))
        return Upload(row.id, row.wire_id, row.taxpayer, row.channel, row.node, row.begun_at, ordered, ())


def _batch(due: list[InvoiceRecord], limit: int) -> list[InvoiceRecord]:
    """The earliest deadline first, then the oldest. One that must go alone goes when it is first, else it waits."""
    ordered = sorted(due, key=_urgency)
    if ordered and ordered[0].alone:
        return ordered[: min(1, limit)]
    return [r for r in ordered if not r.alone][:limit]


def _urgency(record: InvoiceRecord) -> tuple[datetime, int]:
    return record.deadline or _NEVER, record.id
