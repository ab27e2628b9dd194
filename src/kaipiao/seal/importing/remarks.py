"""What may be said of a key or certificate, read once from `remarks.tsv`: each with a stable word for programs and a sentence
in both languages. `bad` takes uses away, `warning` and `note` do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, get_args

from kaipiao.language import Text

Level = Literal["bad", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Remark:
    word: str
    level: Level
    text: Text


def said(word: str, **facts: object) -> Remark:
    """The remark of this word with its facts filled in. Raises `KeyError` for a word or a fact that is missing."""
    remark = REMARKS[word]
    return Remark(word, remark.level, remark.text.format(**facts))


def _read() -> dict[str, Remark]:
    lines = files(__package__).joinpath("remarks.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    read = {word: Remark(word, _LEVELS[level], Text(zh, en)) for word, level, zh, en in rows}
    if len(read) != len(rows):
        raise ValueError("remarks.tsv: a word stands twice")
    return read


_LEVELS: dict[str, Level] = {level: level for level in get_args(Level)}
REMARKS = _read()
