"""As long as a document is not uploaded, every answer about it says so, in both languages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import Point

from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.invoice.notice import notice_of


@pytest.mark.parametrize("state", State)
def test_there_is_a_notice_exactly_while_it_is_debt(state: State) -> None:
    found = notice_of(state)
    assert (found is not None) == (state in DEBT)
    if found is not None:
        assert "税务机关" in found.zh
        assert "tax authority" in found.en


def test_answers_carry_it_until_the_bureau_has_the_document() -> None:
    async def story(app: Any, p: Point) -> None:
        issued = (await post(app, sale())).json()
        where = issued["links"]["self"]
        shown = (await call(app, "GET", where, token=token())).json()
        (listed,) = (await call(app, "GET", "/v1/invoices?order=A-1", token=token())).json()
        for answer in (shown, listed):
            assert "尚未上传" in answer["notice"]
            assert "not uploaded" in answer["notice"]
        await p.run(3600)
        confirmed = (await call(app, "GET", where, token=token())).json()
        assert (confirmed["state"], confirmed["notice"]) == ("confirmed", None)
        assert (
            await post(app, sale())
        ).json() == issued  # R2: the same answer for ever, so it says nothing that passes

    told(story)
