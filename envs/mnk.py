"""m,n,k games: stones on an m by n board, k in a row wins. Gomoku is 15,15,5.

The first player is X (Black). A line longer than k wins too (freestyle), unless `exact` is set, where only exactly k counts,
as in standard Gomoku. A full board is a draw. Points are called as Gomoku players
do, a1 at the lower left and no letter left out.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.compiled import DRAWN, LOST, UNFINISHED, CompiledGame, StateKernels, has_status, status_result
from envs.game import States, Symmetries, square_symmetries
from envs.jit import inlined, kernel
from envs.rng import GOLDEN, below

LONGEST = 19  # points on a side
COLUMNS = "abcdefghijklmnopqrs"
CAPACITIES = (16, 81, 225, 361)  # record sizes: each is compiled once, smaller boards leave the rest unused


@functools.cache
def record(points: int) -> np.dtype[np.void]:
    """The state of one game on a board of `points` points."""
    capacity = next(c for c in CAPACITIES if points <= c)
    return np.dtype(
        [
            ("board", "i1", (capacity,)),  # 1 the first player's, -1 the second's, 0 empty; row 0 on top
            ("ply", "i2"),
            ("last", "i2"),
            ("to_play", "i1"),
            ("status", "i1"),
        ],
        align=True,
    )


class Workspace(NamedTuple):
    """What the kernels of one state need besides it."""

    m: int
    n: int
    k: int
    exact: bool
    stones: NDArray[np.int8]  # [m * n], overwritten
    empties: NDArray[np.int16]  # [m * n], overwritten


@kernel
def run_length(board, m, n, p, dy, dx):
    """Stones of the colour at `p` in a row through it along (dy, dx)."""
    y, x = p // m, p % m
    length = 1
    for sign in (-1, 1):
        v, u = y + sign * dy, x + sign * dx
        while 0 <= v < n and 0 <= u < m and board[v * m + u] == board[p]:
            length, v, u = length + 1, v + sign * dy, u + sign * dx
    return length


@kernel
def wins(board, m, n, k, exact, p):
    """True where the stone at `p` stands in a winning line."""
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        length = run_length(board, m, n, p, dy, dx)
        if length == k or (length > k and not exact):
            return True
    return False


@inlined
def _play(g, p, board):
    """The side to move places a stone on point `p`; the turn changes."""
    g["board"][p] = 1 - 2 * g["to_play"]
    g["to_play"] = 1 - g["to_play"]
    g["ply"] += 1
    g["last"] = p
    if wins(g["board"], board.m, board.n, board.k, board.exact, p):
        g["status"] = LOST
    elif g["ply"] == board.m * board.n:
        g["status"] = DRAWN


@inlined
def _mark_legal(g, board, out):
    playing, stones = g["status"] == UNFINISHED, g["board"]
    for p in range(len(out)):
        out[p] = playing and stones[p] == 0


@kernel
def _observe(states, out):
    for i in range(len(states)):
        g = states[i]
        colour = 1 - 2 * g["to_play"]
        for p in range(out.shape[2]):
            out[i, 0, p] = g["board"][p] == colour
            out[i, 1, p] = g["board"][p] == -colour
            out[i, 2, p] = p == g["last"]
        out[i, 3] = g["to_play"]


@kernel
def _open_lines(states, m, n, k, out):
    """For the side to move: 4^stones over all rows of k points that hold stones of one side only, minus the other's."""
    for i in range(len(states)):
        g = states[i]
        worth = 0.0
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            for y in range(n - (k - 1) * dy):
                for x in range(max(0, -(k - 1) * dx), min(m, m - (k - 1) * dx)):
                    first, second = 0, 0
                    for step in range(k):
                        stone = g["board"][(y + step * dy) * m + x + step * dx]
                        first += stone == 1
                        second += stone == -1
                    if second == 0 and first > 0:
                        worth += 4.0**first
                    elif first == 0 and second > 0:
                        worth -= 4.0**second
        out[i] = worth * (1 - 2 * g["to_play"])


@kernel
def _playout(g, counter, board):
    stones, empties = board.stones, board.empties
    left = 0
    for p in range(len(stones)):
        stones[p] = g["board"][p]
        if stones[p] == 0:
            empties[left] = p
            left += 1
    colour = 1 - 2 * g["to_play"]
    sign = 1.0  # of the side to move in the playout, against the side to move in g
    while left > 0:
        counter += GOLDEN
        pick = below(counter, left)
        left -= 1
        p = empties[pick]
        empties[pick] = empties[left]
        stones[p] = colour
        if wins(stones, board.m, board.n, board.k, board.exact, p):
            return sign
        colour, sign = -colour, -sign
    return 0.0


_KERNELS = StateKernels(_play, _mark_legal, has_status, status_result, _playout)


@dataclass(frozen=True, init=False)
class MNK(CompiledGame):
    """m columns, n rows, k in a row. Action y * m + x places on a point, row 0 on top."""

    m: int
    n: int
    k: int
    exact: bool

    version: ClassVar[int] = 1
    planes: ClassVar[tuple[str, ...]] = ("own stones", "other stones", "last move", "second player to move")

    def __init__(self, m: int | str = 15, n: int | str = 15, k: int | str = 5, exact: bool | str = False) -> None:
        """Options may be text, as `envs.make` takes them; ValueError names the one that is wrong."""
        for name, given, most in (("m", m, LONGEST), ("n", n, LONGEST), ("k", k, LONGEST)):
            if str(given) not in map(str, range(1, most + 1)):
                raise ValueError(f"mnk cannot have {name}={given}: choose a whole number from 1 to {most}")
        if int(k) > max(int(m), int(n)):
            raise ValueError(f"mnk cannot have k={k}: no row of a board of {m} by {n} is so long")
        if str(exact).lower() not in ("true", "false"):
            raise ValueError(f"mnk cannot have exact={exact}: choose true or false")
        for name, value in (("m", int(m)), ("n", int(n)), ("k", int(k)), ("exact", str(exact).lower() == "true")):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        return f"mnk:m={self.m},n={self.n},k={self.k}" + (",exact=true" if self.exact else "")

    @property
    def dtype(self) -> np.dtype[np.void]:
        return record(self.m * self.n)

    @property
    def num_actions(self) -> int:
        return self.m * self.n

    @property
    def board_shape(self) -> tuple[int, int]:
        return self.n, self.m

    @property
    def max_plies(self) -> int:
        return self.m * self.n

    @property
    def state_kernels(self) -> StateKernels:
        return _KERNELS

    def workspace(self) -> Workspace:
        points = self.m * self.n
        return Workspace(self.m, self.n, self.k, self.exact, np.empty(points, np.int8), np.empty(points, np.int16))

    @property
    def symmetries(self) -> Symmetries:
        """Eight of a square board, four of another."""
        return _symmetries(self.m, self.n)

    def reset(self, n: int) -> States:
        states = np.zeros(n, self.dtype)
        states["last"] = -1
        return states

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), self.num_actions), np.uint8)
        _observe(states, out)
        return out.reshape(len(states), len(self.planes), self.n, self.m)

    def board(self, states: States) -> NDArray[np.int8]:
        return np.asarray(states["board"][:, : self.num_actions].reshape(-1, self.n, self.m), np.int8)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """0.99 tanh of the difference in open rows of k, each stone in a row making it four times as good; exact at the end."""
        worth = np.empty(len(states), np.float64)
        _open_lines(states, self.m, self.n, self.k, worth)
        estimate = 0.99 * np.tanh(worth / 4.0 ** (self.k - 1))
        return np.where(self.terminal(states), self.returns(states), estimate).astype(np.float32)

    def action_name(self, action: int) -> str:
        return f"{COLUMNS[action % self.m]}{self.n - action // self.m}"

    def parse_action(self, text: str) -> int:
        move = text.strip().lower()
        column, row = COLUMNS[: self.m].find(move[:1]), move[1:]
        if not move or column < 0 or row not in map(str, range(1, self.n + 1)):
            corner = self.action_name(self.m - 1)
            raise ValueError(f"'{text}' is not a move: type a column and a row, a1 to {corner}")
        return (self.n - int(row)) * self.m + column

    def show(self, state: np.void) -> str:
        batch = np.array([state], self.dtype)
        below_board = text.footer(
            to_play=int(state["to_play"]),
            terminal=bool(self.terminal(batch)[0]),
            result=float(self.returns(batch)[0]),
        )
        rows = [str(row) for row in range(self.n, 0, -1)]
        return text.draw(
            self.board(batch)[0], columns=COLUMNS[: self.m], rows=rows, last=int(state["last"]), footer=below_board
        )


def gomoku(size: int | str = 15, exact: bool | str = False) -> MNK:
    """Five in a row on a square board: 15x15 unless told."""
    if str(size) not in map(str, range(5, LONGEST + 1)):
        raise ValueError(f"gomoku cannot have size={size}: choose a whole number from 5 to {LONGEST}")
    return MNK(size, size, 5, exact)


@functools.cache
def _symmetries(m: int, n: int) -> Symmetries:
    if m == n:
        return square_symmetries(m)
    points = np.arange(m * n, dtype=np.int32).reshape(n, m)
    faces = (points, points[:, ::-1], points[::-1], points[::-1, ::-1])
    table = np.stack([face.reshape(-1) for face in faces]).astype(np.int32)
    return Symmetries(table, table)
