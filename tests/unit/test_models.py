"""The explicit-state model of upload and successors: its rules hold, and every mistake that it names breaks them."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[2] / "docs" / "model" / "upload_model.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("upload_model", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MODEL = _load()


def test_nothing_breaks_when_every_rule_is_kept() -> None:
    count, why, story = MODEL.explore(MODEL.Rules())
    assert (why, story) == (None, [])
    assert count > 5_000  # explored to the end, not cut off at its beginning


@pytest.mark.parametrize("rule", [rule.name for rule in fields(MODEL.Rules)])
def test_without_any_one_rule_a_sale_is_doubled_or_something_false_is_believed(rule: str) -> None:
    _, why, story = MODEL.explore(MODEL.Rules(**{rule: False}))
    assert why is not None, MODEL.MISTAKES[rule]
    assert story
