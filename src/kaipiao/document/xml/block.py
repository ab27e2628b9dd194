"""One block of a parsed file, asked by name. A block that is not there answers like an empty one."""

from __future__ import annotations

import re
from decimal import Decimal

from lxml import etree

from kaipiao.document.xml.element import element_of, name_of
from kaipiao.document.xml.names import inside
from kaipiao.errors import Malformed
from kaipiao.invoice.model import Element
from kaipiao.language import Text

# Plain digits, at most 40 of them: no exponents, no separators, no percent signs.
_DECIMAL = re.compile(r"[+-]?(?=[0-9.]{1,41}$)(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


class Block:
    def __init__(self, node: etree._Element | None, path: str, root_namespace: str | None) -> None:
        self.node = node
        self.path = path
        self.root_namespace = root_namespace
        self._children: dict[str, list[etree._Element]] = {}
        for child in () if node is None else node:
            self._children.setdefault(name_of(child, root_namespace), []).append(child)

    @property
    def name(self) -> str:
        return "" if self.node is None else name_of(self.node, self.root_namespace)

    def has(self, name: str) -> bool:
        return name in self._children

    def block(self, name: str) -> Block:
        return Block(self._one(name), inside(self.path, name), self.root_namespace)

    def all(self, name: str) -> list[Block]:
        """Every child of that name; their paths carry their count from 1."""
        return [
            Block(node, inside(self.path, f"{name}[{count}]"), self.root_namespace)
            for count, node in enumerate(self._children.get(name, ()), 1)
        ]

    def elements(self) -> tuple[Element, ...]:
        return () if self.node is None else tuple(element_of(child, self.root_namespace) for child in self.node)

    def text(self, name: str) -> str | None:
        """The text of a child without surrounding white space: None if it is absent, "" if it is empty."""
        node = self._one(name)
        if node is None:
            return None
        if len(node):
            raise self.refusal(
                name, Text("{path} 应为文本，却含有元素。", "{path} holds elements where a text belongs.")
            )
        return (node.text or "").strip()

    def required(self, name: str) -> str:
        text = self.text(name)
        if not text:
            raise self.refusal(name, Text("缺少 {path}。", "{path} is missing."))
        return text

    def decimal(self, name: str) -> Decimal | None:
        """The number of a child: None if it is absent or empty."""
        text = self.text(name)
        if not text:
            return None
        number = number_of(text)
        if number is None:
            raise self.refusal(name, Text("{path} 不是数字。", "{path} is not a number."))
        return number

    def required_decimal(self, name: str) -> Decimal:
        self.required(name)
        number = self.decimal(name)
        assert number is not None  # a text that is there is a number, or `decimal` has raised
        return number

    def refusal(self, name: str, reason: Text) -> Malformed:
        nodes = self._children.get(name) or ([] if self.node is None else [self.node])
        line = nodes[-1].sourceline if nodes else None
        where = Text("第 {line} 行：", "Line {line}: ").format(line=line) if line else Text("", "")
        path = inside(self.path, name)
        what = reason.format(path=path)
        return Malformed(Text(where.zh + what.zh, where.en + what.en), path=path, line=line)

    def _one(self, name: str) -> etree._Element | None:
        nodes = self._children.get(name, ())
        if len(nodes) > 1:
            raise self.refusal(name, Text("{path} 出现了两次。", "{path} stands twice."))
        return nodes[0] if nodes else None


def number_of(text: str) -> Decimal | None:
    """A number written out in plain digits, with its scale; None for anything else."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None
