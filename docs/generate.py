"""Writes the pages that are made from the code: errors.md, problem-codes.md, rules.md and metrics.md of docs/reference/.

usage: python docs/generate.py      (tests/unit/test_docs_are_true.py compares the pages with what this makes)
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kaipiao
from kaipiao.authority.problems import OF_ANSWERS, Problem
from kaipiao.authority.transport import CAUSES
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.rules import Received, all_rules
from kaipiao.issuing.problems import OF_ISSUING
from kaipiao.language import Text
from kaipiao.operations.alarms.sorts import Sort, Trigger, Within, sorts
from kaipiao.operations.catalogue import CATALOGUE, Entry

HERE = Path(__file__).resolve().parent
SOURCE = Path(kaipiao.__file__).parent

RESEND = {
    "safe": "可以 yes",
    "same_order_key": "用同一订单号 with the same order key",
    "after_change": "修改后 after a change",
    "no": "不要 no",
}
RECEIVED = {
    Received.INVALID: "无效 invalid",
    Received.WARNING: "提示 warning",
    Received.NOT_JUDGED: "未判定 not judged",
    Received.UNASKED: "不查 not asked",
}
MADE = "<!-- 由 docs/generate.py 生成，请勿手改 / made by docs/generate.py: do not edit -->"


@dataclass(frozen=True)
class Row:
    """One code: of a class, or of one place that raises a class under a code of its own."""

    code: str
    status: int
    title: Text
    next_step: Text
    resend: str


def pages() -> dict[Path, str]:
    """Every generated page: path below docs/, and its text."""
    return {
        Path("reference/errors.md"): errors_page(),
        Path("reference/problem-codes.md"): problems_page(),
        Path("reference/rules.md"): rules_page(),
        Path("reference/metrics.md"): metrics_page(),
        Path("reference/alarms.md"): alarms_page(),
    }


def error_classes() -> list[type[KaipiaoError]]:
    """The whole tree, wherever its classes are defined. Only the modules that define one are imported."""
    bases = {
        (file, node.name): {base.id for base in node.bases if isinstance(base, ast.Name)}
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    names = {KaipiaoError.__name__}
    while more := {name for (_, name), parents in bases.items() if parents & names} - names:
        names |= more
    return [KaipiaoError, *(_class(file, name) for (file, name), parents in bases.items() if parents & names)]


def _class(file: Path, name: str) -> type[KaipiaoError]:
    module = ".".join(("kaipiao", *file.relative_to(SOURCE).with_suffix("").parts))
    found: type[KaipiaoError] = getattr(importlib.import_module(module), name)
    return found


def rows() -> list[Row]:
    """Every code once: of the classes that state one, then of single places."""
    classes = error_classes()
    found: dict[str, Row] = {}
    for one in classes:
        if "code" in vars(one):
            found.setdefault(one.code, Row(one.code, one.status, one.title, one.next_step, one.resend.value))
    by_name = {one.__name__: one for one in classes}
    for name, code, text in single_places():
        one = by_name[name]
        found.setdefault(code, Row(code, one.status, text or one.title, one.next_step, one.resend.value))
    return sorted(found.values(), key=lambda row: row.code)


def single_places() -> Iterator[tuple[str, str, Text | None]]:
    """(class, code, text) of every call `SomeError(Text(zh, en), code="KP-…")` in the source."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id[0].isupper():
                code = _code(node)
                if code is not None:
                    yield node.func.id, code, _text(node)


def _code(call: ast.Call) -> str | None:
    for keyword in call.keywords:
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
            value = keyword.value.value
            if isinstance(value, str) and value.startswith("KP-"):
                return value
    return None


def _text(call: ast.Call) -> Text | None:
    for argument in call.args:
        if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Name) and argument.func.id == "Text":
            zh, en = (_plain(part) for part in argument.args)
            return Text(zh, en)
    return None


def _plain(part: ast.expr) -> str:
    """A literal, or an f-string with `…` where a value is filled in."""
    if isinstance(part, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in part.values)
    return str(part.value) if isinstance(part, ast.Constant) else "…"


def errors_page() -> str:
    lines = [
        "# 错误代码 · Error codes",
        MADE,
        "",
        "每个错误都有固定代码、两种语言、下一步，以及能否重发。HTTP 应答的格式见 [api.md](api.md#problems)。",
        "`…` 处在运行时填入具体内容。`KP-RULE-00` 的 `findings` 逐条列出 [规则](rules.md)。",
        "",
        "Each error has a stable code, both languages, the next step, and whether sending again is safe."
        " How HTTP answers carry them: [api.md](api.md#problems). `…` is filled in when it happens."
        " `KP-RULE-00` lists the broken [rules](rules.md) in `findings`.",
        "",
        "| 代码 code | HTTP | 含义 meaning | 下一步 next step | 能否重发 send again? |",
        "|---|---|---|---|---|",
    ]
    for row in rows():
        cells = (f"`{row.code}`", str(row.status), _both(row.title), _both(row.next_step), RESEND[row.resend])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def problems_page() -> str:
    lines = [
        "# 发票为何尚未确认 · Why an invoice is not confirmed yet",
        MADE,
        "",
        "发票的 `problem_code` 与 `problem`（先中文后英文）说明最近一次为何没有成。代码有三种：下面平台自己的；"
        "尚无号码的订单（`accepted`）被拒时的 [错误代码](errors.md)；其余都是税局自己的代码，`problem` 是税局的原话。",
        "",
        "`problem_code` and `problem` of an invoice (Chinese first, then English) say why the last try did not end it. There are"
        " three kinds of codes: the platform's own, below; the [error codes](errors.md) for an order without a number"
        " (`accepted`) that is refused; everything else is the bureau's own code, and `problem` its own words.",
        "",
        "| 代码 code | 含义 meaning | 下一步 next step |",
        "|---|---|---|",
        *(_problem_row(problem) for problem in (*OF_ISSUING, *OF_ANSWERS)),
        "",
        "## 线路 · The wire",
        "没有收到完整应答时，代码说明线路上看到了什么，仅此能够证明什么。无须处理：没有发出的会再发，结果未知的按号码查询。"
        "持续出现时按含义检查网络、地址与证书。",
        "",
        "When no whole answer came, the code says what was seen on the wire, and what that proves. Nothing is to be done: what was"
        " not sent is sent again, what is unknown is asked by its number. If it lasts, look at the network, the address and the"
        " certificates as the meaning says.",
        "",
        "| 代码 code | 证明 proves |",
        "|---|---|",
        *(f"| `{cause.code}` | {_both(cause.proves)} |" for cause in CAUSES.values()),
    ]
    return "\n".join(lines) + "\n"


def _problem_row(problem: Problem) -> str:
    told = problem.filled("…")
    return f"| `{told.code}` | {_both(told.text)} | {_both(told.next_step)} |"


def rules_page() -> str:
    lines = [
        "# 发票规则 · Rules of an invoice",
        MADE,
        "",
        "“开具”：违反时是否拒绝开具。“收到”：核验别人开来的文件时，违反意味着什么。`{…}` 处填入具体数值。",
        "来源中的 business-rules、formats、leqi-protocol、leqi_base_fields、failures 是本项目整理公开资料时的笔记，"
        "不在本仓库中；税率等数据的原始出处写在 `src/kaipiao/invoice/data/` 的各个文件里。",
        "",
        "“Issuing”: does breaking it stop issuing? “Received”: what it means in a file that somebody sent."
        " `{…}` is filled in. business-rules, formats, leqi-protocol, leqi_base_fields and failures are the project's notes"
        " on public material and are not in this repository; the original sources of rates and other tables stand in the"
        " files of `src/kaipiao/invoice/data/`.",
        "",
        "| 代码 code | 字段 field | 规则 rule | 开具 issuing | 收到 received | 来源 source |",
        "|---|---|---|---|---|---|",
    ]
    for rule in all_rules():
        stops = "拒绝 refused" if rule.stops else "提示 warning"
        cells = (
            f"`{rule.code}`",
            f"`{rule.path}`",
            _both(rule.text),
            stops,
            RECEIVED[rule.received],
            _cell(rule.source),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    lines = [
        "# 指标与日志 · Metrics and logs",
        MADE,
        "",
        "## 指标 · Metrics",
        "`GET /metrics` 给出 OpenMetrics 1.0；`Accept` 更想要 `text/plain` 时给出旧格式。需要 `platform:read`（角色 operator），"
        "在回环上也一样。令牌限于某些税号时，带 `taxpayer` 的量只有它们的。标签只取自设置、路由模板与固定的名单，"
        "没有购买方、订单号与号码。带 `taxpayer` 的量与 `kaipiao_ready` 在抓取时查账本，每秒至多一次，最多 200 个纳税人；"
        "账本 2 秒不答则缺席，其余照给。另有 `process_*` 与 `python_*`。",
        "",
        "`GET /metrics` gives OpenMetrics 1.0, or the older text when `Accept` prefers `text/plain`. It needs `platform:read`"
        " (role operator), on loopback too. A token for certain taxpayers sees only their series. Labels come from settings,"
        " route templates and fixed lists: no buyer, no order key, no invoice number. What has the label `taxpayer`, and"
        " `kaipiao_ready`, asks the ledger when scraped, at most once a second, for at most 200 taxpayers; if the ledger does"
        " not answer in 2 s these are missing and the rest is given. There are also `process_*` and `python_*`.",
        "",
        "| 名称 name | 种类 kind | 标签 labels | 单位 unit | 含义 meaning |",
        "|---|---|---|---|---|",
        *map(_metric_row, sorted(CATALOGUE, key=lambda entry: entry.sample)),
        "",
        "## 抓取 · Scraping",
        "```yaml",
        "scrape_configs:",
        "  - job_name: kaipiao",
        "    static_configs: [{targets: ['127.0.0.1:8790']}]",
        "    authorization: {credentials_file: /etc/prometheus/kaipiao.token}  # kaipiao token --role operator --hours 8784",
        "```",
        "",
        "## 日志 · Logs",
        "`kaipiao serve` 在标准错误上逐行写 JSON：`at level logger message`，加上下面这些。一次请求的每一行都带它的"
        " `request_id`，与应答头 `X-Request-Id` 相同。没有查询串、请求体、票面内容、令牌与密钥。`--log-level` 缺省 `info`。",
        "",
        "`kaipiao serve` writes JSON lines on stderr: `at level logger message` and the fields below. Every line of a request has"
        " its `request_id`, the one in the header `X-Request-Id` of the answer. No query, body, invoice content, token or key."
        " `--log-level` is `info` by default.",
        "",
        "| `logger` | 何时 when | 字段 fields |",
        "|---|---|---|",
        "| `kaipiao.request` | 每个请求 each request | `method` `route` `status` `ms` `subject`（令牌给谁 whose token） |",
        "| `kaipiao.wire` | 每次对税局的调用 each call to the bureau | `channel` `service` `taxpayer` `outcome` `code` `phase`"
        "（走到哪一步 the phase reached） `ms` `bytes` `reused` |",
        "| 其他 others | 告警与错误 warnings and errors | `code` `taxpayer` `channel` `loop` `failures` `cause`；同一纳税人的同一告警"
        "每分钟一行，`repeated` 为其间省去的行数 the same warning about a taxpayer once a minute, `repeated`: how many were left out |",
    ]
    return "\n".join(lines) + "\n"


def alarms_page() -> str:
    lines = [
        "# 告警 · Alarms",
        MADE,
        "",
        "事件流水中的哪些事件是告警，如何分组、何时结束、多久重复；`{…}` 处填入事件的字段。[谁被通知，如何通知](../how-to/who-is-told.md)。",
        "",
        "Which events of the trail are alarms, how they are grouped, what ends them, when they are told again. `{…}` is filled from"
        " the event. [Who is told, and how](../how-to/who-is-told.md).",
        "",
        "| 种类 sort | 含义 meaning | 由何引起 opened by | 分组 group | 结束 ends | 重复 repeat |",
        "|---|---|---|---|---|---|",
        *map(_alarm_row, sorts().values()),
        "",
        "## 怎么办 · What to do",
        "| 种类 sort | 说明 text | 下一步 step |",
        "|---|---|---|",
        *(f"| `{sort.name}` | {_both(sort.text)} | {_both(sort.step)} |" for sort in sorts().values()),
    ]
    return "\n".join(lines) + "\n"


def _alarm_row(sort: Sort) -> str:
    opens = "<br>".join(f"{one.severity}: {_trigger(one)}" for one in sort.opens)
    ends = [_trigger(one) for one in sort.clears]
    if sort.lapse is not None:
        ends.append(f"{sort.lapse.total_seconds() / 3600:g} h 无新情况 without news")
    if sort.of_node:
        ends.append("节点重启 its node starts anew: `node.started`")
    group = " ".join(f"`{name}`" for name in ("taxpayer", *sort.group))
    repeat = f"{sort.repeat.total_seconds() / 3600:g} h"
    return f"| `{sort.name}` | {_both(sort.title)} | {opens} | {group} | {'<br>'.join(ends)} | {repeat} |"


def _trigger(one: Trigger) -> str:
    when = [
        f"{name} ≤ {w.max}" if isinstance(w, Within) else f"{name}: {' '.join(map(str, w))}"
        for name, w in one.when.items()
    ]
    return f"`{one.kind}`" + (f" ({'; '.join(when)})" if when else "")


def _metric_row(entry: Entry) -> str:
    labels = " ".join(f"`{label}`" for label in entry.labels)
    return f"| `{entry.sample}` | {entry.kind} | {labels} | {entry.unit} | {_both(entry.text)} |"


def _both(text: Text) -> str:
    return f"{_cell(text.zh)}<br>{_cell(text.en)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    for path, text in pages().items():
        (HERE / path).write_text(text, "utf-8")
