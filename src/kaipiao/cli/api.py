"""The command line speaks to the platform as anybody would: by HTTP."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

from kaipiao.cli.terminal import LANGUAGE
from kaipiao.cli.tls import PinnedConnection
from kaipiao.errors import KaipiaoError, Resend, RulesBroken
from kaipiao.language import Text

TIMEOUT = 30.0
NEXT_PAGE = re.compile(r'<([^>]*)>; rel="next"')


class ServerSilent(KaipiaoError):
    """The server did not answer."""

    code = "KP-CLI-01"
    title = Text("服务没有应答", "The server does not answer")
    next_step = Text("请确认 kaipiao serve 正在运行。", "Check that `kaipiao serve` is running.")


@dataclass(slots=True)
class Api:
    """A kept connection to one server. `certificate`: SHA-256 of its certificate, where it speaks TLS."""

    url: str
    token: str
    certificate: str | None = None
    _connection: http.client.HTTPConnection | None = None

    def get(self, path: str, **parameters: object) -> object:
        """The JSON of an answer. Raises the problem that the server stated."""
        return json.loads(self.get_bytes(path, **parameters))

    def get_as(self, media: str, path: str) -> bytes:
        """What is there in this form."""
        status, body = self._call("GET", path, None, {"Accept": media})
        if status >= 300:
            raise stated(body, status)
        return body

    def get_bytes(self, path: str, **parameters: object) -> bytes:
        status, body = self._call("GET", _with(path, parameters), None)
        if status >= 300:
            raise stated(body, status)
        return body

    def post(
        self, path: str, body: bytes = b"", *, headers: Mapping[str, str] = MappingProxyType({}), **parameters: object
    ) -> tuple[int, dict[str, object]]:
        """(status, JSON). Raises the problem that the server stated."""
        status, content = self._call("POST", _with(path, parameters), body, headers)
        if status >= 300:
            raise stated(content, status)
        answer: dict[str, object] = json.loads(content)
        return status, answer

    def delete(self, path: str) -> dict[str, Any]:
        """The JSON of an answer. Raises the problem that the server stated."""
        status, content = self._call("DELETE", path, None)
        if status >= 300:
            raise stated(content, status)
        answer: dict[str, Any] = json.loads(content)
        return answer

    def pages(self, path: str, **parameters: object) -> Iterator[list[Any]]:
        """A list, page by page: the header `Link` leads to the next. Raises the problem that the server stated."""
        following: str | None = _with(path, parameters)
        while following is not None:
            connection = self._open()
            connection.request("GET", following, headers=self._headers())
            response = connection.getresponse()
            content = response.read()
            if response.status >= 300:
                raise stated(content, response.status)
            yield json.loads(content)
            linked = NEXT_PAGE.fullmatch(response.getheader("Link") or "")
            following = linked[1] if linked else None

    def lines(self, path: str) -> Iterator[bytes]:
        """An NDJSON answer, line by line."""
        connection = self._open()
        connection.request("GET", path, headers=self._headers())
        response = connection.getresponse()
        if response.status >= 300:
            raise stated(response.read(), response.status)
        yield from response

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, bytes]:
        try:
            connection = self._open()
            connection.request(method, path, body, {**self._headers(), **headers})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as silent:
            self.close()
            raise ServerSilent(Text(f"{self.url} 没有应答", f"{self.url} does not answer")) from silent

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            place = urlsplit(self.url)
            host = place.hostname or ""
            if self.certificate is None:
                self._connection = http.client.HTTPConnection(host, place.port, timeout=TIMEOUT)
            else:
                self._connection = PinnedConnection(host, place.port, self.certificate, TIMEOUT)
        return self._connection

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept-Language": LANGUAGE,
        }


def _with(path: str, parameters: Mapping[str, object]) -> str:
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def stated(body: bytes, status: int) -> KaipiaoError:
    """The problem of an answer as an error of ours."""
    try:
        problem = json.loads(body)
        detail, title, step = (str(problem[name]) for name in ("detail", "title", "next_step"))
        code, resend = str(problem["code"]), Resend(problem["send_again"])
    except (ValueError, KeyError, TypeError):
        return ServerSilent(Text(f"应答状态 {status}", f"It answered with status {status}"))
    kind = RulesBroken if "findings" in problem else KaipiaoError
    error = kind(Text(detail, detail), code=code, **{k: problem[k] for k in ("findings", "fields") if k in problem})
    error.title, error.next_step, error.resend = Text(title, title), Text(step, step), resend
    return error
