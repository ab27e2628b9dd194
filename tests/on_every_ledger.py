"""A plugin of the suite: a test of the API that tells a story to the application tells it on memory, PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

LEDGERS = ("memory", "postgresql", "sqlite")
TELLS = {"told", "told_of_two"}  # of tests/unit/api/api_stand.py and of those who stand on it
# What these promise is decided before any ledger is asked.
ON_MEMORY_ONLY = {"test_permissions", "test_openapi", "test_description", "test_sales_door", "test_deprecations"}


@dataclass
class On:
    """Which ledger the test that runs now is on, and whether its database was made ready."""

    ledger: str = "memory"
    ready: set[str] = field(default_factory=set)


on = On()


@pytest.fixture
def on_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    on.ledger = request.param
    yield
    on.ledger = "memory"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    tells = TELLS & set(metafunc.function.__code__.co_names)
    if tells and metafunc.module.__name__ not in ON_MEMORY_ONLY:
        metafunc.fixturenames.append("on_ledger")
        metafunc.parametrize("on_ledger", LEDGERS, indirect=True)
