"""`keys import`: read everything first, judge it, and write only when all of it is good."""

from __future__ import annotations

import os
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import KeyUnsuitable, MaterialUnreadable, PasswordNeeded, PasswordWrong, SettingsFault, TooLarge
from kaipiao.language import Text
from kaipiao.settings import FILE_NAME, STORED_KEY, Settings, load

if TYPE_CHECKING:
    from kaipiao.seal.importing.found import Found
    from kaipiao.seal.importing.judging import Judgement, Use
    from kaipiao.seal.importing.placing import Placement

PASSWORD_VARIABLE = "KAIPIAO_IMPORT_PASSWORD"  # noqa: S105 (the name of a variable)
_PASSWORD_LIMIT = 4096  # bytes


class Purpose(StrEnum):
    SEAL = "seal"
    AUDIT = "audit"
    TLS_CLIENT = "tls-client"
    TOKEN = "token"  # noqa: S105 (a purpose)


def import_(
    files: Annotated[list[Path], typer.Argument(help=say("一起判断的文件", "Files, judged together"), dir_okay=False)],
    directory: Directory = DEFAULT_DIRECTORY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=say("只说明用途，不写任何东西", "Only say what is good for what"))
    ] = False,
    purpose: Annotated[Purpose | None, typer.Option(help=say("用途，默认自动", "What for; default: by itself"))] = None,
    key_id: Annotated[
        str | None, typer.Option("--id", help=say("密钥编号（仅一把时）", "Id (of a single key)"))
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help=say(f"口令文件；或环境变量 {PASSWORD_VARIABLE}", f"File of the password; or set {PASSWORD_VARIABLE}"),
        ),
    ] = None,
    json_output: Json = False,
) -> None:
    """Read everything first, judge it, and write only when all of it is good."""
    from kaipiao.seal.importing.judging import judge

    settings = _settings(directory, optional=dry_run)
    environment = settings.environment if settings is not None else "production"
    found = _read(files, password_file)
    now = datetime.now(UTC)
    judged = judge([one for _, one in found], now, environment)
    named = [(file, one) for (file, _), one in zip(found, judged, strict=True)]
    use: Use | None = purpose.value if purpose is not None else None
    if settings is None or dry_run:
        _rehearse(directory, settings, named, use, now, json_output)
    else:
        _write(directory, settings, judged, use, key_id, json_output)


def _settings(directory: Path, *, optional: bool) -> Settings | None:
    return None if optional and not (directory / FILE_NAME).exists() else load(directory)


def _read(files: list[Path], password_file: Path | None) -> list[tuple[str, Found]]:
    """(file, found) of everything. A password is asked for once, and only when a file needs one."""
    from kaipiao.seal.importing.limits import LIMITS
    from kaipiao.seal.importing.reading import read_material

    password = _given_password(password_file)
    found = []
    for file in files:
        data = _content(file, LIMITS.file_bytes + 1)
        with _named(file):
            try:
                material = read_material(data, password)
            except PasswordNeeded:
                if not sys.stdin.isatty():
                    raise
                hidden = typer.prompt(say(f"{file.name} 的口令", f"Password of {file.name}"), hide_input=True, err=True)
                password = str(hidden).encode("utf-8")
                material = read_material(data, password)
        found += [(file.name, one) for one in material]
    return found


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """What is wrong with a file begins with its name: often there are several."""
    try:
        yield
    except (MaterialUnreadable, PasswordNeeded, PasswordWrong, TooLarge) as fault:
        fault.detail = Text(f"{file.name}：{fault.detail.zh}", f"{file.name}: {fault.detail.en}")
        raise


def _given_password(file: Path | None) -> bytes | None:
    """Without the line's end and the mark that editors put there. Never from an argument: every process sees those."""
    if file is not None:
        return _content(file, _PASSWORD_LIMIT).removeprefix(BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    value = os.environ.get(PASSWORD_VARIABLE)
    return None if value is None else value.encode("utf-8", "surrogateescape")


def _content(file: Path, limit: int) -> bytes:
    """At most so many bytes. A pipe is waited for while somebody writes to it, and is empty when nobody does."""
    try:
        with open(file, "rb", opener=_open_at_once) as opened:
            return opened.read(limit)
    except OSError as error:
        raise terminal.of_system(error) from error


def _open_at_once(name: str, flags: int) -> int:
    if os.name == "nt":
        return os.open(name, flags)
    descriptor = os.open(name, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def _rehearse(
    directory: Path,
    settings: Settings | None,
    named: list[tuple[str, Judgement]],
    use: Use | None,
    now: datetime,
    json_output: bool,
) -> None:
    """Says what would happen. Opens nothing, makes no directory, needs no key-encryption key."""
    from kaipiao.cli import key_report
    from kaipiao.seal.importing.placing import entries, plan

    there = entries(directory / settings.keys.directory) if settings is not None else []
    refused, planned = None, []
    try:
        planned = plan([one for _, one in named], use, there)
    except KeyUnsuitable as unsuitable:
        refused = unsuitable
    if json_output:
        terminal.out_json(
            {
                "dry_run": True,
                "environment": settings.environment if settings is not None else "production",
                "found": [key_report.as_json(one, file, now) for file, one in named],
                "would_import": [key_report.of_placement(one, None) for one in planned],
            }
        )
    else:
        for file, one in named:
            key_report.tell(one, file, now)
        _tell_plan(planned, refused)
    if refused is not None and use is not None:
        raise refused


def _tell_plan(planned: list[Placement], refused: Any) -> None:
    console = terminal.errors()
    if refused is not None:
        console.print(
            f"{say('不会导入', 'Nothing would be imported')}: {plain(refused.detail.in_language(terminal.LANGUAGE))}"
        )
    for one in planned:
        what = say("只补证书", "certificate only") if one.existing else say("私钥", "private key")
        console.print(f"{say('将导入', 'Would import')}: {what}, {one.algorithm}, {one.purpose}")
    console.print(say("试运行：没有写任何东西。", "A dry run: nothing was written."))


def _write(
    directory: Path, settings: Settings, judged: list[Judgement], use: Use | None, key_id: str | None, json_output: bool
) -> None:
    from kaipiao.access.keys import key_store
    from kaipiao.cli import key_report
    from kaipiao.seal.importing.exclusive import exclusive
    from kaipiao.seal.importing.placing import place, plan

    with exclusive(directory / settings.keys.directory):
        store = key_store(directory, settings)
        planned = plan(judged, use, store.list())
        if key_id is not None and len(planned) > 1:
            raise SettingsFault(Text("--id 只能用于一把密钥", "--id is for a single key"), code="KP-SETTINGS-05")
        for one in planned:
            made = place(store, one, key_id)
            if json_output:
                terminal.out_json({**key_report.of_placement(one, made), "setting": setting(one.purpose, made)})
            else:
                _tell_done(one, made)


def _tell_done(one: Placement, key_id: str) -> None:
    console = terminal.errors()
    console.print(f"[green]✓[/] {say('已导入', 'Imported')}: {key_id} ({one.algorithm}, {one.purpose})")
    console.print(
        f"  {say('下一步：在 kaipiao.toml 中设置', 'Next: set in kaipiao.toml')}: {plain(setting(one.purpose, key_id))}"
    )
    console.print(say("  然后重启服务。", "  Then restart the server."))


def setting(purpose: str, key_id: str) -> str:
    """The line of `kaipiao.toml` that puts the key to use."""
    if purpose == "seal":
        return f'taxpayer.seal = "{key_id}"'
    if purpose == "tls-client":
        return f'channel.leqi.client_key = "{STORED_KEY}{key_id}"'
    return f'keys.{purpose} = "{key_id}"'
