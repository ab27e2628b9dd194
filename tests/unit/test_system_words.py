"""What the operating system refuses is told in Chinese to who reads Chinese."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kaipiao.access import revocations
from kaipiao.access.revocations import RevocationsUnreadable
from kaipiao.ledger.sqlite.files import directory_fault
from kaipiao.system_words import REASONS, reason_of


@pytest.mark.parametrize("number", [*REASONS, errno.EXDEV])
def test_the_data_directory_and_the_system_say_why_in_both_languages(number: int) -> None:
    words = directory_fault(Path("books"), OSError(number, "Words of the system")).detail
    reason = reason_of(OSError(number, "Words of the system"))
    assert words.zh.endswith(reason.zh)
    assert words.en.endswith(reason.en)
    assert "Words" not in words.zh


def test_an_error_without_a_number_is_named() -> None:
    assert reason_of(TimeoutError()).zh == "系统错误 TimeoutError"


def test_a_list_of_revoked_tokens_that_cannot_be_opened_says_why_in_both_languages(tmp_path: Path) -> None:
    with pytest.raises(RevocationsUnreadable) as refused:
        revocations.read(tmp_path)
    reason = REASONS[errno.EISDIR]
    assert refused.value.detail.zh == f"{tmp_path}：{reason.zh}"
    assert refused.value.detail.en == f"{tmp_path}: {reason.en}"
