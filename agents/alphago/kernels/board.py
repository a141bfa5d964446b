"""A working board for compiled code: chains with exact liberty counts, set up from plain stones, played on move by move.

Points are numbered row by row, row 0 on top; point number `size * size` is the wall that every neighbour off the board
points to. A chain is named by one of its stones; its stones form a ring. Colours are 1 and -1, whoever is meant by them.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.jit import kernel

EMPTY, WALL, NONE = 0, 2, -1

Offsets = tuple[tuple[int, int], ...]
AROUND: Offsets = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))  # neighbours, then diagonals


class Board(NamedTuple):
    """Working memory, made once by `new_board` and set up again for every game."""

    near: NDArray[np.int16]  # [points, 8] `neighbourhood(size, AROUND)`
    stone: NDArray[np.int8]  # [points + 1] 1, -1, EMPTY, or WALL (the last entry)
    chain: NDArray[np.int16]  # [points + 1] name of the stone's chain, NONE where no stone is
    ring: NDArray[np.int16]  # [points] the next stone of the same chain
    libs: NDArray[np.int16]  # [points] liberties of the chain of this name
    size: NDArray[np.int16]  # [points] stones of the chain of this name
    mark: NDArray[np.int32]  # [points + 1] the number of the last walk that saw a point
    walk: NDArray[np.int32]  # [1] how many walks there have been


@functools.cache
def neighbourhood(size: int, offsets: Offsets) -> NDArray[np.int16]:
    """[size * size, len(offsets)] the points at those (rows, columns) from every point; off the board is the wall."""
    reach = max(max(abs(dy), abs(dx)) for dy, dx in offsets)
    padded = np.full((size + 2 * reach, size + 2 * reach), size * size, np.int16)
    padded[reach : reach + size, reach : reach + size] = np.arange(size * size).reshape(size, size)
    columns = [padded[reach + dy :, reach + dx :][:size, :size].reshape(-1) for dy, dx in offsets]
    table = np.ascontiguousarray(np.stack(columns, axis=1))
    table.setflags(write=False)
    return table


@kernel
def new_board(near):
    """An empty board."""
    points = len(near)
    stone = np.zeros(points + 1, np.int8)
    stone[points] = WALL
    return Board(
        near,
        stone,
        np.full(points + 1, NONE, np.int16),
        np.zeros(points, np.int16),
        np.zeros(points, np.int16),
        np.zeros(points, np.int16),
        np.zeros(points + 1, np.int32),
        np.zeros(1, np.int32),
    )


@kernel
def set_up(board, stones):
    """Put `stones` [points] on the board, instead of whatever was there, and find their chains."""
    near, stone, chain, ring = board.near, board.stone, board.chain, board.ring
    points = len(near)
    for p in range(points):
        stone[p], chain[p] = stones[p], NONE
    for first in range(points):
        if stone[first] == EMPTY or chain[first] != NONE:
            continue
        board.walk[0] += 1
        chain[first], ring[first], board.libs[first], board.size[first] = first, first, 0, 1
        at = first  # stones found on the way are put into the ring right behind this one, so that the walk meets them all
        while True:
            for k in range(4):
                q = near[at, k]
                if stone[q] == EMPTY and board.mark[q] != board.walk[0]:
                    board.mark[q] = board.walk[0]
                    board.libs[first] += 1
                elif stone[q] == stone[first] and chain[q] == NONE:
                    chain[q] = first
                    ring[q], ring[at] = ring[at], q
                    board.size[first] += 1
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
        found |= board.chain[board.near[p, k]] == c
    return found


@kernel
def join(board, a, b):
    """Make chains `a` and `b` one: the smaller one's stones take the greater one's name."""
    stone, chain, ring = board.stone, board.chain, board.ring
    if board.size[a] < board.size[b]:
        a, b = b, a
    at = b
    while True:
        for k in range(4):
            q = board.near[at, k]
            if stone[q] == EMPTY and not borders(board, q, a):
                board.libs[a] += 1
        chain[at] = a
        at = ring[at]
        if at == b:
            break
    ring[a], ring[b] = ring[b], ring[a]
    board.size[a] += board.size[b]


@kernel
def remove(board, c, taken, count):
    """Take chain `c` off; its points follow the first `count` of `taken`, whose new number is returned."""
    stone, chain, near = board.stone, board.chain, board.near
    captor = -stone[c]
    first, at = count, c
    while True:
        stone[at], chain[at], taken[count] = EMPTY, NONE, at
        count += 1
        at = board.ring[at]
        if at == c:
            break
    for t in range(first, count):
        for k in range(4):
            q = near[taken[t], k]
            if stone[q] == captor and not met_before(chain, near, taken[t], k):
                board.libs[chain[q]] += 1
    return count


@kernel
def place(board, p, colour, taken):
    """`colour` plays the legal point `p`; returns how many stones were taken, their points in `taken`."""
    stone, chain, near, libs = board.stone, board.chain, board.near, board.libs
    stone[p], chain[p], board.ring[p], board.size[p], libs[p] = colour, p, p, 1, 0
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
def ko_after(board, p, taken, count):
    """The point that simple ko forbids after `place` has taken `count` stones by playing `p`; NONE for none."""
    alone = board.size[board.chain[p]] == 1 and board.libs[board.chain[p]] == 1
    return np.int64(taken[0]) if count == 1 and alone else np.int64(NONE)


@kernel
def liberty(board, c):
    """One liberty of chain `c`: the only one where it is in atari."""
    at = c
    while True:
        for k in range(4):
            if board.stone[board.near[at, k]] == EMPTY:
                return np.int64(board.near[at, k])
        at = board.ring[at]
        if at == c:
            break
    return np.int64(NONE)


@kernel
def captured_by(board, p, colour):
    """How many stones `colour` would take by playing the empty point `p`."""
    count = 0
    for k in range(4):
        q = board.near[p, k]
        if board.stone[q] == -colour and not met_before(board.chain, board.near, p, k):
            c = board.chain[q]
            count += board.size[c] * (board.libs[c] == 1)
    return count


@kernel
def size_after(board, p, colour):
    """How many stones the chain would have that `colour` makes by playing the empty point `p`."""
    count = 1
    for k in range(4):
        q = board.near[p, k]
        if board.stone[q] == colour and not met_before(board.chain, board.near, p, k):
            count += board.size[board.chain[q]]
    return count


@kernel
def liberties_at(board, p, at, colour, count, limit):
    """`count` plus the liberties of the stone at `at`, once `colour` has played `p`, that this walk has not seen yet."""
    stone, chain, near, libs = board.stone, board.chain, board.near, board.libs
    for k in range(4):
        q = near[at, k]
        if q == p or board.mark[q] == board.walk[0]:
            continue
        taken = stone[q] == -colour and libs[chain[q]] == 1 and borders(board, p, chain[q])
        if stone[q] == EMPTY or taken:
            board.mark[q] = board.walk[0]
            count += 1
            if count >= limit:
                break
    return count


@kernel
def liberties_after(board, p, colour, limit):
    """Liberties, counted up to `limit`, of the chain that `colour` makes by playing the empty point `p`; 0 is suicide."""
    board.walk[0] += 1
    count = liberties_at(board, p, p, colour, 0, limit)
    for k in range(4):
        first = board.near[p, k]
        if board.stone[first] != colour or met_before(board.chain, board.near, p, k):
            continue
        at = first
        while count < limit:
            count = liberties_at(board, p, at, colour, count, limit)
            at = board.ring[at]
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
        if board.stone[board.near[p, k]] != colour and board.stone[board.near[p, k]] != WALL:
            return False
    lost, edge = 0, 0
    for k in range(4, 8):
        lost += board.stone[board.near[p, k]] == -colour
        edge |= board.stone[board.near[p, k]] == WALL
    return lost + edge < 2


@kernel
def area(board, queue):
    """The area of 1 minus that of -1: stones, and the empty regions that one colour alone borders. `queue` [points]."""
    board.walk[0] += 1
    this = board.walk[0]
    difference = 0
    for p in range(len(board.near)):
        difference += board.stone[p]
        if board.stone[p] != EMPTY or board.mark[p] == this:
            continue
        board.mark[p], queue[0], length, head = this, p, 1, 0
        ours, theirs = False, False
        while head < length:
            for k in range(4):
                q = board.near[queue[head], k]
                ours |= board.stone[q] == 1
                theirs |= board.stone[q] == -1
                if board.stone[q] == EMPTY and board.mark[q] != this:
                    board.mark[q], queue[length] = this, q
                    length += 1
            head += 1
        difference += length * (np.int64(ours) - np.int64(theirs))
    return difference
