"""A short storm of kill -9 with faults on, in every test run. `make chaos` is the long one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kaipiao_lab import chaos
from kaipiao_lab.powercut import storm


def test_kills_of_platform_and_bureau_under_faults_lose_and_double_nothing(tmp_path: Path) -> None:
    plan = replace(chaos.QUICK, kills=2, sales=250, rate=40.0)
    result, left = chaos.storm(tmp_path, plan, seed=7)
    assert left == 0
    assert chaos.sound(result, plan), result
    assert list(result) == ["kills", "acknowledged", "confirmed", "unknown", "lost", "doubled", "believed_wrong"]


def test_power_cuts_lose_nothing_and_the_same_without_fsync_does(tmp_path: Path) -> None:
    result, sound = storm.result_of(tmp_path, replace(storm.QUICK, cuts=2, careless_cuts=1), seed=2)
    assert sound, result
