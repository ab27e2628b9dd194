"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kaipiao.cli.terminal import say

DEFAULT_DIRECTORY = Path("kaipiao-data")

Directory = Annotated[
    Path,
    typer.Option(
        "--directory",
        "-d",
        envvar="KAIPIAO_HOME",
        help=say("数据目录", "The data directory"),
        file_okay=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help=say("输出 JSON", "JSON on stdout"))]
EXAMPLES = say("示例", "Examples")


def examples(*lines: str) -> str:
    """The epilog of a command: its examples, a line each."""
    return "\n\n".join([f"[bold]{EXAMPLES}[/]", *(f"  $ {line}" for line in lines)])
