"""What stands on a document as long as the bureau does not have it (R10): for answers, for people, for renditions."""

from __future__ import annotations

from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.language import Text

NOT_UPLOADED = Text(
    "本发票已开具并签章，尚未上传至税务机关，暂时不能在税务机关平台查验。",
    "Issued and sealed, not uploaded to the tax authority yet: it cannot be verified there for now.",
)
NOT_CONFIRMED = Text(
    "本发票已开具并签章，已发往税务机关，尚未确认上传成功。",
    "Issued and sealed, sent to the tax authority, not confirmed as uploaded yet.",
)
_SENT = frozenset({State.SUBMITTED, State.UNKNOWN})


def notice_of(state: State) -> Text | None:
    """None: there is nothing to warn of (confirmed), or it is no document that anybody should take (any other state)."""
    if state not in DEBT:
        return None
    return NOT_CONFIRMED if state in _SENT else NOT_UPLOADED
