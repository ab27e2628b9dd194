"""Who calls whom, and under which limits."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kaipiao.authority.channel import Capabilities
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

_KEY = re.compile(r"[0-9a-fA-F]{32}")
_HEADER = re.compile(r"[\x21-\x7e]*")

# leqi-protocol.md, "What shapes the whole product"; settle and visibility: issuing.md R4; calls per second: R11.
CAPABILITIES = Capabilities(
    number_first=True,
    upload_batch=100,
    segment_limit=5000,
    settle=600.0,
    visibility=86400.0,
    upload_window=48 * 3600.0,
    result_window=12 * 3600.0,
    first_poll=10.0,
    poll_max=600.0,
    ask_spacing=60.0,
    calls_per_second=5.0,
    monthly_summary=True,
    list_kinds=("special", "general"),  # 81, 82
    lists_a_day=1,  # business rules 4.10
    lists_this_month=5,
    lists_past_month=3,
    list_wait=240.0,  # code 10: 3 to 5 minutes
)


def _this_machine() -> str:
    """The hardware address of this machine, as the protocol writes it."""
    return "-".join(f"{byte:02X}" for byte in uuid.getnode().to_bytes(6))


@dataclass(frozen=True, slots=True)
class LeqiSettings:
    """`base_url` ends in /access/v2/invoke (or the sandbox's own path). `jrdwptbh`, `sydwptbh`: platform ids of the
    connected and the using unit; `ylbm`: the case. `sm4_key_hex`: 32 hex digits. `public_keys`: key id → hex of
    04 ‖ X ‖ Y; when it holds the key of an item, our seal is sent with it in the [own] field `ownSeal`.
    `limits` overrides single `Capabilities`. Raises `SettingsFault`."""

    base_url: str
    jrdwptbh: str
    sydwptbh: str
    ylbm: str
    sm4_key_hex: str = field(repr=False)
    name: str = "leqi"
    sandbox_flag: str = ""
    device_ip: str = "127.0.0.1"
    device_mac: str = field(default_factory=_this_machine)
    public_keys: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    bureaus: Mapping[str, str] = field(default_factory=dict)  # taxpayer → its bureau's code (xsfsjswjgdm), 11 digits
    further_urls: tuple[str, ...] = ()  # more addresses of the register at `base_url`
    status_ability: str = "202007"  # FPZTXXCX: in the base ability since V4.000; 203067 before

    def __post_init__(self) -> None:
        for url in (self.base_url, *self.further_urls):
            if not url.startswith("https://"):
                raise _fault("base_url", "须以 https:// 开头", "must begin with https://")
        if not _KEY.fullmatch(self.sm4_key_hex):
            raise _fault("sm4_key", "须为32位十六进制", "must be 32 hex digits")
        for name in ("jrdwptbh", "sydwptbh", "ylbm", "sandbox_flag"):
            if not _HEADER.fullmatch(getattr(self, name)):
                raise _fault(name, "含有不能放入请求头的字符", "holds characters that no header may have")
        if unknown := self.limits.keys() - set(Capabilities.__slots__):
            raise _fault("limits", f"没有这项：{min(unknown)}", f"there is no such limit: {min(unknown)}")

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.sm4_key_hex)

    def capabilities(self) -> Capabilities:
        return replace(CAPABILITIES, **self.limits)  # type: ignore[arg-type]


def _fault(name: str, zh: str, en: str) -> SettingsFault:
    return SettingsFault(Text(f"通道设置 {name} {zh}。", f"The channel's setting {name} {en}."), setting=name)
