"""One-time codes by time (RFC 6238: SHA-1, 30 s, 6 digits) and the recovery codes that stand in for them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP = 30  # seconds
DIGITS = 6
AROUND = 1  # steps that a clock may be off, each way
SECRET_SIZE = 20  # bytes: what RFC 4226 recommends for SHA-1
RECOVERY_CODES = 10
RECOVERY_SIZE = 10  # bytes of chance: no hash needs to be slow for these
_CODE = re.compile(r"[0-9]{6}")


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_SIZE)


def address(secret: bytes, account: str, issuer: str) -> str:
    """otpauth:// with the secret, for an authenticator to scan: handed over once."""
    return _totp(secret).get_provisioning_uri(account, issuer)


def is_formed(code: str) -> bool:
    """What is not cannot be anybody's code: it is no guess either."""
    return _CODE.fullmatch(code) is not None


def step_of(secret: bytes, code: str, now: float, after: int) -> int | None:
    """The step that this code belongs to: one around `now` (seconds since 1970) and later than `after`, the last one that
    was taken. None: it is no good code."""
    if not is_formed(code):
        return None
    present = int(now // STEP)
    good = [step for step in range(present - AROUND, present + AROUND + 1) if _is(secret, code, step)]
    return next((step for step in good if step > after), None)


def new_recovery_codes() -> list[str]:
    """Each good once: 16 letters and digits in groups of four."""
    return [_grouped(secrets.token_bytes(RECOVERY_SIZE)) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code. Blanks, hyphens and large letters make no difference."""
    plain = re.sub(r"[\s-]", "", code).lower()
    return hashlib.sha256(b"kaipiao recovery 1\0" + plain.encode(errors="surrogatepass")).hexdigest()


def without(kept: tuple[str, ...], code: str) -> tuple[str, ...] | None:
    """The digests that are left when this recovery code is used; None: it is none of them."""
    used = recovery_digest(code)
    left = tuple(one for one in kept if not hmac.compare_digest(one, used))
    return left if len(left) < len(kept) else None


def _is(secret: bytes, code: str, step: int) -> bool:
    try:
        _totp(secret).verify(code.encode("ascii"), step * STEP)
    except InvalidToken:
        return False
    return True


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303 (what every authenticator speaks; HMAC does not need more)


def _grouped(chance: bytes) -> str:
    letters = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 of them, none that looks like another
    number = int.from_bytes(chance)
    text = "".join(letters[number >> 5 * place & 31] for place in range(16))
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))
