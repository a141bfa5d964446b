"""Positions on disk: what supervised learning reads, a few bytes each, more of them than fit into memory.

STORE/planes.npy     [n, ceil(C * H * W / 8)] u1  observation planes, packed to bits
      legal.npy      [n, ceil(A / 8)] u1          legal actions, packed to bits
      action.npy     [n] i2                       the move played
      value.npy      [n] i1                       the game's result for the side to move, 0 where it has none
      ownership.npy  [n, H * W] i1                who owned each point at the end: 1 the side to move; [n, 0] if unknown
      moves.npy      [G, T] i2                    all moves of the games, where they are kept; lengths.npy [G] i4 says how many
      store.json     counts; written last: a store without it is unfinished
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.files import write_atomically
from arena.replay import Samples
from envs import Game, States, TerritoryGame

SUMMARY = "store.json"
COLUMNS = ("planes", "legal", "action", "value", "ownership")
TOGETHER = 512  # games replayed side by side


class Line(NamedTuple):
    """A finished game: all its moves, how it ended, and which of the moves are learned from."""

    actions: Sequence[int]
    result: float  # for the first player; 0 where unknown
    learned: Sequence[int]  # plies


@dataclass(frozen=True)
class Positions:
    """n positions, as columns in memory or on disk. Indexed by rows it gives `Samples`, as a replay window does."""

    num_actions: int
    columns: Mapping[str, NDArray[Any]]
    summary: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.columns["action"])

    def __getitem__(self, rows: NDArray[np.int64]) -> Samples:
        """The policy target is the move played, the value target the result."""
        column = {name: np.asarray(self.columns[name][rows]) for name in COLUMNS}
        policy = np.zeros((len(rows), self.num_actions), np.float32)
        policy[np.arange(len(rows)), column["action"]] = 1
        ownership = column["ownership"]
        score = ownership.mean(axis=1, dtype=np.float32) if ownership.shape[1] else np.zeros(len(rows), np.float32)
        value, reply = column["value"].astype(np.float32), np.zeros((len(rows), 0), np.float32)
        return Samples(column["planes"], column["legal"], policy, value, ownership, score, reply)

    def legal(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[rows, A]."""
        return np.unpackbits(self.columns["legal"][rows], axis=1, count=self.num_actions).astype(np.bool_)


def is_whole(folder: Path) -> bool:
    """Whether the store in `folder` was written to its end."""
    return (folder / SUMMARY).exists()


def load(folder: Path, game: Game) -> Positions:
    """The store in `folder`, mapped into memory. ValueError where there is no whole one."""
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        columns = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in COLUMNS}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} holds no whole store of positions ({error}): delete it to have it made again"
        ) from None
    return Positions(game.num_actions, columns, summary)


def load_moves(folder: Path) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """[G, T] the games of the store in `folder`, [G] how long they are. ValueError where it keeps none."""
    try:
        return np.load(folder / "moves.npy"), np.load(folder / "lengths.npy")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} keeps no games ({error}): delete it to have it made again") from None


def write(
    folder: Path,
    game: Game,
    lines: Sequence[Line],
    summary: Mapping[str, Any],
    *,
    territory: bool,
    moves: bool = False,
    progress: Callable[[int], None] = lambda games: None,
) -> None:
    """Replay `lines`, whose moves must be legal, and write their learned positions, game after game.

    `territory`: the last positions are played out, so that their ownership can be learned. `moves`: whole games are kept, too.
    `progress` hears of games.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = [lines[i : i + TOGETHER] for i in range(0, len(lines), TOGETHER)]
    n = sum(len(line.learned) for line in lines)
    files: dict[str, NDArray[Any]] = {}
    at = 0
    for part in parts:
        columns = replay(game, part, game.legal, territory=territory)
        for name in COLUMNS:
            if name not in files:
                shape = (n, *columns[name].shape[1:])
                files[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", columns[name].dtype, shape)
            files[name][at : at + len(columns[name])] = columns[name]
        at += len(columns["action"])
        progress(len(part))
    if moves:
        lengths = np.array([len(line.actions) for line in lines], np.int32)
        table = np.zeros((len(lines), int(lengths.max(initial=0))), np.int16)
        for row, line in zip(table, lines, strict=True):
            row[: len(line.actions)] = line.actions
        np.save(folder / "moves.npy", table)
        np.save(folder / "lengths.npy", lengths)
    for file in files.values():
        file.flush()  # type: ignore[attr-defined]  # a memmap
    counts = {"games": len(lines), "positions": n}
    write_atomically(folder / SUMMARY, json.dumps({**summary, **counts}, indent=1).encode())


def replay(
    game: Game, lines: Sequence[Line], legal: Callable[[States], NDArray[np.bool_]], *, territory: bool
) -> dict[str, NDArray[Any]]:
    """The columns of the learned positions of `lines`, and their states, sorted by game, then by ply.

    `legal(states [B]) -> [B, A]` says what counts as legal.
    """
    lengths = np.array([len(line.actions) for line in lines])
    actions = np.zeros((len(lines), int(lengths.max())), np.int64)
    learned = np.zeros(actions.shape, np.bool_)
    for i, line in enumerate(lines):
        actions[i, : lengths[i]] = line.actions
        learned[i, line.learned] = True
    states, found, places = game.reset(len(lines)), [], []
    for ply in range(actions.shape[1]):
        rows = np.flatnonzero(learned[:, ply])
        found.append(states[rows])
        places.append(np.stack([rows, np.full(len(rows), ply)]))
        going = np.flatnonzero(lengths > ply)
        states[going] = game.step(states[going], actions[going, ply])
    where = np.concatenate(places, axis=1)
    order = np.lexsort((where[1], where[0]))
    where, positions = where[:, order], np.concatenate(found)[order]
    colour = 1 - 2 * positions["to_play"].astype(np.int8)
    result = np.array([line.result for line in lines], np.int8)
    ownership = np.zeros((len(positions), 0), np.int8)
    if territory and isinstance(game, TerritoryGame):
        ownership = game.ownership(states).reshape(len(lines), -1)[where[0]] * colour[:, None]
    return {
        "states": positions,
        "planes": np.packbits(game.observe(positions).reshape(len(positions), -1), axis=1),
        "legal": np.packbits(legal(positions), axis=1),
        "action": actions[where[0], where[1]].astype(np.int16),
        "value": result[where[0]] * colour,
        "ownership": ownership.astype(np.int8),
    }
