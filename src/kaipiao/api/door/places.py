"""The place of a request in the queue of orders: got before its body is read, left when it is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import Request

from kaipiao.access.tokens import ANY, Caller
from kaipiao.api.access import services_of
from kaipiao.api.door.admission import Place, Priority
from kaipiao.settings import NO_TENANT

PLACE = "kaipiao.place"  # in the scope of a request that has one


@contextmanager
def placed(request: Request, caller: Caller, priority: Priority) -> Iterator[Place]:
    """`body_of` waits for its turn. Raises `Overloaded` before anything of the body is read."""
    services = services_of(request)
    place = services.admission.place(party_of(caller, services.tenants), priority)
    request.scope[PLACE] = place
    try:
        yield place
    finally:
        place.leave()


def party_of(caller: Caller, tenants: Mapping[str, str]) -> str:
    """Whose share it takes. The tenant's, when the caller or all its taxpayers are of one that the settings name (`tenants`,
    by taxpayer); else that of these taxpayers together, whichever token they are asked for with; for a token of all
    taxpayers its subject's."""
    if caller.tenant not in (None, NO_TENANT):
        return f"tenant:{caller.tenant}"
    if ANY in caller.taxpayers:
        return f"subject:{caller.subject}"
    found = {tenants.get(taxpayer, "") for taxpayer in caller.taxpayers}
    if len(found) == 1 and (tenant := found.pop()):
        return f"tenant:{tenant}"
    return "taxpayers:" + ",".join(sorted(caller.taxpayers))
