"""The services that the channel calls. Source: leqi_services.tsv."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """`code` fwbm, `ability` nlbm. `writes`: it changes the bureau's books, so silence after sending is a doubt."""

    code: str
    ability: str
    writes: bool = False


NUMBERS = Service("QDFPPLFM", "202007", writes=True)
QUOTA = Service("CXSXED", "202007")
MOVE_QUOTA = Service("XZTHSXED", "202007", writes=True)
UPLOAD = Service("QDFPSC", "202007", writes=True)
RESULT = Service("CXQDFPSCJG", "202007")
TAXPAYER = Service("CXNSRJBXX", "202007")
RISK = Service("CXNSRFXXX", "202007")
RATES = Service("CXKYSL", "202007")
SUMMARY = Service("CXFPHZQRXX", "202007")
CONFIRM = Service("SCFPHZQRXX", "202007", writes=True)
APPLY_LIST = Service("PLFPXZSQ", "203067", writes=True)
LIST = Service("PLFPXZSQFK", "203067")
FACE = Service("FPCY_NEW", "203059")


def status(ability: str) -> Service:
    """FPZTXXCX, which two abilities have."""
    return Service("FPZTXXCX", ability)
