"""/v1/account: what a person who is signed in does to its own account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access import refused
from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, session_of
from kaipiao.api.described import stated
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.people_examples import ACCOUNT, CODE, NEW_PASSWORD, PASSWORD, RECOVERY, URI
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.people.account_fields import Code, NewPassword, Password
from kaipiao.api.people.accounts import AccountView, account_view
from kaipiao.api.people.parts import people_of, source
from kaipiao.api.people.sessions import REFUSALS

router = APIRouter(prefix="/v1/account", tags=["access"])
Own = Annotated[Caller, Depends(caller_with(Permission.OWN))]
READ = problems(*stated.CALLER, *stated.READING)
CHANGED: stated.Stated = (
    *stated.BODY, *stated.FIELDS, *stated.CALLER, *REFUSALS, refused.AccountChanged(), *stated.WRITING,
)  # fmt: skip
CODES: stated.Stated = (refused.NotEnrolling(), *stated.SEALS)


class NewPasswordForm(Form):
    password: Password
    new_password: NewPassword


class PasswordForm(Form):
    password: Password


class CodeForm(Form):
    code: Code


class UriView(BaseModel):
    """Told this once."""

    uri: str = Field(description="otpauth://，扫描或导入 / to be scanned")


class RecoveryView(BaseModel):
    """Told this once: each stands in for a one-time code, once."""

    recovery_codes: list[str]


@router.get(
    "",
    response_model=AccountView,
    responses={200: {"content": example(ACCOUNT)}, **READ},
    summary="自己的账户 / One's own account",
)
async def own(request: Request, caller: Own) -> AccountView:
    return account_view(await people_of(request).own.of(session_of(caller)), None)


@router.post(
    "/password",
    status_code=204,
    response_class=Response,
    responses=problems(*CHANGED),
    openapi_extra=described(NewPasswordForm, NEW_PASSWORD),
    summary="改口令 / A new password",
)
async def password(request: Request, caller: Own) -> Response:
    """Every session of the account ends, this one too."""
    form = await form_of(request, NewPasswordForm)
    own = people_of(request).own
    await own.set_password(session_of(caller), form.password, form.new_password, source(request))
    return Response(status_code=204)


@router.post(
    "/totp",
    response_model=UriView,
    responses={200: {"content": example(URI)}, **problems(*CHANGED, *CODES)},
    openapi_extra=described(PasswordForm, PASSWORD),
    summary="设置一次性密码 / Begin with one-time codes",
)
async def totp(request: Request, caller: Own) -> UriView:
    """Codes are asked for only after `totp:confirm`."""
    form = await form_of(request, PasswordForm)
    issuer = services_of(request).access.issuer
    own = people_of(request).own
    return UriView(uri=await own.begin_codes(session_of(caller), form.password, source(request), issuer))


@router.post(
    "/totp:confirm",
    response_model=RecoveryView,
    responses={200: {"content": example(RECOVERY)}, **problems(*CHANGED, *CODES, refused.CodeRefused())},
    openapi_extra=described(CodeForm, CODE),
    summary="以首个一次性密码启用 / Switch codes on by a first one",
)
async def confirm(request: Request, caller: Own) -> RecoveryView:
    """Every session of the account ends, this one too."""
    form = await form_of(request, CodeForm)
    own = people_of(request).own
    return RecoveryView(recovery_codes=await own.confirm_codes(session_of(caller), form.code, source(request)))
