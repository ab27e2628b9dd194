"""Encodings: what a declaration or a mark says is read, what contradicts itself is refused."""

from __future__ import annotations

import codecs

import pytest
from document_examples import FILE, INVOICE

from kaipiao.document.xml import read_invoice
from kaipiao.document.xml.untrusted import parse
from kaipiao.errors import Malformed

BODY = FILE.partition("\n")[2]


def _declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>{BODY}'


@pytest.mark.parametrize("encoding", ["GBK", "gb2312", "GB18030", "utf-8", "UTF8"])
def test_a_declared_encoding_is_read(encoding: str) -> None:
    assert read_invoice(_declared(encoding).encode(encoding)) == INVOICE


def test_marks_are_read_with_and_without_a_declaration() -> None:
    for data in (
        codecs.BOM_UTF8 + _declared("utf-8").encode(),
        codecs.BOM_UTF8 + BODY.encode(),
        _declared("UTF-16").encode("utf-16"),
        BODY.encode("utf-16"),
        codecs.BOM_UTF16_BE + _declared("UTF-16").encode("utf-16-be"),
        _declared("UTF-16LE").encode("utf-16-le"),
        _declared("UTF-16BE").encode("utf-16-be"),
    ):
        assert read_invoice(data) == INVOICE


@pytest.mark.parametrize(
    "data",
    [
        _declared("UTF-8").encode("gbk"),
        _declared("GBK").encode("utf-8") + b"\xff",
        _declared("UTF-16").encode(),
        _declared("us-ascii").encode(),
        codecs.BOM_UTF8 + _declared("GBK").encode(),
        _declared("UTF-8").encode("utf-16"),
        _declared("UTF-16BE").encode("utf-16-le"),
        BODY.encode("utf-32"),
        _declared("utf-7").encode(),
        _declared("x-user-defined").encode(),
        _declared("rot13").encode(),
        BODY.encode()[:500] + b"\xc3\x28" + BODY.encode()[500:],
        b"<x>\xed\xa0\x80</x>",
        b"<x>\xc0\xbc</x>",
        b"<x>a\0b</x>",
        BODY.encode("utf-16")[:-1],
    ],
)
def test_wrong_unknown_and_contradictory_encodings_are_refused_clearly(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.detail.zh
    assert caught.value.detail.en


def test_the_place_of_the_first_wrong_byte_is_named() -> None:
    with pytest.raises(Malformed) as caught:
        parse(b"<x>\xff</x>")
    assert caught.value.facts == {"offset": 3, "encoding": "utf-8"}


def test_lines_are_counted_from_the_top_of_the_file() -> None:
    with pytest.raises(Malformed) as caught:
        parse(b'<?xml\nversion="1.0"\n?>\n<x>\n</y>')
    assert caught.value.facts["line"] == 5
