"""The element names of an `EInvoice`, in the order in which the current generation writes them.

Source: public files of versions 0.2 to 0.35 and the layout specification V5.002. Note the spellings: `IssuItemInformation`,
two names with hyphens, one with a lower-case t.
"""

from __future__ import annotations

_SELLER = ("SellerIdNum", "SellerName", "SellerAddr", "SellerTelNum", "SellerBankName", "SellerBankAccNum")
_BUYER = ("BuyerIdNum", "BuyerName", "BuyerAddr", "BuyerTelNum", "BuyerBankName", "BuyerBankAccNum")

# Path of a block → its children in order. Only these are looked into when a file is compared with what we would write.
BLOCKS: dict[str, tuple[str, ...]] = {
    "": ("Header", "EInvoiceData", "SellerAuthentication", "TaxSupervisionInfo", "TaxBureauSignature"),
    "Header": ("EIid", "EInvoiceTag", "Version", "InherentLabel", "UndefinedLabel"),
    "Header/InherentLabel": ("InIssuType", "EInvoiceType", "GeneralOrSpecialVAT", "TaxpayerType"),
    "EInvoiceData": (
        "SellerInformation",
        "BuyerInformation",
        "BasicInformation",
        "IssuItemInformation",
        "SpecificInformation",
        "AdditionalInformation",
    ),
    "EInvoiceData/SellerInformation": _SELLER,
    "EInvoiceData/BuyerInformation": (*_BUYER, "BuyerHandlingName"),
    "EInvoiceData/BasicInformation": (
        "TotalAmWithoutTax",
        "TotalTaxAm",
        "TotalTax-includedAmount",
        "TotalTax-includedAmountInChinese",
        "Drawer",
        "RequestTime",
    ),
    "EInvoiceData/IssuItemInformation": (
        "ItemName",
        "SpecMod",
        "MeaUnits",
        "Quantity",
        "UnPrice",
        "Amount",
        "TaxRate",
        "ComTaxAm",
        "TotaltaxIncludedAmount",
        "TaxClassificationCode",
    ),
    "EInvoiceData/SpecificInformation": ("RedEInvoice",),
    "EInvoiceData/AdditionalInformation": ("Remark",),
    "SellerAuthentication": ("AuthenticationMethods",),
    "TaxSupervisionInfo": ("InvoiceNumber", "IssueTime", "TaxBureauCode", "TaxBureauName"),
}

# Leaves of blocks that are compared as a whole.
_LEAVES = ("LabelType", "LabelCode", "LabelName", "Label", "OriginalInvoiceCode", "CreditNoteNumber")

KNOWN = frozenset(name for names in BLOCKS.values() for name in names) | frozenset(_LEAVES) | {"EInvoice"}


def inside(path: str, name: str) -> str:
    """The path of a child. The root's own path is empty."""
    return f"{path}/{name}" if path else name


def block_of(path: str) -> tuple[str, ...] | None:
    """The children that belong into the block at `path` (`…/IssuItemInformation[2]` too); None if it is not a block."""
    return BLOCKS.get(path.rpartition("[")[0] if path.endswith("]") else path)


def rank(path: str, name: str) -> int:
    """Where a child stands in its block; unknown names stand last."""
    names = block_of(path) or ()
    return names.index(name) if name in names else len(names)
