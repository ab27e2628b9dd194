"""The limits of importing, read once from `limits.toml` (which gives date and sources)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Limits:
    """Hours, days, counts of certificates and objects, bytes, levels, iterations, as named."""

    warn_hours: int
    rotate_days: int
    rotate_jitter_days: int
    chain_warn: int
    chain_most: int
    file_bytes: int
    objects: int
    nesting: int
    iterations: int
    scrypt_bytes: int

    def __post_init__(self) -> None:
        if any(type(getattr(self, field.name)) is not int or getattr(self, field.name) < 1 for field in fields(self)):
            raise ValueError("limits.toml: every limit is a whole number above 0")


LIMITS = Limits(**tomllib.loads(files(__package__).joinpath("limits.toml").read_text("utf-8")))
