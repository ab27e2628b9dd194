"""The edge to a channel: what it is given, what it answered. A channel never raises for what the network or the bureau
did; one that raises has a defect.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TypeVar

from kaipiao.authority.channel import Answer, Outcome, UploadItem
from kaipiao.issuing.problems import DEFECT, answered
from kaipiao.ledger.port import InvoiceRecord, SealedDocument

log = logging.getLogger(__name__)

T = TypeVar("T")


async def answer_of(call: Awaitable[Answer[T]], channel: str, service: str) -> Answer[T]:
    """The answer to a call. Of one that raised nobody knows how far it came: AMBIGUOUS, with the code `channel.defect`."""
    try:
        return await call
    except Exception:  # of every kind: the invoices in the call must get an outcome
        log.exception("a channel raised", extra={"channel": channel, "service": service, "code": DEFECT.code})
        return answered(Outcome.AMBIGUOUS, DEFECT)


def unreached(answer: Answer[T]) -> bool:
    """Whether no byte of the call left this machine. An answer may say that nothing was sent on: then it was reached."""
    return answer.outcome is Outcome.NOT_SENT and (answer.timeline is None or not answer.timeline.bytes_sent)


def upload_item(record: InvoiceRecord, document: SealedDocument) -> UploadItem:
    """What a channel is given of an invoice: what was frozen."""
    return UploadItem(
        number=record.number or "",
        made_at=record.made_at,
        invoice=document.invoice,
        xml=document.xml,
        seal=document.seal,
        key_id=document.key_id,
    )
