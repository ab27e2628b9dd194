"""Bearer tokens: JWT signed with ES256 by this installation's own key (RFC 7519, RFC 8725).

A token names the taxpayers it may act for and what it may do. Its times are real time, never a sandbox's clock.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from kaipiao.errors import AccessRefused, PermissionMissing
from kaipiao.language import Text

ISSUER = "kaipiao"
AUDIENCE = "kaipiao-api"
ALGORITHM = "ES256"
ANY = "*"
REMEMBERED = 4096  # sound tokens


class Permission(StrEnum):
    ISSUE = "invoice:issue"
    READ = "invoice:read"
    OPERATE = "platform:read"
    AUDIT = "audit:read"


ROLES: dict[str, frozenset[Permission]] = {
    "issuer": frozenset({Permission.ISSUE, Permission.READ}),
    "operator": frozenset({Permission.READ, Permission.OPERATE}),
    "auditor": frozenset({Permission.READ, Permission.AUDIT}),
    "admin": frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for which taxpayers (`*`: all of this installation), and what it may do."""

    subject: str
    taxpayers: tuple[str, ...]
    permissions: frozenset[Permission]

    def may_act_for(self, taxpayer: str) -> bool:
        return ANY in self.taxpayers or taxpayer in self.taxpayers


class Tokens:
    """Makes and checks tokens with one key."""

    def __init__(self, key: EllipticCurvePrivateKey, key_id: str) -> None:
        self._key = key
        self._public = key.public_key()
        self._key_id = key_id
        self._sound: dict[str, tuple[float, Caller]] = {}

    def make(self, subject: str, role: str, taxpayers: tuple[str, ...], lifetime: timedelta) -> str:
        """A token for `subject`. Raises `AccessRefused` for a role that does not exist."""
        if role not in ROLES:
            names = ", ".join(ROLES)
            raise AccessRefused(Text(f"角色只能是 {names}", f"The role must be one of {names}"), code="KP-ACCESS-04")
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": secrets.token_hex(16),
            "role": role,
            "taxpayers": list(taxpayers),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})

    def check(self, token: str) -> Caller:
        """The caller behind a token. Raises `AccessRefused`; what was wrong is said, the token never is.

        A token that was found sound is remembered until it expires: its signature costs more than the rest of a request.
        """
        known = self._sound.get(token)
        if known is not None and time.time() < known[0]:
            return known[1]
        claims = self._verified(token)
        caller = _caller(claims)
        if len(self._sound) >= REMEMBERED:
            self._sound.clear()
        self._sound[token] = (float(str(claims["exp"])), caller)
        return caller

    def _verified(self, token: str) -> dict[str, object]:
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": ["exp", "nbf", "iat", "sub", "jti"]},
            )
        except jwt.ExpiredSignatureError as expired:
            raise AccessRefused(Text("令牌已过期", "The token has expired"), code="KP-ACCESS-02") from expired
        except jwt.PyJWTError as wrong:
            raise AccessRefused(Text("令牌无效", "The token is not valid")) from wrong
        return claims


def _caller(claims: dict[str, object]) -> Caller:
    role, taxpayers, subject = claims.get("role"), claims.get("taxpayers"), claims.get("sub")
    if not isinstance(role, str) or role not in ROLES or not isinstance(taxpayers, list):
        raise AccessRefused(Text("令牌无效", "The token is not valid"))
    return Caller(str(subject), tuple(str(t) for t in taxpayers), ROLES[role])


def require(caller: Caller, permission: Permission) -> None:
    """Raise `PermissionMissing` when the caller may not do this."""
    if permission not in caller.permissions:
        raise PermissionMissing(permission=permission.value)
