"""A small policy matrix in every test run. `make policy-matrix` is the long one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kaipiao_lab.policies import matrix
from kaipiao_lab.policies.day import QUICK
from kaipiao_lab.policies.rules import BASELINES, OURS


def test_ours_files_every_sale_once_where_five_tries_leave_sales_unfiled(tmp_path: Path) -> None:
    dead = [rule for rule in BASELINES if rule.tries is not None]
    day = replace(QUICK, sales=100, seconds=2 * 3600.0, speed=1500.0, patience=60.0)
    outcomes = matrix.matrix(tmp_path, day, dead)
    assert matrix.cut_of(outcomes) == []
    figures = {name: each.figures for name, each in outcomes.items()}
    assert matrix.faults_of(figures, dead) == []
    assert list(figures) == [OURS, "five_tries_then_dead"]
    assert figures["five_tries_then_dead"].human >= figures["five_tries_then_dead"].not_issued > 0
