"""`verify`, `audit`, `books`, `demo`: proof."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say
from kaipiao.errors import Malformed
from kaipiao.language import Text
from kaipiao.system_words import reason_of

MARKS = {"valid": "[green]✓[/]", "invalid": "[red]✗[/]", "not_judged": "[yellow]?[/]"}
WORDS = {"valid": ("有效", "valid"), "invalid": ("无效", "invalid"), "not_judged": ("未判定", "not judged")}
READ_LIMIT = 64 * 1024 * 1024


def verify(
    files: Annotated[list[str], typer.Argument(help=say("要核验的文件，- 为标准输入", "The files; - for stdin"))],
    seal: Annotated[Path | None, typer.Option(help=say("分离式签章文件", "A detached seal file"))] = None,
    trust: Annotated[
        str | None,
        typer.Option(help=say("所信任的签章公钥，十六进制 04‖X‖Y", "The seal's public key that you trust, hex 04‖X‖Y")),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory", "-d", help=say("从此数据目录取签章公钥", "Take the seal's key from this data directory")
        ),
    ] = None,
    json_output: Json = False,
) -> int:
    """Is it sound? Layer by layer: valid, invalid, or not judged. Needs no server; a data directory only for --seal."""
    from kaipiao.cli.trusted import sealed_by

    seal_and_key = sealed_by(seal, trust, directory)
    sound = [_verify_one(name, seal_and_key, json_output) for name in files]
    return terminal.OK if all(sound) else terminal.FAILED


def _verify_one(name: str, seal_and_key: tuple[Any, Any], json_output: bool) -> bool:
    from kaipiao.document.verify import report_json
    from kaipiao.document.verify import verify as judge

    try:
        data = sys.stdin.buffer.read(READ_LIMIT + 1) if name == "-" else _read(Path(name))
    except OSError as error:
        report = _unreadable(name, error)
    else:
        report = judge(data, name, seal=seal_and_key[0], sealer=seal_and_key[1])
    if json_output:
        terminal.out(report_json(report, terminal.LANGUAGE))
    else:
        _print(name, report)
    return str(report.overall) != "invalid"


def _unreadable(name: str, error: OSError) -> Any:
    from kaipiao.document.verify import Layer, Report, Verdict

    reason = reason_of(error)
    text = Text(f"文件无法读取：{reason.zh}", f"The file cannot be read: {reason.en}")
    layer = Layer("container", Verdict.INVALID, text)
    return Report("unknown", None, {}, (layer,), Verdict.INVALID, name)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(READ_LIMIT + 1)


def _print(name: str, report: Any) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    word = say(*WORDS[report.overall.value])
    console.print(
        f"{MARKS[report.overall.value]} [bold]{terminal.plain(name)}[/]  {word}  {report.kind}  {terminal.plain(report.number or '')}"
    )
    for layer in report.layers:
        reason = layer.reason.in_language(terminal.LANGUAGE)
        console.print(f"   {MARKS[layer.verdict.value]} {layer.name:14} {terminal.plain(reason)}")
        for warning in layer.warnings:
            console.print(f"       [yellow]![/] {terminal.plain(warning.in_language(terminal.LANGUAGE))}")


audit = typer.Typer(no_args_is_help=True, help=say("核验事件流水", "Verify the trail of events"))


@audit.command(
    "verify",
    help=say(
        "逐条核验事件链，指出第一处被改、被删、被调换的事件",
        "Check the chain: names the first event altered, deleted or moved",
    ),
    epilog=examples("kaipiao audit verify", "kaipiao audit verify --json"),
)
def audit_verify(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> int:
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        report: Any = api.get("/v1/audit")
    if json_output:
        terminal.out_json(report)
    else:
        _print_trail(report)
    return terminal.OK if report["sound"] else terminal.FAILED


def _print_trail(report: dict[str, Any]) -> None:
    terminal.out(
        say(
            "事件链完好" if report["sound"] else "事件链已被破坏",
            "the trail is sound" if report["sound"] else "THE TRAIL IS BROKEN",
        )
    )
    for writer in report["writers"]:
        terminal.out(
            f"  {writer['writer']}: {writer['events']} {say('条', 'events')}, {say('签名覆盖至', 'signed up to')} {writer['covered']}"
        )
        if writer["first_break"]:
            fault = writer["first_break"]
            terminal.out(f"    ✗ {_break(fault['kind'], fault['sequence'])}")
        if writer["bad_heads"]:
            places = ", ".join(map(str, writer["bad_heads"]))
            terminal.out(f"    ✗ {say('签名不成立，位于', 'signature does not verify at')} {places}")
        if writer["uncovered"]:
            first, last = writer["uncovered"]
            terminal.out(f"    {say('尚无签名覆盖', 'not yet under a signed head')}: #{first}–#{last}")


BREAKS = {
    "altered": ("被改动", "was altered"),
    "missing": ("被删除", "is missing"),
    "moved": ("被调换位置", "was moved"),
    "inserted": ("是插入的", "was inserted"),
    "unlinked": ("与前一条不相接", "does not follow from the one before it"),
    "cut": ("起被截断", "and what follows it were cut off"),
    "head_differs": ("与签名不符：此前曾被改写", "differs from what was signed: the trail up to here was rewritten"),
}


def _break(kind: str, sequence: int) -> str:
    zh, en = BREAKS.get(kind, (kind, kind))
    return say(f"第 {sequence} 条{zh}", f"event {sequence} {en}")


def books(
    directory: Directory = DEFAULT_DIRECTORY,
    export: Annotated[
        Path | None, typer.Option(help=say("把我方账本写到此文件（NDJSON）", "Write our books to this file (NDJSON)"))
    ] = None,
    bureau: Annotated[
        Path | None,
        typer.Option(
            help=say(
                "税局账本：NDJSON 文件或沙箱数据目录",
                "The bureau's books: an NDJSON file or a sandbox's data directory",
            )
        ),
    ] = None,
    client: Annotated[
        Path | None, typer.Option(help=say("客户端应答日志（NDJSON）", "The client's log of answers (NDJSON)"))
    ] = None,
    json_output: Json = False,
) -> int:
    """Export our books, and compare them with the bureau's and the client's by an independent auditor."""
    import tempfile

    from kaipiao.cli.serving import platform_api

    with tempfile.TemporaryDirectory() as scratch:
        ours = export or Path(scratch) / "ours.ndjson"
        with platform_api(directory) as api, ours.open("wb") as file:
            file.writelines(api.lines("/v1/books"))
        if bureau is None and client is None:
            if export is None:
                sys.stdout.write(ours.read_text(encoding="utf-8"))
            return terminal.OK
        found = compare(ours, _bureau(bureau, Path(scratch)), client)
    if json_output:
        terminal.out_json(found)
    else:
        for name, value in found.items():
            terminal.out(f"{name:16} {value}")
    return terminal.FAILED if any(found[n] for n in ("lost", "doubled", "believed_wrong")) else terminal.OK


def _bureau(bureau: Path | None, scratch: Path) -> Path | None:
    if bureau is None or bureau.is_file():
        return bureau
    import json

    from kaipiao.authority.sandbox.books import export_books

    exported = scratch / "bureau.ndjson"
    with exported.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in export_books(bureau))
    return exported


def compare(ours: Path, bureau: Path | None, client: Path | None) -> dict[str, Any]:
    """The auditor's findings as a dictionary."""
    from kaipiao_lab import auditor

    mine = list(auditor.our_book(ours))
    theirs = auditor.bureau_book(bureau) if bureau else iter(mine)
    answers = auditor.client_book(client) if client else iter(())
    try:
        return auditor.compare(answers, mine, theirs).as_dict()
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:  # a book of the user's that is none
        raise Malformed(
            Text("账本文件不是所需的 NDJSON", "A file of books is not the NDJSON that it should be")
        ) from wrong


class Database(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def demo(
    count: Annotated[int, typer.Option(min=1, max=100000, help=say("开多少张", "How many invoices"))] = 1000,
    speed: Annotated[
        float, typer.Option(min=1, max=1000, help=say("沙箱时钟快多少倍", "How fast the sandbox's clock runs"))
    ] = 20.0,
    keep: Annotated[Path | None, typer.Option(help=say("保留数据到此目录", "Keep the data in this directory"))] = None,
    database: Annotated[
        Database,
        typer.Option(
            help=say(
                "账本：内置的 SQLite，或临时启动的 PostgreSQL（须有开发依赖）",
                "The ledger: embedded SQLite, or a PostgreSQL server started for it (needs the development dependencies)",
            )
        ),
    ] = Database.SQLITE,
    json_output: Json = False,
) -> int:
    """The whole way, for real: a bureau, the platform, a shop, three books and an auditor."""
    from kaipiao.cli.demo import run_demo

    return run_demo(count, speed, keep, json_output, with_server=database is Database.POSTGRESQL)


def register(app: typer.Typer) -> None:
    app.command(
        help=say("核验发票文件：逐层给出有效、无效或未判定", "Verify invoice files, layer by layer"),
        epilog=examples("kaipiao verify invoice.xml", "kaipiao verify *.xml --json"),
    )(verify)
    app.add_typer(audit, name="audit")
    app.command(
        help=say("导出账本，并与税局、客户端账本核对", "Export the books; compare with the bureau's and the client's"),
        epilog=examples(
            "kaipiao books --export ours.ndjson", "kaipiao books --bureau kaipiao-sandbox --client answers.ndjson"
        ),
    )(books)
    app.command(
        help=say(
            "演示：启动沙箱与平台，开 1000 张票并核对三方账本",
            "Demo: start a bureau and the platform, issue 1,000 invoices, compare three books",
        ),
        epilog=examples("kaipiao demo", "kaipiao demo --json --count 200"),
    )(demo)
