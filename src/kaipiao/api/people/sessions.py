"""/v1/sessions: a person signs in and out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access import refused
from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, session_of
from kaipiao.api.described import stated
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.people_examples import LOG_IN, SIGNED_IN
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.people.account_fields import AnyCode, Password
from kaipiao.api.people.parts import people_of, source
from kaipiao.api.views import stamp
from kaipiao.errors import TooManyRequests
from kaipiao.operations.metrics import LogInResult

router = APIRouter(prefix="/v1/sessions", tags=["access"])
Own = Annotated[Caller, Depends(caller_with(Permission.OWN))]
REFUSALS: stated.Stated = (
    refused.LogInRefused(),
    refused.LockedOut(retry_after=300),
    refused.PasswordRefused(),
)


class LogInForm(Form):
    account: Annotated[str, Field(min_length=1, max_length=256, description="账户名 / name")]
    password: Password
    totp: AnyCode | None = None


class SessionView(BaseModel):
    """`must`: until it is done the session is good for `/v1/account` only."""

    token: str = Field(description="Authorization: Bearer …")
    account: str
    role: str
    tenant: str | None
    taxpayers: list[str] = Field(
        description="空：租户或本安装的全部 / empty: all of the tenant, or of the installation"
    )
    expires: str
    must: list[str] = Field(description="password 改口令, totp 设置一次性密码")


@router.post(
    "",
    status_code=201,
    response_model=SessionView,
    responses={
        201: {"content": example(SIGNED_IN)},
        **problems(*stated.BODY, *stated.FIELDS, *REFUSALS, *stated.RATE, *stated.WRITING, *stated.SEALS),
    },
    openapi_extra={**described(LogInForm, LOG_IN), "security": []},
    summary="登录 / Sign in",
)
async def sign_in(request: Request) -> SessionView:
    """The answer to a failure does not tell what was wrong, nor whether the account exists. After some failures of a name, or
    with some names from a source, both answer `429` for a while."""
    form = await form_of(request, LogInForm)
    with _counted(request):
        signed = await people_of(request).log_in(form.account, form.password, form.totp, source(request))
    account = signed.account
    return SessionView(
        token=signed.token,
        account=account.account,
        role=account.role,
        tenant=account.tenant,
        taxpayers=list(account.taxpayers),
        expires=stamp(signed.expires) or "",
        must=list(signed.must),
    )


@contextmanager
def _counted(request: Request) -> Iterator[None]:
    """A log-in, for the metrics: by its result, never by its name."""
    count = services_of(request).scrape.metrics.log_in
    try:
        yield
    except refused.LogInRefused:
        count(LogInResult.REFUSED)
        raise
    except refused.LockedOut:
        count(LogInResult.LOCKED)
        raise
    except TooManyRequests:
        count(LogInResult.BUSY)
        raise
    count(LogInResult.OK)


@router.delete(
    "/current",
    status_code=204,
    response_class=Response,
    responses=problems(*stated.CALLER, *stated.WRITING),
    summary="退出登录 / Sign out",
)
async def sign_out(request: Request, caller: Own) -> Response:
    """This session is over on every node within two seconds, here at once."""
    await people_of(request).own.log_out(session_of(caller), source(request))
    return Response(status_code=204)
