"""Connect Four on 7 columns by 6 rows, on bitboards.

Seven bits a column, the lowest at the bottom, the seventh always empty so that shifted lines cannot wrap round:

     6 13 20 27 34 41 48   <- sentinel row, never occupied
     5 12 19 26 33 40 47
     4 11 18 25 32 39 46
     3 10 17 24 31 38 45
     2  9 16 23 30 37 44
     1  8 15 22 29 36 43
     0  7 14 21 28 35 42

A state holds the stones of the side to move and all stones; whose they are follows from `to_play`.
The layout is John Tromp's; Pascal Pons's solver uses it too (blog.gamesolver.org).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.compiled import DRAWN, LOST, UNFINISHED, CompiledGame, StateKernels, has_status, status_result
from envs.game import States, Symmetries
from envs.jit import kernel
from envs.rng import GOLDEN, mix

WIDTH, HEIGHT = 7, 6

DTYPE = np.dtype(
    [
        ("own", "u8"),
        ("mask", "u8"),
        ("to_play", "i1"),
        ("status", "i1"),
        ("ply", "i2"),
        ("last", "i2"),
        ("unused", "i2"),
    ],
    align=True,
)  # no padding is left: equal states are equal bytes

_ONE, _THREE, _SEVEN = np.uint64(1), np.uint64(3), np.uint64(7)
COLUMNS = np.array([((1 << HEIGHT) - 1) << 7 * x for x in range(WIDTH)], np.uint64)  # playable cells of each column
BOTTOM = np.uint64(sum(1 << 7 * x for x in range(WIDTH)))  # lowest cell of every column
_TOP = np.uint64(sum(1 << (7 * x + HEIGHT - 1) for x in range(WIDTH)))  # highest playable cell of every column
FULL = np.uint64(sum(((1 << HEIGHT) - 1) << 7 * x for x in range(WIDTH)))


@kernel
def has_four(stones):
    """True where the bitboard holds four in a row."""
    for shift in (1, 6, 7, 8):
        pairs = stones & (stones >> np.uint64(shift))
        if pairs & (pairs >> np.uint64(2 * shift)):
            return True
    return False


@kernel
def winning_cells(stones, mask):
    """Bitboard of the empty cells, reachable now or not, that would complete a four for `stones`."""
    s1, s2, s3 = np.uint64(1), np.uint64(2), np.uint64(3)
    cells = (stones << s1) & (stones << s2) & (stones << s3)  # vertical
    for step in (6, 7, 8):
        d = np.uint64(step)
        d2, d3 = np.uint64(2 * step), np.uint64(3 * step)
        pair = (stones << d) & (stones << d2)
        cells |= pair & (stones << d3)
        cells |= pair & (stones >> d)
        pair = (stones >> d) & (stones >> d2)
        cells |= pair & (stones << d)
        cells |= pair & (stones >> d3)
    return cells & (FULL ^ mask)


@kernel
def popcount(bits):
    """Number of set bits of a u8."""
    count = 0
    while bits != np.uint64(0):
        bits &= bits - _ONE
        count += 1
    return count


@kernel
def _play(g, action, board):
    """The side to move drops a stone; the turn changes."""
    column = np.uint64(action) * _SEVEN
    mask = g["mask"]
    move = (mask + (_ONE << column)) & (((_ONE << np.uint64(HEIGHT)) - _ONE) << column)
    mover = g["own"] | move
    mask |= move
    g["own"] = mask ^ mover
    g["mask"] = mask
    g["to_play"] = 1 - g["to_play"]
    g["ply"] += 1
    height = popcount((mask >> column) & np.uint64(0x3F))
    g["last"] = (HEIGHT - height) * WIDTH + action
    if has_four(mover):
        g["status"] = LOST
    elif mask == FULL:
        g["status"] = DRAWN


@kernel
def _mark_legal(g, board, out):
    playing, top = g["status"] == UNFINISHED, g["mask"] & _TOP
    for x in range(WIDTH):
        out[x] = playing and (top >> np.uint64(7 * x + HEIGHT - 1)) & _ONE == np.uint64(0)


@kernel
def _observe(states, out):
    for i in range(len(states)):
        own = states[i]["own"]
        other = states[i]["mask"] ^ own
        for x in range(WIDTH):
            for y in range(HEIGHT):
                bit = np.uint64(7 * x + HEIGHT - 1 - y)
                out[i, 0, y, x] = (own >> bit) & _ONE
                out[i, 1, y, x] = (other >> bit) & _ONE
        out[i, 2] = states[i]["to_play"]


@kernel
def _open_lines(stones, others):
    """Lines of four without a stone of `others`, worth 1, 4 and 16 for one, two and three of `stones`."""
    worth = 0.0
    for shift in (1, 6, 7, 8):
        d = np.uint64(shift)
        free = FULL ^ others
        starts = free & (free >> d) & (free >> (d + d)) & (free >> (d + d + d))
        while starts != np.uint64(0):
            start = starts & (~starts + _ONE)
            starts ^= start
            line = start | (start << d) | (start << (d + d)) | (start << (d + d + d))
            count = popcount(stones & line)
            if count > 0:
                worth += 4.0 ** (count - 1)
    return worth


@kernel
def _heuristic(states, out):
    for i in range(len(states)):
        own, mask = states[i]["own"], states[i]["mask"]
        if states[i]["status"] == LOST:
            out[i] = -1.0
        elif states[i]["status"] == DRAWN:
            out[i] = 0.0
        else:
            out[i] = np.tanh((_open_lines(own, mask ^ own) - _open_lines(mask ^ own, own)) / 16.0)


@kernel
def _playout(g, counter, board):
    """Three random bits name a column; the eighth name and full columns are drawn again, which leaves the rest uniform."""
    own, mask = g["own"], g["mask"]
    bits, draws = np.uint64(0), 0
    sign = 1.0  # of the side to move in (own, mask), against the side to move in g
    while mask != FULL:
        if draws == 0:
            counter += GOLDEN
            bits, draws = mix(counter), 21
        column = bits & _SEVEN
        bits >>= _THREE
        draws -= 1
        if column == _SEVEN:
            continue
        move = (mask + BOTTOM) & COLUMNS[column]
        if move == np.uint64(0):
            continue
        mover = own | move
        if has_four(mover):
            return sign
        mask |= move
        own = mask ^ mover
        sign = -sign
    return 0.0


_KERNELS = StateKernels(_play, _mark_legal, has_status, status_result, _playout)


@dataclass(frozen=True)
class ConnectFour(CompiledGame):
    """The standard 7 x 6 game. Action a drops a stone into column a, counted from the left; its name is a + 1."""

    name: str = "connect_four"
    version: int = 1
    dtype: np.dtype[np.void] = DTYPE
    num_actions: int = WIDTH
    board_shape: tuple[int, int] = (HEIGHT, WIDTH)
    planes: tuple[str, ...] = ("own stones", "other stones", "second player to move")
    max_plies: int = WIDTH * HEIGHT

    @property
    def state_kernels(self) -> StateKernels:
        return _KERNELS

    def workspace(self) -> tuple[object, ...]:
        return ()

    @property
    def symmetries(self) -> Symmetries:
        points = np.arange(HEIGHT * WIDTH, dtype=np.int32).reshape(HEIGHT, WIDTH)
        columns = np.arange(WIDTH, dtype=np.int32)
        return Symmetries(
            np.stack([points.reshape(-1), points[:, ::-1].reshape(-1)]), np.stack([columns, columns[::-1]])
        )

    def reset(self, n: int) -> States:
        states = np.zeros(n, DTYPE)
        states["last"] = -1
        return states

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), HEIGHT, WIDTH), np.uint8)
        _observe(states, out)
        return out

    def board(self, states: States) -> NDArray[np.int8]:
        planes = self.observe(states).astype(np.int8)
        sign = (1 - 2 * states["to_play"])[:, None, None]
        return np.asarray(sign * (planes[:, 0] - planes[:, 1]), np.int8)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """tanh of the difference in open lines of four, weighed by the stones already in them."""
        out = np.empty(len(states), np.float32)
        _heuristic(states, out)
        return out

    def action_name(self, action: int) -> str:
        return str(action + 1)

    def parse_action(self, text: str) -> int:
        if text.strip() not in tuple("1234567"):
            raise ValueError(f"'{text}' is not a column: type a number from 1 to 7")
        return int(text) - 1

    def show(self, state: np.void) -> str:
        batch = np.array([state], DTYPE)
        ended = bool(self.terminal(batch)[0])
        below_board = text.footer(to_play=int(state["to_play"]), terminal=ended, result=float(self.returns(batch)[0]))
        return text.draw(
            self.board(batch)[0], columns="1234567", rows=[""] * HEIGHT, last=int(state["last"]), footer=below_board
        )
