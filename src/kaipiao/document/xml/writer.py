"""Write an invoice as the current generation of the XML.

This is on the way of every issued invoice, so it joins strings instead of building a tree (a differential test compares it
with a tree built by lxml). What a received file had beyond the typed model is put in afterwards, by `oddities`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from kaipiao.document.xml import escape, oddities
from kaipiao.document.xml.element import markup
from kaipiao.errors import Malformed
from kaipiao.invoice.model import Element, Invoice, Kind, Label, Line, Party, RedReference
from kaipiao.language import Text

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_needs_care = escape.needs_care


def _coded(name: str, code: str, text: str) -> str:
    return f"<{name}><LabelCode>{code}</LabelCode><LabelName>{text}</LabelName></{name}>"


_COLOURS = {
    True: _coded("InIssuType", "Y", "是否蓝字发票标志"),
    False: _coded("InIssuType", "N", "是否蓝字发票标志"),
    None: "<InIssuType/>",
}
_KINDS = {
    Kind.SPECIAL: _coded("GeneralOrSpecialVAT", "01", "增值税专用发票"),
    Kind.GENERAL: _coded("GeneralOrSpecialVAT", "02", "普通发票"),
    None: "<GeneralOrSpecialVAT/>",
}


def write_invoice(invoice: Invoice) -> bytes:
    """The XML in UTF-8. Raises `Malformed` for what XML cannot carry (control characters, numbers that are not finite)."""
    page = _page(invoice)
    if invoice.extra or invoice.absent:
        page = oddities.put_in(page, invoice)
    return (_DECLARATION + page).encode()


def typed_page(invoice: Invoice) -> str:
    """What the typed fields alone say, without declaration: the yardstick for what else a file has."""
    return _page(invoice)


def _page(invoice: Invoice) -> str:
    method = invoice.authentication_method
    return (
        "<EInvoice>"
        f"{_header(invoice)}"
        f"<EInvoiceData>{_data(invoice)}</EInvoiceData>"
        f"{'' if method is None else _block('SellerAuthentication', _leaf('AuthenticationMethods', method))}"
        f"{_supervision(invoice)}"
        f"{'' if invoice.signature is None else markup(invoice.signature)}"
        "</EInvoice>"
    )


def _header(invoice: Invoice) -> str:
    inherent = (
        f"{_COLOURS[invoice.blue]}"
        f"{_label('EInvoiceType', invoice.medium)}"
        f"{_KINDS[invoice.kind]}"
        f"{_label('TaxpayerType', invoice.taxpayer_type)}"
    )
    labels = "".join(_label("Label", label) for label in invoice.labels)
    return (
        f"<Header>{_leaf('EIid', invoice.number)}{_leaf('EInvoiceTag', invoice.tag)}{_leaf('Version', invoice.version)}"
        f"<InherentLabel>{inherent}</InherentLabel>{_block('UndefinedLabel', labels)}</Header>"
    )


def _data(invoice: Invoice) -> str:
    red = "" if invoice.red is None else _red(invoice.red)
    return (
        f"{_seller(invoice.seller)}{_party(invoice.buyer, 'Buyer')}{_totals(invoice)}"
        f"{''.join(map(_line, invoice.lines))}"
        f"{_block('SpecificInformation', red + _others(invoice.special, 'RedEInvoice'))}"
        f"{_block('AdditionalInformation', _leaf('Remark', invoice.remark) + _others(invoice.additional, 'Remark'))}"
    )


@lru_cache(maxsize=64)  # a platform issues for few sellers; buyers are not kept in memory
def _seller(party: Party) -> str:
    return _party(party, "Seller")


def _party(party: Party, side: str) -> str:
    return (
        f"<{side}Information>{_leaf(side + 'IdNum', party.tax_number)}{_leaf(side + 'Name', party.name)}"
        f"{_leaf(side + 'Addr', party.address)}{_leaf(side + 'TelNum', party.telephone)}"
        f"{_leaf(side + 'BankName', party.bank)}{_leaf(side + 'BankAccNum', party.account)}"
        f"{_leaf(side + 'HandlingName', party.handler)}</{side}Information>"
    )


def _totals(invoice: Invoice) -> str:
    return (
        f"<BasicInformation>{_number('TotalAmWithoutTax', invoice.amount)}{_number('TotalTaxAm', invoice.tax)}"
        f"{_number('TotalTax-includedAmount', invoice.total)}"
        f"{_leaf('TotalTax-includedAmountInChinese', invoice.total_in_words)}"
        f"{_leaf('Drawer', invoice.drawer)}{_leaf('RequestTime', invoice.requested_at)}</BasicInformation>"
    )


def _line(line: Line) -> str:
    return (
        f"<IssuItemInformation>{_leaf('ItemName', line.name)}{_leaf('SpecMod', line.specification)}"
        f"{_leaf('MeaUnits', line.unit)}{_number('Quantity', line.quantity)}{_number('UnPrice', line.unit_price)}"
        f"{_number('Amount', line.amount)}{_number_or_text('TaxRate', line.tax_rate, line.rate_text)}"
        f"{_number_or_text('ComTaxAm', line.tax, line.tax_text)}"
        f"{_number('TotaltaxIncludedAmount', line.amount_with_tax)}"
        f"{_leaf('TaxClassificationCode', line.tax_code)}</IssuItemInformation>"
    )


def _others(elements: tuple[Element, ...], own: str) -> str:
    """Elements without a field. One that has a field would stand twice, or say what the fields do not."""
    if any(element.name == own for element in elements):
        raise Malformed(Text("{name} 有自己的字段。", "{name} has a field of its own.").format(name=own), element=own)
    return "".join(map(markup, elements))


def _red(red: RedReference) -> str:
    blue, confirmation = _leaf("OriginalInvoiceCode", red.blue_number), _leaf("CreditNoteNumber", red.confirmation)
    return f"<RedEInvoice>{blue}{confirmation}</RedEInvoice>"


def _supervision(invoice: Invoice) -> str:
    number = invoice.number if invoice.supervision_number is None else invoice.supervision_number
    return (
        f"<TaxSupervisionInfo>{_leaf('InvoiceNumber', number)}{_leaf('IssueTime', invoice.issued_at)}"
        f"{_leaf('TaxBureauCode', invoice.bureau_code)}{_leaf('TaxBureauName', invoice.bureau_name)}</TaxSupervisionInfo>"
    )


@lru_cache(maxsize=256)  # the same few labels stand on every invoice
def _label(name: str, label: Label | None) -> str:
    if label is None:
        return ""
    return _block(
        name, _leaf("LabelType", label.kind) + _leaf("LabelCode", label.code) + _leaf("LabelName", label.name)
    )


def _block(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _leaf(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if _needs_care(value) is not None:
        value = escape.text(value)
    return f"<{name}>{value}</{name}>" if value else f"<{name}/>"


def _number_or_text(name: str, value: Decimal | None, text: str | None) -> str:
    return _leaf(name, text) if value is None else _number(name, value)


def _number(name: str, value: Decimal | None) -> str:
    if value is None:
        return ""
    digits = str(value)
    if "E" in digits or not value.is_finite():
        digits = _written_out(name, value)
    return f"<{name}>{digits}</{name}>"


def _written_out(name: str, value: Decimal) -> str:
    """Without an exponent, as the XML wants it. Within 40 places: nothing that money can be needs more."""
    if not value.is_finite() or abs(value.adjusted()) > 40:
        raise Malformed(Text("{name} 不是可用的数。", "{name} is not a usable number.").format(name=name), element=name)
    return format(value, "f")
