"""Bearer tokens: JWT signed with ES256 by this installation's own keys, told apart by `kid` (RFC 7519, RFC 8725).

A token names the taxpayers it may act for and what it may do. Its times are real time, never a sandbox's clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from kaipiao.access.revocations import LONGEST_LIFE, NOTHING, Revoked
from kaipiao.access.watched import Watched
from kaipiao.errors import AccessRefused, PermissionMissing
from kaipiao.language import Text

ISSUER = "kaipiao"
AUDIENCE = "kaipiao-api"
ALGORITHM = "ES256"
ANY = "*"
REMEMBERED = 4096  # sound tokens
LONGEST = 16_384  # characters of a token


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


@dataclass(frozen=True, slots=True)
class Made:
    """A new token and what is known of it. `expires`: UTC, whole seconds. The token itself never shows in a repr."""

    token: str = field(repr=False)
    jti: str
    key_id: str
    subject: str
    role: str
    taxpayers: tuple[str, ...]
    expires: datetime


class Tokens:
    """Makes tokens with one key and checks them with the keys of a ring, by `kid`; without a ring, with that one key."""

    def __init__(
        self,
        key: EllipticCurvePrivateKey,
        key_id: str,
        *,
        ring: Watched[Mapping[str, EllipticCurvePublicKey]] | None = None,
        revoked: Watched[Revoked] | None = None,
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
    ) -> None:
        self._key, self._key_id = key, key_id
        self._issuer, self._audience = issuer, audience
        alone = {key_id: key.public_key()}
        self.ring = ring or Watched(lambda: None, lambda: alone)
        self.revoked = revoked or Watched(lambda: None, lambda: NOTHING)
        self._sound: dict[str, tuple[float, Caller]] = {}
        self._sound_under = (0, 0)

    def make(self, subject: str, role: str, taxpayers: tuple[str, ...], lifetime: timedelta) -> str:
        """A token for `subject`. Raises `AccessRefused` for a role that does not exist or a lifetime that is too long."""
        return self.make_known(subject, role, taxpayers, lifetime).token

    def make_known(self, subject: str, role: str, taxpayers: tuple[str, ...], lifetime: timedelta) -> Made:
        """A token, with what its maker may want to keep: its `jti` revokes it. Raises as `make`."""
        if role not in ROLES:
            names = ", ".join(ROLES)
            raise AccessRefused(Text(f"角色只能是 {names}", f"The role must be one of {names}"), code="KP-ACCESS-04")
        if not timedelta(0) < lifetime <= LONGEST_LIFE:
            raise AccessRefused(
                Text("令牌的有效期须大于 0、不超过 366 天", "A token lives longer than 0 and at most 366 days"),
                code="KP-ACCESS-05",
            )
        now = datetime.now(UTC)
        expires = (now + lifetime).replace(microsecond=0)
        jti = secrets.token_hex(16)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "iat": now.timestamp(),  # to the microsecond: a token made right after a revocation is a new one
            "nbf": now,
            "exp": expires,
            "jti": jti,
            "role": role,
            "taxpayers": list(taxpayers),
        }
        token = jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})
        return Made(token, jti, self._key_id, subject, role, taxpayers, expires)

    def check(self, token: str) -> Caller:
        """The caller behind a token. Raises `AccessRefused`; what was wrong is said, the token never is.

        A token that was found sound is remembered until it expires, or until keys or revocations change: its signature
        costs more than the rest of a request."""
        ring, revoked = self.ring.value(), self.revoked.value()
        under = (self.ring.version, self.revoked.version)
        if under != self._sound_under:
            self._sound.clear()
            self._sound_under = under
        known = self._sound.get(token)
        if known is not None and time.time() < known[0]:
            return known[1]
        claims = self._verified(token, ring)
        if revoked.covers(str(claims["jti"]), str(claims["sub"]), float(str(claims["iat"]))):
            raise AccessRefused(Text("令牌已被撤销", "The token was revoked"), code="KP-ACCESS-06")
        caller = _caller(claims)
        if len(self._sound) >= REMEMBERED:
            self._sound.clear()
        self._sound[token] = (float(str(claims["exp"])), caller)
        return caller

    def _verified(self, token: str, ring: Mapping[str, EllipticCurvePublicKey]) -> dict[str, object]:
        try:
            if len(token) > LONGEST:
                raise jwt.InvalidTokenError("too long")
            key = ring.get(jwt.get_unverified_header(token)["kid"])
            if key is None:
                raise jwt.InvalidTokenError("no such key")
            claims: dict[str, object] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "nbf", "iat", "sub", "jti"]},
            )
        except jwt.ExpiredSignatureError as expired:
            raise AccessRefused(Text("令牌已过期", "The token has expired"), code="KP-ACCESS-02") from expired
        except (jwt.PyJWTError, KeyError) as wrong:
            raise AccessRefused(Text("令牌无效", "The token is not valid")) from wrong
        if float(str(claims["exp"])) - float(str(claims["iat"])) > LONGEST_LIFE.total_seconds():
            raise AccessRefused(Text("令牌无效", "The token is not valid"))
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
