"""Is this certificate the host's? pyOpenSSL does not ask, so we do (RFC 6125, RFC 9525: alternative names only)."""

from __future__ import annotations

import ipaddress

from cryptography import x509


def belongs_to(certificate: x509.Certificate, host: str) -> bool:
    """True if a subjectAltName names the host: an IP address exactly, a DNS name with `*` for its whole first label.

    The common name counts for nothing. Raises ValueError for a certificate whose extensions cannot be read.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    address = as_address(host)
    if address is not None:
        return address in names.get_values_for_type(x509.IPAddress)
    return any(_matches(pattern, host) for pattern in names.get_values_for_type(x509.DNSName))


def as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _matches(pattern: str, host: str) -> bool:
    wanted, offered = host.rstrip(".").lower().split("."), pattern.rstrip(".").lower().split(".")
    if len(wanted) != len(offered):
        return False
    if offered[0] == "*":
        return len(offered) > 2 and wanted[0] != "" and wanted[1:] == offered[1:]
    return wanted == offered
