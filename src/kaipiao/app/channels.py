"""The channels that the settings name, each on a wire of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from kaipiao.app.secret_file import secret
from kaipiao.authority.leqi import LeqiSettings
from kaipiao.authority.transport import TlsSettings
from kaipiao.authority.transport.identity import stored_identity
from kaipiao.seal.keystore import KeyStore
from kaipiao.seal.sm2 import Sm2PublicKey
from kaipiao.settings import ChannelSettings


def tls_of(directory: Path, settings: ChannelSettings, keys: KeyStore) -> TlsSettings:
    """Whom the channel trusts and by what it is known. Files are named from the data directory. Raises what the key store
    raises for a client key that it does not have."""
    if settings.stored_key is not None:
        return TlsSettings(directory / settings.ca_file, identity=stored_identity(keys, settings.stored_key))
    return TlsSettings(
        directory / settings.ca_file,
        directory / settings.client_certificate if settings.client_certificate else None,
        directory / settings.client_key if settings.client_key else None,
    )


def leqi_of(
    directory: Path,
    name: str,
    settings: ChannelSettings,
    seals: Collection[str],
    public: Callable[[str], Sm2PublicKey],
    bureaus: Mapping[str, str],
) -> LeqiSettings:
    """`seals`: the key ids of the sellers' seals, whose public keys go along where the channel sends seals of ours. `bureaus`: taxpayer → its bureau's code. Raises
    `SettingsFault` for a key file that cannot be read."""
    limits = {k: v for k, v in settings.limits.model_dump().items() if v is not None}
    device = {"device_mac": settings.device_mac} if settings.device_mac else {}
    return LeqiSettings(
        name=name,
        base_url=settings.base_url,
        further_urls=tuple(settings.further_urls),
        jrdwptbh=settings.jrdwptbh,
        sydwptbh=settings.sydwptbh,
        ylbm=settings.ylbm,
        sm4_key_hex=secret(directory / settings.sm4_key_file),
        sandbox_flag=settings.sandbox_flag,
        device_ip=settings.device_ip,
        **device,
        public_keys={key: public(key).point.hex() for key in seals} if settings.send_own_seal else {},
        limits=limits,
        bureaus=bureaus,
    )
