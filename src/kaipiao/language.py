"""Two languages in everything that a person reads: Chinese first, English second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages. `{names}` in it are filled by `format`."""

    zh: str
    en: str

    def format(self, **facts: object) -> Text:
        return Text(self.zh.format(**facts), self.en.format(**facts))

    @property
    def both(self) -> str:
        """For what is kept as it stands and read later by anybody."""
        return f"{self.zh} {self.en}"

    def in_language(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


def from_accept_language(header: str | None) -> Language:
    """The caller's language by RFC 9110 12.5.4; Chinese unless English is preferred."""
    best: tuple[float, int, Language] | None = None
    for position, part in enumerate((header or "").split(",")[:20]):
        tag, _, parameter = part.strip().partition(";")
        language: Language | None = (
            "zh" if tag.lower().startswith("zh") else "en" if tag.lower().startswith("en") else None
        )
        if language is None:
            continue
        weight = _weight(parameter)
        if weight > 0 and (best is None or (weight, -position) > best[:2]):
            best = (weight, -position, language)
    return best[2] if best else "zh"


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def from_environment(environment: Mapping[str, str] | None = None) -> Language:
    """The language of a terminal: KAIPIAO_LANG, else LC_ALL, LC_MESSAGES, LANG; Chinese unless one says English."""
    source = os.environ if environment is None else environment
    for name in ("KAIPIAO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = source.get(name, "").lower()
        if value.startswith("zh"):
            return "zh"
        if value.startswith("en"):
            return "en"
    return "zh"
