"""The description of the API for programs: OpenAPI 3.1, with every status and code that really occurs, and examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from kaipiao.api.described.deprecations import Deprecation
from kaipiao.api.described.links import LINKS
from kaipiao.api.described.stated import by_status
from kaipiao.api.problems import MEDIA_TYPE, problem
from kaipiao.errors import KaipiaoError, Resend

REQUEST_ID = "893e04e1262acbef"
ABOUT = """开票：税局不应答时照常开票，不丢票、不重票。每笔订单一个 `order`，未收到应答就用同一 `order` 重发。

Kaipiao keeps issuing when the tax server does not answer. One `order` for each sale; when no answer arrived, send the same
`order` again. Problems are RFC 9457, in the language of `Accept-Language` (zh, en), with a stable `code`.

任何地址都可能答 / Any address may answer: `404` KP-FIND-03 没有这个地址 no such address · `405` KP-HTTP-01, `Allow`
列出可用的方法 lists the methods · `431` 请求头过大 the head is too large. `Accept` 不限制应答的格式 restricts no answer: there
is no `406`; `Content-Length` 可以没有 may be missing: there is no `411`."""
TAGS = [
    {"name": "invoices", "description": "开具与查询 / issuing and reading"},
    {"name": "taxpayers", "description": "号码、额度、可持续时长 / numbers, quota, cover"},
    {"name": "platform", "description": "状态、事件、核验 / standing, events, audit"},
    {"name": "repairs", "description": "修复工具箱 / the repair toolbox"},
    {"name": "alarms", "description": "告警、静默、渠道 / alarms, silences, channels"},
    {"name": "access", "description": "登录、账户、审计视图 / signing in, accounts, the audit view"},
]
GIVEN: tuple[dict[str, Any], ...] = (
    {
        "name": "Accept-Language",
        "in": "header",
        "required": False,
        "description": "zh（缺省）或 en / zh (default) or en",
        "schema": {"type": "string"},
        "example": "zh",
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "由您给出的请求编号：字母、数字、._:-，1–64 个；否则由平台给出 / an id of yours: letters, digits, ._:-; else ours",
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
)
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "请求编号，日志中也有 / the id of this request, also in the log",
        "schema": {"type": "string"},
        "example": REQUEST_ID,
    },
    "Content-Language": {"description": "文字的语言 / of the texts", "schema": {"type": "string"}, "example": "zh"},
    "Retry-After": {"description": "秒 / seconds", "schema": {"type": "integer", "minimum": 0}, "example": 2},
    "WWW-Authenticate": {
        "description": "RFC 6750",
        "schema": {"type": "string"},
        "example": 'Bearer realm="kaipiao"',
    },
}


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


def problems(*what: int | KaipiaoError) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors; a bare status stands for those in `stated.ORDINARY`."""
    return {status: _response(stated) for status, stated in by_status(*what).items()}


def _response(stated: Mapping[str, KaipiaoError]) -> dict[str, Any]:
    examples = {
        code: {
            "summary": f"{error.detail.zh} / {error.detail.en}",
            "value": problem(error, "zh", REQUEST_ID),
        }
        for code, error in stated.items()
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    said = " · ".join(f"{code} {error.title.zh} / {error.title.en}" for code, error in stated.items())
    return {"description": said, "content": content}


def operation_id(route: APIRoute) -> str:
    """`invoices_issue`: the file that a route stands in, and its name there."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"


def describe(
    app: FastAPI, request_schema: dict[str, Any], deprecated: Mapping[str, Deprecation] | None = None
) -> dict[str, Any]:
    """The OpenAPI document of the application; `request_schema` is that of a body of `POST /v1/invoices`."""
    document = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes, tags=TAGS)
    components = document.setdefault("components", {})
    _add_schemas(components.setdefault("schemas", {}), request_schema)
    components["headers"] = HEADERS
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["security"] = [{"bearer": []}]
    _put_back_examples(app, document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _as_it_is(operation)
            if f"{method.upper()} {path}" in (deprecated or {}):
                operation["deprecated"] = True
    return document


def _put_back_examples(app: FastAPI, paths: dict[str, Any]) -> None:
    """FastAPI leaves every null out of the document, also those that examples have."""
    for route in app.state.routes:
        for status, stated in route.responses.items():
            for method in route.methods:
                response = paths[route.path][method.lower()]["responses"][str(status)]
                for media, content in stated.get("content", {}).items():
                    response["content"][media] |= {k: v for k, v in content.items() if k.startswith("example")}


def _add_schemas(schemas: dict[str, Any], request_schema: dict[str, Any]) -> None:
    schemas.update(request_schema.pop("$defs", {}))
    schemas["InvoiceRequest"] = request_schema
    stated = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(stated.pop("$defs", {}))
    schemas["Problem"] = stated
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own form, which this API never sends
        schemas.pop(unused, None)


def _as_it_is(operation: dict[str, Any]) -> None:
    """Without FastAPI's own 422; an optional query parameter is absent, never null; what every answer has is added."""
    own = operation["responses"].get("422", {}).get("content", {})
    if "application/json" in own:
        del operation["responses"]["422"]
    for parameter in operation.setdefault("parameters", []):
        choices = [c for c in parameter["schema"].get("anyOf", []) if c != {"type": "null"}]
        if len(choices) == 1:
            outer = {k: v for k, v in parameter["schema"].items() if k != "anyOf"}
            parameter["schema"] = {**outer, **choices[0]}
    operation["parameters"] += GIVEN
    for status, response in operation["responses"].items():
        found = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers_of(status, response)}
        response["headers"] = {**found, **response.get("headers", {})}
        if links := LINKS.get(operation["operationId"], {}).get(status):
            response["links"] = links


def _headers_of(status: str, response: Mapping[str, Any]) -> Iterator[str]:
    yield "X-Request-Id"
    if MEDIA_TYPE in response.get("content", {}):
        yield "Content-Language"
        if status == "401":
            yield "WWW-Authenticate"
        if status in ("429", "503"):
            yield "Retry-After"
