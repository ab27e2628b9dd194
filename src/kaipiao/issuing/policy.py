"""The numbers that govern issuing. Defaults; each is a setting."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """Seconds of the platform's clock unless said otherwise."""

    block_size: int = 200  # numbers that a node holds in memory per taxpayer
    block_low: int = 60  # fewer left in memory: lease the next block
    lease_seconds: float = 60.0  # of the ledger's clock, real time
    segment_size: int = 2000  # numbers per pull; the stock that is kept
    refill_below: float = 0.2  # of the stock (R7)
    refill_hours: float = 4.0  # or less than so many hours at the rate of the last hour
    stock_hours: float = 48.0  # a pull is for so many hours at that rate, when that is more than the fixed size
    quota_step: Decimal = Decimal("1000000.00")  # CNY per download
    linger: float = 1.0  # how long a young invoice may wait for company in its upload
    backoff_first: float = 2.0
    backoff_most: float = 300.0
    probe_seconds: float = (
        5.0  # between two tries of a far side that cannot be reached; its first answer releases the rest
    )
    retry_most: float = 30.0  # longest pause of an invoice that the far side did not take in and said no time
    shard_seconds: float = 15.0  # real time; a node that is gone so long is relieved of its taxpayers
    loop_rest: float = 5.0  # real seconds; longest pause of a loop that fails (the ledger was away)
    errand_rest: float = 60.0  # longest pause of a taxpayer's errand that fails
    round_idle: float = 5.0  # longest pause of the uploader without a wake-up
    supply_idle: float = 30.0
    standing_seconds: float = 86400.0  # qualification is refreshed every 24 h (business rule 4.7)
    refused_seconds: float = 600.0  # sooner while it forbids issuing: it may have been put right
    year_guard: float = (
        5.0  # around New Year no numbers are pulled, around the turn of a month no quota: the two clocks may differ
    )
    clock_back: float = 1.0  # how far the clock may step back before issuing refuses
    numbering_batch: int = 64  # accepted orders of one taxpayer that are numbered side by side
    numbering_crowd: int = 8  # callers under way at once, from which on numbering gives way to them
    numbering_share: float = 0.03  # of the time that it takes all the same, so that it always goes on
    numbering_rest: float = 30.0  # real seconds; it never gives way for longer, however long the last batches took
    numbering_at_once: int = 8  # taxpayers whose accepted orders are numbered at the same time
    numbering_idle: float = 0.5  # pause of the numberer when nobody waits
    numbering_retry: float = 3600.0  # an accepted order that is refused now is looked at again
    abandoned_seconds: float = 900.0  # a call of another node that has no outcome after so long has nobody behind it
    uploads_at_once: int = 16  # wire calls under way, over all taxpayers
    commit_patience: float = 10.0  # real seconds a caller waits for a commit whose fate is unknown
    commits_at_once: int = 4096  # commits under way, those among them whose callers no longer wait
    errand_patience: float = 0.2  # real seconds that a round waits for its slow calls before it looks for other work
    stop_grace: float = 5.0  # real seconds that a wire call under way gets at shutdown
    head_seconds: float = 3600.0  # signed heads of the trail

    settle_batch: int = 200  # due invoices of one taxpayer that are polled or asked about in one round
    asks_at_once: int = 8  # of one taxpayer, within its pace; their outcomes are one commit
    settle_most: int = 4000  # and of all taxpayers together

    def backoff(self, tries: int) -> float:
        """Seconds to wait after so many tries: doubling from `backoff_first` to `backoff_most`."""
        return min(self.backoff_most, self.backoff_first * 2.0 ** min(30, max(0, tries - 1)))
