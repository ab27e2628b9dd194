"""Holds an answer against the description of the API: its status, its code, its form, its headers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

PROBLEM = "application/problem+json"
NDJSON = "application/x-ndjson"
ANYWHERE = {404: "KP-FIND-03", 405: "KP-HTTP-01"}  # what an address that is none answers, and a method that is none
_DOCUMENTS: dict[tuple[str, ...], dict[str, Any]] = {}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def document_of(app: FastAPI) -> dict[str, Any]:
    """The description; made once for all applications of the same routes."""
    key = tuple(sorted(f"{route.methods} {route.path}" for route in app.state.routes))
    if key not in _DOCUMENTS:
        _DOCUMENTS[key] = app.openapi()
    return _DOCUMENTS[key]


def check(app: FastAPI, method: str, path: str, answer: Answer) -> None:
    """Raise AssertionError for an answer that is not described."""
    where = f"{method} {path} {answer.status}"
    assert answer.headers.get("x-request-id"), where
    document = document_of(app)
    operation = operation_at(app, method, path)
    if operation is None:
        if path != "/openapi.json":
            assert answer.json()["code"] == ANYWHERE[answer.status], where
            check_form(document, "Problem", answer.json())
        return
    responses = document["paths"][operation.path]["get" if method == "HEAD" else method.lower()]["responses"]
    assert str(answer.status) in responses, f"{where}: not described"
    if method != "HEAD":
        _check_content(document, responses[str(answer.status)], answer, where)
    _check_headers(answer, where)


def operation_at(app: FastAPI, method: str, path: str) -> APIRoute | None:
    routes: tuple[APIRoute, ...] = app.state.routes
    asked = "GET" if method == "HEAD" else method
    return next((r for r in routes if asked in (r.methods or ()) and r.path_regex.match(path)), None)


def _check_content(document: dict[str, Any], response: dict[str, Any], answer: Answer, where: str) -> None:
    if answer.status == 204:
        assert answer.body == b"", where
        assert "content" not in response, where
        return
    media = answer.headers["content-type"].partition(";")[0]
    found = response["content"].get(media) or response["content"].get(answer.headers["content-type"])
    assert found is not None, f"{where}: {media} is not described"
    if media == PROBLEM:
        assert answer.json()["code"] in found["examples"], f"{where}: {answer.json()['code']} is not described"
    if media in (PROBLEM, "application/json"):
        validate(document, found["schema"], answer.json())
    elif media == NDJSON and where.startswith("POST"):
        for line in answer.body.splitlines():
            check_item(document, json.loads(line))


def check_item(document: dict[str, Any], line: dict[str, Any]) -> None:
    """An answer of a batch is what the single call answers."""
    single = document["paths"]["/v1/invoices"]["post"]["responses"][str(line["status"])]["content"]
    name = {200: "invoice", 201: "invoice", 202: "accepted"}.get(line["status"], "problem")
    assert set(line) == {"position", "order", "status", name}
    (form,) = single.values()
    validate(document, form["schema"], line[name])
    if name == "problem":
        assert line["problem"]["code"] in form["examples"], line["problem"]["code"]


def _check_headers(answer: Answer, where: str) -> None:
    if answer.headers.get("content-type") == PROBLEM:
        assert answer.headers["content-language"] in ("zh", "en"), where
    assert answer.status != 401 or answer.headers["www-authenticate"].startswith("Bearer"), where
    assert answer.status != 429 or answer.headers["retry-after"].isdigit(), where


def check_form(document: dict[str, Any], schema: str, value: object) -> None:
    validate(document, {"$ref": f"#/components/schemas/{schema}"}, value)


def validate(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """Raise AssertionError where the value is not of the schema, with its path."""
    errors = list(_validator(_Held(document), json.dumps(schema)).iter_errors(value))
    assert not errors, "; ".join(f"{error.json_path}: {error.message[:200]}" for error in errors[:3])


@dataclass(frozen=True, eq=False)
class _Held:
    """The document as a key: one is one."""

    document: dict[str, Any]

    def __hash__(self) -> int:
        return id(self.document)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.document is self.document


@cache
def _validator(held: _Held, schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": held.document["components"]})
