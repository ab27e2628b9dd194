"""`show`, `list`, `status`: how things stand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say
from kaipiao.errors import NotFound
from kaipiao.invoice.lifecycle import State

STATES = {
    "accepted": ("已受理", "accepted"),
    "issued": ("已开具，待上传", "issued"),
    "uploading": ("上传中", "uploading"),
    "submitted": ("已提交，待结果", "submitted"),
    "confirmed": ("上传成功", "confirmed"),
    "unknown": ("结果未知，沉淀中", "unknown"),
    "rejected": ("被拒绝", "rejected"),
    "conflict": ("内容不一致，须人工处理", "conflict"),
    "expired": ("逾期未上传", "expired"),
    "replaced": ("已被替换", "replaced"),
    "cancelled": ("已取消", "cancelled"),
}
REASONS = {
    "not_running": ("（服务未运行）", "(the server is not running)"),
    "numbers": ("（尚无号码）", "(no numbers yet)"),
    "quota": ("（尚无额度）", "(no quota yet)"),
    "standing": ("（纳税人状态不允许）", "(the taxpayer's standing forbids it)"),
    "clock": ("（时钟不可信）", "(the clock cannot be trusted)"),
    "stopping": ("（正在停止）", "(stopping)"),
}
RATES = {
    "four_weeks": ("四周同时段的 90 百分位", "90th percentile of this hour over four weeks"),
    "last_hour": ("最近一小时", "the last hour"),
}
BOUNDS = {
    "numbers": ("号段", "numbers"),
    "quota": ("发票额度", "quota"),
    "upload_window": ("48 小时上传时限", "48 h upload window"),
    "quota_validity": ("额度有效期", "validity of the quota"),
    "month_end": ("月末（额度不跨月）", "month end (quota never crosses it)"),
    "month_close": ("上月关账（13 日零点）", "close of last month (13th, 00:00)"),
    "year_end": ("年末（号码不跨年）", "year end (numbers never cross it)"),
}


def show(
    key: Annotated[str, typer.Argument(help=say("发票号码或订单号", "Invoice number or order key"))],
    directory: Directory = DEFAULT_DIRECTORY,
    xml: Annotated[bool, typer.Option("--xml", help=say("输出冻结的 XML", "The frozen XML"))] = False,
    seal: Annotated[bool, typer.Option("--seal", help=say("输出签章文件", "The seal file"))] = False,
    json_output: Json = False,
) -> None:
    """One invoice: how it stands and what happened to it."""
    import sys

    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        record = _find(api, key)
        number = record["number"]
        if xml or seal:
            sys.stdout.buffer.write(api.get_bytes(f"/v1/invoices/{number}/{'document' if xml else 'seal'}"))
            sys.stdout.buffer.flush()
            return
        events: Any = api.get(f"/v1/invoices/{number}/events") if number else []
    if json_output:
        terminal.out_json({**record, "events": events})
        return
    terminal.out(f"{number or '-'}  {_state(record['state'])}  ¥{record['total']}")
    for name in ("order", "kind", "made_at", "sent_at", "accepted_at", "problem", "notice"):
        if record[name]:
            terminal.out(f"  {name:12} {record[name]}")
    for event in events:
        terminal.out(f"  {event['at']}  {event['kind']}")


def _find(api: Any, key: str) -> dict[str, Any]:
    from kaipiao.errors import KaipiaoError

    if len(key) == 20 and key.isascii() and key.isdigit():
        try:
            record: dict[str, Any] = api.get(f"/v1/invoices/{key}")
        except KaipiaoError as missing:
            if missing.code != NotFound.code:
                raise
        else:
            return record
    found: list[dict[str, Any]] = api.get("/v1/invoices", order=key)
    if not found:
        raise NotFound()
    return found[0]


def list_(
    directory: Directory = DEFAULT_DIRECTORY,
    state: Annotated[State | None, typer.Option(help=say("只看这种状态", "Only this state"))] = None,
    limit: Annotated[int, typer.Option(min=1, max=100000, help=say("最多多少张", "At most so many"))] = 50,
    json_output: Json = False,
) -> None:
    """The invoices, oldest first."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        after, left = "0", limit
        while left > 0:
            page: Any = api.get(
                "/v1/invoices", state=state.value if state else None, after=after, limit=min(left, 1000)
            )
            for record in page:
                _line(record, json_output)
            if len(page) < min(left, 1000):
                break
            after, left = page[-1]["id"], left - len(page)


def _line(record: dict[str, Any], json_output: bool) -> None:
    if json_output:
        terminal.out_json(record)
    else:
        cells = (record["number"] or "-", _state(record["state"]), record["total"], record["order"])
        terminal.out("\t".join(cells))


def _state(state: str) -> str:
    return say(*STATES.get(state, (state, state)))


def status(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Debt and cover: how many wait, and how many hours can we issue with nobody answering?"""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get("/v1/status")
    if json_output:
        terminal.out_json(found)
        return
    ready = say("可以开票", "ready to issue") if found["ready"] else say("暂不能开票", "not ready")
    reasons = " ".join(say(*REASONS.get(reason.split(":")[0], (reason, reason))) for reason in found["reasons"])
    terminal.out(f"{found['node']}  {found['environment']}  {ready} {reasons}".rstrip())
    for seller in found["taxpayers"]:
        bound = say(*BOUNDS.get(seller["cover_bound"], (seller["cover_bound"],) * 2))
        terminal.out(
            f"{seller['taxpayer']}  {say('可持续', 'cover')} {seller['cover_hours']} h ({bound})  "
            f"{say('号码', 'numbers')} {seller['numbers_left']}  {say('额度', 'quota')} ¥{seller['quota_left']}"
        )
        source = RATES.get(seller["rate_source"], (seller["rate_source"],) * 2)
        terminal.out(f"  {say('每小时', 'an hour')} {seller['rate_per_hour']} ({say(*source)})")
        for state, count in sorted(seller["states"].items()):
            terminal.out(f"  {_state(state):16} {count}")


def register(app: typer.Typer) -> None:
    app.command(
        help=say("一张发票的现状与经过", "One invoice: how it stands, what happened to it"),
        epilog=examples("kaipiao show 26442000000000000001", "kaipiao show A-1001 --xml > invoice.xml"),
    )(show)
    app.command("list", help=say("列出发票", "List invoices"), epilog=examples("kaipiao list --state unknown"))(list_)
    app.command(
        help=say("待上传数量、可持续时长", "Debt and hours of cover"),
        epilog=examples("kaipiao status", "kaipiao status --json"),
    )(status)
