"""One-time codes and recovery codes: each once, on whatever node; their secret is closed at rest."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from people import BY, HERE, PASSWORD, ROOT, KeysInMemory, Node, secret_in

from kaipiao.access import codes
from kaipiao.access.refused import CodeRefused, LockedOut, LogInRefused, NotEnrolling, SessionEnded
from kaipiao.access.strongbox import Strongbox
from kaipiao.errors import SealFault


def played(story: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story(Node()))


# RFC 6238, appendix B: the SHA-1 rows, of which an authenticator shows the last six digits.
@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(now: int, code: str) -> None:
    assert codes.step_of(b"12345678901234567890", code, now, 0) == now // 30


@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
def test_a_clock_may_be_one_step_off(off: int) -> None:
    async def story(node: Node) -> None:
        await node.person()
        secret, _ = await node.enrol()
        node.clock.pass_(300)
        if abs(off) <= 1:
            await node.sign_in(code=node.code(secret, off))
        else:
            with pytest.raises(LogInRefused):
                await node.sign_in(code=node.code(secret, off))

    played(story)


def test_a_code_is_good_once_and_none_before_it() -> None:
    async def story(node: Node) -> None:
        await node.person()
        secret, _ = await node.enrol()
        node.clock.pass_(300)
        code, earlier = node.code(secret), node.code(secret, -1)
        await node.sign_in(code=code)
        for again in (code, earlier):
            with pytest.raises(LogInRefused):
                await node.sign_in(code=again)

    played(story)


def test_of_two_log_ins_with_one_code_at_once_on_two_nodes_one_gets_in() -> None:
    async def story(node: Node) -> None:
        await node.person()
        secret, recovery = await node.enrol()
        for code in (node.code(secret), recovery[0]):
            found = await asyncio.gather(
                *(one.sign_in(code=code) for one in (node, node.beside())), return_exceptions=True
            )
            assert sorted(type(one).__name__ for one in found) == ["LogInRefused", "SignedIn"]

    played(story)


def test_the_code_that_switched_codes_on_does_not_let_in_as_well() -> None:
    async def story(node: Node) -> None:
        await node.person()
        session = node.session(await node.sign_in())
        secret = secret_in(await node.own.begin_codes(session, PASSWORD, HERE, "Kaipiao"))
        code = node.code(secret)
        await node.own.confirm_codes(session, code, HERE)
        with pytest.raises(LogInRefused):
            await node.sign_in(code=code)
        with pytest.raises(SessionEnded):
            await node.sessions.require_live(session)

    played(story)


def test_a_secret_counts_only_when_a_first_code_has_proved_it() -> None:
    async def story(node: Node) -> None:
        await node.person()
        session = node.session(await node.sign_in())
        with pytest.raises(NotEnrolling):
            await node.own.confirm_codes(session, "123456", HERE)
        await node.own.begin_codes(session, PASSWORD, HERE, "Kaipiao")
        for wrong in ("", "12345", "1234567", "１２３４５６", "abcdef", "\0" * 6):
            with pytest.raises(CodeRefused):
                await node.own.confirm_codes(session, wrong, HERE)
        await node.sign_in()

    played(story)


def test_codes_that_are_on_are_not_replaced_by_whoever_finds_an_open_session() -> None:
    async def story(node: Node) -> None:
        await node.person()
        secret, _ = await node.enrol()
        session = node.session(await node.sign_in(code=node.code(secret)))
        with pytest.raises(NotEnrolling):
            await node.own.begin_codes(session, PASSWORD, HERE, "Kaipiao")
        await node.accounts.reset_codes(ROOT, "wang", BY)
        await node.sign_in()

    played(story)


def test_each_recovery_code_is_good_once_however_it_is_written() -> None:
    async def story(node: Node) -> None:
        await node.person()
        _, recovery = await node.enrol()
        assert len(set(recovery)) == 10
        await node.sign_in(code=recovery[3].upper().replace("-", " "))
        with pytest.raises(LogInRefused):
            await node.sign_in(code=recovery[3])
        await node.sign_in(code=recovery[4])

    played(story)


def test_no_secret_password_or_recovery_code_is_kept_in_the_clear() -> None:
    async def story(node: Node) -> None:
        await node.person()
        secret, recovery = await node.enrol()
        kept = repr(node.store) + json.dumps([getattr(await node.ledger.account("wang"), "totp", None)])
        for private in (secret.hex(), PASSWORD, *recovery, *(code.replace("-", "") for code in recovery)):
            assert private not in kept

    played(story)


def test_a_closed_secret_opens_for_its_own_account_and_under_its_own_key_only() -> None:
    box, other = Strongbox(KeysInMemory()), Strongbox(KeysInMemory())
    closed = box.close("wang", b"secret")
    assert box.open("wang", closed) == b"secret"
    altered = closed[:-4] + ("00" if closed[-4:-2] != "00" else "11") + closed[-2:]
    for whose, account, content in ((box, "li", closed), (other, "wang", closed), (box, "wang", altered)):
        with pytest.raises(SealFault):
            whose.open(account, content)
    for nonsense in ("", "{}", "[]", "null"):
        with pytest.raises(SealFault):
            box.open("wang", nonsense)


def test_first_codes_are_not_tried_out_from_an_open_session() -> None:
    async def story(node: Node) -> None:
        await node.person()
        session = node.session(await node.sign_in())
        secret = secret_in(await node.own.begin_codes(session, PASSWORD, HERE, "Kaipiao"))
        good = {node.code(secret, step) for step in (-1, 0, 1)}
        wrong = next(code for code in ("000000", "000001", "000002", "000003") if code not in good)
        for _ in range(3):
            with pytest.raises(CodeRefused):
                await node.own.confirm_codes(session, wrong, HERE)
        with pytest.raises(LockedOut):
            await node.own.confirm_codes(session, node.code(secret), HERE)
        node.clock.pass_(node.settings.lockout_seconds)
        await node.own.confirm_codes(session, node.code(secret), HERE)
        node.clock.pass_(codes.STEP)
        await node.sign_in(code=node.code(secret))

    played(story)
