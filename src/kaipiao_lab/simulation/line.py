"""A node's line to the bureau, behind the `Channel` port. Requests that left a node arrive though it is killed; a node that
was paused before its first byte sends it when it wakes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

from kaipiao.authority.channel import (
    Answer,
    Capabilities,
    Held,
    ItemResult,
    ItemStatus,
    Outcome,
    QuotaGrant,
    QuotaStanding,
    Segment,
    TaxpayerStanding,
    UploadItem,
)
from kaipiao.clock import Clock
from kaipiao.errors import Internal
from kaipiao_lab.simulation.bureau import Bureau
from kaipiao_lab.simulation.copies import Copy, copy_of, digest_of
from kaipiao_lab.simulation.judge import Judge
from kaipiao_lab.simulation.processes import WORLD
from kaipiao_lab.simulation.rulebook import LATEST_COMMIT
from kaipiao_lab.simulation.story import Story
from kaipiao_lab.simulation.wire_weather import WireWeather

T = TypeVar("T")
CHANNEL = "pretend"
TRANSIT = 0.02  # machine's seconds, one way, at most
PATIENCE = 0.5  # machine's seconds that a call waits for an answer that does not come, at most


class Line:
    """`judge` is told of every upload before anything of it leaves the node, whose clock is `clock`."""

    name = CHANNEL

    def __init__(
        self,
        bureau: Bureau,
        capabilities: Capabilities,
        weather: WireWeather,
        chance: random.Random,
        story: Story,
        label: str,
        judge: Judge,
        clock: Clock,
        calls: Counter[tuple[str, str]],
    ) -> None:
        """`calls`: (label, taxpayer) → how many are under way."""
        self.capabilities = capabilities
        self._bureau = bureau
        self._weather = weather
        self._chance = chance
        self._story = story
        self._label = label
        self._judge = judge
        self._clock = clock
        self._calls = calls
        self.breaker_is_open: Callable[[], bool] = lambda: False
        self._serials = 0

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        copies = [copy_of(taxpayer, item.number, item.made_at, item.invoice) for item in items]
        self._judge.sending(self._clock.now(), copies)
        if self.breaker_is_open():
            self._judge.breaks("no upload while the breaker is open", wire_id, copies[0].number)
        self._judge.calling(taxpayer, self._label)
        if any(self._luck(self._weather.poisoned) for _ in items):
            self._fault("upload: the channel raises")
            raise Internal()
        word = self._word(self._weather.words)
        if word != "ok":
            self._fault(f"upload {wire_id}: {word}")
        answer = await self._carry("upload", taxpayer, partial(self._take, taxpayer, copies, word))
        self._judge.heard(answer.outcome, [copy.number for copy in copies], self._bureau.now())
        self._story.tell(f"upload {wire_id} of {', '.join(c.number for c in copies)}: {answer.outcome} {answer.value}")
        return answer

    def _take(self, taxpayer: str, copies: Sequence[Copy], word: str) -> Answer[str]:
        """At the bureau's door."""
        refused = {
            "busy": (Outcome.NOT_ACCEPTED, 7.0), "refuse": (Outcome.REJECTED, None),
            "repeat": (Outcome.ALREADY_ACCEPTED, None), "retry": (Outcome.RETRY, None),
        }  # fmt: skip
        if word in refused:
            outcome, pause = refused[word]
            self._bureau.rejected |= {copy.number for copy in copies} if word == "refuse" else set()
            return Answer(outcome, code=word, retry_after=pause)
        for copy in copies:
            self._befall(copy)
        late = word == "late" or self._luck(self._weather.late)
        submission = self._bureau.take(taxpayer, copies, self._chance.uniform(1, LATEST_COMMIT) if late else 0.0)
        if word == "fault":  # taken, and then its own fault
            return Answer(Outcome.RETRY, code="500")
        if word in ("garbage", "late"):
            return Answer(Outcome.AMBIGUOUS, code="answer.garbage" if word == "garbage" else "wait.timeout")
        return Answer(Outcome.OK, submission)

    def _befall(self, copy: Copy) -> None:
        again = 6 if copy.number in self._bureau.held else 1  # it may refuse what it holds, and does not show yet
        if self._luck(min(0.9, self._weather.refused * again)):
            self._fault(f"the bureau refuses {copy.number} for now")
            self._bureau.refusals[copy.number] = "额度不足"
        if copy.number not in self._bureau.held and self._luck(self._weather.foreign):
            self._fault(f"somebody else's invoice is under {copy.number}")
            self._bureau.hold_foreign(copy.number, digest_of(copy.number.encode()))

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        self._judge.calling(taxpayer, self._label)
        return await self._carry("poll", taxpayer, partial(self._results, taxpayer, submission))

    def _results(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        items = self._bureau.results(taxpayer, submission)
        for item in items or []:
            self._judge.has_result(item.number)
        word = self._word(self._weather.poll_words)
        if word != "ok":
            self._fault(f"poll {submission}: {word}")
        if items is None or word == "refused":
            return Answer(Outcome.REJECTED, code="04")
        if word == "nothing":
            items = []
        elif word == "half":
            items = [item for item in items if self._luck(0.5)]
        elif word == "strangers":
            items = [ItemResult("26447999999999999999", ItemStatus.REJECTED) for _ in items]
        elif word == "shuffled":
            self._chance.shuffle(items)
        return Answer(Outcome.OK, items)

    async def ask(self, taxpayer: str, number: str, made_at: object, total: Decimal, kind: str) -> Answer[Held | None]:
        def look() -> Answer[Held | None]:
            found = self._bureau.look(number)
            self._judge.asked(number, found is not None, self._bureau.now())
            self._story.tell(f"bureau is asked for {number}: {'held' if found else 'not there'}")
            return Answer(Outcome.OK, None if found is None else Held(number, found.digest, total))

        self._judge.calling(taxpayer, self._label)
        return await self._carry("ask", taxpayer, look)

    def content_digest(self, item: UploadItem) -> bytes:
        if self._luck(self._weather.unreadable):
            self._fault(f"{item.number} cannot be digested")
            raise Internal()
        return digest_of(item.invoice)

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str) -> Answer[Segment]:
        give = partial(self._bureau.give_numbers, taxpayer, quantity, serial)
        return await self._carry("numbers", taxpayer, lambda: Answer(Outcome.OK, give()))

    async def quota(self, taxpayer: str) -> Answer[QuotaStanding]:
        return await self._carry("quota", taxpayer, lambda: Answer(Outcome.OK, self._bureau.quota(taxpayer)))

    async def move_quota(self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool) -> Answer[QuotaGrant]:
        def give() -> Answer[QuotaGrant]:
            grant = self._bureau.give_quota(taxpayer, amount, serial)
            return Answer(Outcome.REJECTED, code="quota") if grant is None else Answer(Outcome.OK, grant)

        return await self._carry("move_quota", taxpayer, give)

    async def standing(self, taxpayer: str) -> Answer[TaxpayerStanding]:
        def look() -> Answer[TaxpayerStanding]:
            reason = self._bureau.standing.get(taxpayer)
            return Answer(Outcome.OK, TaxpayerStanding(taxpayer, "x", "03", reason is None, reason))

        return await self._carry("standing", taxpayer, look)

    async def rates(self, taxpayer: str) -> Answer[list[Decimal]]:
        return await self._carry("rates", taxpayer, lambda: Answer(Outcome.OK, [Decimal("0.13"), Decimal("0.06")]))

    async def health(self) -> Answer[None]:
        return await self._carry("health", "", lambda: Answer(Outcome.OK))

    def serial(self) -> str:
        self._serials += 1
        return f"{self._label}-{self._serials}"

    async def close(self) -> None:
        """A line has nothing to close."""

    async def _carry(self, service: str, taxpayer: str, deliver: Callable[[], Answer[T]]) -> Answer[T]:
        self._calls[(self._label, taxpayer)] += 1
        try:
            return await self._carried(service, deliver)
        finally:
            self._calls[(self._label, taxpayer)] -= 1

    async def _carried(self, service: str, deliver: Callable[[], Answer[T]]) -> Answer[T]:
        weather, luck = self._weather, self._chance.random
        await asyncio.sleep(luck() * TRANSIT)  # to connect: a paused node wakes here and sends all the same
        if weather.outage == "gone":
            return Answer(Outcome.NOT_SENT, code="connect.refused")
        if weather.outage == "busy":
            return Answer(Outcome.NOT_ACCEPTED, code="503", retry_after=30.0)
        arrives = weather.outage != "silent" and not self._luck(weather.lost)
        heard = arrives and weather.outage != "deaf" and not self._luck(weather.unheard)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Answer[T]] = loop.create_future()

        def arrive() -> None:
            answer = deliver()
            if heard:
                loop.call_later(luck() * TRANSIT, _hand_over, waiting, answer, context=WORLD)

        if arrives:
            loop.call_later(luck() * TRANSIT, arrive, context=WORLD)
        if heard:
            return await waiting
        self._fault(f"{service}: {'the answer' if arrives else 'the request'} is lost")
        await asyncio.sleep(TRANSIT + luck() * PATIENCE)
        return Answer(Outcome.AMBIGUOUS, code="wait.timeout")

    def _word(self, words: dict[str, float]) -> str:
        return self._chance.choices(list(words), list(words.values()))[0] if words else "ok"

    def _luck(self, probability: float) -> bool:
        return probability > 0 and self._chance.random() < probability

    def _fault(self, what: str) -> None:
        self._story.counts["faults"] += 1
        self._story.tell(what)


def _hand_over(waiting: asyncio.Future[Answer[T]], answer: Answer[T]) -> None:
    if not waiting.done():
        waiting.set_result(answer)
