"""The documents against the code: generated pages, commands and options, routes, settings, make targets, links."""

from __future__ import annotations

import importlib.util
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from kaipiao.api.app import routes
from kaipiao.authority.leqi.settings import CAPABILITIES
from kaipiao.cli.main import app
from kaipiao.settings import (
    AlarmChannelSettings,
    ChannelLimits,
    ChannelSettings,
    DependencySettings,
    PolicySettings,
    Settings,
    TaxpayerSettings,
    TimeoutSettings,
)

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
COMMANDS: Any = typer.main.get_command(app)
_SHORT = {"-d": "--directory", "-h": "--help"}


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def generator() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["generate"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def code_of(page: Path) -> Iterator[str]:
    """Every piece of code of a page: the lines of its fences, then what stands between backticks."""
    text = page.read_text("utf-8")
    for fence in re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL):
        yield from fence.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def kaipiao_commands(page: Path) -> Iterator[list[str]]:
    """The words after `kaipiao` of every command in a page, without what the shell takes."""
    for code in code_of(page):
        for found in re.findall(r"(?:^|[ (|;&/])kaipiao(?= |$)([^|>&;()#]*)", code):
            yield [word for word in found.split() if word != "..."]


def parsed(words: list[str]) -> tuple[list[str], set[str]]:
    """(the command's path, its long options). Options before the command are the program's own."""
    command, path, options = COMMANDS, [], set()
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-") and len(word) > 1:
            name = _SHORT.get(word, word.split("=")[0])
            known = {o: p for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help": None}
            assert name in known, f"kaipiao {' '.join(words)}: no option {name}"
            options.add(name)
            parameter = known[name]
            skip = "=" not in word and parameter is not None and not parameter.is_flag
        elif hasattr(command, "commands"):
            assert word in command.commands, f"kaipiao {' '.join(words)}: no command {word}"
            command = command.commands[word]
            path.append(word)
    return path, options


def leaves(command: Any = COMMANDS, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join((*path, name)), child


def test_generated_pages_are_what_the_code_makes() -> None:
    for path, text in generator().pages().items():
        assert (DOCS / path).read_text("utf-8") == text, f"{path}: run python docs/generate.py"


def test_every_code_in_the_tree_of_errors_is_in_the_page() -> None:
    import kaipiao.errors

    page = (DOCS / "reference/errors.md").read_text("utf-8")
    for code in re.findall(r"KP-[A-Z]+-\d\d", kaipiao.errors.__doc__ or ""):
        assert f"`{code}`" in page


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_and_option_in_a_page_exists(page: Path) -> None:
    for words in kaipiao_commands(page):
        parsed(words)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="no command"):
        parsed(["isue", "sale.json"])
    with pytest.raises(AssertionError, match="no option"):
        parsed(["show", "--pdf"])


def test_every_command_and_option_is_in_the_reference() -> None:
    rows = (DOCS / "reference/command-line.md").read_text("utf-8").splitlines()
    for name, command in leaves():
        row = [line for line in rows if line.startswith(f"| `kaipiao {name}`")]
        assert len(row) == 1, name
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--") and option != "--help":
                    assert f"`{option}`" in row[0], (name, option)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_make_target_in_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for code in code_of(page):
        for target in re.findall(r"(?:^|&& )make ([a-z-]+)", code):
            assert target in targets, target


def test_both_readmes_print_the_same_commands() -> None:
    english, chinese = (re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL) for page in READMES)
    assert english == chinese
    assert any("make demo" in block for block in english)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("page", [page for page in DOCS.rglob("*.md") if page.name != "README.md"], ids=names)
def test_every_page_is_in_the_index(page: Path) -> None:
    index = DOCS / "adr/README.md" if page.parent.name == "adr" else DOCS / "README.md"
    assert f"({page.relative_to(index.parent)})" in index.read_text("utf-8")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_the_reference_has_exactly_the_routes_of_the_api() -> None:
    page = (DOCS / "reference/api.md").read_text("utf-8")
    written = set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /[^`]*)`", page, re.MULTILINE))
    found: Any = list(routes())
    assert written == {f"{method} {route.path}" for route in found for method in route.methods}


def settings_page() -> Mapping[str, str]:
    """Name → default, of every row."""
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|", (DOCS / "reference/settings.md").read_text("utf-8"), re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if field.is_required() and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings_of(field.annotation, f"{prefix}{name}.")
        elif field.is_required():
            yield prefix + name, "必填 required"
        elif isinstance(field.default, BaseModel):
            yield from settings_of(type(field.default), f"{prefix}{name}.")
        elif not isinstance(field.default, list | dict):
            yield prefix + name, _shown(field.default)


def _shown(default: object) -> str:
    if default is None:
        return "无 none"
    if default == "":
        return "空 empty"
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_the_reference_has_every_setting_with_its_default() -> None:
    limits = {name: f"{getattr(CAPABILITIES, name):g}" for name in ChannelLimits.model_fields}
    whole = [(name, default) for name, default in settings_of(Settings) if not name.startswith("policy.")]
    sellers = settings_of(TaxpayerSettings, "taxpayer[].")
    channel = [row for row in settings_of(ChannelSettings) if not row[0].startswith(("limits.", "timeouts."))]
    alarms = settings_of(AlarmChannelSettings, "alarm.channel.NAME.")
    leaned_on = settings_of(DependencySettings, "dependency.NAME.")
    rest = [*alarms, *leaned_on, *settings_of(TimeoutSettings), *settings_of(PolicySettings)]
    assert settings_page() == dict([*whole, *sellers, *channel, *limits.items(), *rest])
