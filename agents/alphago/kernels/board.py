"""A working board for compiled code: chains with exact liberty counts, set up from plain stones, played on move by move.

Points are numbered row by row, row 0 on top; every neighbour off the board is the point OFF, where the wall stands. A
chain is named by one of its stones; its stones form a ring. Colours are 1 and -1, whoever is meant by them.

The board is one record, with room for 19x19 whatever its size: kernels are compiled once, and handing a record on costs
nothing, where numba counts references to every array of a tuple (measured: half the time of a playout).
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from envs.jit import kernel

EMPTY, WALL, NONE = 0, 2, -1
OFF = 361  # the point off the board; points before it have room

Offsets = tuple[tuple[int, int], ...]
AROUND: Offsets = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))  # neighbours, then diagonals
DIAMOND: Offsets = (
    *((-2, 0), (-1, -1), (-1, 0), (-1, 1), (0, -2), (0, -1)),
    *((0, 1), (0, 2), (1, -1), (1, 0), (1, 1), (2, 0)),
)

BOARD = np.dtype(
    [
        ("near", "i2", (OFF, len(AROUND))),  # the points around every point
        ("diamond", "i2", (OFF, len(DIAMOND))),  # those within two steps
        ("points", "i8"),  # of the board
        ("size", "i8"),  # of its side
        ("walk", "i4"),  # how many walks over the board there have been
        ("mark", "i4", (OFF + 1,)),  # the last walk that saw a point
        ("chain", "i2", (OFF + 1,)),  # name of the stone's chain, NONE where no stone is
        ("ring", "i2", (OFF,)),  # the next stone of the same chain
        ("libs", "i2", (OFF,)),  # liberties of the chain of this name
        ("stones", "i2", (OFF,)),  # stones of the chain of this name
        ("stone", "i1", (OFF + 1,)),  # 1, -1, EMPTY, or WALL (the last entry)
    ],
    align=True,
)


def neighbourhood(size: int, offsets: Offsets) -> NDArray[np.int16]:
    """[size * size, len(offsets)] the points that lie so many (rows, columns) from every point."""
    padded = np.full((size + 4, size + 4), OFF, np.int16)
    padded[2:-2, 2:-2] = np.arange(size * size).reshape(size, size)
    return np.stack([padded[2 + dy : 2 + dy + size, 2 + dx : 2 + dx + size].reshape(-1) for dy, dx in offsets], axis=1)


@functools.cache
def _blank(size: int) -> NDArray[np.void]:
    """[1] an empty board."""
    board = np.zeros(1, BOARD)
    board["points"], board["size"] = size * size, size
    board["near"][0, : size * size] = neighbourhood(size, AROUND)
    board["diamond"][0, : size * size] = neighbourhood(size, DIAMOND)
    board["chain"], board["stone"][0, OFF] = NONE, WALL
    return board


def new_board(size: int) -> NDArray[np.void]:
    """[1] an empty board to work on."""
    return _blank(size).copy()


@kernel
def set_up(board, stones):
    """Put `stones` [points] on the board, instead of whatever was there, and find their chains."""
    near, stone, chain, ring = board["near"], board["stone"], board["chain"], board["ring"]
    for p in range(board["points"]):
        stone[p], chain[p] = stones[p], NONE
    for first in range(board["points"]):
        if stone[first] == EMPTY or chain[first] != NONE:
            continue
        board["walk"] += 1
        chain[first], ring[first], board["libs"][first], board["stones"][first] = first, first, 0, 1
        at = first  # stones found on the way are put into the ring right behind this one, so that the walk meets them all
        while True:
            for k in range(4):
                q = near[at, k]
                if stone[q] == EMPTY and board["mark"][q] != board["walk"]:
                    board["mark"][q] = board["walk"]
                    board["libs"][first] += 1
                elif stone[q] == stone[first] and chain[q] == NONE:
                    chain[q] = first
                    ring[q], ring[at] = ring[at], q
                    board["stones"][first] += 1
            at = ring[at]
            if at == first:
                break


@kernel
def met_before(chain, near, p, k):
    """True where a neighbour of `p` before the k-th one belongs to the k-th one's chain."""
    met = False
    for j in range(k):
        met |= chain[near[p, j]] == chain[near[p, k]]
    return met


@kernel
def borders(board, p, c):
    """True where the point `p` is next to chain `c`."""
    found = False
    for k in range(4):
        found |= board["chain"][board["near"][p, k]] == c
    return found


@kernel
def join(board, a, b):
    """Make chains `a` and `b` one: the smaller one's stones take the greater one's name."""
    stone, chain, ring = board["stone"], board["chain"], board["ring"]
    if board["stones"][a] < board["stones"][b]:
        a, b = b, a
    at = b
    while True:
        for k in range(4):
            q = board["near"][at, k]
            if stone[q] == EMPTY and not borders(board, q, a):
                board["libs"][a] += 1
        chain[at] = a
        at = ring[at]
        if at == b:
            break
    ring[a], ring[b] = ring[b], ring[a]
    board["stones"][a] += board["stones"][b]


@kernel
def remove(board, c, taken, count):
    """Take chain `c` off; its points follow the first `count` of `taken`, whose new number is returned."""
    stone, chain, near = board["stone"], board["chain"], board["near"]
    captor = -stone[c]
    first, at = count, c
    while True:
        stone[at], chain[at], taken[count] = EMPTY, NONE, at
        count += 1
        at = board["ring"][at]
        if at == c:
            break
    for t in range(first, count):
        for k in range(4):
            q = near[taken[t], k]
            if stone[q] == captor and not met_before(chain, near, taken[t], k):
                board["libs"][chain[q]] += 1
    return count


@kernel
def place(board, p, colour, taken):
    """`colour` plays the legal point `p`; returns how many stones were taken, their points in `taken`."""
    stone, chain, near, libs = board["stone"], board["chain"], board["near"], board["libs"]
    stone[p], chain[p], board["ring"][p], board["stones"][p], libs[p] = colour, p, p, 1, 0
    for k in range(4):
        libs[p] += stone[near[p, k]] == EMPTY
    count = 0
    for k in range(4):
        q = near[p, k]
        if stone[q] == -colour and not met_before(chain, near, p, k):
            libs[chain[q]] -= 1
            if libs[chain[q]] == 0:
                count = remove(board, chain[q], taken, count)
    for k in range(4):
        q = near[p, k]
        if stone[q] == colour and chain[q] != chain[p]:
            libs[chain[q]] -= 1
            join(board, chain[p], chain[q])
    return count


@kernel
def place_recorded(board, p, colour, taken):
    """`place` under any rules: a chain left without a liberty is taken off (suicide), so that `p` is empty again."""
    count = place(board, p, colour, taken)
    if board["libs"][board["chain"][p]] == 0:
        remove(board, board["chain"][p], taken, 0)
    return count


@kernel
def ko_after(board, p, taken, count):
    """The point that simple ko forbids after `place` has taken `count` stones by playing `p`; NONE for none."""
    alone = board["stones"][board["chain"][p]] == 1 and board["libs"][board["chain"][p]] == 1
    return np.int64(taken[0]) if count == 1 and alone else np.int64(NONE)


@kernel
def liberty(board, c):
    """One liberty of chain `c`: the only one where it is in atari."""
    at = c
    while True:
        for k in range(4):
            if board["stone"][board["near"][at, k]] == EMPTY:
                return np.int64(board["near"][at, k])
        at = board["ring"][at]
        if at == c:
            break
    return np.int64(NONE)


@kernel
def captured_by(board, p, colour):
    """How many stones `colour` would take by playing the empty point `p`."""
    count = 0
    for k in range(4):
        q = board["near"][p, k]
        if board["stone"][q] == -colour and not met_before(board["chain"], board["near"], p, k):
            c = board["chain"][q]
            count += board["stones"][c] * (board["libs"][c] == 1)
    return count


@kernel
def size_after(board, p, colour):
    """How many stones the chain would have that `colour` makes by playing the empty point `p`."""
    count = 1
    for k in range(4):
        q = board["near"][p, k]
        if board["stone"][q] == colour and not met_before(board["chain"], board["near"], p, k):
            count += board["stones"][board["chain"][q]]
    return count


@kernel
def liberties_at(board, p, at, colour, count, limit):
    """`count` plus the liberties of the stone at `at`, once `colour` has played `p`, that this walk has not seen yet."""
    stone, chain, near, libs = board["stone"], board["chain"], board["near"], board["libs"]
    for k in range(4):
        q = near[at, k]
        if q == p or board["mark"][q] == board["walk"]:
            continue
        taken = stone[q] == -colour and libs[chain[q]] == 1 and borders(board, p, chain[q])
        if stone[q] == EMPTY or taken:
            board["mark"][q] = board["walk"]
            count += 1
            if count >= limit:
                break
    return count


@kernel
def liberties_after(board, p, colour, limit):
    """Liberties, counted up to `limit`, of the chain that `colour` makes by playing the empty point `p`; 0 is suicide."""
    board["walk"] += 1
    count = liberties_at(board, p, p, colour, 0, limit)
    for k in range(4):
        first = board["near"][p, k]
        if board["stone"][first] != colour or met_before(board["chain"], board["near"], p, k):
            continue
        at = first
        while count < limit:
            count = liberties_at(board, p, at, colour, count, limit)
            at = board["ring"][at]
            if at == first:
                break
    return count


@kernel
def is_eye(board, p, colour):
    """True where the empty point `p` is a true eye of `colour`: neighbours its own or the wall, and the diagonals held.

    The opponent has at most one diagonal stone, none at the edge. Empty diagonals count as held, so an eye that may yet be
    falsified counts as true.
    """
    for k in range(4):
        if board["stone"][board["near"][p, k]] != colour and board["stone"][board["near"][p, k]] != WALL:
            return False
    lost, edge = 0, 0
    for k in range(4, 8):
        lost += board["stone"][board["near"][p, k]] == -colour
        edge |= board["stone"][board["near"][p, k]] == WALL
    return lost + edge < 2


@kernel
def area(board, queue):
    """The area of 1 minus that of -1: stones, and the empty regions that one colour alone borders. `queue` [points]."""
    board["walk"] += 1
    this = board["walk"]
    difference = 0
    for p in range(board["points"]):
        difference += board["stone"][p]
        if board["stone"][p] != EMPTY or board["mark"][p] == this:
            continue
        board["mark"][p], queue[0], length, head = this, p, 1, 0
        ours, theirs = False, False
        while head < length:
            for k in range(4):
                q = board["near"][queue[head], k]
                ours |= board["stone"][q] == 1
                theirs |= board["stone"][q] == -1
                if board["stone"][q] == EMPTY and board["mark"][q] != this:
                    board["mark"][q], queue[length] = this, q
                    length += 1
            head += 1
        difference += length * (np.int64(ours) - np.int64(theirs))
    return difference
