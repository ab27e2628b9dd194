"""Names of accounts, and where a call comes from."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata

from kaipiao.errors import FieldsRefused
from kaipiao.language import Text

FORM = re.compile(r"[a-z0-9\u4e00-\u9fff](?:[a-z0-9._\-\u4e00-\u9fff]{0,62}[a-z0-9\u4e00-\u9fff])?")
TENANT = re.compile(r"[^\s/@:?#%]{1,64}")  # what can stand in a name and in an address
ONE_SITE = 64  # bits of an IPv6 address: whoever has one of its addresses has them all
NOWHERE = "unknown"


def as_known(given: str) -> str:
    """A name as it is kept and looked for: NFKC, small letters, no blanks around it."""
    return unicodedata.normalize("NFKC", given).strip().lower()


def new_name(given: str, tenant: str | None) -> str:
    """The name of a new account; of a tenant: name@tenant. It may be given with or without the tenant. Raises
    `FieldsRefused`."""
    if tenant is not None and not _can_stand_in_a_name(as_known(tenant)):
        raise _refused(
            "tenant",
            "租户名含空格、不可见字符或 / @ : ? # %，不能有账户",
            "a tenant with blanks, invisible characters or / @ : ? # % in its name cannot have accounts",
        )
    end = "" if tenant is None else f"@{tenant}"
    name = unicodedata.normalize("NFKC", given).strip()
    name = name[: -len(end)] if end and name.endswith(end) else name
    if FORM.fullmatch(name) is None:
        raise _refused(
            "account",
            "须为 1–64 个小写字母、数字、汉字、. _ -",
            "has 1–64 small letters, digits, Chinese characters, . _ -",
        )
    return as_known(name + end)


def _can_stand_in_a_name(tenant: str) -> bool:
    return TENANT.fullmatch(tenant) is not None and tenant.isprintable()


def digest(name: str) -> str:
    """32 hex digits in the place of a name that may be anything, a password typed into the wrong field too."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def source_of(host: str | None) -> str:
    """Whom failures count against: an IPv4 address, or the /64 of an IPv6 one. What a proxy says of others is not believed."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return NOWHERE
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, ONE_SITE), strict=False))
        return str(address.ipv4_mapped)
    return str(address)


def _refused(field: str, zh: str, en: str) -> FieldsRefused:
    return FieldsRefused(Text(f"{field} {zh}", f"{field} {en}"), fields=[{"path": field, "zh": zh, "en": en}])
