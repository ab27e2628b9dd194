"""A seal that a real authority made: its SM2 signature holds over DER(TBS_Sign), as GB/T 38540 has it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1

from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PublicKey

SEALED = [
    "dianpu_2022_nuonuo_xbrl_signed_realCA.ofd",
    "dianpu_2020_chongqing_signed_testCA_valid.ofd",
    "dianpu_2020_beijing_list100_signed_testCA.ofd",
]


@asn1.sequence
class SesSignature:
    """SES_Signature of version 4, without a time stamp."""

    to_sign: asn1.TLV
    certificate: bytes
    algorithm: x509.ObjectIdentifier
    signature: asn1.BitString


@asn1.sequence
class TbsSign:
    version: int
    seal: asn1.TLV
    time: asn1.GeneralizedTime
    data_hash: asn1.BitString
    property: asn1.IA5String


def sealed(path: Path) -> tuple[SesSignature, bytes]:
    """(the seal value, the bytes of Signature.xml beside it)."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as package:
        (name,) = [name for name in package.namelist() if name.endswith("/SignedValue.dat")]
        return (
            asn1.decode_der(SesSignature, package.read(name)),
            package.read(name.replace("SignedValue.dat", "Signature.xml")),
        )


@pytest.mark.parametrize("name", SEALED)
def test_the_signers_sm2_signature_holds(samples: Path, name: str) -> None:
    ses, signature_xml = sealed(samples / "ofd" / name)
    signed = asn1.encode_der(ses.to_sign)
    signer = Sm2PublicKey.from_certificate(ses.certificate)
    assert signer.verify(signed, ses.signature.as_bytes())
    assert asn1.decode_der(TbsSign, signed).data_hash.as_bytes() == sm3(signature_xml)


@pytest.mark.parametrize("name", SEALED)
def test_it_does_not_hold_for_one_changed_byte_or_without_the_user_id(samples: Path, name: str) -> None:
    ses, _ = sealed(samples / "ofd" / name)
    signed, value = asn1.encode_der(ses.to_sign), ses.signature.as_bytes()
    signer = Sm2PublicKey.from_certificate(ses.certificate)
    assert not signer.verify(signed[:-1] + bytes([signed[-1] ^ 1]), value)
    assert not signer.verify(signed, value, user_id=b"")


def test_the_real_one_was_signed_for_a_tax_bureau(samples: Path) -> None:
    ses, _ = sealed(samples / "ofd" / SEALED[0])
    certificate = x509.load_der_x509_certificate(ses.certificate)
    assert "国家税务总局" in certificate.subject.rfc4514_string()
    assert certificate.signature_algorithm_oid.dotted_string == "1.2.156.10197.1.501"
