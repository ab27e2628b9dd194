"""`keys`: bring your own, look at them, make new ones, change the key that encrypts them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.key_import import Purpose, import_, setting
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import KeyFileDamaged, MaterialUnreadable, SettingsFault
from kaipiao.language import Text
from kaipiao.settings import Settings, load

if TYPE_CHECKING:
    from kaipiao.seal.importing.found import Found
    from kaipiao.seal.keyfile import KeyEntry
    from kaipiao.seal.keystore import KeyStore


class Algorithm(StrEnum):
    SM2 = "SM2"
    P256 = "P-256"


keys = typer.Typer(
    no_args_is_help=True,
    help=say("密钥与证书：导入、查看、新建、更换主密钥", "Keys and certificates: import, look, make, change the KEK"),
)


keys.command(
    "import",
    help=say(
        "导入已有的私钥与证书（PKCS#8、SEC1、PKCS#12、PKCS#7、X.509、.esl；PEM 或 DER）",
        "Import existing keys and certificates (PKCS#8, SEC1, PKCS#12, PKCS#7, X.509, .esl; PEM or DER)",
    ),
    epilog=examples(
        "kaipiao keys import seal.p12 --dry-run",
        "kaipiao keys import seal.key seal.crt ca.crt --purpose seal --password-file password.txt",
    ),
)(import_)


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
            _tell_row(row)


def _tell_row(row: dict[str, Any]) -> None:
    """A line on stdout; what is wrong with its certificate's time on stderr, below it."""
    from kaipiao.cli import key_report

    expiry = f"  {say('到期', 'ends')} {row['not_after'][:10]}" if row["not_after"] else ""
    used = f"  {say('使用', 'used by')} {', '.join(row['used_by'])}" if row["used_by"] else ""
    terminal.out(f"{row['id']}  {row['algorithm']:5}  {row['purpose']}{expiry}{used}")
    for remark in row["remarks"]:
        mark = key_report.MARKS[remark["level"]]
        terminal.errors().print(f"    {mark} {row['id']}: {plain(remark[terminal.LANGUAGE])}")


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
    judged = judge([_found(entry), *_certificates(store, key_id)], now, settings.environment)
    if json_output:
        found = [key_report.as_json(one, key_id, now) for one in judged]
        terminal.out_json({**_row(store, settings, entry, now), "public_key": public, "found": found})
        return
    terminal.errors().print(f"[bold]{entry.key_id}[/] {entry.algorithm} {entry.purpose} {entry.created:%Y-%m-%d}")
    for one in judged:
        key_report.tell(one, key_id, now)
    terminal.out(public + (store.certificates(key_id) or b"").decode("ascii"))


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
            {"id": made, "purpose": purpose.value, "algorithm": usual.value, "setting": setting(purpose.value, made)}
        )
        return
    terminal.out(made)
    console = terminal.errors()
    console.print(
        f"  {say('下一步：在 kaipiao.toml 中设置', 'Next: set in kaipiao.toml')}: {plain(setting(purpose.value, made))}"
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
    from kaipiao.seal.importing.judging import dates

    own = [one for one in _certificates(store, entry.key_id) if one.public_key == entry.public_key]
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
        "remarks": [key_report.of_remark(one) for one in (dates(own[0], now) if own else ())],
        "used_by": _used_by(settings, entry.key_id),
    }


def _found(entry: KeyEntry) -> Found:
    """A stored key as something to judge: its secret stays where it is."""
    from kaipiao.seal.importing.found import SM2, Found

    kind = entry.algorithm if entry.algorithm == SM2 else "EC"
    return Found("private-key", kind, entry.algorithm, "keys/", entry.public_key)


def _certificates(store: KeyStore, key_id: str) -> list[Found]:
    from kaipiao.seal.importing.reading import read_material

    held = store.certificates(key_id)
    try:
        return [] if held is None else [one for one in read_material(held) if one.kind == "certificate"]
    except MaterialUnreadable as unreadable:
        name = store.certificates_file(key_id).name
        text = Text(f"证书文件 {name} 损坏：{unreadable.detail.zh}", f"{name} is damaged: {unreadable.detail.en}")
        raise KeyFileDamaged(text, key_id=key_id) from unreadable


def _used_by(settings: Settings, key_id: str) -> list[str]:
    named = {"keys.audit": settings.keys.audit, "keys.token": settings.keys.token}
    sellers = [f"taxpayer {seller.tax_number}" for seller in settings.taxpayer if seller.seal == key_id]
    channels = [f"channel {name}" for name, channel in settings.channel.items() if channel.stored_key == key_id]
    return [name for name, used in named.items() if used == key_id] + sellers + channels


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys")
