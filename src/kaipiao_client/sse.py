"""Server-sent events: lines to events (WHATWG HTML, 9.2.6), as far as the platform uses them."""

from __future__ import annotations

import json

from kaipiao_client.answers import Event


class Lines:
    """Takes the lines of one connection. An event that is cut off never becomes one."""

    def __init__(self, last: str | None) -> None:
        self.last = last  # id of the last whole event, or of the place where the stream began
        self._id = last
        self._data = ""

    def take(self, line: bytes) -> Event | None:
        """The event that this line completes."""
        text = line.decode().rstrip("\r\n")
        name, _, value = text.partition(": ")
        if name == "data":
            self._data += value
        elif name == "id":
            self._id = value
        if text:
            return None
        self.last = self._id
        if not self._data:
            return None
        data, self._data = self._data, ""
        return Event.of(json.loads(data))
