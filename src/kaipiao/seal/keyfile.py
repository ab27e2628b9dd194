"""One key file: a JSON object in one exact spelling, so that every altered byte is noticed.

The header (all but the KEK's id and the two envelope parts) is bound into both layers of the envelope.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kaipiao.seal.envelope import Envelope

FORMAT = "kaipiao-key-1"
_HEADER = ("format", "key_id", "purpose", "algorithm", "created", "public_key")
_ENVELOPE = ("kek_id", "wrapped_key", "private_key")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What may be known of a key without opening it. `public_key` is a SubjectPublicKeyInfo in DER."""

    key_id: str
    purpose: str
    algorithm: str  # "SM2" or "P-256"
    created: datetime
    public_key: bytes

    def header(self) -> bytes:
        return _spelled(self._fields())

    def _fields(self) -> dict[str, str]:
        created = self.created.astimezone(UTC).isoformat(timespec="microseconds")
        values = (FORMAT, self.key_id, self.purpose, self.algorithm, created, self.public_key.hex())
        return dict(zip(_HEADER, values, strict=True))


@dataclass(frozen=True, slots=True)
class KeyFile:
    entry: KeyEntry
    kek_id: str
    envelope: Envelope

    def to_bytes(self) -> bytes:
        parts = (self.kek_id, self.envelope.wrapped_key.hex(), self.envelope.body.hex())
        return _spelled(self.entry._fields() | dict(zip(_ENVELOPE, parts, strict=True)))

    @classmethod
    def from_bytes(cls, content: bytes) -> KeyFile:
        """Raises `ValueError` for anything but the exact bytes that `to_bytes` gives."""
        fields = _fields_of(content)
        file = cls(
            KeyEntry(
                fields["key_id"],
                fields["purpose"],
                fields["algorithm"],
                datetime.fromisoformat(fields["created"]),
                bytes.fromhex(fields["public_key"]),
            ),
            fields["kek_id"],
            Envelope(bytes.fromhex(fields["wrapped_key"]), bytes.fromhex(fields["private_key"])),
        )
        if file.to_bytes() != content:
            raise ValueError("another spelling")
        return file


def _fields_of(content: bytes) -> dict[str, str]:
    try:
        fields: Any = json.loads(content)
    except RecursionError:
        raise ValueError("nested without end") from None
    if not isinstance(fields, dict) or set(fields) != {*_HEADER, *_ENVELOPE}:
        raise ValueError("other fields")
    if not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("other types")
    return fields


def _spelled(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, indent=1, ensure_ascii=True).encode("ascii") + b"\n"
