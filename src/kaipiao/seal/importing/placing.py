"""Puts found keys and certificates into the key store: what was planned, in the order that a crash cannot spoil.

The key is durable before its certificates; a run that was cut off between the two is finished by running it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kaipiao.errors import KeyAlreadyThere, KeyFileDamaged, KeyStoreUnusable, KeyUnsuitable
from kaipiao.language import Text
from kaipiao.seal.importing.chain import Chain
from kaipiao.seal.importing.found import P256, SM2, Secret
from kaipiao.seal.importing.judging import Judgement, Use
from kaipiao.seal.keyfile import KeyEntry, KeyFile
from kaipiao.seal.keyformat import pem
from kaipiao.seal.keystore import KeyStore

_FILE_LIMIT = 16_384  # bytes


@dataclass(frozen=True, slots=True)
class Placement:
    """`secret` is None where the store has the key and only certificates come. `certificates`: PEM, the key's own first;
    empty where none belongs to it. `existing`: the id of the key that is there."""

    purpose: Use
    algorithm: str
    secret: Secret | None
    certificates: bytes
    existing: str | None
    public_key: bytes

    def __repr__(self) -> str:
        return f"<Placement of a {self.algorithm} key for {self.purpose}>"


def plan(judgements: Sequence[Judgement], purpose: Use | None, there: Sequence[KeyEntry]) -> list[Placement]:
    """What an import would write. `purpose` None: the usual one of each key. `there`: the entries of the store.

    Raises `KeyUnsuitable` when there is no key, or when one is not good for the purpose."""
    stored = {entry.public_key: entry for entry in there}
    keys = [one for one in judgements if one.found.kind == "private-key"]
    own = {one.found.public_key for one in keys}
    late = [
        one
        for one in judgements
        if one.found.kind == "certificate" and one.found.public_key in stored and one.found.public_key not in own
    ]
    planned = {one.found.public_key: _key(one, purpose, stored) for one in keys}
    planned |= {one.found.public_key: _late(one, stored[one.found.public_key]) for one in late}
    if not planned:
        raise KeyUnsuitable(Text("没有可导入的私钥。", "There is no private key to import."))
    return list(planned.values())


def usual(one: Judgement) -> Use:
    """What such a key is for unless one says otherwise. A lesser use is never taken instead by itself."""
    if one.found.curve == SM2:
        return "seal"
    return "token" if one.pair is None else "tls-client"


def place(store: KeyStore, placement: Placement, key_id: str | None = None) -> str:
    """The id under which it lies now. Raises `KeyAlreadyThere` when nothing would be new."""
    if placement.existing is None and placement.secret is not None:
        key = store.put(placement.purpose, placement.secret, key_id)
    else:
        key = placement.existing or ""
        if not placement.certificates or store.certificates(key) is not None:
            raise KeyAlreadyThere(
                Text("密钥库中已有这把密钥：{id}。", "The key store has this key already: {id}.").format(id=key),
                key_id=key,
            )
    if placement.certificates:
        store.put_certificates(key, placement.certificates)
    return key


def entries(directory: Path) -> list[KeyEntry]:
    """What lies in a key store's directory, read without its key-encryption key and without changing anything: therefore
    not authenticated. For a dry run. Empty when the directory is missing."""
    try:
        names = sorted(directory.glob("[!.]*.key")) if directory.is_dir() else []
        return [_entry(path) for path in names]
    except OSError as error:
        raise KeyStoreUnusable(directory=str(directory)) from error


def _entry(path: Path) -> KeyEntry:
    with path.open("rb") as file:
        content = file.read(_FILE_LIMIT)
    try:
        return KeyFile.from_bytes(content).entry
    except ValueError:
        raise KeyFileDamaged(key_id=path.stem) from None


def _key(one: Judgement, purpose: Use | None, stored: dict[bytes, KeyEntry]) -> Placement:
    found, use = one.found, purpose or usual(one)
    if found.secret is None or use not in one.good_for:
        raise _unsuitable(one, use)
    entry = stored.get(found.public_key)
    return Placement(
        use,
        found.curve or P256,
        found.secret,
        _pem(one.chain),
        entry.key_id if entry else None,
        found.public_key,
    )


def _late(one: Judgement, entry: KeyEntry) -> Placement:
    """The certificate for a key that was made here, as it comes from an authority."""
    purpose: Use = "seal" if entry.algorithm == SM2 else "tls-client"
    if any(remark.level == "bad" for remark in one.remarks):
        raise _unsuitable(one, purpose)
    return Placement(purpose, entry.algorithm, None, _pem(one.chain), entry.key_id, entry.public_key)


def _unsuitable(one: Judgement, use: Use) -> KeyUnsuitable:
    """With the reasons that took the use away."""
    bad = [remark for remark in one.remarks if remark.level == "bad"] or list(one.remarks)
    zh, en = "；".join(remark.text.zh for remark in bad), "; ".join(remark.text.en for remark in bad)
    name = one.found.curve or one.found.algorithm
    text = Text(f"{name} 密钥不能用于 {use}", f"The {name} key is not good for {use}")
    if zh:
        text = Text(f"{text.zh}：{zh}。", f"{text.en}: {en}.")
    return KeyUnsuitable(text, purpose=use, reasons=[remark.word for remark in bad])


def _pem(chain: Chain | None) -> bytes:
    return b"".join(pem("CERTIFICATE", link.der) for link in chain.links) if chain is not None else b""
