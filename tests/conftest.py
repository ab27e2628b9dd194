"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao_lab.bench import Bench, Sizes
from postgresql_server import OUTSIDE, NotForTests, claim, outside

pytest_plugins = ["on_every_ledger"]
REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_sessionstart(session: pytest.Session) -> None:
    """Whose database is emptied is said before it is done, without its password."""
    if outside() is None:
        return
    session.config.get_terminal_writer().line(f"这些测试会清空数据库 / these tests EMPTY the database {outside()}")
    try:
        claim(os.environ[OUTSIDE])
    except NotForTests as refused:
        pytest.exit(f"拒绝清空 / refusing to empty {outside()}: {refused}", returncode=4)
    except (OSError, asyncpg.PostgresError) as error:
        pytest.exit(f"无法连接 / no connection to {outside()}: {error}", returncode=4)


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
