"""The keys of an installation: whoever may read the key-encryption key may act for it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kaipiao.access import revocations, strongbox
from kaipiao.access.names import as_known
from kaipiao.access.revocations import Revoked
from kaipiao.access.tokens import Tokens
from kaipiao.access.watched import Watched
from kaipiao.errors import SealFault, SettingsFault
from kaipiao.language import Text
from kaipiao.seal.kek import load_or_create_kek, next_kek
from kaipiao.seal.keystore import P256, KeyStore
from kaipiao.settings import Settings, TaxpayerSettings

log = logging.getLogger(__name__)
PURPOSE = "token"
Ring = Mapping[str, EllipticCurvePublicKey]


def key_store(directory: Path, settings: Settings) -> KeyStore:
    """The key store of a data directory, also while its key-encryption key is being changed, or that was cut off."""
    file = directory / settings.keys.kek_file
    following = next_kek(file)  # before the present one: else a change could end between the two looks
    return KeyStore(directory / settings.keys.directory, load_or_create_kek(file), previous_kek=following)


def tokens_of(directory: Path, settings: Settings) -> Tokens:
    """The tokens of a data directory: `keys.token` signs, every P-256 key of purpose "token" verifies, and what was revoked
    is refused. A key that is added or taken away, and a revocation, count within a second."""
    return Tokens(
        key_store(directory, settings).p256(settings.keys.token),
        settings.keys.token,
        ring=watched_ring(directory, settings),
        revoked=watched_revocations(directory),
        issuer=settings.access.issuer,
        audience=settings.access.audience,
        tenants=tenants_of(settings),
    )


def tenants_of(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The taxpayers of each tenant of this installation. Those for which the settings name none belong to none. Raises
    `SettingsFault` for two tenants whose accounts would have the same names."""
    nobody = TaxpayerSettings.model_fields["tenant"].default
    found: dict[str, tuple[str, ...]] = {}
    for seller in settings.taxpayer:
        if seller.tenant != nobody:
            found[seller.tenant] = (*found.get(seller.tenant, ()), seller.tax_number)
    known = Counter(map(as_known, found))
    if alike := [tenant for tenant in found if known[as_known(tenant)] > 1]:
        names = ", ".join(alike)
        raise SettingsFault(
            Text(
                f"taxpayer.tenant：{names} 只有大小写或全半角之别",
                f"taxpayer.tenant: {names} differ in case or width only",
            )
        )
    return found


class StoredAccountKeys:
    """The keys of purpose "account" of a data directory; the oldest one is used, and made when there is none."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory, self._settings = directory, settings

    def current(self) -> str:
        store = key_store(self._directory, self._settings)
        held = [entry.key_id for entry in store.list() if entry.purpose == strongbox.PURPOSE]
        return held[0] if held else store.create(strongbox.PURPOSE, P256)

    def key(self, key_id: str) -> EllipticCurvePrivateKey:
        return key_store(self._directory, self._settings).p256(key_id)


def watched_ring(directory: Path, settings: Settings) -> Watched[Ring]:
    # A store of its own each time: the key-encryption key may have been changed meanwhile.
    return Watched(
        lambda: frozenset(key_store(directory, settings).names()),
        lambda: verifying_keys(key_store(directory, settings), settings.keys.token),
    )


def verifying_keys(store: KeyStore, signing: str) -> Ring:
    """Public keys by key id. One that cannot be read verifies nothing, and that is logged."""
    found: dict[str, EllipticCurvePublicKey] = {}
    for key_id in store.names():
        try:
            entry = store.entry(key_id)
        except SealFault as error:
            log.warning("a key cannot be read: it verifies no token", extra={"code": error.code})
            continue
        if entry.algorithm == P256 and (entry.purpose == PURPOSE or key_id == signing):
            key = load_der_public_key(entry.public_key)
            if isinstance(key, EllipticCurvePublicKey):
                found[key_id] = key
    return found


def watched_revocations(directory: Path) -> Watched[Revoked]:
    path = revocations.path_in(directory)
    known = path.exists()

    def read() -> Revoked:
        nonlocal known
        found = revocations.read(path, must_exist=known)
        known = path.exists()
        return found

    return Watched(lambda: revocations.mark(path), read)
