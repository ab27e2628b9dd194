"""Seller and buyer: who may stand on which invoice, and their taxpayer numbers."""

from __future__ import annotations

from kaipiao.invoice.model import Kind, Party
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.rules.texts import check_text
from kaipiao.invoice.tables import tables
from kaipiao.invoice.taxpayer import TaxNumber, check_tax_number, is_identity_number
from kaipiao.language import Text

OTHER_SELLER = Rule(
    "KP-RULE-PARTY-01",
    "seller_tax_number",
    Text("不是本平台的这个销售方", "This is not the seller that is asked to issue"),
    "own: an invoice is issued by its seller only",
    received=Received.UNASKED,
)
CHECK_DIGIT = Rule(
    "KP-RULE-PARTY-02",
    "seller_tax_number, buyer.tax_number",
    Text("18位统一社会信用代码的校验位不正确", "The check digit of the 18-character code is wrong"),
    "GB 32100-2015; GB 32100-2015 与乐企字段长度",
)
NUMBER_FORM = Rule(
    "KP-RULE-PARTY-03",
    "seller_tax_number, buyer.tax_number",
    Text(
        "纳税人识别号应为15至20位数字或大写字母，现为{length}位",
        "A taxpayer number has 15 to 20 digits and capital letters; this one has {length} characters",
    ),
    "GB 32100-2015 与乐企字段长度; 乐企开票能力说明文档（基础版）V5.001 数电票上传",
)
UNUSUAL = Rule(
    "KP-RULE-PARTY-04",
    "seller_tax_number, buyer.tax_number",
    Text(
        "纳税人识别号不是18位，没有校验位可查", "The taxpayer number is not of 18 characters: no check digit to look at"
    ),
    "GB 32100-2015 与乐企字段长度",
    stops=False,
)
BUYER_NUMBER_NEEDED = Rule(
    "KP-RULE-PARTY-05",
    "buyer.tax_number",
    Text("专用发票必须填写购买方纳税人识别号", "A special invoice needs the buyer's taxpayer number"),
    "乐企开票能力说明文档（基础版）校验规则",
)
NATURAL_PERSON = Rule(
    "KP-RULE-PARTY-06",
    "buyer.natural_person",
    Text("不得向自然人开具专用发票", "No special invoice is issued to a natural person"),
    "增值税法（2026-01-01）；乐企说明文档 yhzcbs; 增值税专用发票使用规定",
)
SHORT_NAME = Rule(
    "KP-RULE-PARTY-07",
    "buyer.name",
    Text(
        "购买方名称不超过{limit}个字符，请确认是否为自然人",
        "The buyer's name has at most {limit} characters: is it a natural person?",
    ),
    "乐企开票能力说明文档（基础版）校验规则",
    stops=False,
    received=Received.UNASKED,
)
RULES = (OTHER_SELLER, CHECK_DIGIT, NUMBER_FORM, UNUSUAL, BUYER_NUMBER_NEEDED, NATURAL_PERSON, SHORT_NAME)


def check_number(findings: Findings, path: str, number: str | None, *, natural_person: bool = False) -> None:
    """The form of a taxpayer number that is there."""
    if not number:
        return
    form = check_tax_number(number)
    if form is TaxNumber.SOUND or (natural_person and is_identity_number(number)):
        return
    if form is TaxNumber.WRONG_CHECK_DIGIT:
        findings.add(CHECK_DIGIT, path)
    elif form is TaxNumber.UNUSUAL:
        findings.add(UNUSUAL, path)
    else:
        findings.add(NUMBER_FORM, path, length=len(number))


def check_buyer(findings: Findings, buyer: Party, kind: Kind | None) -> None:
    check_number(findings, "buyer.tax_number", buyer.tax_number, natural_person=buyer.natural_person)
    check_party_texts(findings, "buyer", buyer)
    if kind is Kind.SPECIAL and not buyer.tax_number:
        findings.add(BUYER_NUMBER_NEEDED, "buyer.tax_number")
    if kind is Kind.SPECIAL and buyer.natural_person:
        findings.add(NATURAL_PERSON, "buyer.natural_person")
    limit = tables().limits.lengths.short_buyer
    if len(buyer.name) <= limit and not buyer.natural_person and not buyer.tax_number:
        findings.add(SHORT_NAME, "buyer.name", limit=limit)


def check_party_texts(findings: Findings, path: str, party: Party) -> None:
    limits = tables().limits.lengths
    check_text(findings, f"{path}.name", party.name, limits.name, needed=True)
    if party.address:
        check_text(findings, f"{path}.address", party.address, limits.address)
    if party.telephone:
        check_text(findings, f"{path}.telephone", party.telephone, limits.telephone)
    if party.bank:
        check_text(findings, f"{path}.bank", party.bank, limits.bank)
    if party.account:
        check_text(findings, f"{path}.account", party.account, limits.account)
    if party.handler:
        check_text(findings, f"{path}.handler", party.handler, limits.handler)
