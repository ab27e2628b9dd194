"""What an answer means for an invoice: rules R3, R4, R6 as pure functions from (record, answer, now) to an `Advance`.

`design/model/upload_model.py` explores these rules to the end. No function here gives an invoice another number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from kaipiao.authority.channel import Answer, Capabilities, Held, ItemResult, ItemStatus, Outcome
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import trail
from kaipiao.issuing.deadlines import resolve_by, upload_closes
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.problems import DEFECT, LATE, NO_RESULT
from kaipiao.issuing.wire import unreached
from kaipiao.ledger.port import Advance, InvoiceRecord, Value

SURELY_NOT_HELD = frozenset({Outcome.NOT_SENT, Outcome.NOT_ACCEPTED})


def was_not_taken(answer: Answer[str]) -> bool:
    """Whether the same call again is the way on."""
    return answer.outcome in SURELY_NOT_HELD or answer.outcome is Outcome.RETRY


def after_upload(
    record: InvoiceRecord, answer: Answer[str], together: int, caps: Capabilities, policy: Policy, now: datetime
) -> Advance:
    """The outcome of a wire call for one of the `together` invoices in it."""
    if answer.outcome is Outcome.OK and answer.value:
        return _submitted(record, answer.value, caps, now)
    if was_not_taken(answer):
        return _once_more(record, answer, policy, now)
    if answer.outcome is Outcome.REJECTED:
        if together > 1:  # which one it was is not said: each goes alone
            return _to(record, State.ISSUED, now, "upload.refused_together", {"alone": True, "next_at": now}, answer)
        return refused(record, answer.code, answer.message, caps, now)
    if answer.outcome is Outcome.ALREADY_ACCEPTED:
        return duplicate(record, answer.code, answer.message, caps, now)
    return silent(record, caps, now, code=answer.code, message=answer.message)


def _submitted(record: InvoiceRecord, submission: str, caps: Capabilities, now: datetime) -> Advance:
    changes: dict[str, Value] = {
        "submission": submission,
        "submitted_at": now,
        "sent_at": now,
        "next_at": now + timedelta(seconds=caps.first_poll),
        "deadline": resolve_by(record.made_at, now, caps),
        "unknown_since": None,
        "alarmed": 0,
        "problem_code": None,
        "problem": None,
    }
    event = trail.changed(record, "submitted", now, submission=submission)
    return Advance(record.taxpayer, record.id, record.version, State.SUBMITTED, changes, event)


def _once_more(record: InvoiceRecord, answer: Answer[str], policy: Policy, now: datetime) -> Advance:
    """Safe to send the same number again. After the bureau's own fault (RETRY) a copy may be there: that is a doubt."""
    most = policy.probe_seconds if unreached(answer) else policy.retry_most
    pause = max(min(policy.backoff(record.tries), most), answer.retry_after or 0.0)
    changes: dict[str, Value] = {"next_at": now + timedelta(seconds=pause)}
    if answer.outcome is Outcome.RETRY:
        changes |= {"doubt": True, "sent_at": now}
    return _to(record, State.ISSUED, now, f"upload.{answer.outcome.value}", changes, answer)


def silent(
    record: InvoiceRecord, caps: Capabilities, now: datetime, *, code: str | None, message: str | None
) -> Advance:
    """R4: sent without a believable answer. Wait out the far side's own limit, then ask."""
    submitted_at = record.submitted_at if record.state is State.SUBMITTED else None  # not that of an earlier copy
    changes: dict[str, Value] = {
        **_unknown_since(record, now),
        "doubt": True,
        "next_at": now + timedelta(seconds=caps.settle),
        "deadline": resolve_by(record.made_at, submitted_at, caps),
        "problem_code": code,
        "problem": message,
    }
    if code == DEFECT.code:  # perhaps it is what the channel cannot carry: it must not take others along again
        changes["alone"] = True
    event = trail.changed(record, "unknown", now, code=code)
    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, changes | _sent(record, now), event)


def refused(record: InvoiceRecord, code: str | None, message: str | None, caps: Capabilities, now: datetime) -> Advance:
    """Final at once only when no earlier copy went unanswered; after a doubt it is believed only when asking finds nothing."""
    changes: dict[str, Value] = {"problem_code": code, "problem": message}
    if not record.doubt:
        event = trail.changed(record, "rejected", now, code=code)
        return Advance(record.taxpayer, record.id, record.version, State.REJECTED, changes | {"next_at": None}, event)
    changes |= {
        **_unknown_since(record, now),
        "refused": True,
        "denials": 0,
        "late_denials": 0,
        "next_at": now + timedelta(seconds=caps.settle),
        "deadline": resolve_by(record.made_at, None, caps),
    }
    event = trail.changed(record, "refused_after_doubt", now, code=code)
    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, changes | _sent(record, now), event)


def _unknown_since(record: InvoiceRecord, now: datetime) -> dict[str, Value]:
    """R5: the alarms count from the first doubt since the last acceptance; being sent again does not start them anew."""
    return {} if record.unknown_since is not None else {"unknown_since": now, "alarmed": 0}


def _sent(record: InvoiceRecord, now: datetime) -> dict[str, Value]:
    """The stamp of the last send: only a wire call sets it, a poll does not."""
    return {"sent_at": now} if record.state is State.UPLOADING else {}


def duplicate(
    record: InvoiceRecord, code: str | None, message: str | None, caps: Capabilities, now: datetime
) -> Advance:
    """R6: a duplicate answer is evidence. The original is fetched at once and its content compared."""
    changes: dict[str, Value] = {
        **_unknown_since(record, now),
        "provenance": "duplicate",
        "next_at": now,
        "deadline": resolve_by(record.made_at, None, caps),
        "problem_code": code,
        "problem": message,
    }
    event = trail.changed(record, "duplicate", now, code=code)
    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, changes, event)


def overdue(record: InvoiceRecord, caps: Capabilities, now: datetime) -> Advance:
    """Its upload window closed before it could be sent: nothing is sent any more, asking decides what is true."""
    changes: dict[str, Value] = {
        **_unknown_since(record, now),
        "next_at": now,
        "problem_code": LATE.code,
        "problem": LATE.text.both,
        "deadline": upload_closes(record.made_at, caps),
    }
    event = trail.changed(record, "upload.window_closed", now)
    return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, changes, event)


def after_poll(record: InvoiceRecord, item: ItemResult | None, caps: Capabilities, now: datetime) -> Advance:
    """The bureau's result for one submitted invoice; None when the answer does not name it or could not be had."""
    if item is not None and item.status is ItemStatus.CONFIRMED:
        return _confirmed(record, "result", now)
    if item is not None and item.status is ItemStatus.REJECTED:
        return refused(record, item.code, item.message, caps, now)
    if item is not None and item.status is ItemStatus.DUPLICATE:
        return duplicate(record, item.code, item.message, caps, now)
    return _poll_again(record, caps, now)


def no_channel(record: InvoiceRecord, policy: Policy, now: datetime) -> Advance:
    """Its channel is not configured any more: it stays what it is, and is looked at again later."""
    later: dict[str, Value] = {"next_at": now + timedelta(seconds=policy.backoff_most)}
    return _plain(record, record.state, "no_channel", later, now)


def result_is_overdue(record: InvoiceRecord, caps: Capabilities, now: datetime) -> bool:
    """Whether the time is over within which the bureau gives the result of a submission."""
    return record.submitted_at is not None and now >= record.submitted_at + timedelta(seconds=caps.result_window)


def _poll_again(record: InvoiceRecord, caps: Capabilities, now: datetime) -> Advance:
    since = record.submitted_at or now
    if result_is_overdue(record, caps, now):
        return silent(record, caps, now, code=NO_RESULT.code, message=NO_RESULT.text.both)
    pause = min(caps.poll_max, max(caps.first_poll, (now - since).total_seconds()))
    changes: dict[str, Value] = {"next_at": now + timedelta(seconds=pause)}
    return Advance(
        record.taxpayer, record.id, record.version, State.SUBMITTED, changes, trail.changed(record, "polled", now)
    )


def _confirmed(record: InvoiceRecord, provenance: str, now: datetime) -> Advance:
    changes: dict[str, Value] = {
        "accepted_at": now,
        "provenance": provenance,
        "next_at": None,
        "problem_code": None,
        "problem": None,
    }
    event = trail.changed(record, "confirmed", now, provenance=provenance)
    return Advance(record.taxpayer, record.id, record.version, State.CONFIRMED, changes, event)


def after_ask(
    record: InvoiceRecord,
    answer: Answer[Held | None],
    our_digest: bytes,
    caps: Capabilities,
    policy: Policy,
    now: datetime,
    failures: int = 1,
) -> Advance:
    """R4 and R6: what asking by our own number showed. `failures`: asks in a row, this one included, that showed nothing."""
    if answer.outcome is not Outcome.OK:
        return _ask_again(record, answer, failures, caps, policy, now)
    if answer.value is not None:
        if answer.value.content_digest == our_digest:
            return _confirmed(record, "duplicate" if record.provenance == "duplicate" else "asked", now)
        event = trail.changed(record, "conflict", now, held=answer.value.content_digest.hex())
        return Advance(record.taxpayer, record.id, record.version, State.CONFLICT, {"next_at": None}, event)
    return _denied(record, caps, now)


def _ask_again(
    record: InvoiceRecord,
    answer: Answer[Held | None],
    failures: int,
    caps: Capabilities,
    policy: Policy,
    now: datetime,
) -> Advance:
    """Doubling from `ask_spacing` to `backoff_most`. One event for each cause, not for each try."""
    longest = max(policy.backoff_most, caps.ask_spacing)
    pause = max(min(longest, caps.ask_spacing * 2.0 ** min(30, failures - 1)), answer.retry_after or 0.0)
    later: dict[str, Value] = {"next_at": now + timedelta(seconds=pause)}
    if failures > 1 and record.problem_code == answer.code:
        return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, later, None)
    return _to(record, State.UNKNOWN, now, "ask.failed", later, answer)


def _denied(record: InvoiceRecord, caps: Capabilities, now: datetime) -> Advance:
    """Asked after the settle time, the bureau does not hold it. Twice: the same number again; a final negative needs two
    denials that were asked after the visibility time too."""
    hidden = timedelta(seconds=max(caps.settle, caps.visibility))
    visible_from = record.sent_at + hidden if record.sent_at else record.made_at
    denials = record.denials + 1
    late = record.late_denials + (1 if now >= visible_from else 0)
    closed = now >= upload_closes(record.made_at, caps)
    counts: dict[str, Value] = {"denials": denials, "late_denials": late}
    if closed or record.refused:
        if late >= 2:
            state, kind = (State.REJECTED, "rejected") if record.refused else (State.EXPIRED, "expired")
            return _plain(record, state, kind, counts | {"next_at": None}, now)
        later = max(now + timedelta(seconds=caps.ask_spacing), visible_from)
        return _plain(record, State.UNKNOWN, "denied", counts | {"next_at": later}, now)
    if record.provenance == "duplicate" and late < 2:  # it said that it holds it: it only does not show it yet
        later = now + timedelta(seconds=max(caps.settle, caps.ask_spacing))
        return _plain(record, State.UNKNOWN, "denied", counts | {"next_at": later}, now)
    if denials >= 2:
        closes = upload_closes(record.made_at, caps)
        again: dict[str, Value] = {"next_at": now, "provenance": None, "deadline": closes}
        return _plain(record, State.ISSUED, "absent_send_same_again", counts | again, now)
    later = now + timedelta(seconds=caps.ask_spacing)
    return _plain(record, State.UNKNOWN, "denied", counts | {"next_at": later}, now)


def _plain(record: InvoiceRecord, to: State, kind: str, changes: Mapping[str, Value], now: datetime) -> Advance:
    event = trail.changed(record, kind, now)
    return Advance(record.taxpayer, record.id, record.version, to, dict(changes), event)


def _to(
    record: InvoiceRecord,
    to: State,
    now: datetime,
    kind: str,
    changes: dict[str, Value],
    answer: Answer[object] | Answer[str] | Answer[Held | None],
) -> Advance:
    said: dict[str, Value] = {"problem_code": answer.code, "problem": answer.message}
    event = trail.changed(record, kind, now, code=answer.code)
    return Advance(record.taxpayer, record.id, record.version, to, changes | said, event)
