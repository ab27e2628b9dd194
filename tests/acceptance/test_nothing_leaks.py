"""No document content, key or token in any log line, problem body or metric: a full run is searched."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.sales import Sales

SECRETS = ("绝密购买方有限公司", "绝密商品名", "绝密备注", "13800138000")
TYPED = ("password-in-the-wrong-field", "绝密口令 four words", "918273")


def test_a_full_run_leaves_no_content_key_or_token_in_logs_and_problems(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Sizes(speed=60.0))
    problems: list[str] = []
    try:
        bench.set_up()
        changes: tuple[dict[str, object], ...] = (
            {},
            {"order": "dup", "remark": SECRETS[2]},
            {"order": "dup", "remark": SECRETS[2] + "!"},
            {"kind": "special", "buyer": {"name": SECRETS[0], "telephone": SECRETS[3]}},
            {"buyer": {"name": SECRETS[0] + "\u0007"}},
            {"lines": "x"},
            {"expected_total": "1.00"},
        )
        for change in changes:
            problems += _post(bench, change)
        bench.wait_settled(60)
        problems += _post(bench, {}, token="eyJ.broken.token")
        problems += [refused for _ in range(4) for refused in _sign_in(bench)]
        sm4 = bench.bureau.info["sm4_key"]
        credential = bench.bureau.info["admin"]["credential"]
        token = bench.token
        pages = [_metrics(bench, accept) for accept in ("application/openmetrics-text", "text/plain")]
    finally:
        bench.close()
    assert len(problems) >= 5
    logs = [p.read_text(encoding="utf-8") for p in tmp_path.glob("*.log")]
    private = [*SECRETS, *TYPED, sm4, credential, token, token.split(".")[2], *_key_material(tmp_path)]
    assert any('"kaipiao.request"' in log for log in logs)
    for text in [*logs, *problems, *pages]:
        for secret in private:
            assert secret not in text
        assert not re.search(r"eyJ[A-Za-z0-9_-]{10,}\.", text)
        assert "PRIVATE KEY" not in text


def _metrics(bench: Bench, accept: str) -> str:
    headers = {"Authorization": f"Bearer {bench.token}", "Accept": accept}
    with urllib.request.urlopen(urllib.request.Request(f"{bench.url()}/metrics", headers=headers), timeout=10) as page:
        text = str(page.read().decode())
    assert bench.seller in text
    assert "leak" not in text, "order keys of this run begin with it"
    assert not re.search(r'="[^"]*[0-9]{20}', text), "no invoice number in a label"
    return text


def _post(bench: Bench, change: dict[str, object], token: str | None = None) -> list[str]:
    body = Sales(bench.seller, 3, "leak").next()
    body["buyer"] = {"name": SECRETS[0], "telephone": SECRETS[3]}
    body["lines"] = [{**body["lines"][0], "name": SECRETS[1]}]  # type: ignore[index]
    request = urllib.request.Request(
        f"{bench.url()}/v1/invoices",
        json.dumps({**body, **change}).encode(),
        {"Authorization": f"Bearer {token or bench.token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            return []
    except urllib.error.HTTPError as refused:
        return [refused.read().decode()]


def _sign_in(bench: Bench) -> list[str]:
    """The problem of a log-in that fails, in the end because it is locked."""
    body = json.dumps(dict(zip(("account", "password", "totp"), TYPED, strict=True))).encode()
    request = urllib.request.Request(f"{bench.url()}/v1/sessions", body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    return [refused.value.read().decode()]


def _key_material(directory: Path) -> list[str]:
    found = []
    for path in (directory / "platform" / "keys").rglob("*"):
        if path.is_file():
            found += re.findall(r"[0-9a-fA-F]{48,}", path.read_text(errors="ignore"))
    return found
