"""What a verification says: which layers ran, what each found, and what that comes to.

Three values, because the truth has three: what could not be judged is neither valid nor invalid, and a sound file that is
no invoice is not an invalid one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kaipiao.invoice.rules import Verdict
from kaipiao.language import Language, Text

__all__ = ["FieldValue", "Layer", "Report", "Verdict", "overall", "report_json"]

FieldValue = str | int | bool | None
_BADNESS = {Verdict.VALID: 0, Verdict.NOT_JUDGED: 1, Verdict.INVALID: 2}


@dataclass(frozen=True, slots=True)
class Layer:
    """One question and its answer. Warnings are unusual things that do not make a received file invalid."""

    name: str
    verdict: Verdict
    reason: Text
    warnings: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`kind`: einvoice, fp_einvoice_2019, xbrl_inv, xbrl_einv, ofd_custom_tag, ofd_signature, xml, ofd, pdf or unknown.
    `fields` are what the file says of itself; `overall` is the worst layer."""

    kind: str
    number: str | None
    fields: Mapping[str, FieldValue]
    layers: tuple[Layer, ...]
    overall: Verdict
    file: str = field(default="")


def overall(layers: Iterable[Layer]) -> Verdict:
    """The worst: invalid, then not judged, then valid."""
    return max((layer.verdict for layer in layers), key=_BADNESS.__getitem__)


def report_json(report: Report, language: Language) -> str:
    """One line of JSON."""
    document = {
        "file": report.file,
        "kind": report.kind,
        "number": report.number,
        "fields": dict(report.fields),
        "layers": [_layer(layer, language) for layer in report.layers],
        "overall": str(report.overall),
    }
    return json.dumps(document, ensure_ascii=False)


def _layer(layer: Layer, language: Language) -> dict[str, object]:
    return {
        "name": layer.name,
        "verdict": str(layer.verdict),
        "reason": layer.reason.in_language(language),
        "warnings": [warning.in_language(language) for warning in layer.warnings],
    }
