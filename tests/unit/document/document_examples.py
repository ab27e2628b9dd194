"""Synthetic invoices for the tests of this room: one as an object, one as a file, and any number by hypothesis."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from kaipiao.invoice.model import Element, Invoice, Kind, Label, Line, Party, RedReference

NUMBER = "26117000000000000001"

LINE = Line(
    name="*信息技术服务*软件维护",
    amount=Decimal("100.00"),
    tax_rate=Decimal("0.06"),
    tax=Decimal("6.00"),
    tax_code="3040203000000000000",
    quantity=Decimal("1"),
    unit_price=Decimal("100"),
    amount_with_tax=Decimal("106.00"),
)

INVOICE = Invoice(
    number=NUMBER,
    kind=Kind.SPECIAL,
    blue=True,
    seller=Party("示例甲有限公司", "91110000600037341L", "示例路1号", "01000000000", "示例银行", "0000"),
    buyer=Party("示例乙有限公司", "91330106MA7GAL1299"),
    lines=(LINE,),
    amount=Decimal("100.00"),
    tax=Decimal("6.00"),
    total=Decimal("106.00"),
    total_in_words="壹佰零陆圆整",
    drawer="张三",
    requested_at="2026-11-24 10:00:00",
    issued_at="2026-11-24",
    bureau_code="11100000000",
    bureau_name="国家税务总局北京市税务局",
    tag="SWEI1100",
    medium=Label("01", "电子发票"),
    taxpayer_type=Label("1", "一般纳税人"),
    labels=(Label("1", "网页开票", "发票开具方式标签"),),
)

HEADER = (
    f"<Header><EIid>{NUMBER}</EIid><EInvoiceTag>SWEI1100</EInvoiceTag><Version>0.35</Version><InherentLabel>"
    "<InIssuType><LabelCode>Y</LabelCode><LabelName>是否蓝字发票标志</LabelName></InIssuType>"
    "<EInvoiceType><LabelCode>01</LabelCode><LabelName>电子发票</LabelName></EInvoiceType>"
    "<GeneralOrSpecialVAT><LabelCode>01</LabelCode><LabelName>增值税专用发票</LabelName></GeneralOrSpecialVAT>"
    "<TaxpayerType><LabelCode>1</LabelCode><LabelName>一般纳税人</LabelName></TaxpayerType>"
    "</InherentLabel><UndefinedLabel><Label><LabelType>发票开具方式标签</LabelType><LabelCode>1</LabelCode>"
    "<LabelName>网页开票</LabelName></Label></UndefinedLabel></Header>"
)
PARTIES = (
    "<SellerInformation><SellerIdNum>91110000600037341L</SellerIdNum><SellerName>示例甲有限公司</SellerName>"
    "<SellerAddr>示例路1号</SellerAddr><SellerTelNum>01000000000</SellerTelNum><SellerBankName>示例银行</SellerBankName>"
    "<SellerBankAccNum>0000</SellerBankAccNum></SellerInformation><BuyerInformation>"
    "<BuyerIdNum>91330106MA7GAL1299</BuyerIdNum><BuyerName>示例乙有限公司</BuyerName></BuyerInformation>"
)
BASIC = (
    "<BasicInformation><TotalAmWithoutTax>100.00</TotalAmWithoutTax><TotalTaxAm>6.00</TotalTaxAm>"
    "<TotalTax-includedAmount>106.00</TotalTax-includedAmount>"
    "<TotalTax-includedAmountInChinese>壹佰零陆圆整</TotalTax-includedAmountInChinese>"
    "<Drawer>张三</Drawer><RequestTime>2026-11-24 10:00:00</RequestTime></BasicInformation>"
)
ITEM = (
    "<IssuItemInformation><ItemName>*信息技术服务*软件维护</ItemName><Quantity>1</Quantity><UnPrice>100</UnPrice>"
    "<Amount>100.00</Amount><TaxRate>0.06</TaxRate><ComTaxAm>6.00</ComTaxAm>"
    "<TotaltaxIncludedAmount>106.00</TotaltaxIncludedAmount>"
    "<TaxClassificationCode>3040203000000000000</TaxClassificationCode></IssuItemInformation>"
)
TAIL = (
    f"<TaxSupervisionInfo><InvoiceNumber>{NUMBER}</InvoiceNumber><IssueTime>2026-11-24</IssueTime>"
    "<TaxBureauCode>11100000000</TaxBureauCode><TaxBureauName>国家税务总局北京市税务局</TaxBureauName></TaxSupervisionInfo>"
)
FILE = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    f"<EInvoice>{HEADER}<EInvoiceData>{PARTIES}{BASIC}{ITEM}<SpecificInformation/><AdditionalInformation/></EInvoiceData>"
    f"{TAIL}</EInvoice>"
)

# Every character that XML can carry, the awkward ones often. The first and last characters are never white space, because
# the reader takes it away.
_characters = st.one_of(
    st.sampled_from("&<>\"'\r\n\t ]]>\u00a0\u3000圆𠮷\u2028"),
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
)
texts = st.text(_characters, max_size=12).map(str.strip)
optional_texts = st.none() | texts
amounts = st.decimals(-(10**12), 10**12, places=2)
numbers = st.decimals(-(10**9), 10**9, places=6) | st.sampled_from([Decimal("1E-7"), Decimal("1E+3"), Decimal("-0.00")])
names = st.sampled_from(["Toll", "PlateNumber", "项目", "Additional", "{urn:other}Foreign", "x-1.y"])
attributes = st.dictionaries(st.sampled_from(["id", "URI", "{urn:other}kind"]), texts, max_size=2).map(
    lambda found: tuple(found.items())
)
elements = st.recursive(
    st.builds(Element, names, texts.map(lambda text: text or None), st.just(()), attributes),
    lambda inner: st.builds(Element, names, st.none(), st.lists(inner, min_size=1, max_size=3).map(tuple), attributes),
    max_leaves=6,
)
labels = st.builds(Label, optional_texts, optional_texts, optional_texts)
parties = st.builds(
    Party,
    name=texts,
    tax_number=optional_texts,
    address=optional_texts,
    telephone=optional_texts,
    bank=optional_texts,
    account=optional_texts,
)
lines = st.builds(
    Line,
    name=texts,
    amount=amounts,
    tax_rate=st.none() | st.sampled_from([Decimal("0.13"), Decimal("0.060000")]),
    tax=st.none() | amounts,
    tax_code=texts,
    specification=optional_texts,
    unit=optional_texts,
    quantity=st.none() | numbers,
    unit_price=st.none() | numbers,
    amount_with_tax=st.none() | amounts,
    rate_text=st.sampled_from([None, "", "免税"]),
    tax_text=st.sampled_from([None, "", "***"]),
)
invoices = st.builds(
    Invoice,
    number=texts,
    kind=st.none() | st.sampled_from(Kind),
    blue=st.none() | st.booleans(),
    seller=parties,
    buyer=parties,
    lines=st.lists(lines, max_size=3).map(tuple),
    amount=amounts,
    tax=st.none() | amounts,
    total=amounts,
    total_in_words=texts,
    drawer=texts,
    requested_at=texts,
    issued_at=texts,
    bureau_code=texts,
    bureau_name=texts,
    tag=texts,
    medium=st.none() | labels,
    taxpayer_type=st.none() | labels,
    labels=st.lists(labels, max_size=3).map(tuple),
    remark=optional_texts,
    red=st.none() | st.builds(RedReference, texts, texts),
    authentication_method=optional_texts,
    supervision_number=optional_texts,
    special=st.lists(elements, max_size=2).map(tuple),
    additional=st.lists(elements, max_size=2).map(tuple),
    signature=st.none()
    | st.builds(Element, st.just("TaxBureauSignature"), st.none(), st.lists(elements, max_size=2).map(tuple)),
)
