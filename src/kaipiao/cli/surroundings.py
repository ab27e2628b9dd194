"""`clock`, `dependencies`: what the platform stands on."""

from __future__ import annotations

from typing import Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say

KINDS = {"payment": ("支付", "payment"), "registry": ("登记", "registry"), "timestamp": ("时间戳", "time stamp")}


def clock(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Is the clock right? What each source says."""
    found = _ask(directory, "/v1/clock")
    if json_output:
        terminal.out_json(found)
        return
    terminal.out(_verdict(found))
    for source in found["sources"]:
        mark = "✓" if source["agrees"] else "✗"
        terminal.out(f"  {mark} {source['source']:24} {source['low_ms']:+.1f} … {source['high_ms']:+.1f} ms")


def dependencies(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Heartbeats of the services of others."""
    found = _ask(directory, "/v1/dependencies")
    if json_output:
        terminal.out_json(found)
        return
    if not found:
        terminal.out(say("设置中没有外部服务（[dependency.名称]）", "The settings name none ([dependency.NAME])"))
    for one in found:
        state = say("中断", "missing") if one["missing"] else say("正常", "beats")
        cause = f"  {one['cause']}" if one["cause"] else ""
        kind = say(*KINDS[one["kind"]])
        terminal.out(f"{one['name']:20} {kind}  {state}  {one['silent_s']:.0f} s  {one['last'] or '-'}{cause}")


def _ask(directory: Directory, path: str) -> Any:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        return api.get(path)


def _verdict(found: dict[str, Any]) -> str:
    skew = found["skew_ms"]
    if skew is None:
        return say("没有时间来源给出一致的说法", "No sources of time that agree")
    if found["stops"]:
        return say(
            f"时钟偏差至少 {skew:+.1f} 毫秒：停止开票",
            f"The clock is off by at least {skew:+.1f} ms: nothing is issued",
        )
    if found["warns"]:
        return say(
            f"时钟偏差至少 {skew:+.1f} 毫秒：请校准", f"The clock is off by at least {skew:+.1f} ms: set it right"
        )
    return say("时钟在允许的范围内", "The clock is within the limits")


def register(app: typer.Typer) -> None:
    app.command(
        "clock",
        help=say("时钟可信吗：每个时间来源的说法", "Is the clock right? What each source of time says"),
        epilog=examples("kaipiao clock", "kaipiao clock --json"),
    )(clock)
    app.command(
        "dependencies",
        help=say("支付、登记、时间戳等外部服务的心跳", "Heartbeats of payment, registry and time stamp services"),
        epilog=examples("kaipiao dependencies", "kaipiao dependencies --json"),
    )(dependencies)
