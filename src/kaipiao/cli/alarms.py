"""`alarm`: what is wrong, who has it, whom a message reaches."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say

alarm = typer.Typer(
    no_args_is_help=True,
    help=say("告警：查看、确认、静默、试发", "Alarms: see, acknowledge, silence, try a channel"),
    epilog=examples("kaipiao alarm list", "kaipiao alarm ack 17 --note 我在处理", "kaipiao alarm test mail"),
)
Number = Annotated[int, typer.Argument(min=1, help=say("编号", "The id"))]
SEVERITIES = {"critical": ("严重", "critical"), "warning": ("警告", "warning"), "info": ("提示", "info")}
STATES = {"open": ("未处理", "open"), "acknowledged": ("有人处理", "acknowledged"), "closed": ("已结束", "closed")}


@alarm.command(
    "list",
    help=say("未结束的告警；--all 连同已结束的", "Alarms that are open; --all: also those that are over"),
    epilog=examples("kaipiao alarm list", "kaipiao alarm list --all --json"),
)
def list_(
    directory: Directory = DEFAULT_DIRECTORY,
    everything: Annotated[bool, typer.Option("--all", help=say("连同已结束的", "Also those that are over"))] = False,
    taxpayer: Annotated[str | None, typer.Option(help=say("只看这个纳税人", "Only of this taxpayer"))] = None,
    json_output: Json = False,
) -> None:
    """By id, one line each."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        state = "all" if everything else "open"
        for page in api.pages("/v1/alarms", state=state, taxpayer=taxpayer, limit=1000):
            for found in page:
                _line(found, json_output)


@alarm.command(
    help=say("一个告警：何事、几次、怎么办", "One alarm: what, how often, what to do"),
    epilog=examples("kaipiao alarm show 17"),
)
def show(identity: Number, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """With its first and last event."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get(f"/v1/alarms/{identity}")
    if json_output:
        terminal.out_json(found)
        return
    _line(found, json_output)
    for name in ("text", "step", "taxpayer", "opened_at", "last_at", "told_at", "acknowledged_by", "note", "closed_at"):
        if found[name]:
            terminal.out(f"  {name:16} {plain(str(found[name]))}")
    for name in ("first", "last"):
        terminal.out(f"  {name:16} {plain(json.dumps(found[name], ensure_ascii=False))}")


@alarm.command(
    "ack",
    help=say(
        "确认：有人在处理，不再重复通知（变严重时除外）",
        "Acknowledge: somebody has it; it is not told again, unless it becomes more severe",
    ),
    epilog=examples("kaipiao alarm ack 17", "kaipiao alarm ack 17 --note 我在处理"),
)
def acknowledge(
    identity: Number,
    directory: Directory = DEFAULT_DIRECTORY,
    note: Annotated[str | None, typer.Option(help=say("备注", "A note"))] = None,
    json_output: Json = False,
) -> None:
    _line(_post(directory, f"/v1/alarms/{identity}:acknowledge", {"note": note}), json_output)


@alarm.command(
    help=say(
        "静默：到时为止不通知，照常计数；不能永久",
        "A silence: nobody is told until then, all is counted; never for ever",
    ),
    epilog=examples(
        "kaipiao alarm silence breaker --hours 8 --reason 机房割接",
        "kaipiao alarm silence --taxpayer 91110000MAKP00001M --until 2026-11-04T06:00:00+08:00 --reason 停业",
    ),
)
def silence(
    reason: Annotated[str, typer.Option(help=say("为何", "Why"))],
    sort: Annotated[str | None, typer.Argument(help=say("告警种类", "The sort of alarms"))] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    hours: Annotated[
        float | None, typer.Option(min=0.01, max=24 * 31, help=say("从现在起的小时数", "Hours from now"))
    ] = None,
    until: Annotated[str | None, typer.Option(help=say("到何时，ISO 8601", "Until when, ISO 8601"))] = None,
    taxpayer: Annotated[str | None, typer.Option(help=say("只对这个纳税人", "Only of this taxpayer"))] = None,
    json_output: Json = False,
) -> None:
    from kaipiao.cli.start import instant

    if (hours is None) == (until is None):
        raise typer.BadParameter("Input should be --hours | --until", param_hint="--hours")
    end = instant(until, "--until") or datetime.now(UTC) + timedelta(hours=hours or 0)
    body = {"sort": sort, "taxpayer": taxpayer, "until": end.isoformat(timespec="seconds"), "reason": reason}
    _silence(_post(directory, "/v1/silences", body), json_output)


@alarm.command(
    help=say("生效中的静默，及其压下了多少", "Silences that hold, and how much each of them kept back"),
    epilog=examples("kaipiao alarm silences"),
)
def silences(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get("/v1/silences")
    for one in found:
        _silence(one, json_output)


@alarm.command(
    help=say("提前结束一个静默", "End a silence before its time"), epilog=examples("kaipiao alarm unsilence 18")
)
def unsilence(identity: Number, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory, issuing=True) as api:
        found = api.delete(f"/v1/silences/{identity}")
    _silence(found, json_output)


@alarm.command(
    "test",
    help=say("真的试发一条，并显示对方的答复", "Really send a message, and show what the channel answered"),
    epilog=examples("kaipiao alarm test mail"),
)
def try_channel(
    channel: Annotated[str, typer.Argument(help=say("渠道名称", "The channel's name"))],
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Fails unless it was delivered."""
    from urllib.parse import quote

    found = _post(directory, f"/v1/alarm-channels/{quote(channel, safe='')}:test", None)
    if json_output:
        terminal.out_json(found)
    else:
        outcome = {
            "delivered": ("已送达", "delivered"),
            "refused": ("被拒绝", "refused"),
            "later": ("未送达", "not delivered"),
        }
        said = say(*outcome[str(found["outcome"])])
        terminal.out(f"{plain(str(found['channel']))}  {said}  {found['cause'] or ''}".rstrip())
    if found["outcome"] != "delivered":
        raise typer.Exit(terminal.FAILED)


def _post(directory: Path, path: str, body: object) -> dict[str, Any]:
    from kaipiao.cli.serving import platform_api

    raw = b"" if body is None else json.dumps(body).encode()
    with platform_api(directory, issuing=True) as api:
        _, answer = api.post(path, raw)
    return answer


def _line(found: dict[str, Any], json_output: bool) -> None:
    if json_output:
        terminal.out_json(found)
        return
    cells = (
        found["alarm"], say(*SEVERITIES[found["severity"]]), say(*STATES[found["state"]]), found["sort"],
        f"×{found['events']}", found["last_at"], found["title"],
    )  # fmt: skip
    terminal.out("\t".join(plain(str(cell)) for cell in cells))


def _silence(found: dict[str, Any], json_output: bool) -> None:
    if json_output:
        terminal.out_json(found)
        return
    cells = (
        found["silence"], found["sort"] or "*", found["taxpayer"] or "*", found["until"], f"×{found['hits']}",
        found["reason"],
    )  # fmt: skip
    terminal.out("\t".join(plain(str(cell)) for cell in cells))


def register(app: typer.Typer) -> None:
    app.add_typer(alarm, name="alarm")
