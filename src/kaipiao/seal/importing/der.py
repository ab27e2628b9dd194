"""A small reader of DER and BER (X.690) for material from outside: lazy, bounded in depth, never beyond its bytes.

BER's open lengths are read too, because PKCS#12 and PKCS#7 are written with them. Every fault is `MaterialUnreadable`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.errors import MaterialUnreadable
from kaipiao.language import Text
from kaipiao.seal.importing.limits import LIMITS

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE, SET, IA5 = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0x16
_CONSTRUCTED, _OPEN = 0x20, 0x80
_MOST_CHILDREN = 4096


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its identifier octet, its content, and both with the length as they stood. Not shown by repr."""

    tag: int
    content: bytes
    raw: bytes

    def __repr__(self) -> str:
        return f"<Node {self.tag:#04x} of {len(self.content)} bytes>"

    @property
    def children(self) -> list[Node]:
        """Raises `MaterialUnreadable` for a primitive value and for broken content."""
        if not self.tag & _CONSTRUCTED:
            raise broken()
        found: list[Node] = []
        offset = 0
        while offset < len(self.content):
            if len(found) == _MOST_CHILDREN:
                raise broken()
            node, offset = _read(self.content, offset, 0)
            found.append(node)
        return found

    def child(self, index: int, tag: int | None = None) -> Node:
        """The child at this place, of this tag. Raises `MaterialUnreadable`."""
        children = self.children
        if index >= len(children) or (tag is not None and children[index].tag != tag):
            raise broken()
        return children[index]

    @property
    def octets(self) -> bytes:
        """An OCTET STRING's bytes, also when BER writes it in pieces (any class of tag)."""
        return b"".join(part.content for part in self.children) if self.tag & _CONSTRUCTED else self.content

    @property
    def number(self) -> int:
        """An INTEGER of at most 16 bytes, or `MaterialUnreadable`."""
        if self.tag != INTEGER or not 1 <= len(self.content) <= 16:
            raise broken()
        return int.from_bytes(self.content, "big", signed=True)

    @property
    def bits(self) -> bytes:
        """A BIT STRING of whole bytes."""
        if self.tag != BIT_STRING or not self.content or self.content[0] != 0:
            raise broken()
        return self.content[1:]

    @property
    def oid(self) -> str:
        if self.tag != OID or not self.content or len(self.content) > 64 or self.content[-1] & 0x80:
            raise broken()
        arcs, value = [], 0
        for octet in self.content:
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def read(data: bytes) -> Node:
    """The one value that these bytes are (line ends after it are forgiven). Raises `MaterialUnreadable`."""
    node, end = _read(data, 0, 0)
    if data[end:].strip(b"\r\n\0 "):
        raise broken()
    return node


def tags(node: Node) -> list[int]:
    """The tags of the children; none for what has no readable children."""
    try:
        return [child.tag for child in node.children]
    except MaterialUnreadable:
        return []


def written(tag: int, *parts: bytes) -> bytes:
    """DER of one value of this tag with these parts as its content."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def broken() -> MaterialUnreadable:
    return unreadable("DER 编码有误或被截断", "its DER is broken or cut off")


def unreadable(zh: str, en: str) -> MaterialUnreadable:
    """Any other reason, without the full stop. It never shows a password or a part of a key."""
    return MaterialUnreadable(Text(f"{zh}。", f"{en}."))


def _read(data: bytes, start: int, depth: int) -> tuple[Node, int]:
    if depth > LIMITS.nesting or start + 2 > len(data) or data[start] & 0x1F == 0x1F:
        raise broken()
    tag, length, body = data[start], data[start + 1], start + 2
    if length == _OPEN:
        return _read_open(data, start, depth)
    if length & 0x80:
        size = length & 0x7F
        if size > 4 or body + size > len(data):
            raise broken()
        length, body = int.from_bytes(data[body : body + size], "big"), body + size
    end = body + length
    if end > len(data):
        raise broken()
    return Node(tag, data[body:end], data[start:end]), end


def _read_open(data: bytes, start: int, depth: int) -> tuple[Node, int]:
    """A constructed value of open length: its parts, then two zero octets."""
    if not data[start] & _CONSTRUCTED:
        raise broken()
    offset = start + 2
    while data[offset : offset + 2] != b"\0\0":
        _, offset = _read(data, offset, depth + 1)
    return Node(data[start], data[start + 2 : offset], data[start : offset + 2]), offset + 2
