"""Writes the pages that are made from the code: docs/reference/errors.md and docs/reference/rules.md.

usage: python docs/generate.py      (tests/unit/test_docs_are_true.py compares the pages with what this makes)
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kaipiao
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.rules import Received, all_rules
from kaipiao.language import Text

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
    return {Path("reference/errors.md"): errors_page(), Path("reference/rules.md"): rules_page()}


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


def _both(text: Text) -> str:
    return f"{_cell(text.zh)}<br>{_cell(text.en)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    for path, text in pages().items():
        (HERE / path).write_text(text, "utf-8")
