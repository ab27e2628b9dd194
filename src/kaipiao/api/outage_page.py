"""The report of an outage as a page: whole in itself, nothing is loaded, nothing runs, whatever came from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any

from kaipiao.api.outage_picture import MODES, mode_words, picture
from kaipiao.clock import SHANGHAI

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
CELLS = (
    ("issued", "期间开具", "issued meanwhile"),
    ("uploaded", "已上传", "uploaded"),
    ("open", "待上传", "still waiting"),
    ("late", "逾期", "late"),
)
STAMPS = (
    ("begun_at", "开始", "begun"),
    ("back_at", "恢复正常模式", "mode back online"),
    ("drained_at", "期间发票全部有结果", "its debt drained"),
    ("closed_at", "结束（报告签章）", "closed, report sealed"),
)


def page(facts: dict[str, Any], seal: dict[str, Any] | None) -> str:
    """`facts`: as `outage_report.facts_of` gives them. `seal`: of the sealed report, None while there is none."""
    style = (files("kaipiao.api") / "data" / "outage.css").read_text("utf-8")
    title = f"通道中断 {facts['channel']} · Outage"
    body = "".join(
        (
            _heading(facts),
            _cells(facts["counts"]),
            f'<section class="picture"><div class="scroll">{picture(facts)}</div>{_legend(facts["modes"])}</section>',
            _section("时间", "Instants", _stamps(facts)),
            _section("原因（推断）与依据", "Cause (supposed) and evidence", _evidence(facts)),
            _section("模式", "Modes", _modes(facts["modes"])),
            _section("清单与签章", "List and seal", _proof(facts, seal)),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.rpartition("; ")[0]}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _heading(facts: dict[str, Any]) -> str:
    ended = facts["closed_at"] is not None
    pill = ("已结束", "closed") if ended else ("进行中", "open")
    until = facts["back_at"] or facts["closed_at"] or facts["counted_at"] or facts["begun_at"]
    zh, en = _lasting(facts["begun_at"], until)
    return (
        f'<header><h1>通道中断报告 <span lang="en">Outage report</span></h1>'
        f'<p class="sub"><b>{escape(facts["channel"])}</b> · {escape(facts["outage"])} '
        f'<span class="pill {"done" if ended else "going"}">{pill[0]} {pill[1]}</span></p>'
        f'<p class="lead">持续 {zh}，期间开具 {facts["counts"]["issued"]:,} 张，逾期 {facts["counts"]["late"]:,} 张。'
        f'<br><span lang="en">It lasted {en}; {facts["counts"]["issued"]:,} documents were issued meanwhile, '
        f"{facts['counts']['late']:,} of them late.</span></p></header>"
    )


def _lasting(first: str, last: str) -> tuple[str, str]:
    seconds = max(0, int((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()))
    hours, minutes = divmod(seconds // 60, 60)
    if seconds < 3600:
        return f"{minutes} 分 {seconds % 60} 秒", f"{minutes} min {seconds % 60} s"
    return f"{hours} 小时 {minutes} 分", f"{hours} h {minutes} min"


def _cells(counts: dict[str, int]) -> str:
    cells = "".join(
        f'<div class="cell{" bad" if name == "late" and counts[name] else ""}"><b>{counts[name]:,}</b>'
        f'<span>{zh}</span><span lang="en">{en}</span></div>'
        for name, zh, en in CELLS
    )
    return f'<section class="cells">{cells}</section>'


def _legend(modes: Sequence[dict[str, Any]]) -> str:
    shown = [name for name in MODES if any(change["mode"] == name for change in modes)]
    keys = "".join(f'<li><i class="k-{name}"></i>{" ".join(map(escape, mode_words(name)))}</li>' for name in shown)
    return f'<ul class="legend">{keys}</ul>'


def _stamps(facts: dict[str, Any]) -> str:
    return _table((), ((f"{zh} {en}", _shown(facts[name]) or "—") for name, zh, en in STAMPS))


def _evidence(facts: dict[str, Any]) -> str:
    cause = facts["cause"] or {}
    words = " · ".join(str(cause[name]) for name in ("code", "endpoint", "phase") if cause.get(name)) or "—"
    rows = (
        (str(one["position"]), _shown(one["at"]), one["kind"], one.get("code") or "", one.get("endpoint") or "")
        for one in facts["evidence"]
    )
    head = ("流水位置 position", "时间 at", "事件 event", "原因 cause", "端点 endpoint")
    return f'<p class="cause">{escape(words)}</p>' + _table(head, rows)


def _modes(modes: Sequence[dict[str, Any]]) -> str:
    head = ("时间 at", "模式 mode", "原因 cause", "期限依据 rule", "期限 deadline")
    rows = (
        (
            _shown(one["at"]),
            " ".join(mode_words(one["mode"])),
            one.get("cause") or "",
            one.get("rule") or "",
            _shown(one.get("deadline")),
        )
        for one in modes
    )
    return _table(head, rows)


def _proof(facts: dict[str, Any], seal: dict[str, Any] | None) -> str:
    rows = [
        ("清单摘要 digest of the list", facts["invoices"]["digest"] or "—"),
        ("如何得出 how", facts["invoices"]["form"]),
    ]
    if seal is None:
        rows.append(("签章 seal", "尚未结束，未签章 / not closed yet, not sealed"))
    else:
        rows += [
            ("报告摘要 digest of the report", seal["digest"]),
            ("密钥 key", seal["key_id"]),
            ("签名 signature", seal["signature"]),
            ("核验 verify", "kaipiao outage verify outage.json -d kaipiao-data"),
        ]
    return _table((), rows)


def _section(zh: str, en: str, content: str) -> str:
    return f'<section><h2>{zh} <span lang="en">{en}</span></h2>{content}</section>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    kind = "wide" if head else "pairs"
    return f'<div class="scroll"><table class="{kind}">{f"<tr>{titles}</tr>" if head else ""}{lines}</table></div>'


def _shown(text: str | None) -> str:
    """In Asia/Shanghai; what is no instant as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if text else ""
    except (ValueError, OverflowError):
        return text or ""
