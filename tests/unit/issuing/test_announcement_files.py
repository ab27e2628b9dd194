"""`kaipiao announce --file`: what is read of a file, and which files are refused before anything is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaipiao.cli.modes import FILE_LIMIT, announcements_of
from kaipiao.errors import Malformed

ROW = {"kind": "failure", "text": "主机故障"}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "said.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("rows", [ROW, [ROW], [ROW, {"kind": "recovered"}]])
def test_a_file_is_one_announcement_or_an_array_of_them(tmp_path: Path, rows: object) -> None:
    found = announcements_of(written(tmp_path, json.dumps(rows, ensure_ascii=False).encode()))
    assert found == (rows if isinstance(rows, list) else [rows])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "JSON"),
        (b'[{"kind": "failure"', "JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "array"),
        (b"[1]", "array"),
        (b'"failure"', "array"),
        (b"null", "array"),
        (b'[{"kind": "failure"}, []]', "array"),
        (b"[" * 200_000, "JSON"),
        (b"1" * 10_000, "JSON"),
        ("开".encode() * FILE_LIMIT, "too large"),
        (b" " * (FILE_LIMIT + 1), "too large"),
    ],
)
def test_a_broken_hostile_or_huge_file_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(Malformed) as refused:
        announcements_of(written(tmp_path, content))
    assert said in refused.value.detail.en
