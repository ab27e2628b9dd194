"""Settings: one file `kaipiao.toml` in the data directory, read once, validated before anything starts.

Secrets are never in it: it names the files that hold them. A relative path is relative to the data directory.
"""

from __future__ import annotations

import ipaddress
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kaipiao.errors import SettingsFault
from kaipiao.language import Text

FILE_NAME = "kaipiao.toml"
NO_TENANT = "default"  # a taxpayer of no group: its share of the platform is its own
MAIL_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,250}$"
STORED_KEY = "key:"  # before the id of a key of the key store, where else the name of a file stands


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


class DatabaseSettings(Part):
    """Where the ledger is. `sqlite`: in the data directory. `postgresql`: at the URL in `url_file`, shared by any number of
    nodes with a `node` name each; needs the extra `kaipiao[postgresql]`. `pool_min`, `pool_max`: connections of this node;
    `idle_s`: an idle one is closed after so many seconds; `connect_timeout_s` grows with the measured load (× 1.2).
    `replica_url_file`: names a hot standby that lists are read from under too much load, while it is at most
    `replica_lag_ms` behind (P42)."""

    kind: Literal["sqlite", "postgresql"] = "sqlite"
    url_file: str | None = None
    pool_min: Annotated[int, Field(ge=1, le=10_000)] = 2
    pool_max: Annotated[int, Field(ge=1, le=10_000)] = 16
    idle_s: Annotated[float, Field(gt=0)] = 120.0
    connect_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    replica_url_file: str | None = None
    replica_lag_ms: Annotated[float, Field(gt=0, le=1000)] = 50.0

    @model_validator(mode="after")
    def _coherent(self) -> DatabaseSettings:
        if self.replica_url_file is not None and self.kind != "postgresql":
            raise ValueError("replica_url_file: PostgreSQL only / 只用于 PostgreSQL")
        return self


class ServerSettings(Part):
    """Without a certificate plain HTTP, on loopback only. With `tls_certificate` and `tls_key` (PEM files; the key readable
    by its owner alone, not encrypted) TLS 1.2 or later, on any address of this machine. `_s`: seconds of real time. What is
    done at these limits: docs/explanation/under-load.md."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8790
    body_limit: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = 8 * 1024 * 1024  # bytes
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = 5000.0  # of one token's subject
    idempotency_hours: Annotated[float, Field(gt=0, le=24 * 366)] = (
        24.0  # how long an answer is kept for its Idempotency-Key
    )
    connections_max: Annotated[int, Field(ge=1, le=1_000_000)] = 12_000
    source_share: Annotated[float, Field(gt=0, le=1)] = 0.9  # of the connections, for one source address
    handshakes_max: Annotated[int, Field(ge=1, le=100_000)] = 256  # of TLS, at a time
    handshake_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    keepalive_s: Annotated[float, Field(gt=0, le=3600)] = (
        30.0  # an idle connection is closed after so many seconds (P16)
    )
    head_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    head_limit: Annotated[int, Field(ge=20_000, le=1024 * 1024)] = 64 * 1024  # bytes
    body_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    body_rate_min: Annotated[float, Field(gt=0, le=1e9)] = 1024.0  # bytes a second, after the first ten seconds
    write_s: Annotated[float, Field(gt=0, le=3600)] = 60.0  # answers may stay unread
    pipeline_max: Annotated[int, Field(ge=1, le=1000)] = 32  # requests sent before the one in hand is answered
    work_max: Annotated[int, Field(ge=1, le=10_000)] = 64  # orders worked on at once
    work_min: Annotated[int, Field(ge=1, le=10_000)] = 8  # of them when the event loop is late
    lag_s: Annotated[float, Field(gt=0, le=60)] = 0.1
    queue_max: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000  # orders that wait for their turn
    queue_bytes: Annotated[int, Field(ge=1024 * 1024)] = 64 * 1024 * 1024  # of bodies held
    wait_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    batches_max: Annotated[int, Field(ge=1, le=10_000)] = 32  # at a time
    batches_share: Annotated[float, Field(gt=0, le=1)] = 0.5  # of them, for one tenant
    tls_certificate: str | None = None
    tls_key: str | None = None

    @model_validator(mode="after")
    def _coherent(self) -> ServerSettings:
        if self.queue_bytes < self.body_limit:
            raise ValueError("queue_bytes: at least body_limit / 不得小于 body_limit")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate, tls_key: both or none / 须同时填写")
        if self.tls_certificate is None and not _is_loopback(self.host):
            raise ValueError(
                "host: without TLS loopback only; set server.tls_certificate and server.tls_key"
                " / 不启用 TLS 只能是回环地址；请填写 server.tls_certificate 与 server.tls_key"
            )
        return self


class AccessSettings(Part):
    """`issuer`, `audience`: what tokens are made with and must say. Another value makes every former token invalid.

    People: `session_hours`: how long one is signed in. `lockout_failures` failures within `lockout_seconds` lock a name or a
    source for so long. `argon2_*`: of new password hashes (RFC 9106, second recommended option); `hash_at_once`: so many
    are worked out at a time, each takes `argon2_memory_kib`. `admin_totp`: admins need one-time codes."""

    issuer: Annotated[str, Field(min_length=1, max_length=200)] = "kaipiao"
    audience: Annotated[str, Field(min_length=1, max_length=200)] = "kaipiao-api"
    session_hours: Annotated[float, Field(gt=0, le=168)] = 8.0
    lockout_failures: Annotated[int, Field(ge=1, le=100)] = 3
    lockout_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    password_length: Annotated[int, Field(ge=8, le=64)] = 12
    argon2_memory_kib: Annotated[int, Field(ge=7_168, le=4_194_304)] = 65_536
    argon2_rounds: Annotated[int, Field(ge=1, le=100)] = 3
    argon2_lanes: Annotated[int, Field(ge=1, le=64)] = 4
    hash_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    admin_totp: bool = True


class KeySettings(Part):
    """`kek_file`: the key-encryption key. `audit`, `token`: ids of the keys that sign; every P-256 key of purpose "token"
    in the key store verifies tokens."""

    directory: str = "keys"
    kek_file: str = "keys/kek"
    audit: str
    token: str


class TaxpayerSettings(Part):
    """A seller. `seal`: its key id. `channels`: in order of preference."""

    tax_number: Annotated[str, Field(min_length=15, max_length=20, pattern=r"^[0-9A-Z]+$")]
    name: Annotated[str, Field(min_length=1, max_length=300)]
    region: Annotated[str, Field(pattern=r"^\d{2}$")]
    taxpayer_type: Literal["1", "2", "3", "4", "5"] = "1"
    tenant: str = NO_TENANT
    address: str | None = None
    telephone: str | None = None
    bank: str | None = None
    account: str | None = None
    drawer: Annotated[str, Field(min_length=1, max_length=300)] = "系统"
    seal: str
    channels: Annotated[list[str], Field(min_length=1)]


class ChannelLimits(Part):
    """Seconds of the platform's clock; unset: the channel's own default."""

    settle: Annotated[float, Field(gt=0)] | None = None
    visibility: Annotated[float, Field(ge=0)] | None = None
    ask_spacing: Annotated[float, Field(gt=0)] | None = None
    first_poll: Annotated[float, Field(gt=0)] | None = None
    poll_max: Annotated[float, Field(gt=0)] | None = None
    upload_batch: Annotated[int, Field(ge=1, le=100)] | None = None
    calls_per_second: Annotated[float, Field(gt=0)] | None = None


class TimeoutSettings(Part):
    """Real seconds, per phase of a wire call. In a TEST environment they are divided by the clock's speed, ≥ 0.5 s."""

    resolve: Annotated[float, Field(gt=0)] = 5.0
    connect: Annotated[float, Field(gt=0)] = 5.0
    handshake: Annotated[float, Field(gt=0)] = 10.0
    write: Annotated[float, Field(gt=0)] = 30.0
    wait: Annotated[float, Field(gt=0)] = 60.0
    answer: Annotated[float, Field(gt=0)] = 30.0


class ChannelSettings(Part):
    """The 乐企-shaped direct channel. `client_certificate`, `client_key`: PEM files, or `client_key = "key:ID"` alone, which
    takes both from the key store. `device_ip`, `device_mac`: of the issuing device, required by the bureau; unset, the
    hardware address of this machine is sent. `further_urls`: more addresses of the same bureau, in order of preference, each
    ending as `base_url` does; `shares_register = true` states that all of them write into one register."""

    kind: Literal["leqi"] = "leqi"
    base_url: Annotated[str, Field(pattern=r"^https://")]
    further_urls: Annotated[list[Annotated[str, Field(pattern=r"^https://")]], Field(max_length=7)] = []
    shares_register: bool = False
    ca_file: str
    client_certificate: str | None = None
    client_key: str | None = None
    jrdwptbh: str
    sydwptbh: str
    ylbm: str
    sm4_key_file: str
    sandbox_flag: str = ""
    device_ip: Annotated[str, Field(min_length=1, max_length=20)] = "127.0.0.1"
    device_mac: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    send_own_seal: bool = False
    limits: ChannelLimits = ChannelLimits()
    timeouts: TimeoutSettings = TimeoutSettings()

    @model_validator(mode="after")
    def _coherent(self) -> ChannelSettings:
        if self.stored_key is not None and self.client_certificate is not None:
            raise ValueError(
                "client_certificate: a key of the key store brings its own; leave it out"
                " / 密钥库中的密钥自带证书，不要再填 client_certificate"
            )
        if self.client_key is not None and self.stored_key is None and self.client_certificate is None:
            raise ValueError("client_key: client_certificate is missing / 缺少 client_certificate")
        self._judge_addresses()
        return self

    def _judge_addresses(self) -> None:
        """A number that was pulled from one register does not exist in another: nothing is guessed about which is which."""
        if self.further_urls and not self.shares_register:
            raise ValueError(
                "further_urls: say `shares_register = true` if all of them are addresses of one register of the bureau;"
                " another register is a channel of its own"
                " / 若都是税局同一登记库的地址，请写明 shares_register = true；另一登记库应是另一个通道"
            )
        if self.shares_register and not self.further_urls:
            raise ValueError("shares_register: further_urls is missing / 缺少 further_urls")
        addresses = [urlsplit(url) for url in (self.base_url, *self.further_urls)]
        places = [(parts.hostname, parts.port or 443) for parts in addresses]
        if len(places) != len(set(places)):
            raise ValueError("further_urls: an address stands twice / 地址重复")
        if len({parts.path.rstrip("/") for parts in addresses}) > 1:
            raise ValueError(
                "further_urls: the paths differ, so they are hardly one register (/access/sandbox/… is not /access/…)"
                " / 路径不同，不会是同一登记库"
            )

    @property
    def stored_key(self) -> str | None:
        """The id in the key store that `client_key` names; None where it names a file or nothing."""
        name = self.client_key or ""
        return name.removeprefix(STORED_KEY) if name.startswith(STORED_KEY) else None


class ClockSettings(Part):
    """`follow`: the URL of a sandbox's clock (TEST only), reached through the channel named `through`. `ntp`: time servers to ask,
    host or host:port, each `look_s` real seconds. From `max_skew_ms` on (P35) it warns, from `stop_lead_s` ahead or
    `stop_lag_s` behind nothing is issued."""

    follow: str | None = None
    through: str | None = None
    ntp: Annotated[list[Annotated[str, Field(min_length=1, max_length=260)]], Field(max_length=16)] = []
    look_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    max_skew_ms: Annotated[float, Field(ge=1, le=60_000)] = 200.0
    stop_lead_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    stop_lag_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0


class ContingencySettings(Part):
    """`table`: a table of contingency budgets of one's own (TOML, in the form of issuing/data/contingency.toml). Its rows stand
    before those of the package; one that would raise what a channel allows is refused."""

    table: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class PolicySettings(Part):
    """What of `issuing.policy.Policy` an operator may set."""

    block_size: Annotated[int, Field(ge=1, le=5000)] = 200
    segment_size: Annotated[int, Field(ge=1, le=5000)] = 2000
    lease_seconds: Annotated[float, Field(ge=1)] = 60.0
    quota_step: Annotated[Decimal, Field(gt=0)] = Decimal("1000000.00")
    linger: Annotated[float, Field(ge=0)] = 1.0
    backoff_first: Annotated[float, Field(gt=0)] = 2.0
    backoff_most: Annotated[float, Field(gt=0)] = 300.0
    head_seconds: Annotated[float, Field(gt=0)] = 3600.0
    shard_seconds: Annotated[float, Field(ge=1, le=600)] = 15.0
    probe_seconds: Annotated[float, Field(ge=1, le=60)] = 5.0


class DnsSettings(Part):
    """Who is asked for the bureau's addresses. `groups`: up to four (P38) groups of servers, asked in turn, the servers of one
    at the same time: "system" (the machine's own resolver), an address, address:port or [address]:port. `timeout_s`: for one
    group. `max_ttl_s`: an answer is kept at most so long (P17). `stale_hours`: so old may an address be, that proved to be the
    bureau's by its certificate, to be used when nobody answers; 0: never. `return_s`: after so long the first group is tried
    again. `local_hosts`: names that may lead to this machine. Real time."""

    groups: Annotated[
        list[Annotated[list[str], Field(min_length=1, max_length=4)]], Field(min_length=1, max_length=4)
    ] = [["system"]]
    timeout_s: Annotated[float, Field(ge=0.05, le=10)] = 1.0
    max_ttl_s: Annotated[float, Field(ge=0, le=300)] = 300.0
    stale_hours: Annotated[float, Field(ge=0, le=24 * 7)] = 24.0
    return_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    local_hosts: Annotated[list[str], Field(max_length=64)] = []

    @model_validator(mode="after")
    def _coherent(self) -> DnsSettings:
        servers = [server for group in self.groups for server in group]
        if wrong := [server for server in servers if server != "system" and not _is_server(server)]:
            raise ValueError(f"groups: {wrong[0]!r} is no address of a name server / 不是域名服务器的地址")
        if len(servers) != len(set(servers)):
            raise ValueError("groups: a server stands twice / 服务器重复")
        return self


def _is_server(written: str) -> bool:
    """An address, with a port after a colon or without."""
    host, colon, port = written.rpartition(":")
    with_port = bool(colon) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
    return _is_address(written) or (with_port and (_is_address(host) if "." in host else _is_bracketed(host)))


def _is_bracketed(host: str) -> bool:
    return host.startswith("[") and host.endswith("]") and _is_address(host[1:-1])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class BreakerSettings(Part):
    """When calls to an address of the bureau stop and begin again: `issuing.breaker.BreakerRules`. `slow_s` and
    `probe_timeout_s` are real seconds of the wire, the rest seconds of the platform's clock."""

    failures: Annotated[int, Field(ge=1, le=100)] = 3  # P29
    slow_s: Annotated[float, Field(gt=0, le=600)] = 5.0  # P30
    good_probes: Annotated[int, Field(ge=1, le=10)] = 2
    probe_s: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    probe_most_s: Annotated[float, Field(ge=0.5, le=120)] = 30.0
    probe_timeout_s: Annotated[float, Field(ge=1, le=120)] = 60.0
    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    steady_s: Annotated[float, Field(ge=0, le=3600)] = 60.0
    hurry_s: Annotated[float, Field(ge=0, le=86_400)] = 1800.0
    hurry_probe_s: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    slow_gap_s: Annotated[float, Field(gt=0, le=60)] = 1.25

    @model_validator(mode="after")
    def _coherent(self) -> BreakerSettings:
        if self.probe_most_s < self.probe_s:
            raise ValueError("probe_most_s: at least probe_s / 不得小于 probe_s")
        if self.hurry_probe_s > self.probe_s:
            raise ValueError("hurry_probe_s: at most probe_s / 不得大于 probe_s")
        if self.probe_timeout_s <= self.slow_s:
            raise ValueError("probe_timeout_s: more than slow_s, or a slow bureau is taken for none / 须大于 slow_s")
        return self


class DegradeSettings(Part):
    """When this node does less to issue more: `operations.degradation`. `design_rate`: orders a second that it was built for. Real
    seconds. `trigger`, `release`: shares of that rate; below the first while work waits it steps down after `l1_after_s` …
    `l3_after_s` (P39, P40), above the second for `calm_s` it steps up again."""

    design_rate: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    trigger: Annotated[float, Field(gt=0, le=1)] = 0.7
    release: Annotated[float, Field(gt=0, le=1)] = 0.85
    l1_after_s: Annotated[float, Field(ge=10, le=300)] = 60.0
    l2_after_s: Annotated[float, Field(ge=10, le=1800)] = 900.0
    l3_after_s: Annotated[float, Field(ge=10, le=7200)] = 3600.0
    calm_s: Annotated[float, Field(ge=10, le=86_400)] = 300.0
    keepalive_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    look_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    reads_per_second: Annotated[float, Field(gt=0, le=100_000)] = 5.0
    hot_days: Annotated[int, Field(ge=1, le=3660)] = 30

    @model_validator(mode="after")
    def _coherent(self) -> DegradeSettings:
        if self.release <= self.trigger:
            raise ValueError("release: above trigger, or it would swing / 须大于 trigger，否则来回摆动")
        if not self.l1_after_s <= self.l2_after_s <= self.l3_after_s:
            raise ValueError("l1_after_s, l2_after_s, l3_after_s: in this order / 须依次不减")
        return self


class DependencySettings(Part):
    """A service of others. `url`: https, without the last slash; `GET {url}/health` is asked each `interval_s`, and from `gap_s`
    without an answer on it is told (real seconds). `ca_file`: trusted instead of the machine's own roots."""

    kind: Literal["payment", "registry", "timestamp"]
    url: Annotated[str, Field(pattern=r"^https://[!-~]{1,1000}$")]
    ca_file: str | None = None
    interval_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    gap_s: Annotated[float, Field(ge=1, le=86_400)] = 180.0


class AlarmChannelSettings(Part):
    """A way to tell people. `url_file`, `secret_file`, `password_file`: files that hold them. Webhook: `url_file`, `secret_file`
    (whsec_…, one a line). Robots (wecom, dingtalk, feishu): `url_file`, and `secret_file` where the robot signs (not wecom).
    E-mail: `host`, `sender`, `recipients`, `user` and `password_file` where the server asks for them. `ca_file`: trusted instead of
    the machine's own; verification is never off. `internal`: may lead into a private network or to this machine."""

    kind: Literal["email", "webhook", "wecom", "dingtalk", "feishu"]
    url_file: str | None = None
    secret_file: str | None = None
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Literal["starttls", "implicit"] = "starttls"
    user: Annotated[str, Field(min_length=1, max_length=320)] | None = None
    password_file: str | None = None
    sender: Annotated[str, Field(pattern=MAIL_ADDRESS)] | None = None
    recipients: Annotated[list[Annotated[str, Field(pattern=MAIL_ADDRESS)]], Field(max_length=50)] = []
    ca_file: str | None = None
    internal: bool = False
    patience: Annotated[float, Field(ge=0.1, le=60)] = 15.0  # real seconds for one try

    @model_validator(mode="after")
    def _coherent(self) -> AlarmChannelSettings:
        needed = {"email": ("host", "sender", "recipients"), "webhook": ("url_file", "secret_file")}
        for name in needed.get(self.kind, ("url_file",)):
            if not getattr(self, name):
                raise ValueError(f"{name}: a channel of kind {self.kind} needs it / 这种渠道须填写")
        if self.kind == "wecom" and self.secret_file is not None:
            raise ValueError("secret_file: a robot of wecom has none / 企业微信机器人没有签名密钥")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user, password_file: both or none / 须同时填写")
        return self


class AlarmRoutes(Part):
    """Which channels are told of an alarm of this severity: the first that takes it; the next when one fails."""

    critical: list[str] = []
    warning: list[str] = []
    info: list[str] = []


class AlarmSettings(Part):
    """Who is told of what. `gather_s`: what comes together within so long is one message. `pause_s`: after a message, the next
    one about alarms of the same sort at the earliest (both of the platform's clock). `give_up_hours`: real time after which a
    message that no channel takes is given up."""

    gather_s: Annotated[float, Field(ge=0, le=600)] = 5.0
    pause_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    give_up_hours: Annotated[float, Field(gt=0, le=24 * 7)] = 24.0
    routes: AlarmRoutes = AlarmRoutes()
    channel: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")], AlarmChannelSettings] = {}

    @model_validator(mode="after")
    def _coherent(self) -> AlarmSettings:
        for severity, names in self.routes.model_dump().items():
            missing = [name for name in names if name not in self.channel]
            if missing:
                raise ValueError(f"routes.{severity}: no such channel {missing[0]!r} / 没有这个渠道")
        return self


class OutageSettings(Part):
    """Seconds of the platform's clock. `flap_seconds`: a mode that falls again within so long after it came back is the same
    outage; so long it is not closed either. `sample_seconds`: between two counts of what waits."""

    flap_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    sample_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0


class ReconcileSettings(Part):
    """When both sides' books are compared by themselves: `issuing.reconcile_policy.ReconcilePolicy`. Hours and days of
    Asia/Shanghai. `confirm = "when_equal"`: from `confirm_day` on a month of which nothing is open is confirmed by itself."""

    hour: Annotated[int, Field(ge=0, le=23)] = 3
    list_days_this_month: Annotated[list[Annotated[int, Field(ge=1, le=31)]], Field(max_length=31)] = [7, 14, 21, 28]
    list_days_past_month: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(max_length=12)] = [2, 8]
    stuck_seconds: Annotated[float, Field(ge=60)] = 43200.0
    warn_days: Annotated[list[Annotated[int, Field(ge=1, le=12)]], Field(max_length=12)] = [3, 1]
    confirm: Literal["never", "when_equal"] = "never"
    confirm_day: Annotated[int, Field(ge=1, le=12)] = 10
    round_seconds: Annotated[float, Field(ge=1, le=600)] = 5.0


class Settings(Part):
    environment: Literal["test", "production"] = "production"
    node: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = "node-1"
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    keys: KeySettings
    access: AccessSettings = AccessSettings()
    taxpayer: list[TaxpayerSettings] = []
    channel: dict[str, ChannelSettings] = {}
    clock: ClockSettings = ClockSettings()
    contingency: ContingencySettings = ContingencySettings()
    policy: PolicySettings = PolicySettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    outage: OutageSettings = OutageSettings()
    alarm: AlarmSettings = AlarmSettings()
    degrade: DegradeSettings = DegradeSettings()
    dependency: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")], DependencySettings] = {}
    breaker: BreakerSettings = BreakerSettings()
    dns: DnsSettings = DnsSettings()

    @model_validator(mode="after")
    def _coherent(self) -> Settings:
        if self.environment == "production" and self.clock.follow:
            raise ValueError("clock.follow: a production environment keeps its own clock / 生产环境不得跟随沙箱时钟")
        if self.database.kind == "postgresql" and not self.database.url_file:
            raise ValueError("database.url_file: PostgreSQL needs it / PostgreSQL 须填写连接串文件")
        for seller in self.taxpayer:
            missing = [name for name in seller.channels if name not in self.channel]
            if missing:
                raise ValueError(f"taxpayer.channels: no such channel {missing[0]!r} / 没有这个通道")
        numbers = [seller.tax_number for seller in self.taxpayer]
        if len(numbers) != len(set(numbers)):
            raise ValueError("taxpayer: a tax number stands twice / 纳税人识别号重复")
        return self


def load(directory: Path) -> Settings:
    """Read and validate the settings of a data directory. Raises `SettingsFault` that names the field."""
    path = directory / FILE_NAME
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise SettingsFault(
            Text(f"没有设置文件 {path}，请先运行 kaipiao init", f"There is no {path}; run `kaipiao init` first"),
            code="KP-SETTINGS-02",
        ) from missing
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
        raise SettingsFault(Text(f"{path} 无法读取：{broken}", f"{path} cannot be read: {broken}")) from broken
    return parse(raw, str(path))


def parse(raw: dict[str, object], source: str) -> Settings:
    """Validate settings that were already read."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as wrong:
        problems = "; ".join(f"{_place(e['loc'])}: {e['msg']}" for e in wrong.errors(include_input=False)[:10])
        raise SettingsFault(Text(f"{source} 设置有误：{problems}", f"{source} is wrong: {problems}")) from wrong


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "settings"
