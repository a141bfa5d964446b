"""What stands on a run's page: its rating with intervals, losses, calibration, time, scores, games, config."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import envs
from agents.files import write_atomically
from arena.report.chart import Series, line_chart, number
from arena.report.games import for_viewer, load

FILE = "report.html"
MOST_GAMES = 24  # in the viewer, of the newest agents
Row = dict[str, Any]


def write(run: Path, out: Path | None = None) -> Path:
    """Write the page of the run in the folder `run`; where it is. ValueError where there is no run, or nothing logged yet."""
    rows = read(run)
    path = out or run / FILE
    write_atomically(path, page(run, rows).encode())
    return path


def read(run: Path) -> list[Row]:
    """The rows of metrics.jsonl; half a line at its end is left out."""
    file = run / "metrics.jsonl"
    if not (run / "config.yaml").exists():
        raise ValueError(f"{run} is no run: name the folder that `arena train` made, such as runs/connect_four")
    rows = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    if not rows:
        raise ValueError(f"{run} has logged nothing yet: wait for the end of its first iteration")
    return rows


def page(run: Path, rows: Sequence[Row]) -> str:
    """The page as HTML."""
    config = (run / "config.yaml").read_text()
    name = _setting(config, "name") or run.name
    game = envs.make(_setting(config, "game"))
    files = resources.files("arena.report")
    shown = [for_viewer(game, agent, played) for agent, games in load(run).items() for played in games][-MOST_GAMES:]
    sections = [
        _tiles(rows),
        _rating(rows),
        _section("Rating list", _ratings(rows)),
        _section("Scores against the anchors", _scores(rows)),
        _section("Sample games", VIEWER if shown else ""),
        _section("Learning", _cards(_learning(rows))),
        _section("Speed and time", _cards(_speed(rows))),
        f"<h2>Config</h2><details><summary>config.yaml, every default written out</summary><pre>{_text(config)}</pre></details>",
    ]
    data = json.dumps(shown, separators=(",", ":")).replace("</", "<\\/")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{_text(name)}</title>'
        f"<style>{files.joinpath('page.css').read_text()}</style></head><body>"
        f'<h1>{_text(name)}</h1><p class="sub">{_text(game.name)} · {_network(config)}</p>{"".join(sections)}'
        f'<script type="application/json" id="games">{data}</script>'
        f"<script>{files.joinpath('page.js').read_text()}</script></body></html>\n"
    )


_BUTTONS = (("start", "Home", "«"), ("back", "Left", "◀"), ("on", "Right", "▶"), ("end", "End", "»"))
VIEWER = (
    '<div class="viewer"><div><select aria-label="game"></select><div class="board"></div><div class="buttons">'
    + "".join(f'<button class="{c}" title="{key}" aria-label="{c}">{sign}</button>' for c, key, sign in _BUTTONS)
    + '<span class="ply"></span></div></div><div><p class="seat"></p><div class="moves"></div></div></div>'
)


def _tiles(rows: Sequence[Row]) -> str:
    last, rated = rows[-1], [row for row in rows if "rating/elo" in row]
    tiles = [("iterations", number(last["iteration"])), ("games", number(last["games"]))]
    if rated:
        newest = rated[-1]
        interval = f"{newest['rating/elo_low']:.0f} to {newest['rating/elo_high']:.0f}"
        tiles.insert(0, (f"Elo, 95% {interval}", f"{newest['rating/elo']:.0f}"))
    tiles += [("positions", number(last["positions"])), ("working time", _duration(last["seconds"]))]
    if "footprint/kwh" in last:
        tiles.append(("energy, estimated", f"{1000 * last['footprint/kwh']:.1f} Wh"))
    cells = "".join(
        f'<div class="tile"><b>{_text(value)}</b><span>{_text(label)}</span></div>' for label, value in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _rating(rows: Sequence[Row]) -> str:
    """Elo with its interval, over whichever axis is chosen."""
    rated = [row for row in rows if "rating/elo" in row]
    if not rated:
        return ""
    axes = [
        ("iteration", "iterations", 1.0),
        ("games", "games", 1.0),
        ("positions", "positions", 1.0),
        ("seconds", "minutes", 60),
        ("footprint/kwh", "Wh", 1e-3),
    ]
    axes = [axis for axis in axes if all(axis[0] in row for row in rated)]  # energy is not estimated in every run
    charts, inputs = [], []
    for i, (key, label, unit) in enumerate(axes):
        x = [row[key] / unit for row in rated]
        band = ([row[f"rating/elo{end}"] for row in rated] for end in ("", "_low", "_high"))
        chart = line_chart([Series("Elo", x, *band)], label, "Elo")
        charts.append(f'<div data-axis="{key}"{" hidden" if i else ""}>{chart}</div>')
        checked = " checked" if i == 0 else ""
        inputs.append(f'<label><input type="radio" name="axis" value="{key}"{checked}> {label}</label>')
    body = f'<div class="card rating"><div class="axes">{"".join(inputs)}</div>{"".join(charts)}</div>'
    return _section("Elo with its 95% interval", body)


def _ratings(rows: Sequence[Row]) -> str:
    rated = [row for row in rows if row.get("ratings")]
    if not rated:
        return ""
    lines = []
    for player, elo, low, high, games, score in rated[-1]["ratings"]:
        interval = "fixed" if low == high else f"{low:.0f} to {high:.0f}"
        lines.append((player, f"{elo:.0f}", interval, number(games), f"{100 * score:.1f}%"))
    return _table(("player", "Elo", "95%", "games", "score"), lines)


def _scores(rows: Sequence[Row]) -> str:
    """A row an agent, a column an anchor, blue where it wins and orange where it loses."""
    rated = [row for row in rows if "rating/elo" in row]
    names = [
        key.removeprefix("rating/score/") for key in (rated[-1] if rated else {}) if key.startswith("rating/score/")
    ]
    if not names:
        return ""
    lines = []
    for row in rated:
        cells = []
        for name in names:
            score = row.get(f"rating/score/{name}", math.nan)
            colour, strength = ("good" if score >= 0.5 else "bad"), abs(score - 0.5) * 1.2
            style = f"background:rgba(var(--{colour}), {strength:.2f})" if math.isfinite(score) else ""
            cells.append(f'<td style="{style}">{100 * score:.0f}%</td>' if math.isfinite(score) else "<td></td>")
        lines.append(f"<tr><td>iteration {row['iteration']}</td>{''.join(cells)}</tr>")
    head = "".join(f"<th>{_text(name)}</th>" for name in ("", *names))
    return f'<div class="card"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _learning(rows: Sequence[Row]) -> list[tuple[str, str]]:
    policy = [("loss/policy", "policy"), ("train/target_entropy", "the search's entropy")]
    value = [("loss/value", "value"), ("loss/ownership", "ownership")]
    errors = [("train/value_calibration", "calibration"), ("train/value_mse", "mean squared error")]
    keeps = [("keep/policy", "raw policy"), ("keep/search", "search")]
    return [
        ("Policy loss, nats", _chart(rows, policy, "nats")),
        ("Value loss, nats", _chart(rows, value, "nats")),
        ("Value: calibration error and squared error", _chart(rows, errors, "", zero=True)),
        ("Moves that keep the exact value", _chart(rows, keeps, "", percent=True)),
    ]


def _speed(rows: Sequence[Row]) -> list[tuple[str, str]]:
    speeds = [
        ("selfplay/simulations_per_second", "simulations"),
        ("selfplay/evaluations_per_second", "positions asked about"),
    ]
    phases = sorted({key for row in rows for key in row if key.startswith("phase/")})
    return [
        ("Self-play a second", _chart(rows, speeds, "1/s", zero=True)),
        ("Seconds an iteration", _chart(rows, [(key, key.removeprefix("phase/")) for key in phases], "s", zero=True)),
    ]


def _chart(
    rows: Sequence[Row], keys: Sequence[tuple[str, str]], label: str, *, zero: bool = False, percent: bool = False
) -> str:
    series = []
    for key, name in keys:
        known = [row for row in rows if isinstance(row.get(key), int | float)]
        series.append(Series(name, [row["iteration"] for row in known], [float(row[key]) for row in known]))
    return line_chart(series, "iterations", label, zero=zero, percent=percent)


def _cards(charts: Sequence[tuple[str, str]]) -> str:
    cards = (f'<div class="card"><h3>{_text(title)}</h3>{chart}</div>' for title, chart in charts if chart)
    return f'<div class="cards">{"".join(cards)}</div>'


def _section(title: str, body: str) -> str:
    return f"<h2>{_text(title)}</h2>{body}" if body else ""


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in line)}</tr>" for line in lines)
    return f'<div class="card"><table><tr>{top}</tr>{body}</table></div>'


def _setting(config: str, key: str) -> str:
    """A top-level setting of config.yaml that is text."""
    found = next((line for line in config.splitlines() if line.startswith(f"{key}:")), "")
    return found.partition(":")[2].strip().strip("'\"")


def _network(config: str) -> str:
    import yaml

    network = yaml.safe_load(config).get("network", {})
    return f"{network.get('trunk', '')} network, {network.get('blocks', '?')} blocks of {network.get('channels', '?')} channels"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{minutes // 60} h {minutes % 60:02d} min"
        if minutes >= 60
        else f"{minutes} min"
        if minutes
        else f"{seconds:.0f} s"
    )


def _text(text: object) -> str:
    return html.escape(str(text), quote=True)
