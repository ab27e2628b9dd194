"""The pretend bureau: its books and its public rules. It knows nothing of networks; see `line.py`.

It may commit what it took in late, hide what it holds for a while, and check in an order that nobody knows. What the
platform could only cause by wrong books of its own (a number never granted, more quota than downloaded) is a breach.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from kaipiao.authority.channel import ItemResult, ItemStatus, QuotaGrant, QuotaStanding, Segment
from kaipiao_lab.simulation.copies import Copy
from kaipiao_lab.simulation.rulebook import Rulebook, closes, month, next_month, year


@dataclass(slots=True)
class Entry:
    """A copy that was taken in. `status` is None until it is committed."""

    copy: Copy
    arrived: datetime
    status: ItemStatus | None = None
    words: str | None = None


@dataclass(slots=True)
class Submission:
    taxpayer: str
    at: datetime
    entries: list[Entry]


@dataclass(slots=True)
class Bureau:
    rules: Rulebook
    now: Callable[[], datetime]
    tell: Callable[[str], None]
    held: dict[str, Copy] = field(default_factory=dict)
    shown_from: dict[str, datetime] = field(default_factory=dict)
    arriving: list[tuple[datetime, int, Entry]] = field(default_factory=list)
    submissions: dict[str, Submission] = field(default_factory=dict)
    segments: dict[str, tuple[str, int, Segment]] = field(default_factory=dict)  # serial: taxpayer, year, numbers
    grants: dict[str, tuple[str, str, QuotaGrant]] = field(default_factory=dict)  # serial: taxpayer, month, amount
    granted: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    used: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    refusals: dict[str, str] = field(default_factory=dict)  # numbers that it refuses now, with its words
    paused_quota: bool = False
    standing: dict[str, str] = field(default_factory=dict)  # taxpayers that may not issue, with the reason
    breaches: list[tuple[str, str]] = field(default_factory=list)  # number, what
    duplicated: set[str] = field(default_factory=set)  # numbers for which it said so
    rejected: set[str] = field(default_factory=set)
    _next: int = 1
    _taken: int = 0

    # --- invoices

    def take(self, taxpayer: str, copies: Sequence[Copy], after: float) -> str:
        """Take copies in, to be committed so many seconds later. Returns the acceptance number."""
        self.commit()
        name, now = f"sub{len(self.submissions) + 1}", self.now()
        entries = [Entry(copy, now) for copy in copies]
        self.submissions[name] = Submission(taxpayer, now, entries)
        for entry in entries:
            self._taken += 1
            heapq.heappush(self.arriving, (now + timedelta(seconds=after), self._taken, entry))
        self.commit()
        return name

    def commit(self) -> None:
        """What was to be committed by now is."""
        now = self.now()
        while self.arriving and self.arriving[0][0] <= now:
            moment, _, entry = heapq.heappop(self.arriving)
            entry.status, entry.words = self._judge(entry, moment)
            said = {ItemStatus.DUPLICATE: self.duplicated, ItemStatus.REJECTED: self.rejected}.get(entry.status, set())
            said.add(entry.copy.number)
            self.tell(f"bureau {entry.copy.order} {entry.copy.number} {entry.status.name} {entry.words or ''}")

    def finish(self) -> None:
        """Commit all that is still on its way, whatever the time."""
        while self.arriving:
            moment, _, entry = heapq.heappop(self.arriving)
            entry.status, entry.words = self._judge(entry, moment)
            self.tell(f"bureau in the end {entry.copy.order} {entry.copy.number} {entry.status.name}")

    def hold_foreign(self, number: str, digest: bytes) -> None:
        """Somebody else's invoice under this number."""
        now = self.now()
        self.held[number] = Copy("", number, "", Decimal(0), now, digest)
        self.shown_from[number] = now

    def results(self, taxpayer: str, submission: str) -> list[ItemResult] | None:
        """None: it knows of no such submission, or no longer."""
        self.commit()
        found = self.submissions.get(submission)
        if found is None or found.taxpayer != taxpayer:
            return None
        if self.now() >= found.at + timedelta(seconds=self.rules.result_window):
            return None
        return [ItemResult(e.copy.number, e.status or ItemStatus.PROCESSING, None, e.words) for e in found.entries]

    def look(self, number: str) -> Copy | None:
        self.commit()
        return self.held[number] if number in self.held and self.shown_from[number] <= self.now() else None

    def _judge(self, entry: Entry, moment: datetime) -> tuple[ItemStatus, str | None]:
        copy = entry.copy
        reason = self._reason_to_refuse(entry)
        if copy.number in self.held and not (self.rules.refuses_first and reason):
            return ItemStatus.DUPLICATE, "已存在"
        if reason is not None:
            return ItemStatus.REJECTED, reason
        self._hold(copy, moment)
        return ItemStatus.CONFIRMED, None

    def _hold(self, copy: Copy, moment: datetime) -> None:
        place = (copy.taxpayer, month(copy.made_at))
        self.used[place] += copy.amount
        if self.used[place] > self.granted[place]:
            self.breaches.append((copy.number, "more quota used than was downloaded"))
        self.held[copy.number] = copy
        self.shown_from[copy.number] = moment + timedelta(seconds=self.rules.hide)

    def _reason_to_refuse(self, entry: Entry) -> str | None:
        copy = entry.copy
        if copy.number in self.refusals:
            return self.refusals[copy.number]
        if not self._was_granted(copy):
            self.breaches.append((copy.number, "a number that was not granted for this taxpayer and year"))
            return "号码不属于该纳税人"
        if entry.arrived >= closes(copy.made_at, self.rules):
            return "超过上传时限"
        return None

    def _was_granted(self, copy: Copy) -> bool:
        return any(
            taxpayer == copy.taxpayer and of == year(copy.made_at) and s.first <= copy.number <= s.last
            for taxpayer, of, s in self.segments.values()
        )

    # --- numbers and quota

    def give_numbers(self, taxpayer: str, quantity: int, serial: str) -> Segment:
        """The same serial is answered with the first result."""
        if serial not in self.segments:
            size, of = min(quantity, self.rules.segment_limit), year(self.now())
            first, self._next = self._next, self._next + size
            ends = [f"{of % 100:02d}447{n:015d}" for n in (first, first + size - 1)]
            self.segments[serial] = (taxpayer, of, Segment(ends[0], ends[1], size))
            self.tell(f"bureau gives numbers {ends[0]}+{size} for {serial}")
        return self.segments[serial][2]

    def quota(self, taxpayer: str) -> QuotaStanding:
        now = self.now()
        total, left = self.rules.quota_total, self.rules.quota_total - self.granted[(taxpayer, month(now))]
        return QuotaStanding(total, left, self.paused_quota, month(now), now, next_month(now))

    def give_quota(self, taxpayer: str, amount: Decimal, serial: str) -> QuotaGrant | None:
        """None: so much is not left."""
        if serial in self.grants:
            return self.grants[serial][2]
        now = self.now()
        place = (taxpayer, month(now))
        if self.granted[place] + amount > self.rules.quota_total:
            return None
        self.granted[place] += amount
        until = next_month(now)
        if self.rules.quota_days is not None:
            until = min(until, now + timedelta(days=self.rules.quota_days))
        self.grants[serial] = (taxpayer, place[1], QuotaGrant(amount, now, until))
        self.tell(f"bureau gives quota {amount} of {place[1]} for {serial}")
        return self.grants[serial][2]
