"""What an invoice is: model, money, taxpayers, rules with stable codes, lifecycle. Pure: no I/O, no clock, no settings."""
