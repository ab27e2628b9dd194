"""Logs as an operator reads them: one JSON line for a request, its id on every line, no line that repeats for ever."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from api_stand import TOKENS, application, sale, token
from asgi import call
from bench import point

from kaipiao.cli import logs
from kaipiao.operations.repeats import MOST, PERIOD, Repeats
from kaipiao.operations.request_context import REQUEST_ID
from kaipiao.operations.request_line import RequestLine
from kaipiao.operations.watched_requests import LONGEST_SUBJECT


class Written:
    """All that was written on stderr so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """What `logs.begin` changes is put back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("kaipiao")
    levels = (root.level, own.level)
    for flag in ("logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, flag, getattr(logging, flag))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield Written(capsys)
    logging.captureWarnings(False)
    root.handlers[:] = [h for h in root.handlers if not isinstance(h.formatter, logs.JsonLines)]
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def lines(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def requests(written: Written) -> list[dict[str, Any]]:
    return [line for line in lines(written) if line["logger"] == "kaipiao.request"]


def test_a_request_is_one_line_with_route_status_time_id_and_subject(stderr: Written) -> None:
    async def run() -> dict[str, str]:
        app = application(await point())
        logs.begin()
        answer = await call(
            app,
            "GET",
            "/v1/invoices/26442000000000000001?taxpayer=SECRET",
            token=token(),
            headers={"x-request-id": "mine.1"},
        )
        return answer.headers

    headers = asyncio.run(run())
    (line,) = requests(stderr)
    assert line.pop("ms") > 0
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "kaipiao.request",
        "message": "request",
        "method": "GET",
        "route": "/v1/invoices/{number}",
        "status": 404,
        "subject": "test",
        "request_id": "mine.1",
    }
    assert headers["x-request-id"] == "mine.1"
    assert "SECRET" not in stderr.getvalue()
    assert "2644200000000000" not in stderr.getvalue()


def test_no_body_token_or_address_of_a_caller_is_in_the_lines(stderr: Written) -> None:
    secret = token()

    async def run() -> None:
        app = application(await point())
        logs.begin()
        body = json.dumps(sale("ORDER-SECRET")).encode()
        await call(app, "POST", "/v1/invoices", token=secret, body=body)
        await call(app, "GET", "/no/such/SECRET?x=SECRET", token=secret)
        await call(app, "S" * 5000, "/healthz", token="eyJ.SECRET.x")

    asyncio.run(run())
    assert [(one["route"], one["status"]) for one in requests(stderr)] == [
        ("/v1/invoices", 201), ("unmatched", 404), ("/healthz", 405),
    ]  # fmt: skip
    for hidden in ("SECRET", secret, "示例购买方", "工作午餐", "S" * 100):
        assert hidden not in stderr.getvalue()


def test_a_subject_of_any_length_and_kind_keeps_the_line_whole(stderr: Written) -> None:
    named = TOKENS.make('客户\n"}' + "x" * 5000, "admin", ("*",), timedelta(hours=1))

    async def run() -> None:
        app = application(await point())
        logs.begin()
        await call(app, "GET", "/v1/status", token=named)

    asyncio.run(run())
    (line,) = requests(stderr)
    assert line["subject"].startswith('客户\n"}x')
    assert len(line["subject"]) == LONGEST_SUBJECT


def test_every_line_within_a_request_has_its_id_and_lines_outside_have_none(stderr: Written) -> None:
    logs.begin()
    log = logging.getLogger("kaipiao.somewhere")

    async def request(request_id: str) -> None:
        REQUEST_ID.set(request_id)
        await asyncio.sleep(0)
        log.warning("deep inside")
        await asyncio.create_task(later())

    async def later() -> None:
        log.warning("in a task of it")

    async def run() -> None:
        await asyncio.gather(request("r1"), request("r2"))
        log.warning("outside")

    asyncio.run(run())
    told = [(line["message"], line.get("request_id")) for line in lines(stderr)]
    assert sorted(told[:-1]) == [
        ("deep inside", "r1"), ("deep inside", "r2"), ("in a task of it", "r1"), ("in a task of it", "r2"),
    ]  # fmt: skip
    assert told[-1] == ("outside", None)


def test_a_defect_has_the_id_of_its_request(stderr: Written) -> None:
    async def run() -> None:
        app = application(await point())
        logs.begin()

        async def broken() -> None:
            raise ZeroDivisionError("SECRET")

        object.__setattr__(app.state.services, "readiness", broken)
        await call(app, "GET", "/readyz", headers={"x-request-id": "d1"})

    asyncio.run(run())
    (defect,) = [line for line in lines(stderr) if line["message"] == "defect"]
    (request,) = requests(stderr)
    assert defect["request_id"] == request["request_id"] == "d1"
    assert request["status"] == 500
    assert "SECRET" not in stderr.getvalue()


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_ours_and_libraries_are_never_at_debug(stderr: Written, level: str, told: int) -> None:
    logs.begin(logs.LEVELS[level])
    for severity in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("kaipiao.x").log(severity, "ours")
        logging.getLogger("httpcore2").log(severity, "theirs")
    written = lines(stderr)
    assert len([line for line in written if line["message"] == "ours"]) == told
    assert all(line["level"] != "debug" for line in written if line["message"] == "theirs")


def test_a_requests_record_can_be_written_by_any_formatter_and_says_the_same() -> None:
    hostile = 'q"\\\n\u2028 客户'
    record = RequestLine(hostile, "/r", 200, 0.0012345, "id-1", hostile)
    ordinary = logging.LogRecord(record.name, record.levelno, "", 0, record.msg, None, None)
    assert set(ordinary.__dict__) <= set(record.__dict__)
    ordinary.__dict__ |= record.__dict__
    assert json.loads(record.json()) == json.loads(logs.JsonLines().format(ordinary))
    every = logging.Formatter("%(asctime)s %(name)s %(levelname)s %(process)s %(threadName)s %(pathname)s %(message)s")
    assert "kaipiao.request INFO" in every.format(record)
    bare = json.loads(RequestLine("GET", "/r", 200, 0.0, None, None).json())
    assert "subject" not in bare
    assert "request_id" not in bare


def warning(message: str = "numbers.not_pulled", level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("kaipiao.issuing.supply", level, "", 0, message, None, None)
    record.__dict__ |= extra
    return record


def test_a_warning_that_repeats_is_written_once_a_minute_with_how_often_it_was_held_back() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    written = []
    for _ in range(125):
        record = warning(taxpayer="T1", code="connect.refused")
        if repeats.filter(record):
            written.append((now[0], record.__dict__["repeated"]))
        now[0] += 1.0
    assert written == [(0.0, None), (PERIOD, 59), (2 * PERIOD, 59)]


def test_other_warnings_and_all_errors_pass() -> None:
    repeats = Repeats(lambda: 0.0)
    assert repeats.filter(warning(taxpayer="T1", code="c"))
    assert not repeats.filter(warning(taxpayer="T1", code="c"))
    assert repeats.filter(warning(taxpayer="T2", code="c"))
    assert repeats.filter(warning(taxpayer="T1", code="d"))
    assert repeats.filter(warning("quota.not_read", taxpayer="T1", code="c"))
    assert all(repeats.filter(warning(level=logging.ERROR, taxpayer="T1", code="c")) for _ in range(3))
    assert all(repeats.filter(warning()) for _ in range(3))


def test_what_is_remembered_of_warnings_is_bounded() -> None:
    repeats = Repeats(lambda: 0.0)
    for n in range(3 * MOST):
        assert repeats.filter(warning(taxpayer="T1", code=f"c{n}"))
    assert len(repeats._said) == MOST


def test_what_others_write_past_the_log_is_a_line_of_it_too(stderr: Written) -> None:
    def dies() -> None:
        raise ZeroDivisionError("what a caller sent\n{}")

    logs.begin()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)  # pytest's own catching of warnings is put aside
        warnings.warn("of a library,\nin two lines", UserWarning, stacklevel=1)
    thread = threading.Thread(target=dies)
    thread.start()
    thread.join()
    warned, died = lines(stderr)
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert "in two lines" in warned["message"]
    assert (died["message"], died["level"], died["error"]) == ("a thread has died", "error", "ZeroDivisionError")
    assert "caller" not in json.dumps(died)


@pytest.mark.parametrize(
    "hostile", ['x"}\n{"level": "error"', "\r\n", "\x00\x1b[2J", "\u2028\u2029", "\udc80", "}" * 9]
)
def test_nothing_that_is_put_into_a_line_can_end_it_or_make_another(stderr: Written, hostile: str) -> None:
    logs.begin()
    logging.getLogger("kaipiao.x").warning(
        "of %s", hostile, extra={"code": hostile, "cause": hostile, "channel": hostile}
    )
    (line,) = (json.loads(one) for one in stderr.getvalue().split("\n")[:-1])
    assert line["message"] == f"of {hostile}"
    assert line["code"] == line["cause"] == line["channel"] == hostile


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_a_line_is_json_in_every_encoding_of_stderr(
    encoding: str, monkeypatch: pytest.MonkeyPatch, stderr: Written
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(written, encoding=encoding, errors="backslashreplace"))
    logs.begin()
    logging.getLogger("kaipiao.x").warning("开票 é 😀 \x80 \udc80")
    (line,) = written.getvalue().decode(encoding).splitlines()
    assert json.loads(line)["message"] == "开票 é 😀 \x80 \udc80"


def _request_ended(subject: str) -> None:
    logging.getLogger("kaipiao.request").handle(RequestLine("POST", "/v1/invoices", 201, 0.001, None, subject))


def test_requests_of_one_turn_are_written_together_and_nothing_overtakes_them(stderr: Written) -> None:
    async def run() -> tuple[str, str]:
        logs.begin()
        _request_ended("one")
        _request_ended("two")
        at_once = stderr.getvalue()
        logging.getLogger("kaipiao.issuing").error("three")
        _request_ended("four")
        behind = stderr.getvalue()
        await asyncio.sleep(0)
        return at_once, behind

    at_once, behind = asyncio.run(run())
    assert at_once == ""
    assert len(behind.splitlines()) == 3
    assert [line.get("subject") or line["message"] for line in lines(stderr)] == ["one", "two", "three", "four"]


def test_requests_that_end_when_the_loop_does_are_written_at_the_end(stderr: Written) -> None:
    async def run() -> None:
        logs.begin()
        _request_ended("last")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(run())
    loop.close()
    for handler in logging.getLogger().handlers:
        handler.flush()  # as `logging.shutdown` does
    assert [line["subject"] for line in requests(stderr)] == ["last"]
