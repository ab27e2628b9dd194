"""Typer's own words, in the language of this terminal: headings of the help pages, and what is wrong with a command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import typer

from kaipiao.cli.terminal import LANGUAGE

HELP_OPTIONS = ["-h", "--help"]
HELP = {
    "Show this message and exit.": "显示本帮助",
    "Install completion for the current shell.": "为当前 shell 安装命令补全",
    "Show completion for the current shell, to copy it or customize the installation.": "显示当前 shell 的补全脚本",
}
# What Typer says about a command line, as patterns, and what we say.
WRONG: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"Missing (?:argument|option|parameter) (.+?)\.?(?: .*)?", lambda m: f"缺少参数 {m[1]}"),
    (r"Missing command\.", lambda m: "请写出要执行的命令"),
    (r"No such command (.+)\.", lambda m: f"没有这个命令：{m[1]}"),
    (r"No such option: (\S+)(.*)", lambda m: f"没有这个选项：{m[1]}"),
    (r"Got unexpected extra argument\(?s?\)? \((.*)\)", lambda m: f"多余的参数：{m[1]}"),
    (r"Option (\S+) requires (?:an|\d+) arguments?\.?", lambda m: f"选项 {m[1]} 需要一个值"),
    (r"Invalid value for (.+?): (.*)", lambda m: f"{m[1]} 的值不可用：{_reason(m[2])}"),
)
REASONS: tuple[tuple[str, str], ...] = (
    (r"Input should be a valid integer.*", "须为整数"),
    (r"Input should be a valid number.*", "须为数字"),
    (r"Input should be a finite number.*", "须为有限的数字"),
    (r"Input should be greater than or equal to (\S+)", r"须不小于 \1"),
    (r"Input should be less than or equal to (\S+)", r"须不大于 \1"),
    (r"Input should be (.+)", r"只能是 \1"),
    (r".*is not one of (.+?)\.?", r"只能是 \1"),
    (r"dir (.+) is a file\.", r"\1 是文件，不是目录"),
)


def use_our_language(command: Any) -> None:
    """Give the help pages of this command and all below it Chinese headings when the terminal is Chinese."""
    if LANGUAGE != "zh" or not _help_may_be_shown(sys.argv[1:]):
        return
    from typer import rich_utils  # slow to import, and only for help pages

    rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
    rich_utils.OPTIONS_PANEL_TITLE = "选项"
    rich_utils.COMMANDS_PANEL_TITLE = "命令"
    rich_utils.REQUIRED_LONG_STRING = "[必填]"
    rich_utils.DEFAULT_STRING = "[默认：{}]"
    rich_utils.ENVVAR_STRING = "[环境变量：{}]"
    for one in _all(command):
        context = typer.Context(one, help_option_names=HELP_OPTIONS)
        one.context_class = ChineseContext
        for option in one.get_params(context):
            option.help = HELP.get(getattr(option, "help", None) or "", getattr(option, "help", None))


def _help_may_be_shown(arguments: list[str]) -> bool:
    """By the option, or by a command that was given nothing."""
    return not set(HELP_OPTIONS).isdisjoint(arguments) or (len(arguments) < 4 and "--version" not in arguments)


def _all(command: Any) -> Iterator[Any]:
    yield command
    for one in getattr(command, "commands", {}).values():
        yield from _all(one)


class ChineseContext(typer.Context):
    """Says 用法 where the library says Usage."""

    def make_formatter(self) -> Any:
        formatter = super().make_formatter()
        formatter.write_usage = partial(formatter.write_usage, prefix="用法：")  # type: ignore[method-assign]
        return formatter


def what_is_wrong(message: str) -> str:
    """A sentence of Typer's about a command line, in the language of this terminal; as it is when it is not known."""
    if LANGUAGE == "zh":
        for pattern, ours in WRONG:
            found = re.fullmatch(pattern, message, re.DOTALL)
            if found:
                return ours(found)
    return message


def _reason(message: str) -> str:
    for pattern, ours in REASONS:
        found = re.fullmatch(pattern, message, re.DOTALL)
        if found:
            return found.expand(ours)
    return message
