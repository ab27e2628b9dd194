"""What the sandbox is told at its start, and what it tells whoever wants to call it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kaipiao.errors import SettingsFault
from kaipiao.language import Text

OverloadMode = Literal["429", "wording"]
TaxNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{15,20}$")]


class VirtualTaxpayer(BaseModel):
    """A company of the sandbox. `region` is the number's digits 3–4; `status` nsrztdm; `files` says when it files a month:
    "auto" at once, "manual" only by TZSXEDYXQ (until then its quota ends on the filing day)."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=300)

    tax_number: TaxNumber
    name: str = Field(min_length=1)
    region: Annotated[str, StringConstraints(pattern=r"^\d{2}$")]
    taxpayer_type: Literal["1", "2", "3", "4", "5"] = "1"
    status: Annotated[str, StringConstraints(pattern=r"^\d{2}$")] = "03"
    risk_type: Literal["", "01", "02", "03", "04"] = ""
    warning: Literal["", "01", "02", "03"] = ""
    risky: bool = False
    monthly_quota: Decimal = Field(default=Decimal("100000000.00"), ge=0, max_digits=18, decimal_places=2)
    quota_paused: bool = False
    files: Literal["auto", "manual"] = "auto"
    address: str = ""
    telephone: str = ""
    bank: str = ""
    account: str = ""
    bureau_code: str = ""
    bureau_name: str = ""


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """`start` and `speed` count at the first start only: afterwards the stored clock goes on. `port` 0 means any free one.

    rate_per_second: calls of one taxpayer by the sandbox's clock, 0 = no limit. result_delay_seconds: between upload and
    result, from–to, drawn from `seed` and the acceptance number. quota_query_interval: the bureau's rule of one CXSXED an
    hour [K], off unless asked for. taxpayers: empty means the ones the sandbox ships; added at the first start only."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = 0
    admin_port: int = 0
    speed: float = 1.0
    start: datetime | None = None
    client_certificate_required: bool = True
    rate_per_second: float = 5.0
    overload_mode: OverloadMode = "429"
    result_delay_seconds: tuple[float, float] = (1.0, 8.0)
    quota_query_interval: bool = False
    taxpayers: tuple[VirtualTaxpayer, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = self.result_delay_seconds
        if not (self.speed > 0 and self.rate_per_second >= 0 and 0 <= low <= high):
            raise SettingsFault(
                Text(
                    "速度须大于零，限流不得为负，结果延时须由小到大。",
                    "The speed must be above zero, the rate not negative, the result delay in order.",
                )
            )
        if self.start is not None and self.start.tzinfo is None:
            raise SettingsFault(Text("起始时间须带时区。", "The start needs a time zone."))


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """Where faults and the clock are set: plain HTTP on loopback, `Authorization: Bearer <credential>`."""

    url: str
    credential: str


@dataclass(frozen=True, slots=True)
class TaxpayerInfo:
    tax_number: str
    name: str
    region: str
    taxpayer_type: str


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """Everything that a client needs. Paths are absolute. Secrets are in it: it is for a terminal or a 0600 file."""

    url: str
    sandbox_url: str
    ca_file: str
    client_certificate: str
    client_key: str
    jrdwptbh: str
    sydwptbh: str
    ylbm: str
    sm4_key: str
    taxpayers: list[TaxpayerInfo]
    admin: AdminAccess
    clock_url: str
    client_certificate_required: bool = field(default=True)

    def to_json(self) -> dict[str, object]:
        return asdict(self)
