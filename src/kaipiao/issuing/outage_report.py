"""The closing report of an outage: canonical JSON, sealed by the audit key, verified without any server.

    {"format": "kaipiao-outage-report-1", "report": {…}, "seal": {… as in a seal file …}}

The seal covers `canonical(report)`: JSON with sorted keys, no blanks, UTF-8. The public key inside only makes the file
complete: whose key that is must be known from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kaipiao.errors import Malformed
from kaipiao.issuing.outage import Outage
from kaipiao.issuing.outage_sums import LIST_FORM
from kaipiao.language import Text
from kaipiao.seal.detached import SealFile
from kaipiao.seal.sm2 import Sm2PublicKey

FORMAT = "kaipiao-outage-report-1"
SIZE_LIMIT = 4 * 1024 * 1024  # bytes; a real one has some ten thousand
Sealing = Callable[[bytes], SealFile]


def facts_of(outage: Outage) -> dict[str, Any]:
    """What a report says of an outage, as it stands. Instants ISO 8601 in UTC."""
    total = outage.total
    return {
        "outage": str(outage.id),
        "channel": outage.channel,
        "begun_at": outage.begun_at.isoformat(),
        "back_at": outage.back_at.isoformat() if outage.back_at else None,
        "drained_at": outage.drained_at.isoformat() if outage.drained_at else None,
        "closed_at": outage.closed_at.isoformat() if outage.closed_at else None,
        "cause": _shown(outage.hypothesis),
        "evidence": [_shown(one) for one in outage.evidence],
        "modes": [_shown(one) for one in outage.modes],
        "counts": {
            "issued": total.issued,
            "uploaded": total.uploaded,
            "open": total.waiting,
            "ended_otherwise": total.issued - total.uploaded - total.waiting,
            "late": total.late,
        },
        "counted_at": outage.counted_at.isoformat() if outage.counted_at else None,
        "invoices": {"digest": outage.list_digest, "form": LIST_FORM, "count": total.issued},
        "debt": [list(sample) for sample in outage.debt],
    }


def canonical(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sealed_report(outage: Outage, sealing: Sealing) -> bytes:
    """The file. Raises `SealFault`."""
    facts = facts_of(outage)
    seal = json.loads(sealing(canonical(facts)).to_bytes())
    whole = {"format": FORMAT, "report": facts, "seal": seal}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode() + b"\n"


def read_report(content: bytes) -> tuple[dict[str, Any], SealFile]:
    """(the facts, their seal), not judged. Raises `Malformed` for anything that is not exactly such a file."""
    if len(content) > SIZE_LIMIT:
        raise _malformed("过大", "it is too large")
    try:
        whole = json.loads(content, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number)
    except (ValueError, RecursionError):
        raise _malformed("不是规范的 JSON", "it is not strict JSON") from None
    if not isinstance(whole, dict) or whole.keys() != {"format", "report", "seal"} or whole["format"] != FORMAT:
        raise _malformed("格式不认识", "its format is not known")
    if not isinstance(whole["report"], dict) or not isinstance(whole["seal"], dict):
        raise _malformed("缺少内容或签章", "its report or seal is missing")
    return whole["report"], SealFile.from_bytes(json.dumps(whole["seal"]).encode())


def holds(content: bytes, key_of: Callable[[str], Sm2PublicKey]) -> bool:
    """Did the holder of the trusted key seal this report? `key_of`: the key with the id that its seal names. Raises as
    `read_report`, and what `key_of` raises."""
    facts, seal = read_report(content)
    try:
        data = canonical(facts)
    except (UnicodeEncodeError, RecursionError):
        return False
    return seal.holds(data, key_of(seal.seal.key_id))


def _shown(one: Any) -> dict[str, Any] | None:
    if one is None:
        return None
    return {name: getattr(one, name) for name in one.__slots__ if getattr(one, name) is not None}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice could show one thing and prove another."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"a report holds whole numbers only, not {text}")


def _malformed(zh: str, en: str) -> Malformed:
    return Malformed(Text(f"中断报告无法读取：{zh}。", f"The report of the outage cannot be read: {en}."))
