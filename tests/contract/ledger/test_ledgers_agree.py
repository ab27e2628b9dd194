"""Any sequence of operations, on two ledgers at once and on a tiny model of numbers, orders and epochs: the same answers,
the same trail to the last hash, and the laws of design/model/numbers_model.py after every step.

Nodes keep what they leased in memory, go on with it after somebody else has taken it over, and send pairs again.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kaipiao.errors import KaipiaoError
from kaipiao.invoice.lifecycle import State, allowed
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import Admission, AdmitOutcome, Block, Event, QuotaRequest, SegmentRequest, Upload, UploadEnd
from kaipiao.ledger.postgresql import PostgresqlLedger
from kaipiao.ledger.sqlite import SqliteLedger
from ledger_books import CHANNEL, DOCUMENT, MONTH, NOW, TAXPAYER, YEAR, CheckedLedger, LeaseClock, advance, number
from postgresql_server import database_url, emptied

T = TypeVar("T")
NODES = st.sampled_from("ab")
ORDERS = st.sampled_from([f"o{i}" for i in range(8)])


def counted(answer: T) -> T:
    """Events with 1, 2, 3 … for their positions, which rise in every ledger but have gaps in some."""
    if isinstance(answer, list) and answer and isinstance(answer[0], Event):
        assert answer == sorted(answer, key=lambda event: event.position)
        return [replace(event, position=place) for place, event in enumerate(answer, start=1)]  # type: ignore[return-value]
    return answer


class TwoLedgers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = LeaseClock()
        self.now = NOW
        self.memory = MemoryLedger("w", self.clock)
        self.other = self.runner.run(self.open_other())
        self.next_id = 0
        self.pulled = 0
        self.sent: list[Admission] = []
        self.blocks: dict[str, list[Block]] = {"a": [], "b": []}
        self.uploads: list[Upload] = []
        # the model
        self.epochs: dict[int, int] = {}
        self.number_of: dict[str, str] = {}
        self.order_of: dict[str, str] = {}
        self.accepted: dict[str, int] = {}  # id of the order that waits for its number, or did
        self.cancelled: set[str] = set()

    async def open_other(self) -> CheckedLedger:
        ledger = SqliteLedger(self.folder, "w", lease_clock=self.clock)
        await ledger.open()
        return ledger

    def teardown(self) -> None:
        self.runner.run(self.other.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    def both(self, ask: Callable[[CheckedLedger], Awaitable[T]]) -> T | type[KaipiaoError]:
        """Ask both; they must say the same, and refuse the same."""
        one, other = self.answer(self.memory, ask), self.answer(self.other, ask)
        assert one == counted(other)
        return one

    def answer(self, ledger: CheckedLedger, ask: Callable[[CheckedLedger], Awaitable[T]]) -> T | type[KaipiaoError]:
        async def wait() -> T:
            return await ask(ledger)

        try:
            return self.runner.run(wait())
        except KaipiaoError as error:
            return type(error)

    def identity(self) -> int:
        self.next_id += 1
        return self.next_id

    # --- numbers and quota

    @initialize()
    def begin_with_something(self) -> None:
        self.pull(6)
        self.download(500)

    @rule(count=st.integers(1, 6))
    def pull(self, count: int) -> None:
        serial = f"n{self.identity()}"
        self.both(
            lambda ledger: ledger.open_segment_request(SegmentRequest(TAXPAYER, CHANNEL, YEAR, serial, count), NOW)
        )
        first, self.pulled = number(self.pulled + 1), self.pulled + count
        self.both(lambda ledger: ledger.fill_segment(TAXPAYER, serial, first, number(self.pulled), NOW))

    @rule(amount=st.integers(1, 300))
    def download(self, amount: int) -> None:
        serial = f"q{self.identity()}"
        request = QuotaRequest(TAXPAYER, CHANNEL, MONTH, serial, Decimal(amount))
        self.both(lambda ledger: ledger.open_quota_request(request, NOW))
        until = NOW + timedelta(days=9)
        self.both(lambda ledger: ledger.fill_quota(TAXPAYER, serial, Decimal(amount), NOW, until, NOW))

    @rule(amount=st.integers(1, 300), answered=st.integers(0, 300))
    def give_quota_back(self, amount: int, answered: int) -> None:
        serial = f"r{self.identity()}"
        request = QuotaRequest(TAXPAYER, CHANNEL, MONTH, serial, Decimal(amount), returning=True)
        opened = self.both(lambda ledger: ledger.open_quota_request(request, NOW))
        if isinstance(opened, QuotaRequest):
            back = Decimal(answered)
            self.both(lambda ledger: ledger.fill_quota(TAXPAYER, opened.serial, back, NOW, NOW, NOW))

    @rule(node=NODES, size=st.integers(1, 4))
    def lease(self, node: str, size: int) -> None:
        block = self.both(lambda ledger: ledger.lease_block(TAXPAYER, CHANNEL, YEAR, node, size, 30))
        if isinstance(block, Block):
            assert block.epoch > self.epochs.get(block.id, 0)
            assert not set(block.numbers) & self.order_of.keys()
            self.epochs[block.id] = block.epoch
            self.blocks[node].append(block)

    @rule(node=NODES)
    def crash_and_reclaim(self, node: str) -> None:
        self.both(lambda ledger: ledger.reclaim_blocks(node))
        for block in self.blocks[node]:
            if self.epochs[block.id] == block.epoch:
                self.epochs[block.id] = -1  # raised: nothing that is in memory anywhere holds
        self.blocks[node] = self.blocks[node][-2:]

    @rule(seconds=st.sampled_from([10, 31, -5]))
    def time_passes(self, seconds: int) -> None:
        self.clock.seconds += seconds

    @rule(node=NODES)
    def renew(self, node: str) -> None:
        epochs = {(TAXPAYER, block.id): block.epoch for block in self.blocks[node]}
        self.both(lambda ledger: ledger.renew_blocks(node, epochs, 30))

    # --- orders

    def learn(self, admission: Admission, outcome: AdmitOutcome) -> None:
        """What the model says the outcome must be, and what follows from it."""
        fenced = self.epochs.get(admission.block or 0) not in (admission.epoch, -1)
        owner = self.accepted.get(admission.order)
        waits = owner == admission.id and admission.number is not None and admission.order not in self.cancelled
        if admission.order in self.number_of or (owner is not None and not waits):
            assert outcome is AdmitOutcome.KNOWN
        elif admission.number is None:
            assert outcome is AdmitOutcome.ADMITTED
            self.accepted[admission.order] = admission.id
        elif fenced:
            assert outcome is AdmitOutcome.FENCED
        elif outcome is AdmitOutcome.ADMITTED:
            assert self.epochs[admission.block or 0] == admission.epoch
            assert admission.number is not None
            assert admission.number not in self.order_of
            self.number_of[admission.order] = admission.number
            self.order_of[admission.number] = admission.order
        elif outcome is AdmitOutcome.NUMBER_USED:
            assert admission.number in self.order_of

    def admission(self, node: str, order: str, pick: int, quota: int) -> Admission:
        block = self.blocks[node][pick % len(self.blocks[node])]
        return Admission(
            id=self.identity(), taxpayer=TAXPAYER, order=order, channel=CHANNEL, kind="special", content=b"{}",
            content_digest=b"c" * 32, amount=Decimal(quota), tax=Decimal(0), total=Decimal(quota), made_at=self.now,
            month=MONTH, number=block.numbers[pick % len(block.numbers)], block=block.id, epoch=block.epoch,
            quota=Decimal(quota), document=DOCUMENT, next_at=self.now, deadline=self.now + timedelta(hours=9),
        )  # fmt: skip

    @precondition(lambda self: any(self.blocks.values()))
    @rule(data=st.data(), size=st.integers(1, 4))
    def admit(self, data: st.DataObject, size: int) -> None:
        holders = st.sampled_from([node for node, blocks in self.blocks.items() if blocks])
        batch = [
            self.admission(
                data.draw(holders), data.draw(ORDERS), data.draw(st.integers(0, 30)), data.draw(st.integers(0, 90))
            )
            for _ in range(size)
        ]
        self.send(batch)

    @rule(order=ORDERS)
    def accept(self, order: str) -> None:
        self.send([self.accepted_admission(order)])

    def accepted_admission(self, order: str) -> Admission:
        return Admission(
            id=self.identity(), taxpayer=TAXPAYER, order=order, channel=CHANNEL, kind="special", content=b"{}",
            content_digest=b"c" * 32, amount=Decimal(1), tax=Decimal(0), total=Decimal(1), made_at=self.now,
            month=MONTH, state=State.ACCEPTED, next_at=self.now,
        )  # fmt: skip

    @precondition(lambda self: self.accepted and any(self.blocks.values()))
    @rule(data=st.data(), pick=st.integers(0, 30), quota=st.integers(0, 90))
    def number_what_was_accepted(self, data: st.DataObject, pick: int, quota: int) -> None:
        holder = data.draw(st.sampled_from([node for node, blocks in self.blocks.items() if blocks]))
        order = data.draw(st.sampled_from(sorted(self.accepted)))
        self.send([replace(self.admission(holder, order, pick, quota), id=self.accepted[order])])

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(sorted(self.accepted)))
        (record,) = self.runner.run(self.memory.find(TAXPAYER, orders=[order]))
        done = self.both(lambda ledger: ledger.advance([advance(record, State.CANCELLED, next_at=None)]))
        assert (done == [True]) == (order not in self.number_of)
        if done == [True]:
            self.cancelled.add(order)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_the_same_pair_again(self, data: st.DataObject) -> None:
        self.send([data.draw(st.sampled_from(self.sent))])

    def send(self, batch: list[Admission]) -> None:
        self.sent = (self.sent + batch)[-10:]
        results = self.both(lambda ledger: ledger.admit(batch))
        assert isinstance(results, list)
        for admission, result in zip(batch, results, strict=True):
            self.learn(admission, result.outcome)
            if result.record is not None:
                assert result.record.number == self.number_of.get(admission.order)

    # --- uploads

    @rule(limit=st.integers(1, 3), seconds=st.integers(0, 3))
    def begin_upload(self, limit: int, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        identity = self.identity()
        upload = self.both(
            lambda ledger: ledger.begin_upload(identity, f"w{identity}", TAXPAYER, CHANNEL, "a", limit, self.now)
        )
        if isinstance(upload, Upload):
            self.uploads.append(upload)

    @precondition(lambda self: self.uploads)
    @rule(data=st.data(), to=st.sampled_from([State.SUBMITTED, State.UNKNOWN, State.ISSUED, State.CONFIRMED]))
    def end_upload(self, data: st.DataObject, to: State) -> None:
        upload = data.draw(st.sampled_from(self.uploads))
        attempts = {r.id: "ok" for r in upload.records}
        end = UploadEnd(upload.id, TAXPAYER, self.now, "answer", 9, "ok", None, None, "[]", attempts)
        self.both(lambda ledger: ledger.end_upload(end, [advance(r, to, next_at=self.now) for r in upload.records]))

    @precondition(lambda self: self.number_of)
    @rule(data=st.data(), to=st.sampled_from(State), stale=st.booleans(), alone=st.booleans())
    def change(self, data: st.DataObject, to: State, stale: bool, alone: bool) -> None:
        order = data.draw(st.sampled_from(sorted(self.number_of)))
        (record,) = self.runner.run(self.memory.find(TAXPAYER, orders=[order]))
        wish = advance(record, to, alone=alone, unknown_since=self.now)
        if stale:
            wish = replace(wish, version=record.version - 1)
        done = self.both(lambda ledger: ledger.advance([wish]))
        legal = to is record.state or (allowed(record.state, to) and to is not State.REPLACED)
        if stale:
            assert done == [False]
        else:
            assert (done == [True]) == (legal and to is not State.REPLACED)

    # --- laws

    @invariant()
    def the_books_are_equal(self) -> None:
        assert self.both(lambda ledger: ledger.page(TAXPAYER, limit=1000)) is not None
        counts = self.both(lambda ledger: ledger.number_counts(TAXPAYER, CHANNEL, YEAR))
        assert not isinstance(counts, type)
        assert counts.pulled == counts.free + counts.leased + counts.used + counts.expired == self.pulled
        assert counts.used == len(self.order_of) == len(self.number_of)
        account = self.both(lambda ledger: ledger.quota(TAXPAYER, CHANNEL, MONTH))
        assert not isinstance(account, type)
        assert account.left >= 0

    @invariant()
    def what_is_due_is_equal(self) -> None:
        later = self.now + timedelta(hours=6)
        self.both(lambda ledger: ledger.due_pairs(self.now))
        self.both(lambda ledger: ledger.open_uploads())
        self.both(lambda ledger: ledger.accepted(TAXPAYER, self.now, 5))
        self.both(lambda ledger: ledger.accepted_taxpayers())
        self.both(lambda ledger: ledger.alarming(later, 100))
        self.both(lambda ledger: ledger.state_counts(TAXPAYER))
        self.both(lambda ledger: ledger.oldest_debt(TAXPAYER))
        self.both(lambda ledger: ledger.last_made_at())
        self.both(lambda ledger: ledger.issued_since(TAXPAYER, self.now))
        for state in State:
            self.both(lambda ledger, state=state: ledger.due(state, later, 100))  # type: ignore[misc]
            self.both(lambda ledger, state=state: ledger.due(state, later, 3, each=2))  # type: ignore[misc]

    @invariant()
    def the_trails_are_equal_and_nothing_contradicts_itself(self) -> None:
        self.both(lambda ledger: ledger.events(limit=100_000))
        self.both(lambda ledger: ledger.chain_tips())
        assert self.both(lambda ledger: ledger.check_counts()) == []


TestTwoLedgers = TwoLedgers.TestCase
TestTwoLedgers.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class MemoryAndPostgresql(TwoLedgers):
    async def open_other(self) -> CheckedLedger:
        url = database_url()
        ledger = PostgresqlLedger(url, "w", pool_min=1, pool_max=8, lease_clock=self.clock)
        await ledger.open()
        await emptied(url)
        return ledger


TestMemoryAndPostgresql = MemoryAndPostgresql.TestCase
TestMemoryAndPostgresql.settings = settings(
    max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
