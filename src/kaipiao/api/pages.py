"""A list comes in pages: how long one may be, where it begins, and the link to the next (RFC 8288)."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request

LARGEST_POSITION = 2**63 - 1
LINK = '</v1/invoices?limit=100&after=905969664000000001>; rel="next"'
NEXT_PAGE = {"Link": {"description": "rel=next: 下一页 / the next page", "schema": {"type": "string"}, "example": LINK}}
Limit = Annotated[int, Query(ge=1, le=1000, description="至多几条 / at most", examples=[100])]
AfterPosition = Annotated[
    int, Query(ge=0, le=LARGEST_POSITION, description="上一条的 position / of the last one seen", examples=[0])
]


def link_to(request: Request, after: int) -> dict[str, str]:
    """The header `Link` to the same list after this place."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    query = urlencode([*kept, ("after", str(after))])
    return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
