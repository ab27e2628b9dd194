"""What a file has beyond the typed model, so that it can be written again as it was.

The yardstick is what the typed fields alone would write. The difference goes into the invoice: elements that are not
ours, or ours in another form than we would write (`<Quantity/>`, a nested label), into `extra` with the path of their
parent; attributes and stray text of a block as an element without a name; what we would write and the file has not, into
`absent`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kaipiao.document.xml.element import element_of, markup, same
from kaipiao.document.xml.names import block_of, inside, rank
from kaipiao.document.xml.typed import read_typed
from kaipiao.document.xml.untrusted import parse
from kaipiao.invoice.model import Element, Invoice

Extra = tuple[tuple[str, Element], ...]
_NUMBERED = "IssuItemInformation"


def differences(original: Element, page: str) -> tuple[Extra, frozenset[str]]:
    """`extra` and `absent` of a file, against the page that its typed fields write."""
    extra: list[tuple[str, Element]] = []
    absent: set[str] = set()
    _compare(original, element_of(parse(page.encode()), None), "", extra, absent)
    # The order of writing, so that a file in another order reads back the same; unknown siblings keep theirs.
    extra.sort(key=lambda found: (found[0], rank(found[0], found[1].name) if found[1].name else -1))
    return tuple(extra), frozenset(absent)


def _compare(
    original: Element, written: Element, path: str, extra: list[tuple[str, Element]], absent: set[str]
) -> None:
    if original.attributes or original.text:
        extra.append((path, Element("", original.text, (), original.attributes)))
    ours = dict(_places(written, path))
    for place, child in _places(original, path):
        own = ours.pop(place, None)
        if own is not None and (child == own or same(child, own)):
            continue
        if own is None or block_of(place) is None:
            extra.append((path, child))
        else:
            _compare(child, own, place, extra, absent)
    absent.update(ours)


def _places(block: Element, path: str) -> Iterator[tuple[str, Element]]:
    """Children with their paths. Lines carry their count; another child of a name that was there has a place of its own."""
    counts: dict[str, int] = defaultdict(int)
    for child in block.children:
        counts[child.name] += 1
        count = counts[child.name]
        numbered = child.name == _NUMBERED or count > 1
        yield inside(path, f"{child.name}[{count}]" if numbered else child.name), child


def put_in(page: str, invoice: Invoice) -> str:
    """The page with everything that `extra` and `absent` of the invoice say.

    Forms of our own elements are kept only while they still say what the typed fields say: a changed invoice is written
    by its fields.
    """
    root = element_of(parse(page.encode()), None)
    odd = markup(_restored(root, "", _by_parent(invoice.extra), invoice.absent))
    if _typed(odd) == _typed(page):
        return odd
    foreign = tuple((path, element) for path, element in invoice.extra if element.name not in (block_of(path) or ()))
    return markup(_restored(root, "", _by_parent(foreign), frozenset()))


def _typed(page: str) -> Invoice:
    return read_typed(parse(page.encode()))


def _by_parent(extra: Extra) -> dict[str, list[Element]]:
    parents: dict[str, list[Element]] = defaultdict(list)
    for path, element in extra:
        parents[path].append(element)
    return dict(parents)


def _restored(block: Element, path: str, extra: dict[str, list[Element]], absent: frozenset[str]) -> Element:
    added = extra.get(path, [])
    forms = {element.name: element for element in added}
    children = [
        forms[child.name] if child.name in forms else _restored(child, place, extra, absent)
        for place, child in _places(block, path)
        if place not in absent
    ]
    names = {child.name for child in block.children}
    children += [element for element in added if element.name and element.name not in names]
    carrier = forms.get("", Element("", block.text, (), block.attributes))
    if block_of(path) is not None:
        children.sort(key=lambda child: rank(path, child.name))
    return Element(block.name, carrier.text, tuple(children), carrier.attributes)
