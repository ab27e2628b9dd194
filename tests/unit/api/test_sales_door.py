"""The short way to a sale and the declared route are one thing."""

from __future__ import annotations

import inspect

from kaipiao.api.sales.invoices import issue


def test_the_endpoint_of_a_sale_takes_what_the_short_way_hands_it_and_nothing_else() -> None:
    """A parameter that only the framework fills in would be forgotten by `SalesDoor`."""
    assert list(inspect.signature(issue).parameters) == ["request", "caller"]
