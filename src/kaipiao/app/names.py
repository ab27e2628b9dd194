"""The name servers of the settings, asked by every channel of the platform alike."""

from __future__ import annotations

from pathlib import Path

from kaipiao.authority.transport.known_good import KnownGood
from kaipiao.authority.transport.name_servers import server_of
from kaipiao.authority.transport.resolvers import SYSTEM, Group, GroupResolver, NameRules, Tell
from kaipiao.settings import DnsSettings

FILE = "known-addresses.json"


def resolver_of(directory: Path, settings: DnsSettings, tell: Tell) -> GroupResolver:
    """The groups are called 1, 2, 3, 4, in the order of the settings."""
    groups = [
        Group(str(place), tuple(SYSTEM if server == SYSTEM else server_of(server) for server in servers))
        for place, servers in enumerate(settings.groups, start=1)
    ]
    rules = NameRules(
        max_ttl_s=settings.max_ttl_s,
        timeout_s=settings.timeout_s,
        stale_s=settings.stale_hours * 3600.0,
        return_s=settings.return_s,
        local_hosts=frozenset(host.rstrip(".").lower() for host in settings.local_hosts),
    )
    return GroupResolver(groups, rules, KnownGood(directory / FILE), tell)
