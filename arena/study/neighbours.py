"""Which recorded positions does a network hold to be alike, and what came of them?

A position is embedded as a vector, all recorded positions are put into an index (faiss), and the nearest ones are found. The
embeddings that are compared:

    board                what is there without learning: own and other stones, squared distance = points that differ
    trunk of AGENT       the trunk's features, their mean over the board
    features of AGENT    the same features point by point, brought down to `WIDTH` principal components
    value trunk, value features of AGENT     the same of the value's own trunk, where the agent has one
    auto-encoder         the code of an auto-encoder of stones, pretrained layer by layer, learned here

Alike should mean something: of a position's k nearest from other games, how many are of the same phase, had the same
result for the side to move, saw the same next move (precision at k). Positions of the same game are left out, or
every one would find its own past. Boards are taken as they lie: positions that are the same but for a symmetry are far apart for
"board"; how far for a network is its own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.files import AgentFile
from agents.modules.autoencoder import StackedAutoEncoder, fit, pretrain, reconstruction_loss
from arena.study.bias import clustered_mean
from arena.study.boards import draw, point_of
from arena.study.inspect import BATCH, load_network
from arena.study.positions import PHASES, Positions
from arena.study.report import Report, Row, missing, new_figure
from envs import Game, States
from envs.game import move_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 64  # numbers in an embedding that is brought down
NEAREST = 10  # k
SIZES = (256, WIDTH)  # of the auto-encoder's layers
PRETRAINING, TUNING = 300, 1500  # steps
SHOWN = 4  # positions in the picture
ALIKE = ("phase", "result", "next move")

Vectors = NDArray[np.float32]  # [n, d]


def stones(game: Game, states: States) -> Vectors:
    """[n, 2 H W] own and other stones, 0 or 1."""
    own = (1 - 2 * states["to_play"].astype(np.int8))[:, None, None]
    board = game.board(states) * own
    return np.concatenate([board > 0, board < 0], axis=1).reshape(len(states), -1).astype(np.float32)


def trunk_vectors(agent: AgentFile, trunk: nn.Module, states: States) -> tuple[Vectors, Vectors]:
    """[n, C] the features of a trunk of the agent, their mean over the board; [n, `WIDTH`] principal components of them all."""
    means, parts = [], []
    with torch.inference_mode():
        for i in range(0, len(states), BATCH):
            x = trunk(torch.from_numpy(agent.game.observe(states[i : i + BATCH])).float())
            means.append(x.mean(dim=(2, 3)).numpy())
            parts.append(x.flatten(1).half().numpy())
    return np.concatenate(means), principal(np.concatenate(parts), WIDTH)


def principal(x: NDArray[np.floating], width: int) -> Vectors:
    """[n, width] the first principal components of rows x [n, d], found on at most `FITTED` of them."""
    some = torch.from_numpy(x[:: max(1, len(x) // FITTED)]).float()
    mean = some.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, _, axes = torch.pca_lowrank(some - mean, q=min(width, *some.shape), center=False)
    parts = [(torch.from_numpy(x[i : i + BATCH]).float() - mean) @ axes for i in range(0, len(x), BATCH)]
    return np.ascontiguousarray(torch.cat(parts).numpy())


FITTED = 4000  # rows that principal components are found on


def code_vectors(x: Vectors, seed: int) -> Vectors:
    """[n, `WIDTH`] the codes of rows x [n, d] under a stacked auto-encoder that learned them."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.from_numpy(x)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stack = StackedAutoEncoder([x.shape[1], *SIZES])
    pretrain(stack, data, steps=PRETRAINING, generator=generator)
    fit(lambda row: reconstruction_loss(stack(row), row), stack.parameters(), data, steps=TUNING, generator=generator)
    with torch.inference_mode():
        return stack.encode(data).numpy()


def nearest(vectors: Vectors, queries: NDArray[np.int64], number: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """[queries, k] the rows of `vectors` nearest to the rows `queries`, nearest first, none of the query's own game.

    `number` [n] is each row's game. Exact (L2). ValueError where there are fewer than k rows of other games.
    """
    try:
        import faiss
    except ImportError:
        raise missing("faiss-cpu") from None
    vectors = np.ascontiguousarray(vectors, np.float32)
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors)
    most = int(np.bincount(np.unique(number, return_inverse=True)[1]).max())
    if len(vectors) - most < k:
        raise ValueError(f"there are fewer than {k} positions of other games: give more records")
    _, found = index.search(vectors[queries], k + most)
    foreign = number[found] != number[queries, None]
    first = np.argsort(~foreign, axis=1, kind="stable")[:, :k]
    return np.asarray(np.take_along_axis(found, first, axis=1))


def precision(
    positions: Positions, queries: NDArray[np.int64], found: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """[queries] for each of `ALIKE`: the share of the `found` [queries, k] that are alike; results compared where known."""
    result = np.sign(positions.result)
    known = ~np.isnan(result[found]) & ~np.isnan(result[queries, None])
    same = known & (result[found] == result[queries, None])
    with np.errstate(invalid="ignore"):
        results = same.sum(axis=1) / known.sum(axis=1)
    return {
        "phase": (positions.phase[found] == positions.phase[queries, None]).mean(axis=1),
        "result": results,
        "next move": (positions.action[found] == positions.action[queries, None]).mean(axis=1),
    }


def study(agents: Mapping[str, AgentFile], positions: Positions, report: Report, *, queries: int, seed: int) -> None:
    """Compare embeddings of `positions` and show what is nearest to some of them."""
    rng = np.random.default_rng(seed)
    game = positions.game
    asked = np.sort(rng.permutation(len(positions))[:queries])
    vectors = {"board": stones(game, positions.states)}
    for name, agent in agents.items():
        report.note(f"{len(positions):,} positions as {name} sees them")
        for whose, trunk in zip(("", "value "), load_network(agent).trunks(), strict=False):
            means, features = trunk_vectors(agent, trunk, positions.states)
            vectors |= {f"{whose}trunk of {name}": means, f"{whose}features of {name}": features}
    report.note("an auto-encoder learns the stones")
    vectors["auto-encoder"] = code_vectors(vectors["board"], seed)
    report.note(f"{len(positions):,} positions indexed in {len(vectors)} ways, {len(asked):,} asked about")
    found = {name: nearest(x, asked, positions.number, NEAREST) for name, x in vectors.items()}
    chance = rng.integers(len(positions), size=(len(asked), NEAREST))
    rows: list[Row] = []
    for name, rows_found in {**found, "any position": chance}.items():
        shares = precision(positions, asked, rows_found)
        row: Row = {"embedding": name, "numbers": vectors[name].shape[1] if name in vectors else None}
        rows.append(
            {**row, **{f"same {what}": clustered_mean(shares[what], positions.number[asked]) for what in ALIKE}}
        )
        if name != "any position":
            report.figures(
                {f"neighbours/{what.replace(' ', '_')}/{name}": float(np.nanmean(shares[what])) for what in ALIKE}
            )
    report.table(
        "precision",
        rows,
        f"Of the {NEAREST} nearest positions, the share that is alike",
        f"Means over {len(asked):,} positions and half their 95% intervals over games. Alike: the same third of the game, the "
        "same result for the side to move, the same move played next. Any position: ten drawn at random.",
    )
    for name in found:
        chosen = np.linspace(0, len(asked) - 1, SHOWN + 2).astype(int)[1:-1]
        report.picture(
            f"nearest-{name.replace(' ', '-')}",
            _boards(positions, asked[chosen], found[name][chosen]),
            f"Nearest by {name}",
            "Left the board that was asked about, then its nearest positions from other games; framed is the move that was "
            "played, the words say how the game ended for the side to move.",
        )


def _boards(positions: Positions, asked: NDArray[np.int64], found: NDArray[np.int64], most: int = 4) -> Figure:
    """A row for each position asked about, its `most` nearest beside it."""
    h, w = positions.game.board_shape
    figure = new_figure(2.3 * (1 + most), 2.6 * len(asked) * h / w)
    for line, query, near in zip(figure.subplots(len(asked), 1 + most, squeeze=False), asked, found, strict=True):
        for axis, row in zip(line, [query, *near[:most]], strict=True):
            state, action = positions.states[row], int(positions.action[row])
            point = point_of(positions.game, state, action)
            draw(axis, positions.game, state, marks=[] if point is None else [point])
            axis.set_title(_words(positions, int(row)), fontsize=8)
    return figure


def _words(positions: Positions, row: int) -> str:
    """What was played and who won."""
    state = positions.states[row]
    result = positions.result[row]
    ending = "?" if np.isnan(result) else {1: "won", 0: "drew", -1: "lost"}[int(np.sign(result))]
    phase = PHASES[positions.phase[row]]
    return f"{phase}, {move_name(positions.game, state, int(positions.action[row]))}, {ending}"
