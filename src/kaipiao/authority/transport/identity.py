"""Who we are to the far side, from the key store: the private key is opened into memory and never written in the clear."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from kaipiao.errors import SettingsFault
from kaipiao.language import Text
from kaipiao.seal.keystore import KeyStore


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """`certificates`: our own first, then those above it."""

    certificates: tuple[x509.Certificate, ...]
    key: EllipticCurvePrivateKey = field(repr=False)


def stored_identity(keys: KeyStore, key_id: str) -> ClientIdentity:
    """A P-256 key of the store with its certificate. Raises `SettingsFault` where there is no certificate that is its own,
    and as `KeyStore.p256`."""
    key = keys.p256(key_id)
    try:
        certificates = tuple(x509.load_pem_x509_certificates(keys.certificates(key_id) or b""))
        own = certificates[0].public_key() == key.public_key()
    except ValueError:
        own = False
    if not own:
        raise SettingsFault(
            Text(
                f"密钥 {key_id} 没有自己的证书（{key_id}.cert.pem）：请用 kaipiao keys import 导入",
                f"The key {key_id} has no certificate of its own ({key_id}.cert.pem): import it by `kaipiao keys import`",
            ),
            code="KP-SETTINGS-11",
        )
    return ClientIdentity(certificates, key)
