"""The addresses of one register of the far side, in order of preference.

Only addresses that share one register stand in one list: what is true at one of them (a number pulled, an invoice taken in)
is true at every other. Which of them is used is said by whoever watches them; a channel only asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit


class Endpoints:
    """`urls`: what calls are appended to, the preferred one first. `usable`: the names to try, in order; all of them until
    somebody watches. A call goes to the next name only while no byte of its request has left this machine."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = {endpoint_of(url): url for url in urls}
        self.names = tuple(self._urls)
        self.usable: Callable[[], Sequence[str]] = lambda: self.names

    def url(self, name: str) -> str:
        return self._urls[name]


def endpoint_of(url: str) -> str:
    """scheme://host:port"""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 443}"
