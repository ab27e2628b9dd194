"""How many files, and so connections, this process may have open."""

from __future__ import annotations

import resource

from kaipiao.errors import SettingsFault
from kaipiao.language import Text

OTHERS = 512  # files that are no connection of a caller: the ledger, calls to the bureau, keys, logs


def raise_limit(wanted: int) -> int:
    """Raise the soft limit of open files as far as is wanted and allowed. Returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= possible:
        return soft if soft != resource.RLIM_INFINITY else wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    return possible


def too_few(wanted: int, possible: int) -> SettingsFault:
    """What is told at the start when the machine allows fewer connections than the settings do."""
    return SettingsFault(
        Text(
            f"打开文件数上限只容 {possible} 个连接，少于 server.connections_max（{wanted}）；"
            f"请用 ulimit -Hn 或 systemd 的 LimitNOFILE= 提高到 {wanted + OTHERS}",
            f"The limit of open files leaves {possible} connections, fewer than server.connections_max ({wanted}); raise it to "
            f"{wanted + OTHERS} with ulimit -Hn or LimitNOFILE= of systemd",
        ),
        code="KP-SETTINGS-14",
    )
