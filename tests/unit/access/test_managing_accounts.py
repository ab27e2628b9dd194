"""Accounts as admins manage them: nobody reaches beyond his tenant, and nobody grants more than he has."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from people import BY, NORTH, PASSWORD, ROOT, SOUTH, Node

from kaipiao.access.accounts import NewAccount
from kaipiao.access.keys import tenants_of
from kaipiao.access.names import new_name
from kaipiao.access.refused import AccountTaken, AccountUnknown, MoreThanOwn, TenantUnknown
from kaipiao.access.tokens import ROLES, Caller, Permission
from kaipiao.errors import AccessRefused, FieldsRefused, NotFound, SettingsFault
from kaipiao.settings import Settings, TaxpayerSettings

OF_NORTH = Caller("account:head@north", (NORTH,), ROLES["admin"], "north", whole_tenant=True)
OF_TAXPAYER = Caller("erp", (NORTH,), ROLES["admin"])
PART_OF_NORTH = Caller("account:part@north", (), ROLES["admin"], "north")


def played(story: Callable[[Node], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story(Node()))


def wanted(name: str = "li", role: str = "issuer", **further: object) -> NewAccount:
    return NewAccount(name, role, password=PASSWORD, **further)  # type: ignore[arg-type]


def test_an_admin_of_a_tenant_makes_accounts_of_that_tenant_whether_or_not_it_is_named() -> None:
    async def story(node: Node) -> None:
        account, _ = await node.accounts.make(OF_NORTH, wanted(), BY)
        assert (account.account, account.tenant) == ("li@north", "north")
        other, _ = await node.accounts.make(OF_NORTH, wanted("wu@north", "admin", tenant="north"), BY)
        assert other.account == "wu@north"
        assert [one.account for one in await node.accounts.page(OF_NORTH, None, "", 10)] == ["li@north", "wu@north"]

    played(story)


@pytest.mark.parametrize(
    ("caller", "asked", "refused"),
    [
        (OF_NORTH, wanted(tenant="south"), TenantUnknown),
        (OF_NORTH, wanted(tenant="nowhere"), TenantUnknown),
        (OF_NORTH, wanted(taxpayers=(SOUTH,)), NotFound),
        (OF_NORTH, wanted(taxpayers=(NORTH, SOUTH)), NotFound),
        (PART_OF_NORTH, wanted(), MoreThanOwn),
        (OF_TAXPAYER, wanted(), MoreThanOwn),
        (OF_TAXPAYER, wanted(taxpayers=(NORTH,)), MoreThanOwn),
        (OF_TAXPAYER, wanted(tenant="north"), TenantUnknown),
        (ROOT, wanted(tenant="north", taxpayers=(SOUTH,)), NotFound),
        (ROOT, wanted(taxpayers=("91330106MA2CFLDG4R",)), NotFound),
        (Caller("x", ("*",), frozenset({Permission.MANAGE_ACCOUNTS})), wanted(role="auditor"), MoreThanOwn),
    ],
)
def test_nobody_makes_an_account_that_reaches_further_than_he_does(
    caller: Caller, asked: NewAccount, refused: type[Exception]
) -> None:
    async def story(node: Node) -> None:
        with pytest.raises(refused):
            await node.accounts.make(caller, asked, BY)
        assert node.store.people.accounts == {}
        assert node.events() == []

    played(story)


def test_another_tenants_accounts_are_not_there_whatever_is_done() -> None:
    async def story(node: Node) -> None:
        await node.person("head", "admin", "south")
        await node.person("root", "admin")
        before = dict(node.store.people.accounts)
        accounts = node.accounts
        for caller in (OF_NORTH, OF_TAXPAYER, PART_OF_NORTH):
            assert await accounts.page(caller, None, "", 10) == []
            assert await accounts.page(caller, "south", "", 10) == []
            for name in ("head@south", "root", "HEAD@south"):
                for deed in (
                    accounts.find(caller, name),
                    accounts.set_role(caller, name, "issuer", BY),
                    accounts.disable(caller, name, BY),
                    accounts.enable(caller, name, BY),
                    accounts.reset_password(caller, name, None, BY),
                    accounts.reset_codes(caller, name, BY),
                    accounts.unlock(caller, name, BY),
                ):
                    with pytest.raises(AccountUnknown):
                        await deed
        assert node.store.people.accounts == before

    played(story)


def test_two_tenants_may_have_the_same_name_and_neither_hears_of_the_other() -> None:
    async def story(node: Node) -> None:
        await node.person("li", tenant="south")
        await node.accounts.make(OF_NORTH, wanted("li"), BY)
        with pytest.raises(AccountTaken):
            await node.accounts.make(OF_NORTH, wanted("li"), BY)

    played(story)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a/b", "a@b", "li@south", "Li", "x" * 65, "-a", "a\0", "a:b", "\ud800"]
)
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    async def story(node: Node) -> None:
        for tenant in (None, "north"):
            with pytest.raises(FieldsRefused):
                await node.accounts.make(ROOT, wanted(name, tenant=tenant), BY)

    played(story)


def test_a_session_of_a_tenant_acts_for_its_taxpayers_as_they_are_now() -> None:
    async def story(node: Node) -> None:
        await node.person("li", tenant="north")
        signed = await node.sign_in("li@north")
        caller = node.caller(signed)
        assert (caller.taxpayers, caller.tenant) == ((NORTH,), "north")
        node.tokens.tenants = {"north": (SOUTH,)}
        node.tokens._sound.clear()
        assert node.caller(signed).taxpayers == (SOUTH,)
        node.tokens.tenants = {}
        node.tokens._sound.clear()
        assert node.caller(signed).taxpayers == ()

    played(story)


def test_what_was_done_is_told_with_who_did_it_from_where_and_to_whom() -> None:
    async def story(node: Node) -> None:
        await node.person("li", tenant="north")
        await node.accounts.set_role(OF_NORTH, "li@north", "auditor", BY)
        event = node.store.events[-1]
        assert (event.kind, event.taxpayer, event.subject) == ("access.role_changed", None, None)
        assert event.data == {
            "account": "li@north", "tenant": "north", "actor": "local", "source": "192.0.2.7", "role": "auditor",
        }  # fmt: skip

    played(story)


def test_a_token_for_a_program_cannot_pass_for_a_person() -> None:
    from datetime import timedelta

    import jwt

    node = Node()
    with pytest.raises(AccessRefused):
        node.tokens.make("account:root", "admin", ("*",), timedelta(hours=1))
    sound = node.tokens.make("erp", "admin", ("*",), timedelta(hours=1))
    claims = jwt.decode(sound, options={"verify_signature": False})
    for further in ({"sub": "account:root"}, {"epoch": 1}, {"sub": "account:root", "epoch": "1", "limited": False}):
        forged = jwt.encode({**claims, **further}, node.signing, algorithm="ES256", headers={"kid": "k1"})
        with pytest.raises(AccessRefused):
            node.tokens.check(forged)


def test_an_admin_of_some_taxpayers_manages_nobody_who_reaches_those_that_join_the_tenant_later() -> None:
    """Today the tenant has no other taxpayer: all of the tenant is still more than this one."""

    async def story(node: Node) -> None:
        part = Caller("account:part@north", (NORTH,), ROLES["admin"], "north")
        await node.person("head", "admin", "north")
        with pytest.raises(MoreThanOwn):
            await node.accounts.make(part, wanted(), BY)
        with pytest.raises(AccountUnknown):
            await node.accounts.reset_password(part, "head@north", None, BY)
        made, _ = await node.accounts.make(part, wanted(taxpayers=(NORTH,)), BY)
        assert await node.accounts.page(part, None, "", 1) == [made], "a page is not short of what it may show"

    played(story)


def test_an_admin_of_a_tenant_disables_an_account_whose_taxpayer_has_left_the_tenant() -> None:
    async def story(node: Node) -> None:
        await node.accounts.make(ROOT, wanted(tenant="north", taxpayers=(NORTH,)), BY)
        left = Caller("account:head@north", (), ROLES["admin"], "north", whole_tenant=True)
        assert (await node.accounts.disable(left, "li@north", BY)).disabled

    played(story)


def test_a_token_covers_a_whole_tenant_only_when_it_names_no_taxpayer() -> None:
    async def story(node: Node) -> None:
        for named, whole in (((), True), ((NORTH,), False)):
            token = node.tokens.make("erp", "admin", named, timedelta(hours=1), tenant="north")
            caller = node.tokens.check(token)
            assert (caller.taxpayers, caller.whole_tenant) == ((NORTH,), whole)
        assert not node.tokens.check(node.tokens.make("erp", "admin", ("*",), timedelta(hours=1))).whole_tenant

    played(story)


@pytest.mark.parametrize("tenant", ["a\uff20north", "\uff0fx", "a\x1b[31m", "\u202enorth", "\u2100"])
def test_a_tenant_whose_name_becomes_another_address_or_hides_has_no_accounts(tenant: str) -> None:
    with pytest.raises(FieldsRefused):
        new_name("li", tenant)


def test_tenants_that_differ_in_case_or_width_only_are_refused_before_anything_starts() -> None:
    def settings(*tenants: str) -> Settings:
        sellers = [TaxpayerSettings.model_construct(tax_number=f"{i}", tenant=one) for i, one in enumerate(tenants)]
        return Settings.model_construct(taxpayer=sellers)

    assert tenants_of(settings("north", "North-2", "north")) == {"north": ("0", "2"), "North-2": ("1",)}
    for other in ("North", "\uff4eorth"):
        with pytest.raises(SettingsFault):
            tenants_of(settings("north", other))
