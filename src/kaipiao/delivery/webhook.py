"""Messages to a program, signed as Standard Webhooks 1.0 says (github.com/standard-webhooks/standard-webhooks)."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kaipiao.delivery.https import Reply, Target, Unanswered, post
from kaipiao.delivery.port import DELIVERED, Notice, Verdict, later, refused
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
LATER = frozenset({408, 425, 429})


def secrets_of(text: str, name: str) -> tuple[bytes, ...]:
    """One secret for each line: while one is changed the former stands below the new one. Raises `SettingsFault`."""
    return tuple(_secret(line.strip(), name) for line in text.splitlines() if line.strip()) or _none(name)


def _secret(line: str, name: str) -> bytes:
    try:
        if not line.startswith(PREFIX):
            raise ValueError
        secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
        if len(secret) not in SECRET_BYTES:
            raise ValueError
    except (ValueError, binascii.Error):
        return _none(name)[0]
    return secret


def _none(name: str) -> tuple[bytes, ...]:
    raise SettingsFault(
        Text(
            f"alarm.channel.{name}：secret_file 每行一个 {PREFIX} 加 24–64 字节的 Base64",
            f"alarm.channel.{name}: secret_file has one secret a line: {PREFIX} and 24 to 64 bytes in Base64",
        )
    )


def signature(secrets: Sequence[bytes], key: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature by each secret."""
    signed = f"{key}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(one, signed, 'sha256')).decode()}" for one in secrets)


@dataclass(frozen=True, slots=True)
class Webhook:
    """`seconds`: since 1970, real time."""

    name: str
    target: Target
    secrets: tuple[bytes, ...] = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)
    seconds: Callable[[], float] = time.time
    patience: float = 15.0

    async def send(self, notice: Notice) -> Verdict:
        said = {"type": f"alarm.{notice.kind}", "timestamp": notice.at.isoformat(), "data": dict(notice.data)}
        body = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()
        now = int(self.seconds())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.key,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(self.secrets, notice.key, now, body),
        }
        return of_status(await post(self.target, headers, body, self.tls, self.patience)) or DELIVERED


def of_status(reply: Reply | Unanswered) -> Verdict | None:
    """What the status says; None: it was taken. A redirect is followed nowhere."""
    if isinstance(reply, Unanswered):
        return later(reply.cause)
    if 200 <= reply.status < 300:
        return None
    cause = f"http.{reply.status}"
    if reply.status >= 500 or reply.status in LATER:
        return later(cause, reply.retry_after)
    return refused(cause)
