"""`outage`: when a channel was away, what came of it, and whether a report of it is genuine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say

outage = typer.Typer(no_args_is_help=True, help=say("通道中断及其报告", "Outages of channels and their reports"))
ROWS = (
    ("channel", "通道", "channel"),
    ("begun_at", "开始", "begun"),
    ("back_at", "恢复正常模式", "mode back online"),
    ("drained_at", "期间发票全部有结果", "its debt drained"),
    ("closed_at", "结束", "closed"),
)
COUNTS = (
    ("issued", "期间开具", "issued meanwhile"),
    ("uploaded", "已上传", "uploaded"),
    ("open", "待上传", "still waiting"),
    ("ended_otherwise", "其他结局", "ended otherwise"),
    ("late", "逾期", "late"),
)
OutageId = Annotated[str, typer.Argument(help=say("中断编号", "The id of the outage"))]


@outage.command(
    "list",
    help=say("列出通道中断，最近的在前", "List outages, the latest first"),
    epilog=examples("kaipiao outage list", "kaipiao outage list --open --json"),
)
def list_(
    directory: Directory = DEFAULT_DIRECTORY,
    open_only: Annotated[bool, typer.Option("--open", help=say("只看未结束的", "Only those that are open"))] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help=say("最多几次", "At most so many"))] = 50,
    json_output: Json = False,
) -> None:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get("/v1/outages", open=str(open_only).lower(), limit=limit)
    if not found and not json_output:
        terminal.out(say("没有中断", "no outages"))
    for one in found:
        if json_output:
            terminal.out_json(one)
        else:
            terminal.out(_line(one))


def _line(one: dict[str, Any]) -> str:
    state = say("进行中", "open") if one["open"] else say("已结束", "closed")
    cells = (one["outage"], state, one["channel"], one["begun_at"], one["back_at"] or "-", _cause(one))
    counts = one["counts"]
    return "\t".join(map(plain, cells)) + f"\t{counts['issued']}/{counts['uploaded']}/{counts['open']}/{counts['late']}"


def _cause(one: dict[str, Any]) -> str:
    cause = one["cause"] or {}
    return str(cause.get("code") or cause.get("kind") or "-")


@outage.command(
    help=say("一次中断的经过；可另存网页或签章报告", "One outage; its page or its sealed report into a file"),
    epilog=examples(
        "kaipiao outage show 905969664000000001",
        "kaipiao outage show 905969664000000001 --html outage.html --report outage.json",
    ),
)
def show(
    key: OutageId,
    directory: Directory = DEFAULT_DIRECTORY,
    html: Annotated[Path | None, typer.Option(help=say("网页另存为", "Write its page to this file"))] = None,
    report: Annotated[
        Path | None, typer.Option(help=say("签章报告另存为", "Write the sealed report to this file"))
    ] = None,
    json_output: Json = False,
) -> None:
    from urllib.parse import quote

    from kaipiao.cli.serving import platform_api

    place = f"/v1/outages/{quote(key, safe='')}"
    with platform_api(directory) as api:
        one: Any = api.get(place)
        if html is not None:
            html.write_bytes(api.get_as("text/html", place))
        if report is not None:
            report.write_bytes(api.get_bytes(f"{place}/report"))
    if json_output:
        terminal.out_json(one)
    else:
        _print(one)


def _print(one: dict[str, Any]) -> None:
    terminal.out(f"{one['outage']}  {say('进行中', 'open') if one['open'] else say('已结束', 'closed')}")
    for name, zh, en in ROWS:
        terminal.out(f"  {say(zh, en):20} {plain(one[name] or '-')}")
    cause = one["cause"] or {}
    words = " · ".join(str(cause[name]) for name in ("code", "endpoint", "phase") if cause.get(name)) or "-"
    terminal.out(f"  {say('原因（推断）', 'cause (supposed)'):20} {plain(words)}")
    for name, zh, en in COUNTS:
        terminal.out(f"  {say(zh, en):20} {one['counts'][name]}")
    for change in one["modes"]:
        terminal.out(f"  {change['at']}  {plain(change['mode'])}  {plain(change.get('cause') or '')}".rstrip())


@outage.command(
    help=say("离线核验签章的中断报告", "Verify a sealed report, without a server"),
    epilog=examples(
        "kaipiao outage verify outage.json -d kaipiao-data", "kaipiao outage verify outage.json --trust 04…"
    ),
)
def verify(
    file: Annotated[Path, typer.Argument(help=say("签章报告", "The sealed report"))],
    trust: Annotated[
        str | None,
        typer.Option(help=say("所信任的公钥，十六进制 04‖X‖Y", "The public key that you trust, hex 04‖X‖Y")),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", help=say("从此数据目录取公钥", "Take the key from this data directory")),
    ] = None,
    json_output: Json = False,
) -> int:
    """Exit 0 only when the report is whole and a key that is trusted sealed it; without such a key: 1."""
    from kaipiao.cli.trusted import key_of
    from kaipiao.issuing.outage_report import SIZE_LIMIT, holds, read_report

    with file.open("rb") as opened:
        content = opened.read(SIZE_LIMIT + 1)
    facts, seal = read_report(content)
    keys = key_of(trust, directory)
    verdict = "not_judged" if keys is None else "valid" if holds(content, keys) else "invalid"
    if json_output:
        found = {"verdict": verdict, "outage": str(facts.get("outage")), "key_id": seal.seal.key_id}
        terminal.out_json({**found, "digest": seal.digest.hex()})
    else:
        words = {
            "valid": say("有效：报告完整，由所信任的密钥签章", "valid: whole, and sealed by the key that you trust"),
            "invalid": say("无效：被改动，或不是该密钥所签", "invalid: altered, or not sealed by that key"),
            "not_judged": say("未判定：请给出 --trust 或 -d", "not judged: give --trust or -d"),
        }
        terminal.out(f"{plain(str(facts.get('outage')))}  {words[verdict]}")
    return terminal.OK if verdict == "valid" else terminal.FAILED


def register(app: typer.Typer) -> None:
    app.add_typer(outage, name="outage")
