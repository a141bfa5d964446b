"""For whom is an agent better? How well it predicts recorded moves and results, group by group.

By colour, phase of the game, rank of the player to move and source of the record; and by the symmetries of the board, which
mean nothing to the game and should mean nothing to the network.

Intervals are 95% ones over games, not positions: those of one game share a winner and a style (cluster-robust standard
errors, Liang & Zeger 1986).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import Evaluation, Evaluator
from agents.files import AgentFile
from agents.runtime import TorchRuntime
from arena.study.inspect import BATCH, evaluator
from arena.study.positions import PHASES, Positions
from arena.study.report import Measured, Report, Row, new_figure
from envs import Game, States

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10  # of values, for calibration
FEWEST = 50  # positions of a group that is shown
TURNED = 2000  # positions that the symmetries are measured on
COLOURS = ("first player", "second player")


class Judged(NamedTuple):
    """What an agent says of n positions and how right it is."""

    top1: NDArray[np.float64]  # [n] 1 where the policy's first choice was played
    top5: NDArray[np.float64]  # [n] 1 where one of its first five was
    value: NDArray[np.float64]  # [n] for the side to move
    result: NDArray[np.float64]  # [n] for the side to move; nan where unknown

    @property
    def error(self) -> NDArray[np.float64]:
        """[n] squared error of the value."""
        return np.asarray((self.value - self.result) ** 2)


def judge(evaluation: Evaluation, positions: Positions) -> Judged:
    """Hold an agent's policies and values against what was played and who won."""
    played = evaluation.priors[np.arange(len(positions)), positions.action]
    rank = (evaluation.priors > played[:, None]).sum(axis=1)
    return Judged(
        (rank == 0).astype(np.float64),
        (rank < 5).astype(np.float64),
        evaluation.values.astype(np.float64),
        positions.result.astype(np.float64),
    )


def clustered_mean(x: NDArray[np.float64], cluster: NDArray[np.int64]) -> Measured:
    """Mean of `x` [n] and half its 95% interval, rows of one `cluster` [n] taken as one observation; nan is left out.

    >>> clustered_mean(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0, 0, 1, 1]))  # every game has the same mean
    Measured(value=0.5, error=0.0)
    """
    known = ~np.isnan(x)
    x, cluster = x[known], cluster[known]
    if not len(x):
        return Measured(float("nan"), float("nan"))
    mean = x.mean()
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, x - mean)
    return Measured(float(mean), float(1.96 * np.sqrt((sums**2).sum()) / len(x)))


def calibration(value: NDArray[np.float64], result: NDArray[np.float64]) -> NDArray[np.float64]:
    """[bins, 3] mean value, mean result and count of equal-width bins of value, nan in empty ones; without unknown results."""
    known = ~np.isnan(result)
    value, result = value[known], result[known]
    index = np.clip(((value + 1) / 2 * BINS).astype(np.int64), 0, BINS - 1)
    count = np.bincount(index, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(index, x, BINS) / count for x in (value, result)]
    return np.stack([*means, count], axis=1)


def calibration_error(value: NDArray[np.float64], result: NDArray[np.float64]) -> float:
    """Expected calibration error: mean |value - result| of the bins, weighted by their counts (Naeini et al. 2015)."""
    table = calibration(value, result)
    table = table[table[:, 2] > 0]
    return float(np.average(np.abs(table[:, 0] - table[:, 1]), weights=table[:, 2])) if len(table) else float("nan")


def rank_band(text: str) -> tuple[int, str]:
    """A rank as files write it, in bands: a number to sort by, weak to strong, and the band's name.

    >>> [rank_band(text)[1] for text in ("25k", "3d", "12d", "9p", "2413", "?")]
    ['20-30 kyu', '1-3 dan', '7+ dan', 'professional', 'rated 2400-2599', 'unknown']
    """
    if found := re.fullmatch(r"(\d{1,2})\s*([kdp])\w*", text.strip().lower()):
        number, kind = int(found[1]), found[2]
        if kind == "p":
            return 60, "professional"
        if kind == "d":
            return (50, "1-3 dan") if number < 4 else (51, "4-6 dan") if number < 7 else (52, "7+ dan")
        return (32, "1-9 kyu") if number < 10 else (31, "10-19 kyu") if number < 20 else (30, "20-30 kyu")
    if re.fullmatch(r"\d{3,4}", text.strip()):
        low = int(text) // 200 * 200
        return 1000 + low, f"rated {low}-{low + 199}"
    return 0, "unknown"


def groups(positions: Positions) -> dict[str, list[tuple[str, NDArray[np.bool_]]]]:
    """For every theme its groups in order: a name and the rows [n] that belong to it. Groups below `FEWEST` are left out."""
    to_play = positions.states["to_play"].astype(np.int64)
    headers = [record.headers for record in positions.records]
    ranks = np.array([[rank_band(h.get(key, ""))[0] for key in ("first_rank", "second_rank")] for h in headers])
    names = dict(rank_band(h.get(key, "")) for h in headers for key in ("first_rank", "second_rank"))
    rank = ranks[positions.number, to_play]
    sources = np.array([h.get("source", "unknown") for h in headers])
    source = sources[positions.number]
    found = {
        "colour": [(name, to_play == i) for i, name in enumerate(COLOURS)],
        "phase": [(name, positions.phase == i) for i, name in enumerate(PHASES)],
        "rank": [(names[key], rank == key) for key in sorted(names)],
        "source": [(str(name), source == name) for name in np.unique(sources)],
    }
    kept = {theme: [(name, rows) for name, rows in parts if rows.sum() >= FEWEST] for theme, parts in found.items()}
    return {theme: parts for theme, parts in kept.items() if len(parts) > 1}


def group_row(theme: str, name: str, judged: Judged, positions: Positions) -> Row:
    """One line of the table: how good the agent is there."""
    number = positions.number
    return {
        "group": f"{theme}: {name}" if theme else name,
        "positions": len(positions),
        "top 1": clustered_mean(judged.top1, number),
        "top 5": clustered_mean(judged.top5, number).value,
        "MSE": clustered_mean(judged.error, number),
        "lean": clustered_mean(judged.value - judged.result, number),
        "ECE": calibration_error(judged.value, judged.result),
    }


class Symmetry(NamedTuple):
    """What an agent says of n positions, turned in each of S ways and its answers turned back."""

    priors: NDArray[np.float32]  # [S, n, A]
    values: NDArray[np.float32]  # [S, n]


def turned(game: Game, agent: AgentFile, states: States) -> Symmetry:
    """The agent's answers under every symmetry of the board."""
    runtime = TorchRuntime(game, agent.network)
    runtime.load(agent.weights)
    points, actions = game.symmetries
    back = np.argsort(actions, axis=1)
    planes, legal = game.observe(states), game.legal(states)
    n, c, h, w = planes.shape
    priors, values = np.zeros((len(points), *legal.shape), np.float32), np.zeros((len(points), n), np.float32)
    for s in range(len(points)):
        for i in range(0, n, BATCH):
            part = slice(i, i + BATCH)
            rows = planes[part].reshape(-1, c, h * w)[:, :, points[s]].reshape(-1, c, h, w)
            seen = runtime.evaluate(np.ascontiguousarray(rows), legal[part][:, actions[s]])
            priors[s, part], values[s, part] = seen.priors[:, back[s]], seen.values
    return Symmetry(priors, values)


def symmetry_rows(seen: Symmetry, positions: Positions) -> list[Row]:
    """How much the answers depend on how the board is held, and what their mean is worth."""
    mean = Evaluation(seen.priors.mean(axis=0), seen.values.mean(axis=0))
    one, all_of = judge(Evaluation(seen.priors[0], seen.values[0]), positions), judge(mean, positions)
    same = (seen.priors[1:].argmax(axis=2) == seen.priors[0].argmax(axis=1)).mean(axis=0)
    apart = np.abs(seen.priors - mean.priors).sum(axis=2).mean(axis=0) / 2
    number = positions.number

    def row(name: str, figures: NDArray[np.float64]) -> Row:
        return {"measure": name, "value": clustered_mean(figures.astype(np.float64), number)}

    return [
        row("turned boards with the same first choice, share", same),
        row("policy's distance from its mean over symmetries (total variation)", apart),
        row("value's standard deviation over symmetries", seen.values.std(axis=0)),
        row("top 1 of the board as it is", one.top1),
        row("top 1 of the mean over symmetries", all_of.top1),
        row("MSE of the value of the board as it is", one.error),
        row("MSE of the mean over symmetries", all_of.error),
    ]


def study(agent: AgentFile, positions: Positions, report: Report, *, seed: int) -> None:
    """Measure the agent on `positions`, in all and group by group."""
    evaluate: Evaluator = evaluator(agent)
    judged = judge(evaluate(positions.states), positions)
    rows = [group_row("", "all", judged, positions)]
    found = groups(positions)
    for theme, parts in found.items():
        for name, mine in parts:
            part = Judged(*(column[mine] for column in judged))
            rows.append(group_row(theme, name, part, positions[mine]))
    report.picture(
        "groups",
        _points(rows),
        "Group by group",
        "How often the policy's first choice was played, and how far the value leans: above 0 it expects more than what came. "
        "Lines are 95% intervals over games; the dashed line is the mean of all.",
    )
    report.table(
        "groups",
        rows,
        "Policy and value, group by group",
        "Top 1 and top 5: share of positions whose move was the policy's first choice, or among its first five. MSE: of the "
        "value against the result, both in [-1, 1]. Lean: mean value less mean result, for the side to move. ECE: expected "
        "calibration error, ten bins. After ±: half the 95% interval. Rank is that of the player to move.",
    )
    report.picture(
        "calibration",
        _reliability(judged, found),
        "Calibration of the value",
        "On the diagonal a value of 0.5 wins 75% of the games. Bins with fewer than 20 positions are left out.",
    )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(positions))[:TURNED])
    some = positions[chosen]
    seen = turned(agent.game, agent, some.states)
    report.table(
        "symmetry",
        symmetry_rows(seen, some),
        "Does it matter how the board is held?",
        f"{len(some):,} positions, turned in all {len(seen.values)} ways that leave the rules as they are. A network that had "
        "learned the symmetry in full would have 1, 0 and 0 in the first three lines.",
    )
    report.figures(
        {
            "bias/top1": float(judged.top1.mean()),
            "bias/value_mse": float(np.nanmean(judged.error)),
            "bias/lean": float(np.nanmean(judged.value - judged.result)),
            "bias/calibration": calibration_error(judged.value, judged.result),
        }
    )
    for theme, parts in found.items():
        shares = [float(judged.top1[mine].mean()) for _, mine in parts]
        report.figures({f"bias/spread/{theme}": max(shares) - min(shares)})


def _points(rows: Sequence[Row]) -> Figure:
    """Top 1 and lean of every group, side by side."""
    names = [str(row["group"]) for row in rows]
    figure = new_figure(10, 1.2 + 0.28 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    at = -np.arange(len(rows))
    for axis, key, label in ((left, "top 1", "first choice played, share"), (right, "lean", "value less result")):
        cells = [cell for row in rows if isinstance(cell := row[key], Measured)]
        values, errors = zip(*cells, strict=True)
        axis.errorbar(values, at, xerr=errors, fmt="o", color="#1f5fa8", capsize=3)
        axis.axvline(values[0] if key == "top 1" else 0, linestyle="--", color="0.6")
        axis.set(xlabel=label)
        axis.grid(axis="x", alpha=0.3)
    left.set_yticks(at, names)
    return figure


def _reliability(judged: Judged, found: dict[str, list[tuple[str, NDArray[np.bool_]]]]) -> Figure:
    """A panel a theme: mean result over mean value of the bins."""
    themes = {"all": [("all", np.ones(len(judged.value), np.bool_))]} | {
        theme: parts for theme, parts in found.items() if theme in ("colour", "phase")
    }
    figure = new_figure(3.5 * len(themes), 3.6)
    for axis, (theme, parts) in zip(figure.subplots(1, len(themes), squeeze=False)[0], themes.items(), strict=True):
        axis.plot([-1, 1], [-1, 1], color="0.6", linestyle="--")
        for name, mine in parts:
            table = calibration(judged.value[mine], judged.result[mine])
            table = table[table[:, 2] >= 20]
            axis.plot(table[:, 0], table[:, 1], marker="o", markersize=4, label=name)
        axis.set(title=theme, xlabel="value", ylabel="mean result", xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
        axis.grid(alpha=0.3)
        if len(parts) > 1:
            axis.legend(fontsize=8)
    return figure
