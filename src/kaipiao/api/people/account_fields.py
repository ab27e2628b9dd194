"""The fields that bodies about people have, each with the limits that the description states: what is outside of them is
refused with `422`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, LiteralString

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from kaipiao.access.names import FORM

LONGEST_PASSWORD = 1024  # characters; bytes are counted where it is hashed
_TENANT = r"[^\s/@:?#%]{1,64}"
_NAME = f"{FORM.pattern}(?:@{_TENANT})?"
_TAX = "[0-9A-Z]{15,20}"
_NO_CONTROLS = r"[^\u0000-\u001f\u007f-\u009f]+"
_CODE = "[0-9]{6}"
_ANY_CODE = rf"{_CODE}|[\s-]*(?:[A-Za-z0-9][\s-]*){{16}}"
NEW_PASSWORDS: Mapping[str, str] = {
    "/v1/accounts": "password",
    "/v1/accounts/{account}:reset-password": "password",
    "/v1/account/password": "new_password",
}


def _must_match(pattern: str, otherwise: LiteralString) -> AfterValidator:
    """The text as a whole. `otherwise`: the reason in `intake.refusals`."""
    compiled = re.compile(pattern)

    def check(given: str) -> str:
        if compiled.fullmatch(given) is None:
            raise PydanticCustomError(otherwise, "not of its form")
        return given

    return AfterValidator(check)


def _stated(pattern: str) -> dict[str, Any]:
    return {"pattern": f"^(?:{pattern})$"}


AccountName = Annotated[
    str,
    _must_match(_NAME, "account_name"),
    Field(
        min_length=1,
        max_length=129,
        description="1–64 个小写字母、数字、汉字、. _ -；租户的账户自动加上 @租户 / 1–64 small letters, digits, Chinese "
        "characters, . _ -; of a tenant it ends in @tenant",
        json_schema_extra=_stated(_NAME),
    ),
]
Tenant = Annotated[
    str, _must_match(_TENANT, "tenant_name"), Field(min_length=1, max_length=64, json_schema_extra=_stated(_TENANT))
]
TaxNumber = Annotated[
    str, _must_match(_TAX, "tax_number"), Field(min_length=15, max_length=20, json_schema_extra=_stated(_TAX))
]
Password = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_PASSWORD,
        description="口令，≤ 1024 字节 / password, at most 1024 bytes",
        json_schema_extra={"format": "password"},
    ),
]
NewPassword = Annotated[
    str,
    _must_match(_NO_CONTROLS, "control_characters"),
    Field(
        min_length=1,
        max_length=LONGEST_PASSWORD,
        description="≤ 1024 字节，至少 4 种字符，不常见，不由账户名构成 / at most 1024 bytes, 4 different characters, not "
        "common, not made of the account's name",
        json_schema_extra={**_stated(_NO_CONTROLS), "format": "password"},
    ),
]
Code = Annotated[
    str,
    _must_match(_CODE, "one_time_code"),
    Field(min_length=6, max_length=6, description="6 位 / 6 digits", json_schema_extra=_stated(_CODE)),
]
AnyCode = Annotated[
    str,
    _must_match(_ANY_CODE, "one_time_code"),
    Field(
        min_length=6,
        max_length=64,
        description="一次性密码或恢复码 / one-time or recovery code",
        json_schema_extra=_stated(_ANY_CODE),
    ),
]


def state_shortest_password(document: dict[str, Any], shortest: int) -> None:
    """Into the description: how many characters a new password has here (`access.password_length`)."""
    for path, name in NEW_PASSWORDS.items():
        form = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        field = form["properties"][name]
        for choice in (field, *field.get("anyOf", ())):
            if choice.get("type") == "string":
                choice["minLength"] = shortest
