"""The dated data of this room: rates, policies, kinds, limits and bureaus, read once and validated.

The files are in `invoice/data`; each names its source and the day to which it was kept. A file that does not hold
together raises `SettingsFault` at first use, so a wrong table never judges an invoice.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from kaipiao.errors import SettingsFault
from kaipiao.invoice.model import Kind, Label
from kaipiao.invoice.rows import Bureau, KindRow, Limits, Policy, RateRow, Row
from kaipiao.language import Text

__all__ = ["Bureau", "KindRow", "Limits", "Policy", "RateRow", "Tables", "read_tables", "tables"]

F = TypeVar("F")
FILES = ("rates", "policies", "limits", "kinds", "regions")


@dataclass(frozen=True)
class _Rates(Row):
    as_of: date
    rate: tuple[RateRow, ...]


@dataclass(frozen=True)
class _Policies(Row):
    as_of: date
    policy: tuple[Policy, ...]


@dataclass(frozen=True)
class _Regions(Row):
    as_of: date
    bureau: tuple[Bureau, ...]


@dataclass(frozen=True)
class _Kinds(Row):
    as_of: date
    kind: tuple[KindRow, ...]
    medium: Label
    way: Label
    not_taxable: Label
    taxpayers: dict[str, str]


@dataclass(frozen=True)
class Tables:
    """All of it. `rates` is by value: 0.06 and 0.060000 find the same rows."""

    rates: Mapping[Decimal, tuple[RateRow, ...]]
    policies: Mapping[str, Policy]
    limits: Limits
    kinds: Mapping[Kind, KindRow]
    taxpayers: Mapping[str, str]
    bureaus: Mapping[str, Bureau]
    medium: Label
    way: Label
    not_taxable: Label


@cache
def tables() -> Tables:
    """The tables of this package, read at first use. Raises `SettingsFault`."""
    folder = files("kaipiao.invoice") / "data"
    return read_tables(lambda name: (folder / f"{name}.toml").read_bytes())


def read_tables(read: Callable[[str], bytes]) -> Tables:
    """The tables from the bytes of each of `FILES`. Raises `SettingsFault` naming file and place."""
    rates = _parse("rates", read, _Rates)
    policies = _parse("policies", read, _Policies)
    kinds = _parse("kinds", read, _Kinds)
    regions = _parse("regions", read, _Regions)
    _check_rates(rates.rate, {policy.code for policy in policies.policy}, set(kinds.taxpayers))
    _check_unique("policies", (policy.code for policy in policies.policy))
    _check_unique("kinds", (kind.id for kind in kinds.kind))
    _check_regions(regions.bureau)
    return Tables(
        rates={rate: tuple(row for row in rates.rate if row.rate == rate) for rate in {row.rate for row in rates.rate}},
        policies={policy.code: policy for policy in policies.policy},
        limits=_parse("limits", read, Limits),
        kinds={kind.id: kind for kind in kinds.kind},
        taxpayers=kinds.taxpayers,
        bureaus={bureau.region: bureau for bureau in regions.bureau},
        medium=kinds.medium,
        way=kinds.way,
        not_taxable=kinds.not_taxable,
    )


def _parse(name: str, read: Callable[[str], bytes], shape: type[F]) -> F:
    try:
        return TypeAdapter(shape).validate_python(tomllib.loads(read(name).decode()))
    except ValidationError as error:
        first = error.errors()[0]
        raise _fault(name, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise _fault(name, str(error)) from error


def _check_rates(rows: Iterable[RateRow], policies: set[str], taxpayers: set[str]) -> None:
    for row in rows:
        if not 0 <= row.rate < 1:
            raise _fault("rates", f"rate {row.rate} is not a fraction")
        if row.valid_until is not None and row.valid_until < row.valid_from:
            raise _fault("rates", f"rate {row.rate} ends before it begins")
        if unknown := (row.policies - policies) | (row.taxpayers - taxpayers):
            raise _fault("rates", f"rate {row.rate} names what no table has: {', '.join(sorted(unknown))}")


def _check_regions(bureaus: tuple[Bureau, ...]) -> None:
    _check_unique("regions", (bureau.region for bureau in bureaus))
    for bureau in bureaus:
        form = f"{bureau.region} {bureau.tag} {bureau.code}"
        if not re.fullmatch(r"[0-9]{2} SWEI[0-9]{4} 1[0-9]{10}", form):
            raise _fault("regions", f"the row of region {bureau.region} has a wrong form")


def _check_unique(name: str, keys: Iterable[str]) -> None:
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise _fault(name, f"{twice[0]} stands there twice")


def _fault(name: str, reason: str) -> SettingsFault:
    return SettingsFault(
        Text(f"数据表 {name}.toml 有误：{reason}", f"The data table {name}.toml is wrong: {reason}"), table=name
    )
