"""The shipped issuing code in a world drawn from a seed: whatever fails and whenever it is killed, what always holds.

Many more seeds: `make simulate`. One of them again: `python -m kaipiao_lab.simulation --seed N --trace`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys

import pytest

from kaipiao.authority.channel import Outcome
from kaipiao.issuing import decisions
from kaipiao_lab.simulation.__main__ import main
from kaipiao_lab.simulation.loop import Stuck, VirtualLoop
from kaipiao_lab.simulation.processes import Process
from kaipiao_lab.simulation.replay import differences
from kaipiao_lab.simulation.seed import run

SEEDS = 24
DIGEST_OF = "from kaipiao_lab.simulation.seed import run; print(run(int(__import__('sys').argv[1]))[0].digest)"


@pytest.mark.parametrize("first", range(0, SEEDS, 4))
def test_whatever_fails_and_whenever_it_is_killed_every_order_ends_once_and_truly(first: int) -> None:
    for seed in range(first, first + 4):
        result, _ = run(seed)
        assert result.promise is None, f"seed {seed}: {result.fact}\n" + "\n".join(result.lines)
        assert result.invoices > 20


def test_a_seed_is_the_same_story_to_the_letter_in_another_process_with_other_hashes() -> None:
    here, _ = run(5)
    again, _ = run(5)
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    told = subprocess.run(
        [sys.executable, "-c", DIGEST_OF, "5"], env=environment, capture_output=True, text=True, check=True
    )
    assert here.digest == again.digest == told.stdout.strip()
    assert here.digest != run(6)[0].digest


@pytest.mark.parametrize("seed", [1, 34])
def test_the_same_operations_on_sqlite_have_the_same_answers_and_the_same_end(seed: int) -> None:
    assert differences(seed) == []


def test_a_known_mistake_is_seen_by_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence read as a refusal: the bureau may hold what is called refused."""
    monkeypatch.setattr(
        decisions,
        "silent",
        lambda record, caps, now, *, code, message: decisions.refused(record, code, message, caps, now),
    )
    assert any(run(seed)[0].promise == "believed wrong" for seed in range(10))


def test_silence_taken_for_not_sent_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        decisions, "SURELY_NOT_HELD", frozenset({Outcome.NOT_SENT, Outcome.NOT_ACCEPTED, Outcome.AMBIGUOUS})
    )
    assert any(run(seed)[0].promise for seed in range(12))


def test_the_last_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--jobs", "1", "--sqlite", "0"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["seeds"], last["lost"], last["doubled"], last["believed_wrong"]) == (2, 0, 0, 0)
    assert last["failing_seeds"] == []


def test_what_is_killed_never_runs_again_and_what_is_paused_goes_on_when_it_is_woken() -> None:
    loop = VirtualLoop(random.Random(1))
    heard: list[str] = []

    async def work(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            heard.append(name)

    async def story() -> None:
        killed, paused = Process("killed"), Process("paused")
        killed.spawn(work("killed"))
        task = paused.spawn(work("paused"))
        await asyncio.sleep(1.5)
        killed.alive, paused.paused = False, True
        await asyncio.sleep(10)
        assert heard.count("killed") == heard.count("paused") == 1
        loop.wake(paused)
        await task
        assert heard.count("killed") == 1
        assert heard.count("paused") == 3

    loop.run(story())


def test_a_world_in_which_nobody_moves_is_told() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="nothing will come"):
        VirtualLoop(random.Random(1)).run(story())
