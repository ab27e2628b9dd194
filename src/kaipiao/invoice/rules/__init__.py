"""The rules of an invoice, each with a stable code, both texts and its source; what stops issuing, what only warns."""

from kaipiao.invoice.rules.check import all_rules, check_draft, check_invoice, worst
from kaipiao.invoice.rules.rule import Finding, Received, Rule, Verdict

__all__ = ["Finding", "Received", "Rule", "Verdict", "all_rules", "check_draft", "check_invoice", "worst"]
