"""The picture of an outage: modes and debt over time, as inline SVG. Numbers and texts of ours only; what came from outside is
escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from kaipiao.clock import SHANGHAI

WIDTH, LEFT, RIGHT = 720, 52, 12
BAND_TOP, BAND = 24, 26  # of the modes
TOP, BOTTOM = 74, 214  # of the debt
HEIGHT = 250
TICKS = 5
GLYPH = 13  # of the widest letter
MODES = {
    "online": ("正常", "online"),
    "degraded": ("降级", "degraded"),
    "contingency_planned": ("应急（已公告）", "contingency, announced"),
    "contingency_failure": ("应急（税局故障）", "contingency, authority failure"),
    "offline": ("离线（我方原因）", "offline, our side"),
    "halted": ("停开", "halted"),
}


class Scale:
    """Where an instant lies, from the begin to the end of the picture."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self.first = first
        self.span = max((last - first).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        share = (at - self.first).total_seconds() / self.span
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, share)), 1)


def picture(facts: dict[str, Any]) -> str:
    """`facts`: as `outage_report.facts_of` gives them."""
    stamps = {name: _at(facts[name]) for name in ("begun_at", "back_at", "drained_at", "closed_at", "counted_at")}
    debt = [(_at(at) or stamps["begun_at"], count) for at, count in facts["debt"]]
    begun = stamps["begun_at"]
    assert begun is not None, "an outage has a begin"
    last = max([at for at in stamps.values() if at is not None] + [at for at, _ in debt if at is not None])
    scale = Scale(begun, last)
    parts = [*_bands(facts["modes"], scale, last), *_debt(debt, scale), *_marks(stamps, scale), *_ticks(scale, last)]
    title = "模式与待上传数量随时间的变化 / Modes and documents waiting, over time"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
        + "".join(parts)
        + "</svg>"
    )


def mode_words(mode: str) -> tuple[str, str]:
    return MODES.get(mode, (mode, mode))


def _bands(modes: Sequence[dict[str, Any]], scale: Scale, last: datetime) -> Iterator[str]:
    ends = [*(_at(change["at"]) or last for change in modes[1:]), last]
    for change, end in zip(modes, ends, strict=False):
        start = _at(change["at"]) or scale.first
        x, width = scale.x(start), max(1.5, scale.x(end) - scale.x(start))
        name = change["mode"] if change["mode"] in MODES else "other"
        zh, en = mode_words(change["mode"])
        yield f'<rect class="m-{name}" x="{x}" y="{BAND_TOP}" width="{width:.1f}" height="{BAND}">'
        yield f"<title>{escape(zh)} / {escape(en)}</title></rect>"
        if width > GLYPH * len(zh) + 12:
            yield f'<text class="in" x="{x + 6}" y="{BAND_TOP + 17}">{escape(zh)}</text>'


def _debt(debt: Sequence[tuple[datetime | None, int]], scale: Scale) -> Iterator[str]:
    highest = max([count for _, count in debt] + [2])
    yield f'<line class="axis" x1="{LEFT}" y1="{BOTTOM}" x2="{WIDTH - RIGHT}" y2="{BOTTOM}"/>'
    for share in (0.0, 0.5, 1.0):
        y = BOTTOM - (BOTTOM - TOP) * share
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{round(highest * share):,}</text>'
        yield f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
    points = [(scale.x(at), BOTTOM - (BOTTOM - TOP) * count / highest) for at, count in debt if at is not None]
    if points:
        line = " ".join(f"{x},{y:.1f}" for x, y in points)
        yield f'<polygon class="area" points="{points[0][0]},{BOTTOM} {line} {points[-1][0]},{BOTTOM}"/>'
        yield f'<polyline class="line" points="{line}"/>'
    yield f'<text class="tick" x="{LEFT}" y="{TOP - 8}">待上传（张）/ waiting</text>'


def _marks(stamps: dict[str, datetime | None], scale: Scale) -> Iterator[str]:
    for name, words in (("back_at", "恢复 back"), ("drained_at", "清空 drained")):
        at = stamps[name]
        if at is not None:
            x = scale.x(at)
            anchor = "end" if x > WIDTH / 2 else "start"
            shift, y = (-5 if anchor == "end" else 5), 16 if name == "back_at" else TOP - 8
            yield f'<line class="mark" x1="{x}" y1="{y - 8}" x2="{x}" y2="{BOTTOM}"/>'
            yield f'<text class="label" x="{x + shift}" y="{y}" text-anchor="{anchor}">{words}</text>'


def _ticks(scale: Scale, last: datetime) -> Iterator[str]:
    form = "%m-%d %H:%M" if scale.span > 20 * 3600 else "%H:%M" if scale.span > 1200 else "%H:%M:%S"
    for place in range(TICKS):
        at = scale.first + timedelta(seconds=scale.span * place / (TICKS - 1))
        anchor = {0: "start", TICKS - 1: "end"}.get(place, "middle")
        text = min(at, max(last, scale.first)).astimezone(SHANGHAI).strftime(form)
        yield f'<text class="tick" x="{scale.x(at)}" y="{BOTTOM + 20}" text-anchor="{anchor}">{text}</text>'


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
