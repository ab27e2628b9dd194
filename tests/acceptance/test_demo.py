"""`kaipiao demo`, as a visitor runs it: in an empty folder."""

from __future__ import annotations

from pathlib import Path

from running import kaipiao


def test_the_demo_ends_with_one_object_of_three_equal_books(tmp_path: Path) -> None:
    done = kaipiao("demo", "--json", "--count", "300", cwd=tmp_path, seconds=120)
    assert done.code == 0, done.err
    result = done.last()
    assert list(result) == [
        "issued", "confirmed", "unknown", "lost", "doubled", "seconds", "p50_ms", "p99_ms", "cover_hours",
    ]  # fmt: skip
    assert (result["issued"], result["confirmed"]) == (300, 300)
    assert (result["unknown"], result["lost"], result["doubled"]) == (0, 0, 0)
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["cover_hours"] > 0
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind
