"""`keys`: bring your own, look at them, make new ones, change the key that encrypts them."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import Malformed, SettingsFault
from kaipiao.language import Text
from kaipiao.settings import FILE_NAME, STORED_KEY, Settings, load

if TYPE_CHECKING:
    from kaipiao.seal.importing.found import Found
    from kaipiao.seal.importing.judging import Judgement, Use
    from kaipiao.seal.importing.placing import Placement
    from kaipiao.seal.keyfile import KeyEntry
    from kaipiao.seal.keystore import KeyStore

PASSWORD_VARIABLE = "KAIPIAO_IMPORT_PASSWORD"  # noqa: S105 (the name of a variable)
_PASSWORD_LIMIT = 4096  # bytes


class Purpose(StrEnum):
    SEAL = "seal"
    AUDIT = "audit"
    TLS_CLIENT = "tls-client"
    TOKEN = "token"  # noqa: S105 (a purpose)


class Algorithm(StrEnum):
    SM2 = "SM2"
    P256 = "P-256"


keys = typer.Typer(
    no_args_is_help=True,
    help=say("密钥与证书：导入、查看、新建、更换主密钥", "Keys and certificates: import, look, make, change the KEK"),
)


@keys.command(
    "import",
    help=say(
        "导入已有的私钥与证书（PKCS#8、SEC1、PKCS#12、PKCS#7、X.509、.esl；PEM 或 DER）",
        "Import existing keys and certificates (PKCS#8, SEC1, PKCS#12, PKCS#7, X.509, .esl; PEM or DER)",
    ),
    epilog=examples(
        "kaipiao keys import seal.p12 --dry-run",
        "kaipiao keys import seal.key seal.crt ca.crt --purpose seal --password-file password.txt",
    ),
)
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
    from kaipiao.errors import PasswordNeeded
    from kaipiao.seal.importing.limits import LIMITS
    from kaipiao.seal.importing.reading import read_material

    password = _given_password(password_file)
    found = []
    for file in files:
        data = _content(file, LIMITS.file_bytes + 1)
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


def _given_password(file: Path | None) -> bytes | None:
    """Without the line's end that editors put there. Never from an argument: those are visible to every process."""
    if file is not None:
        return _content(file, _PASSWORD_LIMIT).removesuffix(b"\n").removesuffix(b"\r")
    value = os.environ.get(PASSWORD_VARIABLE)
    return None if value is None else value.encode("utf-8", "surrogateescape")


def _content(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(limit)
    except OSError as error:
        raise Malformed(
            Text(f"文件无法读取：{file}（{error.strerror}）", f"The file cannot be read: {file} ({error.strerror})")
        ) from error


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
    from kaipiao.errors import KeyUnsuitable
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
                terminal.out_json({**key_report.of_placement(one, made), "setting": _setting(one.purpose, made)})
            else:
                _tell_done(one, made)


def _tell_done(one: Placement, key_id: str) -> None:
    console = terminal.errors()
    console.print(f"[green]✓[/] {say('已导入', 'Imported')}: {key_id} ({one.algorithm}, {one.purpose})")
    console.print(
        f"  {say('下一步：在 kaipiao.toml 中设置', 'Next: set in kaipiao.toml')}: {plain(_setting(one.purpose, key_id))}"
    )
    console.print(say("  然后重启服务。", "  Then restart the server."))


def _setting(purpose: str, key_id: str) -> str:
    """The line of `kaipiao.toml` that puts the key to use."""
    if purpose == "seal":
        return f'taxpayer.seal = "{key_id}"'
    if purpose == "tls-client":
        return f'channel.leqi.client_key = "{STORED_KEY}{key_id}"'
    return f'keys.{purpose} = "{key_id}"'


@keys.command(
    "list",
    help=say("列出密钥：用途、算法、证书到期、谁在用", "List the keys: purpose, algorithm, expiry, who uses them"),
    epilog=examples("kaipiao keys list", "kaipiao keys list --json"),
)
def list_(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Every key, oldest first."""
    settings = load(directory)
    store = _store(directory, settings)
    now = datetime.now(UTC)
    for entry in store.list():
        row = _row(store, settings, entry, now)
        if json_output:
            terminal.out_json(row)
        else:
            expiry = f"  {say('到期', 'ends')} {row['not_after'][:10]}" if row["not_after"] else ""
            used = f"  {say('使用', 'used by')} {', '.join(row['used_by'])}" if row["used_by"] else ""
            terminal.out(f"{entry.key_id}  {entry.algorithm:5}  {entry.purpose}{expiry}{used}")


@keys.command(
    "show",
    help=say("一把密钥的公开部分：公钥、证书、到期", "The public part of a key: public key, certificate, expiry"),
    epilog=examples("kaipiao keys show seal-20261124-3f9a"),
)
def show(
    key_id: Annotated[str, typer.Argument(help=say("密钥编号", "The key's id"))],
    directory: Directory = DEFAULT_DIRECTORY,
    json_output: Json = False,
) -> None:
    """Data on stdout: the public key and the certificates as PEM, or JSON."""
    from kaipiao.cli import key_report
    from kaipiao.errors import KeyUnknown
    from kaipiao.seal.importing.judging import judge
    from kaipiao.seal.keyformat import pem

    settings = load(directory)
    store = _store(directory, settings)
    store.public(key_id)  # says that it is unknown or damaged
    entry = next((one for one in store.list() if one.key_id == key_id), None)
    if entry is None:
        raise KeyUnknown(key_id=key_id)
    now = datetime.now(UTC)
    public = pem("PUBLIC KEY", entry.public_key).decode("ascii")
    held = store.certificates(key_id)
    judged = judge([_found(entry), *_certificates(held)], now, settings.environment)
    if json_output:
        found = [key_report.as_json(one, key_id, now) for one in judged]
        terminal.out_json({**_row(store, settings, entry, now), "public_key": public, "found": found})
        return
    terminal.errors().print(f"[bold]{entry.key_id}[/] {entry.algorithm} {entry.purpose} {entry.created:%Y-%m-%d}")
    for one in judged:
        key_report.tell(one, key_id, now)
    terminal.out(public + (held or b"").decode("ascii"))


@keys.command(
    "create",
    help=say("新建一把密钥", "Make a new key"),
    epilog=examples("kaipiao keys create --purpose seal", "kaipiao keys create --purpose token --algorithm P-256"),
)
def create(
    purpose: Annotated[Purpose, typer.Option(help=say("用途", "What for"))],
    directory: Directory = DEFAULT_DIRECTORY,
    algorithm: Annotated[Algorithm | None, typer.Option(help=say("默认按用途", "Default: by the purpose"))] = None,
    key_id: Annotated[
        str | None, typer.Option("--id", help=say("密钥编号，默认自动", "Its id; default: made up"))
    ] = None,
    json_output: Json = False,
) -> None:
    """Seals and the event trail take SM2, tokens and TLS P-256."""
    from kaipiao.seal.importing.exclusive import exclusive

    settings = load(directory)
    usual = Algorithm.SM2 if purpose in (Purpose.SEAL, Purpose.AUDIT) else Algorithm.P256
    if algorithm not in (None, usual):
        raise SettingsFault(
            Text(f"用途 {purpose.value} 须为 {usual.value}", f"The purpose {purpose.value} takes {usual.value}"),
            code="KP-SETTINGS-06",
        )
    with exclusive(directory / settings.keys.directory):
        made = _store(directory, settings).create(purpose.value, usual.value, key_id)
    if json_output:
        terminal.out_json(
            {"id": made, "purpose": purpose.value, "algorithm": usual.value, "setting": _setting(purpose.value, made)}
        )
        return
    terminal.out(made)
    console = terminal.errors()
    console.print(
        f"  {say('下一步：在 kaipiao.toml 中设置', 'Next: set in kaipiao.toml')}: {plain(_setting(purpose.value, made))}"
    )


@keys.command(
    "rewrap",
    help=say(
        "更换主密钥（KEK）：服务可继续运行；中断后再执行一次即可",
        "Change the key-encryption key while serving; run it again after an interruption",
    ),
    epilog=examples("kaipiao keys rewrap"),
)
def rewrap(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """The keys stay what they are; only what encrypts them changes."""
    from kaipiao.seal.importing.rotation import rotate

    settings = load(directory)
    count = rotate(directory / settings.keys.directory, directory / settings.keys.kek_file)
    if json_output:
        terminal.out_json({"rewrapped": count})
        return
    console = terminal.errors()
    console.print(f"[green]✓[/] {say(f'主密钥已更换，{count} 把密钥', f'The KEK was changed, for {count} keys')}")
    console.print(say("  请重新备份 keys/。", "  Back up keys/ anew."))


def _store(directory: Path, settings: Settings) -> KeyStore:
    from kaipiao.access.keys import key_store

    return key_store(directory, settings)


def _row(store: KeyStore, settings: Settings, entry: KeyEntry, now: datetime) -> dict[str, Any]:
    from kaipiao.cli import key_report

    own = [one for one in _certificates(store.certificates(entry.key_id)) if one.public_key == entry.public_key]
    about = key_report.of_found(own[0], now) if own else {}
    bare = _found(entry)
    return {
        "id": entry.key_id,
        "purpose": entry.purpose,
        "algorithm": entry.algorithm,
        "created": entry.created.isoformat(),
        "spki_sm3": bare.sm3,
        "spki_sha256": bare.sha256,
        "subject": about.get("subject"),
        "not_after": about.get("not_after"),
        "days_left": about.get("days_left"),
        "used_by": _used_by(settings, entry.key_id),
    }


def _found(entry: KeyEntry) -> Found:
    """A stored key as something to judge: its secret stays where it is."""
    from kaipiao.seal.importing.found import SM2, Found

    kind = entry.algorithm if entry.algorithm == SM2 else "EC"
    return Found("private-key", kind, entry.algorithm, "keys/", entry.public_key)


def _certificates(held: bytes | None) -> list[Found]:
    from kaipiao.seal.importing.reading import read_material

    return [] if held is None else [one for one in read_material(held) if one.kind == "certificate"]


def _used_by(settings: Settings, key_id: str) -> list[str]:
    named = {"keys.audit": settings.keys.audit, "keys.token": settings.keys.token}
    sellers = [f"taxpayer {seller.tax_number}" for seller in settings.taxpayer if seller.seal == key_id]
    channels = [f"channel {name}" for name, channel in settings.channel.items() if channel.stored_key == key_id]
    return [name for name, used in named.items() if used == key_id] + sellers + channels


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys")
