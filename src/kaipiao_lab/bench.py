"""A bureau, a platform and a shop on one machine, ready to be run, broken and audited."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaipiao_lab import auditor
from kaipiao_lab.powercut.platform import FailingPower
from kaipiao_lab.processes import Command, get, put, run, wait_ready
from kaipiao_lab.sales import Sales
from kaipiao_lab.shop import AnswerLog, Shop

OPEN_STATES = ("accepted", "issued", "uploading", "submitted", "unknown")


@dataclass(frozen=True, slots=True)
class Sizes:
    """`speed`: of the bureau's clock; `start`: where it begins (ISO 8601). `tills`: connections of the shop. `nodes`:
    platforms on one database, whose URL is `database`; None: one platform on its embedded one. `policy`: settings of
    `[policy]` that are not the defaults, `limits`: of the channel. `own_seal`: seals of ours go along with uploads.
    `power`: it can be cut; `careful` or `careless` as `kaipiao_lab.powercut` says."""

    speed: float = 20.0
    tills: int = 8
    seed: int = 1
    start: str | None = None
    nodes: int = 1
    database: str | None = None
    policy: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    own_seal: bool = True
    power: str | None = None


class Bench:
    """Everything lies below `directory`: bureau/, platform/ (and platform-2/ …), answers.ndjson and the logs."""

    def __init__(self, directory: Path, sizes: Sizes) -> None:
        self.directory = directory
        self.sizes = sizes
        self.bureau = self._bureau("0", "0")
        self.nodes = [self._node(n) for n in range(1, sizes.nodes + 1)]
        self._turn = itertools.cycle(self.nodes)
        self.token = ""
        self._log: AnswerLog | None = None
        self.shop: Shop | None = None

    @property
    def platform(self) -> Command:
        """The platform, or the first of several nodes."""
        return self.nodes[0]

    def logs(self) -> list[Path]:
        """Of each node."""
        return [self.directory / f"{_name(number)}.log" for number in range(1, self.sizes.nodes + 1)]

    def _node(self, number: int) -> Command:
        name = _name(number)
        if self.sizes.power is not None:
            return FailingPower(self.directory / name, self.directory / f"{name}.log", self.sizes.power)
        return Command(["serve", "-d", str(self.directory / name), "--json"], self.directory / f"{name}.log")

    def _bureau(self, port: str, admin_port: str) -> Command:
        arguments = ["sandbox", "-d", str(self.directory / "bureau"), "--json"]
        arguments += ["--speed", str(self.sizes.speed), "--seed", str(self.sizes.seed)]
        arguments += ["--port", port, "--admin-port", admin_port]
        if self.sizes.start is not None:
            arguments += ["--start", self.sizes.start]
        return Command(arguments, self.directory / "bureau.log")

    def set_up(self) -> None:
        """Start the bureau, make the platform's data directory, start the platform, get a token."""
        self.directory.mkdir(parents=True, exist_ok=True)
        info = self.bureau.start()
        (self.directory / "bureau.json").write_text(json.dumps(self.told(info)) + "\n", encoding="utf-8")
        setup = self.directory / "setup.log"
        place = str(self.directory / "platform")
        arguments = ["init", "-d", place, "--port", "0", "--sandbox", str(self.directory / "bureau.json")]
        if self.sizes.database is not None:
            (self.directory / "database.url").write_text(self.sizes.database, encoding="utf-8")
            arguments += ["--database-url-file", str(self.directory / "database.url")]
        run(arguments, setup)
        self._set_policy()
        for number in range(2, self.sizes.nodes + 1):
            self._copy_node(number)
        self.token = run(["token", "-d", place, "--role", "admin"], setup).strip()
        for node in self.nodes:
            node.start()
            wait_ready(str(node.info["url"]))

    def told(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the platforms are told of the bureau."""
        return info

    def _set_policy(self) -> None:
        file = self.directory / "platform" / "kaipiao.toml"
        if not self.sizes.own_seal:
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace("send_own_seal = true", "send_own_seal = false"), encoding="utf-8")
        for section, values in (("policy", self.sizes.policy), ("channel.leqi.limits", self.sizes.limits)):
            lines = [f"{name} = {value}\n" for name, value in values.items()]
            if lines:
                with file.open("a", encoding="utf-8") as settings:
                    settings.writelines([f"\n[{section}]\n", *lines])

    def _copy_node(self, number: int) -> None:
        """A further node has the keys and settings of the first, and a name of its own."""
        place = self.directory / f"platform-{number}"
        shutil.copytree(self.directory / "platform", place)
        settings = place / "kaipiao.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(re.sub(r'(?m)^node = ".*"$', f'node = "node-{number}"', text), encoding="utf-8")

    def restart_bureau(self) -> None:
        """A bureau that was killed comes back at the same place."""
        info = self.bureau.info
        self.bureau = self._bureau(_port(info["url"]), _port(info["admin"]["url"]))
        self.bureau.start()

    def set_faults(self, faults: list[dict[str, object]]) -> None:
        """Order faults at the bureau's admin endpoint; it may be down just now, then it is tried again."""
        admin = self.bureau.info["admin"]
        put(f"{admin['url']}/faults", admin["credential"], json.dumps(faults).encode())

    def url(self) -> str:
        """Of the platform; of several nodes, each in turn."""
        return str(next(self._turn).info["url"])

    @property
    def seller(self) -> str:
        return str(self.bureau.info["taxpayers"][0]["tax_number"])

    def open_shop(self) -> Shop:
        self._log = AnswerLog(self.directory / "answers.ndjson")
        sales = Sales(self.seller, self.sizes.seed, f"S{self.sizes.seed}")
        self.shop = Shop(self.url, self.token, sales, self._log, self.sizes.tills)
        return self.shop

    def status(self) -> dict[str, Any] | None:
        for _ in self.nodes:
            found = get(f"{self.url()}/v1/status", self.token)
            if isinstance(found, dict):
                return found
        return None

    def open_invoices(self) -> int | None:
        """How many are not at their end yet; None when the platform does not answer."""
        found = self.status()
        if found is None:
            return None
        return sum(int(seller["states"].get(state, 0)) for seller in found["taxpayers"] for state in OPEN_STATES)

    def wait_settled(self, seconds: float, progress: Callable[[int], None] | None = None) -> int:
        """Until nothing is open any more, or so many seconds passed. Returns how many are still open."""
        end = time.monotonic() + seconds
        left = self.open_invoices()
        while left != 0 and time.monotonic() < end:
            if progress is not None and left is not None:
                progress(left)
            time.sleep(0.25)
            left = self.open_invoices()
        if progress is not None and left is not None:
            progress(left)
        return -1 if left is None else left

    def audit(self) -> auditor.Findings:
        """Three books, read when both processes have stopped: the client's log, the platform's database, the bureau's export."""
        bureau = self.directory / "bureau.ndjson"
        register = run(["sandbox", "--books", "-d", str(self.directory / "bureau")], self.directory / "setup.log")
        bureau.write_text(register, encoding="utf-8")
        return auditor.compare(
            auditor.client_book(self.directory / "answers.ndjson"),
            self._our_book(),
            auditor.bureau_book(bureau),
        )

    def _our_book(self) -> Iterable[auditor.Entry]:
        if self.sizes.database is not None:
            return auditor.our_postgresql(self.sizes.database)
        return auditor.our_database(self.directory / "platform" / "ledger.db")

    def close(self) -> None:
        """Stop what runs."""
        if self._log is not None:
            self._log.close()
        for node in self.nodes:
            node.stop()
        self.bureau.stop()


def _name(number: int) -> str:
    return "platform" if number == 1 else f"platform-{number}"


def _port(url: str) -> str:
    return url.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[1]


def third_of_the_month() -> str:
    """A start far from month ends, so that a run at any date tests what it is about and not the calendar."""
    return time.strftime("%Y-%m-03T09:00:00+08:00")
