"""The table of remarks and the code that takes from it agree."""

from __future__ import annotations

import ast
import inspect
import string

from kaipiao.seal.importing import judging
from kaipiao.seal.importing.remarks import REMARKS


def used() -> dict[str, set[str]]:
    """Every word that a judgement may say, and the facts that it fills in."""
    found: dict[str, set[str]] = {}
    for call in ast.walk(ast.parse(inspect.getsource(judging))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "said":
            facts = {str(keyword.arg) for keyword in call.keywords}
            words = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
            found |= {str(word): facts for word in words}
    return found


def test_every_remark_is_said_somewhere_with_exactly_the_facts_of_both_languages() -> None:
    asked = {
        word: {
            name
            for text in (remark.text.zh, remark.text.en)
            for _, name, _, _ in string.Formatter().parse(text)
            if name
        }
        for word, remark in REMARKS.items()
    }
    assert used() == asked
