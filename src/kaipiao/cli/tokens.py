"""`token`: make one, revoke, list what was revoked, change the key that signs."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.terminal import plain, say
from kaipiao.settings import FILE_NAME, load

token = typer.Typer(
    invoke_without_command=True,
    help=say("API 令牌：生成、撤销、更换签名密钥", "Tokens for the API: make, revoke, change the key that signs"),
    epilog=examples("kaipiao token", "kaipiao token --role operator --hours 8", "kaipiao token --tenant north"),
)


@token.callback()
def make(
    context: typer.Context,
    directory: Directory = DEFAULT_DIRECTORY,
    role: Annotated[str, typer.Option(help="issuer | operator | auditor | admin")] = "issuer",
    taxpayer: Annotated[
        list[str] | None, typer.Option(help=say("限于这些税号，默认全部", "Only these taxpayers; default: all"))
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            help=say("属于这个租户，核验时查其税号", "Of this tenant; its taxpayers are looked up when it is used")
        ),
    ] = None,
    subject: Annotated[str, typer.Option(help=say("给谁", "For whom"))] = "erp",
    hours: Annotated[
        float, typer.Option(min=0.01, max=24 * 366, help=say("有效小时数", "Valid for so many hours"))
    ] = 24.0,
    json_output: Json = False,
) -> None:
    """Print a bearer token for the API. Treat it as a password."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    from kaipiao.access import made_tokens
    from kaipiao.access.keys import tenants_of, tokens_of
    from kaipiao.access.tokens import ANY, ROLES

    if role not in ROLES:
        raise typer.BadParameter(f"Input should be {' | '.join(ROLES)}", param_hint="--role")
    settings = load(directory)
    tenants = tenants_of(settings)
    if tenant is not None and tenant not in tenants:
        raise typer.BadParameter(f"Input should be {' | '.join(tenants) or '-'}", param_hint="--tenant")
    ours = [one.tax_number for one in settings.taxpayer] if tenant is None else list(tenants[tenant])
    if not set(taxpayer or ()) <= set(ours):
        raise typer.BadParameter(f"Input should be {' | '.join(ours)}", param_hint="--taxpayer")
    named = tuple(taxpayer or ()) if taxpayer or tenant else (ANY,)
    made = tokens_of(directory, settings).make_known(subject, role, named, timedelta(hours=hours), tenant=tenant)
    made_tokens.note(directory, made, datetime.now(UTC))
    if not json_output:
        terminal.out(made.token)
        return
    about = {"token": made.token, "jti": made.jti, "kid": made.key_id, "expires": made.expires.isoformat()}
    reach = {"taxpayers": list(made.taxpayers), "tenant": made.tenant}
    terminal.out_json({**about, "subject": made.subject, "role": made.role, **reach})


def _refuse_options_before(context: typer.Context) -> None:
    """`token -d A revoke X` would revoke in another directory than A."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            where = say(
                f"请写在 {context.invoked_subcommand} 之后", f"It belongs after the word {context.invoked_subcommand}"
            )
            raise typer.BadParameter(where, param_hint=f"--{name.removesuffix('_output')}")


@token.command(
    help=say(
        "撤销一个令牌，或某名称此前的全部令牌；运行中的服务一秒内生效，其他节点两秒内",
        "Revoke one token, or all tokens of a subject made so far; a running server knows within a second, other nodes of its "
        "ledger within two",
    ),
    epilog=examples("kaipiao token revoke 0f3c9a…", "kaipiao token revoke --subject erp"),
)
def revoke(
    jti: Annotated[str | None, typer.Argument(help=say("令牌的 jti", "The token's jti"))] = None,
    directory: Directory = DEFAULT_DIRECTORY,
    subject: Annotated[str | None, typer.Option(help=say("此名称的全部令牌", "All tokens of this subject"))] = None,
    before: Annotated[
        str | None,
        typer.Option(
            help=say("只撤销此刻之前生成的，ISO 8601；默认现在", "Only those made before, ISO 8601; default: now")
        ),
    ] = None,
    json_output: Json = False,
) -> None:
    """Durable when it returns."""
    from kaipiao.access import revocations
    from kaipiao.cli.start import instant

    if (jti is None) == (subject is None):
        raise typer.BadParameter("Input should be JTI | --subject", param_hint="JTI")
    load(directory)  # a data directory, not just any folder
    now = datetime.now(UTC)
    if jti is not None:
        revocations.revoke_token(directory, jti, now)
    elif subject is not None:
        revocations.revoke_subject(directory, subject, instant(before, "--before") or now, now)
    if json_output:
        terminal.out_json({"jti": jti, "subject": subject})
        return
    terminal.errors().print(
        f"[green]✓[/] {say('已撤销', 'Revoked')}: {plain(jti or subject or '')}"
        f"  {say('（运行中的服务一秒内生效）', '(a running server knows within a second)')}"
    )


@token.command(
    "list-revoked",
    help=say("列出本目录撤销的令牌与名称", "List tokens and subjects revoked in this directory"),
    epilog=examples("kaipiao token list-revoked", "kaipiao token list-revoked --json"),
)
def list_revoked(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """Oldest first. What no living token can match has left the list."""
    from kaipiao.access import revocations

    load(directory)
    held = revocations.read(revocations.path_in(directory))
    rows = [("jti", name, at) for name, at in held.tokens.items()]
    rows += [("subject", name, at) for name, at in held.subjects.items()]
    for kind, name, at in sorted(rows, key=lambda row: row[2]):
        if json_output:
            terminal.out_json({kind: name, "revoked": at.isoformat()})
        else:
            terminal.out(f"{at.isoformat()}  {kind:7}  {plain(name)}")


@token.command(
    help=say(
        "更换令牌的签名密钥：新建并启用，旧令牌到期前仍有效",
        "Change the key that signs tokens: a new one is made and used; older tokens stay valid until they expire",
    ),
    epilog=examples("kaipiao token rotate"),
)
def rotate(directory: Directory = DEFAULT_DIRECTORY, json_output: Json = False) -> None:
    """A running server verifies by the new key within a second."""
    from kaipiao.access.keys import PURPOSE, key_store
    from kaipiao.seal.importing.exclusive import exclusive
    from kaipiao.seal.keystore import P256

    settings = load(directory)
    with exclusive(directory / settings.keys.directory):
        former = load(directory).keys.token
        made = key_store(directory, settings).create(PURPOSE, P256)
        changed = _use(directory / FILE_NAME, former, made)
    if json_output:
        terminal.out_json({"kid": made, "former": former, "settings_changed": changed})
        return
    console = terminal.errors()
    console.print(f"[green]✓[/] {say('新的签名密钥', 'The new signing key')}: {made}")
    if not changed:
        line = plain(f'keys.token = "{made}"')
        console.print(f"  {say('请在 kaipiao.toml 中设置', 'Set in kaipiao.toml')}: {line}")
    console.print(
        say(
            f"  {former} 签发的令牌到期前仍有效；要立即作废，删去 keys/{former}.key。",
            f"  Tokens by {former} stay valid until they expire; to end them at once, remove keys/{former}.key.",
        )
    )


def _use(path: Path, former: str, made: str) -> bool:
    """Put the new key id into the settings; False, and nothing changed, when that one value is not plainly to be seen."""
    from kaipiao.seal import durable

    text = path.read_text(encoding="utf-8")
    old = f'token = "{former}"'
    if text.count(old) != 1:
        return False
    fresh = text.replace(old, f'token = "{made}"')
    before, after = tomllib.loads(text), tomllib.loads(fresh)
    before["keys"]["token"] = made
    if before != after:
        return False
    durable.replace(path, fresh.encode("utf-8"))
    return True


def register(app: typer.Typer) -> None:
    app.add_typer(token, name="token")
