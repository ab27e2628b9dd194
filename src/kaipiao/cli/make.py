"""`issue`: files in, invoices out. `cancel`: an order that has no number yet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.api import Api
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import say
from kaipiao.errors import KaipiaoError

WAIT_SECONDS = 120.0
ASYNC = {"Prefer": "respond-async"}
PENDING = frozenset({"issued", "uploading", "submitted", "unknown"})


def issue(
    files: Annotated[
        list[str],
        typer.Argument(
            help=say("JSON、NDJSON 或数电票 XML 文件，- 为标准输入", "JSON, NDJSON or EInvoice XML files; - for stdin")
        ),
    ],
    directory: Directory = DEFAULT_DIRECTORY,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help=say("等待税局确认", "Wait for the bureau's confirmation"))
    ] = True,
    later: Annotated[
        bool,
        typer.Option("--async", help=say("先受理，稍后编号", "Accept now, number later")),
    ] = False,
    json_output: Json = False,
) -> int:
    """Issue what the files ask for. Repeat it at any time: an order is never issued twice."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory, issuing=True) as api:
        numbers, failed = _issue_all(api, files, later, json_output)
        if wait and numbers:
            _wait(api, numbers, json_output)
    return terminal.FAILED if failed else terminal.OK


def _issue_all(api: Api, files: list[str], later: bool, json_output: bool) -> tuple[list[str], int]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from kaipiao.intake.files import Refusal
    from kaipiao.intake.requests import request_json

    numbers: list[str] = []
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=terminal.errors(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(say("开具", "Issuing"), total=None)
        for name in files:
            for entry in _entries(name):
                try:
                    if isinstance(entry, Refusal):
                        raise entry.error
                    _, answer = _issued(api, request_json(entry.draft), ASYNC if later else {})
                    if answer["number"] is not None:
                        numbers.append(str(answer["number"]))
                    _show_issued(answer, json_output)
                except KaipiaoError as error:
                    failed += 1
                    _show_refused(f"{name}:{entry.position}", error, json_output)
                progress.advance(task)
    return numbers, failed


def _requests(name: str) -> Iterator[Any]:
    from kaipiao.intake.files import read_requests

    if name == "-":
        return read_requests(sys.stdin.buffer, "-")
    return read_requests(Path(name), name)


def _entries(name: str) -> Iterator[Any]:
    """The requests of a file; a file that cannot be read is one refusal, and harms no other file."""
    from kaipiao.intake.files import Refusal

    try:
        yield from _requests(name)
    except OSError as unreadable:
        yield Refusal(name, 1, terminal.of_system(unreadable))


def _issued(api: Api, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    """A platform that is still pulling its first numbers is given a moment."""
    patience = time.monotonic() + 15
    while True:
        try:
            return api.post("/v1/invoices", body, headers=headers)
        except KaipiaoError as error:
            if error.code not in ("KP-ISSUE-01", "KP-ISSUE-02") or time.monotonic() > patience:
                raise
            time.sleep(0.2)


def _show_issued(answer: dict[str, object], json_output: bool) -> None:
    if json_output:
        terminal.out_json(answer)
    else:
        terminal.out(f"{answer['order']}\t{answer['number'] or '-'}\t{answer['total']}")


def _show_refused(position: str, error: KaipiaoError, json_output: bool) -> None:
    if json_output:
        problem: dict[str, object] = {
            "at": position,
            "code": error.code,
            "detail": error.detail.in_language(terminal.LANGUAGE),
            "send_again": error.resend.value,
        }
        terminal.out_json({"refused": problem})
    terminal.errors().print(f"{say('位置', 'At')} {terminal.plain(position)}")
    terminal.tell(error)


def _wait(api: Api, numbers: list[str], json_output: bool) -> None:
    """Until the bureau confirmed them all; what is not confirmed in time goes on at the next start."""
    end = time.monotonic() + WAIT_SECONDS
    left = set(numbers)
    while left and time.monotonic() < end:
        for number in sorted(left):
            record = api.get(f"/v1/invoices/{number}")
            if isinstance(record, dict) and record["state"] not in PENDING:
                left.discard(number)
                if json_output:
                    terminal.out_json({"number": number, "state": record["state"]})
        if left:
            time.sleep(0.3)
    console = terminal.errors()
    console.print(
        say(
            f"已确认 {len(numbers) - len(left)}，待上传或待确认 {len(left)}",
            f"confirmed {len(numbers) - len(left)}, still to be uploaded or confirmed {len(left)}",
        )
    )


def cancel(
    order: Annotated[str, typer.Argument(help=say("订单号", "The order key"))],
    directory: Directory = DEFAULT_DIRECTORY,
    taxpayer: Annotated[
        str | None,
        typer.Option(help=say("纳税人识别号，多于一个时必填", "Tax number; required when there are several")),
    ] = None,
    json_output: Json = False,
) -> None:
    """Cancel an order that was accepted and has no number yet."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        _, record = api.post("/v1/invoices:cancel", order=order, taxpayer=taxpayer)
    if json_output:
        terminal.out_json(record)
    else:
        terminal.out(f"{record['order']}\t{say('已撤销', 'cancelled')}")


def register(app: typer.Typer) -> None:
    app.command(
        help=say("撤销尚无号码的订单", "Cancel an order that has no number yet"),
        epilog=examples("kaipiao cancel A-1001"),
    )(cancel)
    app.command(
        help=say(
            "开具发票：JSON、NDJSON 或 XML；同一订单不会开两次",
            "Issue invoices from JSON, NDJSON or XML; an order is never issued twice",
        ),
        epilog=examples(
            "kaipiao issue sale.json",
            "kaipiao issue sales.ndjson --json",
            "cat sale.json | kaipiao issue -",
            "kaipiao issue sales.ndjson --async",
        ),
    )(issue)
