"""Tic-tac-toe: the game small enough to know everything about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.compiled import DRAWN, LOST, UNFINISHED, CompiledGame, StateKernels, has_status, status_result
from envs.game import States, Symmetries, square_symmetries
from envs.jit import kernel
from envs.rng import GOLDEN, below

# Bit y * 3 + x of `own` and `other` is the cell in row y (0 on top) and column x.
DTYPE = np.dtype(
    [
        ("own", "i4"),
        ("other", "i4"),
        ("to_play", "i1"),
        ("status", "i1"),
        ("ply", "i2"),
        ("last", "i2"),
        ("unused", "i2"),
    ],
    align=True,
)  # no padding is left: equal states are equal bytes
_LINES = np.array([0o007, 0o070, 0o700, 0o111, 0o222, 0o444, 0o421, 0o124], np.int32)
_FULL = 0o777


@kernel
def _has_line(stones):
    for line in _LINES:
        if stones & line == line:
            return True
    return False


@kernel
def _play(g, action, board):
    """The side to move marks a cell; the turn changes."""
    mover, other = g["own"] | (1 << action), g["other"]
    g["own"], g["other"] = other, mover
    g["to_play"] = 1 - g["to_play"]
    g["ply"] += 1
    g["last"] = action
    if _has_line(mover):
        g["status"] = LOST
    elif (mover | other) == _FULL:
        g["status"] = DRAWN


@kernel
def _mark_legal(g, board, out):
    taken = g["own"] | g["other"]
    for a in range(9):
        out[a] = g["status"] == UNFINISHED and (taken >> a) & 1 == 0


@kernel
def _observe(states, out):
    for i in range(len(states)):
        for a in range(9):
            out[i, 0, a // 3, a % 3] = (states[i]["own"] >> a) & 1
            out[i, 1, a // 3, a % 3] = (states[i]["other"] >> a) & 1


@kernel
def _playout(g, counter, board):
    own, other = g["own"], g["other"]
    sign = 1.0  # of the side to move in (own, other), against the side to move in g
    while (own | other) != _FULL:
        empty = _FULL & ~(own | other)
        count = 0
        for a in range(9):
            count += (empty >> a) & 1
        counter += GOLDEN
        for _ in range(below(counter, count)):
            empty &= empty - 1
        own |= empty & -empty
        if _has_line(own):
            return sign
        own, other = other, own
        sign = -sign
    return 0.0


_KERNELS = StateKernels(_play, _mark_legal, has_status, status_result, _playout)


@dataclass(frozen=True)
class TicTacToe(CompiledGame):
    """Action y * 3 + x marks the cell in row y (0 on top) and column x; it is called a1 to c3, rows from below."""

    name: str = "tictactoe"
    version: int = 1
    dtype: np.dtype[np.void] = DTYPE
    num_actions: int = 9
    board_shape: tuple[int, int] = (3, 3)
    planes: tuple[str, ...] = ("own stones", "other stones")
    max_plies: int = 9

    @property
    def state_kernels(self) -> StateKernels:
        return _KERNELS

    def workspace(self) -> tuple[object, ...]:
        return ()

    @property
    def symmetries(self) -> Symmetries:
        return square_symmetries(3)

    def reset(self, n: int) -> States:
        states = np.zeros(n, DTYPE)
        states["last"] = -1
        return states

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), 3, 3), np.uint8)
        _observe(states, out)
        return out

    def board(self, states: States) -> NDArray[np.int8]:
        planes = self.observe(states).astype(np.int8)
        sign = (1 - 2 * states["to_play"])[:, None, None]
        return np.asarray(sign * (planes[:, 0] - planes[:, 1]), np.int8)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """Zero until the game ends: the whole tree is small enough to search."""
        return self.returns(states)

    def action_name(self, action: int) -> str:
        return "abc"[action % 3] + "321"[action // 3]

    def parse_action(self, text: str) -> int:
        name = text.strip().lower()
        if len(name) != 2 or name[0] not in "abc" or name[1] not in "123":
            raise ValueError(f"'{text}' is not a cell: type a letter a to c and a row 1 to 3, such as b2")
        return "321".index(name[1]) * 3 + "abc".index(name[0])

    def show(self, state: np.void) -> str:
        batch = np.array([state], DTYPE)
        ended = bool(self.terminal(batch)[0])
        below_board = text.footer(to_play=int(state["to_play"]), terminal=ended, result=float(self.returns(batch)[0]))
        return text.draw(self.board(batch)[0], columns="abc", rows="321", last=int(state["last"]), footer=below_board)
