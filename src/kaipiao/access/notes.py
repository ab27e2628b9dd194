"""What changed in who may come in, as events of the trail: tokens made and revoked, and keys that verify them.

What was noted is kept in a file of its own, written after the events are stored: a change made while nothing runs is noted at
the next start, and one that was cut off may be noted twice but never left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from kaipiao.access import made_tokens, revocations
from kaipiao.access.tokens import Tokens
from kaipiao.access.watched import Watched
from kaipiao.clock import Clock
from kaipiao.errors import LedgerFault
from kaipiao.issuing import trail
from kaipiao.language import Text
from kaipiao.ledger.port import EventDraft
from kaipiao.seal import durable

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
# "tokens", "subjects": name → instant; "keys": key id → ""; "made": jti → when it expires
Noted = dict[str, dict[str, str]]
BY_COMMAND = "local"  # the actor: whoever uses the data directory


class AccessNotes:
    """`append` stores events durably."""

    def __init__(
        self, directory: Path, tokens: Tokens, clock: Clock, append: Callable[[Sequence[EventDraft]], Awaitable[None]]
    ) -> None:
        self._path = directory / "access" / "noted.json"
        self._tokens, self._clock, self._append = tokens, clock, append
        made = made_tokens.path_in(directory)
        self._made = Watched(lambda: revocations.mark(made), lambda: made_tokens.read(made))
        self._noted = self._read()

    async def look(self) -> float:
        """Note what is new. Returns the seconds until the next look."""
        present = self._present()
        before = self._noted
        if before is None:  # the first start: the keys that `init` made are no change
            before = {"tokens": {}, "subjects": {}, "keys": present["keys"], "made": {}}
        if present != self._noted:
            news = [*_made(before, self._made.value(), self._clock.now()), *_news(before, present, self._clock.now())]
            if news:
                await self._append(news)
            self._keep(present)
        return LOOK_SECONDS

    def _present(self) -> Noted:
        revoked = self._tokens.revoked.value()
        return {
            "tokens": {jti: at.isoformat() for jti, at in revoked.tokens.items()},
            "subjects": {name: at.isoformat() for name, at in revoked.subjects.items()},
            "keys": dict.fromkeys(self._tokens.ring.value(), ""),
            "made": {jti: line["expires"] for jti, line in self._made.value().items()},
        }

    def _read(self) -> Noted | None:
        try:
            raw = json.loads(self._path.read_bytes())
            parts = {**{"made": {}}, **raw}  # none was noted by the program before this one
            return {
                part: {str(k): str(v) for k, v in parts[part].items()}
                for part in ("tokens", "subjects", "keys", "made")
            }
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            log.warning(
                "access/noted.json cannot be read: revocations are noted again", extra={"cause": type(broken).__name__}
            )
            return None

    def _keep(self, present: Noted) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            durable.replace(self._path, json.dumps(present, ensure_ascii=False).encode("utf-8"))
        except OSError as error:
            raise LedgerFault(Text("access/noted.json 无法写入", "access/noted.json cannot be written")) from error
        self._noted = present


def _made(before: Noted, lines: Mapping[str, made_tokens.Line], at: datetime) -> Iterator[EventDraft]:
    for jti, line in lines.items():
        if jti not in before["made"]:
            about = {name: line.get(name) for name in ("token_of", "role", "reach", "expires", "key")}
            yield trail.platform("access.token_made", at, actor=BY_COMMAND, token=jti, **about)


def _news(before: Noted, now: Noted, at: datetime) -> Iterator[EventDraft]:
    for jti in now["tokens"].keys() - before["tokens"].keys():
        yield trail.platform("access.revoked", at, actor=BY_COMMAND, token=jti, revoked_at=now["tokens"][jti])
    for name in now["subjects"]:
        if now["subjects"][name] != before["subjects"].get(name):
            yield trail.platform(
                "access.revoked", at, actor=BY_COMMAND, token_subject=name, made_until=now["subjects"][name]
            )
    for key in now["keys"].keys() - before["keys"].keys():
        yield trail.platform("access.key_added", at, actor=BY_COMMAND, key=key)
    for key in before["keys"].keys() - now["keys"].keys():
        yield trail.platform("access.key_removed", at, actor=BY_COMMAND, key=key)
