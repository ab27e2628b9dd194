"""`kaipiao outage verify`: nothing but a whole report of a trusted key passes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from api_stand import KEY
from outage_stand import PRIVATE, closed

from kaipiao.cli.outages import verify
from kaipiao.errors import KaipiaoError

TRUST = PRIVATE.public_key.point.hex()


def file_of(folder: Path, content: bytes) -> Path:
    made = folder / "outage.json"
    made.write_bytes(content)
    return made


def test_a_genuine_report_passes_and_says_whose_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(file_of(tmp_path, closed().report), TRUST, None, json_output=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["outage"], told["key_id"]) == ("valid", "7", "audit")


@pytest.mark.parametrize("trust", [None, KEY.public_key.point.hex()])
def test_without_a_key_or_by_another_it_does_not_pass(trust: str | None, tmp_path: Path) -> None:
    assert verify(file_of(tmp_path, closed().report), trust, None) == 1


def test_what_was_altered_does_not_pass(tmp_path: Path) -> None:
    altered = closed().report.replace(b'"late": 2', b'"late": 0')
    assert altered != closed().report
    assert verify(file_of(tmp_path, altered), TRUST, None) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\x1b[31m", b"\x00" * 100])
def test_what_is_no_report_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(KaipiaoError):
        verify(file_of(tmp_path, content), TRUST, None)


@pytest.mark.parametrize("trust", ["", "zz", "04", "00" * 65])
def test_a_key_that_is_none_is_refused(trust: str, tmp_path: Path) -> None:
    with pytest.raises(KaipiaoError):
        verify(file_of(tmp_path, closed().report), trust, None)
