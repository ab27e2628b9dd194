"""What the command line says and how: language, streams, errors with what, why and what next."""

from __future__ import annotations

import json
import os
import sys
import unicodedata

from rich.console import Console

from kaipiao.errors import KaipiaoError, Resend, RulesBroken
from kaipiao.language import Language, Text, from_environment
from kaipiao.system_words import reason_of

OK, FAILED, USAGE, INTERNAL, INTERRUPTED = 0, 1, 64, 70, 130
SEND_AGAIN = {
    "safe": Text("可以安全重发", "safe to send again"),
    "same_order_key": Text("请用同一订单号重发", "send again with the same order key only"),
    "after_change": Text("修改后再发送", "send again after the change"),
    "no": Text("请勿重发", "do not send again"),
}


class SystemRefused(KaipiaoError):
    """The operating system did not let us: a file, the disk, a port."""

    code = "KP-CLI-02"
    title = Text("系统不允许", "The system refuses")
    next_step = Text("请检查路径、权限、磁盘空间与端口。", "Check the path, permissions, disk space and port.")
    resend = Resend.SAFE


def of_system(error: OSError) -> SystemRefused:
    """What the system said, with the path, in both languages."""
    known = reason_of(error)
    place = f"{error.filename}: " if isinstance(error.filename, (str, os.PathLike)) else ""
    return SystemRefused(Text(f"{place}{known.zh}", f"{place}{known.en}"))


def language() -> Language:
    """`--lang` anywhere on the line wins over the environment (help texts are made before options are read)."""
    for position, word in enumerate(sys.argv[1:], start=1):
        if word.startswith("--lang="):
            return "en" if word.endswith("en") else "zh"
        if word == "--lang" and position + 1 < len(sys.argv):
            return "en" if sys.argv[position + 1] == "en" else "zh"
    return from_environment(os.environ)


LANGUAGE: Language = language()


def say(zh: str, en: str) -> str:
    """The sentence in the language of this terminal."""
    return zh if LANGUAGE == "zh" else en


def errors() -> Console:
    """The console for people: stderr, plain when it is no terminal or NO_COLOR is set."""
    return Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)  # `:b:` is no picture


def out(line: str) -> None:
    """One line of data."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def out_json(value: object) -> None:
    out(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def tell(error: KaipiaoError) -> None:
    """What, why, and the next step, on stderr."""
    console = errors()
    detail = error.detail.in_language(LANGUAGE)
    title = error.title.in_language(LANGUAGE)
    reason = detail if detail == title else f"{title}: {detail}"
    console.print(f"[bold red]✗[/] [bold]{error.code}[/] {plain(reason)}")
    if isinstance(error, RulesBroken):
        for finding in _findings(error):
            console.print(f"    {plain(finding)}")
    console.print(f"  {say('下一步', 'Next')}: {plain(error.next_step.in_language(LANGUAGE))}")
    console.print(f"  {say('能否重发', 'Send again?')} {SEND_AGAIN[error.resend.value].in_language(LANGUAGE)}")


def _findings(error: RulesBroken) -> list[str]:
    found = error.facts.get("findings")
    lines = []
    for finding in found if isinstance(found, (list, tuple)) else []:
        if isinstance(finding, dict):
            lines.append(f"{finding.get('code')} {finding.get('path')}: {finding.get('text')}")
        else:
            lines.append(f"{finding.code} {finding.path}: {finding.text.in_language(LANGUAGE)}")
    return lines


def plain(text: str) -> str:
    """Foreign text, harmless to a terminal: controls and characters that turn the direction of writing are shown as �,
    Rich markup is text."""
    shown = "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
    return shown.replace("[", r"\[")
