"""What stands on a run's page: its rating with intervals, losses, calibration, time, scores, games, config."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import envs
from agents.files import write_atomically
from arena.folders import config_of
from arena.report import alphago
from arena.report.chart import Series, line_chart, number
from arena.report.games import for_viewer, load
from arena.report.parts import (
    VIEWER,
    Row,
    cards,
    chart,
    document,
    duration,
    energy,
    section,
    table,
    text,
    tiles,
)
from arena.settings import kind
from arena.tracking import read_rows
from envs.words import number_of

FILE = "report.html"


def write(run: Path, out: Path | None = None) -> Path:
    """Write the page of the run in the folder `run` to the file or into the folder `out`; where it is.

    ValueError where there is no run, nothing logged yet, or no such place.
    """
    config = config_of(run)
    path = out or run / FILE
    path = path / FILE if path.is_dir() else path
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}: make it, or name another place with --out")
    content = alphago.page(run) if kind(config) == "alphago" else page(run, read(run))
    write_atomically(path, content.encode())
    return path


def read(run: Path) -> list[Row]:
    """The rows of metrics.jsonl. ValueError where there are none."""
    rows = read_rows(run)
    if not rows:
        raise ValueError(f"{run} has logged nothing yet: wait for the end of its first iteration")
    return rows


def page(run: Path, rows: Sequence[Row]) -> str:
    """The page of self-play as HTML."""
    config = config_of(run).read_text()
    settings = yaml.safe_load(config)
    game, network = envs.make(settings["game"]), settings["network"]
    shown = [for_viewer(game, agent, played) for agent, games in load(run).items() for played in games]
    size = f"{number_of(network['blocks'], 'block')} of {number_of(network['channels'], 'channel')}"
    about = f"{game.name} · {network['trunk']} network, {size}"
    sections = [
        _tiles(rows),
        _rating(rows),
        section("Rating list", _ratings(rows)),
        section("Scores against the anchors", _scores(rows)),
        section("League", _league(rows)),
        section("Sample games", VIEWER if shown else ""),
        section("Learning", cards(_learning(rows))),
        section("Speed and time", cards(_speed(rows))),
    ]
    return document(settings["name"], about, sections, shown, config)


def _tiles(rows: Sequence[Row]) -> str:
    last, rated = rows[-1], [row for row in rows if "rating/elo" in row]
    figures = [("iterations", number(last["iteration"])), ("games", number(last["games"]))]
    if rated:
        newest = rated[-1]
        interval = f"{newest['rating/elo_low']:.0f} to {newest['rating/elo_high']:.0f}"
        figures.insert(0, (f"Elo, 95% {interval}", f"{newest['rating/elo']:.0f}"))
    figures += [("positions", number(last["positions"])), ("working time", duration(last["seconds"]))]
    if "footprint/kwh" in last:
        figures.append(("energy, estimated", energy(last["footprint/kwh"])))
    return tiles(figures)


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
        picture = line_chart([Series("Elo", x, *band)], label, "Elo")
        charts.append(f'<div data-axis="{key}"{" hidden" if i else ""}>{picture}</div>')
        checked = " checked" if i == 0 else ""
        inputs.append(f'<label><input type="radio" name="axis" value="{key}"{checked}> {label}</label>')
    body = f'<div class="card rating"><div class="axes">{"".join(inputs)}</div>{"".join(charts)}</div>'
    return section("Elo with its 95% interval", body)


def _ratings(rows: Sequence[Row]) -> str:
    lines = []
    for player, elo, low, high, games, score in _newest_list(rows):
        interval = "fixed" if low == high else f"{low:.0f} to {high:.0f}"
        lines.append((player, f"{elo:.0f}", interval, number(games), f"{100 * score:.1f}%"))
    return table(("player", "Elo", "95%", "games", "score"), lines) if lines else ""


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
        lines.append(f"<tr><td class=left>iteration {row['iteration']}</td>{''.join(cells)}</tr>")
    head = "".join(f"<th>{text(name)}</th>" for name in ("", *names))
    return f'<div class="card"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _league(rows: Sequence[Row]) -> str:
    """Which agents became generations, and how the newest network did against the pool."""
    challenges = [row for row in rows if "league/generations" in row]
    elo = {player: f"{e:.0f} ({low:.0f} to {high:.0f})" for player, e, low, high, *_ in _newest_list(rows)}
    lines, before = [], 0
    for row in challenges:
        name, generations = f"{row['iteration']:06d}", row["league/generations"]
        met = "league/gate_games" in row
        score = (f"{100 * row['league/gate_score']:.1f}%", number(row["league/gate_games"])) if met else ("", "")
        lines.append((name, f"generation {generations}" if generations > before else "no", *score, elo.get(name, "")))
        before = generations
    pool = sorted({key for row in rows for key in row if key.startswith("league/score/")})
    scores = chart(rows, [(key, key.removeprefix("league/score/")) for key in pool], "", percent=True)
    head = ("agent", "became", "score against the last generation", "games", "Elo (95%)")
    return (table(head, lines, left=2) if lines else "") + cards([("Scores against the pool", scores)])


def _newest_list(rows: Sequence[Row]) -> list[list[Any]]:
    """The lines of the newest rating list: player, Elo, its interval, games, score."""
    return next((row["ratings"] for row in reversed(rows) if row.get("ratings")), [])


def _learning(rows: Sequence[Row]) -> list[tuple[str, str]]:
    policy = [("loss/policy", "policy"), ("train/target_entropy", "the search's entropy")]
    value = [("loss/value", "value"), ("loss/ownership", "ownership")]
    errors = [("train/value_calibration", "calibration"), ("train/value_mse", "mean squared error")]
    keeps = [("keep/policy", "raw policy"), ("keep/search", "search")]
    return [
        ("Policy loss, nats", chart(rows, policy, "nats")),
        ("Value loss, nats", chart(rows, value, "nats")),
        ("Value: calibration error and squared error", chart(rows, errors, "", zero=True)),
        ("Moves that keep the exact value", chart(rows, keeps, "", percent=True)),
    ]


def _speed(rows: Sequence[Row]) -> list[tuple[str, str]]:
    speeds = [
        ("selfplay/simulations_per_second", "simulations"),
        ("selfplay/evaluations_per_second", "positions asked about"),
    ]
    phases = sorted({key for row in rows for key in row if key.startswith("phase/")})
    return [
        ("Self-play a second", chart(rows, speeds, "1/s", zero=True)),
        ("Seconds an iteration", chart(rows, [(key, key.removeprefix("phase/")) for key in phases], "s", zero=True)),
    ]
