"""The desk: everything that touches the books, one call after the other, on one thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from kaipiao.authority.sandbox import bureau, envelope, upload
from kaipiao.authority.sandbox.bureau_clock import BureauClock
from kaipiao.authority.sandbox.call import Answer, Call, Rules
from kaipiao.authority.sandbox.faults import FaultBook, Strike
from kaipiao.authority.sandbox.identity import Identity
from kaipiao.authority.sandbox.limiter import Limiter
from kaipiao.authority.sandbox.settings import SandboxSettings
from kaipiao.authority.sandbox.store import transaction
from kaipiao.authority.sandbox.values import parse_json, to_json
from kaipiao.errors import Malformed


@dataclass(frozen=True, slots=True)
class Letter:
    """A call as it came in: from the path and the headers (names in lower case), and the raw body."""

    ability: str | None
    service: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. None as `body`: nothing, the connection is closed."""

    body: bytes | None
    status: int = 200
    retry_after: int | None = None


class Desk:
    """For one thread only; its owner sees to that."""

    def __init__(self, db: sqlite3.Connection, settings: SandboxSettings, identity: Identity) -> None:
        self.db = db
        self.clock = BureauClock(db, settings.start, settings.speed)
        self.faults = FaultBook(db)
        self._identity = identity
        self._settings = settings
        self._key = bytes.fromhex(identity.sm4_key)
        self._limiter = Limiter(settings.rate_per_second)
        self._rules = Rules(settings.seed, settings.result_delay_seconds, settings.quota_query_interval)

    def serve(self, letter: Letter, strike: Strike | None = None) -> Reply:
        """Answer one call. A strike of kind `late` or `wrong_order` changes what is done here; others do not."""
        self.settle_late_calls()
        refusal = self._refuse(letter)
        if refusal is not None:
            return Reply(refusal)
        try:
            data = envelope.unwrap(self._key, letter.body)
        except Malformed as fault:
            return Reply(envelope.error("own-KEY", fault.detail.zh))
        call = self._call(letter, data)
        if not self._limiter.allows(bureau.payer(self.db, call), call.seconds):
            return self.overloaded()
        if strike is not None and strike.fault.kind == "late":
            return self._put_off(call, strike)
        answer = self._carry_out(call)
        if strike is not None and strike.fault.kind == "wrong_order":
            answer = _disordered(answer, strike)
        return Reply(envelope.wrap(self._key, answer))

    def _refuse(self, letter: Letter) -> bytes | None:
        """Headers and service, before the envelope is opened."""
        headers, identity = letter.headers, self._identity
        if (letter.ability, letter.service) not in bureau.SERVICES:
            return envelope.error("own-SERVICE", "服务编码或能力编码不存在")
        expected = {
            "fwbm": letter.service,
            "jrdwptbh": identity.jrdwptbh,
            "sydwptbh": identity.sydwptbh,
            "ylbm": identity.ylbm,
        } | ({"nlbm": letter.ability} if letter.ability else {})
        wrong = [name for name, value in expected.items() if headers.get(name) != value]
        return envelope.error("own-HEAD", f"请求头缺少或不正确：{'、'.join(wrong)}") if wrong else None

    def _call(self, letter: Letter, data: object) -> Call:
        identity = self._identity
        return Call(letter.service, letter.ability, identity.jrdwptbh, identity.sydwptbh, data, self.clock.now())

    def overloaded(self) -> Reply:
        """The answer above the rate limit, in the form that the settings choose."""
        if self._settings.overload_mode == "429":
            return Reply(envelope.failure(429), 429, retry_after=1)
        most = max(1, int(self._settings.rate_per_second))
        message = f"当前访问请求较多，请5分钟后重试，将访问并发控制在{most}以内"
        return Reply(envelope.error("own-LIMIT", message))

    def _carry_out(self, call: Call) -> Answer:
        with transaction(self.db):
            return bureau.answer(self.db, call, self._rules)

    def _put_off(self, call: Call, strike: Strike) -> Reply:
        """Write the call down to be carried out later; nothing of it is in the books until then."""
        uploads = call.service == "QDFPSC" and upload.refuse_call(call) is None
        serial = upload.new_acceptance_number() if uploads else None
        answered = strike.fault.answered and serial is not None
        written = json.dumps([call.service, call.ability, serial, to_json(call.data)])
        with transaction(self.db):
            values = (call.seconds + strike.seconds, written)
            self.db.execute("INSERT INTO late_call (due_at, call) VALUES (?, ?)", values)
            if answered and serial is not None:
                upload.announce(self.db, call, serial, None)
        return Reply(envelope.wrap(self._key, upload.accepted(serial)) if answered and serial else None)

    def settle_late_calls(self) -> None:
        """Carry out every late call whose time has come, as of now: each in a commit of its own."""
        now = self.clock.now()
        rows = self.db.execute(
            "SELECT id, call FROM late_call WHERE due_at <= ? ORDER BY due_at, id", (now.timestamp(),)
        ).fetchall()
        for row, written in rows:
            service, ability, serial, data = json.loads(written)
            parsed = parse_json(data.encode())
            call = Call(service, ability, self._identity.jrdwptbh, self._identity.sydwptbh, parsed, now, serial)
            with transaction(self.db):
                bureau.answer(self.db, call, self._rules)
                self.db.execute("DELETE FROM late_call WHERE id = ?", (row,))


def _disordered(answer: Answer, strike: Strike) -> Answer:
    """The results shuffled, and one for a number that nobody asked about mixed in."""
    results = answer.get("resultList")
    if not isinstance(results, list) or not results:
        return answer
    stranger = {"fphm": "0" * 20, "status": upload.ACCEPTED, "message": "上传成功"}
    mixed = [*results, stranger]
    Random(f"{strike.fault.seed}:{len(results)}").shuffle(mixed)  # noqa: S311 (a repeatable disorder, no secret)
    return {**answer, "resultList": mixed}
