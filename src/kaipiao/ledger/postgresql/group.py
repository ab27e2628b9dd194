"""A group of admissions in one commit: one statement when all of them hold, as almost always; else they are decided one by
one under locks and what holds is stored by the same statement."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.errors import Internal, KaipiaoError, OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import admission_event, admitted
from kaipiao.ledger.desk import Desk, of_order
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.commit import alone, transacted
from kaipiao.ledger.postgresql.facts import facts_of
from kaipiao.ledger.postgresql.faults import UNIQUE_VIOLATION, code_of
from kaipiao.ledger.postgresql.lane import Lane
from kaipiao.ledger.postgresql.lanes import Waiting
from kaipiao.ledger.postgresql.moves import Moves
from kaipiao.ledger.postgresql.rows import admission_columns, columns, numbering_row, order_digest
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.postgresql.transaction import ChainedEvents, TipMoved, Transaction
from kaipiao.ledger.trail import ChainTip, microseconds

Round = tuple[list[AdmitResult], ChainTip]


async def admit_group(lane: Lane, group: Sequence[Waiting]) -> list[AdmitResult]:
    """Admit, and tell each of those who wait. A defect of one must not fail its group: they are tried again singly. After
    a commit in doubt nobody is tried again here: each must be read again first."""
    items = [item for waiting in group for item in waiting.items]
    try:
        results = await lane.attempt(lambda session, tip: _admit(lane, session, tip, items))
    except Internal as error:
        if len(group) > 1:
            return [result for waiting in group for result in await admit_group(lane, [waiting])]
        return _failed(group, error)
    except KaipiaoError as error:
        return _failed(group, error)
    rest = iter(results)
    for waiting in group:
        waiting.deliver([next(rest) for _ in waiting.items])
    return results


def _failed(group: Sequence[Waiting], error: KaipiaoError) -> list[AdmitResult]:
    for waiting in group:
        waiting.fail(OutcomeUnknown(reason=error.facts.get("reason")) if isinstance(error, OutcomeUnknown) else error)
    return []


async def _admit(lane: Lane, session: Session, tip: ChainTip, items: Sequence[Admission]) -> Round:
    instants = {microseconds(instant) for a in items for instant in (a.made_at, admission_event(a).at)}
    await lane.months.ensure(session, lane.months.missing({a.month for a in items}, instants))
    if _all_new(items) and (stored := await _store_all(session, tip, items)) is not None:
        return stored
    return await transacted(session, tip, lane.months, lambda transaction: _decide(transaction, items))


def _all_new(items: Sequence[Admission]) -> bool:
    """Whether nothing within the group itself speaks against storing all of it; orders that are there and get their number
    are not tried in vain. A hint only: the ledger decides by what it has."""
    orders = {(a.taxpayer, a.order) for a in items}
    numbers = [(a.taxpayer, a.number) for a in items if a.number is not None]
    known = any(a.replaces or (a.event is not None and a.event.kind == "numbered") for a in items)
    return len(orders) == len(items) and len(set(numbers)) == len(numbers) and not known


async def _store_all(session: Session, tip: ChainTip, items: Sequence[Admission]) -> Round | None:
    """None when one of them does not hold: then nothing was stored."""
    events = ChainedEvents(tip)
    for admission in items:
        events.append(event := admission_event(admission), of_order(admission, event))
    try:
        stored = await alone(session, sql.STORE_ADMISSIONS, _parameters(items, events, Moves()))
    except Exception as error:  # only a key that is there already is expected here
        if code_of(error) == UNIQUE_VIOLATION:
            return None
        raise
    if not stored:
        return None
    return [AdmitResult(AdmitOutcome.ADMITTED, admitted(admission)) for admission in items], events.tip


async def _decide(transaction: Transaction, items: Sequence[Admission]) -> list[AdmitResult]:
    """The locks that `facts_of` takes make its answers hold until the commit. Only an order or a number that another node
    stores meanwhile gets between: then the statement fails and the whole is decided anew."""
    desk = Desk(await facts_of(transaction, items))
    results = [desk.admit(admission) for admission in items]
    if not desk.events:
        return results
    if desk.replaced:
        await _replace(transaction, desk)
    events = ChainedEvents(transaction.events.tip)
    for event, invoice in desk.events:
        events.append(event, invoice)
    if not await transaction.value(sql.STORE_ADMISSIONS, *_parameters(desk.admitted, events, _moves(desk))):
        raise TipMoved
    if desk.numbered:
        await transaction.execute(sql.NUMBER_INVOICES, *columns([numbering_row(a) for a in desk.numbered], 19))
    transaction.events = ChainedEvents(events.tip)
    return results


async def _replace(transaction: Transaction, desk: Desk) -> None:
    taxpayers = [live.taxpayer for live, _ in desk.replaced]
    digests = [order_digest(live.order) for live, _ in desk.replaced]
    await transaction.execute(sql.REPLACE_ORDERS, taxpayers, digests, [new.id for _, new in desk.replaced])
    await transaction.execute(sql.REPLACE_INVOICES, taxpayers, [live.id for live, _ in desk.replaced])
    if desk.released:
        given = [(live.taxpayer, live.id, live.channel, live.month, amount) for live, amount in desk.released]
        await transaction.execute(sql.RELEASE_QUOTA, *columns(given, 5))


def _moves(desk: Desk) -> Moves:
    moves = Moves()
    for live, _ in desk.replaced:
        moves.move(live.taxpayer, live.state, State.REPLACED)
    for admission in desk.numbered:
        moves.move(admission.taxpayer, State.ACCEPTED, State.ISSUED)
    return moves


def _parameters(items: Sequence[Admission], events: ChainedEvents, moves: Moves) -> tuple[object, ...]:
    """`moves`: of invoices that were there before."""
    for admission in items:
        moves.enter(admission.taxpayer, admission.state)
    return (*events.ends, *admission_columns(items), *events.columns, *moves.columns)
