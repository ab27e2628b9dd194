"""The description as an outsider reads it: valid, with an example of everything, and each example is of its own schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "access"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import SELLER, Point
from described import PROBLEM, check_form, check_item, document_of, validate
from fastapi import FastAPI
from month_calls import month_answers
from outage_stand import closed, keep
from people_calls import answers as people_answers
from repair_calls import repair_answers
from test_alarms_api import alarm_answers
from test_modes_api import mode_answers

from kaipiao.api.described import examples
from kaipiao.api.described.openapi import problems
from kaipiao.errors import QuotaExhausted
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import Taxpayer

NDJSON = "application/x-ndjson"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def examples_of(part: dict[str, Any]) -> list[Any]:
    """Those of a parameter, a body, a content or a header, wherever OpenAPI lets them stand."""
    named = [one["value"] for one in part.get("examples", {}).values()]
    return [*named, *([part["example"]] if "example" in part else []), *part.get("schema", {}).get("examples", [])]


def test_the_description_is_valid_openapi_3_1_by_an_outside_validator() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = json.loads((await call(app, "GET", "/openapi.json")).body)
        assert document["openapi"].startswith("3.1")
        OpenAPIV31SpecValidator(document).validate()

    told(story)


def test_every_operation_has_a_stable_name_of_its_own_and_a_summary_in_both_languages() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        found = list(operations(app.openapi()))
        names = [operation["operationId"] for _, operation in found]
        assert len(set(names)) == len(names)
        assert {"invoices_issue", "batch_batch", "later_cancel", "invoices_find"} <= set(names)
        for where, operation in found:
            assert " / " in operation["summary"] or "（" in operation["summary"], where

    told(story)


def test_every_parameter_has_an_example_of_its_own_schema() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = app.openapi()
        for where, operation in operations(document):
            for parameter in operation["parameters"]:
                found = examples_of(parameter)
                assert found, f"{where}: {parameter['name']}"
                for one in found:
                    validate(document, parameter["schema"], one)

    told(story)


def test_every_body_has_an_example_of_its_own_schema() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = app.openapi()
        for where, operation in operations(document):
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                found = examples_of(content)
                if media == NDJSON:  # stands in its text, for a reason given there
                    found = content["schema"]["description"].partition("```\n")[2].rstrip("`").splitlines()
                    assert [parse_request(line.encode()).order for line in found] == ["A-1001", "A-1002"]
                    continue
                assert found, f"{where}: {media}"
                for one in found:
                    validate(document, content["schema"], one)

    told(story)


def test_every_answer_and_header_has_an_example_of_its_own_schema() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = document_of(app)
        for where, operation in operations(document):
            for status, response in operation["responses"].items():
                assert response["description"], f"{where} {status}"
                for media, content in response.get("content", {}).items():
                    found = examples_of(content)
                    assert found, f"{where} {status} {media}"
                    for one in found:
                        validate(document, content["schema"], one)
                for name, own in response["headers"].items():
                    header = document["components"]["headers"][name] if "$ref" in own else own
                    assert examples_of(header), f"{where} {status} {name}"
                    for one in examples_of(header):
                        validate(document, header["schema"], one)

    told(story)


def test_the_examples_of_a_problem_are_its_codes_each_as_it_is_answered() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = app.openapi()
        for where, operation in operations(document):
            assert "500" in operation["responses"], where
            for status, response in operation["responses"].items():
                for code, one in response.get("content", {}).get(PROBLEM, {"examples": {}})["examples"].items():
                    assert (one["value"]["code"], str(one["value"]["status"])) == (code, status), where
                    assert code in response["description"], where
                    assert " / " in one["summary"]

    told(story)


@pytest.mark.parametrize("line", examples.BATCH_LINES.splitlines())
def test_the_lines_of_a_batch_are_sales(line: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        check_form(app.openapi(), "InvoiceRequest", json.loads(line))

    told(story)


def test_the_examples_of_a_batch_are_answers_to_its_items() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = app.openapi()
        content = document["paths"]["/v1/invoices:batch"]["post"]["responses"]["200"]["content"][NDJSON]
        for text in examples_of(content):
            for line in text.splitlines():
                check_item(document, json.loads(line))

    told(story)


def form(value: Any) -> Any:
    """The names and kinds of a value. A list has the form of its first item."""
    if isinstance(value, dict):
        return {name: form(one) for name, one in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def alike(shown: Any, real: Any) -> bool:
    """The same names everywhere; a value may be null in one of them, a list empty."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return set(shown) == set(real) and all(alike(shown[name], real[name]) for name in shown)
    if isinstance(shown, list) and isinstance(real, list):
        return not shown or not real or alike(shown[0], real[0])
    return "NoneType" in (shown, real) or shown == real


FREE_NAMES = {"first", "last", "data", "states", "cover_bounds", "bounds"}  # their keys depend on what there is


def without_free(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: {} if name in FREE_NAMES else without_free(one) for name, one in value.items()}
    return [without_free(one) for one in value] if isinstance(value, list) else value


def test_the_examples_have_the_very_form_of_what_the_running_application_answers() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await p.ledger.save_taxpayers([Taxpayer(SELLER, "default", "示例销售有限公司", ("pretend",))])
        number = (await post(app, sale())).json()["number"]
        later = await post(app, sale("A-2"), headers={"prefer": "respond-async"})
        cancelled = await call(app, "POST", "/v1/invoices:cancel?order=A-2", token=token())
        checked = await call(app, "POST", "/v1/invoices:check", token=token(), body=json.dumps(sale()).encode())
        real = {"202 POST /v1/invoices": later, "200 POST /v1/invoices:cancel": cancelled}
        real |= {"200 POST /v1/invoices:check": checked, "201 POST /v1/invoices": await post(app, sale("A-3"))}
        real["200 POST /v1/invoices"] = await post(app, sale())
        real |= await people_answers(app)
        real |= await alarm_answers(app, p)
        real |= await month_answers(app, p)
        real |= await repair_answers(app, p)
        real |= await mode_answers(app)
        await keep(p, closed())
        for where, operation in operations(app.openapi()):
            for status, response in operation["responses"].items():
                if "application/json" not in response.get("content", {}) or status == "503":
                    continue
                name = f"{status} {where}"
                if name not in real:
                    target = (
                        where.partition(" ")[2]
                        .replace("{number}", number)
                        .replace("{outage}", "7")
                        .replace("{taxpayer}", SELLER)
                    )
                    real[name] = await call(app, "GET", target, token=token())
                assert real[name].status == int(status), name
                (shown,) = examples_of(response["content"]["application/json"])
                pair = form(without_free(shown)), form(without_free(real[name].json()))
                assert alike(*pair), f"{name}: {pair}"

    told(story)


def test_a_state_that_is_shown_is_one() -> None:
    assert {one["state"] for one in (examples.LISTED[0], examples.ACCEPTED, examples.CANCELLED)} <= set(State)


def test_a_route_may_state_its_errors_by_status_or_one_by_one() -> None:
    found = problems(401, QuotaExhausted(taxpayer="x"))
    assert set(found) == {401, 429, 500, 503}
    assert list(found[503]["content"][PROBLEM]["examples"]) == ["KP-ISSUE-02"]
    assert len(found[401]["content"][PROBLEM]["examples"]) == 4


def test_links_lead_to_operations_and_parameters_that_exist() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        document = app.openapi()
        by_name = {operation["operationId"]: operation for _, operation in operations(document)}
        linked = 0
        for _, operation in operations(document):
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    known = {f"{q['in']}.{q['name']}" for q in by_name[link["operationId"]]["parameters"]}
                    assert set(link["parameters"]) <= known
                    linked += 1
        assert linked >= 20

    told(story)
