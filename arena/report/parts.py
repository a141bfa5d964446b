"""What the pages of all runs are made of: the document, its sections, tiles, tables, charts, and the viewer of games."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from arena.report.chart import Series, line_chart

MOST_GAMES = 24  # in the viewer, the newest
Row = dict[str, Any]
_BUTTONS = (("start", "Home", "«"), ("back", "Left", "◀"), ("on", "Right", "▶"), ("end", "End", "»"))
VIEWER = (
    '<div class="viewer"><div><select aria-label="game"></select><div class="board"></div><div class="buttons">'
    + "".join(f'<button class="{c}" title="{key}" aria-label="{c}">{sign}</button>' for c, key, sign in _BUTTONS)
    + '<span class="ply"></span></div></div><div><p class="seat"></p><div class="moves"></div></div></div>'
)


def document(name: str, about: str, sections: Sequence[str], games: Sequence[Row], config: str) -> str:
    """The page: `sections` one below the other, `games` for the viewer, and what is in config.yaml."""
    files = resources.files("arena.report")
    data = json.dumps(games[-MOST_GAMES:], separators=(",", ":")).replace("</", "<\\/")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(name)}</title>'
        f"<style>{files.joinpath('page.css').read_text()}</style></head><body>"
        f'<h1>{text(name)}</h1><p class="sub">{text(about)}</p>{"".join(sections)}'
        f"<h2>Config</h2><details><summary>config.yaml, every default written out</summary><pre>{text(config)}</pre></details>"
        f'<script type="application/json" id="games">{data}</script>'
        f"<script>{files.joinpath('page.js').read_text()}</script></body></html>\n"
    )


def section(title: str, body: str) -> str:
    """A heading and what it is about; nothing where there is nothing."""
    return f"<h2>{text(title)}</h2>{body}" if body else ""


def paragraph(words: str) -> str:
    return f'<p class="note">{text(words)}</p>'


def tiles(figures: Sequence[tuple[str, str]]) -> str:
    """(label, figure) in a row."""
    cells = "".join(
        f'<div class="tile"><b>{text(value)}</b><span>{text(label)}</span></div>' for label, value in figures
    )
    return f'<div class="tiles">{cells}</div>'


def cards(charts: Sequence[tuple[str, str]]) -> str:
    """Charts side by side under their titles, without those that are empty."""
    shown = [f'<div class="card"><h3>{text(title)}</h3>{chart}</div>' for title, chart in charts if chart]
    return f'<div class="cards">{"".join(shown)}</div>' if shown else ""


def table(head: Sequence[str], lines: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table in a card; its `left` first columns are of words, the others of figures."""
    rows = "".join(
        f"<tr>{''.join(_cell(tag, cell, i < left) for i, cell in enumerate(line))}</tr>"
        for tag, line in (("th", head), *(("td", line) for line in lines))
    )
    return f'<div class="card"><table>{rows}</table></div>'


def _cell(tag: str, words: str, left: bool) -> str:
    return f"<{tag}{' class=left' if left else ''}>{text(words)}</{tag}>"


def series(rows: Sequence[Row], key: str, name: str, x: str = "iteration", unit: float = 1) -> Series:
    """The rows' `key` over their `x`, which is divided by `unit`; rows that lack either are left out."""
    known = [row for row in rows if all(isinstance(row.get(k), int | float) for k in (x, key))]
    return Series(name, [row[x] / unit for row in known], [float(row[key]) for row in known])


def chart(
    rows: Sequence[Row], keys: Sequence[tuple[str, str]], label: str, *, zero: bool = False, percent: bool = False
) -> str:
    """The metrics `keys`, (key, name), over iterations."""
    return line_chart([series(rows, *key) for key in keys], "iterations", label, zero=zero, percent=percent)


def energy(kwh: float) -> str:
    """An energy as people write it.

    >>> energy(0.000042), energy(0.0021), energy(1.234)
    ('0.042 Wh', '2.1 Wh', '1.23 kWh')
    """
    if kwh >= 1:
        return f"{kwh:.2f} kWh"
    return f"{1000 * kwh:.1f} Wh" if kwh >= 0.001 else f"{1000 * kwh:.2g} Wh"


def duration(seconds: float) -> str:
    """A time as people write it.

    >>> duration(12), duration(130), duration(3725)
    ('12 s', '2 min', '1 h 02 min')
    """
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def text(words: object) -> str:
    return html.escape(str(words), quote=True)
