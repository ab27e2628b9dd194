"""Bearer tokens: JWT signed with ES256 by this installation's own keys, told apart by `kid` (RFC 7519, RFC 8725).

A token names whom it may act for, taxpayers or a tenant, and what it may do. One that was got by signing in is a session: it
also names the account's epoch, and is good only while the ledger says so (`access.sessions`). Times are real time, never a
sandbox's clock.
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
from kaipiao.access.shared_revocations import SharedRevocations
from kaipiao.access.watched import Watched
from kaipiao.errors import AccessRefused, PermissionMissing
from kaipiao.language import Text

ISSUER = "kaipiao"
AUDIENCE = "kaipiao-api"
ALGORITHM = "ES256"
ANY = "*"
REMEMBERED = 4096  # sound tokens
LONGEST = 16_384  # characters of a token
PERSON = "account:"  # how the subject of a session begins, and no other's
NO_TENANTS: Mapping[str, tuple[str, ...]] = {}


class Permission(StrEnum):
    ISSUE = "invoice:issue"
    READ = "invoice:read"
    OPERATE = "platform:read"
    STEER = "platform:steer"  # modes, announcements, levels of degradation
    AUDIT = "audit:read"
    REPAIR = "invoice:repair"  # the repair toolbox: what our books believe, by evidence
    ALARMS = "alarm:manage"  # acknowledge, silence, try a channel
    MONTHS = "month:manage"  # compare both sides' books, confirm a month
    SEE_ACCOUNTS = "account:read"
    MANAGE_ACCOUNTS = "account:manage"
    OWN = "account:own"  # one's own password, codes and session: whoever signed in, no token for programs


ROLES: dict[str, frozenset[Permission]] = {
    "issuer": frozenset({Permission.ISSUE, Permission.READ}),
    "operator": frozenset(
        {Permission.MONTHS, Permission.READ, Permission.OPERATE, Permission.STEER, Permission.REPAIR, Permission.ALARMS}
    ),
    "auditor": frozenset({Permission.READ, Permission.AUDIT, Permission.SEE_ACCOUNTS}),
    "admin": frozenset(Permission) - {Permission.OWN},
}


@dataclass(frozen=True, slots=True)
class Session:
    """What a person got by signing in. `limited`: good for one's own account only, until a password or codes are set."""

    account: str
    epoch: int
    jti: str
    expires: datetime
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for which taxpayers (`*`: all of this installation), and what it may do. With a `tenant`, `taxpayers` are
    those of it that this installation has now and the token does not leave out; `whole_tenant`: it leaves none out, nor any
    that joins later."""

    subject: str
    taxpayers: tuple[str, ...]
    permissions: frozenset[Permission]
    tenant: str | None = None
    session: Session | None = None
    whole_tenant: bool = False

    @property
    def counted_as(self) -> tuple[str, str | None, tuple[str, ...]]:
        """Whose rate and whose keys of requests: programs of two tenants may have the same subject and share neither."""
        return self.subject, self.tenant, self.taxpayers

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
    tenant: str | None = None


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
        tenants: Mapping[str, tuple[str, ...]] = NO_TENANTS,
    ) -> None:
        """`tenants`: the taxpayers of each tenant of this installation."""
        self._key, self._key_id = key, key_id
        self.tenants = tenants
        self._issuer, self._audience = issuer, audience
        alone = {key_id: key.public_key()}
        self.ring = ring or Watched(lambda: None, lambda: alone)
        self.revoked = revoked or Watched(lambda: None, lambda: NOTHING)
        self.shared = SharedRevocations(self.revoked)
        self._sound: dict[str, tuple[float, Caller]] = {}
        self._sound_under = (0, 0, 0)

    def make(
        self,
        subject: str,
        role: str,
        taxpayers: tuple[str, ...],
        lifetime: timedelta,
        *,
        tenant: str | None = None,
    ) -> str:
        """A token for `subject`. With a `tenant`, `taxpayers` narrow it down; none: all of the tenant. Raises `AccessRefused`
        for a role that does not exist or a lifetime that is too long."""
        return self.make_known(subject, role, taxpayers, lifetime, tenant=tenant).token

    def make_known(
        self,
        subject: str,
        role: str,
        taxpayers: tuple[str, ...],
        lifetime: timedelta,
        *,
        tenant: str | None = None,
    ) -> Made:
        """A token, with what its maker may want to keep: its `jti` revokes it. Raises as `make`."""
        if subject.startswith(PERSON):
            raise AccessRefused(
                Text(f"{PERSON} 开头的名称留给账户", f"Names that begin with {PERSON} are those of accounts"),
                code="KP-ACCESS-15",
            )
        return self._made(subject, role, taxpayers, lifetime, tenant, {})

    def make_session(
        self,
        account: str,
        role: str,
        taxpayers: tuple[str, ...],
        lifetime: timedelta,
        *,
        tenant: str | None,
        epoch: int,
        limited: bool,
    ) -> Made:
        """The token of a person who signed in. Raises as `make`."""
        claims = {"epoch": epoch, "limited": limited}
        return self._made(PERSON + account, role, taxpayers, lifetime, tenant, claims)

    def _made(
        self,
        subject: str,
        role: str,
        taxpayers: tuple[str, ...],
        lifetime: timedelta,
        tenant: str | None,
        further: Mapping[str, object],
    ) -> Made:
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
            **({} if tenant is None else {"tenant": tenant}),
            **further,
        }
        token = jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})
        return Made(token, jti, self._key_id, subject, role, taxpayers, expires, tenant)

    def check(self, token: str) -> Caller:
        """The caller behind a token. Raises `AccessRefused`; what was wrong is said, the token never is.

        A token that was found sound is remembered until it expires, or until keys or revocations change: its signature
        costs more than the rest of a request."""
        ring, revoked = self.ring.value(), self.revoked.value()
        under = (self.ring.version, self.revoked.version, self.shared.version)
        if under != self._sound_under:
            self._sound.clear()
            self._sound_under = under
        known = self._sound.get(token)
        if known is not None and time.time() < known[0]:
            return known[1]
        claims = self._verified(token, ring)
        about = (str(claims["jti"]), str(claims["sub"]), float(str(claims["iat"])))
        if revoked.covers(*about) or self.shared.value.covers(*about):
            raise AccessRefused(Text("令牌已被撤销", "The token was revoked"), code="KP-ACCESS-06")
        caller = self._caller(claims)
        if len(self._sound) >= REMEMBERED:
            self._sound.clear()
        self._sound[token] = (float(str(claims["exp"])), caller)
        return caller

    def _caller(self, claims: dict[str, object]) -> Caller:
        role, taxpayers, tenant = claims.get("role"), claims.get("taxpayers"), claims.get("tenant")
        if not isinstance(role, str) or role not in ROLES or not isinstance(taxpayers, list):
            raise AccessRefused(Text("令牌无效", "The token is not valid"))
        if tenant is not None and not isinstance(tenant, str):
            raise AccessRefused(Text("令牌无效", "The token is not valid"))
        named = tuple(str(taxpayer) for taxpayer in taxpayers)
        session = _session(claims)
        mine = named if tenant is None else self._of_tenant(tenant, named)
        whole = tenant is not None and not named
        return Caller(str(claims["sub"]), mine, _allowed(role, session), tenant, session, whole)

    def _of_tenant(self, tenant: str, named: tuple[str, ...]) -> tuple[str, ...]:
        """Looked up now, not when the token was made: a seller that left the tenant is out of reach."""
        return tuple(one for one in self.tenants.get(tenant, ()) if not named or one in named)

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


def _session(claims: Mapping[str, object]) -> Session | None:
    """Raises `AccessRefused` for a subject that says it is a person without being a session."""
    subject, epoch, limited = str(claims["sub"]), claims.get("epoch"), claims.get("limited")
    if not subject.startswith(PERSON) and epoch is None:
        return None
    if not subject.startswith(PERSON) or not isinstance(epoch, int) or not isinstance(limited, bool):
        raise AccessRefused(Text("令牌无效", "The token is not valid"))
    expires = datetime.fromtimestamp(float(str(claims["exp"])), UTC)
    return Session(subject.removeprefix(PERSON), epoch, str(claims["jti"]), expires, limited)


def _allowed(role: str, session: Session | None) -> frozenset[Permission]:
    if session is None:
        return ROLES[role]
    own = frozenset({Permission.OWN})
    return own if session.limited else ROLES[role] | own


def require(caller: Caller, permission: Permission) -> None:
    """Raise `PermissionMissing` when the caller may not do this."""
    if permission not in caller.permissions:
        if caller.session is not None and caller.session.limited:
            raise PermissionMissing(
                Text(
                    "请先设置新口令或一次性密码，再重新登录",
                    "First set a new password or one-time codes, then sign in again",
                ),
                code="KP-ACCESS-14",
            )
        raise PermissionMissing(permission=permission.value)
