"""May this taxpayer issue now? Asked for every order, answered from what was last learnt and from clocks: no round trip.

What is learnt is at most a second old (`ModeController`); instants are compared exactly. Numbers and quota are exact in the
commit itself; when they run out there, the gate says by which bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from kaipiao.clock import SHANGHAI, month_of, year_of
from kaipiao.errors import BudgetEnded, CannotIssue, Halted, NumbersExhausted, QuotaExhausted, QuotaNotValid
from kaipiao.issuing.budgets import Bound, Budget, BudgetTable, Ended, Stock, ended, next_end
from kaipiao.issuing.modes import Mode, ModeState
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger

Place = tuple[str, str]  # taxpayer, channel

WHAT_UNLOCKS: Mapping[str, Text] = {
    "numbers_pulled": Text("税局应答后自动领号", "numbers are pulled as soon as the bureau answers"),
    "quota_downloaded": Text("税局应答后自动下载额度；总额度用完须申请调整", "quota is downloaded as soon as the bureau answers"),
    "oldest_debt_settled": Text("最早一张未上传发票有结果后", "the oldest invoice that was not uploaded is settled"),
    "quota_validity_adjusted": Text("申报并调整额度有效期后", "the validity of the quota is adjusted after filing"),
    "quota_of_new_month_downloaded": Text("下载到本月额度后", "quota of the new month is downloaded"),
    "debt_of_closed_month_settled": Text("已关账月份的未上传发票处理完后", "the debt of the closed month is settled"),
    "numbers_of_new_year_pulled": Text("领到新一年的号码后", "numbers of the new year are pulled"),
    "operator_release": Text("操作员解除后", "the operator releases it"),
}  # fmt: skip


@dataclass(slots=True)
class Known:
    """What the controller learnt last. `stocks`: of each (taxpayer, channel); `modes`: of channels (taxpayer None) and of
    the taxpayers that differ from theirs; `reasons`: what the operator said, by the same keys."""

    stocks: dict[Place, Stock] = field(default_factory=dict)
    modes: Mapping[tuple[str | None, str], ModeState] = field(default_factory=dict)
    reasons: Mapping[tuple[str | None, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Clear:
    """With this stock nothing stops from `since` on, before `until`: judged once, not for every order."""

    stock: Stock
    since: datetime
    until: datetime


class Gate:
    """`kinds`: the kind of each channel, by its name."""

    def __init__(self, ledger: Ledger, table: BudgetTable, kinds: Mapping[str, str]):
        self._ledger = ledger
        self.table = table
        self._kinds = kinds
        self.known = Known()
        self._clear: dict[tuple[str, str, str], _Clear] = {}
        self.short: set[Place] = set()  # numbers or quota ran out in a commit; the controller looks at these first

    def check(self, taxpayer: str, channel: str, invoice: str, at: datetime) -> None:
        """Raise the `CannotIssue` that holds for an invoice made at this instant; nothing otherwise."""
        self.check_mode(taxpayer, channel)
        place, stock = (taxpayer, channel, invoice), self.known.stocks.get((taxpayer, channel))
        clear = self._clear.get(place)
        if stock is None or (clear is not None and clear.stock is stock and clear.since <= at < clear.until):
            return
        stops = [end for end in self.ended(taxpayer, channel, invoice, at) if end.budget.stops]
        if stops:
            raise error_of(stops[0], taxpayer)
        self._clear[place] = _Clear(stock, at, next_end(self.budgets_of(taxpayer, channel, invoice), stock, at))

    def check_mode(self, taxpayer: str, channel: str) -> None:
        """Raise `Halted` while it is. The only thing that holds back a successor: one that mends a late debt must not wait for
        that debt."""
        for key in ((None, channel), (taxpayer, channel)):
            state = self.known.modes.get(key)
            if state is not None and state.mode is Mode.HALTED and not state.cause.startswith("budget."):
                raise halted(state, self.known.reasons.get(key))

    def ended(self, taxpayer: str, channel: str, invoice: str, at: datetime) -> list[Ended]:
        """The budgets that have ended, as far as is known without asking. Stock that is used up is left to the commit, which
        knows exactly; what shall be left unused is not."""
        stock = self.known.stocks.get((taxpayer, channel))
        if stock is None:
            return []
        budgets = self.budgets_of(taxpayer, channel, invoice)
        return [end for end in ended(budgets, stock, at) if not _exact_elsewhere(end)]

    def budgets_of(self, taxpayer: str, channel: str, invoice: str) -> tuple[Budget, ...]:
        return self.table.of(self._kinds[channel], invoice, taxpayer)

    def stops(self, taxpayer: str, channel: str, invoice: str, bound: str) -> bool:
        """Whether the end of this bound stops issuing."""
        return any(b.bound == bound and b.stops for b in self.budgets_of(taxpayer, channel, invoice))

    def keeps_stock(self, taxpayer: str, channel: str) -> bool:
        return self.table.keeps_stock(self._kinds[channel], taxpayer)

    async def out_of_numbers(self, taxpayer: str, channel: str, at: datetime) -> CannotIssue:
        """Why there are none: used up, or none of the new year pulled yet."""
        self.short.add((taxpayer, channel))
        counts = await self._ledger.number_counts(taxpayer, channel, year_of(at))
        return self._why(taxpayer, channel, Stock(numbers=0, pulled=counts.pulled > 0), at) or NumbersExhausted(
            taxpayer=taxpayer, channel=channel
        )

    async def out_of_quota(self, taxpayer: str, channel: str, at: datetime) -> CannotIssue:
        """Why there is none: used up, or none of the new month downloaded yet."""
        self.short.add((taxpayer, channel))
        account = await self._ledger.quota(taxpayer, channel, month_of(at))
        stock = Stock(quota=Decimal(0), downloaded=account.downloaded > 0)
        return self._why(taxpayer, channel, stock, at) or QuotaExhausted(taxpayer=taxpayer)

    def _why(self, taxpayer: str, channel: str, stock: Stock, at: datetime) -> CannotIssue | None:
        found = ended(self.budgets_of(taxpayer, channel, "any"), stock, at)
        return error_of(found[0], taxpayer) if found else None


def _exact_elsewhere(end: Ended) -> bool:
    """Decided by the commit (stock down to nothing) or by the supply (validity), as exactly as it can be."""
    bound = end.budget.bound
    if bound is Bound.QUOTA_VALIDITY or (bound in (Bound.MONTH_END, Bound.YEAR_END) and end.since is None):
        return end.budget.limit == 0
    return bound in (Bound.NUMBERS, Bound.QUOTA) and end.budget.limit == 0


def error_of(end: Ended, taxpayer: str) -> CannotIssue:
    """The error that says which bound, what unlocks it, and when."""
    bound = end.budget.bound
    kind: type[CannotIssue] = {
        Bound.NUMBERS: NumbersExhausted,
        Bound.YEAR_END: NumbersExhausted,
        Bound.QUOTA: QuotaExhausted,
        Bound.MONTH_END: QuotaExhausted,
        Bound.QUOTA_VALIDITY: QuotaNotValid,
    }.get(bound, BudgetEnded)
    if end.since is not None and bound in (Bound.MONTH_END, Bound.YEAR_END):
        kind = BudgetEnded  # a limit of the table, before the stock ends
    unlocks = WHAT_UNLOCKS[end.unlocks]
    why = end.budget.why
    detail = Text(f"{why.zh}。恢复条件：{unlocks.zh}", f"{why.en}. Goes on when: {unlocks.en}")
    facts: dict[str, str] = {"taxpayer": taxpayer, "bound": bound.value, "unlocks": end.unlocks}
    if end.since is not None:
        facts["since"] = end.since.astimezone(SHANGHAI).isoformat()
    if end.unlocks_at is not None:
        facts["unlocks_at"] = end.unlocks_at.astimezone(SHANGHAI).isoformat()
    return kind(detail, code=None, **facts)


def halted(state: ModeState, reason: str | None) -> Halted:
    said_zh, said_en = (f"：{reason}", f": {reason}") if reason else ("", "")
    detail = Text(f"开票已被暂停（{state.cause}）{said_zh}", f"issuing is halted ({state.cause}){said_en}")
    since = state.since.astimezone(SHANGHAI).isoformat()
    return Halted(detail, cause=state.cause, since=since, reason=reason, unlocks="operator_release")


class OpenGate:
    """Of an issuing point without budgets and modes: what the ledger has is the only limit."""

    def check(self, taxpayer: str, channel: str, invoice: str, at: datetime) -> None:
        """Nothing holds it back."""

    def check_mode(self, taxpayer: str, channel: str) -> None:
        """Nothing halts it."""

    async def out_of_numbers(self, taxpayer: str, channel: str, at: datetime) -> CannotIssue:
        return NumbersExhausted(taxpayer=taxpayer, channel=channel)

    async def out_of_quota(self, taxpayer: str, channel: str, at: datetime) -> CannotIssue:
        return QuotaExhausted(taxpayer=taxpayer)
