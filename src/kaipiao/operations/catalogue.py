"""Every metric of ours: name, kind, labels, meaning. `/metrics` and docs/reference/metrics.md are both made from this.

Names follow the Prometheus rules: base units (seconds, bytes) and the unit at the end of the name. No label ever holds
what a caller or the bureau wrote: labels are names of settings, of routes and of enumerations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kaipiao.language import Text


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` is the family's: a counter's samples end in `_total`, an info's in `_info`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: Text
    unit: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def help(self) -> str:
        return f"{self.text.zh} / {self.text.en}"

    @property
    def sample(self) -> str:
        """The name that a query is written with."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        return self.name + suffix


# Seconds. A request is answered in milliseconds; a phase of a wire call may last as long as its time-out.
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WIRE_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SEAL_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
GROUP_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2000.0)

BUILD = Entry(
    "kaipiao_build",
    Kind.INFO,
    ("version", "node", "environment"),
    Text("版本、节点与环境", "Version, node, environment"),
)
REQUESTS = Entry(
    "kaipiao_http_request_duration_seconds",
    Kind.HISTOGRAM,
    ("method", "route", "status"),
    Text(
        "一次 HTTP 请求到应答结束的时间；`_count` 即请求数，status 为 5xx 即错误；route 是路由模板，无此地址为 unmatched",
        "From a request to the end of its answer; `_count` counts requests, status 5xx errors; route is the template, "
        "unmatched where there is none",
    ),
    "seconds",
    REQUEST_BUCKETS,
)
IN_FLIGHT = Entry(
    "kaipiao_http_requests_in_flight", Kind.GAUGE, (), Text("正在处理的 HTTP 请求", "HTTP requests being worked on")
)
TOKEN_REFUSALS = Entry(
    "kaipiao_token_refusals",
    Kind.COUNTER,
    ("code",),
    Text(
        "被拒绝的令牌，按错误代码（KP-ACCESS-01 没有或无效、02 过期、06 已撤销）",
        "Tokens that were refused, by code of the error (KP-ACCESS-01 none or not valid, 02 expired, 06 revoked)",
    ),
)
LOG_INS = Entry(
    "kaipiao_log_ins",
    Kind.COUNTER,
    ("result",),
    Text(
        "登录，按结果：ok 成功、refused 有误、locked 已锁定、busy 排队已满",
        "Log-ins by result: ok, refused (something was wrong), locked (after failures), busy (too many wait)",
    ),
)
DEPRECATED = Entry(
    "kaipiao_deprecated_requests",
    Kind.COUNTER,
    ("route",),
    Text(
        "仍在使用将要取消的地址的请求；日志中有令牌主体",
        "Requests to routes that will go; the log names the token's subject",
    ),
)
WIRE_CALLS = Entry(
    "kaipiao_wire_calls",
    Kind.COUNTER,
    ("channel", "service", "outcome"),
    Text(
        "对税局的调用，按服务（upload 上传、poll 取结果、ask 按号查询等）与结论",
        "Calls to the bureau by service (upload, poll, ask, …) and outcome",
    ),
)
WIRE_CALL_SECONDS = Entry(
    "kaipiao_wire_call_duration_seconds",
    Kind.HISTOGRAM,
    ("channel", "service"),
    Text("一次调用的全部时间", "A whole call to the bureau"),
    "seconds",
    WIRE_BUCKETS,
)
WIRE_PHASES = Entry(
    "kaipiao_wire_phase_duration_seconds",
    Kind.HISTOGRAM,
    ("channel", "phase"),
    Text(
        "调用中走完的每一阶段：resolve connect handshake write wait answer；沿用的连接没有前三段",
        "Each phase of a call that came to its end: resolve, connect, handshake, write, wait, answer; a kept connection has "
        "none of the first three",
    ),
    "seconds",
    WIRE_BUCKETS,
)
WIRE_CUT = Entry(
    "kaipiao_wire_phase_failures",
    Kind.COUNTER,
    ("channel", "phase"),
    Text("调用停在这一阶段，没有走完", "Calls that ended in this phase without finishing it"),
)
WIRE_SENT = Entry(
    "kaipiao_wire_sent_bytes",
    Kind.COUNTER,
    ("channel",),
    Text("交给系统内核的请求字节", "Bytes of requests that the kernel took"),
    "bytes",
)
UPLOADED = Entry(
    "kaipiao_uploaded_invoices",
    Kind.COUNTER,
    ("channel", "outcome"),
    Text("上传调用中的发票张数，按该次调用的结论", "Invoices in upload calls by the outcome of the call"),
)
SEALS = Entry(
    "kaipiao_seal_duration_seconds",
    Kind.HISTOGRAM,
    (),
    Text("一次签章的时间；`_count` 即签章数", "One seal; `_count` counts seals"),
    "seconds",
    SEAL_BUCKETS,
)
SEAL_TASKS = Entry(
    "kaipiao_seal_tasks", Kind.GAUGE, (), Text("等待或正在签章的任务", "Tasks waiting for or in a sealing thread")
)
SEAL_THREADS = Entry("kaipiao_seal_threads", Kind.GAUGE, (), Text("签章线程数上限", "Most sealing threads"))
THREADS = Entry("kaipiao_threads", Kind.GAUGE, (), Text("本进程的 Python 线程", "Python threads of this process"))
COMMITS = Entry(
    "kaipiao_ledger_commit_duration_seconds",
    Kind.HISTOGRAM,
    (),
    Text("账本一次成组提交的时间", "One group commit of the ledger"),
    "seconds",
    COMMIT_BUCKETS,
)
GROUPS = Entry(
    "kaipiao_ledger_commit_operations",
    Kind.HISTOGRAM,
    (),
    Text("一次提交里的操作数", "Operations in one commit"),
    "",
    GROUP_BUCKETS,
)
INVOICES = Entry(
    "kaipiao_invoices",
    Kind.GAUGE,
    ("taxpayer", "state"),
    Text("各状态的发票张数；issued 即上传队列", "Invoices by state; issued is the upload queue"),
)
DEBT_AGE = Entry(
    "kaipiao_debt_age_seconds",
    Kind.GAUGE,
    ("taxpayer",),
    Text("最早一张尚无结果的发票距今", "Age of the oldest invoice that is not settled"),
    "seconds",
)
NUMBERS_LEFT = Entry(
    "kaipiao_numbers_left", Kind.GAUGE, ("taxpayer",), Text("本年剩余号码", "Numbers left of this year")
)
QUOTA_LEFT = Entry(
    "kaipiao_quota_left_yuan", Kind.GAUGE, ("taxpayer",), Text("本月剩余额度（元）", "Quota left of this month"), "yuan"
)
COVER = Entry(
    "kaipiao_cover_seconds",
    Kind.GAUGE,
    ("taxpayer", "bound"),
    Text(
        "税局不应答时还能开多久，及由何者决定", "How long issuing goes on with nobody answering, and which bound binds"
    ),
    "seconds",
)
COVER_BOUNDS = Entry(
    "kaipiao_cover_bound_seconds",
    Kind.GAUGE,
    ("taxpayer", "bound"),
    Text(
        "每一约束各自还能撑多久；速率为零而尚远的缺席",
        "How long each bound would let issuing go on; missing where the rate is zero and the bound is far",
    ),
    "seconds",
)
MODES = Entry(
    "kaipiao_mode",
    Kind.GAUGE,
    ("channel", "mode"),
    Text(
        "各通道的模式：所处的一种为 1，其余为 0", "The mode of each channel: 1 for the one it is in, 0 for the others"
    ),
)
READY = Entry("kaipiao_ready", Kind.GAUGE, (), Text("能否开票：1 能，0 不能", "Can it issue? 1 or 0"))
CERTIFICATES = Entry(
    "kaipiao_certificate_expiry_seconds",
    Kind.GAUGE,
    ("channel", "certificate"),
    Text(
        "通道所用证书（client 客户端、ca 信任的机构）、本服务的 TLS 证书（server）与密钥库中的证书（channel 为 keys，"
        "certificate 为 key:编号）距失效；负数为已失效，NaN 为文件读不出",
        "Until a channel's certificate (client, ca), this server's own (server) or one of the key store (channel keys, "
        "certificate key:ID) expires; negative when it has, NaN when the file cannot be read",
    ),
    "seconds",
)
LEFT_OUT = Entry(
    "kaipiao_taxpayers_left_out",
    Kind.GAUGE,
    (),
    Text("因超过上限而没有列出的纳税人", "Taxpayers beyond the limit, which have no series of their own"),
)
LOOK_FAILURES = Entry(
    "kaipiao_scrape_failures",
    Kind.COUNTER,
    (),
    Text(
        "取数失败：账本没有及时答复，对应的量缺席", "Figures that the ledger did not give in time and that are missing"
    ),
)

SESSIONS = Entry(
    "kaipiao_database_sessions",
    Kind.GAUGE,
    ("state",),
    Text(
        "本节点的数据库连接：idle 空闲、used 在用（仅 PostgreSQL）",
        "Database connections of this node: idle, used (PostgreSQL only)",
    ),
)
SESSIONS_MOST = Entry(
    "kaipiao_database_sessions_limit",
    Kind.GAUGE,
    (),
    Text("本节点数据库连接的上限（仅 PostgreSQL）", "Most database connections of this node (PostgreSQL only)"),
)
SESSIONS_WAITING = Entry(
    "kaipiao_database_waiting",
    Kind.GAUGE,
    (),
    Text("等待数据库连接的调用（仅 PostgreSQL）", "Callers that wait for a database connection (PostgreSQL only)"),
)

ORDERS_WAITING = Entry(
    "kaipiao_orders_waiting",
    Kind.GAUGE,
    ("class",),
    Text(
        "等待轮到的订单：sale 逐笔开票，bulk 批量与 respond-async",
        "Orders that wait for their turn: sale (one by one), bulk (batches and respond-async)",
    ),
)
ORDERS_UNDER_WAY = Entry(
    "kaipiao_orders_under_way", Kind.GAUGE, (), Text("正在办理的订单", "Orders that are worked on")
)
ORDERS_LIMIT = Entry(
    "kaipiao_orders_limit",
    Kind.GAUGE,
    (),
    Text(
        "此刻最多同时办理的订单；事件循环迟缓时减少",
        "Most orders worked on at this moment; fewer when the event loop is late",
    ),
)
ORDERS_REFUSED = Entry(
    "kaipiao_orders_refused",
    Kind.COUNTER,
    ("reason",),
    Text(
        "因负荷被拒（429 KP-HTTP-06）：queue 队列已满、bytes 请求体占满、wait 等待过长、batches 批量过多",
        "Refused for load (429 KP-HTTP-06): queue full, bytes of bodies, wait too long, batches too many",
    ),
)
BATCHES = Entry("kaipiao_batches_under_way", Kind.GAUGE, (), Text("正在进行的批量", "Batches under way"))
BODIES_HELD = Entry(
    "kaipiao_bodies_held_bytes",
    Kind.GAUGE,
    (),
    Text("等待与办理中的订单的请求体字节", "Bytes of the bodies of orders that wait or are worked on"),
    "bytes",
)
DEGRADATION = Entry(
    "kaipiao_degradation_level",
    Kind.GAUGE,
    (),
    Text("降级级别，0 为正常", "Level of degradation, 0 is none"),
)
REPLICA_LAG = Entry(
    "kaipiao_replica_lag_seconds",
    Kind.GAUGE,
    (),
    Text(
        "副本落后主库多少秒（上次探测）；NaN 为不知道；没有设置副本则没有",
        "How far the replica is behind the primary, at the last look; NaN: not known; absent without a replica",
    ),
    "seconds",
)
LOOP_LAG = Entry(
    "kaipiao_event_loop_lag_seconds",
    Kind.GAUGE,
    (),
    Text(
        "事件循环迟了多久；近两秒内最坏值渐退", "How late the event loop is; the worst of the last two seconds, fading"
    ),
    "seconds",
)
CONNECTIONS = Entry(
    "kaipiao_connections",
    Kind.GAUGE,
    (),
    Text("打开的连接，握手中的也算", "Open connections, those in their handshake too"),
)
CONNECTIONS_LIMIT = Entry("kaipiao_connections_limit", Kind.GAUGE, (), Text("连接上限", "Most connections"))
CONNECTIONS_REFUSED = Entry(
    "kaipiao_connections_refused",
    Kind.COUNTER,
    ("reason",),
    Text(
        "被拒的连接：full 已满、source 一个来源的份额已满、handshakes 握手过多、files 打开的文件已到上限",
        "Connections refused: full, source (its share is), handshakes (too many under way), files (no more can be open)",
    ),
)
CONNECTIONS_CUT = Entry(
    "kaipiao_connections_cut",
    Kind.COUNTER,
    ("reason",),
    Text(
        "由本服务中断的连接：head 请求头迟迟不来、unread 应答不读、rest 发送无人要的请求体、ahead 提前发送过多、refused 不是 HTTP",
        "Connections ended from here: head (late), unread (answers), rest (of a body nobody wants), ahead (too much sent), "
        "refused (no HTTP)",
    ),
)
BREAKER_OPEN = Entry(
    "kaipiao_breaker_open",
    Kind.GAUGE,
    ("channel", "endpoint"),
    Text(
        "到税局这一地址的熔断器：0 闭合，1 断开（只有探测），0.5 闭合而对方迟缓",
        "The breaker of this address of the bureau: 0 closed, 1 open (nothing but probes), 0.5 closed and the far side is slow",
    ),
)
BREAKER_OPENED = Entry(
    "kaipiao_breaker_opened",
    Kind.COUNTER,
    ("channel", "endpoint"),
    Text("熔断器断开的次数", "Times that the breaker opened"),
)
BREAKER_PROBES = Entry(
    "kaipiao_breaker_probes",
    Kind.COUNTER,
    ("channel", "endpoint", "result"),
    Text(
        "断开期间的探测（健康查询，绝不是上传），按结果：good 有答复、slow 答复太慢、failed 没有、nothing 本机中断",
        "Probes while it is open (health calls, never uploads) by result: good, slow, failed, nothing (ended on our side)",
    ),
)

ALARMS_OPEN = Entry(
    "kaipiao_alarms_open",
    Kind.GAUGE,
    ("severity",),
    Text(
        "未结束的告警，按严重程度；由处理告警的那个节点给出",
        "Alarms that are open, by severity; told by the node that has the desk of alarms",
    ),
)
OUTBOX_AGE = Entry(
    "kaipiao_alarm_outbox_age_seconds",
    Kind.GAUGE,
    (),
    Text(
        "最早一条尚未送达的告警消息已等多久；由处理告警的那个节点给出",
        "How long the oldest message about alarms has waited; told by the node that has the desk of alarms",
    ),
    "seconds",
)
MESSAGES = Entry(
    "kaipiao_alarm_messages",
    Kind.COUNTER,
    ("channel", "outcome"),
    Text(
        "告警消息的发送，按渠道与结果：delivered 送达、later 稍后再试、refused 被拒、limited 等候频率、given_up 放弃",
        "Tries to send messages about alarms by channel and outcome: delivered, later (is tried again), refused, limited (waits "
        "for its rate), given_up",
    ),
)

MADE_AS_IT_HAPPENS = (
    REQUESTS, TOKEN_REFUSALS, LOG_INS, DEPRECATED, WIRE_CALLS, WIRE_CALL_SECONDS, WIRE_PHASES, WIRE_CUT, WIRE_SENT, UPLOADED,
    SEALS, COMMITS, GROUPS, LOOK_FAILURES, BREAKER_OPENED, BREAKER_PROBES,
)  # fmt: skip
MADE_WHEN_ASKED = (
    BUILD, READY, INVOICES, DEBT_AGE, NUMBERS_LEFT, QUOTA_LEFT, COVER, COVER_BOUNDS, MODES, CERTIFICATES, IN_FLIGHT, SEAL_TASKS, SEAL_THREADS,
    THREADS, LEFT_OUT, BREAKER_OPEN,
)  # fmt: skip
OF_A_POOL = (SESSIONS, SESSIONS_MOST, SESSIONS_WAITING, REPLICA_LAG)  # only where the ledger is on a server
OF_THE_DOOR = (
    ORDERS_WAITING, ORDERS_UNDER_WAY, ORDERS_LIMIT, ORDERS_REFUSED, BATCHES, BODIES_HELD, LOOP_LAG, DEGRADATION, CONNECTIONS,
    CONNECTIONS_LIMIT, CONNECTIONS_REFUSED, CONNECTIONS_CUT,
)  # fmt: skip
OF_ALARMS = (ALARMS_OPEN, OUTBOX_AGE, MESSAGES)
CATALOGUE = (*OF_ALARMS, *MADE_AS_IT_HAPPENS, *MADE_WHEN_ASKED, *OF_THE_DOOR, *OF_A_POOL)
