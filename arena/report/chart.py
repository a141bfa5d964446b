"""Charts as inline SVG: axes with round ticks, lines with bands for intervals, intervals in a row, a tooltip on every point.

Colours come from the page; `standalone` makes a file of its own of a chart.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 12, 40
LETTER = 7  # a name's letter is about as wide
COLOURS = 6  # that the page has names for: --c0 to --c5


class Series(NamedTuple):
    """One line. Points whose y is not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()  # of a band around it, if there is one
    high: Sequence[float] = ()


class Level(NamedTuple):
    """A figure from elsewhere to compare with: a dashed line across the chart."""

    name: str
    y: float


class Interval(NamedTuple):
    """An estimate between the ends of its interval."""

    name: str
    value: float
    low: float
    high: float
    mark: float | None = None  # the same figure from elsewhere, where there is one


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """About so many round numbers from `low` to `high`.

    >>> ticks(0, 23)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    >>> ticks(0.62, 0.71)
    [0.62, 0.64, 0.66, 0.68, 0.7]
    """
    rough = (high - low) / wanted
    if rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Ticks as people write them, with as many decimals as tell them apart.

    >>> tick_labels([0.6965, 0.697, 0.6975]), tick_labels([0.0, 2.5]), tick_labels([1000.0])
    (['0.6965', '0.6970', '0.6975'], ['0.0', '2.5'], ['1,000'])
    """
    decimals = max((len(f"{value:.10f}".rstrip("0").partition(".")[2]) for value in values), default=0)
    return [f"{value:,.{decimals}f}" for value in values]


def line_chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    levels: Sequence[Level] = (),
    zero: bool = False,
    percent: bool = False,
) -> str:
    """The chart as SVG; an empty string where there is nothing to draw. `zero`: the y axis begins at 0 (`percent`: shares)."""
    lines = [_finite(s) for s in series]
    lines = [line for line in lines if line.x]
    if not lines:
        return ""
    x_low, x_high = min(min(s.x) for s in lines), max(max(s.x) for s in lines)
    ys = [y for s in lines for y in (*s.y, *s.low, *s.high)] + [level.y for level in levels]
    y_low, y_high = (0.0 if zero else min(ys)), max(ys)
    margin = 0.06 * ((y_high - y_low) or abs(y_high) or 1.0)
    y_low, y_high = (y_low if zero else y_low - margin), y_high + margin
    if percent:
        y_low, y_high = max(y_low, 0.0), min(y_high, 1.0 + margin / 3)
    x_high = x_high if x_high > x_low else x_low + 1

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(y_label)} over {_text(x_label)}">']
    marked = ticks(y_low, y_high)
    for y, label in zip(marked, tick_labels(marked), strict=True):
        _, v = at(x_low, y)
        label = f"{100 * y:g}%" if percent else label
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{v}" y2="{v}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{v + 4}" text-anchor="end">{label}</text>')
    whole = all(x == round(x) for s in lines for x in s.x)
    marked = [x for x in ticks(x_low, x_high, 6) if not whole or x == round(x)]
    for x, label in zip(marked, tick_labels(marked), strict=True):
        u, _ = at(x, y_low)
        parts.append(f'<text class="tick" x="{u}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{_text(x_label)}</text>')
    for level in levels:
        _, v = at(x_low, level.y)
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{v}" y2="{v}"/>')
        parts.append(
            f'<text class="level" x="{WIDTH - RIGHT}" y="{v - 4}" text-anchor="end">{_text(level.name)}</text>'
        )
    for i, s in enumerate(lines):
        colour = f"var(--c{i % COLOURS})"
        if s.low:
            edge = [at(x, y) for x, y in zip(s.x, s.high, strict=True)]
            edge += reversed([at(x, y) for x, y in zip(s.x, s.low, strict=True)])
            parts.append(f'<polygon class="band" style="fill:{colour}" points="{_points(edge)}"/>')
        places = [at(x, y) for x, y in zip(s.x, s.y, strict=True)]
        parts.append(f'<polyline class="line" style="stroke:{colour}" points="{_points(places)}"/>')
        for (u, v), x, y, j in zip(places, s.x, s.y, range(len(s.x)), strict=True):
            shown = f"{100 * y:.1f}%" if percent else number(y)
            interval = f" ({number(s.low[j])} to {number(s.high[j])})" if s.low else ""
            tip = _text(f"{s.name}: {shown}{interval} at {number(x)} {x_label}")
            parts.append(
                f'<circle class="dot" style="fill:{colour}" cx="{u}" cy="{v}" r="3"><title>{tip}</title></circle>'
            )
    parts.append("</svg>")
    return _legend(lines) + "".join(parts)


def interval_chart(rows: Sequence[Interval], x_label: str, *, mark: str = "") -> str:
    """Estimates below one another with their intervals, as SVG; an empty string for none. `mark`: what diamonds stand for."""
    if not rows:
        return ""
    left, step = min(10 + LETTER * max(len(row.name) for row in rows), WIDTH // 2), 24
    height = TOP + step * len(rows) + BOTTOM
    values = [x for row in rows for x in (row.low, row.high, *([] if row.mark is None else [row.mark]))]
    low, high = min(values), max(values)
    margin = 0.04 * ((high - low) or 1.0)
    low, high = low - margin, high + margin

    def at(x: float) -> float:
        return round(left + (x - low) / (high - low) * (WIDTH - left - RIGHT), 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{_text(x_label)}">']
    marked = ticks(low, high, 6)
    for x, label in zip(marked, tick_labels(marked), strict=True):
        parts.append(f'<line class="grid" x1="{at(x)}" x2="{at(x)}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{at(x)}" y="{height - BOTTOM + 16}" text-anchor="middle">{label}</text>')
    label = f"{x_label}; diamonds: {mark}" if mark else x_label
    parts.append(f'<text class="axis" x="{WIDTH / 2}" y="{height - 6}" text-anchor="middle">{_text(label)}</text>')
    for i, row in enumerate(rows):
        y = TOP + step * (i + 0.5)
        tip = f"{row.name}: {number(row.value)} ({number(row.low)} to {number(row.high)})"
        parts.append(f'<text class="tick" x="{left - 10}" y="{y + 4}" text-anchor="end">{_text(row.name)}</text>')
        parts.append(
            f'<line class="line" style="stroke:var(--c0)" x1="{at(row.low)}" x2="{at(row.high)}" y1="{y}" y2="{y}"/>'
        )
        parts.append(
            f'<circle class="dot" style="fill:var(--c0)" cx="{at(row.value)}" cy="{y}" r="4"><title>{_text(tip)}</title></circle>'
        )
        if row.mark is not None:
            x = at(row.mark)
            points = _points([(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)])
            tip = f"{row.name}: {mark} {number(row.mark)}"
            parts.append(f'<polygon class="mark" points="{points}"><title>{_text(tip)}</title></polygon>')
    parts.append("</svg>")
    return "".join(parts)


STYLE = (
    "svg{--c0:#2563eb;background:#fff;font:12px sans-serif}.grid{stroke:#e2e2e2}.tick{fill:#333}.axis{fill:#555}"
    ".line{fill:none;stroke-width:2}.mark{fill:none;stroke:#c2410c;stroke-width:1.5}"
)


def standalone(chart: str) -> str:
    """One SVG chart as a file of its own, with its own colours."""
    head, tag, rest = chart.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"{tag}<style>{STYLE}</style>{rest}\n'


def number(value: float) -> str:
    """A number as people write it.

    >>> [number(v) for v in (1234567.0, 1280.83, 12.5, 0.3333)]
    ['1,234,567', '1,281', '12.5', '0.333']
    """
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == round(value) else f"{value:.3g}"


def _legend(lines: Sequence[Series]) -> str:
    if len(lines) < 2:
        return ""
    names = (
        f'<span><i style="background:var(--c{i % COLOURS})"></i>{_text(s.name)}</span>' for i, s in enumerate(lines)
    )
    return f'<p class="legend">{"".join(names)}</p>'


def _finite(series: Series) -> Series:
    keep = [i for i, y in enumerate(series.y) if math.isfinite(y)]
    columns = ([column[i] for i in keep] if column else () for column in series[1:])
    return Series(series.name, *columns)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{u},{v}" for u, v in places)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
