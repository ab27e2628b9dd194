"""Routes that will go: said in headers, in the description and in the metrics; a table that is not sound stops the start."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import Point

from kaipiao.api.app import create
from kaipiao.api.described.deprecations import table
from kaipiao.errors import SettingsFault

ROWS = """
["GET /v1/invoices/{number}"]
since = 2027-01-15
sunset = 2028-01-15
link = "https://docs.example.com/kaipiao#show"
["POST /v1/invoices"]
since = 2027-01-15
sunset = 2028-06-30
link = "https://docs.example.com/kaipiao#issue"
"""


def test_a_route_that_will_go_says_so_in_every_answer_and_is_described_as_such() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        going = create(app.state.services, table(ROWS))
        made = await post(going, sale())
        number = made.json()["number"]
        shown = await call(going, "GET", f"/v1/invoices/{number}", token=token())
        refused = await call(going, "GET", f"/v1/invoices/{'1' * 20}", token=token())
        for answer in (shown, refused):
            assert answer.headers["deprecation"] == "@1799971200"
            assert answer.headers["sunset"] == "Sat, 15 Jan 2028 00:00:00 GMT"
            assert answer.headers["link"].startswith('<https://docs.example.com/kaipiao#show>; rel="deprecation"')
        assert made.headers["sunset"] == "Fri, 30 Jun 2028 00:00:00 GMT"
        other = await call(going, "GET", f"/v1/invoices/{number}/seal", token=token())
        assert not {"deprecation", "sunset"} & set(other.headers)
        paths = going.openapi()["paths"]
        assert paths["/v1/invoices/{number}"]["get"]["deprecated"] is True
        assert "deprecated" not in paths["/v1/invoices/{number}/seal"]["get"]
        assert "deprecated" not in paths["/v1/invoices"]["get"]

    told(story)


def test_who_still_comes_is_counted_by_route_and_logged_by_name(caplog: pytest.LogCaptureFixture) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        going = create(app.state.services, table(ROWS))
        for _ in range(2):
            await call(going, "GET", f"/v1/invoices/{'1' * 20}", token=token())
        page = (await call(going, "GET", "/metrics", token=token())).body.decode()
        assert 'kaipiao_deprecated_requests_total{route="GET /v1/invoices/{number}"} 2.0' in page
        assert [record.subject for record in caplog.records if record.message == "deprecated"] == ["test"] * 2  # type: ignore[attr-defined]

    told(story)


@pytest.mark.parametrize(
    "row",
    [
        '["GET /v1/nowhere"]\nsince = 2027-01-15\nsunset = 2028-01-15\nlink = "https://a.example"',
        '["PUT /v1/invoices"]\nsince = 2027-01-15\nsunset = 2028-01-15\nlink = "https://a.example"',
        '["GET /v1/status"]\nsince = 2027-01-15\nsunset = 2028-01-14\nlink = "https://a.example"',
        '["GET /v1/status"]\nsince = 2027-01-15\nlink = "https://a.example"',
        '["GET /v1/status"]\nsince = "soon"\nsunset = 2028-01-15\nlink = "https://a.example"',
        '["GET /v1/status"]\nsince = 2027-01-15\nsunset = 2028-01-15\nlink = "mailto:a"',
    ],
)
def test_a_row_that_names_no_route_is_not_whole_or_too_sudden_stops_the_start(row: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        with pytest.raises(SettingsFault):
            create(app.state.services, table(row))

    told(story)


def test_the_table_of_the_package_is_sound_and_every_address_has_its_version() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert all(row.since < row.sunset > datetime(2026, 1, 1, tzinfo=UTC) for row in table().values())
        unversioned = {path for path in app.openapi()["paths"] if not path.startswith("/v1/")}
        assert unversioned == {"/healthz", "/readyz", "/metrics"}

    told(story)
