"""What a new password may be, and how hashes are worked out."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from people import BY, CHEAP, ROOT, Node

from kaipiao.access.accounts import NewAccount
from kaipiao.access.password_rules import as_hashed, sound_password
from kaipiao.access.passwords import Passwords
from kaipiao.access.refused import PasswordRefused
from kaipiao.settings import AccessSettings


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars", "", "123456789012", "Password1234", "ＰＡＳＳＷＯＲＤ１２３４", "aaaaaaaaaaaaaaaa", "ababababababab",
        "zhang.wei@north", "zhang.weizhang.wei", "ZHANG.WEI12345", "twelve\0chars and", "new\nline in it", "x" * 1025,
        "\ud800" * 12,
    ],
)  # fmt: skip
def test_a_password_that_would_not_protect_is_refused_without_being_said(password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        sound_password(password, "zhang.wei@north", 12)
    assert not password or password not in f"{refused.value} {refused.value.facts}"


@pytest.mark.parametrize(
    "password", ["four plain words", "            space", "一二三四五六七八九十百千", "🂡🂢🂣🂤🂥🂦🂧🂨🂩🂪🂫🂭", "x7#k" * 250]
)
def test_any_long_enough_text_is_a_password_whatever_kinds_of_characters_it_has(password: str) -> None:
    assert sound_password(password, "zhang.wei@north", 12)


def test_letters_written_in_two_ways_are_the_same_password() -> None:
    assert as_hashed("ﬁ café ①") == as_hashed("fi cafe\u0301 1")


def test_parameters_are_those_of_the_second_recommended_option_of_rfc_9106() -> None:
    async def story() -> None:
        settings = AccessSettings()
        hashed = await Passwords(settings).hash(b"four plain words")
        assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")

    asyncio.run(story())


def test_no_more_hashes_are_worked_out_at_once_than_the_settings_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        passwords = Passwords(CHEAP.model_copy(update={"hash_at_once": 2}))
        at_once, most, lock = 0, 0, threading.Lock()
        hasher = passwords._hasher

        class Counting:
            def hash(self, password: bytes) -> str:
                nonlocal at_once, most
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                found = hasher.hash(password)
                with lock:
                    at_once -= 1
                return found

        monkeypatch.setattr(passwords, "_hasher", Counting())
        waiting = [asyncio.ensure_future(passwords.hash(b"x")) for _ in range(12)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()  # a caller that goes away makes no room before its thread is done
        await asyncio.gather(*waiting, return_exceptions=True)
        assert most <= 2

    asyncio.run(story())


def test_a_first_password_that_is_made_up_keeps_the_rules_and_must_be_changed() -> None:
    async def story() -> None:
        account, first = await Node().accounts.make(ROOT, NewAccount("wang", "issuer", must_change=False), BY)
        assert first is not None
        assert sound_password(first, account.account, 12)
        assert account.must_change

    asyncio.run(story())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_hashes_give_way_to_issuing_and_issuing_does_not_give_way_with_them() -> None:
    async def story() -> None:
        passwords = Passwords(CHEAP)
        there = await passwords._in_thread(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        assert there == max(15, here) > here

    asyncio.run(story())
