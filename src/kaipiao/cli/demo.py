"""`kaipiao demo`: the whole way, for real, in under a minute."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kaipiao.cli import terminal
from kaipiao.cli.terminal import say
from kaipiao.errors import KaipiaoError
from kaipiao.language import Text
from kaipiao_lab.auditor import Findings
from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.postgresql import Unavailable, new_server
from kaipiao_lab.processes import NotStarted
from kaipiao_lab.shop import Takings, percentile

PATIENCE = 300.0


class DemoFailed(KaipiaoError):
    """The demo could not be run; the reason is in the detail."""

    code = "KP-DEMO-01"
    title = Text("演示未能完成", "The demo did not finish")
    next_step = Text(
        "用 --keep 目录 重新运行并查看其中的日志。", "Run it again with --keep DIR and read the logs there."
    )


def run_demo(count: int, speed: float, keep: Path | None, json_output: bool, *, with_server: bool = False) -> int:
    """Returns the exit code: 0 when every invoice is confirmed and no book disagrees. `with_server`: the ledger is in a
    PostgreSQL server that is started for the demo."""
    began = time.monotonic()
    console = terminal.errors()
    with _place(keep) as directory, _server(with_server) as database:
        bench = Bench(directory, Sizes(speed=speed, database=database))
        try:
            result, found = _run(bench, count, console, began)
        except (NotStarted, OSError) as failed:
            raise DemoFailed(Text(str(failed), str(failed))) from failed
        finally:
            bench.close()
    if not json_output:
        _tell(console, result)
    terminal.out_json(result)
    agreed = not (found.lost or found.doubled or found.believed_wrong)
    return terminal.OK if agreed and found.issued == found.confirmed == count else terminal.FAILED


def _run(bench: Bench, count: int, console: Console, began: float) -> tuple[dict[str, object], Findings]:
    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        starting = progress.add_task(say("启动税局沙箱与平台", "Starting bureau and platform"), total=1)
        bench.set_up()
        progress.advance(starting)
        selling = progress.add_task(say("开具并签章", "Issuing and sealing"), total=count)
        shop = bench.open_shop()
        shop.sell(count, PATIENCE, lambda: progress.advance(selling))
        settling = progress.add_task(say("上传并确认", "Uploading and confirming"), total=count)
        bench.wait_settled(PATIENCE, lambda left: progress.update(settling, completed=max(0, count - left)))
    cover = _cover(bench)
    bench.close()
    found = bench.audit()
    return _result(found, shop.takings, cover, time.monotonic() - began), found


def _cover(bench: Bench) -> float | None:
    status = bench.status()
    if status is None:
        return None
    hours: float = next(t["cover_hours"] for t in status["taxpayers"] if t["taxpayer"] == bench.seller)
    return hours


def _result(found: Findings, takings: Takings, cover: float | None, seconds: float) -> dict[str, object]:
    return {
        "issued": found.issued,
        "confirmed": found.confirmed,
        "unknown": found.unknown,
        "lost": found.lost,
        "doubled": found.doubled,
        "seconds": round(seconds, 2),
        "p50_ms": round(percentile(takings.milliseconds, 0.50), 2),
        "p99_ms": round(percentile(takings.milliseconds, 0.99), 2),
        "cover_hours": cover,
    }


def _tell(console: Console, result: dict[str, object]) -> None:
    table = Table(title=say("三方账本：客户端、平台、税局", "Three books: client, platform, bureau"), show_header=False)
    names = {
        "issued": say("已开具", "issued"),
        "confirmed": say("税局已确认", "confirmed by the bureau"),
        "unknown": say("结果未知", "unknown"),
        "lost": say("丢失", "lost"),
        "doubled": say("重复", "doubled"),
        "seconds": say("总用时（秒）", "seconds in all"),
        "p50_ms": say("应答中位数（毫秒）", "answer, median (ms)"),
        "p99_ms": say("应答 p99（毫秒）", "answer, p99 (ms)"),
        "cover_hours": say("税局全断还能开（小时）", "hours we can go on with nobody answering"),
    }
    for key, name in names.items():
        table.add_row(name, str(result[key]))
    console.print(table)
    if not result["lost"] and not result["doubled"]:
        console.print(say("[green]✓[/] 不丢一张，不重一张。", "[green]✓[/] Not one lost, not one doubled."))


@contextlib.contextmanager
def _server(wanted: bool) -> Iterator[str | None]:
    if not wanted:
        yield None
        return
    try:
        server = new_server()
    except Unavailable as missing:
        raise DemoFailed(
            Text(f"无法启动 PostgreSQL：{missing}", f"PostgreSQL cannot be started: {missing}"), code="KP-DEMO-02"
        ) from missing
    try:
        yield server.url()
    finally:
        server.close()


@contextlib.contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="kaipiao-demo-") as scratch:
        yield Path(scratch)
