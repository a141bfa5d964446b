"""Positions to learn from, kept as the games they are of: two bytes a move, whatever a network is shown of them.

STORE/moves.npy      [G, T] i2   the moves of every game, those that set up its first position included
      lengths.npy    [G] i4      how many there are
      starts.npy     [G] i4      how many of these set the first position up (handicap stones)
      results.npy    [G] i1      for the first player, 0 where it has none
      ownership.npy  [G, H * W] i1  who owned each point at the end, 1 the first player; [G, 0] if unknown
      learned.npy    [n, 2] i4   the positions: game, ply
      store.json     counts; written last: a store without it is unfinished

A batch is replayed when it is asked for, its games side by side, and shown as the game at hand shows it. On 19x19 with the 48
planes of AlphaGo that takes milliseconds of a step that takes hundreds, and a position, of which the planes alone are 2 KB,
takes the bytes of its move and of its row: 2.8 million positions are 37 MB.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.files import write_atomically
from arena.replay import Samples
from envs import Game, States, TerritoryGame
from envs.go import Go

SUMMARY = "store.json"
COLUMNS = ("moves", "lengths", "starts", "results", "ownership", "learned")
TOGETHER = 512  # games replayed side by side


class Line(NamedTuple):
    """A finished game: all its moves, how it ended, and which of the moves are learned from."""

    actions: Sequence[int]
    result: float  # for the first player; 0 where unknown
    learned: Sequence[int]  # plies
    start: int = 0  # moves that set the first position up


def line(game: Game, actions: Sequence[int], result: float, start: int = 0) -> Line:
    """A game to learn from: all moves but the `start` first and passes, which the paper leaves out too."""
    try:
        passing = game.parse_action("pass")
    except ValueError:
        passing = -1
    return Line(actions, result, [ply for ply in range(start, len(actions)) if actions[ply] != passing], start)


class Replayed(NamedTuple):
    """n positions of games, sorted by game, then by ply."""

    states: States  # [n]
    action: NDArray[np.int64]  # [n] the move played
    value: NDArray[np.float32]  # [n] the game's result for the side to move, 0 where it has none


@dataclass(frozen=True)
class Positions:
    """n positions of `game`, replayed when they are asked for. Indexed by rows it gives `Samples`, as a replay window does."""

    game: Game
    columns: Mapping[str, NDArray[Any]]
    summary: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.columns["learned"])

    def __getitem__(self, rows: NDArray[np.int64]) -> Samples:
        """The policy target is the move played, the value target the result."""
        game, n, places = self.game, len(rows), np.asarray(self.columns["learned"][rows], np.int64)
        numbers, plies = places[:, 0], places[:, 1]
        states = self._states(numbers, plies)
        colour = 1 - 2 * states["to_play"].astype(np.int8)
        policy = np.zeros((n, game.num_actions), np.float32)
        policy[np.arange(n), self.columns["moves"][numbers, plies]] = 1
        ownership = self.columns["ownership"][numbers] * colour[:, None]
        return Samples(
            planes=np.packbits(game.observe(states).reshape(n, -1), axis=1),
            legal=np.packbits(game.legal(states), axis=1),
            policy=policy,
            value=(self.columns["results"][numbers] * colour).astype(np.float32),
            ownership=ownership,
            score=self._scores(ownership, colour),
            reply=np.zeros((n, 0), np.float32),
        )

    def _scores(self, ownership: NDArray[np.int8], colour: NDArray[np.int8]) -> NDArray[np.float32]:
        """[n] by how much the side to move won, in board areas, komi counted; 0 where nobody knows who owned what."""
        if not ownership.shape[1]:
            return np.zeros(len(ownership), np.float32)
        komi = self.game.komi if isinstance(self.game, Go) else 0.0
        return np.asarray((ownership.sum(axis=1) - komi * colour) / ownership.shape[1], np.float32)

    def _states(self, numbers: NDArray[np.int64], plies: NDArray[np.int64]) -> States:
        """[n] the positions before move `plies` of the games `numbers`."""
        order = np.argsort(-plies, kind="stable")  # the games that go on are the first ones
        moves, lasts = self.columns["moves"][numbers[order]], plies[order]
        states = self.game.reset(len(order))
        for ply in range(int(lasts.max(initial=0))):
            going = int(np.count_nonzero(lasts > ply))
            states[:going] = self.game.step(states[:going], moves[:going, ply])
        out = np.empty_like(states)
        out[order] = states
        return out


def is_whole(folder: Path) -> bool:
    """Whether the store in `folder` was written to its end."""
    return (folder / SUMMARY).exists()


def load(folder: Path, game: Game) -> Positions:
    """The store in `folder`, as `game` shows its positions. ValueError where there is no whole one."""
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} holds no whole store of positions ({error}): delete it to have it made again"
        ) from None
    return Positions(game, columns, summary)


def write(folder: Path, game: Game, lines: Sequence[Line], summary: Mapping[str, Any], *, territory: bool) -> None:
    """Write `lines`, whose moves must be legal, and what of them is learned.

    `territory`: the games are played out, so that who owned what at their ends can be learned.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    moves, lengths = table([line.actions for line in lines])
    ownership = np.zeros((len(lines), 0), np.int8)
    if territory and isinstance(game, TerritoryGame):
        ends = [_ends(game, moves[i : i + TOGETHER], lengths[i : i + TOGETHER]) for i in range(0, len(lines), TOGETHER)]
        ownership = np.concatenate(ends)
    learned = [(number, ply) for number, line in enumerate(lines) for ply in line.learned]
    columns: dict[str, NDArray[Any]] = {
        "moves": moves.astype(np.int16),
        "lengths": lengths.astype(np.int32),
        "starts": np.array([line.start for line in lines], np.int32),
        "results": np.array([line.result for line in lines], np.int8),
        "ownership": ownership,
        "learned": np.array(learned, np.int32).reshape(-1, 2),
    }
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column)
    counts = {"games": len(lines), "positions": len(learned)}
    write_atomically(folder / SUMMARY, json.dumps({**summary, **counts}, indent=1).encode())


def table(games: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[G, T] the moves of the games, [G] how many each has; 0 behind its end."""
    lengths = np.array([len(actions) for actions in games], np.int64)
    moves = np.zeros((len(games), int(lengths.max(initial=0))), np.int64)
    for row, actions in zip(moves, games, strict=True):
        row[: len(actions)] = actions
    return moves, lengths


def replay(game: Game, lines: Sequence[Line]) -> Replayed:
    """All learned positions of `lines`, each game played through once."""
    moves, lengths = table([line.actions for line in lines])
    learned = np.zeros(moves.shape, np.bool_)
    for row, line in zip(learned, lines, strict=True):
        row[line.learned] = True
    states, found, places = game.reset(len(lines)), [], []
    for ply in range(moves.shape[1]):
        rows = np.flatnonzero(learned[:, ply])
        found.append(states[rows])
        places.append(np.stack([rows, np.full(len(rows), ply)]))
        going = np.flatnonzero(lengths > ply)
        states[going] = game.step(states[going], moves[going, ply])
    where = np.concatenate(places, axis=1)
    order = np.lexsort((where[1], where[0]))
    (number, ply_), positions = where[:, order], np.concatenate(found)[order]
    result = np.array([line.result for line in lines], np.float32)
    value = result[number] * (1 - 2 * positions["to_play"].astype(np.float32))
    return Replayed(positions, moves[number, ply_], value)


def _ends(game: TerritoryGame, moves: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int8]:
    """[G, H * W] who owned each point at the end of each game."""
    states = game.reset(len(moves))
    for ply in range(moves.shape[1]):
        going = np.flatnonzero(lengths > ply)
        states[going] = game.step(states[going], moves[going, ply])
    return np.asarray(game.ownership(states).reshape(len(moves), -1), np.int8)
