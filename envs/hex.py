"""Hex: two players, a rhombus of hexagons, and whoever joins his own two edges with a chain wins. No game is drawn.

The first player (X; HexWiki's Red, Black in the Smart Game Format) joins top and bottom, the second (O; Blue, White)
joins left and right. Every row stands half a cell to the right of the one above, so that column x of row y has the
neighbours

       (x, y-1)  (x+1, y-1)
    (x-1, y)  (x, y)  (x+1, y)
      (x-1, y+1)  (x, y+1)

Cells are called by a letter for the column and a number for the row, a1 in the sharp corner at the top left: as in the
Smart Game Format (red-bean.com/sgf/hex.html) and on HexWiki (hexwiki.net/index.php/Small_boards).

The swap rule lets the second player, as his first move, take over the first stone. Of its two forms
(hexwiki.net/index.php/Swap_rule) this is the one usual on game sites, the Smart Game Format's `swap-pieces`: nobody
changes colour; the stone is taken off and one of the second player's put on its mirror image on the long diagonal from
a1 (column and row change places), so that his position is what the first player's was. Then the first player moves.

>>> game = Hex(size=4)
>>> states = game.reset(1)
>>> for move in ("c1", "swap", "b2"):
...     states = game.step(states, np.array([game.parse_action(move)]))
>>> print(game.show(states[0]))
  a b c d
1 . . . .
 2 .(X). .
  3 O . . .
   4 . . . .
O to play (left to right)
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.compiled import LOST, UNFINISHED, CompiledGame, StateKernels, has_status, status_result
from envs.game import States, Symmetries
from envs.jit import inlined, kernel
from envs.rng import GOLDEN, below

SIZES = range(3, 20)
COLUMNS = "abcdefghijklmnopqrs"
CAPACITIES = (122, 362)  # cells of a record: of 11 x 11 or 19 x 19, and one for all that is off the board
FIRST_EDGE, SECOND_EDGE = 1, 2  # bits: joined to the top or left edge, to the bottom or right edge
BOTH = FIRST_EDGE | SECOND_EDGE
NOBODY = -1
FAR = 1000  # a distance that no board has
FAR_AHEAD = 20  # a lead that nothing can add to
TEMPO = 1.5  # what the move is worth: at a lead of -1.5 greedy players on 7x7 and 11x11 won as often as they lost


@functools.cache
def record(size: int) -> np.dtype[np.void]:
    """The state of one game; two record types serve all sizes, so that each kernel is compiled for two at most.

    board [y * size + x] is 0 where empty, else the colour (1 X, -1 O) times 1 + the bits of the edges of that colour
    which the stone's chain touches. A stone gains such a bit at most twice, the second time when the game is over, so
    keeping the bits of all chains right costs at most two looks at the neighbours of each stone in a whole game.
    """
    cells = next(capacity for capacity in CAPACITIES if size * size < capacity)
    return np.dtype(
        [("ply", "i2"), ("last", "i2"), ("to_play", "i1"), ("status", "i1"), ("board", "i1", (cells,))], align=True
    )  # no padding is left: equal states are equal bytes


@functools.cache
def neighbours(size: int) -> NDArray[np.int16]:
    """[size * size, 6] the neighbours of every cell, clockwise from the upper left; size * size off the board."""
    padded = np.full((size + 2, size + 2), size * size, np.int16)
    padded[1:-1, 1:-1] = np.arange(size * size).reshape(size, size)
    steps = ((-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, -1))
    table = np.stack([padded[1 + dy : 1 + dy + size, 1 + dx : 1 + dx + size].reshape(-1) for dy, dx in steps], axis=1)
    table.setflags(write=False)
    return table


@functools.cache
def edges(size: int) -> NDArray[np.int8]:
    """[2, size * size] for each player the bits of his edges that a cell lies on."""
    first = np.zeros((size, size), np.int8)
    first[0], first[-1] = FIRST_EDGE, SECOND_EDGE
    table = np.stack([first.reshape(-1), first.T.reshape(-1)])
    table.setflags(write=False)
    return table


class Workspace(NamedTuple):
    """What the kernels of one state need besides it."""

    size: int
    swap: bool
    near: NDArray[np.int16]  # `neighbours`
    edge: NDArray[np.int8]  # `edges`
    stack: NDArray[np.int16]  # [cells], overwritten
    empty: NDArray[np.int32]  # [cells], overwritten
    colours: NDArray[np.int8]  # [(size + 2) ** 2] inside a border of the edges' colours; the cells are overwritten


@functools.cache
def _border(size: int) -> NDArray[np.int8]:
    """[(size + 2) ** 2] the colours of the edges around an empty board."""
    colours = np.zeros((size + 2, size + 2), np.int8)
    colours[:, [0, -1]] = -1
    colours[[0, -1]] = 1
    return colours.reshape(-1)


@kernel
def place(board, near, edge, p, colour, stack):
    """Put a stone on the empty cell `p`; True where its chain now joins both edges. `edge` [cells] is its colour's."""
    joined = edge[p]
    for k in range(6):
        beside = board[near[p, k]] * colour
        if beside > 0:
            joined |= beside - 1
    board[p] = colour * (1 + joined)
    if joined == 0:
        return False
    stack[0] = p
    height = 1
    while height > 0:  # the chain's other stones learn of the edges they have gained
        height -= 1
        stone = stack[height]
        for k in range(6):
            q = near[stone, k]
            if board[q] * colour > 0 and board[q] * colour != 1 + joined:
                board[q] = colour * (1 + joined)
                stack[height] = q
                height += 1
    return joined == BOTH


@inlined
def _play(g, p, board):
    """The side to move plays cell `p` or swaps; the turn changes."""
    player, size, stones = g["to_play"], board.size, g["board"]
    if p == size * size:  # swap
        first = g["last"]
        stones[first] = 0
        p = first % size * size + first // size
    if place(stones, board.near, board.edge[player], p, 1 - 2 * player, board.stack):
        g["status"] = LOST
    g["to_play"] = 1 - player
    g["ply"] += 1
    g["last"] = p


@inlined
def _mark_legal(g, board, out):
    playing, cells, stones = g["status"] == UNFINISHED, board.size * board.size, g["board"]
    for p in range(cells):
        out[p] = playing and stones[p] == 0
    if board.swap:
        out[cells] = g["ply"] == 1


@kernel
def _observe(states, cells, swap, out):
    for i in range(len(states)):
        board = states[i]["board"]
        colour = 1 - 2 * states[i]["to_play"]
        for p in range(cells):
            stone = board[p] * colour
            out[i, 0, p] = stone > 0
            out[i, 1, p] = stone < 0
            out[i, 2, p] = stone > 1
            out[i, 3, p] = stone < -1
        out[i, 4] = states[i]["to_play"]
        if swap:
            out[i, 5] = states[i]["ply"] == 1


@kernel
def two_distances(board, near, edge, colour, bit, out, met, seen, queue, stack):
    """Fill `out` with every empty cell's two-distance from an edge of `colour` (van Rijswijck 2000, "Computer Hex: are
    bees better than fruitflies?"): 1 beside the edge, else 1 + the second least among its neighbours, since the
    opponent takes the best. Empty cells that touch one chain of `colour` are neighbours; FAR where nothing leads.
    """
    cells = len(near)
    tail = 0
    for p in range(cells):
        out[p], met[p], seen[p] = FAR, 0, NOBODY
        if board[p] == 0:
            beside = edge[p] & bit
            for k in range(6):
                stone = board[near[p, k]] * colour
                if stone > 1:
                    beside |= (stone - 1) & bit
            if beside:
                out[p] = 1
                queue[tail] = p
                tail += 1
    head = 0
    while head < tail:  # cells come in the order of their distances, and count as met by all their neighbours
        p = queue[head]
        head += 1
        seen[p] = p
        stack[0] = p
        height = 1
        while height > 0:
            height -= 1
            at = stack[height]
            for k in range(6):
                q = near[at, k]
                if q == cells or seen[q] == p or board[q] * colour < 0:
                    continue
                seen[q] = p
                met[q] += 1
                if board[q] != 0:
                    if met[q] <= 2:  # a third visitor finds only cells that have met two
                        stack[height] = q
                        height += 1
                elif met[q] == 2 and out[q] == FAR:
                    out[q] = out[p] + 1
                    queue[tail] = q
                    tail += 1


@kernel
def potential(board, near, edge, colour, work):
    """(the least sum of an empty cell's two-distances from both edges of `colour`, how many cells have it)"""
    first, second = work[0], work[1]
    two_distances(board, near, edge, colour, FIRST_EDGE, first, work[2], work[3], work[4], work[5])
    two_distances(board, near, edge, colour, SECOND_EDGE, second, work[2], work[3], work[4], work[5])
    least, count = 2 * FAR, 0
    for p in range(len(near)):
        if board[p] == 0:
            total = first[p] + second[p]
            if total < least:
                least, count = total, 0
            count += total == least
    return least, count


@kernel
def _heuristic(states, near, edge, swap, out):
    work = np.empty((6, len(near)), np.int32)
    for i in range(len(states)):
        if states[i]["status"] == LOST:
            out[i] = -1.0
            continue
        player, board = states[i]["to_play"], states[i]["board"]
        colour = 1 - 2 * player
        own, own_ways = potential(board, near, edge[player], colour, work)
        other, other_ways = potential(board, near, edge[1 - player], -colour, work)
        lead = min(max(other - own, -FAR_AHEAD), FAR_AHEAD) + 0.25 * np.log(own_ways / other_ways)
        out[i] = 0.99 * np.tanh((lead + TEMPO) / 6.0)
        if swap and states[i]["ply"] == 1:
            out[i] = abs(out[i])  # who may swap chooses the better side


@kernel
def joins(colours, wide):
    """True where X joins top and bottom of a full board, inside a border (row width `wide`) of the edges' colours.

    From the sharp corner at the top left we follow the line that has X's stones on one side and O's on the other; it
    leaves the board beside the bottom edge or the right one (Gale 1979, "The game of Hex and the Brouwer fixed-point
    theorem"), and visits few of the stones.
    """
    turns = (1, wide, wide - 1, -1, -wide, 1 - wide)  # to the six neighbours, clockwise from the right
    x, towards_o = 1, 2  # a stone of X and the direction in which one of O stands beside it
    bottom = wide * (wide - 1)
    while True:
        ahead = x + turns[(towards_o + 5) % 6]
        if colours[ahead] > 0:
            x = ahead
            towards_o = (towards_o + 1) % 6
            if x >= bottom:
                return True
        else:
            towards_o = (towards_o + 5) % 6
            if ahead % wide == wide - 1:
                return False


@kernel
def _playout(g, counter, board):
    """The order of the moves of a random game does not matter: the empty cells are shared out, then one look."""
    size, colours, empty = board.size, board.colours, board.empty
    wide, mover, left = size + 2, 1 - 2 * g["to_play"], 0
    for y in range(1, wide - 1):
        for x in range(1, wide - 1):
            stone = g["board"][(y - 1) * size + x - 1]
            colours[wide * y + x] = mover if stone == 0 else stone
            if stone == 0:
                empty[left] = wide * y + x
                left += 1
    for j in range(left // 2):  # the opponent gets a random half of the empty cells, rounded down
        counter += GOLDEN
        k = j + below(counter, left - j)
        colours[empty[k]] = -mover
        empty[k] = empty[j]
    result = 1.0 if joins(colours, wide) == (mover == 1) else -1.0
    if board.swap and g["ply"] < 2:
        counter += GOLDEN
        if below(counter, size * size) == 0:  # the swap was drawn: the same game with the players changed round
            return -result
    return result


_KERNELS = StateKernels(_play, _mark_legal, has_status, status_result, _playout)


@dataclass(frozen=True, init=False)
class Hex(CompiledGame):
    """Hex. Action y * size + x plays a cell, row 0 on top; with the swap rule, action size * size swaps."""

    size: int
    swap: bool

    version: ClassVar[int] = 1

    def __init__(self, size: int | str = 11, swap: bool | str = True) -> None:
        """Options may be text, as `envs.make` takes them; ValueError names the one that is wrong."""
        if str(size) not in map(str, SIZES):
            raise ValueError(f"hex cannot have size={size}: choose a whole number from {SIZES[0]} to {SIZES[-1]}")
        if str(swap).lower() not in ("true", "false"):
            raise ValueError(f"hex cannot have swap={swap}: choose true or false")
        object.__setattr__(self, "size", int(size))
        object.__setattr__(self, "swap", str(swap).lower() == "true")

    @property
    def name(self) -> str:
        return f"hex:size={self.size}" + ("" if self.swap else ",swap=false")

    @property
    def dtype(self) -> np.dtype[np.void]:
        return record(self.size)

    @property
    def num_actions(self) -> int:
        return self.size * self.size + self.swap

    @property
    def board_shape(self) -> tuple[int, int]:
        return self.size, self.size

    @property
    def planes(self) -> tuple[str, ...]:
        """The board is not turned for the second player: the last but one plane says whose edges are whose."""
        always = (
            "own stones",
            "other stones",
            "own chains that touch an own edge",
            "other chains that touch an edge of theirs",
            "second player to move",
        )
        return (*always, "swap allowed") if self.swap else always

    @property
    def max_plies(self) -> int:
        """A stone on every cell; a swap is a ply that adds none."""
        return self.size * self.size + self.swap

    @property
    def state_kernels(self) -> StateKernels:
        return _KERNELS

    def workspace(self) -> Workspace:
        cells, size = self.size * self.size, self.size
        work = np.empty(cells, np.int16), np.empty(cells, np.int32), _border(size).copy()
        return Workspace(size, self.swap, neighbours(size), edges(size), *work)

    @property
    def symmetries(self) -> Symmetries:
        """The board as it is and turned by half a turn: both keep each player's edges his own."""
        points = np.arange(self.size * self.size, dtype=np.int32)
        table = np.stack([points, points[::-1]])
        swap = np.full((2, int(self.swap)), self.size * self.size, np.int32)
        return Symmetries(table, np.concatenate([table, swap], axis=1))

    def reset(self, n: int) -> States:
        states = np.zeros(n, self.dtype)
        states["last"] = -1
        return states

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), self.size * self.size), np.uint8)
        _observe(states, self.size * self.size, self.swap, out)
        return out.reshape(len(states), len(self.planes), self.size, self.size)

    def board(self, states: States) -> NDArray[np.int8]:
        stones = np.sign(states["board"][:, : self.size * self.size])
        return np.asarray(stones.reshape(-1, self.size, self.size), np.int8)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """tanh of how much nearer to joining his edges the side to move is, in two-distance."""
        out = np.empty(len(states), np.float32)
        _heuristic(states, neighbours(self.size), edges(self.size), self.swap, out)
        return out

    def action_name(self, action: int) -> str:
        if action == self.size * self.size:
            return "swap"
        return f"{COLUMNS[action % self.size]}{action // self.size + 1}"

    def parse_action(self, text: str) -> int:
        """`swap` may be written `swap-pieces` too, as in the Smart Game Format."""
        move = text.strip().lower()
        if self.swap and move in ("swap", "swap-pieces"):
            return self.size * self.size
        column, row = COLUMNS[: self.size].find(move[:1]), move[1:]
        if not move or column < 0 or row not in map(str, range(1, self.size + 1)):
            corner = self.action_name(self.size * self.size - 1)
            swap = ", or swap" if self.swap else ""
            raise ValueError(f"'{text}' is not a move: type a column and a row, a1 to {corner}{swap}")
        return (int(row) - 1) * self.size + column

    def show(self, state: np.void) -> str:
        """Every row half a cell to the right of the one above; the last stone in parentheses."""
        batch = np.array([state], self.dtype)
        to_play, ended = int(state["to_play"]), bool(self.terminal(batch)[0])
        side = 1 - to_play if ended else to_play
        margin = len(str(self.size))
        lines = [" " * margin + "".join(f" {name}" for name in COLUMNS[: self.size])]
        for y, row in enumerate(self.board(batch)[0]):
            line = "".join(f" {text.STONES[int(stone)]}" for stone in row) + " "
            x = int(state["last"]) - y * self.size
            if 0 <= x < self.size:
                line = f"{line[: 2 * x]}({line[2 * x + 1]}){line[2 * x + 3 :]}"
            lines.append(f"{' ' * y}{y + 1:>{margin}}{line}".rstrip())
        way = ("top to bottom", "left to right")[side]
        note = f"{way}; may swap" if self.swap and state["ply"] == 1 else way
        returns = float(self.returns(batch)[0])
        return "\n".join([*lines, text.footer(to_play=to_play, terminal=ended, result=returns, note=note)])
