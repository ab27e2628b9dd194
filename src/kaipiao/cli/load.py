"""`degradation`: at which level the node runs, and that by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.operations.degradation.measures import MEASURES


def degradation(
    directory: Directory = DEFAULT_DIRECTORY,
    level: Annotated[int | None, typer.Option(min=0, max=3, help=say("手动置于此级", "Set this level by hand"))] = None,
    auto: Annotated[bool, typer.Option("--auto", help=say("交还自动", "Let it go by itself again"))] = False,
    reason: Annotated[str | None, typer.Option(help=say("为什么", "Why"))] = None,
    json_output: Json = False,
) -> None:
    """The level of degradation, and what is different at it."""
    import json

    from kaipiao.cli.serving import platform_api

    if auto and level is not None:
        raise typer.BadParameter(say("--level 与 --auto 只能用一个", "either --level or --auto"), param_hint="--auto")
    changing = auto or level is not None
    if changing and not reason:
        raise typer.BadParameter(say("请说明原因", "say why"), param_hint="--reason")
    with platform_api(directory) as api:
        found: Any = api.get("/v1/degradation")
        if changing:
            wish = json.dumps({"level": "auto" if auto else f"L{level}", "reason": reason})
            _, found = api.post("/v1/degradation", wish.encode())
    if json_output:
        terminal.out_json(found)
        return
    how = say("手动", "by hand") if found["by_hand"] else say("自动", "by itself")
    why = f"  {plain(found['reason'])}" if found["reason"] else ""
    terminal.out(f"{plain(found['node'])}  L{found['level']}  {how}{why}")
    terminal.out(say(f"  设计速率的 {found['share']:.0%}", f"  {found['share']:.0%} of the design rate"))
    for measure in MEASURES:
        mark = "●" if measure.name in found["measures"] else "○"
        terminal.out(f"  {mark} L{int(measure.level)} {say(measure.text.zh, measure.text.en)}")


def register(app: typer.Typer) -> None:
    app.command(
        help=say(
            "降级级别：何时少做什么，以便照常开票",
            "The level of degradation: what is done less so that issuing goes on",
        ),
        epilog=examples(
            "kaipiao degradation",
            "kaipiao degradation --level 1 --reason 演练",
            "kaipiao degradation --auto --reason 演练结束",
        ),
    )(degradation)
