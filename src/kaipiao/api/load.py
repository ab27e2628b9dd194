"""How much this node does less than it could, and that by hand."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of
from kaipiao.api.described import stated
from kaipiao.api.described.examples import example
from kaipiao.api.described.openapi import problems
from kaipiao.api.forms import Form, described, form_of
from kaipiao.api.once import PARAMETER, REPLAYED, once
from kaipiao.errors import PermissionMissing
from kaipiao.operations.degradation.ladder import Level

router = APIRouter(tags=["platform"])
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Steering = Annotated[Caller, Depends(caller_with(Permission.STEER))]


class DegradationView(BaseModel):
    """Of the node that answers. `share`: of the design rate, at the last look."""

    node: str
    level: int = Field(ge=0, le=3)
    by_hand: bool
    reason: str | None
    share: float
    design_rate: float
    measures: list[str] = Field(description="正在起作用的措施 / what is different now")


class DegradationForm(Form):
    """`auto`: let it go by itself again."""

    level: Literal["auto", "L0", "L1", "L2", "L3"]
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


_EXAMPLE: dict[str, object] = {
    "node": "node-1",
    "level": 1,
    "by_hand": False,
    "reason": None,
    "share": 0.62,
    "design_rate": 100.0,
    "measures": ["keepalive"],
}


@router.get(
    "/v1/degradation",
    response_model=DegradationView,
    responses={200: {"content": example(_EXAMPLE)}, **problems(*stated.CALLER)},
    summary="降级级别 / The level of degradation",
)
async def level(request: Request, caller: Operating) -> DegradationView:
    del caller
    return _view(request)


@router.post(
    "/v1/degradation",
    response_model=DegradationView,
    responses={
        200: {"headers": REPLAYED, "content": example({**_EXAMPLE, "by_hand": True, "reason": "演练"})},
        **problems(*stated.BODY, *stated.FIELDS, *stated.CALLER, *stated.KEYED, *stated.WRITING),
    },
    openapi_extra={**described(DegradationForm, {"level": "L1", "reason": "演练"}), "parameters": [PARAMETER]},
    summary="手动降级，或交还自动 / Degrade by hand, or let it go by itself",
)
async def degrade(request: Request, caller: Steering) -> Response:
    """This node alone. For whoever may act for all taxpayers."""
    if not caller.may_act_for(ANY):
        raise PermissionMissing(permission=Permission.STEER.value)
    form = await form_of(request, DegradationForm)

    async def done() -> DegradationView:
        level = None if form.level == "auto" else Level(int(form.level[1:]))
        await services_of(request).degradation.set_by_hand(level, form.reason, caller.subject)
        return _view(request)

    return await once(request, caller, done, body=form.model_dump_json().encode)


def _view(request: Request) -> DegradationView:
    services = services_of(request)
    degradation = services.degradation
    return DegradationView(
        node=services.node,
        level=int(degradation.level),
        by_hand=degradation.by_hand,
        reason=degradation.why,
        share=round(degradation.share, 3),
        design_rate=degradation.rules.design,
        measures=[measure.name for measure in degradation.measures()],
    )
