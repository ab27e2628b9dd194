"""`init`, `serve`, `sandbox`: bringing things to life."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say
from kaipiao.errors import Malformed
from kaipiao.language import Text

COLLECT_AFTER = 20_000  # more containers made than dropped


def init(
    directory: Directory = DEFAULT_DIRECTORY,
    sandbox: Annotated[
        str | None,
        typer.Option(
            help=say(
                "kaipiao sandbox --json 的输出文件，- 为标准输入", "Output of `kaipiao sandbox --json`; - for stdin"
            )
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help=say("HTTP 端口，0 为任意", "HTTP port, 0 for any"))
    ] = 8790,
    database_url_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help=say(
                "账本放在 PostgreSQL：存有连接串的文件",
                "Keep the ledger in PostgreSQL: the file that holds its URL",
            ),
        ),
    ] = None,
    json_output: Json = False,
) -> None:
    """Make a data directory: keys, settings, and a taxpayer when a sandbox is given."""
    from kaipiao.cli.setup import set_up

    bureau = None
    if sandbox is not None:
        try:
            raw = sys.stdin.readline() if sandbox == "-" else Path(sandbox).read_text(encoding="utf-8").splitlines()[0]
            bureau = json.loads(raw)
        except (OSError, ValueError, IndexError) as broken:
            raise Malformed(
                Text(f"沙箱信息无法读取：{sandbox}", f"The sandbox's information cannot be read: {sandbox}")
            ) from broken
    done = set_up(directory, bureau, port, database_url_file)
    if json_output:
        terminal.out_json(done)
        return
    console = terminal.errors()
    console.print(f"[green]✓[/] {say('数据目录已就绪', 'The data directory is ready')}: {directory}")
    console.print(f"  {say('下一步', 'Next')}: kaipiao serve -d {directory}")


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def serve(
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
    log_level: Annotated[
        LogLevel, typer.Option(help=say("日志级别；info 起每个请求一行", "Log level; from info on a line per request"))
    ] = LogLevel.INFO,
) -> None:
    """Run the platform until Ctrl-C."""
    from kaipiao.cli import logs, serving
    from kaipiao.settings import load

    settings = load(directory)
    logs.begin(logs.LEVELS[log_level])

    def ready(url: str) -> None:
        _collect_seldom()
        if json_output:
            terminal.out_json({"url": url, "node": settings.node})
        else:
            terminal.errors().print(f"[green]✓[/] {say('开票服务已启动', 'Kaipiao is running')}: {url}")

    run(serving.serve(directory, settings, ready, None))


def _collect_seldom() -> None:
    """What is loaded by now lives as long as the process, and requests make few cycles: without this the collector looks
    through them all again and again (5 % of the CPU under load)."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def run(work: object) -> None:
    """Run a coroutine on the fastest event loop that is there."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)  # type: ignore[arg-type]
    else:
        uvloop.run(work)  # type: ignore[arg-type]


def sandbox(
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help=say("税局的数据目录", "The bureau's data directory"))
    ] = Path("kaipiao-sandbox"),
    port: Annotated[int, typer.Option(min=0, max=65535, help=say("TLS 端口，0 为任意", "TLS port, 0 for any"))] = 0,
    admin_port: Annotated[int, typer.Option(min=0, max=65535, help=say("管理端口", "Port of the admin endpoint"))] = 0,
    speed: Annotated[
        float, typer.Option(min=0.001, help=say("时钟快慢（仅首次启动）", "Speed of its clock (first start only)"))
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            help=say("时钟起点，ISO 8601（仅首次启动）", "Where its clock starts, ISO 8601 (first start only)")
        ),
    ] = None,
    no_client_cert: Annotated[
        bool,
        typer.Option(
            "--no-client-cert",
            help=say(
                "不要求客户端证书（仅供没有证书的客户端）",
                "Ask for no client certificate (only for clients that have none)",
            ),
        ),
    ] = False,
    rate: Annotated[
        float,
        typer.Option(min=0, help=say("每税号每秒调用上限，0 为不限", "Calls per second and taxpayer, 0 for no limit")),
    ] = 5.0,
    overload_wording: Annotated[
        bool,
        typer.Option(
            "--overload-wording",
            help=say("超限时用真实措辞而非 429", "Over the limit: the real wording instead of 429"),
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help=say("随机种子", "Seed"))] = 0,
    books: Annotated[
        bool,
        typer.Option(
            "--books", help=say("只输出它的账本（NDJSON）后退出", "Only print its register (NDJSON) and exit")
        ),
    ] = False,
    json_output: Json = False,
) -> None:
    """Run a tax bureau to test against. It is no real bureau and files nothing anywhere."""
    if books:
        from kaipiao.authority.sandbox.books import export_books

        for row in export_books(directory):
            terminal.out_json(row)
        return
    from kaipiao.authority.sandbox.server import serve as serve_bureau
    from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
    from kaipiao.cli import logs

    logs.begin()
    settings = SandboxSettings(
        directory=directory,
        port=port,
        admin_port=admin_port,
        speed=speed,
        start=instant(start, "--start"),
        client_certificate_required=not no_client_cert,
        rate_per_second=rate,
        overload_mode="wording" if overload_wording else "429",
        seed=seed,
    )

    def ready(info: SandboxInfo) -> None:
        if json_output:
            terminal.out_json(info.to_json())
            return
        console = terminal.errors()
        console.print(f"[green]✓[/] {say('税局沙箱已启动', 'The sandbox bureau is running')}: {info.url}")
        for name, value in info.to_json().items():
            if name not in ("sm4_key", "admin"):
                console.print(f"  {name:28} {value}")
        console.print(
            say("  密钥与管理口令只在 --json 中给出", "  The key and the admin credential are given by --json only")
        )

    run(serve_bureau(settings, ready=ready))


def instant(text: str | None, option: str) -> datetime | None:
    """The instant that an option names; without a zone it is this machine's."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise typer.BadParameter("Input should be ISO 8601: 2026-11-03T09:00:00+08:00", param_hint=option) from wrong
    return found if found.tzinfo else found.astimezone()


def register(app: typer.Typer) -> None:
    app.command(
        help=say(
            "建立数据目录：密钥、设置；给出沙箱信息时一并接入",
            "Make a data directory: keys and settings; connect a sandbox when given",
        ),
        epilog=examples("kaipiao init", "kaipiao sandbox --json > bureau.json & kaipiao init --sandbox bureau.json"),
    )(init)
    app.command(
        help=say("运行开票服务，Ctrl-C 停止", "Run the platform until Ctrl-C"), epilog=examples("kaipiao serve")
    )(serve)
    app.command(
        help=say("运行税局沙箱（测试用，不是真税局）", "Run a tax bureau to test against (not a real one)"),
        epilog=examples("kaipiao sandbox", "kaipiao sandbox --speed 60 --json > bureau.json"),
    )(sandbox)
