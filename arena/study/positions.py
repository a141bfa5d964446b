"""The positions a study is about: of recorded games, or of an agent's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import Evaluator
from arena.alphago import store
from arena.alphago.records import group, hashed, playable
from envs import Game, States, random_actions
from envs.records import GameRecord
from envs.words import number_of

PHASES = ("opening", "middle", "end")
WARM_PLIES = 2  # uniformly random moves that an agent's own games begin with, so that they differ


@dataclass(frozen=True)
class Positions:
    """n positions, each with what came of it. Results are for the side to move."""

    game: Game
    states: States  # [n]
    action: NDArray[np.int64]  # [n] the move played
    result: NDArray[np.float32]  # [n] 1 won, 0 drawn, -1 lost; nan where unknown
    number: NDArray[np.int64]  # [n] of the game in `records`
    records: list[GameRecord]

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Positions:
        return Positions(
            self.game, self.states[rows], self.action[rows], self.result[rows], self.number[rows], self.records
        )

    @property
    def phase(self) -> NDArray[np.int64]:
        """[n] index in `PHASES`: the first, second and last third of the game's moves."""
        lengths = np.array([len(record.actions) for record in self.records])
        thirds = 3 * self.states["ply"].astype(np.int64) // np.maximum(lengths[self.number], 1)
        return np.asarray(np.minimum(thirds, 2))


def recorded(
    game: Game,
    path: Path,
    *,
    count: int,
    rng: np.random.Generator,
    held_out: float = 0.0,
    games: int = 20_000,
    note: Callable[[str], None] = lambda text: None,
) -> Positions:
    """About `count` positions drawn from the games in `path`, sorted by game and ply; passes are left out.

    Every game has the same share of its positions drawn, so that no two are closer than chance has it. `held_out`: only from
    the games that AlphaGo's pipeline with this `records.test_share` keeps out of training; 0: from all. ValueError where
    there is nothing to draw from.
    """
    note(f"reading {path}")
    found, skipped = playable(game, path, games)
    note(f"{path}: {number_of(len(found), 'game')}, {skipped.total():,} skipped")
    if held_out:
        found = [record for record in found if hashed(group(record)) < held_out]
        if not found:
            raise ValueError(f"no game of {path} is held out at a share of {held_out}: give a larger one")
        note(f"{len(found):,} of them held out")
    total = sum(len(record.actions) for record in found)
    share = min(1.0, count / total)
    lines = []
    for record in found:
        drawn = np.flatnonzero(rng.random(len(record.actions)) < share)
        lines.append(store.Line(record.actions, record.result or 0.0, drawn.tolist()))
    number = np.repeat(np.arange(len(lines)), [len(line.learned) for line in lines])
    parts = [store.replay(game, lines[i : i + store.TOGETHER]) for i in range(0, len(lines), store.TOGETHER)]
    states, action, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    known = np.array([record.result is not None for record in found])[number]
    result = np.where(known, value, np.nan).astype(np.float32)
    placed = action < np.prod(game.board_shape)  # a pass comes after the points
    everything = Positions(game, states, action, result, number, found)
    return everything[placed]


def own_games(game: Game, evaluate: Evaluator, games: int, rng: np.random.Generator) -> Positions:
    """All positions of games in which the agent's policy, drawn from, meets itself, after `WARM_PLIES` random moves."""
    states = game.reset(games)
    moves: list[list[int]] = [[] for _ in range(games)]
    seen: list[tuple[NDArray[np.int64], States, NDArray[np.int64]]] = []
    while len(going := np.flatnonzero(~game.terminal(states))):
        here = states[going]
        if len(seen) < WARM_PLIES:
            actions = random_actions(game.legal(here), rng)
        else:
            threshold = rng.random((len(going), 1))
            actions = (evaluate(here).priors.cumsum(axis=1) < threshold * (1 - 1e-6)).sum(axis=1)
        seen.append((going, here, actions))
        states[going] = game.step(here, actions)
        for row, action in zip(going, actions, strict=True):
            moves[row].append(int(action))
    number, positions, action = (np.concatenate(column) for column in zip(*seen, strict=True))
    first = game.returns(states) * (1 - 2 * states["to_play"].astype(np.float32))
    records = [GameRecord(game.name, tuple(line), float(r)) for line, r in zip(moves, first, strict=True)]
    order = np.lexsort((positions["ply"], number))
    number, positions, action = number[order], positions[order], action[order]
    result = (first[number] * (1 - 2 * positions["to_play"].astype(np.float32))).astype(np.float32)
    return Positions(game, positions, action, result, number, records)
