"""People: their accounts, their sessions, and what they did."""
