"""One budget driven to its end in every test run. `make cover-proof` drives each."""

from __future__ import annotations

from pathlib import Path

from kaipiao_lab.cover import stops


def test_quota_that_ends_in_an_outage_stops_issuing_with_its_reason_until_the_bureau_is_back(tmp_path: Path) -> None:
    (stop,) = stops.prove(tmp_path, seed=3, steps=(stops.quota,))
    assert stop.sound(), stop
    assert stop.said["code"] == "KP-ISSUE-02"
