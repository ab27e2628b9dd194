"""A token that is revoked on one node is refused on the other, whichever ledger they share, without a read for each request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaipiao.access.keys import key_store, tokens_of
from kaipiao.access.shared_revocations import LOOK_SECONDS
from kaipiao.access.tokens import Made, Tokens
from kaipiao.cli.main import app as command_line
from kaipiao.errors import AccessRefused, LedgerFault
from kaipiao.ledger.port import Ledger
from kaipiao.settings import Settings, load
from ledger_books import Books, on_every_ledger

HOUR = timedelta(hours=1)
HOME: dict[str, Path] = {}  # of the test that runs
SETTINGS = """
environment = "production"
[keys]
audit = "audit-1"
token = "token-1"
"""


class Node:
    """A data directory with the keys of the installation, and its handle on the ledger."""

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self.directory, self.ledger = directory, ledger
        self.tokens: Tokens = tokens_of(directory, load(directory))

    async def look(self) -> None:
        await self.tokens.shared.look(self.ledger, datetime.now(UTC))

    def lets_in(self, made: Made) -> bool:
        try:
            return self.tokens.check(made.token).subject == made.subject
        except AccessRefused as refused:
            return refused.code != "KP-ACCESS-06"

    def revoke(self, *words: str) -> None:
        done = CliRunner().invoke(command_line, ["token", "revoke", *words, "-d", str(self.directory)])
        assert done.exit_code == 0, done.output


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HOME, "here", tmp_path)


def nodes(books: Books) -> tuple[Node, Node]:
    home = HOME["here"]
    first, second = home / "a", home / "b"
    first.mkdir()
    (first / "kaipiao.toml").write_text(SETTINGS, encoding="utf-8")
    settings: Settings = load(first)
    key_store(first, settings).create("token", "P-256", "token-1")
    second.mkdir()
    (second / "kaipiao.toml").write_text(SETTINGS, encoding="utf-8")
    (second / "keys").symlink_to(first / "keys")
    return Node(first, books.ledger), Node(second, books.other)


@on_every_ledger
async def test_what_one_node_revokes_is_refused_on_the_other_after_a_look_of_each(books: Books) -> None:
    here, there = nodes(books)
    token, sibling, of_shop = (here.tokens.make_known(name, "issuer", ("*",), HOUR) for name in ("erp", "erp", "shop"))
    assert all(map(there.lets_in, (token, sibling, of_shop)))
    here.revoke(token.jti)
    await here.look()
    await there.look()
    assert [there.lets_in(one) for one in (token, sibling, of_shop)] == [False, True, True]
    there.revoke("--subject", "erp")
    await there.look()
    await here.look()
    assert [here.lets_in(one) for one in (token, sibling, of_shop)] == [False, False, True]
    assert here.lets_in(here.tokens.make_known("erp", "issuer", ("*",), HOUR)), "one that was made after it is good"
    assert 2 * LOOK_SECONDS < 2.0


@on_every_ledger
async def test_a_node_knows_from_its_start_on_and_keeps_what_it_knows_while_the_ledger_fails(books: Books) -> None:
    here, there = nodes(books)
    token = here.tokens.make_known("erp", "issuer", ("*",), HOUR)
    here.revoke(token.jti)  # nothing runs on its directory: it is handed on at the next start
    await here.look()
    started = Node(there.directory, books.other)
    await started.tokens.shared.take_up(started.ledger)
    assert not started.lets_in(token)

    async def away(known: int | None) -> None:
        raise LedgerFault()

    started.ledger.revocations = away  # type: ignore[method-assign]
    with pytest.raises(LedgerFault):
        await started.look()
    assert not started.lets_in(token)


@on_every_ledger
async def test_nothing_is_written_while_there_is_nothing_new_and_no_request_reads(books: Books) -> None:
    here, there = nodes(books)
    token, other = (here.tokens.make_known("erp", "issuer", ("*",), HOUR) for _ in range(2))
    here.revoke(token.jti)
    await here.look()
    await there.look()

    async def never(*given: object) -> None:
        raise AssertionError("the ledger was asked")

    here.ledger.save_revocations = there.ledger.save_revocations = never  # type: ignore[assignment, method-assign]
    for node in (here, there):
        await node.look()
        version = node.tokens.shared.version
        await node.look()
        assert node.tokens.shared.version == version
    here.ledger.revocations = there.ledger.revocations = never  # type: ignore[assignment, method-assign]
    for node in (here, there):
        assert (node.lets_in(token), node.lets_in(other)) == (False, True)
