"""Where seals are made: in threads by shares, or where they are asked for on a machine with few cores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from kaipiao.issuing.ports import FEW_CORES, LARGEST_SHARE, SMALL, Threads, workers_on


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_each_gets_its_own_result_however_many_ask_at_once(executor: ThreadPoolExecutor) -> None:
    async def ask() -> list[int]:
        workers = Threads(executor, 2)
        return await asyncio.gather(*(workers.run(lambda n=n: n * n) for n in range(5 * LARGEST_SHARE)))  # type: ignore[misc]

    assert asyncio.run(ask()) == [n * n for n in range(5 * LARGEST_SHARE)]


def test_one_that_fails_harms_no_other_of_its_share(executor: ThreadPoolExecutor) -> None:
    async def ask() -> list[int | BaseException]:
        workers = Threads(executor, 2)
        asked = [workers.run(lambda n=n: 6 // n) for n in (3, 0, 2)]  # type: ignore[misc]
        found: list[int | BaseException] = await asyncio.gather(*asked, return_exceptions=True)
        return found

    two, failure, three = asyncio.run(ask())
    assert (two, three) == (2, 3)
    assert isinstance(failure, ZeroDivisionError)


@pytest.mark.parametrize("cores", [FEW_CORES, FEW_CORES + 1])
def test_one_that_panics_harms_no_other_and_no_thread(executor: ThreadPoolExecutor, cores: int) -> None:
    """A library may raise what is no `Exception` (a panic): the rest of its share waited for ever, its thread was lost."""

    def panic(error: BaseException) -> None:
        raise error

    async def ask() -> list[object]:
        workers = workers_on(cores, executor, 1)
        found: list[object] = []
        for error in (SystemExit(), StopIteration(), GeneratorExit()):
            asked = asyncio.gather(workers.run(partial(panic, error)), workers.run(lambda: 7), return_exceptions=True)
            found += await asyncio.wait_for(asked, 5)
        return found

    found = asyncio.run(ask())
    assert found[1::2] == [7, 7, 7]
    assert all(isinstance(failure, RuntimeError) for failure in found[::2])


def test_what_waits_when_the_threads_are_gone_is_told() -> None:
    """An executor that was shut down refuses: whoever asked waited for ever."""

    async def ask() -> list[object]:
        executor = ThreadPoolExecutor(1)
        workers, may_end = Threads(executor, 1), threading.Event()
        asked = [asyncio.ensure_future(workers.run(work)) for work in [may_end.wait] * LARGEST_SHARE]
        asked += [asyncio.ensure_future(workers.run(lambda: True))]
        for _ in range(3):
            await asyncio.sleep(0)
        executor.shutdown(wait=False)
        may_end.set()
        found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
        late = asyncio.gather(workers.run(lambda: 1), return_exceptions=True)
        return [*found, *await asyncio.wait_for(late, 5)]

    *done, refused, late = asyncio.run(ask())
    assert done == [True] * LARGEST_SHARE
    assert isinstance(refused, RuntimeError)
    assert isinstance(late, RuntimeError)


def test_one_that_goes_away_keeps_no_thread_and_no_other_waiting(executor: ThreadPoolExecutor) -> None:
    async def ask() -> int:
        workers, may_end = Threads(executor, 1), threading.Event()
        gone = asyncio.ensure_future(workers.run(may_end.wait))
        await asyncio.sleep(0)
        gone.cancel()
        other = asyncio.ensure_future(workers.run(lambda: 7))
        await asyncio.sleep(0)
        may_end.set()
        return await other

    assert asyncio.run(ask()) == 7


@pytest.mark.parametrize(
    ("cores", "size", "on_the_loop"),
    [(FEW_CORES, SMALL - 1, True), (FEW_CORES, SMALL, False), (FEW_CORES + 1, 1, False)],
)
def test_only_little_work_on_few_cores_stays_on_the_loop(
    executor: ThreadPoolExecutor, cores: int, size: int, on_the_loop: bool
) -> None:
    async def ask() -> bool:
        here = threading.get_ident()
        return await workers_on(cores, executor, 2).run(threading.get_ident, size) == here

    assert asyncio.run(ask()) is on_the_loop
