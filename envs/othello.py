"""Othello (Reversi) on any even board from 4x4 to 16x16.

A disc is placed where it encloses at least one straight run of the opponent's, and every run it encloses is turned. Who cannot
place passes (a move of its own here, as in OpenSpiel and in the published counts); when neither can, the game is over and the
discs are counted. Squares are called a1 to h8 with a1 at the top left, as the World Othello Federation does; X, who begins, is
Black (d5 and e4 are black at the start).

A row of the board is a word of `size` bits, bit x the square in column x, so that all squares of a row are worked on at once:

    horizontal       runs grow along the row, one square a round
    the other six    one sweep over the rows: the run below (or above) an own disc, shifted into the next row, goes on there
                     over the opponent's discs, and where it leaves them for an empty square is a move
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.compiled import CompiledGame, StateKernels
from envs.game import States, Symmetries, square_symmetries
from envs.jit import inlined, kernel
from envs.rng import GOLDEN, below

ROWS = 16  # room in a record; a smaller board leaves the rest empty
SIZES = range(4, ROWS + 1, 2)
COLUMNS = "abcdefghijklmnop"

DTYPE = np.dtype(
    [
        ("own", "u2", (ROWS,)),  # discs of the side to move, a word a row, row 0 on top
        ("other", "u2", (ROWS,)),
        ("moves", "u2", (ROWS,)),  # squares where the side to move can place
        ("ply", "i2"),
        ("last", "i2"),
        ("to_play", "i1"),
        ("over", "i1"),
        ("unused", "i2"),
    ],
    align=True,
)  # no padding is left: equal states are equal bytes


class Workspace(NamedTuple):
    """What the kernels of one state need besides it."""

    size: int
    own: NDArray[np.uint16]  # [ROWS] each, overwritten
    other: NDArray[np.uint16]
    moves: NDArray[np.uint16]


@kernel
def _shift(row, dx, full):
    """The bits of a row moved by `dx` squares, those that leave the board lost."""
    if dx > 0:
        return (row << 1) & full
    if dx < 0:
        return row >> 1
    return row


@kernel
def find_moves(own, other, size, moves):
    """Fill `moves` [rows] with the squares where `own` can place; returns True where there is any."""
    full = (1 << size) - 1
    found = np.int64(0)
    for y in range(size):
        o, p = np.int64(own[y]), np.int64(other[y])
        right, left = (o << 1) & p, (o >> 1) & p
        for _ in range(size - 3):
            right |= (right << 1) & p
            left |= (left >> 1) & p
        moves[y] = ((right << 1) | (left >> 1)) & full & ~(o | p)
    for dx in range(-1, 2):
        down, up = 0, 0  # runs of the opponent's discs that reach the row before
        for y in range(1, size):
            z = size - 1 - y
            taken, below_taken = np.int64(own[y]) | np.int64(other[y]), np.int64(own[z]) | np.int64(other[z])
            moves[y] |= _shift(down, dx, full) & ~taken
            moves[z] |= _shift(up, dx, full) & ~below_taken
            down = _shift(down | np.int64(own[y - 1]), dx, full) & np.int64(other[y])
            up = _shift(up | np.int64(own[z + 1]), dx, full) & np.int64(other[z])
    for y in range(size):
        found |= moves[y]
    return found != 0


@kernel
def place(own, other, size, y, x):
    """`own` places at (y, x), a legal square: enclosed discs change sides."""
    own[y] |= 1 << x
    for direction in range(9):
        dy, dx = direction // 3 - 1, direction % 3 - 1
        if dy == 0 and dx == 0:
            continue
        run, v, u = 0, y + dy, x + dx
        while 0 <= v < size and 0 <= u < size and (other[v] >> u) & 1:
            run, v, u = run + 1, v + dy, u + dx
        if 0 <= v < size and 0 <= u < size and (own[v] >> u) & 1:
            for step in range(1, run + 1):
                own[y + step * dy] |= 1 << (x + step * dx)
                other[y + step * dy] ^= 1 << (x + step * dx)


@kernel
def count_bits(rows, size):
    """Discs in `rows`."""
    count = 0
    for y in range(size):
        row = np.int64(rows[y])
        while row != 0:
            row &= row - 1
            count += 1
    return count


@inlined
def _play(g, action, board):
    """The side to move places or passes; the turn changes."""
    size = board.size
    g["ply"] += 1
    g["to_play"] = 1 - g["to_play"]
    g["last"] = -1
    if action < size * size:
        g["last"] = action
        place(g["own"], g["other"], size, action // size, action % size)
    for y in range(size):
        g["own"][y], g["other"][y] = g["other"][y], g["own"][y]
    if not find_moves(g["own"], g["other"], size, g["moves"]):
        g["over"] = not find_moves(g["other"], g["own"], size, board.moves)


@inlined
def _mark_legal(g, board, out):
    size, found = board.size, np.int64(0)
    for y in range(size):
        row = np.int64(g["moves"][y])
        found |= row
        for x in range(size):
            out[y * size + x] = (row >> x) & 1
    out[size * size] = found == 0 and not g["over"]


@kernel
def _observe(states, size, out):
    for i in range(len(states)):
        g = states[i]
        for y in range(size):
            for x in range(size):
                out[i, 0, y, x] = (g["own"][y] >> x) & 1
                out[i, 1, y, x] = (g["other"][y] >> x) & 1
                out[i, 2, y, x] = (g["moves"][y] >> x) & 1
        out[i, 3] = g["to_play"]


@kernel
def _difference(states, size, out):
    for i in range(len(states)):
        out[i] = count_bits(states[i]["own"], size) - count_bits(states[i]["other"], size)


@kernel
def _mobility(states, size, out):
    """Placements and corners of the side to move minus the other's, a corner worth ten placements."""
    scratch = np.zeros(ROWS, np.uint16)
    edges = np.int64(1) | np.int64(1) << (size - 1)
    for i in range(len(states)):
        g = states[i]
        find_moves(g["other"], g["own"], size, scratch)
        worth = count_bits(g["moves"], size) - count_bits(scratch, size)
        for y in (0, size - 1):
            own, other = np.int64(g["own"][y]) & edges, np.int64(g["other"][y]) & edges
            worth += 10 * ((own & 1) + (own >> (size - 1)) - (other & 1) - (other >> (size - 1)))
        out[i] = worth


@kernel
def _ended(g, board):
    return g["over"] != 0


@kernel
def _winner(own, other, size):
    """1, 0 or -1, for who has `own`."""
    difference = count_bits(own, size) - count_bits(other, size)
    return 1.0 if difference > 0 else -1.0 if difference < 0 else 0.0


@kernel
def _result(g, board):
    return _winner(g["own"], g["other"], board.size)


@kernel
def _playout(g, counter, board):
    own, other, moves, size = board.own, board.other, board.moves, board.size
    own[:], other[:], moves[:] = g["own"], g["other"], g["moves"]
    sign, passes = 1.0, 0
    while passes < 2:
        count = count_bits(moves, size)
        passes = 0 if count else passes + 1
        if count:
            counter += GOLDEN
            left, y = below(counter, count), 0
            row = np.int64(moves[0])
            while True:  # the bit numbered `left`
                if row == 0:
                    y += 1
                    row = np.int64(moves[y])
                    continue
                if left == 0:
                    break
                row &= row - 1
                left -= 1
            x = 0
            while (row >> x) & 1 == 0:
                x += 1
            place(own, other, size, y, x)
        own, other, sign = other, own, -sign
        find_moves(own, other, size, moves)
    return sign * _winner(own, other, size)


_KERNELS = StateKernels(_play, _mark_legal, _ended, _result, _playout)


@dataclass(frozen=True, init=False)
class Othello(CompiledGame):
    """Othello. Action y * size + x places on a square, row 0 on top; action size * size passes. X, who begins, is Black."""

    size: int

    version: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.void]] = DTYPE
    planes: ClassVar[tuple[str, ...]] = (
        "own discs",
        "other discs",
        "where a disc can be placed",
        "second player to move",
    )

    def __init__(self, size: int | str = 8) -> None:
        """The size may be text, as `envs.make` takes it; ValueError where there is no such board."""
        if str(size) not in map(str, SIZES):
            raise ValueError(f"othello cannot have size={size}: choose an even number from {SIZES[0]} to {SIZES[-1]}")
        object.__setattr__(self, "size", int(size))

    @property
    def name(self) -> str:
        return f"othello:size={self.size}"

    @property
    def num_actions(self) -> int:
        return self.size * self.size + 1

    @property
    def board_shape(self) -> tuple[int, int]:
        return self.size, self.size

    @property
    def max_plies(self) -> int:
        """Every empty square filled, a pass between any two placements."""
        return 2 * (self.size * self.size - 4)

    @property
    def state_kernels(self) -> StateKernels:
        return _KERNELS

    def workspace(self) -> Workspace:
        return Workspace(self.size, *np.zeros((3, ROWS), np.uint16))

    @property
    def symmetries(self) -> Symmetries:
        """The four that leave the start position as it is: the diagonals and the half turn."""
        return _symmetries(self.size)

    def reset(self, n: int) -> States:
        return np.repeat(_start(self.size), n)

    def difference(self, states: States) -> NDArray[np.int32]:
        """[B] discs of the first player minus discs of the second."""
        out = np.empty(len(states), np.int32)
        _difference(states, self.size, out)
        return np.asarray((1 - 2 * states["to_play"].astype(np.int32)) * out)

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), self.size, self.size), np.uint8)
        _observe(states, self.size, out)
        return out

    def board(self, states: States) -> NDArray[np.int8]:
        planes = self.observe(states).astype(np.int8)
        sign = (1 - 2 * states["to_play"])[:, None, None]
        return np.asarray(sign * (planes[:, 0] - planes[:, 1]), np.int8)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """0.99 tanh of the difference in mobility and corners, the two that matter before the end; exact there."""
        worth = np.empty(len(states), np.int32)
        _mobility(states, self.size, worth)
        estimate = 0.99 * np.tanh(worth / 20)
        return np.where(self.terminal(states), self.returns(states), estimate).astype(np.float32)

    def action_name(self, action: int) -> str:
        if action == self.size * self.size:
            return "pass"
        return f"{COLUMNS[action % self.size]}{action // self.size + 1}"

    def parse_action(self, text: str) -> int:
        move = text.strip().lower()
        if move == "pass":
            return self.size * self.size
        column, row = COLUMNS[: self.size].find(move[:1]), move[1:]
        if not move or column < 0 or row not in map(str, range(1, self.size + 1)):
            corner = self.action_name(self.size * self.size - 1)
            raise ValueError(f"'{text}' is not a move: type a column and a row, a1 to {corner}, or pass")
        return (int(row) - 1) * self.size + column

    def show(self, state: np.void) -> str:
        batch = np.array([state], DTYPE)
        discs = np.abs(self.board(batch)).sum()
        difference = int(self.difference(batch)[0])
        note = f"discs X {(discs + difference) // 2}, O {(discs - difference) // 2}"
        below_board = text.footer(
            to_play=int(state["to_play"]),
            terminal=bool(state["over"]),
            result=float(self.returns(batch)[0]),
            note=note,
        )
        rows = [str(row) for row in range(1, self.size + 1)]
        return text.draw(
            self.board(batch)[0], columns=COLUMNS[: self.size], rows=rows, last=int(state["last"]), footer=below_board
        )


@functools.cache
def _start(size: int) -> States:
    """[1] the start position; read-only."""
    states = np.zeros(1, DTYPE)
    states["last"] = -1
    low = size // 2 - 1
    states["own"][0, [low, low + 1]] = 1 << (low + 1), 1 << low  # e4 and d5 on 8x8: Black's
    states["other"][0, [low, low + 1]] = 1 << low, 1 << (low + 1)
    find_moves(states["own"][0], states["other"][0], size, states["moves"][0])
    states.setflags(write=False)
    return states


@functools.cache
def _symmetries(size: int) -> Symmetries:
    points, actions = square_symmetries(size, extra_actions=1)
    face = Othello(size).board(_start(size)).reshape(-1)
    kept = [s for s in range(len(points)) if (face[points[s]] == face).all()]
    return Symmetries(points[kept], actions[kept])
