"""The command line as a user meets it: both languages, exit codes, clear errors, one data directory for one process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import kaipiao

from kaipiao_lab.bench import Bench
from kaipiao_lab.processes import Command, tail
from kaipiao_lab.sales import Sales


def sale(bench: Bench, name: str) -> dict[str, object]:
    return Sales(bench.seller, 5, name).next()


def write(path: Path, *sales: dict[str, object]) -> Path:
    path.write_text("\n".join(json.dumps(s, ensure_ascii=False) for s in sales), encoding="utf-8")
    return path


def test_help_is_there_in_both_languages_with_examples_for_every_command(tmp_path: Path) -> None:
    commands = ["init", "serve", "sandbox", "issue", "show", "list", "status", "verify", "token", "books", "demo"]
    for language, word in (("zh_CN.UTF-8", "示例"), ("en_GB.UTF-8", "Examples")):
        overview = kaipiao("-h", cwd=tmp_path, language=language)
        assert overview.code == 0
        for command in commands:
            assert command in overview.out
            page = kaipiao(command, "-h", cwd=tmp_path, language=language)
            assert page.code == 0
            assert word in page.out
            assert "\x1b" not in page.out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["issue"], ["list", "--limit", "x"], ["--lang", "fr", "status"], ["serve", "--what"]]
)
def test_wrong_usage_is_64_and_says_where_help_is(tmp_path: Path, arguments: list[str]) -> None:
    done = kaipiao(*arguments, cwd=tmp_path)
    assert done.code == 64
    assert "kaipiao --help" in done.err
    assert "Traceback" not in done.err


def test_without_a_data_directory_the_next_step_is_named(tmp_path: Path) -> None:
    done = kaipiao("status", cwd=tmp_path)
    assert done.code == 64
    assert "kaipiao init" in done.err


def test_issue_from_a_file_while_the_server_runs_and_look_at_it(bench: Bench, platform: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "sale.json", sale(bench, "cli"))
    done = kaipiao("issue", file, "-d", platform, cwd=tmp_path)
    assert done.code == 0, done.err
    order, number, _ = done.out.strip().split("\t")
    shown = kaipiao("show", number, "-d", platform, "--json", cwd=tmp_path).last()
    assert shown["state"] == "confirmed"
    assert next(e["kind"] for e in shown["events"]) == "issued"
    assert kaipiao("show", order, "-d", platform, "--json", cwd=tmp_path).last()["number"] == number
    assert number in kaipiao("list", "-d", platform, "--limit", "1000", cwd=tmp_path).out
    assert "可持续" in kaipiao("status", "-d", platform, cwd=tmp_path).out
    assert "cover" in kaipiao("status", "-d", platform, cwd=tmp_path, language="en_US.UTF-8").out
    assert kaipiao("show", "26440000000000000000", "-d", platform, cwd=tmp_path).code == 1


def test_one_bad_line_harms_no_other(bench: Bench, platform: Path, tmp_path: Path) -> None:
    sales = Sales(bench.seller, 6, "nd")
    good = [sales.next() for _ in range(3)]
    lines = [json.dumps(good[0]), "{half", json.dumps({**good[1], "order": ""}), json.dumps(good[2])]
    (tmp_path / "sales.ndjson").write_text("\n".join(lines), encoding="utf-8")
    done = kaipiao("issue", "sales.ndjson", "-d", platform, "--json", "--no-wait", cwd=tmp_path)
    assert done.code == 1
    issued = [line for line in done.lines() if "number" in line]
    assert [line["order"] for line in issued] == [good[0]["order"], good[2]["order"]]
    assert len([line for line in done.lines() if "refused" in line]) == 2


def test_a_request_without_an_order_key_is_refused(bench: Bench, platform: Path, tmp_path: Path) -> None:
    body = {k: v for k, v in sale(bench, "x").items() if k != "order"}
    done = kaipiao("issue", write(tmp_path / "a.json", body), "-d", platform, "--json", cwd=tmp_path)
    assert done.code == 1
    assert done.last()["refused"]["code"] == "KP-INPUT-03"


def test_two_processes_cannot_have_one_data_directory(bench: Bench, platform: Path, tmp_path: Path) -> None:
    done = kaipiao("serve", "-d", platform, cwd=tmp_path)
    assert done.code == 1
    assert "KP-LEDGER-03" in done.err


def test_the_trail_is_sound_and_says_what_no_head_covers_yet(bench: Bench, platform: Path, tmp_path: Path) -> None:
    done = kaipiao("audit", "verify", "-d", platform, "--json", cwd=tmp_path)
    assert done.code == 0
    report = done.last()
    assert report["sound"]
    assert report["writers"]


def test_accepted_orders_are_numbered_later_and_what_has_a_number_is_not_cancelled(
    bench: Bench, platform: Path, tmp_path: Path
) -> None:
    body = sale(bench, "later")
    order, seller = str(body["order"]), str(body["seller"])
    done = kaipiao("issue", write(tmp_path / "a.json", body), "-d", platform, "--json", "--async", cwd=tmp_path)
    assert done.code == 0
    assert (done.last()["state"], done.last()["number"]) == ("accepted", None)
    end = time.monotonic() + 20
    while (shown := kaipiao("show", order, "-d", platform, "--json", cwd=tmp_path).last())["number"] is None:
        assert time.monotonic() < end
    assert [event["kind"] for event in shown["events"]][:2] == ["accepted", "numbered"]
    refused = kaipiao("cancel", order, "-d", platform, "--taxpayer", seller, cwd=tmp_path)
    assert refused.code == 1
    assert "KP-ORDER-02" in refused.err


def test_an_order_that_waits_is_cancelled_while_no_server_runs(bench: Bench, tmp_path: Path) -> None:
    """Without numbers it waits; looking at the books and cancelling issues nothing."""
    home = tmp_path / "home"
    assert kaipiao("init", "-d", home, "--sandbox", bench.directory / "bureau.json", cwd=tmp_path).code == 0
    settings = home / "kaipiao.toml"
    deaf = re.sub(r'base_url = "https://127.0.0.1:\d+', 'base_url = "https://127.0.0.1:1', settings.read_text("utf-8"))
    settings.write_text(deaf, "utf-8")
    body = sale(bench, "waits")
    order, seller = str(body["order"]), str(body["seller"])
    file = write(tmp_path / "s.json", body)
    assert kaipiao("issue", file, "-d", home, "--async", cwd=tmp_path).code == 0
    done = kaipiao("cancel", order, "-d", home, "--taxpayer", seller, "--json", cwd=tmp_path)
    assert (done.code, done.last()["state"]) == (0, "cancelled")
    again = kaipiao("issue", file, "-d", home, "--async", cwd=tmp_path)
    assert again.code == 1
    assert "KP-ORDER-03" in again.err


def test_books_compare_ours_with_the_bureaus(bench: Bench, platform: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "sale.json", sale(bench, "books"))
    assert kaipiao("issue", file, "-d", platform, cwd=tmp_path).code == 0
    export = tmp_path / "ours.ndjson"
    bureau = bench.directory / "bureau"
    done = kaipiao("books", "-d", platform, "--export", export, "--bureau", bureau, "--json", cwd=tmp_path)
    assert done.code == 0, done.out
    assert done.last()["confirmed"] >= 1
    altered = export.read_text(encoding="utf-8").replace('"state": "confirmed"', '"state": "rejected"')
    assert altered != export.read_text(encoding="utf-8")


def test_a_token_is_printed_alone_and_a_wrong_role_is_refused(platform: Path, tmp_path: Path) -> None:
    done = kaipiao("token", "-d", platform, cwd=tmp_path)
    assert done.code == 0
    assert done.out.count(".") == 2
    assert kaipiao("token", "-d", platform, "--role", "root", cwd=tmp_path).code == 64


def test_a_server_started_for_one_command_issues_and_confirms_too(bench: Bench, tmp_path: Path) -> None:
    """No server runs on this directory: the command brings the platform to life for itself."""
    home = tmp_path / "home"
    info = bench.directory / "bureau.json"
    assert kaipiao("init", "-d", home, "--sandbox", info, cwd=tmp_path).code == 0
    assert kaipiao("init", "-d", home, cwd=tmp_path).code == 64  # never written over
    done = kaipiao("issue", write(tmp_path / "s.json", sale(bench, "embedded")), "-d", home, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.last()["state"] == "confirmed"
    stopped = kaipiao("audit", "verify", "-d", home, "--json", cwd=tmp_path).last()
    assert stopped["sound"]
    assert any(writer["covered"] == writer["events"] for writer in stopped["writers"])


def test_ctrl_c_leaves_everything_resumable(bench: Bench, platform: Path, tmp_path: Path) -> None:
    sales = Sales(bench.seller, 8, "ctrlc")
    file = write(tmp_path / "many.ndjson", *(sales.next() for _ in range(1500)))
    command = [sys.executable, "-m", "kaipiao.cli.main", "issue", str(file), "-d", str(platform), "--json", "--no-wait"]
    environment = {**os.environ, "LANG": "en_US.UTF-8"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    first = [json.loads(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    answered = {line["order"]: line["number"] for line in [*first, *map(json.loads, rest.splitlines())]}
    assert len(answered) < 1500
    again = kaipiao("issue", file, "-d", platform, "--json", "--no-wait", cwd=tmp_path)
    assert again.code == 0, again.err
    numbers = {line["order"]: line["number"] for line in again.lines()}
    assert len(numbers) == len(set(numbers.values())) == 1500
    assert answered.items() <= numbers.items()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not = [toml", "KP-SETTINGS-01"),
        ('environment = "production"\n', "KP-SETTINGS-01"),
        ('[keys]\naudit = "a"\ntoken = "t"\nunknown = 1\n', "KP-SETTINGS-01"),
        ('[keys]\naudit = "a"\ntoken = "t"\n[clock]\nfollow = "https://x/"\n', "KP-SETTINGS-01"),
        ('[server]\nhost = "0.0.0.0"\n[keys]\naudit = "a"\ntoken = "t"\n', "KP-SETTINGS-01"),
        ('[keys]\naudit = "a"\ntoken = "t"\n', "KP-SEAL"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, code: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "kaipiao.toml").write_text(text, encoding="utf-8")
    done = kaipiao("serve", "-d", home, cwd=tmp_path)
    assert done.code in (1, 64)
    assert code in done.err
    assert "Traceback" not in done.err


def test_sigterm_ends_the_server_cleanly(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "home"
    kaipiao("init", "-d", home, "--port", "0", "--sandbox", bench.directory / "bureau.json", cwd=tmp_path)
    server = Command(["serve", "-d", str(home), "--json"], tmp_path / "log")
    server.start()
    time.sleep(1)
    began = time.monotonic()
    assert server.stop() == 0, tail(tmp_path / "log")
    assert time.monotonic() - began < 15
    assert not (home / "server.json").exists()


def test_the_version_stands_alone(tmp_path: Path) -> None:
    done = kaipiao("--version", cwd=tmp_path)
    assert done.code == 0
    assert done.out.strip().count(".") == 2
    assert done.err == ""


@pytest.mark.parametrize("command", [[], ["issue"], ["token"], ["audit"], ["audit", "verify"], ["list"]])
def test_a_chinese_help_page_has_no_english_words_of_the_library(tmp_path: Path, command: list[str]) -> None:
    page = kaipiao(*command, "-h", cwd=tmp_path).out
    for word in (
        "Usage",
        "Options",
        "Commands",
        "Arguments",
        "Show this",
        "Install",
        "required",
        "default:",
        "env var",
    ):
        assert word not in page
    assert "用法" in page
    assert "选项" in page
    assert "Options" in kaipiao(*command, "-h", cwd=tmp_path, language="en_US.UTF-8").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["issue"], "缺少参数 'files'"),
        (["nonsense"], "没有这个命令：'nonsense'"),
        (["serve", "--what"], "没有这个选项：--what"),
        (["list", "--limit", "x"], "须为整数"),
        (["list", "--limit", "0"], "须不小于 1"),
        (["list", "--state", "x"], "只能是 'accepted'"),
        (["show", "a", "b"], "多余的参数：b"),
        (["token", "--hours", "nan"], "须不大于"),
        (["token", "--role", "root"], "只能是 issuer"),
        (["sandbox", "--start", "x"], "ISO 8601"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_said_in_chinese(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = kaipiao(*arguments, cwd=tmp_path)
    assert done.code == 64
    assert words in done.err
    assert done.out == ""


def test_a_file_that_cannot_be_read_is_named_and_harms_no_other(bench: Bench, platform: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    good = write(tmp_path / "good.json", sale(bench, "files"))
    files: list[str | Path] = ["folder", "missing.json", good]
    done = kaipiao("issue", *files, "-d", platform, "--json", "--no-wait", cwd=tmp_path)
    assert done.code == 1
    assert [line["refused"]["at"] for line in done.lines() if "refused" in line] == ["folder:1", "missing.json:1"]
    assert "number" in done.last()
    assert "这是目录" in done.err
    assert "没有这个文件" in done.err


@pytest.mark.parametrize("book", ["--client", "--bureau"])
def test_a_file_that_is_no_book_is_no_defect_of_ours(platform: Path, tmp_path: Path, book: str) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 10)
    done = kaipiao("books", "-d", platform, book, "noise", cwd=tmp_path)
    assert done.code == 1
    assert "KP-INPUT-01" in done.err


def test_init_that_failed_half_way_is_simply_run_again(bench: Bench, tmp_path: Path) -> None:
    info = json.loads((bench.directory / "bureau.json").read_text(encoding="utf-8"))
    broken = {**info, "taxpayers": [{**info["taxpayers"][0], "tax_number": None}]}
    broken.pop("clock_url")
    (tmp_path / "broken.json").write_text(json.dumps(broken), encoding="utf-8")
    assert kaipiao("init", "-d", "home", "--sandbox", "broken.json", cwd=tmp_path).code == 1
    assert not (tmp_path / "home" / "kaipiao.toml").exists()
    again = kaipiao("init", "-d", "home", "--sandbox", bench.directory / "bureau.json", cwd=tmp_path)
    assert again.code == 0, again.err


def test_looking_at_a_stopped_directory_writes_nothing_into_the_books_it_looks_at(bench: Bench, tmp_path: Path) -> None:
    home = tmp_path / "home"
    kaipiao("init", "-d", home, "--sandbox", bench.directory / "bureau.json", cwd=tmp_path)
    kaipiao("issue", write(tmp_path / "s.json", sale(bench, "quiet")), "-d", home, "--no-wait", cwd=tmp_path)
    before = kaipiao("audit", "verify", "-d", home, "--json", cwd=tmp_path).last()
    for command in ("list", "status", "books", "show quiet-0000001", "audit verify"):
        assert kaipiao(*command.split(), "-d", home, cwd=tmp_path).code == 0
    assert kaipiao("audit", "verify", "-d", home, "--json", cwd=tmp_path).last() == before
