"""Proof of cover: sealed invoices at the usual speed while the bureau is gone, and an explained stop when a budget ends."""
