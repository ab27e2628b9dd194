"""A tax bureau to run here (税局沙箱): its own process, its own books, the shape of the direct protocol.

It is the other party: it imports nothing of `issuing`, `ledger`, the channel or the transport. Start it with
`server.serve`; what it is and what it is not stands in docs/reference/sandbox.md.
"""
