"""`audit events`: what happened, who did it, from where."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kaipiao.cli import terminal
from kaipiao.cli.options import DEFAULT_DIRECTORY, Directory, Json, examples
from kaipiao.cli.prove import audit
from kaipiao.cli.terminal import plain, say

PAGE = 1000


def events(
    directory: Directory = DEFAULT_DIRECTORY,
    kind: Annotated[
        str | None, typer.Option(help=say("种类或其开头，如 access", "A kind or its beginning, like access"))
    ] = None,
    about: Annotated[
        str | None, typer.Option(help="account | key | order | platform | source | taxpayer | token")
    ] = None,
    actor: Annotated[str | None, typer.Option(help=say("谁做的", "Who did it"))] = None,
    account: Annotated[str | None, typer.Option(help=say("关于哪个账户", "About which account"))] = None,
    taxpayer: Annotated[str | None, typer.Option(help=say("纳税人", "The taxpayer"))] = None,
    order: Annotated[str | None, typer.Option(help=say("订单号", "The order key"))] = None,
    made_from: Annotated[
        str | None, typer.Option("--from", help=say("从此刻或此日起", "From this instant or day on"))
    ] = None,
    made_to: Annotated[str | None, typer.Option("--to", help=say("到此刻或此日", "Until this instant or day"))] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help=say("最多多少条", "At most so many"))] = 1000,
    json_output: Json = False,
) -> None:
    """Oldest first."""
    from kaipiao.cli.serving import platform_api

    wanted = {"kind": kind, "about": about, "actor": actor, "account": account, "taxpayer": taxpayer, "order": order}
    span = {"made_from": made_from, "made_to": made_to}
    left = limit
    with platform_api(directory) as api:
        for page in api.pages("/v1/audit/events", **wanted, **span, limit=min(limit, PAGE)):
            for event in page[:left]:
                _line(event, json_output)
            left -= len(page)
            if left <= 0:
                return


def _line(event: dict[str, Any], json_output: bool) -> None:
    if json_output:
        terminal.out_json(event)
        return
    cells = (event["at"], event["kind"], event["actor"], event["source"], event["subject_kind"], event["subject"])
    terminal.out("\t".join(plain(str(cell)) if cell else "-" for cell in cells))


def register(app: typer.Typer) -> None:
    """Below `audit`, which `prove` registers."""
    del app
    audit.command(
        "events",
        help=say("事件：何时、何事、谁做的、从哪里", "Events: when, what, who did it, from where"),
        epilog=examples("kaipiao audit events --kind access", "kaipiao audit events --actor account:wang --json"),
    )(events)
