"""What a sender that comes late tells: others have moved its invoices on meanwhile, and it may have sent a copy all the same.

It is evidence, never forgotten (docs/model/upload_model.py, "the sender wakes and sends"). Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kaipiao.authority.channel import Answer, Capabilities, Outcome
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import trail
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.decisions import SURELY_NOT_HELD
from kaipiao.issuing.problems import ALIVE
from kaipiao.ledger.port import Advance, InvoiceRecord, Value

SETTLED = frozenset({State.CONFIRMED, State.CONFLICT, State.CANCELLED})


def straggled(record: InvoiceRecord, answer: Answer[str], caps: Capabilities, now: datetime) -> Advance | None:
    """`record` as it stands now, `answer` what the late copy met. None: this copy changes nothing."""
    if answer.outcome in SURELY_NOT_HELD or answer.outcome is Outcome.REJECTED or record.state in SETTLED:
        return None
    if record.state is State.REPLACED:
        return _of_replaced(record, answer, now)
    changes: dict[str, Value] = {"doubt": True, "sent_at": now}
    if record.state is State.UPLOADING:  # another call is under way: its end decides, in doubt
        return _advance(record, State.UPLOADING, changes, answer, now)
    changes |= {
        "denials": 0,
        "late_denials": 0,
        "next_at": now + timedelta(seconds=caps.settle),
        "deadline": upload_closes(record.made_at, caps),
    }
    if record.unknown_since is None:
        changes |= {"unknown_since": now, "alarmed": 0}
    return _advance(record, State.UNKNOWN, changes, answer, now)


def _advance(
    record: InvoiceRecord, to: State, changes: dict[str, Value], answer: Answer[str], now: datetime
) -> Advance:
    event = trail.changed(record, "upload.straggled", now, outcome=answer.outcome.value, code=answer.code)
    return Advance(record.taxpayer, record.id, record.version, to, changes, event)


def _of_replaced(record: InvoiceRecord, answer: Answer[str], now: datetime) -> Advance:
    """Both may be held: that is for a person."""
    changes: dict[str, Value] = {
        "doubt": True,
        "sent_at": now,
        "problem_code": ALIVE.code,
        "problem": ALIVE.text.both,
    }
    if answer.value:
        changes["submission"] = answer.value
    event = trail.changed(
        record, "replaced.sent", now, outcome=answer.outcome.value, code=answer.code, submission=answer.value
    )
    return Advance(record.taxpayer, record.id, record.version, State.REPLACED, changes, event)
