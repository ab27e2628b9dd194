"""Elements without types: from a parsed tree, compared, and as text again."""

from __future__ import annotations

from lxml import etree

from kaipiao.document.xml import escape
from kaipiao.document.xml.names import KNOWN
from kaipiao.invoice.model import Element

_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"


def name_of(node: etree._Element, root_namespace: str | None) -> str:
    """The local name, where the namespace is the root's or the name is one of the invoice's own; else `{namespace}name`.
    Issuers put no namespace; a file that came through other software may have got one."""
    tag = str(node.tag)
    if not tag.startswith("{"):
        return tag
    namespace, _, local = tag[1:].partition("}")
    return local if namespace == root_namespace or local in KNOWN else tag


def namespace_of(node: etree._Element) -> str | None:
    tag = str(node.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else None


def element_of(node: etree._Element, root_namespace: str | None) -> Element:
    """A parsed element with all below it. White space between elements is dropped; in a leaf the text is kept as it is."""
    children = tuple(element_of(child, root_namespace) for child in node)
    text = node.text or ""
    if children:
        text = (text + "".join(child.tail or "" for child in node)).strip()
    attributes = tuple((str(name), str(value)) for name, value in node.attrib.items())
    return Element(name_of(node, root_namespace), text or None, children, attributes)


def same(one: Element, other: Element) -> bool:
    """Do they say the same? The order of differently named children and of attributes does not count."""
    return (
        one.name == other.name
        and (one.text or "") == (other.text or "")
        and len(one.children) == len(other.children)
        and sorted(one.attributes) == sorted(other.attributes)
        and all(map(same, _by_name(one), _by_name(other)))
    )


def _by_name(element: Element) -> list[Element]:
    return sorted(element.children, key=lambda child: child.name)


def markup(element: Element) -> str:
    """The element as XML text. Raises `Malformed` for names and characters that XML cannot carry."""
    name, declarations = _prefixed(element.name, "e")
    attributes = "".join(_attribute(key, value, f"a{place}") for place, (key, value) in enumerate(element.attributes))
    content = escape.text(element.text or "") + "".join(map(markup, element.children))
    start = f"<{name}{declarations}{attributes}"
    return f"{start}>{content}</{name}>" if content else f"{start}/>"


def _attribute(key: str, value: str, prefix: str) -> str:
    name, declaration = _prefixed(key, prefix)
    return f'{declaration} {name}="{escape.attribute(value)}"'


def _prefixed(name: str, prefix: str) -> tuple[str, str]:
    namespace, local = escape.split_name(name)
    if namespace is None:
        return local, ""
    if namespace == _XML_NAMESPACE:
        return f"xml:{local}", ""
    return f"{prefix}:{local}", f' xmlns:{prefix}="{escape.attribute(namespace)}"'
