"""The bureau's services over httpx, in the bureau's envelope (that part is ours: the protocol is the same for both)."""

from __future__ import annotations

import json
import secrets
import ssl
from pathlib import Path
from typing import Any

import httpx

from kaipiao.authority import followed_clock
from kaipiao.authority.leqi import envelope, services
from kaipiao.authority.leqi.services import Service
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.clock import ClockFunction


class BureauClient:
    """`bureau`: what `kaipiao sandbox --json` printed."""

    def __init__(self, bureau: dict[str, Any]) -> None:
        self.settings = LeqiSettings(
            bureau["url"], bureau["jrdwptbh"], bureau["sydwptbh"], bureau["ylbm"], bureau["sm4_key"]
        )
        context = ssl.create_default_context(cafile=bureau["ca_file"])
        context.load_cert_chain(Path(bureau["client_certificate"]), Path(bureau["client_key"]))
        self._client = httpx.AsyncClient(verify=context, timeout=60)

    async def call(self, service: Service, payload: object) -> dict[str, Any]:
        url = f"{self.settings.base_url.rstrip('/')}/{service.ability}/{service.code}"
        answer = await self._client.post(
            url,
            content=envelope.sealed(self.settings.key, payload),
            headers=envelope.headers(self.settings, service),
        )
        answer.raise_for_status()
        outer = answer.json()
        inner = outer["body"] if isinstance(outer["body"], dict) else json.loads(outer["body"])
        response = inner["Response"] if isinstance(inner["Response"], dict) else json.loads(inner["Response"])
        found = envelope.opened(self.settings.key, response.get("Data"))
        if found is None or found.get("returncode") != "00":
            raise RuntimeError(f"{service.code}: {response.get('Error')} {found}")
        return found

    async def clock(self, clock_url: str) -> ClockFunction:
        """The bureau's clock, which the platform follows too."""
        function = followed_clock.parse((await self._client.get(clock_url)).content)
        assert function is not None
        return function

    async def numbers(self, seller: str, quantity: int) -> tuple[int, int]:
        found = await self.call(services.NUMBERS, {"nsrsbh": seller, "lysl": quantity, "ywlsh": self._serial()})
        return int(found["fpqshm"]), int(found["fpzzhm"])

    async def quota(self, seller: str, amount: int) -> None:
        ask = {"nsrsbh": seller, "ptbh": self.settings.jrdwptbh, "sqlx": "0", "sqed": f"{amount}.00"}
        await self.call(services.MOVE_QUOTA, ask | {"ywlsh": self._serial()})

    async def upload(self, payload: list[dict[str, object]]) -> str:
        return str((await self.call(services.UPLOAD, payload))["sllsh"])

    async def results(self, submission: str) -> dict[str, str]:
        found = await self.call(services.RESULT, {"sllsh": submission})
        return {item["fphm"]: str(item["status"]) for item in found.get("resultList", [])}

    def _serial(self) -> str:
        return f"{self.settings.sydwptbh}{self.settings.jrdwptbh}{secrets.randbelow(10**32):032d}"
