"""The channels that the settings name, with their secrets out of files."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from kaipiao.delivery.https import Target, target_of
from kaipiao.delivery.mail import Mailbox
from kaipiao.delivery.port import Notifier
from kaipiao.delivery.rate import Rate
from kaipiao.delivery.robots import RULES, Robot
from kaipiao.delivery.webhook import Webhook, secrets_of
from kaipiao.errors import SettingsFault
from kaipiao.language import Text
from kaipiao.settings import AlarmChannelSettings

PORTS = {"starttls": 587, "implicit": 465}


def notifier_of(name: str, settings: AlarmChannelSettings, directory: Path, secret: Callable[[Path], str]) -> Notifier:
    """Raises `SettingsFault` that names the channel and never shows what stands in its files."""

    def read(file: str | None) -> str | None:
        return None if file is None else secret(directory / file)

    tls = _tls(name, directory, settings.ca_file)
    if settings.kind == "email":
        return _mailbox(name, settings, read(settings.password_file), tls)
    target = target_of(read(settings.url_file) or "", name, internal=settings.internal)
    if settings.kind == "webhook":
        secrets = secrets_of(read(settings.secret_file) or "", name)
        return Webhook(name, target, secrets, tls, patience=settings.patience)
    rules = RULES[settings.kind]
    _is_of(rules.host, target, name)
    rate = Rate(rules.rates)
    return Robot(name, settings.kind, target, tls, rate, read(settings.secret_file), patience=settings.patience)


def _mailbox(name: str, settings: AlarmChannelSettings, password: str | None, tls: ssl.SSLContext) -> Mailbox:
    return Mailbox(
        name=name,
        host=settings.host or "",
        port=settings.port or PORTS[settings.tls],
        tls=settings.tls,
        sender=settings.sender or "",
        recipients=tuple(settings.recipients),
        context=tls,
        user=settings.user,
        password=password,
        patience=settings.patience,
    )


def _is_of(host: str, target: Target, name: str) -> None:
    """A robot's address with its key goes to nobody else, but for a relay within the own network."""
    if target.host != host and not target.internal:
        raise SettingsFault(
            Text(
                f"alarm.channel.{name}：这种机器人的地址在 {host}；内网转发须 internal = true",
                f"alarm.channel.{name}: addresses of this robot are at {host}; a relay of one's own needs internal = true",
            )
        )


def _tls(name: str, directory: Path, ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or later, certificate and name checked."""
    try:
        made = ssl.create_default_context(cafile=None if ca_file is None else str(directory / ca_file))
    except (OSError, ValueError) as unreadable:  # also ssl.SSLError
        raise SettingsFault(
            Text(f"alarm.channel.{name}：ca_file 无法读取", f"alarm.channel.{name}: ca_file cannot be read")
        ) from unreadable
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
