"""People who sign in, on a ledger in memory, with a clock that tests move and hashes that cost nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from kaipiao.access import codes
from kaipiao.access.accounts import Accounts, NewAccount
from kaipiao.access.deeds import By, Deeds
from kaipiao.access.log_in import LogIn, SignedIn
from kaipiao.access.own_account import OwnAccount
from kaipiao.access.passwords import Passwords
from kaipiao.access.sessions import Sessions
from kaipiao.access.strongbox import Strongbox
from kaipiao.access.tokens import ANY, ROLES, Caller, Session, Tokens
from kaipiao.ledger.accounts import Account
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.settings import AccessSettings

NORTH, SOUTH = "91110000MAKP00001M", "91440300MA5EXMPL17"
TENANTS = {"north": (NORTH,), "south": (SOUTH,)}
PASSWORD = "four plain words here"
HERE, THERE = "192.0.2.7", "198.51.100.9"
CHEAP = AccessSettings(argon2_memory_kib=7_168, argon2_rounds=1, argon2_lanes=1)
ROOT = Caller("local", (ANY,), ROLES["admin"])
BY = By("local", HERE)


class Moved:
    """Real time, as far as a test is concerned."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class KeysInMemory:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def current(self) -> str:
        return "account-1"

    def key(self, key_id: str) -> ec.EllipticCurvePrivateKey:
        assert key_id == "account-1"
        return self._key


@dataclass
class Node:
    """One node; several may share a store, keys and a clock. `ledger`: another than one in memory."""

    store: MemoryStore = field(default_factory=MemoryStore)
    clock: Moved = field(default_factory=Moved)
    keys: KeysInMemory = field(default_factory=KeysInMemory)
    settings: AccessSettings = CHEAP
    name: str = "node-a"
    signing: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    ledger: Any = None

    def __post_init__(self) -> None:
        self.ledger = self.ledger or MemoryLedger(self.name, store=self.store)
        self.passwords = Passwords(self.settings)
        self.tokens = Tokens(self.signing, "k1", tenants=TENANTS)
        self.sessions = Sessions(self.ledger)
        deeds = Deeds(self.clock)
        strongbox = Strongbox(self.keys)
        access = self.settings
        self.log_in = LogIn(self.ledger, self.passwords, strongbox, self.tokens, access, deeds, self.clock)
        self.accounts = Accounts(
            self.ledger, self.passwords, self.sessions, access, deeds, self.clock, (NORTH, SOUTH), TENANTS
        )
        self.own = OwnAccount(
            self.ledger, self.passwords, strongbox, self.sessions, self.log_in, access, deeds, self.clock
        )

    def beside(self, name: str = "node-b", ledger: Any = None) -> Node:
        return Node(self.store, self.clock, self.keys, self.settings, name, self.signing, ledger)

    async def person(self, name: str = "wang", role: str = "issuer", tenant: str | None = None) -> Account:
        wanted = NewAccount(name, role, tenant, password=PASSWORD, must_change=False)
        account, _ = await self.accounts.make(ROOT, wanted, BY)
        return account

    async def sign_in(
        self, name: str = "wang", password: str = PASSWORD, code: str | None = None, source: str = HERE
    ) -> SignedIn:
        return await self.log_in(name, password, code, source)

    def caller(self, signed: SignedIn) -> Caller:
        return self.tokens.check(signed.token)

    def session(self, signed: SignedIn) -> Session:
        found = self.caller(signed).session
        assert found is not None
        return found

    async def enrol(self, name: str = "wang") -> tuple[bytes, list[str]]:
        """The secret of the codes of a person, and the recovery codes."""
        session = self.session(await self.sign_in(name))
        uri = await self.own.begin_codes(session, PASSWORD, HERE, "Kaipiao")
        secret = secret_in(uri)
        recovery = await self.own.confirm_codes(session, self.code(secret), HERE)
        self.clock.pass_(codes.STEP)
        return secret, recovery

    def code(self, secret: bytes, steps: int = 0) -> str:
        now = self.clock.now().timestamp() + steps * codes.STEP
        return code_at(secret, now)

    def events(self) -> list[str]:
        return [event.kind for event in self.store.events]


def code_at(secret: bytes, now: float) -> str:
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.twofactor.totp import TOTP

    return TOTP(secret, 6, SHA1(), 30).generate(now).decode()


def secret_in(uri: str) -> bytes:
    from base64 import b32decode
    from urllib.parse import parse_qs, urlsplit

    text = parse_qs(urlsplit(uri).query)["secret"][0]
    return b32decode(text + "=" * (-len(text) % 8))
