"""`reconcile`, `month`: both sides' books compared, and the month's end."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say

LOOK = 0.5  # real seconds between two looks at what is under way
KINDS = {
    "missing_there": ("税局没有", "missing there"),
    "missing_here": ("我方没有", "missing here"),
    "different": ("内容不同", "different"),
    "stuck_unknown": ("结果未知过久", "stuck unknown"),
    "month_total_off": ("月合计不符", "month total off"),
}
FIGURES = {
    "blue_count": ("蓝字张数", "blue, count"),
    "blue_amount": ("蓝字金额", "blue, amount"),
    "blue_tax": ("蓝字税额", "blue, tax"),
    "red_count": ("红字张数", "red, count"),
    "red_amount": ("红字金额", "red, amount"),
    "red_tax": ("红字税额", "red, tax"),
}
OPEN = {
    "month.not_over": ("月份尚未结束", "the month is not over"),
    "month.closed": ("税局已关账", "closed by the bureau"),
    "bureau.not_asked": ("尚未核对：kaipiao reconcile --totals", "never compared: kaipiao reconcile --totals"),
    "bureau.refused": ("税局拒绝", "the bureau refused"),
    "debt": ("未了结的发票", "invoices not settled"),
    "finding": ("两边不一致", "both sides differ"),
    "total": ("合计不符（我方/税局）", "totals differ (ours/theirs)"),
}
STATES = {"open": ("未确认", "open"), "confirmed": ("已确认", "confirmed"), "closed": ("已关账", "closed")}
OUTCOMES = {
    "agrees": ("一致", "agrees"),
    "differs": ("不一致", "differs"),
    "incomplete": ("未能全部判定", "not all could be judged"),
}
MANNERS = {"list": ("按清单", "by list"), "numbers": ("逐张查询", "by number"), "totals": ("比合计", "totals")}

Month = Annotated[str, typer.Argument(help=say("月份 yyyy-MM", "The month, yyyy-MM"))]
Wait = Annotated[float, typer.Option("--wait", min=0, help=say("至多等待秒数", "Seconds to wait at the longest"))]
Taxpayer = Annotated[str, typer.Option("--taxpayer", help=say("纳税人识别号", "Tax number"))]
AnyTaxpayer = Annotated[str | None, typer.Option("--taxpayer", help=say("只看这一家", "Only this one"))]


def reconcile(
    month: Annotated[str | None, typer.Option("--month", help=say("yyyy-MM，缺省本月", "yyyy-MM, else this"))] = None,
    taxpayer: AnyTaxpayer = None,
    totals: Annotated[bool, typer.Option("--totals", help=say("只比合计", "Totals only"))] = False,
    numbers: Annotated[
        bool, typer.Option("--numbers", help=say("逐张查询，不用清单", "Number by number, without the list"))
    ] = False,
    wait: Wait = 600.0,
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Compare both sides' books. Exit code 1 when they differ or not all could be judged."""
    from kaipiao.cli.serving import platform_api

    manner = "totals" if totals else "numbers" if numbers else "list"
    with platform_api(directory) as api:
        _, begun = api.post("/v1/reconciliations", month=month, taxpayer=taxpayer, manner=manner)
        runs = _until_ended(api, begun, wait, quiet=json_output)
        found = [one for run in runs for one in _findings(api, run)]
    if json_output:
        terminal.out_json({"reconciliations": runs, "findings": found})
    else:
        for run in runs:
            terminal.out(_run_line(run))
        _table(found)
    if any((run["run"] or {}).get("outcome") != "agrees" for run in runs):
        raise typer.Exit(terminal.FAILED)


def _until_ended(api: Any, begun: Any, wait: float, *, quiet: bool) -> list[dict[str, Any]]:
    """The comparisons, once they have ended or the time is over. Says how far they are, on stderr."""
    places = [(one["taxpayer"], one["channel"], one["month"]) for one in begun]
    until = time.monotonic() + wait
    told = ""
    while True:
        listed = api.get("/v1/reconciliations", limit=1000)
        found = {(one["taxpayer"], one["channel"], one["month"]): one for one in listed}
        runs = [found[place] for place in places]
        if all(one["run"]["state"] == "ended" for one in runs) or time.monotonic() >= until:
            return runs
        checked = sum(one["run"]["checked"] for one in runs)
        line = say(f"核对中：已比 {checked} 张", f"comparing: {checked} invoices so far")
        if line != told and not quiet:
            terminal.errors().print(line)
            told = line
        time.sleep(LOOK)


def _findings(api: Any, run: dict[str, Any]) -> list[dict[str, Any]]:
    found = api.get(f"/v1/months/{run['month']}/findings", taxpayer=run["taxpayer"])
    return [one for one in found if one["channel"] == run["channel"]]


def _run_line(one: dict[str, Any]) -> str:
    run = one["run"]
    outcome = say(*OUTCOMES[run["outcome"]]) if run["outcome"] else say("仍在进行", "still under way")
    counts = say(
        f"已比 {run['checked']}，不一致 {run['findings']}，未判定 {run['unjudged']}",
        f"compared {run['checked']}, differences {run['findings']}, not judged {run['unjudged']}",
    )
    return f"{one['taxpayer']}  {one['channel']}  {one['month']}  {say(*MANNERS[run['manner']])}  {outcome}  ({counts})"


def _table(found: list[dict[str, Any]]) -> None:
    """A line for each difference, then the fields that differ, ours beside theirs."""
    for one in found:
        kind = say(*KINDS.get(one["kind"], (one["kind"],) * 2))
        terminal.out(f"✗ {kind}  {one['number'] or one['month']}  {one['order'] or ''}".rstrip())
        if one["ours"] or one["theirs"]:
            terminal.out(f"    {'':14} {say('我方', 'ours'):>20}  {say('税局', 'theirs'):>20}")
        for name in sorted({*one["ours"], *one["theirs"]}):
            ours, theirs = (side.get(name) for side in (one["ours"], one["theirs"]))
            shown = say(*FIGURES[name]) if name in FIGURES else name
            terminal.out(f"    {shown:14} {_cell(ours):>20}  {_cell(theirs):>20}")


def _cell(value: str | None) -> str:
    return "-" if value is None else terminal.plain(value[:40])


month_app = typer.Typer(no_args_is_help=False)


@month_app.callback(invoke_without_command=True)
def month(context: typer.Context, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """The month's end: alone, the last month."""
    if context.invoked_subcommand is None:
        show(None, None, directory, json_output)


def show(
    month: Annotated[str | None, typer.Argument(help=say("yyyy-MM，缺省上月", "yyyy-MM, else the last one"))] = None,
    taxpayer: AnyTaxpayer = None,
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Both sides of a month, and what is open."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get(f"/v1/months/{month or _last_month(api)}", taxpayer=taxpayer)
    if json_output:
        terminal.out_json(found)
        return
    for one in found:
        _show(one)


def _last_month(api: Any) -> str:
    """The month that is over and not closed yet, else the one that it is, by the platform's clock."""
    listed = api.get("/v1/reconciliations", limit=1)
    months = sorted({one["month"] for one in listed}, reverse=True)
    chosen: str = months[min(1, len(months) - 1)]
    return chosen


def _show(one: dict[str, Any]) -> None:
    state = say(*STATES[one["state"]]) if one["state"] else "-"
    deadline = say("截止", "until")
    terminal.out(f"{one['taxpayer']}  {one['channel']}  {one['month']}  {state}  {deadline} {one['deadline'][:16]}")
    asked = one["theirs_at"][:16] if one["theirs_at"] else say("未问", "not asked")
    terminal.out(f"  {'':14} {say('我方', 'ours'):>20}  {say('税局', 'theirs'):>20}  ({asked})")
    for name, words in FIGURES.items():
        ours, theirs = one["ours"][name], (one["theirs"] or {}).get(name)
        mark = " " if theirs is None or str(ours) == str(theirs) else "✗"
        terminal.out(f"{mark} {say(*words):14} {ours!s:>20}  {'-' if theirs is None else theirs!s:>20}")
    for code in one["open"]:
        terminal.out(f"  · {_open(code)}")
    closing = one["closing"]
    if closing is not None:
        terminal.out(f"  {closing['wish']}: {closing['state']} {' '.join(map(_open, closing['refusal']))}".rstrip())


def _open(code: str) -> str:
    """A code of what is open, in words."""
    name, _, value = code.partition("=")
    words = OPEN.get(name) or OPEN.get(name.split(".")[0]) or (name, name)
    tail = name.partition(".")[2] if name.split(".")[0] in OPEN else ""
    return terminal.plain(" ".join(part for part in (say(*words), tail, value) if part))


def confirm(
    month: Month,
    taxpayer: Taxpayer,
    channel: Annotated[str | None, typer.Option("--channel", help=say("通道", "Channel"))] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=say("只看能否确认", "Only say whether it could"))] = False,
    wait: Wait = 120.0,
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Confirm a month. Exit code 1 when something stands in the way."""
    _close("confirm", month, taxpayer, channel, wait, directory, json_output=json_output, dry_run=dry_run)


def unconfirm(
    month: Month,
    taxpayer: Taxpayer,
    channel: Annotated[str | None, typer.Option("--channel", help=say("通道", "Channel"))] = None,
    wait: Wait = 120.0,
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Open a confirmed month again, until the 13th."""
    _close("unconfirm", month, taxpayer, channel, wait, directory, json_output=json_output, dry_run=False)


def _close(
    way: str,
    month: str,
    taxpayer: str,
    channel: str | None,
    wait: float,
    directory: Any,
    *,
    json_output: bool,
    dry_run: bool,
) -> None:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        if dry_run:
            pages: Any = api.get(f"/v1/months/{month}", taxpayer=taxpayer)
            one = next(page for page in pages if channel in (None, page["channel"]))
        else:
            one = _until_done(api, _wished(api, f"/v1/months/{month}:{way}", taxpayer, channel), wait)
    terminal.out_json(one) if json_output else _show(one)
    done = not one["open"] if dry_run else (one["closing"] or {"state": "done"})["state"] == "done"
    if not done:
        raise typer.Exit(terminal.FAILED)


def _wished(api: Any, path: str, taxpayer: str, channel: str | None) -> Any:
    """The month with the wish written down. A refusal is told item by item, in words."""
    from kaipiao.errors import KaipiaoError, MonthNotReady

    try:
        _, wished = api.post(path, taxpayer=taxpayer, channel=channel)
    except KaipiaoError as refused:
        listed = refused.facts.get("fields")
        if refused.code == MonthNotReady.code and isinstance(listed, list):
            for code in listed:
                terminal.errors().print(f"  · {_open(str(code))}")
        raise
    return wished


def _until_done(api: Any, one: Any, wait: float) -> dict[str, Any]:
    """The month once the wish was carried out or refused, or the time is over."""
    until = time.monotonic() + wait
    page: dict[str, Any] = one
    while page["closing"] and page["closing"]["state"] in ("wished", "sent") and time.monotonic() < until:
        time.sleep(LOOK)
        pages = api.get(f"/v1/months/{one['month']}", taxpayer=one["taxpayer"])
        page = next(each for each in pages if each["channel"] == one["channel"])
    return page


def register(app: typer.Typer) -> None:
    app.command(
        help=say("核对两边的账：税局清单与我方", "Compare both sides' books: the bureau's list and ours"),
        epilog=examples(
            "kaipiao reconcile",
            "kaipiao reconcile --month 2026-11 --json",
            "kaipiao reconcile --month 2026-11 --totals",
        ),
    )(reconcile)
    month_app.command(
        "show",
        help=say("一个月的两边与未结事项", "A month, both sides, and what is open"),
        epilog=examples("kaipiao month show 2026-11"),
    )(show)
    month_app.command(
        help=say("汇总确认", "Confirm a month"),
        epilog=examples(
            "kaipiao month confirm 2026-11 --taxpayer 91110000MAKP00001M --dry-run",
            "kaipiao month confirm 2026-11 --taxpayer 91110000MAKP00001M",
        ),
    )(confirm)
    month_app.command(
        help=say("取消汇总确认（13 日零点之前）", "Open a confirmed month again, before the 13th"),
        epilog=examples("kaipiao month unconfirm 2026-11 --taxpayer 91110000MAKP00001M"),
    )(unconfirm)
    app.add_typer(
        month_app,
        name="month",
        help=say(
            "月末：两边合计、未结事项、汇总确认", "The month's end: totals of both sides, what is open, confirming"
        ),
        epilog=examples("kaipiao month", "kaipiao month show 2026-11"),
    )
