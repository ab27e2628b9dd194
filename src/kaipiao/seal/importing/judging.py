"""What is each thing good for? Certificates go by real time. Nothing is fetched, nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from kaipiao.seal.importing.chain import Chain, chain_of, is_authority
from kaipiao.seal.importing.found import P256, SM2, Found
from kaipiao.seal.importing.limits import LIMITS
from kaipiao.seal.importing.remarks import Remark, said

Use = Literal["seal", "audit", "tls-client", "token", "verification"]
Environment = Literal["test", "production"]
_TEST_WORDS = re.compile(r"测试|沙箱|sandbox|kaipiao|(?<![a-z])(test|demo)", re.IGNORECASE)
_WEAK_DIGESTS = ("md5", "sha1", "md2")
_RSA_LEAST = 2048  # bits
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`good_for` is empty for what is good for nothing; `remarks` says why. `pair`: the certificate of a private key, or
    the private key of a certificate. `chain`: of a certificate, or of the certificate that belongs to the key."""

    found: Found
    good_for: tuple[Use, ...]
    remarks: tuple[Remark, ...]
    pair: Found | None
    chain: Chain | None


def judge(pool: Sequence[Found], at: datetime, environment: Environment) -> list[Judgement]:
    """One judgement for each, in their order. `at`: now, aware. Things of one pool are matched with each other."""
    return [_judged(one, pool, at, environment) for one in pool]


def _judged(one: Found, pool: Sequence[Found], at: datetime, environment: Environment) -> Judgement:
    if one.kind == "private-key":
        return _key(one, pool, at, environment)
    if one.kind == "certificate":
        return _certificate(one, pool, at, environment)
    if one.kind == "seal":
        return Judgement(one, ("verification",), (said("seal-without-key"),), None, None)
    good: tuple[Use, ...] = ("verification",) if one.curve in (SM2, P256) else ()
    return Judgement(one, good, (*_unusable(one), said("public-only")), None, None)


def _key(key: Found, pool: Sequence[Found], at: datetime, environment: Environment) -> Judgement:
    wrong = _unusable(key)
    leaf = certificate_of(key, pool, at)
    if wrong:
        return Judgement(key, (), wrong, leaf, None)
    if leaf is None:
        return _alone(key, pool)
    chain = chain_of(leaf, pool)
    about = _about(leaf, chain, at, environment)
    sound = all(remark.level != "bad" for remark in about)
    return Judgement(key, _uses(key, leaf, sound), about, leaf, chain)


def _alone(key: Found, pool: Sequence[Found]) -> Judgement:
    """A key without its certificate. Beside certificates that no key here claims it was probably meant to be theirs."""
    keys = {one.public_key for one in pool if one.kind == "private-key"}
    ends = [o for o in pool if o.certificate is not None and not is_authority(o.certificate)]
    stranger = any(one.public_key not in keys for one in ends)
    if key.curve == P256:
        return Judgement(key, ("token",), (said("no-matching-certificate"),) if stranger else (), None, None)
    if stranger:
        return Judgement(key, ("audit",), (said("no-matching-certificate"),), None, None)
    return Judgement(key, ("seal", "audit"), (said("no-certificate"),), None, None)


def _uses(key: Found, leaf: Found, sound: bool) -> tuple[Use, ...]:
    """Our own tokens and event trail never show a certificate, so its faults do not touch them."""
    authority = leaf.certificate is not None and is_authority(leaf.certificate)
    if key.curve == SM2:
        return ("seal", "audit") if sound and not authority else ("audit",)
    client = sound and not authority and leaf.certificate is not None and _is_client(leaf.certificate)
    return ("tls-client", "token") if client else ("token",)


def _certificate(one: Found, pool: Sequence[Found], at: datetime, environment: Environment) -> Judgement:
    chain = chain_of(one, pool)
    key = next((k for k in pool if k.kind == "private-key" and k.public_key and k.public_key == one.public_key), None)
    about = _about(one, chain, at, environment)
    if key is None:
        about = (*about, said("no-private-key"))
    stops = {"expired", "not-yet-valid", "weak-signature", "weak-key", "chain-broken", "signed-without-id"}
    usable: tuple[Use, ...] = () if stops & {remark.word for remark in about} else ("verification",)
    return Judgement(one, usable, about, key, chain)


def certificate_of(key: Found, pool: Sequence[Found], at: datetime) -> Found | None:
    """The certificate of this key; of several, one that is valid now, and then the one that ends last."""
    own = [o for o in pool if o.certificate is not None and o.public_key and o.public_key == key.public_key]
    return max(own, key=lambda o: (_is_valid(o, at), _end(o)), default=None)


def days_left(one: Found, at: datetime) -> float | None:
    """Negative when it is over; None for what has no end."""
    return None if one.certificate is None else (_end(one) - at) / timedelta(days=1)


def key_usages(certificate: x509.Certificate) -> list[str]:
    """The names of RFC 5280, 4.2.1.3, that are set; empty when the extension is missing or broken."""
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None:
        return []
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return [name for name in (*names, "key_cert_sign", "crl_sign") if getattr(usage, name)]


def _about(one: Found, chain: Chain, at: datetime, environment: Environment) -> tuple[Remark, ...]:
    certificate = one.certificate
    if certificate is None:
        return ()
    own = (dates(one, at), _rotation(certificate, at), _strength(one, certificate), _usage(one, certificate))
    return tuple(remark for part in (*own, _chained(chain, at), _origin(chain, environment)) for remark in part)


def dates(one: Found, at: datetime) -> list[Remark]:
    """What is to be said of a certificate's time; nothing for anything else."""
    if one.certificate is None:
        return []
    begin, end = one.certificate.not_valid_before_utc, one.certificate.not_valid_after_utc
    if at > end:
        return [said("expired", end=f"{end:%Y-%m-%d}")]
    found = []
    if at < begin:
        found.append(said("not-yet-valid", begin=f"{begin:%Y-%m-%d}"))
    if end - at < timedelta(hours=LIMITS.warn_hours):
        found.append(said("expires-soon", hours=LIMITS.warn_hours))
    return found


def _rotation(certificate: x509.Certificate, at: datetime) -> list[Remark]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - begin).days
    if days <= LIMITS.rotate_days or is_authority(certificate) or at > end:
        return []
    by = begin + timedelta(days=LIMITS.rotate_days + LIMITS.rotate_jitter_days)
    return [said("outlives-rotation", days=days, most=LIMITS.rotate_days, rotate=f"{by:%Y-%m-%d}")]


def _strength(one: Found, certificate: x509.Certificate) -> list[Remark]:
    found = []
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        digest = None  # SM2 with SM3 among them: our own verification takes it or does not
    if digest is not None and digest.name in _WEAK_DIGESTS and certificate.subject != certificate.issuer:
        found.append(said("weak-signature", name=digest.name.upper()))
    return found + _short(one)


def _usage(one: Found, certificate: x509.Certificate) -> list[Remark]:
    if is_authority(certificate):
        return [said("authority")]
    usages = key_usages(certificate)
    if usages and not {"digital_signature", "content_commitment"} & set(usages):
        return [said("key-usage")]
    return [said("extended-key-usage")] if one.curve == P256 and not _is_client(certificate) else []


def _chained(chain: Chain, at: datetime) -> list[Remark]:
    last = chain.links[-1].certificate
    issuer = name_of(last.issuer) if last is not None else ""
    found = []
    if chain.broken:
        found.append(said("signed-without-id" if chain.without_id else "chain-broken", issuer=issuer))
    elif chain.authorities > LIMITS.chain_most:
        found.append(said("chain-too-deep", most=LIMITS.chain_most))
    elif not chain.complete:
        found.append(said("chain-incomplete", issuer=issuer))
    if LIMITS.chain_warn <= chain.authorities <= LIMITS.chain_most:
        found.append(said("chain-deep", count=chain.authorities))
    dated = [link for link in chain.links[1:] if not _is_valid(link, at)]
    return found + [said("chain-not-valid", name=name_of(o.certificate.subject)) for o in dated if o.certificate]


def _origin(chain: Chain, environment: Environment) -> list[Remark]:
    issuers = [link.certificate.issuer for link in chain.links if link.certificate is not None]
    test = any(_TEST_WORDS.search(name_of(issuer)) for issuer in issuers)
    if environment == "production":
        return [said("test-authority")] if test else []
    return [] if test else [said("real-in-test")]


def _unusable(one: Found) -> tuple[Remark, ...]:
    """Why this key cannot be used here, whatever its certificate says."""
    if one.curve is not None:
        return () if one.curve in (SM2, P256) else (said("wrong-curve", name=one.curve),)
    return (said("wrong-algorithm", name=one.algorithm), *_short(one))


def _short(one: Found) -> list[Remark]:
    kind, _, bits = one.algorithm.partition("-")
    return [said("weak-key", name=one.algorithm)] if kind == "RSA" and bits.isdigit() and int(bits) < _RSA_LEAST else []


def _is_client(certificate: x509.Certificate) -> bool:
    """No extended key usage at all leaves every use open (RFC 5280, 4.2.1.12)."""
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    allowed = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return purposes is None or any(purpose in purposes for purpose in allowed)


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return None


def name_of(name: x509.Name) -> str:
    return name.rfc4514_string()


def _is_valid(one: Found, at: datetime) -> bool:
    certificate = one.certificate
    return certificate is not None and certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _end(one: Found) -> datetime:
    if one.certificate is None:
        raise ValueError("only a certificate ends")
    return one.certificate.not_valid_after_utc
