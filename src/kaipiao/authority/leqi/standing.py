"""May this taxpayer issue? CXNSRJBXX and CXNSRFXXX, judged by business rule 4.7."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter, ValidationError

from kaipiao.authority.channel import TaxpayerStanding
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data
from kaipiao.errors import SettingsFault
from kaipiao.language import Text


@dataclass(frozen=True)
class Qualification:
    """`statuses`: nsrztdm that may issue. `blocking`: field of the risk answer → values that forbid it."""

    as_of: date
    statuses: frozenset[str]
    blocking: dict[str, frozenset[str]]


def standing(taxpayer: str, basic: Data, risk: Data) -> TaxpayerStanding | None:
    """None when the status or the risk flag is not said, or the answer is another taxpayer's: not judged."""
    status, flag = reading.code(basic.get("nsrztdm")), reading.code(risk.get("fxnsrbz"))
    named = {reading.text(data.get("nsrsbh", taxpayer)) for data in (basic, risk)}
    if not status or not flag or named != {taxpayer}:
        return None
    reason = _forbidden(status, risk)
    return TaxpayerStanding(taxpayer, reading.text(basic.get("nsrmc")), status, reason is None, reason)


def _forbidden(status: str, risk: Data) -> str | None:
    rule = qualification()
    if status not in rule.statuses:
        return f"nsrztdm={status}"
    for name, values in rule.blocking.items():
        if (value := reading.code(risk.get(name))) in values:
            return f"{name}={value}"
    return None


@cache
def qualification() -> Qualification:
    """The shipped rule, read and validated once. Raises `SettingsFault`."""
    raw = files("kaipiao.authority").joinpath("data/qualification.toml").read_text(encoding="utf-8")
    try:
        return TypeAdapter(Qualification).validate_python(tomllib.loads(raw))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise SettingsFault(
            Text("数据表 qualification.toml 有误", "The data table qualification.toml is wrong")
        ) from error
