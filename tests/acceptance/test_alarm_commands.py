"""`kaipiao alarm` beside a running server: silences are made, listed and ended, and what is not there is said."""

from __future__ import annotations

import json
from pathlib import Path

from running import kaipiao


def test_a_silence_is_made_listed_and_ended_and_what_is_not_there_is_said(platform: Path, tmp_path: Path) -> None:
    home = ("-d", str(platform))
    made = kaipiao("alarm", "silence", "breaker", "--hours", "1", "--reason", "机房割接", "--json", *home, cwd=tmp_path)
    assert made.code == 0, made.err
    silence = json.loads(made.out)["silence"]
    listed = kaipiao("alarm", "silences", *home, cwd=tmp_path)
    assert "机房割接" in listed.out
    assert kaipiao("alarm", "unsilence", silence, *home, cwd=tmp_path).code == 0
    assert "机房割接" not in kaipiao("alarm", "silences", *home, cwd=tmp_path).out
    assert kaipiao("alarm", "list", "--all", "--json", *home, cwd=tmp_path).code == 0
    for words, code in (
        (("test", "nothing"), "KP-FIND-08"),
        (("ack", "999999"), "KP-FIND-06"),
        (("show", "999999"), "KP-FIND-06"),
    ):
        missing = kaipiao("alarm", *words, *home, cwd=tmp_path)
        assert (missing.code, code in missing.err) == (1, True)
    for ends in ((), ("--hours", "1", "--until", "2026-11-04T06:00:00+08:00"), ("--hours", "9999")):
        assert kaipiao("alarm", "silence", "breaker", "--reason", "r", *ends, *home, cwd=tmp_path).code == 64
