"""What a person does to its own account: password, one-time codes, logging out."""

from __future__ import annotations

from dataclasses import replace

from kaipiao.access import codes
from kaipiao.access.deeds import Deeds
from kaipiao.access.log_in import LogIn
from kaipiao.access.password_rules import as_hashed, sound_password
from kaipiao.access.passwords import Passwords
from kaipiao.access.refused import AccountChanged, CodeRefused, NotEnrolling, PasswordRefused, SessionEnded
from kaipiao.access.sessions import Sessions
from kaipiao.access.strongbox import Strongbox
from kaipiao.access.tokens import Session
from kaipiao.clock import Clock
from kaipiao.language import Text
from kaipiao.ledger.accounts import Account, AccountBooks
from kaipiao.ledger.port import EventDraft
from kaipiao.settings import AccessSettings


class OwnAccount:
    """Whoever changes what lets him in shows the present password again: a session that was left open is not enough.
    `clock` is real time."""

    def __init__(
        self,
        books: AccountBooks,
        passwords: Passwords,
        strongbox: Strongbox,
        sessions: Sessions,
        log_in: LogIn,
        settings: AccessSettings,
        deeds: Deeds,
        clock: Clock,
    ) -> None:
        self._books, self._passwords, self._strongbox = books, passwords, strongbox
        self._sessions, self._log_in, self._settings = sessions, log_in, settings
        self._deeds, self._clock = deeds, clock

    async def of(self, session: Session) -> Account:
        found = await self._books.account(session.account)
        if found is None or found.epoch != session.epoch:
            raise SessionEnded
        return found

    async def log_out(self, session: Session, source: str) -> None:
        event = self._deeds.by_itself(await self.of(session), "logout", source)
        await self._books.end_session(session.jti, session.expires, self._clock.now(), [event])
        self._sessions.look_again()

    async def set_password(self, session: Session, password: str, new: str, source: str) -> None:
        """Every session ends, this one too. Raises `LogInRefused` for a wrong present password, `PasswordRefused`."""
        held = await self.of(session)
        secret = sound_password(new, held.account, self._settings.password_length)
        if secret == as_hashed(password):
            raise PasswordRefused(Text("新口令与旧口令相同", "The new password is the old one"))
        await self._log_in.confirm(held, password, source)
        async with self._passwords.place():
            hashed = await self._passwords.hash(secret)
        fresh = replace(held, password=hashed, changed_at=self._clock.now(), must_change=False, epoch=held.epoch + 1)
        await self._save(fresh, self._deeds.by_itself(held, "password_changed", source))

    async def begin_codes(self, session: Session, password: str, source: str, issuer: str) -> str:
        """otpauth:// with a new secret, told this once. Codes of before are asked for until a first new one is confirmed:
        who has them confirmed already must have them reset by an admin. Raises `NotEnrolling`."""
        held = await self.of(session)
        if held.totp_confirmed:
            raise NotEnrolling(
                Text(
                    "一次性密码已启用；更换请找管理员重置", "Codes are on already; to change them an admin resets them"
                )
            )
        await self._log_in.confirm(held, password, source)
        secret = codes.new_secret()
        closed = self._strongbox.close(held.account, secret)
        await self._save(replace(held, totp=closed, totp_step=0))
        return codes.address(secret, held.account, issuer)

    async def confirm_codes(self, session: Session, code: str, source: str) -> list[str]:
        """A first code proves that the device has the secret: codes are on, every session ends. Returns recovery codes, told
        this once. Raises `NotEnrolling`, `CodeRefused`, `LockedOut`."""
        held = await self.of(session)
        if held.totp is None or held.totp_confirmed:
            raise NotEnrolling
        secret = self._strongbox.open(held.account, held.totp)
        if not codes.is_formed(code):
            raise CodeRefused
        async with self._log_in.first_code(held, source):
            step = codes.step_of(secret, code, self._clock.now().timestamp(), held.totp_step)
            if step is None:
                raise CodeRefused
        recovery = codes.new_recovery_codes()
        digests = tuple(codes.recovery_digest(one) for one in recovery)
        fresh = replace(held, totp_confirmed=True, totp_step=step, recovery=digests, epoch=held.epoch + 1)
        await self._save(fresh, self._deeds.by_itself(held, "totp_enrolled", source))
        return recovery

    async def _save(self, fresh: Account, *events: EventDraft) -> None:
        if not await self._books.save_account(replace(fresh, version=fresh.version + 1), events):
            raise AccountChanged
        self._sessions.look_again()
