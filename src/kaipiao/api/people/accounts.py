"""/v1/accounts: people who may sign in, as admins manage them and auditors see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access import refused
from kaipiao.access.accounts import NewAccount
from kaipiao.access.deeds import By
from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with
from kaipiao.api.described import stated
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.people_examples import ACCOUNT, MADE, NEW_ACCOUNT, ROLE
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.once import PARAMETER, REPLAYED, key_of, once
from kaipiao.api.pages import Limit
from kaipiao.api.people.account_fields import AccountName, NewPassword, TaxNumber, Tenant
from kaipiao.api.people.parts import by, people_of
from kaipiao.api.views import stamp
from kaipiao.ledger.accounts import Account

router = APIRouter(prefix="/v1", tags=["access"])
Seeing = Annotated[Caller, Depends(caller_with(Permission.SEE_ACCOUNTS))]
Managing = Annotated[Caller, Depends(caller_with(Permission.MANAGE_ACCOUNTS))]
Name = Annotated[
    str, Path(min_length=1, max_length=256, description="账户名 / the account's name", examples=["wang@north"])
]
Role = Literal["issuer", "operator", "auditor", "admin"]
Password = Annotated[
    NewPassword | None, Field(description="缺省由平台生成，只给出这一次 / default: made up, told this once")
]
ONE: stated.Stated = (*stated.CALLER, refused.AccountUnknown())
OF_ONE: stated.Stated = (*ONE, refused.MoreThanOwn(), refused.AccountChanged())
DEED = problems(*OF_ONE, *stated.KEYED, *stated.WRITING)
KEYED: dict[str, Any] = {"parameters": [PARAMETER]}
WITH_PASSWORD = {
    **PARAMETER,
    "description": f"{PARAMETER['description']}。只在给出 password 时起作用 / only where a password is given",
}
WITH_BODY: stated.Stated = (*stated.BODY, *stated.FIELDS)


class AccountView(BaseModel):
    """`totp`: one-time codes are on."""

    account: str
    tenant: str | None
    taxpayers: list[str] = Field(
        description="空：租户或本安装的全部 / empty: all of the tenant, or of the installation"
    )
    role: str
    disabled: bool
    must_change: bool = Field(description="下次登录须改口令 / the password must be changed first")
    totp: bool
    made_at: str
    password_changed_at: str
    locked_until: str | None = Field(description="因登录失败锁定至 / locked after failures until")


class MadeView(AccountView):
    """`initial_password`: when it was made up here; told this once."""

    initial_password: str | None


class NewAccountForm(Form):
    account: AccountName
    role: Role
    tenant: Tenant | None = None
    taxpayers: list[TaxNumber] = Field(default_factory=list, max_length=1000)
    password: Password = None
    must_change: Annotated[bool, Field(description="首次登录须改口令 / to be changed at the first log-in")] = True


class RoleForm(Form):
    role: Role


class ResetForm(Form):
    password: Password = None


@router.get(
    "/tenants",
    response_model=list[str],
    responses={200: {"content": example(["north"])}, **problems(*stated.CALLER, *stated.READING)},
    summary="租户 / Tenants",
)
async def tenants(request: Request, caller: Seeing) -> list[str]:
    return await people_of(request).accounts.tenants(caller)


@router.get(
    "/accounts",
    response_model=list[AccountView],
    responses={200: {"content": example([ACCOUNT])}, **problems(*stated.CALLER, *stated.READING)},
    summary="账户 / Accounts",
)
async def accounts(
    request: Request,
    caller: Seeing,
    tenant: Annotated[
        str | None, Query(min_length=1, max_length=64, description="只看这个租户 / only its", examples=["north"])
    ] = None,
    after: Annotated[
        str, Query(max_length=256, description="上一页末条的账户名 / name of the last one seen", examples=[""])
    ] = "",
    limit: Limit = 100,
) -> list[AccountView]:
    """By name."""
    return await _views(request, await people_of(request).accounts.page(caller, tenant, after, limit))


@router.post(
    "/accounts",
    status_code=201,
    response_model=MadeView,
    responses={
        201: {"headers": REPLAYED, "content": example(MADE)},
        **problems(
            *WITH_BODY, *stated.CALLER, refused.MoreThanOwn(), refused.TenantUnknown(), *stated.TAXPAYER_UNKNOWN,
            refused.AccountTaken(), refused.PasswordRefused(), *stated.KEYED, *stated.WRITING, *stated.SEALS,
        ),
    },
    openapi_extra={**described(NewAccountForm, NEW_ACCOUNT), "parameters": [WITH_PASSWORD]},
    summary="新建账户 / A new account",
)  # fmt: skip
async def make(request: Request, caller: Managing) -> MadeView | Response:
    """Nobody makes one that reaches further than his own. Whoever belongs to a tenant makes accounts of that tenant."""
    form = await form_of(request, NewAccountForm)
    wanted = NewAccount(form.account, form.role, form.tenant, tuple(form.taxpayers), form.password, form.must_change)

    async def made() -> MadeView:
        account, first = await people_of(request).accounts.make(caller, wanted, by(request, caller))
        return _made(await _view(request, account), first)

    if form.password is None:  # the answer holds the one that is made up, and is not kept
        key_of(request)
        return await made()
    return await once(request, caller, made, 201, lambda: people_of(request).strongbox.mark(_bytes(form)))


@router.get(
    "/accounts/{account}",
    response_model=AccountView,
    responses={200: {"content": example(ACCOUNT)}, **problems(*ONE, *stated.READING)},
    summary="一个账户 / One account",
)
async def show(request: Request, caller: Seeing, account: Name) -> AccountView:
    return await _view(request, await people_of(request).accounts.find(caller, account))


@router.post(
    "/accounts/{account}:role",
    response_model=AccountView,
    responses={
        200: {"headers": REPLAYED, "content": example(ACCOUNT)},
        **problems(*WITH_BODY, *OF_ONE, *stated.KEYED, *stated.WRITING),
    },
    openapi_extra={**described(RoleForm, ROLE), **KEYED},
    summary="改角色 / Another role",
)
async def role(request: Request, caller: Managing, account: Name) -> Response:
    """Its sessions end."""
    form = await form_of(request, RoleForm)

    async def done() -> AccountView:
        desk = people_of(request).accounts
        return await _view(request, await desk.set_role(caller, account, form.role, by(request, caller)))

    return await once(request, caller, done, body=lambda: _bytes(form))


@router.post(
    "/accounts/{account}:disable",
    response_model=AccountView,
    responses={200: {"headers": REPLAYED, "content": example({**ACCOUNT, "disabled": True})}, **DEED},
    openapi_extra=KEYED,
    summary="停用 / Disable",
)
async def disable(request: Request, caller: Managing, account: Name) -> Response:
    """Its sessions end; nothing of it is deleted."""
    return await _once(request, caller, account, people_of(request).accounts.disable)


@router.post(
    "/accounts/{account}:enable",
    response_model=AccountView,
    responses={200: {"headers": REPLAYED, "content": example(ACCOUNT)}, **DEED},
    openapi_extra=KEYED,
    summary="启用 / Enable",
)
async def enable(request: Request, caller: Managing, account: Name) -> Response:
    return await _once(request, caller, account, people_of(request).accounts.enable)


@router.post(
    "/accounts/{account}:unlock",
    response_model=AccountView,
    responses={200: {"headers": REPLAYED, "content": example(ACCOUNT)}, **DEED},
    openapi_extra=KEYED,
    summary="解锁 / Unlock after failures",
)
async def unlock(request: Request, caller: Managing, account: Name) -> Response:
    """The account; a source that is locked stays so until its time is over."""
    return await _once(request, caller, account, people_of(request).accounts.unlock)


@router.post(
    "/accounts/{account}:reset-password",
    response_model=MadeView,
    responses={
        200: {"content": example(MADE)},
        **problems(*WITH_BODY, *OF_ONE, refused.PasswordRefused(), *stated.WRITING),
    },
    openapi_extra=described(ResetForm, {}),
    summary="重置口令 / A first password again",
)
async def reset_password(request: Request, caller: Managing, account: Name) -> MadeView:
    """It must be changed at the next log-in; its sessions end."""
    form = await form_of(request, ResetForm)
    desk = people_of(request).accounts
    found, first = await desk.reset_password(caller, account, form.password, by(request, caller))
    return _made(await _view(request, found), first)


@router.post(
    "/accounts/{account}:reset-totp",
    response_model=AccountView,
    responses={200: {"headers": REPLAYED, "content": example({**ACCOUNT, "totp": False})}, **DEED},
    openapi_extra=KEYED,
    summary="关闭一次性密码 / Switch one-time codes off",
)
async def reset_totp(request: Request, caller: Managing, account: Name) -> Response:
    """For somebody who lost the device and the recovery codes. Its sessions end."""
    return await _once(request, caller, account, people_of(request).accounts.reset_codes)


async def _once(
    request: Request, caller: Caller, account: str, deed: Callable[[Caller, str, By], Awaitable[Account]]
) -> Response:
    """A deed that needs no form and whose answer holds no secret: with an `Idempotency-Key` it is done once."""

    async def done() -> AccountView:
        return await _view(request, await deed(caller, account, by(request, caller)))

    return await once(request, caller, done)


def account_view(account: Account, locked_until: datetime | None) -> AccountView:
    return AccountView(
        account=account.account,
        tenant=account.tenant,
        taxpayers=list(account.taxpayers),
        role=account.role,
        disabled=account.disabled,
        must_change=account.must_change,
        totp=account.totp_confirmed,
        made_at=stamp(account.made_at) or "",
        password_changed_at=stamp(account.changed_at) or "",
        locked_until=stamp(locked_until),
    )


async def _views(request: Request, accounts: Sequence[Account]) -> list[AccountView]:
    locked = await people_of(request).accounts.locked(accounts)
    return [account_view(one, locked.get(one.account)) for one in accounts]


async def _view(request: Request, account: Account) -> AccountView:
    (view,) = await _views(request, [account])
    return view


def _bytes(form: Form) -> bytes:
    return form.model_dump_json().encode()


def _made(view: AccountView, first: str | None) -> MadeView:
    return MadeView(**view.model_dump(), initial_password=first)
