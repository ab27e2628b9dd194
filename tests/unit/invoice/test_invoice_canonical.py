"""One byte form for each content, and the names of what differs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoice_examples import DRAFT, DRAFTS, LINE, MADE_AT, NUMBER, SELLER

from kaipiao.errors import Malformed, TooLarge
from kaipiao.invoice.canonical import differing_fields, draft_bytes, invoice_bytes, load_draft, load_invoice
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Draft, Element, Invoice, Label, Party, RedReference

TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ELEMENTS = st.recursive(
    st.builds(Element, st.text("abc", min_size=1, max_size=3), TEXTS),
    lambda inner: st.builds(
        Element,
        st.just("block"),
        TEXTS,
        st.lists(inner, max_size=3).map(tuple),
        st.lists(st.tuples(st.text("xy", min_size=1), st.text(max_size=3)), max_size=2).map(tuple),
    ),
    max_leaves=6,
)
LABELS = st.builds(Label, TEXTS, TEXTS, TEXTS)
INVOICES = st.builds(
    replace,
    DRAFTS.map(lambda draft: complete(draft, SELLER, NUMBER, MADE_AT)),
    blue=st.sampled_from([True, False, None]),
    kind=st.sampled_from([None, DRAFT.kind]),
    tax=st.none() | st.decimals("0", "9", places=6),
    labels=st.lists(LABELS, max_size=2).map(tuple),
    medium=st.none() | LABELS,
    remark=TEXTS,
    red=st.none() | st.builds(RedReference, st.just("1"), st.just("2")),
    special=st.lists(ELEMENTS, max_size=2).map(tuple),
    signature=st.none() | ELEMENTS,
    extra=st.lists(st.tuples(st.just("Header"), ELEMENTS), max_size=2).map(tuple),
    absent=st.frozensets(st.sampled_from(["a", "b/c", "d"])),
)


@given(INVOICES)
@settings(max_examples=60)
def test_an_invoice_comes_back_exactly_with_the_scale_of_every_number(invoice: Invoice) -> None:
    data = invoice_bytes(invoice)
    back = load_invoice(data)
    assert back == invoice
    assert [str(line.amount) for line in back.lines] == [str(line.amount) for line in invoice.lines]
    assert str(back.tax) == str(invoice.tax)


@given(INVOICES)
@settings(max_examples=40)
def test_the_bytes_are_canonical_json(invoice: Invoice) -> None:
    data = invoice_bytes(invoice)
    again = json.dumps(json.loads(data), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert again == data


@given(DRAFTS)
@settings(max_examples=60)
def test_a_draft_comes_back_equal_and_its_bytes_are_stable(draft: Draft) -> None:
    data = draft_bytes(draft)
    assert load_draft(data) == draft
    assert draft_bytes(load_draft(data)) == data


def test_numbers_are_the_same_content_by_value() -> None:
    scaled = replace(LINE, amount=Decimal("1.00E+2"), tax_rate=Decimal("0.060"))
    assert draft_bytes(replace(DRAFT, lines=(scaled,))) == draft_bytes(DRAFT)


def test_absent_and_empty_are_not_the_same_content() -> None:
    empty = replace(DRAFT, buyer=replace(DRAFT.buyer, address=""))
    assert differing_fields(draft_bytes(DRAFT), draft_bytes(empty)) == ["buyer.address"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "-1e-400"])
def test_a_number_that_no_draft_has_makes_no_content(value: str) -> None:
    with pytest.raises(Malformed):
        draft_bytes(replace(DRAFT, expected_total=Decimal(value)))


def test_half_a_character_makes_no_content() -> None:
    with pytest.raises(Malformed):
        draft_bytes(replace(DRAFT, remark="\ud83d"))


def test_elements_nested_beyond_reading_are_not_written() -> None:
    element = Element("x")
    for _ in range(5_000):
        element = Element("x", children=(element,))
    with pytest.raises(TooLarge):
        draft_bytes(replace(DRAFT, special=(element,)))


def test_whatever_is_written_can_be_read_however_deep() -> None:
    element, written = Element("x"), 0
    for _ in range(120):
        element = Element("x", children=(element,))
        draft = replace(DRAFT, special=(element,))
        try:
            data = draft_bytes(draft)
        except TooLarge:
            continue
        assert load_draft(data) == draft
        written += 1
    assert written > 80


WHOLE = invoice_bytes(complete(DRAFT, SELLER, NUMBER, MADE_AT))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        WHOLE[:-10],
        WHOLE + b" ",
        WHOLE.replace(b'"100.00"', b"100.00"),
        WHOLE.replace(b'"100.00"', b'"NaN"'),
        WHOLE.replace(b'"100.00"', b'"1e400"'),
        WHOLE.replace(b'"blue":true', b'"blue":1'),
        WHOLE.replace(b'"blue":true,', b""),
        WHOLE.replace(b'"blue":true', b'"blue":true,"blues":true'),
        WHOLE.replace(b'{"amount"', b'{"amount":"1.00","amount"', 1),
        WHOLE.replace(b'"general"', b'"special?"'),
    ],
    ids=range(16),
)
def test_half_altered_and_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        load_invoice(data)


def test_the_fields_that_differ_are_named_and_no_value_is() -> None:
    other = replace(
        DRAFT,
        buyer=Party("另一家商贸有限公司", None),
        lines=(replace(LINE, amount=Decimal("100.01"), unit="件"), LINE),
        remark="不同",
        tax_included=True,
    )
    fields = differing_fields(draft_bytes(DRAFT), draft_bytes(other))
    assert fields == [
        "buyer.name",
        "buyer.tax_number",
        "lines[0].amount",
        "lines[0].unit",
        "lines[1]",
        "remark",
        "tax_included",
    ]


@given(DRAFTS, DRAFTS)
@settings(max_examples=40)
def test_fields_differ_exactly_when_the_bytes_do(one: Draft, other: Draft) -> None:
    a, b = draft_bytes(one), draft_bytes(other)
    assert bool(differing_fields(a, b)) is (a != b)
    assert differing_fields(a, b) == differing_fields(b, a)
    assert differing_fields(a, a) == []


def test_bytes_that_are_no_json_cannot_be_compared() -> None:
    with pytest.raises(Malformed):
        differing_fields(b"{", b"{}")
