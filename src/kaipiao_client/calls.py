"""Every call as data: what is asked and how its answer is read. Both clients send the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from kaipiao_client.answers import BatchAnswer, Checked, Invoice, Issued, Status
from kaipiao_client.errors import AGAIN, Problem

T = TypeVar("T")
Sale = Mapping[str, Any]
JSON = "application/json"
NDJSON = "application/x-ndjson"
BATCH = "/v1/invoices:batch"
# A platform reads so much of a batch without an answer being taken: sending one whole before reading never gets stuck.
AT_ONCE = 64
BYTES_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    whole: bool = True  # False: nothing told how long it is, so it may have been cut off

    def retry_after(self) -> float | None:
        return seconds_of(self.headers.get("retry-after"))


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """`read` makes the result of an answer below 400."""

    method: str
    target: str
    read: Callable[[Answer], T]
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    prefer: str | None = None


def issue(sale: Sale) -> Call[Issued]:
    return Call("POST", "/v1/invoices", _issued, dumped(sale))


def accept(sale: Sale, wait: float) -> Call[Issued | Invoice]:
    return Call("POST", "/v1/invoices", _issued_or_accepted, dumped(sale), prefer=respond_async(wait))


def respond_async(wait: float = 0.0) -> str:
    return f"respond-async, wait={int(wait)}" if wait >= 1 else "respond-async"


def cancel(order: str, taxpayer: str | None) -> Call[Invoice]:
    target = with_query("/v1/invoices:cancel", order=order, taxpayer=taxpayer)
    return Call("POST", target, lambda answer: Invoice.of(_json(answer)), b"")


def page(target: str) -> Call[tuple[list[Invoice], str | None]]:
    """A page of a list, and where the next one is."""
    return Call("GET", target, _page)


def check(sale: Sale) -> Call[Checked]:
    return Call("POST", "/v1/invoices:check", lambda answer: Checked.of(_json(answer)), dumped(sale))


def get(number: str) -> Call[Invoice]:
    return Call("GET", f"/v1/invoices/{quote(number, safe='')}", lambda answer: Invoice.of(_json(answer)))


def find(order: str, taxpayer: str | None) -> Call[Invoice | None]:
    return Call("GET", with_query("/v1/invoices", order=order, taxpayer=taxpayer), _first)


def document(number: str) -> Call[bytes]:
    target = f"/v1/invoices/{quote(number, safe='')}/document"
    return Call("GET", target, lambda answer: answer.content, accept="application/xml")


def status() -> Call[Status]:
    return Call("GET", "/v1/status", lambda answer: Status.of(_json(answer)))


def with_query(path: str, **parameters: object) -> str:
    """Values that are None are left out, lists are repeated."""
    given = {n: v if isinstance(v, list | tuple) else str(v) for n, v in parameters.items() if v not in (None, (), [])}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def dumped(sale: Sale) -> bytes:
    """One line of JSON. A `Decimal` is written as the digits it has."""
    return json.dumps(sale, ensure_ascii=False, default=_digits).encode()


def seconds_of(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by the platform."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else None


class Pending:
    """The sales of one piece of a batch that have no final answer yet. An answer that asks for patience is none. When an
    attempt brought nothing, the next one sends half as many: a way that is cut again and again lets few pass."""

    def __init__(self, sales: list[tuple[int, bytes]]) -> None:
        self._left = dict(sales)
        self._sent: list[int] = []
        self._most = len(sales)
        self._before = len(sales) + 1
        self.last: Problem | None = None

    def __bool__(self) -> bool:
        return bool(self._left)

    def body(self) -> bytes:
        """What is to be sent now; `take` reads answers to exactly this."""
        if len(self._left) == self._before:
            self._most = max(1, self._most // 2)
        self._before = len(self._left)
        self._sent = list(self._left)[: self._most]
        self.last = None
        return b"".join(self._left[position] + b"\n" for position in self._sent)

    def take(self, line: bytes) -> BatchAnswer | None:
        """The final answer that this line is, if it is one. Raises `ValueError` for what is no answer to a sale."""
        try:
            body = json.loads(line)
            position = self._sent[int(body["position"]) - 1]
            answer = BatchAnswer.of(position, body)
        except (LookupError, TypeError) as strange:
            raise ValueError("what came back is no answer to a sale") from strange
        if answer.problem is not None and answer.problem.status in AGAIN:
            self.last = answer.problem
            return None
        self._left.pop(position, None)
        return answer

    def all_answered(self) -> bool:
        """Everything that was sent just now: the next may follow at once."""
        return not any(position in self._left for position in self._sent)


def pieces(sales: Iterable[Sale]) -> Iterator[Pending]:
    """A batch of any length in pieces that can be sent whole; only one piece is held."""
    numbered = enumerate(map(dumped, sales), start=1)
    held: list[tuple[int, bytes]] = []
    size = 0
    for position, line in numbered:
        if held and (len(held) == AT_ONCE or size + len(line) > BYTES_AT_ONCE):
            yield Pending(held)
            held, size = [], 0
        held.append((position, line))
        size += len(line)
    if held:
        yield Pending(held)


def _issued(answer: Answer) -> Issued:
    return Issued.of(_json(answer), replayed=answer.headers.get("kaipiao-replayed") == "true")


def _issued_or_accepted(answer: Answer) -> Issued | Invoice:
    return Invoice.of(_json(answer)) if answer.status == 202 else _issued(answer)


def _page(answer: Answer) -> tuple[list[Invoice], str | None]:
    next_page = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
    return [Invoice.of(one) for one in json.loads(answer.content)], next_page[1] if next_page else None


def _first(answer: Answer) -> Invoice | None:
    found = json.loads(answer.content)
    return Invoice.of(found[0]) if found else None


def _json(answer: Answer) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads(answer.content)
    return body


def _digits(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is not JSON")
