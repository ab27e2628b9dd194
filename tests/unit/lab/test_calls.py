"""Calls of two nodes at once are found in their logs."""

from __future__ import annotations

import json
from pathlib import Path

from kaipiao_lab.calls import at_once, calls


def line(second: int, milliseconds: int, taxpayer: str | None = "T", service: str = "poll") -> str:
    at = f"2026-11-03T09:00:{second:02d}.000+00:00"
    return json.dumps({"at": at, "message": "wire call", "service": service, "taxpayer": taxpayer, "ms": milliseconds})


def test_calls_of_one_taxpayer_and_service_by_two_nodes_at_once_are_found(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text(
        "\n".join([line(10, 5000), line(20, 1000), line(30, 9000, "OTHER"), "not JSON", "[]", line(40, 1, None)])
    )
    two.write_text(
        "\n".join([line(12, 4000), line(25, 1000), line(30, 9000, service="upload"), line(30, 9000), '{"at":'])
    )
    found = calls([one, two])
    assert [(call.node, call.service) for call in found][:2] == [("one", "poll"), ("two", "poll")]
    assert len(found) == 7
    ((first, second),) = at_once(found)
    assert (first.node, second.node, second.ended - second.began) == ("one", "two", 4.0)


def test_calls_of_one_node_at_once_are_its_own_affair(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_text("\n".join([line(10, 5000), line(11, 5000)]))
    assert at_once(calls([log])) == []
