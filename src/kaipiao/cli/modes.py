"""`mode`, `announce`: in which mode issuing runs, the operator's word, what the authority announced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.look import BOUNDS
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import Malformed
from kaipiao.language import Text

MODES = {
    "online": ("在线", "online"),
    "degraded": ("降级：税局应答缓慢或部分地址不通", "degraded: it answers slowly or in part"),
    "contingency_planned": ("应急：税局计划维护", "contingency: planned maintenance of the bureau"),
    "contingency_failure": ("应急：税局故障", "contingency: failure of the bureau"),
    "offline": ("离线：本方故障", "offline: our own fault"),
    "halted": ("暂停开票", "halted: nothing is issued"),
}
STATES = {
    "coming": ("未开始", "coming"),
    "holds": ("生效中", "holds"),
    "over": ("已结束", "over"),
    "withdrawn": ("已撤回", "withdrawn"),
}
FILE_LIMIT = 1024 * 1024  # bytes
Channel = Annotated[str | None, typer.Option(help=say("只对这个通道，默认全部", "Only this channel; default: all"))]


def mode(
    directory: Directory = DEFAULT_DIRECTORY,
    wanted: Annotated[
        str | None,
        typer.Option(
            "--set", help="halted | auto | offline | contingency_planned | contingency_failure | degraded | online"
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(help=say("为何（--set 时必填）", "Why (needed with --set)"))] = None,
    channel: Channel = None,
    taxpayer: Annotated[str | None, typer.Option(help=say("只对这个纳税人", "Only this taxpayer"))] = None,
    json_output: Json = False,
) -> None:
    """The mode of each channel and taxpayer, with its cause, its deadline and the hours of cover."""
    from kaipiao.cli.serving import platform_api

    if (wanted is None) != (reason is None):
        raise typer.BadParameter(say("--set 与 --reason 须同时填写", "--set and --reason go together"))
    with platform_api(directory) as api:
        if wanted is None:
            found: Any = api.get("/v1/mode")
        else:
            order = {"mode": wanted, "reason": reason, "channel": channel, "taxpayer": taxpayer}
            _, found = api.post("/v1/mode", _body(order))
    if json_output:
        terminal.out_json(found)
        return
    for one in (*found["channels"], *found["taxpayers"]):
        _show(one)


def _show(one: dict[str, Any]) -> None:
    who = one["taxpayer"] or one["channel"]
    terminal.out(f"{who}  {say(*MODES[one['mode']])}  [{one['cause']}]  {say('自', 'since')} {one['since']}")
    if one["reason"]:
        terminal.out(f"  {say('操作员', 'operator')}: {plain(one['reason'])}")
    if one["deadline"]:
        terminal.out(f"  {say('期限', 'deadline')} {one['deadline']}  {say(one['rule_zh'], one['rule_en'])}")
    if one["cover_hours"] is not None:
        bound = say(*BOUNDS.get(one["cover_bound"], (one["cover_bound"],) * 2))
        terminal.out(f"  {say('可持续', 'cover')} {one['cover_hours']} h ({bound})")


def announce(
    directory: Directory = DEFAULT_DIRECTORY,
    kind: Annotated[str | None, typer.Option(help="maintenance | failure | recovered")] = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help=say("何时起，带时区；缺省现在", "From when, with its offset; default: now")),
    ] = None,
    until: Annotated[str | None, typer.Option(help=say("到何时；维护必填", "Until when; maintenance needs it"))] = None,
    text: Annotated[str, typer.Option(help=say("公告原文", "Its words"))] = "",
    channel: Channel = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help=say("JSON 文件：一条或数组", "A JSON file: one, or an array")),
    ] = None,
    withdraw: Annotated[str | None, typer.Option(metavar="ID", help=say("撤回这一条", "Withdraw this one"))] = None,
    json_output: Json = False,
) -> None:
    """Without options: what was announced."""
    from kaipiao.cli.serving import platform_api

    if sum(given is not None for given in (kind, file, withdraw)) > 1:
        raise typer.BadParameter(say("--kind、--file、--withdraw 只能取其一", "one of --kind, --file, --withdraw"))
    rows: list[dict[str, Any]] = [] if file is None else announcements_of(file)
    if kind is not None:
        rows = [{"kind": kind, "from": begin, "until": until, "text": text, "channel": channel}]
    with platform_api(directory) as api:
        found: list[Any] = []
        for row in rows:
            _, made = api.post("/v1/announcements", _body(row))
            found += made
        if withdraw is not None:
            found += api.delete(f"/v1/announcements/{withdraw}")
        if not rows and withdraw is None:
            listed: Any = api.get("/v1/announcements")
            found = listed
    for one in found:
        if json_output:
            terminal.out_json(one)
            continue
        state, span = say(*STATES[one["state"]]), f"{one['from']} – {one['until'] or '…'}"
        terminal.out(f"{one['id']}  {one['channel']}  {one['kind']}  {span}  {state}  {plain(one['text'])}".rstrip())


def _body(fields: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def announcements_of(file: Path) -> list[dict[str, Any]]:
    """Those of a JSON file in UTF-8 of 1 MiB at most. Raises `Malformed`."""
    from kaipiao.issuing.announcements import of_file

    with file.open("rb") as opened:
        content = opened.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise Malformed(Text("公告文件过大", "The file of announcements is too large"))
    try:
        text = content.decode()
    except UnicodeDecodeError as broken:
        raise Malformed(Text("公告文件不是 UTF-8", "The file of announcements is not UTF-8")) from broken
    return of_file(text)


def register(app: typer.Typer) -> None:
    app.command(
        help=say(
            "开票模式、起因、期限、可持续时长；--set 暂停或交还",
            "Mode, cause, deadline, cover; --set halts or releases",
        ),
        epilog=examples(
            "kaipiao mode",
            "kaipiao mode --set halted --reason 核对上月数据",
            "kaipiao mode --set auto --reason 核对完毕",
        ),
    )(mode)
    app.command(
        help=say("税局公告：登记、列出、撤回", "Announcements of the authority: tell, list, withdraw"),
        epilog=examples(
            "kaipiao announce",
            "kaipiao announce --kind maintenance --from 2026-11-07T22:00+08:00 --until 2026-11-08T06:00+08:00 --text 系统升级",
            "kaipiao announce --file announcements.json",
        ),
    )(announce)
