"""A short storm of everything on the embedded database, in every test run. `make storm` is the long one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kaipiao_lab.storm import run


def test_power_cuts_wires_halves_and_jumps_lose_and_double_nothing(tmp_path: Path) -> None:
    plan = replace(run.QUICK, events=8, settle=60.0, limit=90.0)
    aftermath = run.storm(tmp_path, plan, 5, None)
    assert run.sound([aftermath], plan), (aftermath, run.line_of([aftermath]))
