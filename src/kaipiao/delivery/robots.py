"""The robots of 企业微信, 钉钉 and 飞书: one text each, as they want it."""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from urllib.parse import quote

from kaipiao.delivery.https import Target, post
from kaipiao.delivery.port import DELIVERED, Notice, Verdict, later, refused, too_early
from kaipiao.delivery.rate import Rate
from kaipiao.delivery.webhook import of_status
from kaipiao.delivery.wording import escaped, fitted, lines, unmarked, utf8


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one kind of robot, as data/robots.toml says."""

    host: str
    code: str
    bytes: int
    rates: tuple[tuple[int, float], ...]
    later: Mapping[str, float]


def _rules(raw: Mapping[str, object]) -> Rules:
    found = Rules(**raw)  # type: ignore[arg-type]
    if found.bytes < 100 or not found.rates:
        raise ValueError("robots.toml: bytes of at least 100, and rates")
    return replace(found, rates=tuple((int(many), float(seconds)) for many, seconds in found.rates))


RULES = {
    kind: _rules(raw)
    for kind, raw in tomllib.loads(files(__package__).joinpath("data/robots.toml").read_text("utf-8")).items()
}
Asked = tuple[str, dict[str, object]]  # path, body


def wecom(path: str, secret: str | None, text: str, now: float) -> Asked:
    """It has no signature: the key in its address is all."""
    del secret, now
    content = {"content": text, "mentioned_list": [], "mentioned_mobile_list": []}
    return path, {"msgtype": "text", "text": content}


def dingtalk(path: str, secret: str | None, text: str, now: float) -> Asked:
    """Signed in its address: HMAC-SHA256 of "ms\\nsecret" by the secret."""
    body: dict[str, object] = {"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": False}}
    if secret is None:
        return path, body
    stamp = str(int(now * 1000))
    sign = base64.b64encode(hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), "sha256")).decode()
    return f"{path}{'&' if '?' in path else '?'}timestamp={stamp}&sign={quote(sign, safe='')}", body


def feishu(path: str, secret: str | None, text: str, now: float) -> Asked:
    """Signed in its body: HMAC-SHA256 of nothing by "s\\nsecret"."""
    signed: dict[str, object] = {}
    if secret is not None:
        stamp = str(int(now))
        sign = base64.b64encode(hmac.digest(f"{stamp}\n{secret}".encode(), b"", "sha256")).decode()
        signed = {"timestamp": stamp, "sign": sign}
    return path, {**signed, "msg_type": "text", "content": {"text": text}}


ASK: dict[str, Callable[[str, str | None, str, float], Asked]] = {
    "wecom": wecom,
    "dingtalk": dingtalk,
    "feishu": feishu,
}


@dataclass(frozen=True, slots=True)
class Robot:
    """`kind`: wecom, dingtalk, feishu. `seconds`: since 1970, real time."""

    name: str
    kind: str
    target: Target
    tls: ssl.SSLContext = field(repr=False)
    rate: Rate = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    seconds: Callable[[], float] = time.time
    patience: float = 15.0

    async def send(self, notice: Notice) -> Verdict:
        wait = self.rate.take()
        if wait > 0:
            return too_early(wait)
        path, body = self._asked(notice)
        reply = await post(
            replace(self.target, path=path), {"Content-Type": "application/json"}, _json(body), self.tls, self.patience
        )
        return of_status(reply) or self._judged(getattr(reply, "body", b""))

    def _asked(self, notice: Notice) -> Asked:
        ask, rules, now = ASK[self.kind], RULES[self.kind], self.seconds()
        text = unmarked(lines(f"{notice.title}\n{notice.text}"))
        if self.kind != "feishu":
            return ask(self.target.path, self.secret, fitted(text, rules.bytes, utf8), now)
        beside = len(_json(ask(self.target.path, self.secret, "", now)[1]))
        return ask(self.target.path, self.secret, fitted(text, rules.bytes - beside, escaped), now)

    def _judged(self, body: bytes) -> Verdict:
        """Status 200 says only that somebody answered."""
        code = _code(body, RULES[self.kind].code)
        if code == "0":
            return DELIVERED
        if code is None:
            return later("answer.unreadable")
        blocked = RULES[self.kind].later.get(code)
        if blocked is None:
            return refused(f"errcode.{code}")
        self.rate.block(blocked)
        return later(f"errcode.{code}", blocked)


def _code(body: bytes, name: str) -> str | None:
    try:
        code = json.loads(body)[name]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return str(code) if type(code) is int and abs(code) < 10**9 else None


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
