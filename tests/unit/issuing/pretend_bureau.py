"""A bureau in a few lines, behind the Channel port, for the rules of issuing alone. The real one to test against is the sandbox.

It holds what it holds, may answer or stay silent, may commit late, may hide what it holds for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kaipiao.authority.channel import (
    Answer,
    Capabilities,
    Held,
    ItemResult,
    ItemStatus,
    ListedInvoice,
    ListPacket,
    MonthState,
    MonthSummary,
    MonthTotals,
    Outcome,
    QuotaGrant,
    QuotaStanding,
    Segment,
    TaxpayerStanding,
    UploadItem,
)
from kaipiao.clock import Clock, month_end, month_of, year_of
from kaipiao.errors import Internal
from kaipiao.seal.digest import sm3

CAPABILITIES = Capabilities(
    number_first=True,
    upload_batch=100,
    segment_limit=5000,
    settle=600.0,
    visibility=86400.0,
    upload_window=48 * 3600.0,
    result_window=12 * 3600.0,
    first_poll=10.0,
    poll_max=600.0,
    ask_spacing=60.0,
    calls_per_second=1000.0,
)


@dataclass
class PretendBureau:
    """`script` holds what the next uploads meet, one word per call: ok, lost, silent (taken, answer lost), late (taken,
    committed 300 s later, answer lost), busy, refuse, repeat, retry, fault (taken, then its own fault), garbage; an empty script means ok."""

    clock: Clock
    capabilities: Capabilities = CAPABILITIES
    name: str = "pretend"
    script: list[str] = field(default_factory=list)
    held: dict[str, bytes] = field(default_factory=dict)
    shown_from: dict[str, datetime] = field(default_factory=dict)
    arriving: list[tuple[datetime, str, bytes]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    uploads: list[list[str]] = field(default_factory=list)
    asked: list[tuple[datetime, str]] = field(default_factory=list)
    submissions: dict[str, list[tuple[str, ItemStatus]]] = field(default_factory=dict)
    next_number: int = 1
    serials: dict[str, Segment] = field(default_factory=dict)
    serials_made: int = 0
    down: bool = False
    probes: int = 0  # health calls
    hide: float = 0.0
    may_issue: bool = True
    quota_until: datetime | None = None
    hanging: set[tuple[str, str]] = field(default_factory=set)  # (service, taxpayer): no answer, ever
    poisoned: set[str] = field(default_factory=set)  # numbers of invoices that this channel cannot carry: it raises
    unreadable: set[str] = field(default_factory=set)  # numbers whose content cannot be digested: it raises
    lose_numbers: int = 0  # so many answers to pulls of numbers are lost
    quota_month: str | None = None  # the month that it says, when that is not the true one
    totals: dict[str, MonthTotals] = field(default_factory=dict)  # of each month, as it counts
    closed: dict[str, MonthState] = field(default_factory=dict)
    lists: dict[tuple[str, str], list[ListedInvoice]] = field(default_factory=dict)  # by month and kind
    applied: list[tuple[datetime, str, str]] = field(default_factory=list)
    confirmations: list[str] = field(
        default_factory=list
    )  # what the next confirmations meet: ok, silent (done, not answered), lost
    list_size: int = 2000
    poll_hook: Callable[[list[ItemResult]], Answer[list[ItemResult]]] | None = None

    def commit(self) -> None:
        """What was to be committed by now is held."""
        now = self.clock.now()
        for moment, number, digest in list(self.arriving):
            if moment <= now:
                self.arriving.remove((moment, number, digest))
                self._hold(number, digest, moment)

    def _hold(self, number: str, digest: bytes, moment: datetime) -> ItemStatus:
        if number in self.held:
            return ItemStatus.DUPLICATE if self.held[number] == digest else ItemStatus.REJECTED
        self.held[number] = digest
        self.shown_from[number] = moment + timedelta(seconds=self.hide)
        return ItemStatus.CONFIRMED

    async def _hang(self, service: str, taxpayer: str) -> None:
        if (service, taxpayer) in self.hanging:
            await asyncio.Event().wait()

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        await self._hang("upload", taxpayer)
        if self.poisoned & {item.number for item in items}:
            raise Internal()
        self.commit()
        word = self.script.pop(0) if self.script else "ok"
        if self.down or word == "lost":
            outcome = Outcome.NOT_SENT if self.down else Outcome.AMBIGUOUS
            return Answer(outcome, code="connect.refused" if self.down else "wait.timeout")
        if word in ("busy", "refuse", "repeat", "retry"):
            words = {
                "busy": Outcome.NOT_ACCEPTED,
                "refuse": Outcome.REJECTED,
                "repeat": Outcome.ALREADY_ACCEPTED,
                "retry": Outcome.RETRY,
            }
            return Answer(words[word], code=word, retry_after=7.0 if word == "busy" else None)
        self.uploads.append([item.number for item in items])
        if word == "late":
            moment = self.clock.now() + timedelta(seconds=300)
            self.arriving += [(moment, item.number, self.content_digest(item)) for item in items]
            return Answer(Outcome.AMBIGUOUS, code="wait.timeout")
        results = [(item.number, self._take(item)) for item in items]
        submission = f"sub{len(self.submissions)}"
        self.submissions[submission] = results
        if word == "silent":
            return Answer(Outcome.AMBIGUOUS, code="wait.timeout")
        if word == "fault":  # taken, and then its own fault
            return Answer(Outcome.RETRY, code="500")
        if word == "garbage":
            return Answer(Outcome.AMBIGUOUS, code="answer.garbage")
        return Answer(Outcome.OK, submission)

    def _take(self, item: UploadItem) -> ItemStatus:
        if item.number in self.refusals:
            return ItemStatus.REJECTED
        return self._hold(item.number, self.content_digest(item), self.clock.now())

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        await self._hang("poll", taxpayer)
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        results = self.submissions.get(submission)
        if results is None:
            return Answer(Outcome.REJECTED, code="04")
        items = [ItemResult(n, s, None, self.refusals.get(n)) for n, s in results]
        return self.poll_hook(items) if self.poll_hook else Answer(Outcome.OK, items)

    async def ask(
        self, taxpayer: str, number: str, made_at: datetime, total: Decimal, kind: str
    ) -> Answer[Held | None]:
        await self._hang("ask", taxpayer)
        self.commit()
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        now = self.clock.now()
        self.asked.append((now, number))
        if number in self.held and self.shown_from[number] <= now:
            return Answer(Outcome.OK, Held(number, self.held[number], total))
        return Answer(Outcome.OK, None)

    def content_digest(self, item: UploadItem) -> bytes:
        if item.number in self.unreadable:
            raise Internal()
        return sm3(item.invoice)

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str) -> Answer[Segment]:
        await self._hang("numbers", taxpayer)
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        if serial not in self.serials:
            first, self.next_number = self.next_number, self.next_number + quantity
            year = year_of(self.clock.now()) % 100
            ends = (f"{year:02d}447{n:015d}" for n in (first, first + quantity - 1))
            self.serials[serial] = Segment(next(ends), next(ends), quantity)
        if self.lose_numbers:
            self.lose_numbers -= 1
            return Answer(Outcome.AMBIGUOUS, code="wait.timeout")
        return Answer(Outcome.OK, self.serials[serial])

    async def quota(self, taxpayer: str) -> Answer[QuotaStanding]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        now, much = self.clock.now(), Decimal("100000000.00")
        return Answer(
            Outcome.OK, QuotaStanding(much, much, False, self.quota_month or month_of(now), now, month_end(now))
        )

    async def move_quota(self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool) -> Answer[QuotaGrant]:
        now = self.clock.now()
        return Answer(Outcome.OK, QuotaGrant(amount, now, self.quota_until or month_end(now)))

    async def summary(self, taxpayer: str, month: str) -> Answer[MonthSummary]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        state = self.closed.get(month, MonthState.OPEN)
        return Answer(Outcome.OK, MonthSummary(month, state, self.totals.get(month, MonthTotals()), None))

    async def confirm_month(self, taxpayer: str, month: str, totals: MonthTotals) -> Answer[None]:
        word = self.confirmations.pop(0) if self.confirmations else "ok"
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        if word == "lost":
            return Answer(Outcome.AMBIGUOUS, code="wait.timeout")
        if totals != self.totals.get(month, MonthTotals()):
            return Answer(Outcome.REJECTED, code="01", message="differs")
        self.closed[month] = MonthState.CONFIRMED
        return Answer(Outcome.AMBIGUOUS, code="wait.timeout") if word == "silent" else Answer(Outcome.OK)

    async def unconfirm_month(self, taxpayer: str, month: str) -> Answer[None]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        self.closed.pop(month, None)
        return Answer(Outcome.OK)

    async def apply_list(self, taxpayer: str, month: str, kind: str) -> Answer[str]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        self.applied.append((self.clock.now(), month, kind))
        return Answer(Outcome.OK, f"{month}/{kind}")

    async def list_packet(self, taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        month, kind = ticket.split("/")
        entries = self.lists.get((month, kind), [])
        packets = max(1, -(-len(entries) // self.list_size))
        some = entries[(packet - 1) * self.list_size : packet * self.list_size]
        return Answer(Outcome.OK, ListPacket(packet, packets, len(entries), tuple(some)))

    async def standing(self, taxpayer: str) -> Answer[TaxpayerStanding]:
        if self.down:
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        return Answer(
            Outcome.OK, TaxpayerStanding(taxpayer, "x", "03", self.may_issue, None if self.may_issue else "fxnsrlx=01")
        )

    async def rates(self, taxpayer: str) -> Answer[list[Decimal]]:
        return Answer(Outcome.OK, [Decimal("0.13")])

    async def health(self) -> Answer[None]:
        self.probes += 1
        return Answer(Outcome.NOT_SENT, code="connect.refused") if self.down else Answer(Outcome.OK)

    def serial(self) -> str:
        self.serials_made += 1
        return f"serial-{self.name}-{self.serials_made}"

    async def close(self) -> None:
        return None
