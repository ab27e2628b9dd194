"""What a password must be (NIST SP 800-63B-4, 3.1.1.2): long enough, not common, not made of the name. Nothing about
which kinds of characters it has.

Unicode is brought to NFKC first, so that two keyboards that write the same letters differently give the same password.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files

from kaipiao.access.refused import PasswordRefused
from kaipiao.language import Text

LONGEST = 1024  # bytes in UTF-8, before and after it is brought to NFKC
FEWEST_LETTERS = 4  # different characters
REST = 8  # characters that must be left without the account's own name
SHORTEST_NAME = 3  # characters: shorter parts of a name stand in any text


def as_hashed(password: str) -> bytes:
    """The bytes that are hashed. Raises `PasswordRefused` for what no password can be."""
    try:
        if len(password) > LONGEST or len(password.encode()) > LONGEST:
            raise _too_long()
        found = unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError as half:
        raise PasswordRefused(Text("口令含有不完整的字符", "The password has half a character")) from half
    if len(found) > LONGEST:
        raise _too_long()
    return found


def sound_password(password: str, account: str, shortest: int) -> bytes:
    """The bytes of a new password that may be used. Raises `PasswordRefused`, which says the rule that it breaks."""
    found = as_hashed(password)
    text = found.decode()
    if min(len(text), len(password)) < shortest:  # as it is given, too: that is what a schema can say
        raise PasswordRefused(Text(f"口令至少 {shortest} 个字符", f"A password has at least {shortest} characters"))
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise PasswordRefused(Text("口令不能含控制字符", "A password has no control characters"))
    plain = text.casefold()
    if plain in _common() or len(set(plain)) < FEWEST_LETTERS:
        raise PasswordRefused(Text("口令过于常见", "This password is too common"))
    if len(_without(plain, account)) < min(REST, shortest):
        raise PasswordRefused(Text("口令不能由账户名构成", "A password is not made of the account's name"))
    return found


def _without(password: str, account: str) -> str:
    for part in (account, *account.split("@")):
        if len(part) >= SHORTEST_NAME:
            password = password.replace(part.casefold(), "")
    return password


@cache
def _common() -> frozenset[str]:
    text = (files("kaipiao.access") / "data" / "common_passwords.tsv").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def _too_long() -> PasswordRefused:
    return PasswordRefused(Text(f"口令超过 {LONGEST} 字节", f"The password is over {LONGEST} bytes"))
