"""One call as the services see it, and the words of their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from kaipiao.clock import SHANGHAI

Answer = dict[str, object]
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    """A decrypted call. `data` is its JSON (numbers as int or Decimal); `serial` an acceptance number that was already
    given for it (a late commit), else None."""

    service: str
    ability: str | None
    platform: str  # jrdwptbh
    unit: str  # sydwptbh
    data: object
    now: datetime
    serial: str | None = None

    @property
    def seconds(self) -> float:
        return self.now.timestamp()

    def fields(self) -> dict[str, object]:
        """The call's object; an array or a bare value counts as empty."""
        return self.data if isinstance(self.data, dict) else {}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings decide for the services."""

    seed: int
    result_delay: tuple[float, float]
    quota_query_interval: bool


def ok(**fields: object) -> Answer:
    return {"returncode": "00", "returnmsg": "成功", **fields}


def refused(code: str, message: str, **fields: object) -> Answer:
    return {"returncode": code, "returnmsg": message, **fields}


def local(instant: datetime) -> str:
    """As the protocol writes times: `yyyy-MM-dd HH:mm:ss` in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def parse_local(text: str) -> datetime:
    """The inverse of `local`, in UTC. Raises ValueError."""
    if not _LOCAL.fullmatch(text):
        raise ValueError("not yyyy-MM-dd HH:mm:ss")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)
    except OverflowError as before_all_time:
        raise ValueError("out of range") from before_all_time
