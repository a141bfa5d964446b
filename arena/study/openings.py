"""How recorded games begin, sorted without being told how: clusters of openings, their typical boards and who wins them.

The board after `PLIES` moves, turned to the one of its symmetries whose moves come first in order, is embedded: by the network
of an agent (the trunk's features) or, without one, by the stones themselves, brought down to principal components. k-means
(Lloyd 1982, seeded as by Arthur & Vassilvitskii 2007) sorts the boards; the silhouette (Rousseeuw 1987) says how far apart
the clusters are: 1 far, 0 not at all. A cluster is shown by its commonest board, and named after the moves most of its games
begin with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist

from agents.files import AgentFile
from arena.study.bias import clustered_mean
from arena.study.boards import draw
from arena.study.inspect import load_network
from arena.study.neighbours import Vectors, principal, stones, trunk_vectors
from arena.study.report import Measured, Report, Row, new_figure
from envs import Game, States
from envs.game import move_names
from envs.records import GameRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLIES = 8  # moves of an opening
COMPONENTS = 16  # numbers of an opening's embedding
RESTARTS = 8  # of k-means, the best is kept
NAMED = 3  # moves in a cluster's name
JUDGED = 2000  # openings that the silhouette is taken of


class Openings(NamedTuple):
    """n games after their first moves, all turned the same way."""

    moves: NDArray[np.int64]  # [n, plies]
    states: States  # [n]
    result: NDArray[np.float64]  # [n] for the first player; nan where unknown


class Clusters(NamedTuple):
    centres: NDArray[np.float64]  # [k, d], the largest cluster first
    label: NDArray[np.int64]  # [n]


def opened(game: Game, records: Sequence[GameRecord], plies: int) -> Openings:
    """The openings of those of `records` that are longer than `plies` moves. ValueError where there are none."""
    long = [record for record in records if len(record.actions) > plies]
    if not long:
        raise ValueError(f"no game is longer than {plies} moves: choose fewer with --plies")
    moves = canonical(game, np.array([record.actions[:plies] for record in long], np.int64))
    states = game.reset(len(long))
    for action in moves.T:
        states = game.step(states, action)
    result = np.array([np.nan if record.result is None else record.result for record in long])
    return Openings(moves, states, result)


def canonical(game: Game, moves: NDArray[np.int64]) -> NDArray[np.int64]:
    """`moves` [n, t], each line turned by the symmetry that makes it the first in order of actions."""
    inverse = np.argsort(game.symmetries.actions, axis=1)
    turned = inverse[:, moves]  # [S, n, t]
    order = np.lexsort([turned[:, :, t] for t in reversed(range(turned.shape[2]))], axis=0)
    return np.asarray(turned[order[0], np.arange(len(moves))])


def embed(game: Game, states: States, agent: AgentFile | None) -> Vectors:
    """[n, COMPONENTS] what the agent's trunk, or without one the board itself, says of each position."""
    if agent is not None:
        return principal(trunk_vectors(agent, load_network(agent).trunk, states)[1], COMPONENTS)
    return principal(stones(game, states), COMPONENTS)


def cluster(x: Vectors, k: int, seed: int) -> Clusters:
    """k-means of rows x [n, d]: the best of `RESTARTS`, clusters by size. ValueError where there are too few different rows."""
    if len(np.unique(x, axis=0)) < k:
        raise ValueError(f"there are fewer than {k} different openings: choose fewer with --clusters")
    data, rng = x.astype(np.float64), np.random.default_rng(seed)
    best, least = None, np.inf
    for _ in range(RESTARTS):
        centres, label = kmeans2(data, k, minit="++", rng=rng)
        spread = float(((data - centres[label]) ** 2).sum())
        if spread < least:
            best, least = (centres, label), spread
    assert best is not None
    centres, label = best
    order = np.argsort(-np.bincount(label, minlength=k))
    return Clusters(centres[order], np.argsort(order)[label])


def silhouette(x: Vectors, label: NDArray[np.integer]) -> NDArray[np.float64]:
    """[n] (b - a) / max(a, b) of each row: a its mean distance to its own cluster, b to the nearest other one.

    >>> silhouette(np.array([[0.0], [0.0], [9.0], [9.0]], np.float32), np.array([0, 0, 1, 1])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    distance, names = cdist(x, x), np.unique(label)
    count = np.array([(label == name).sum() for name in names])
    total = np.stack([distance[:, label == name].sum(axis=1) for name in names], axis=1)
    own = np.searchsorted(names, label)
    rows = np.arange(len(x))
    a = total[rows, own] / np.maximum(count[own] - 1, 1)
    mean = total / count
    mean[rows, own] = np.inf
    b = mean.min(axis=1)
    return np.asarray(np.where(count[own] > 1, (b - a) / np.maximum(np.maximum(a, b), 1e-12), 0.0))


def typical(x: Vectors, centre: NDArray[np.float64]) -> int:
    """The row of x [n, d] that occurs most often; of several the one nearest to `centre` [d]."""
    _, index, counts = np.unique(x.round(4), axis=0, return_inverse=True, return_counts=True)
    distance = ((x - centre) ** 2).sum(axis=1)
    return int(np.lexsort([distance, -counts[index.reshape(-1)]])[0])


def wins(result: NDArray[np.float64]) -> Measured:
    """The first player's mean score and half its 95% interval; unknown results are left out."""
    return clustered_mean((1 + result) / 2, np.arange(len(result)))


def name_of(game: Game, moves: NDArray[np.int64]) -> tuple[str, float]:
    """The first moves that most of these openings share, and the share that does."""
    first, count = Counter(map(tuple, moves[:, :NAMED].tolist())).most_common(1)[0]
    return " ".join(move_names(game, game.reset(1)[0], first)), count / len(moves)


def study(
    game: Game, records: Sequence[GameRecord], agent: AgentFile | None, report: Report, *, plies: int, k: int, seed: int
) -> None:
    """Sort the openings of `records` into k clusters and show them."""
    found = opened(game, records, plies)
    x = embed(game, found.states, agent)
    clusters = cluster(x, k, seed)
    some = np.random.default_rng(seed).permutation(len(x))[:JUDGED]
    apart = silhouette(x[some], clusters.label[some])
    overall = wins(found.result)
    rows: list[Row] = []
    middles = []
    for i in range(k):
        mine = np.flatnonzero(clusters.label == i)
        middles.append(int(mine[typical(x[mine], clusters.centres[i])]))
        name, share = name_of(game, found.moves[mine])
        score = wins(found.result[mine])
        rows.append(
            {
                "cluster": f"{i + 1}: {name}",
                "games": len(mine),
                "begin so": share,
                "first player's score": score,
                "unlike all": "yes" if abs(score.value - overall.value) > score.error else "",
                "silhouette": float(apart[clusters.label[some] == i].mean())
                if (clusters.label[some] == i).any()
                else None,
            }
        )
    report.note(f"{len(x):,} openings of {plies} moves, the first player's score {overall.value:.3f}")
    report.picture(
        "openings",
        _boards(game, found, middles, rows),
        "Typical openings",
        "The commonest board of each cluster, the largest cluster first: its number, its games and the first player's score.",
    )
    report.picture(
        "map",
        _map(x, clusters, [str(row["cluster"]) for row in rows]),
        "The openings on a map",
        "Every game by the first two principal components of its embedding: blue where it is of the cluster, else grey.",
    )
    report.table(
        "openings",
        rows,
        "Clusters of openings",
        f"{len(x):,} games after {plies} moves, turned to the same corner. Named after the {NAMED} moves that most of its games "
        "begin with; begin so: their share. First player's score: mean, a draw half. Unlike all: the interval leaves out "
        f"the mean over all, {overall.value:.3f}; one in twenty does so by chance. Silhouette: 1 well apart, 0 not at all.",
    )
    scores = [row["first player's score"].value for row in rows if isinstance(row["first player's score"], Measured)]
    report.figures(
        {"openings/silhouette": float(apart.mean()), "openings/score_spread": float(max(scores) - min(scores))}
    )


def _boards(game: Game, found: Openings, middles: Sequence[int], rows: Sequence[Row]) -> Figure:
    h, w = game.board_shape
    columns = min(4, len(middles))
    lines = -(-len(middles) // columns)
    figure = new_figure(2.7 * columns, 2.95 * lines * h / w)
    grid = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axis in grid[len(middles) :]:
        axis.set_axis_off()
    for i, (axis, middle, row) in enumerate(zip(grid, middles, rows, strict=False)):
        draw(axis, game, found.states[middle])
        score = row["first player's score"]
        assert isinstance(score, Measured)
        axis.set_title(f"{i + 1}: {row['games']:,} games, {score.value:.2f} ±{score.error:.2f}", fontsize=9)
    return figure


def _map(x: Vectors, clusters: Clusters, names: Sequence[str]) -> Figure:
    """A map for every cluster: twenty colours in one would not be told apart, and names in it would cover games."""
    columns = min(6, len(names))
    lines = -(-len(names) // columns)
    figure = new_figure(1.7 * columns, 1.75 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for axis in grid[len(names) :]:
        axis.set_axis_off()
    for i, (axis, name) in enumerate(zip(grid, names, strict=False)):
        mine = clusters.label == i
        axis.plot(x[~mine, 0], x[~mine, 1], ",", color="0.8")
        axis.plot(x[mine, 0], x[mine, 1], ".", color="tab:blue", markersize=2.5, markeredgewidth=0, alpha=0.6)
        axis.set_title(name, fontsize=8)
        axis.set(xticks=[], yticks=[])
    return figure
