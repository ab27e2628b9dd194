"""`accounts`: people who may sign in. Whoever may use the data directory manages them, the first admin too."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import Malformed
from kaipiao.language import Text

PASSWORD_LIMIT = 4096  # bytes of a file; the platform takes fewer
BOM = b"\xef\xbb\xbf"
PAGE = 1000

accounts = typer.Typer(
    no_args_is_help=True, help=say("账户：能登录的人", "Accounts: people who may sign in"), epilog=None
)
Name = Annotated[str, typer.Argument(help=say("账户名；租户的账户为 名字@租户", "The name; of a tenant NAME@TENANT"))]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False, allow_dash=True, help=say("口令文件，- 为标准输入", "A file with the password; - for stdin")
    ),
]


class Role(StrEnum):
    ISSUER = "issuer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


@accounts.command(
    help=say("新建账户；口令在终端输入，不回显", "Make an account; its password is asked for and not shown"),
    epilog=examples(
        "kaipiao accounts add root --role admin",
        "kaipiao accounts add li --role issuer --tenant north --password-file password.txt --must-change",
    ),
)
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="issuer | operator | auditor | admin")],
    directory: Directory = DEFAULT_DIRECTORY,
    tenant: Annotated[str | None, typer.Option(help=say("属于这个租户", "Of this tenant"))] = None,
    taxpayer: Annotated[
        list[str] | None, typer.Option(help=say("限于这些税号，默认全部", "Only these taxpayers; default: all"))
    ] = None,
    password_file: PasswordFile = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help=say("首次登录须改口令", "To be changed at the first log-in"))
    ] = False,
    json_output: Json = False,
) -> None:
    """Durable when it returns."""
    body = {
        "account": name,
        "role": role.value,
        "tenant": tenant,
        "taxpayers": taxpayer or [],
        "password": _password(password_file),
        "must_change": must_change,
    }
    made = _post(directory, "/v1/accounts", body)
    del made["initial_password"]  # ours was given
    if json_output:
        terminal.out_json(made)
        return
    terminal.errors().print(f"[green]✓[/] {say('账户已建立', 'The account is made')}: {plain(str(made['account']))}")
    if role is Role.ADMIN:
        terminal.errors().print(
            say(
                "  首次登录后须设置一次性密码（access.admin_totp）。",
                "  After the first log-in one-time codes are to be set up (access.admin_totp).",
            )
        )


@accounts.command(
    "list", help=say("列出账户", "List accounts"), epilog=examples("kaipiao accounts list --tenant north")
)
def list_(
    directory: Directory = DEFAULT_DIRECTORY,
    tenant: Annotated[str | None, typer.Option(help=say("只看这个租户", "Only this tenant"))] = None,
    json_output: Json = False,
) -> None:
    """By name."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        after = ""
        while True:
            page: Any = api.get("/v1/accounts", tenant=tenant, after=after, limit=PAGE)
            for account in page:
                _show(account, json_output)
            if len(page) < PAGE:
                return
            after = page[-1]["account"]


@accounts.command(help=say("一个账户的现状", "One account as it stands"), epilog=examples("kaipiao accounts show wang"))
def show(name: Name, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Its role and reach, whether it is disabled or locked."""
    from kaipiao.cli.serving import platform_api

    with platform_api(directory) as api:
        found: Any = api.get(_address(name))
    _show(found, json_output)


@accounts.command(help=say("改角色", "Give it another role"), epilog=examples("kaipiao accounts role wang auditor"))
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="issuer | operator | auditor | admin")],
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Its sessions end."""
    _show(_post(directory, f"{_address(name)}:role", {"role": role.value}), json_output)


@accounts.command(
    help=say("停用：会话立即结束，账户不删除", "Disable: its sessions end at once, nothing is deleted"),
    epilog=examples("kaipiao accounts disable wang"),
)
def disable(name: Name, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Whoever left."""
    _show(_post(directory, f"{_address(name)}:disable", None), json_output)


@accounts.command(help=say("启用", "Enable again"), epilog=examples("kaipiao accounts enable wang"))
def enable(name: Name, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Its password and codes are what they were."""
    _show(_post(directory, f"{_address(name)}:enable", None), json_output)


@accounts.command(
    help=say("登录失败过多而锁定的，立即解锁", "Unlock after failures"), epilog=examples("kaipiao accounts unlock wang")
)
def unlock(name: Name, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """A source that is locked stays so until its time is over."""
    _show(_post(directory, f"{_address(name)}:unlock", None), json_output)


@accounts.command(
    help=say(
        "重置口令；不给文件则生成一个，只显示这一次", "Reset the password; one is made up and shown once, unless given"
    ),
    epilog=examples("kaipiao accounts reset-password wang"),
)
def reset_password(
    name: Name,
    directory: Directory = DEFAULT_DIRECTORY,
    password_file: PasswordFile = None,
    json_output: Json = False,
) -> None:
    """It must be changed at the next log-in."""
    body = {} if password_file is None else {"password": _of_file(password_file)}
    made = _post(directory, f"{_address(name)}:reset-password", body)
    first = made.pop("initial_password")
    if json_output:
        terminal.out_json({**made, **({} if first is None else {"initial_password": first})})
        return
    terminal.errors().print(f"[green]✓[/] {say('口令已重置，下次登录须改', 'Reset; to be changed at the next log-in')}")
    if first is not None:
        terminal.out(str(first))


@accounts.command(
    help=say("关闭一次性密码：丢了设备与恢复码时", "Switch one-time codes off: device and recovery codes are lost"),
    epilog=examples("kaipiao accounts totp-reset wang"),
)
def totp_reset(name: Name, directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Its sessions end."""
    _show(_post(directory, f"{_address(name)}:reset-totp", None), json_output)


def _address(name: str) -> str:
    return f"/v1/accounts/{quote(name, safe='')}"


def _post(directory: Path, path: str, body: object) -> dict[str, object]:
    from kaipiao.cli.serving import platform_api

    raw = b"" if body is None else json.dumps(body).encode()
    with platform_api(directory) as api:
        _, answer = api.post(path, raw)
    return answer


def _show(account: dict[str, Any], json_output: bool) -> None:
    if json_output:
        terminal.out_json(account)
        return
    standing = [
        word
        for holds, word in (
            (account["disabled"], say("已停用", "disabled")),
            (account["locked_until"], say("已锁定", "locked")),
            (account["must_change"], say("须改口令", "password to be changed")),
            (account["totp"], say("一次性密码", "one-time codes")),
        )
        if holds
    ]
    reach = ",".join(account["taxpayers"]) or account["tenant"] or "*"
    terminal.out("\t".join((plain(account["account"]), account["role"], plain(reach), " ".join(standing))).rstrip())


def _password(file: Path | None) -> str:
    """From the file, or typed twice at a terminal; never an argument, which every user of the machine could read."""
    if file is not None:
        return _of_file(file)
    if not sys.stdin.isatty():
        raise typer.BadParameter("Input should be --password-file FILE | a terminal", param_hint="--password-file")
    typed: str = typer.prompt(say("口令", "Password"), hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _of_file(file: Path) -> str:
    if str(file) == "-":
        content = sys.stdin.buffer.read(PASSWORD_LIMIT + 1)
    else:
        with file.open("rb") as opened:
            content = opened.read(PASSWORD_LIMIT + 1)
    try:
        if len(content) > PASSWORD_LIMIT:
            raise ValueError("too long")
        return content.removeprefix(BOM).removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except ValueError as unreadable:
        raise Malformed(Text("口令文件无法读取", "The file with the password cannot be read")) from unreadable


def register(app: typer.Typer) -> None:
    app.add_typer(accounts, name="accounts")
