"""Line charts as inline SVG: axes with round ticks, bands for intervals, a tooltip on every point. Colours come from the page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 40
COLOURS = 6  # that the page has names for: --c0 to --c5


class Series(NamedTuple):
    """One line. Points whose y is not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()  # of a band around it, if there is one
    high: Sequence[float] = ()


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


def line_chart(
    series: Sequence[Series], x_label: str, y_label: str, *, zero: bool = False, percent: bool = False
) -> str:
    """The chart as SVG; an empty string where there is nothing to draw. `zero`: the y axis begins at 0 (`percent`: shares)."""
    lines = [_finite(s) for s in series]
    lines = [line for line in lines if line.x]
    if not lines:
        return ""
    x_low, x_high = min(min(s.x) for s in lines), max(max(s.x) for s in lines)
    ys = [y for s in lines for y in (*s.y, *s.low, *s.high)]
    y_low, y_high = (0.0 if zero else min(ys)), max(ys)
    margin = 0.06 * ((y_high - y_low) or abs(y_high) or 1.0)
    y_low, y_high = (y_low if zero else y_low - margin), y_high + margin
    if percent:
        y_high = min(y_high, 1.0 + margin / 3)
    x_high = x_high if x_high > x_low else x_low + 1

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(down, 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(y_label)} over {_text(x_label)}">']
    for y in ticks(y_low, y_high):
        _, v = at(x_low, y)
        label = f"{100 * y:g}%" if percent else number(y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{v}" y2="{v}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{v + 4}" text-anchor="end">{label}</text>')
    for x in ticks(x_low, x_high, 6):
        u, _ = at(x, y_low)
        parts.append(f'<text class="tick" x="{u}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(x)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{_text(x_label)}</text>')
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
