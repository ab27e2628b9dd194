"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaipiao_lab.bench import Bench, Sizes

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def samples() -> Path:
    """The real files beside the repository. They show real companies and are therefore not part of it."""
    folder = REPOSITORY.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"real sample files are not here ({folder}): nothing of this test was run")
    return folder


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
