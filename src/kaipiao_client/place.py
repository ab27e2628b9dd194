"""Where the platform is and who asks."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from kaipiao_client.errors import ClientError

Token = str | Callable[[], str]


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a platform."""

    scheme: str
    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None) -> Place:
        """Raises `ValueError` for what is no http or https URL, and for plain HTTP to anywhere but this machine."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("url: http(s)://host[:port]")
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("url: plain HTTP goes to this machine only; a token would be readable on its way")
        secure = parts.scheme == "https"
        context = (tls or ssl.create_default_context()) if secure else None
        port = parts.port or (443 if secure else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), context)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def headers(
    token: Token, language: str, content_type: str | None, accept: str, prefer: str | None = None
) -> dict[str, str]:
    given = token if isinstance(token, str) else token()
    if not given.isascii() or not given.isprintable() or " " in given:
        raise ClientError("token: not a bearer token")
    found = {"Authorization": f"Bearer {given}", "Accept": accept, "Accept-Language": language}
    if content_type is not None:
        found["Content-Type"] = content_type
    if prefer is not None:
        found["Prefer"] = prefer
    return found
