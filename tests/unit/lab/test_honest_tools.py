"""The tools that show and prove things do not say more than they saw."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path
from typing import Any

import pytest

from kaipiao.cli import demo
from kaipiao_lab.auditor import Findings
from kaipiao_lab.processes import NotStarted, put


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Findings(issued=2, confirmed=2), 0),
        (Findings(issued=2, confirmed=2, believed_wrong=1), 1),
        (Findings(issued=2, confirmed=2, lost=1), 1),
        (Findings(issued=2, confirmed=2, doubled=1), 1),
        (Findings(issued=2, confirmed=1), 1),
    ],
)
def test_the_demo_succeeds_only_when_no_book_disagrees(
    found: Findings, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_run", lambda *_: ({"issued": found.issued}, found))
    assert demo.run_demo(2, 1.0, tmp_path, json_output=True) == code


def test_an_order_that_the_bureau_refuses_is_not_repeated() -> None:
    asked: list[str] = []

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.path)
            self.send_error(422)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with pytest.raises(NotStarted, match="422"):
                put(f"http://127.0.0.1:{server.server_port}/faults", "c", b"[]")
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/faults"]
