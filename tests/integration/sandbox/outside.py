"""An outside client of the bureau, as published clients are: http.client, an SM4 of its own, nothing of the platform."""

from __future__ import annotations

import base64
import http.client
import json
import random
import secrets
import ssl
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

SHANGHAI = timezone(timedelta(hours=8))
BASE = "202007"


def sm4(key: str, data: bytes, *, encrypt: bool) -> bytes:
    cipher = Cipher(SM4(bytes.fromhex(key)), modes.ECB())
    if encrypt:
        pad = 16 - len(data) % 16
        worker = cipher.encryptor()
        return worker.update(data + bytes([pad]) * pad) + worker.finalize()
    worker = cipher.decryptor()
    plain = worker.update(data) + worker.finalize()
    return plain[: -plain[-1]]


@dataclass
class Outside:
    """`info` is SandboxInfo as JSON."""

    info: dict[str, Any]
    timeout: float = 10.0
    certificate: bool = True
    connection: http.client.HTTPSConnection | None = field(default=None, repr=False)

    @property
    def taxpayer(self) -> str:
        return str(self.info["taxpayers"][0]["tax_number"])

    @property
    def address(self) -> tuple[str, int]:
        parts = urllib.parse.urlsplit(self.info["url"])
        return str(parts.hostname), int(parts.port or 0)

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.info["ca_file"])
        if self.certificate:
            context.load_cert_chain(self.info["client_certificate"], self.info["client_key"])
        return context

    def headers(self, service: str, ability: str | None = BASE) -> dict[str, str]:
        headers = {"fwbm": service, "access_signature": "", "sxcsbz": ""}
        headers |= {name: self.info[name] for name in ("jrdwptbh", "sydwptbh", "ylbm")}
        return headers | ({"nlbm": ability} if ability else {})

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """One request on a kept connection; a broken one is thrown away."""
        if self.connection is None:
            host, port = self.address
            self.connection = http.client.HTTPSConnection(host, port, timeout=self.timeout, context=self.context())
        try:
            self.connection.putrequest("POST", path, skip_accept_encoding=True)
            for name, value in headers.items():
                self.connection.putheader(name, value)
            self.connection.putheader("content-length", str(len(body)))
            self.connection.endheaders(body)
            answer = self.connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        except BaseException:
            self.close()
            raise

    def raw_call(
        self, service: str, data: object, ability: str | None = BASE, prefix: str = "/access/v2/invoke", **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        plain = json.dumps(data, ensure_ascii=False).encode()
        body = base64.b64encode(sm4(self.info["sm4_key"], plain, encrypt=True))
        path = f"{prefix}/{ability}/{service}" if ability else f"{prefix}/{service}"
        return self.post(path, body, self.headers(service, ability) | more)

    def response(self, service: str, data: object, ability: str | None = BASE) -> dict[str, Any]:
        status, _, body = self.raw_call(service, data, ability)
        assert status == 200, (status, body)
        outer = json.loads(body)
        assert outer["httpStatusCode"] == "200"
        inner: dict[str, Any] = json.loads(outer["body"])["Response"]
        assert len(inner["RequestId"]) == 16
        return inner

    def call(self, service: str, data: object, ability: str | None = BASE) -> dict[str, Any]:
        """The decrypted Data of an answer."""
        plain = self.decrypt(self.response(service, data, ability)["Data"])
        answer: dict[str, Any] = json.loads(plain)
        return answer

    def decrypt(self, data: str) -> bytes:
        return sm4(self.info["sm4_key"], base64.b64decode(data), encrypt=False)

    def serial(self) -> str:
        digits = "".join(secrets.choice("0123456789") for _ in range(32))
        return f"{self.info['sydwptbh']}{self.info['jrdwptbh']}{digits}"

    # what a client does

    def pull(self, quantity: int = 100) -> list[str]:
        answer = self.call("QDFPPLFM", {"nsrsbh": self.taxpayer, "lysl": quantity, "ywlsh": self.serial()})
        assert answer["returncode"] == "00", answer
        first, last = int(answer["fpqshm"]), int(answer["fpzzhm"])
        return [f"{number:020d}" for number in range(first, last + 1)]

    def download(
        self, amount: str = "1000000.00", returning: bool = False, serial: str | None = None
    ) -> dict[str, Any]:
        return self.call(
            "XZTHSXED",
            {
                "nsrsbh": self.taxpayer,
                "ptbh": self.info["jrdwptbh"],
                "sqlx": "1" if returning else "0",
                "sqed": amount,
                "ywlsh": serial or self.serial(),
            },
        )

    def upload(self, invoices: list[dict[str, Any]]) -> str:
        answer = self.call("QDFPSC", invoices)
        assert answer["returncode"] == "00", answer
        return str(answer["sllsh"])

    def poll(self, sllsh: str) -> list[dict[str, Any]]:
        answer = self.call("CXQDFPSCJG", {"sllsh": sllsh})
        assert answer["returncode"] == "00", answer
        results: list[dict[str, Any]] = answer["resultList"]
        return results

    def admin(self, method: str, path: str, body: object = None, credential: str | None = None) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(self.info["admin"]["url"])
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=self.timeout)
        try:
            raw = b"" if body is None else json.dumps(body).encode()
            bearer = f"Bearer {credential or self.info['admin']['credential']}"
            connection.request(method, path, raw, {"authorization": bearer})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def order(self, *faults: dict[str, Any]) -> None:
        status, body = self.admin("PUT", "/faults", list(faults))
        assert status == 200, body

    def advance(self, seconds: float) -> None:
        status, body = self.admin("PUT", "/clock", {"advance": seconds})
        assert status == 200, body

    def now(self) -> datetime:
        status, body = self.admin("GET", "/clock")
        assert status == 200
        return datetime.fromisoformat(json.loads(body)["now"])

    def books(self) -> list[dict[str, Any]]:
        status, body = self.admin("GET", "/books")
        assert status == 200
        return [json.loads(line) for line in body.splitlines()]

    def confirmed(self, invoices: list[dict[str, Any]]) -> list[str]:
        """Upload, wait for the result by moving the clock, give the statuses."""
        sllsh = self.upload(invoices)
        self.advance(20)
        return [entry["status"] for entry in self.poll(sllsh)]

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def invoice(
    client: Outside, number: str, *, amount: str = "100.00", tax: str = "6.00", **changes: Any
) -> dict[str, Any]:
    """A sound invoice as the document has it; `changes` replace fields of the head, None removes one."""
    total = f"{float(amount) + float(tax):.2f}"
    body: dict[str, Any] = {
        "fphm": number,
        "lzfpbz": "0",
        "ptbh": client.info["jrdwptbh"],
        "fppz": "02",
        "qyDm": "110000",
        "xsfnsrsbh": client.taxpayer,
        "xsfmc": client.info["taxpayers"][0]["name"],
        "gmfnsrsbh": "91110000MAKP00001M",
        "gmfmc": "沙箱买家",
        "hjje": amount,
        "hjse": tax,
        "jshj": total,
        "kpr": "开票员",
        "bz": f"order-{number}",
        "ip": "127.0.0.1",
        "macdz": "00-00-00-00-00-00",
        "kprq": client.now().astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
        "fpkjfsDm": "5",
        "fpmxList": [line(amount, tax)],
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not None}


def line(amount: str = "100.00", tax: str = "6.00", **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "mxxh": 1,
        "xmmc": "技术服务费",
        "hwhyslwfwmc": "*信息技术服务*技术服务费",
        "spfwjc": "信息技术服务",
        "sl": "1",
        "dj": amount,
        "je": amount,
        "slv": "0.06",
        "se": tax,
        "hsje": f"{float(amount) + float(tax):.2f}",
        "sphfwssflhbbm": "3040203000000000000",
        "fphxz": "00",
    }
    return body | changes


def read_info(path: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return info


def shuffled(items: list[Any], seed: int) -> list[Any]:
    random.Random(seed).shuffle(items)
    return items
