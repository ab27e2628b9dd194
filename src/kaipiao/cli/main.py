"""`kaipiao`: the commands, and what happens when one fails."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from kaipiao import __version__
from kaipiao.cli import (
    accounts,
    alarms,
    audit_events,
    keys,
    load,
    look,
    make,
    modes,
    months,
    outages,
    prove,
    repair,
    start,
    surroundings,
    terminal,
    tokens,
    words,
)
from kaipiao.cli.terminal import say
from kaipiao.errors import Internal, KaipiaoError
from kaipiao.language import Text

app = typer.Typer(
    name="kaipiao",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": words.HELP_OPTIONS},
    help=say(
        "开票：税局不应答时照常开票，不丢票、不重票。",
        "Kaipiao: keeps issuing when the tax server does not answer; never loses or doubles an invoice.",
    ),
)


def _version(asked: bool) -> None:
    if asked:
        terminal.out(__version__)
        raise typer.Exit()


@app.callback()
def common(
    lang: Annotated[str | None, typer.Option("--lang", help="zh | en")] = None,
    version: Annotated[
        bool, typer.Option("--version", help=say("版本", "The version"), is_eager=True, callback=_version)
    ] = False,
) -> None:
    del version  # done by its callback, before a command is asked for
    if lang not in (None, "zh", "en"):
        raise typer.BadParameter("zh | en", param_hint="--lang")


for room in (
    start,
    tokens,
    accounts,
    alarms,
    make,
    look,
    modes,
    outages,
    months,
    prove,
    audit_events,
    surroundings,
    repair,
    load,
    keys,
):
    room.register(app)


def main() -> None:
    """The entry point. Exit codes: 0 ok, 1 it did not succeed, 64 usage, 70 internal, 130 interrupted."""
    sys.exit(code_of())


def code_of() -> int:  # noqa: PLR0911 — one return for each way a command can end
    try:
        command = typer.main.get_command(app)
        words.use_our_language(command)
        result = command(standalone_mode=False, prog_name="kaipiao")
    except TyperException as usage:
        console = terminal.errors()
        message = usage.format_message()
        if message:  # none: a command without arguments, whose help has been shown
            console.print(f"[bold red]✗[/] {terminal.plain(words.what_is_wrong(message))}")
        console.print(f"  {say('用法', 'Usage')}: kaipiao --help")
        return terminal.USAGE
    except (KeyboardInterrupt, typer.Abort):
        terminal.errors().print(
            say(
                "已中断：已开出的发票都已落账，可随时继续。",
                "Interrupted: what was issued is stored; go on at any time.",
            )
        )
        return terminal.INTERRUPTED
    except BrokenPipeError:
        return terminal.FAILED
    except KaipiaoError as error:
        terminal.tell(error)
        return error.exit_code
    except OSError as error:
        terminal.tell(terminal.of_system(error))
        return terminal.FAILED
    except Exception as defect:  # the last frame of the program: a defect is said, never dumped on the user
        _record(defect)
        return terminal.INTERNAL
    return int(result or 0)


def _record(defect: Exception) -> None:
    import logging

    from kaipiao.cli import logs

    logs.begin()
    logging.getLogger("kaipiao").error("defect", exc_info=defect)
    terminal.tell(
        Internal(Text(f"程序缺陷：{type(defect).__name__}", f"A defect of the program: {type(defect).__name__}"))
    )


if __name__ == "__main__":
    main()
