"""Hostile, huge and half-written XML is refused quickly, with a stable code and without its content."""

from __future__ import annotations

import time

import pytest
from document_examples import FILE

from kaipiao.document.xml import read_invoice
from kaipiao.document.xml.untrusted import Limits, parse
from kaipiao.errors import KaipiaoError, Malformed, TooLarge

LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10))
    + "]>"
)


@pytest.mark.parametrize(
    "prolog",
    [
        LAUGHS,
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:1/secret">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        "<!DOCTYPE EInvoice>",
        "<!-- a --><?pi b?>\n<!DOCTYPE x>",
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///dev/zero"> %p;]>',
    ],
)
def test_any_doctype_is_refused_before_anything_of_it_is_read(prolog: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(Malformed) as caught:
        parse(f"{prolog}<x>&e;</x>".encode())
    assert "DOCTYPE" in caught.value.detail.zh
    assert time.perf_counter() - begin < 1


def test_a_doctype_in_utf16_is_refused_too() -> None:
    with pytest.raises(Malformed, match="DOCTYPE"):
        parse((LAUGHS + "<x>&k;</x>").encode("utf-16"))


@pytest.mark.parametrize("entity", ["&e;", "&file;", "&#0;", "&#x1F;", "&#xD800;"])
def test_undeclared_entities_and_impossible_characters_are_refused(entity: str) -> None:
    with pytest.raises(Malformed):
        parse(f"<x>{entity}</x>".encode())


def test_the_five_entities_of_xml_and_character_references_are_read() -> None:
    assert parse(b"<x>&amp;&lt;&gt;&quot;&apos;&#x5706;</x>").text == "&<>\"'圆"


def test_comments_and_instructions_are_not_part_of_a_text() -> None:
    assert parse(b"<?p a?><!-- b --><x>1<!-- & -->2<?p c?>3</x><!-- d -->").text == "123"


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"<x>" + b" " * 2000 + b"</x>", "size"),
        (b"<x>" * 30 + b"</x>" * 30, "depth"),
        (b"<x>" + b"<y/>" * 60 + b"</x>", "elements"),
        (b"<x>" + b"<y/>" * 400 + b"</x>", "elements"),
        (b"<x " + b" ".join(b'a%d="1"' % n for n in range(20)) + b"/>", "attributes"),
        (b"<x>" + b"t" * 600 + b"</x>", "text"),
        (b'<x a="' + b"t" * 600 + b'"/>', "text"),
        (b"<x>" + b"<![CDATA[<]]>" * 90 + b"</x>", None),
        (b"<x>" + b"<!-- -->" * 100 + b"</x>", None),
    ],
)
def test_every_quantity_is_bounded(data: bytes, limit: str | None) -> None:
    limits = Limits(size=1900, depth=20, elements=50, attributes=8, text=500, seconds=5)
    if limit is None:
        parse(data, limits)
        return
    with pytest.raises(TooLarge) as caught:
        parse(data, limits)
    assert caught.value.facts["limit"] == limit
    assert caught.value.code == "KP-INPUT-02"


def test_time_is_bounded() -> None:
    with pytest.raises(TooLarge) as caught:
        parse(b"<x/>", Limits(seconds=-1))
    assert caught.value.facts["limit"] == "seconds"


@pytest.mark.parametrize(
    "data",
    [
        b"<x>" * 300_000,
        b"<x>" + b"<!---->" * 2_000_000,
        b"<x>" + b"<?p?>" * 2_000_000,
        b"<!--" + b"-" * 15_000_000,
        b"<x a='" + b"v" * 19_000_000 + b"'/>",
        b"<x " + b"a='' " * 3_000_000 + b"/>",
        b"<x>" + b"t" * 19_000_000 + b"</x>",
        b"<" * 19_000_000,
        b" " * 19_000_000,
        b"<x>" + b"&#65;" * 3_000_000 + b"</x>",
        b"<a" + b"a" * 10_000_000,
    ],
    ids=[
        "nesting",
        "comments",
        "instructions",
        "one comment",
        "one attribute",
        "attributes",
        "one text",
        "less-than",
        "spaces",
        "references",
        "one name",
    ],
)
def test_bombs_within_the_size_limit_end_within_seconds(data: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises((Malformed, TooLarge)):
        parse(data)
    assert time.perf_counter() - begin < 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\0",
        b"<",
        b"<?xml",
        b"<x>",
        b"<x></y>",
        b"text",
        b"<x/><y/>",
        b"<x/>junk",
        b"<x a=1/>",
        b"<x a='1' a='2'/>",
        b"<a:b/>",
    ],
)
def test_what_is_no_xml_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.code == "KP-INPUT-01"


def test_a_syntax_error_names_its_line_and_never_quotes_the_file() -> None:
    with pytest.raises(Malformed) as caught:
        parse(b"<x>\n<secret>\n</x>")
    assert caught.value.facts["line"] == 3
    assert "secret" not in caught.value.detail.en + caught.value.detail.zh + str(caught.value.facts)


def test_a_file_cut_off_anywhere_is_refused() -> None:
    data = FILE.encode()
    for length in range(0, len(data) - 1, 37):
        with pytest.raises(Malformed):
            read_invoice(data[:length])


def test_flipped_bytes_never_raise_anything_but_a_named_refusal() -> None:
    data = FILE.encode()
    refused = 0
    for place in range(0, len(data), 11):
        for value in (0x00, 0x3C, 0xFF):
            broken = data[:place] + bytes([value]) + data[place + 1 :]
            try:
                read_invoice(broken)
            except KaipiaoError:
                refused += 1
    assert refused > 500
