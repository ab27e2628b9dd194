"""The description of the API for programs: OpenAPI 3.1, with every status that really occurs, and examples."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field

from kaipiao import errors
from kaipiao.errors import KaipiaoError, Resend

PROBLEM_TYPE = "application/problem+json"
# Which of our errors stands for a status in the examples; others with the same status have the same form.
EXAMPLES: dict[int, type[KaipiaoError]] = {
    400: errors.Malformed,
    401: errors.AccessRefused,
    403: errors.PermissionMissing,
    404: errors.NotFound,
    408: errors.BodyTooSlow,
    409: errors.OrderConflict,
    413: errors.TooLarge,
    415: errors.BodyFormRefused,
    422: errors.FieldsRefused,
    429: errors.TooManyRequests,
    500: errors.Internal,
    503: errors.CannotIssue,
}
ABOUT = """开票：税局不应答时照常开票，不丢票、不重票。每笔订单一个 `order`，未收到应答就用同一 `order` 重发。

Kaipiao keeps issuing when the tax server does not answer. One `order` for each sale; when no answer arrived, send the same
`order` again. Problems are RFC 9457, in the language of `Accept-Language` (zh, en)."""


class Problem(BaseModel):
    """RFC 9457. `send_again`: may the same request be sent again?"""

    type: str = Field(examples=["urn:kaipiao:problem:KP-INPUT-04"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str
    code: str = Field(pattern="^KP-[A-Z0-9]+-[0-9]+(-[A-Z0-9]+)*$")
    next_step: str
    send_again: Resend
    request_id: str
    fields: list[Any] | None = Field(None, description="字段 / the fields that are wrong, or that differ")
    findings: list[dict[str, str]] | None = Field(None, description="违反的规则 / the rules that are broken")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    always = (429, 500) if 401 in statuses else (500,)  # whoever shows a token has a rate
    return {status: _response(status) for status in (*statuses, *always)}


def _response(status: int) -> dict[str, Any]:
    error = EXAMPLES[status]
    example = {
        "type": f"urn:kaipiao:problem:{error.code}",
        "title": error.title.zh,
        "status": status,
        "detail": error.title.zh,
        "instance": "urn:kaipiao:request:893e04e1262acbef",
        "code": error.code,
        "next_step": error.next_step.zh,
        "send_again": error.resend.value,
        "request_id": "893e04e1262acbef",
    }
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": f"{error.title.zh} / {error.title.en}", "content": content}


def describe(app: FastAPI, request_schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document of the application; `request_schema` is that of a body of `POST /v1/invoices`."""
    document = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(request_schema.pop("$defs", {}))
    schemas["InvoiceRequest"] = request_schema
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form, which this API never sends
        schemas.pop(unused, None)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["security"] = [{"bearer": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            _as_it_is(operation)
    return document


def _as_it_is(operation: dict[str, Any]) -> None:
    """Without FastAPI's own 422; an optional query parameter is absent, never null."""
    own = operation["responses"].get("422", {}).get("content", {})
    if "application/json" in own:
        del operation["responses"]["422"]
    for parameter in operation.get("parameters", []):
        choices = [c for c in parameter["schema"].get("anyOf", []) if c != {"type": "null"}]
        if len(choices) == 1:
            parameter["schema"] = choices[0]
