"""A bureau and a platform that run while the acceptance tests do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaipiao_lab.bench import Bench, Sizes


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Real processes: a bureau whose clock runs 60 times as fast, and the platform beside it."""
    made = Bench(tmp_path_factory.mktemp("bench"), Sizes(speed=60.0, start="2026-11-03T09:00:00+08:00"))
    try:
        made.set_up()
        yield made
    finally:
        made.close()


@pytest.fixture
def platform(bench: Bench) -> Path:
    """The data directory of the running platform."""
    return bench.directory / "platform"
