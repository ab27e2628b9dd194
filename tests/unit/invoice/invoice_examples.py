"""Synthetic sellers, buyers and drafts for the tests of this room: one of each, and any number by hypothesis."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import strategies as st

from kaipiao.invoice.model import Draft, DraftLine, Kind, Party, Seller
from kaipiao.invoice.taxpayer import bureau_of, with_check_digit

TODAY = date(2026, 11, 2)
MADE_AT = datetime(2026, 11, 1, 16, 30, 5, 999_999, tzinfo=UTC)  # 2 November in Shanghai
NUMBER = "26957000000000000001"
SELLER_NUMBER = with_check_digit("91440300MA5TEXT00")
BUYER_NUMBER = with_check_digit("91110105MA0TEXT11")

_BUREAU = bureau_of("95")
SELLER = Seller(
    party=Party("示例软件（深圳）有限公司", SELLER_NUMBER, "示例路1号", "0755-00000000"),
    region="95",
    bureau_code=_BUREAU.code,
    bureau_name=_BUREAU.name,
    tag=_BUREAU.tag,
    drawer="示例开票人",
)
SMALL_SELLER = replace(SELLER, taxpayer_type="2")

LINE = DraftLine(
    name="*信息技术服务*软件维护",
    tax_code="3040203000000000000",
    tax_rate=Decimal("0.06"),
    amount=Decimal("100.00"),
)
DRAFT = Draft(
    order="A-1",
    seller_tax_number=SELLER_NUMBER,
    kind=Kind.GENERAL,
    buyer=Party("示例商贸有限公司", BUYER_NUMBER),
    lines=(LINE,),
)


def money(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=2)


RATES = st.sampled_from([Decimal(rate) for rate in ("0.13", "0.09", "0.06", "0.03", "0.060000")])


@st.composite
def draft_lines(draw: st.DrawFn) -> DraftLine:
    """A line with an amount, or with price and quantity, or with all three of them; with or without a discount."""
    amount = draw(money("0.01", "9999999.99"))
    line = replace(LINE, tax_rate=draw(RATES), amount=amount, specification=draw(st.sampled_from([None, "", "大号"])))
    if draw(st.booleans()):
        price = draw(st.decimals("0.0001", "99999", places=4))
        quantity = draw(st.decimals("0.001", "999", places=3))
        line = replace(line, amount=None, unit_price=price, quantity=quantity, unit="件")
        amount = (price * quantity).quantize(Decimal("0.01"))
    if amount >= Decimal("0.02") and draw(st.booleans()):
        line = replace(line, discount=draw(money("0.01", str(amount - Decimal("0.01")))))
    return line


DRAFTS = st.builds(
    lambda lines, included: replace(DRAFT, lines=tuple(lines), tax_included=included),
    st.lists(draft_lines(), min_size=1, max_size=8),
    st.booleans(),
)
