"""Signed heads of the event trail: what is under a head cannot be cut off or rewritten without being noticed."""

from __future__ import annotations

from kaipiao.clock import Clock
from kaipiao.issuing.ports import Workers
from kaipiao.ledger.audit import head_bytes
from kaipiao.ledger.port import ChainHead, Ledger
from kaipiao.seal.port import Seal, Sealer


async def sign_heads(ledger: Ledger, sealer: Sealer, workers: Workers, clock: Clock) -> int:
    """Sign the tip of every chain that grew since its last head. Returns how many heads were signed."""
    covered: dict[str, int] = {}
    for head in await ledger.heads():
        covered[head.writer] = max(covered.get(head.writer, 0), head.sequence)
    signed = 0
    for writer, sequence, digest in await ledger.chain_tips():
        if covered.get(writer, 0) >= sequence:
            continue
        at = clock.now()
        data = head_bytes(writer, sequence, digest, at)
        seal = await workers.run(lambda data=data: sealer.seal(data))  # type: ignore[misc]
        await ledger.save_head(ChainHead(writer, sequence, digest, at, seal.key_id, seal.value))
        signed += 1
    return signed


def head_is_sound(head: ChainHead, sealer: Sealer) -> bool:
    """Is this head's signature ours?"""
    data = head_bytes(head.writer, head.sequence, head.hash, head.at)
    return sealer.verify(data, Seal(head.key_id, "SM2-SM3", head.signature))
