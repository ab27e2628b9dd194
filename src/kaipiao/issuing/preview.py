"""What would come of a draft, with nothing stored and no number taken: every finding, and the figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import SHANGHAI
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Draft, Invoice, Seller
from kaipiao.invoice.rules import Finding, check_draft

NO_NUMBER = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`invoice` is complete but for its number; None when a finding stops issuing. `cannot_carry`: the channel could
    never upload it."""

    findings: tuple[Finding, ...]
    cannot_carry: bool
    invoice: Invoice | None

    @property
    def issuable(self) -> bool:
        return self.invoice is not None and not self.cannot_carry


def preview(draft: Draft, seller: Seller, capabilities: Capabilities, now: datetime) -> Preview:
    """As `Issuer.check` judges at that instant, told instead of raised."""
    findings = check_draft(draft, seller, now.astimezone(SHANGHAI).date())
    stopped = any(finding.stops for finding in findings)
    cannot_carry = bool(draft.special) and not capabilities.special_elements
    return Preview(findings, cannot_carry, None if stopped else complete(draft, seller, NO_NUMBER, now))
