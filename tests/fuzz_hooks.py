"""Loaded by the fuzzer of `make fuzz-api` itself: how NDJSON is written, which it does not know."""

from __future__ import annotations

import json
from typing import Any

import schemathesis  # type: ignore[import-not-found,unused-ignore]


@schemathesis.serializer("application/x-ndjson")  # type: ignore[untyped-decorator,unused-ignore]
def ndjson(context: Any, value: Any) -> bytes:
    """A text as it is; a list as a line for each item."""
    del context
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return b"".join(json.dumps(one).encode() + b"\n" for one in (value if isinstance(value, list) else [value]))
