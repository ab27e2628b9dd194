"""Asking by our own number (R4): the verification service has the face, the status service a second opinion.

Found: FPCY_NEW says 00 and shows the face. Absent: FPCY_NEW says 02 *and* FPZTXXCX says 04, each by its own code; one
alone is not believed. 03 of FPCY_NEW means that something is held and differs from what was asked (total, kind or day);
when the status service confirms number, kind and day, it is the bureau's own word for other content under our number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kaipiao.authority.channel import Answer, Held, Outcome
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.call import Caller, contradiction
from kaipiao.authority.leqi.content import of_face
from kaipiao.authority.leqi.face import face
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.leqi.services import FACE, Service
from kaipiao.clock import SHANGHAI
from kaipiao.invoice.model import Kind
from kaipiao.invoice.tables import tables

_FOUND = "00"
_NO_DATA = {"FPCY_NEW": "02", "FPZTXXCX": "04"}
# No digest of ours is empty, and the total is not told: "held, and other content than asked for".
_OTHER_CONTENT = b""
_NOT_TOLD = Decimal("NaN")


@dataclass(frozen=True, slots=True)
class Question:
    taxpayer: str
    number: str
    made_at: datetime
    total: Decimal
    kind: str  # a value of `Kind`

    def status(self) -> Mapping[str, object]:
        """FPZTXXCX: no tax number, no amount."""
        day = self.made_at.astimezone(SHANGHAI).strftime("%Y%m%d")
        return {"fplx": tables().kinds[Kind(self.kind)].query, "fphm": self.number, "kprq": day}

    def face(self) -> Mapping[str, object]:
        return {**self.status(), "kpje": f"{self.total:.2f}", "nsrsbh": self.taxpayer}


async def ask(caller: Caller, status: Service, question: Question) -> Answer[Held | None]:
    """OK with what is held, OK with None for absent; any other outcome says nothing about the invoice."""
    shown = await caller.call(FACE, question.face())
    if shown.outcome is Outcome.OK and shown.code == _FOUND:
        return _held(shown, question)
    denied = shown.outcome is Outcome.OK and shown.code == _NO_DATA[FACE.code]
    differs = shown.outcome is Outcome.ALREADY_ACCEPTED
    if not denied and not differs:
        return _without_value(shown, shown.outcome)
    second = await caller.call(status, question.status())
    if second.outcome is not Outcome.OK:
        return _without_value(second, second.outcome)
    known = second.code == _FOUND
    if denied and second.code == _NO_DATA[status.code]:
        return Answer(Outcome.OK, None, second.code, second.message, None, second.timeline)
    if differs and known and reading.text((second.value or {}).get("fphm")) == question.number:
        held = Held(question.number, _OTHER_CONTENT, _NOT_TOLD)
        return Answer(Outcome.OK, held, shown.code, shown.message, None, second.timeline)
    return contradiction(Outcome.RETRY, second)


def _held(shown: Answer[Data], question: Question) -> Answer[Held | None]:
    """The face as a digest; believed only when it is the face of the number that was asked for."""
    content = face((shown.value or {}).get("cyjgxx")) or {}
    digest, total = of_face(content), reading.number(content.get("jshj"))
    if digest is None or total is None or reading.text(content.get("fphm")) != question.number:
        return contradiction(Outcome.RETRY, shown)
    held = Held(question.number, digest, total)
    return Answer(Outcome.OK, held, shown.code, shown.message, None, shown.timeline)


def _without_value(answer: Answer[Data], outcome: Outcome) -> Answer[Held | None]:
    if outcome is Outcome.OK:  # a code that is neither found nor absent
        outcome = Outcome.RETRY
    return Answer(outcome, None, answer.code, answer.message, answer.retry_after, answer.timeline)
