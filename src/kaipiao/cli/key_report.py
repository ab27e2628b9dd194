"""What is said of keys and certificates: as JSON, and for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kaipiao.cli import terminal
from kaipiao.cli.terminal import plain, say
from kaipiao.seal.importing.chain import Chain
from kaipiao.seal.importing.found import Found
from kaipiao.seal.importing.judging import Judgement, days_left, key_usages, name_of
from kaipiao.seal.importing.placing import Placement
from kaipiao.seal.importing.remarks import Remark

KINDS = {
    "private-key": ("私钥", "private key"),
    "certificate": ("证书", "certificate"),
    "public-key": ("公钥", "public key"),
    "seal": ("电子印章", "electronic seal"),
}
USES = {
    "seal": ("发票签章", "sealing invoices"),
    "audit": ("事件链签名", "signing the event trail"),
    "tls-client": ("通道 TLS 客户端", "TLS client of the channel"),
    "token": ("API 令牌签名", "signing API tokens"),
    "verification": ("只用于核验", "verification only"),
}
HOLDS = {
    True: ("各级签名成立", "signatures hold"),
    False: ("签名不成立", "a signature does not hold"),
    None: ("签名未核验", "its signature was not checked"),
}
MARKS = {"bad": "[red]✗[/]", "warning": "[yellow]![/]", "note": "·"}


def as_json(one: Judgement, file: str, at: datetime) -> dict[str, Any]:
    """One thing that was found; nothing secret is in it."""
    return {
        "file": file,
        **of_found(one.found, at),
        "good_for": list(one.good_for),
        "belongs_together": None if one.found.kind not in ("private-key", "certificate") else one.pair is not None,
        "chain": None if one.chain is None else of_chain(one.chain),
        "remarks": [of_remark(remark) for remark in one.remarks],
    }


def of_remark(remark: Remark) -> dict[str, Any]:
    return {"word": remark.word, "level": remark.level, "zh": remark.text.zh, "en": remark.text.en}


def of_found(found: Found, at: datetime) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": found.kind,
        "form": found.form,
        "algorithm": found.algorithm,
        "curve": found.curve,
        "spki_sm3": found.sm3 or None,
        "spki_sha256": found.sha256 or None,
    }
    certificate, left = found.certificate, days_left(found, at)
    if certificate is not None and left is not None:
        described |= {
            "subject": name_of(certificate.subject),
            "issuer": name_of(certificate.issuer),
            "serial": f"{certificate.serial_number:x}",
            "not_before": certificate.not_valid_before_utc.isoformat(),
            "not_after": certificate.not_valid_after_utc.isoformat(),
            "days_left": round(left, 2),
            "key_usage": key_usages(certificate),
        }
    return described


def of_chain(chain: Chain) -> dict[str, Any]:
    subjects = [name_of(link.certificate.subject) for link in chain.links if link.certificate is not None]
    return {
        "subjects": subjects,
        "authorities": chain.authorities,
        "complete": chain.complete,
        "signatures_hold": chain.holds,
    }


def of_placement(planned: Placement, key_id: str | None) -> dict[str, Any]:
    return {
        "id": key_id or planned.existing,
        "purpose": planned.purpose,
        "algorithm": planned.algorithm,
        "certificates": planned.certificates.count(b"-----BEGIN CERTIFICATE-----"),
        "key_is_there": planned.existing is not None,
    }


def tell(one: Judgement, file: str, at: datetime) -> None:
    """A paragraph for people, on stderr's console."""
    console = terminal.errors()
    found = one.found
    name = found.curve or found.algorithm
    console.print(f"[bold]{say(*KINDS[found.kind])}[/] {plain(name)} ({found.form}) {plain(file)}")
    if found.public_key:
        console.print(f"    SPKI SM3 {found.sm3}")
        console.print(f"    SPKI SHA-256 {found.sha256}")
    if found.certificate is not None:
        _tell_certificate(found, at)
    if one.chain is not None:
        _tell_chain(one.chain)
    uses = say("、", ", ").join(say(*USES[use]) for use in one.good_for) or say("没有用途", "nothing")
    console.print(f"    {say('可用于', 'Good for')}: [bold]{uses}[/]")
    for remark in one.remarks:
        console.print(f"    {MARKS[remark.level]} {plain(remark.text.in_language(terminal.LANGUAGE))}")


def _tell_certificate(found: Found, at: datetime) -> None:
    certificate, console = found.certificate, terminal.errors()
    left = days_left(found, at)
    if certificate is None or left is None:
        return
    span = f"{certificate.not_valid_before_utc:%Y-%m-%d} … {certificate.not_valid_after_utc:%Y-%m-%d}"
    console.print(f"    {say('主体', 'Subject')} {plain(name_of(certificate.subject))}")
    console.print(f"    {say('签发者', 'Issuer')} {plain(name_of(certificate.issuer))}")
    rest = say(f"剩 {left:.1f} 天", f"{left:.1f} days left") if left > 0 else say("已过期", "over")
    console.print(f"    {say('有效期', 'Valid')} {span} ({rest})")
    if usages := key_usages(certificate):
        console.print(f"    {say('密钥用法', 'Key usage')} {', '.join(usages)}")


def _tell_chain(chain: Chain) -> None:
    state = say("完整", "complete") if chain.complete else say("不完整", "not complete")
    holds = say(*HOLDS[chain.holds])
    console = terminal.errors()
    console.print(f"    {say('证书链', 'Chain')} {state}, {chain.authorities} CA, {holds}")
