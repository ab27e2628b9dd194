"""`repair`: what is repairable, what a tool would do, and doing it. `repair replace`: a corrected successor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say

repair = typer.Typer(
    no_args_is_help=True, help=say("修复工具箱：列出、试算、运行", "The repair toolbox: list, try, run")
)
Number = Annotated[str, typer.Argument(help=say("20 位发票号码", "Invoice number, 20 digits"))]
Taxpayer = Annotated[str | None, typer.Option(help=say("纳税人识别号", "Tax number"))]
Reason = Annotated[str, typer.Option(help=say("原因，记入事件流水", "Why: it goes into the trail"))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=say("只说会做什么", "Only say what would happen"))]
Yes = Annotated[bool, typer.Option("--yes", help=say("确实运行", "Do it"))]


def list_(
    directory: Directory = DEFAULT_DIRECTORY,
    taxpayer: Taxpayer = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help=say("最多多少项", "At most so many"))] = 100,
    json_output: Json = False,
) -> None:
    """What is repairable now."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get("/v1/repairs", taxpayer=taxpayer, limit=limit)
    for one in found:
        if json_output:
            terminal.out_json(one)
            continue
        cells = (one["number"], one["order"], one["state"] or one["finding"], " ".join(one["tools"]), one["problem"])
        terminal.out("\t".join(plain(str(cell)) if cell else "-" for cell in cells))


def show(
    number: Number, directory: Directory = DEFAULT_DIRECTORY, taxpayer: Taxpayer = None, json_output: Json = False
) -> None:
    """What each tool would do with one invoice, and why not."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get(f"/v1/repairs/{number}", taxpayer=taxpayer)
    if json_output:
        terminal.out_json(found)
        return
    terminal.out(f"{found['invoice']['number']}  {found['invoice']['state']}  ¥{found['invoice']['total']}")
    for tool in found["tools"]:
        terminal.out(f"{'✓' if tool['possible'] else '✗'} {tool['tool']}  {plain(tool['purpose'])}")
        _told(tool)


def run(
    tool: Annotated[str, typer.Argument(help=say("工具", "The tool"))],
    number: Number,
    directory: Directory = DEFAULT_DIRECTORY,
    taxpayer: Taxpayer = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    json_output: Json = False,
) -> int:
    """Without --yes it is a dry run. Exit status 1 when something speaks against it."""
    from kaipiao.cli.serving import platform_api

    trial = dry_run or not yes
    form = {"tool": tool, "number": number, "taxpayer": taxpayer, "reason": reason or "-", "dry_run": trial}
    with platform_api(directory) as api:
        _, done = api.post("/v1/repairs", json.dumps({k: v for k, v in form.items() if v is not None}).encode())
    if json_output:
        terminal.out_json(done)
    else:
        terminal.out(
            say("试算，什么都没有改变：", "A dry run, nothing was changed:") if trial else say("已完成：", "Done:")
        )
        _told(done)
        terminal.out(f"  {done['before'] or '-'} → {done['after'] or '-'}  {done['successor'] or ''}".rstrip())
    return 1 if done["against"] else 0


def replace(
    number: Number,
    file: Annotated[
        Path | None,
        typer.Argument(help=say("更正后的订单（JSON）；省略则内容不变", "The corrected sale (JSON); else the same")),
    ] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    taxpayer: Taxpayer = None,
    json_output: Json = False,
) -> None:
    """A successor under a new number for a finally refused or expired invoice. Again is the same."""
    from kaipiao.cli.serving import platform_api

    body = b"" if file is None else file.read_bytes()
    with platform_api(directory) as api:
        _, done = api.post("/v1/invoices:replace", body, number=number, taxpayer=taxpayer)
    if json_output:
        terminal.out_json(done)
        return
    successor: Any = done["successor"]
    terminal.out(f"{number} → {successor['number']}  {successor['order']}  ¥{successor['total']}")


def _told(one: Any) -> None:
    for text in one["would"]:
        terminal.out(f"  → {plain(text)}")
    for text in one["against"]:
        terminal.out(f"  ✗ {plain(text)}")


def register(app: typer.Typer) -> None:
    repair.command(
        "list",
        help=say("此刻可修复的", "What is repairable now"),
        epilog=examples("kaipiao repair list", "kaipiao repair list --json"),
    )(list_)
    repair.command(
        "show",
        help=say("对一张发票各工具会做什么，为何不行", "What each tool would do with one invoice, and why not"),
        epilog=examples("kaipiao repair show 26117000000000000001"),
    )(show)
    repair.command(
        "run",
        help=say("试算或运行一个工具；不加 --yes 只是试算", "Try or run a tool; without --yes it is a dry run"),
        epilog=examples(
            "kaipiao repair run resend-same-number 26117000000000000001",
            "kaipiao repair run succeed 26117000000000000001 --reason '48 h' --yes",
        ),
    )(run)
    repair.command(
        "replace",
        help=say("以后继发票替换（可更正内容）", "Replace by a successor, corrected if you like"),
        epilog=examples("kaipiao repair replace 26117000000000000001 corrected.json"),
    )(replace)
    app.add_typer(repair, name="repair")
