"""A fixed yardstick for Connect Four: how often does a player keep the game-theoretic value?

A shipped set of positions, by phase of the game, each with the exact result of every move. In every position some move
throws value away: a win becomes a draw or a loss, or a draw a loss. The share of moves that do not is a measure of
strength with no opponent in it, comparable between runs and over years. Uniformly random moves keep the value in 35% of
the positions, alpha-beta of five plies in 92%.

Positions come from uniformly random play, none twice, mirror images counted as one. The opening starts at ply 6, where
a position still takes seconds to solve. The file holds the moves that lead to each position, so it outlives changes to
the records of states. It was written, in about a quarter of an hour of one core, and is written again the same, by

    python -m arena.yardstick
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.files import write_atomically
from agents.players import Player
from agents.solver import ILLEGAL, Solver
from envs import States
from envs.connect_four import WIDTH, ConnectFour

PHASES = {"opening": range(6, 12), "middle": range(12, 24), "end": range(24, 36)}  # plies already played
PER_PHASE = 360
FILE = Path(__file__).parent / "data" / "connect_four_positions.npz"

_GAME = ConnectFour()


class Positions(NamedTuple):
    """The yardstick: P positions, phase by phase in the order of `PHASES`."""

    states: States  # [P]
    values: NDArray[np.int8]  # [P, A] exact result of each move for the side to move: -1, 0, 1 or ILLEGAL


class KeepRate(NamedTuple):
    """Shares of moves that keep the value, in [0, 1]."""

    overall: float  # of all positions
    by_phase: dict[str, float]
    positions: dict[str, int]  # how many there are in each phase


@functools.cache
def load() -> Positions:
    """The shipped positions; read-only arrays."""
    with np.load(FILE) as file:
        moves, values = file["moves"], file["values"]
    positions = Positions(replay(moves), values)
    for array in positions:
        array.flags.writeable = False
    return positions


def replay(moves: NDArray[np.int8]) -> States:
    """[P] the positions after `moves` [P, plies], each row filled up with -1."""
    states = _GAME.reset(len(moves))
    for column in moves.T:
        going = np.flatnonzero(column >= 0)
        states[going] = _GAME.step(states[going], column[going])
    return states


def keep_rate(player: Player, rng: np.random.Generator) -> KeepRate:
    """The share of the yardstick's positions in which `player`, asked for all of a phase at once, keeps the value."""
    states, values = load()
    kept, counts = {}, {}
    for phase, plies in PHASES.items():
        rows = np.flatnonzero(np.isin(states["ply"], plies))
        chosen = values[rows, player(states[rows], rng)]
        if (chosen == ILLEGAL).any():
            raise ValueError(
                f"the player made an illegal move in position {rows[chosen == ILLEGAL][0]} of the yardstick"
            )
        kept[phase] = int((chosen == values[rows].max(axis=1)).sum())
        counts[phase] = len(rows)
    by_phase = {phase: kept[phase] / counts[phase] for phase in PHASES}
    return KeepRate(sum(kept.values()) / len(states), by_phase, counts)


def generate(ply: int, count: int, solver: Solver) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """`count` different positions after `ply` random moves: their moves [count, ply] and exact values [count, A]."""
    rng = np.random.default_rng(ply)
    seen: set[bytes] = set()
    found: list[tuple[NDArray[np.int8], NDArray[np.int8]]] = []
    for moves, state in _random_games(ply, rng):
        face = _GAME.board(state)[0]
        key = min(face.tobytes(), face[:, ::-1].tobytes())
        if key in seen:
            continue
        seen.add(key)
        values = solver.action_values(state)[0]
        if len(np.unique(values[values != ILLEGAL])) > 1:
            found.append((moves, values))
        if len(found) == count:
            break
    return np.stack([moves for moves, _ in found]), np.stack([values for _, values in found])


def _random_games(ply: int, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.int8], States]]:
    """Without end: the moves [ply] of a random game that is not over after them, and the position [1]."""
    while True:
        state = _GAME.reset(1)
        moves = np.zeros(ply, np.int8)
        for i in range(ply):
            # not `random_actions`: the file is written again the same, whatever becomes of that
            moves[i] = (rng.random(WIDTH) * _GAME.legal(state)[0]).argmax()
            state = _GAME.step(state, moves[i : i + 1])
        if not _GAME.terminal(state)[0]:
            yield moves, state


def main() -> None:
    """Write `FILE` anew."""
    solver = Solver(log2_entries=24)
    longest = max(max(plies) for plies in PHASES.values())
    moves, values = [], []
    for phase, plies in PHASES.items():
        for ply in plies:
            new_moves, new_values = generate(ply, PER_PHASE // len(plies), solver)
            moves.append(np.pad(new_moves, ((0, 0), (0, longest - ply)), constant_values=-1))
            values.append(new_values)
            print(f"{phase}, ply {ply}: {len(new_values)} positions, {solver.nodes:,} nodes so far", flush=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, moves=np.concatenate(moves), values=np.concatenate(values))
    FILE.parent.mkdir(exist_ok=True)
    write_atomically(FILE, buffer.getvalue())


if __name__ == "__main__":
    main()
