"""Sellers and what they sell. An order's content depends on its key alone, so a process makes each draft once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from kaipiao.invoice.model import Draft, DraftLine, Kind, Party, Seller
from kaipiao.invoice.taxpayer import bureau_of, with_check_digit
from kaipiao.seal.port import Seal
from kaipiao_lab.simulation.copies import digest_of

SELLERS = tuple(with_check_digit(f"91440300MA5EXMPL{n}") for n in (1, 2, 3))


class StubSealer:
    """Not a seal: bytes that depend on the data. Issuing asks no more of it, and a true one takes longer than all the rest."""

    def seal(self, data: bytes) -> Seal:
        return Seal("stub", "none", digest_of(data))

    def verify(self, data: bytes, seal: Seal) -> bool:
        return seal.value == digest_of(data)


@lru_cache
def seller_of(tax_number: str) -> Seller:
    bureau = bureau_of("44")
    party = Party("示例销售有限公司", tax_number)
    return Seller(party, "44", bureau.code, bureau.name, bureau.tag, "1", "系统")


@lru_cache(4096)
def draft_of(seller: str, order: str) -> Draft:
    place = int(order.rsplit("-", 1)[1])
    line = DraftLine(
        name="工作午餐",
        short_name="餐饮服务",
        tax_code="3070401000000000000",
        tax_rate=Decimal("0.06"),
        amount=Decimal(place * 37 % 400 + 1),
    )
    return Draft(order, seller, Kind.GENERAL, Party("示例购买方"), (line,), remark=f"order:{order}")


@lru_cache(4096)
def other_content(seller: str, order: str) -> Draft:
    """Somebody uses the order key again, for another sale."""
    draft = draft_of(seller, order)
    return replace(draft, buyer=Party("另一购买方"))
