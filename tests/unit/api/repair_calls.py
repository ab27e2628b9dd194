"""One answer of each route of successors and repairs, for the test of the description."""

from __future__ import annotations

import json

from api_stand import post, sale, token
from asgi import Answer, call
from bench import Point
from fastapi import FastAPI

JSON = {"content-type": "application/json"}


async def repair_answers(app: FastAPI, p: Point) -> dict[str, Answer]:
    """By status and route."""
    numbers = [str((await post(app, sale(order))).json()["number"]) for order in ("R-1", "R-2")]
    p.bureau.refusals |= dict.fromkeys(numbers, "额度不足")
    await p.run(60, every=10)
    wanted = {"tool": "resend-same-number", "number": numbers[1], "reason": "试", "dry_run": True}
    replace = f"/v1/invoices:replace?number={numbers[0]}"
    return {
        "201 POST /v1/invoices:replace": await call(app, "POST", replace, token=token()),
        "200 POST /v1/invoices:replace": await call(app, "POST", replace, token=token()),
        "200 GET /v1/repairs": await call(app, "GET", "/v1/repairs", token=token()),
        "200 GET /v1/repairs/{number}": await call(app, "GET", f"/v1/repairs/{numbers[1]}", token=token()),
        "200 POST /v1/repairs": await call(
            app, "POST", "/v1/repairs", token=token(), body=json.dumps(wanted).encode(), headers=JSON
        ),
    }
