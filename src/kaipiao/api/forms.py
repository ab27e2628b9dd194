"""Small JSON bodies, read as strictly as a sale: no unknown field, none twice, nothing quoted in a refusal."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from kaipiao.api.envelope import body_of
from kaipiao.errors import Malformed
from kaipiao.intake.exact_json import parse
from kaipiao.intake.refusals import refusal
from kaipiao.language import Text

LARGEST = 64 * 1024  # bytes: a thousand tax numbers and the longest password


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


F = TypeVar("F", bound=Form)


async def form_of(request: Request, form: type[F]) -> F:
    """The body of this request. Raises `Malformed`, `FieldsRefused`, and as `body_of`; no body is an empty object."""
    body = parse(await body_of(request, LARGEST) or b"{}")
    if not isinstance(body, dict):
        raise Malformed(Text("请求应为一个 JSON 对象。", "A request is one JSON object."))
    try:
        return form.model_validate(body)
    except ValidationError as error:
        raise refusal(error) from None


def described(form: type[Form], example: object) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes this form."""
    schema = form.model_json_schema()
    required = bool(schema.get("required"))
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }
