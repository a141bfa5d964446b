"""The kernels of Go: chains with exact liberty counts, kept up to date move by move inside the state record.

Points are numbered row by row, p = y * width + x, row 0 on top; index `points` is the wall that every off-board
neighbour points to. Every stone knows its chain, named by one of its stones; the stones of a chain form a ring:

    board  1 black, -1 white, 0 empty, 2 wall        libs[c]   liberties of chain c (meaningless elsewhere)
    chain  the chain's name, -1 where no stone is    next[p]   the next stone of p's ring

`room[FIRST + p]` says for whom p makes its empty neighbours playable, so that the legal moves of a board are a few
operations on bytes, 32 points at a time: bit 0 for Black, bit 1 for White. An empty point does for both, a stone for its own
side while its chain has a second liberty, and for the other side, which can take it, while it has not. Around the board is 0.

Superko asks few points anything, for a stone that stands where none of its colour stood before tells the position from all
that came before that stone. `anchor` is the newest such stone, `since` the ply from which on the positions have it; only these
can come back, unless the move takes the anchor.

Records are made for 81, 169 or 361 points and smaller boards leave the rest unused, so that each kernel is compiled for
three record types at most, whatever sizes are played.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.compiled import StateKernels
from envs.game import States
from envs.jit import inlined, kernel
from envs.rng import GOLDEN, below

EMPTY, WALL, NONE = 0, 2, -1
UNSEEN = 2  # in `area`: an empty point that no flood has reached yet
EARLIER = 4  # moves remembered before the last one
CAPACITIES = (81, 169, 361)
FIRST = 20  # `room` of point 0; bytes before it and behind the last point are the wall
BOTH = 3  # in `room`: what an empty point is
SIMPLE, POSITIONAL, SITUATIONAL = 0, 1, 2  # what `ko` is in the kernels below: the ko rule in force

# [2, 361] u8, a random number for each colour and point (Zobrist 1970); a position is the exclusive or of its stones. The
# lowest bit stays free for who is to move. Two different positions of one game share the other 63 with probability below
# 1e-12, even in the longest game on 19x19.
ZOBRIST = np.random.PCG64(19).random_raw(2 * CAPACITIES[-1]).reshape(2, -1) & ~np.uint64(1)
_TURN = np.uint64(1)  # the bit of a hash that says who is to move: 0 Black, 1 White


def max_plies(points: int) -> int:
    """Two moves a point; at least 64, so that the repetitions of the smallest boards are played out."""
    return max(2 * points, 64)


@functools.cache
def record(points: int) -> np.dtype[np.void]:
    """The state of one game on a board of so many points."""
    points = next(capacity for capacity in CAPACITIES if points <= capacity)
    name = "i1" if points < 128 else "i2"  # of a point, a chain; a number of liberties
    return np.dtype(
        [
            ("to_play", "i1"),
            ("passes", "i1"),  # in a row
            ("ply", "i2"),
            ("last", "i2"),
            ("ko", "i2"),  # the point that simple ko forbids, -1 for none
            ("anchor", "i2"),  # a stone that is new in this game, -1 for none
            ("since", "i2"),  # ply of the first position with it, 0 for none
            ("captures", "i2", (2,)),  # stones taken by each player, the other's suicides included
            ("earlier", "i2", (EARLIER,)),  # the moves before `last`, newest first; -1 for none or a pass
            ("chain", name, (points + 1,)),
            ("next", name, (points,)),
            ("libs", name, (points,)),
            ("board", "i1", (points + 1,)),
            ("room", "u1", (FIRST + points + FIRST,)),
            ("stood", "u1", (points,)),  # bit 0: a black stone has stood here in this game; bit 1: a white one
            ("history", "u8", (2 * points + 1,)),  # [ply] hash after each ply; its lowest bit is who was to move
        ],
        align=True,
    )


def empty_board(points: int) -> States:
    """[1] the state before the first move on a board of so many points."""
    start = np.zeros(1, record(points))
    start["board"][:, points] = WALL
    start["room"][:, FIRST : FIRST + points] = BOTH
    for field in ("chain", "last", "earlier", "ko", "anchor"):
        start[field] = NONE
    return start


@functools.cache
def neighbours(height: int, width: int) -> NDArray[np.int16]:
    """[height * width, 8] the four neighbours of every point, then its four diagonals; off the board is the wall."""
    padded = np.full((height + 2, width + 2), height * width, np.int16)
    padded[1:-1, 1:-1] = np.arange(height * width).reshape(height, width)
    steps = ((-1, 0), (0, -1), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
    columns = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width].reshape(-1) for dy, dx in steps]
    table = np.stack(columns, axis=1)
    table.setflags(write=False)
    return table


@functools.cache
def beside(height: int, width: int) -> NDArray[np.uint8]:
    """[2, height * width] 255 where a point has a neighbour to its left, to its right; else 0."""
    table = np.full((2, height, width), 255, np.uint8)
    table[0, :, 0] = table[1, :, -1] = 0
    table.setflags(write=False)
    return table.reshape(2, -1)


@kernel
def paint(g, c):
    """Set the `room` of the stones of chain `c`, whose liberties have become one, or two."""
    ring, room = g["next"], g["room"]
    value = 1 if (g["board"][c] == 1) == (g["libs"][c] > 1) else 2
    stone = c
    while True:
        room[FIRST + stone] = value
        stone = ring[stone]
        if stone == c:
            break


@kernel
def first_contact(chain, near, p, k):
    """True where no neighbour of `p` before the k-th belongs to the k-th one's chain."""
    met = False
    for j in range(k):
        met |= chain[near[p, j]] == chain[near[p, k]]
    return not met


@kernel
def touches(chain, near, p, c):
    """True where a neighbour of `p` belongs to chain `c`."""
    touching = False
    for k in range(4):
        touching |= chain[near[p, k]] == c
    return touching


@kernel
def merge(g, near, a, b):
    """Make chains `a` and `b` one: the stones of the one with fewer liberties join the other, one by one."""
    board, chain, ring, libs = g["board"], g["chain"], g["next"], g["libs"]
    if libs[a] < libs[b]:
        a, b = b, a
    stone = b
    while True:
        for k in range(4):
            q = near[stone, k]
            if board[q] == EMPTY and not touches(chain, near, q, a):
                libs[a] += 1
        chain[stone] = a
        stone = ring[stone]
        if stone == b:
            break
    ring[a], ring[b] = ring[b], ring[a]


@kernel
def capture(g, near, c, mover, taken, count):
    """Take chain `c` off the board; its points follow the first `count` of `taken`, whose new number is returned.

    The `room` of the captor's chains is kept, but for the chain `mover` that is still being put together.
    """
    board, chain, ring, libs, room = g["board"], g["chain"], g["next"], g["libs"], g["room"]
    captor = -board[c]
    first = count
    stone = c
    while True:
        board[stone] = EMPTY
        room[FIRST + stone] = BOTH
        chain[stone] = NONE
        taken[count] = stone
        count += 1
        stone = ring[stone]
        if stone == c:
            break
    for t in range(first, count):
        for k in range(4):
            q = near[taken[t], k]
            if board[q] == captor and first_contact(chain, near, taken[t], k):
                libs[chain[q]] += 1
                if libs[chain[q]] == 2 and chain[q] != mover:
                    paint(g, chain[q])
    return count


@kernel
def play(g, near, p, taken):
    """The side to move plays the legal point `p` and the turn changes; returns how many stones were taken (`taken`).

    Where they are the mover's own (suicide), `p` is among them.
    """
    board, chain, ring, libs = g["board"], g["chain"], g["next"], g["libs"]
    colour = 1 - 2 * g["to_play"]
    board[p], chain[p], ring[p], libs[p] = colour, p, p, 0
    for k in range(4):
        libs[p] += board[near[p, k]] == EMPTY
    count = 0
    joined_one, joined_more = False, False  # chains of one liberty, of more
    for k in range(4):
        q = near[p, k]
        c = chain[q]
        if board[q] == colour and c != chain[p]:
            joined_one |= libs[c] == 1
            joined_more |= libs[c] > 1
            libs[c] -= 1
            merge(g, near, chain[p], c)
        elif board[q] == -colour and first_contact(chain, near, p, k):
            libs[c] -= 1
            if libs[c] == 0:
                count = capture(g, near, c, chain[p], taken, count)
            elif libs[c] == 1:
                paint(g, c)
    c = chain[p]
    g["ko"] = taken[0] if count == 1 and ring[p] == p and libs[p] == 1 else NONE
    captor = g["to_play"]
    if libs[c] == 0:
        captor = 1 - captor
        count = capture(g, near, c, NONE, taken, 0)
    elif joined_one if libs[c] > 1 else joined_more:
        paint(g, c)
    else:
        g["room"][FIRST + p] = 1 if (colour == 1) == (libs[c] > 1) else 2
    g["captures"][captor] += count
    g["to_play"] = 1 - g["to_play"]
    return count


@kernel
def has_room(g, near, p):
    """True where playing the empty point `p` would be no suicide, for the side to move; ko is not asked."""
    room = g["room"]
    around = room[FIRST + near[p, 0]] | room[FIRST + near[p, 1]] | room[FIRST + near[p, 2]] | room[FIRST + near[p, 3]]
    return (around >> g["to_play"]) & 1 != 0


@kernel
def joins(g, near, p):
    """True where a stone of the side to move on the empty point `p` would not stand alone."""
    colour = 1 - 2 * g["to_play"]
    together = False
    for k in range(4):
        together |= g["board"][near[p, k]] == colour
    return together


@kernel
def playable(g, near, p, suicide):
    """True where the side to move may play the empty point `p` but for ko; `suicide` allows that of two stones or more."""
    return has_room(g, near, p) or (suicide and joins(g, near, p))


@kernel
def repeats(g, near, p, ko):
    """True where playing `p` would bring back an earlier position of this game; under `SITUATIONAL` superko only one with
    the same side to move.

    Without suicide, it cannot unless a stone of the same colour has stood on `p` before.
    """
    board, chain, ring, libs, history = g["board"], g["chain"], g["next"], g["libs"], g["history"]
    to_play, ply = g["to_play"], g["ply"]
    gone = 2 * to_play - 1  # the colour that is taken off
    first = g["since"]
    if has_room(g, near, p):
        if (g["stood"][p] >> to_play) & 1 == 0:
            return False
        position = history[ply] ^ ZOBRIST[to_play, p]
    else:
        gone = -gone
        position = history[ply]
    side = np.int64(gone < 0)
    for k in range(4):
        q = near[p, k]
        if board[q] == gone and libs[chain[q]] == 1 and first_contact(chain, near, p, k):
            stone = q
            while True:
                position ^= ZOBRIST[side, stone]
                if stone == g["anchor"]:
                    first = 0
                stone = ring[stone]
                if stone == q:
                    break
    position = (position & ~_TURN) | np.uint64(1 - to_play)
    ignored = np.uint64(0) if ko == SITUATIONAL else _TURN
    found = False
    for t in range(first, ply):  # no early exit: the loop runs in vector registers
        found |= (history[t] ^ position) <= ignored
    return found


@kernel
def last_liberty(g, near, c):
    """The liberty of chain `c`, which has one."""
    board, ring = g["board"], g["next"]
    stone = c
    while True:
        for k in range(4):
            if board[near[stone, k]] == EMPTY:
                return near[stone, k]
        stone = ring[stone]


@kernel
def forbidden(g, near, p, ko):
    """True where the ko rule in force forbids the side to move the point `p`, which is `playable`."""
    return p == g["ko"] if ko == SIMPLE else repeats(g, near, p, ko)


@kernel
def is_eye(g, near, p):
    """True where the empty point `p` is a simple eye of the side to move, which playouts leave alone.

    All neighbours are own stones or the wall, and at most one diagonal is the opponent's (none at the edge).
    """
    board = g["board"]
    colour = 1 - 2 * g["to_play"]
    open_ = False
    for k in range(4):
        open_ |= board[near[p, k]] != colour and board[near[p, k]] != WALL
    if open_:
        return False
    lost, edge = 0, 0
    for k in range(4, 8):
        lost += board[near[p, k]] == -colour
        edge |= board[near[p, k]] == WALL
    return lost + edge < 2


@kernel
def area(board, near, owner, queue):
    """Black's area minus White's; `owner` [points] i1 is filled with who owns each point (1, -1 or 0).

    A stone owns its point; an empty region belongs to the colour that alone borders it.
    """
    points = len(near)
    for p in range(points):
        owner[p] = board[p] if board[p] != EMPTY else UNSEEN
    difference = 0
    for p in range(points):
        if owner[p] == UNSEEN:
            owner[p], queue[0], length, head = EMPTY, p, 1, 0
            black, white = False, False
            while head < length:
                for k in range(4):
                    q = near[queue[head], k]
                    black |= board[q] == 1
                    white |= board[q] == -1
                    if board[q] == EMPTY and owner[q] == UNSEEN:
                        owner[q], queue[length] = EMPTY, q
                        length += 1
                head += 1
            for t in range(length):
                owner[queue[t]] = np.int8(black) - np.int8(white)
        difference += owner[p]
    return difference


@kernel
def playing(g, longest):
    """A game ends after two passes in a row or `longest` plies."""
    return g["passes"] < 2 and g["ply"] < longest


@kernel
def take_turn(g, near, p, taken):
    """The side to move plays the legal point `p`, or passes (`p` is the number of points); the books of the game are kept."""
    ply, mover = g["ply"], g["to_play"]
    position = g["history"][ply]
    for t in range(EARLIER - 1, 0, -1):
        g["earlier"][t] = g["earlier"][t - 1]
    g["earlier"][0] = g["last"]
    g["ply"] = ply + 1
    if p == len(near):
        g["passes"] += 1
        g["to_play"] = 1 - mover
        g["last"], g["ko"] = NONE, NONE
    else:
        count = play(g, near, p, taken)
        suicide = g["board"][p] == EMPTY
        if (g["stood"][p] >> mover) & 1 == 0 and not suicide:
            g["anchor"], g["since"] = p, ply + 1
        g["stood"][p] |= 1 << mover
        position ^= ZOBRIST[mover, p]
        for t in range(count):
            position ^= ZOBRIST[mover if suicide else 1 - mover, taken[t]]
            if taken[t] == g["anchor"]:
                g["anchor"], g["since"] = NONE, 0
        g["passes"], g["last"] = 0, p
    g["history"][ply + 1] = (position & ~_TURN) | np.uint64(g["to_play"])


@kernel
def mark_legal(g, near, side, longest, ko, suicide, out):
    """Fill `out` [A] with what the side to move may play; `side` is `beside` of the board."""
    points, width = len(near), near[0, 3]
    out[points] = playing(g, longest)
    if not out[points]:
        out[:points] = False
        return
    room, bit = g["room"], np.uint8(1 << g["to_play"])
    here = room[FIRST : FIRST + points]
    above, under = room[FIRST - width : FIRST - width + points], room[FIRST + width : FIRST + width + points]
    left, right = room[FIRST - 1 : FIRST - 1 + points], room[FIRST + 1 : FIRST + 1 + points]
    for p in range(points):
        around = above[p] | under[p] | (left[p] & side[0, p]) | (right[p] & side[1, p])
        out[p] = (here[p] == BOTH) & (around & bit != 0)
    if suicide:
        for p in range(points):
            if here[p] == BOTH and not out[p]:
                out[p] = joins(g, near, p) and not forbidden(g, near, p, ko)
    if g["ko"] != NONE:  # it brings back the position before the last move, and is alone in that
        out[g["ko"]] = False
    if ko == SIMPLE:
        return
    anchor = g["anchor"]
    if g["since"] + 1 < g["ply"]:
        for p in range(points):
            if out[p] and (g["stood"][p] >> g["to_play"]) & 1 and repeats(g, near, p, ko):
                out[p] = False
    elif anchor != NONE and g["libs"][g["chain"][anchor]] == 1:
        p = last_liberty(g, near, g["chain"][anchor])
        out[p] = out[p] and not repeats(g, near, p, ko)


@kernel
def observe(states, near, side, longest, ko, suicide, out):
    """`Game.observe` into `out` [B, C, points]; the planes are listed in `Go.planes`.

    Plane by plane, so that most loops run in vector registers.
    """
    points = len(near)
    allowed, libs = np.empty(points + 1, np.bool_), np.empty(points, np.int16)
    for i in range(len(states)):
        g, planes = states[i], out[i]
        board, chain, count, colour = g["board"], g["chain"], g["libs"], 1 - 2 * g["to_play"]
        mark_legal(g, near, side, longest, ko, suicide, allowed)
        for p in range(points):
            planes[0, p] = board[p] == colour
            planes[1, p] = board[p] == -colour
        for p in range(points):
            libs[p] = count[chain[p]] if board[p] != EMPTY else 0
        for n in range(1, 4):
            for p in range(points):
                planes[1 + n, p] = libs[p] == n
        planes[5 : 5 + 1 + EARLIER] = 0
        if g["last"] != NONE:
            planes[5, g["last"]] = 1
        for t in range(EARLIER):
            if g["earlier"][t] != NONE:
                planes[6 + t, g["earlier"][t]] = 1
        for p in range(points):  # few empty points are not legal
            shut = board[p] == EMPTY and not allowed[p]
            planes[10, p] = shut and playing(g, longest) and playable(g, near, p, suicide)
        planes[11] = g["passes"] > 0
        planes[12] = g["to_play"]


@kernel
def areas(states, near, owner, difference):
    """`area` of every state: `owner` [B, points] i1 and `difference` [B] i4 are filled."""
    queue = np.empty(len(near), np.int16)
    for i in range(len(states)):
        difference[i] = area(states[i]["board"], near, owner[i], queue)


class Workspace(NamedTuple):
    """What the kernels of one state need besides it: the rules in force, tables, room to work in."""

    near: NDArray[np.int16]  # `neighbours`
    side: NDArray[np.uint8]  # `beside`
    longest: int  # plies
    ko: int
    suicide: bool
    komi: float
    taken: NDArray[np.int16]  # [points] this and the rest are overwritten
    queue: NDArray[np.int16]  # [points]
    empties: NDArray[np.int16]  # [points]
    owner: NDArray[np.int8]  # [points]
    played: NDArray[np.void]  # [1] a state


def workspace(height: int, width: int, ko: int, suicide: bool, komi: float) -> Workspace:
    """A new one for a board of `height` rows and `width` columns."""
    points = height * width
    taken, queue, empties = np.empty((3, points), np.int16)
    owner, played = np.empty(points, np.int8), np.empty(1, record(points))
    near, side, longest = neighbours(height, width), beside(height, width), max_plies(points)
    return Workspace(near, side, longest, ko, suicide, komi, taken, queue, empties, owner, played)


@inlined
def play_in(g, action, board):
    take_turn(g, board.near, action, board.taken)


@inlined
def legal_in(g, board, out):
    mark_legal(g, board.near, board.side, board.longest, board.ko, board.suicide, out)


@inlined
def ended(g, board):
    return not playing(g, board.longest)


@kernel
def winner(stones, to_play, board):
    """1, 0 or -1 for who is `to_play`, by the area of the `stones`."""
    return (1 - 2 * to_play) * np.sign(area(stones, board.near, board.owner, board.queue) - board.komi)


@kernel
def result(g, board):
    return winner(g["board"], g["to_play"], board)


@kernel
def ending(g, board):
    """The pass that answers a pass, by which the area decides."""
    return (len(board.near), result(g, board)) if g["passes"] > 0 else (NONE, 0.0)


@kernel
def playout(g, counter, board):
    """Random moves until the end, then the area decides.

    Each move is uniform among those that are legal under simple ko without suicide and fill no eye of one's own; a pass only
    where there is none. Superko is not asked; a playout ends after two passes or three moves a point, whichever is first.
    """
    player, near, empties = g["to_play"], board.near, board.empties
    board.played[0] = g
    g = board.played[0]
    count = 0  # the first `count` of `empties` are the empty points, of which `left` are untried
    for p in range(len(near)):
        if g["board"][p] == EMPTY:
            empties[count] = p
            count += 1
    moves = 3 * len(near)
    while g["passes"] < 2 and moves > 0:
        moves -= 1
        move, left = NONE, count
        while move == NONE and left > 0:
            counter += GOLDEN
            pick = below(counter, left)
            left -= 1
            p = empties[pick]
            empties[pick], empties[left] = empties[left], p
            if p != g["ko"] and not is_eye(g, near, p) and has_room(g, near, p):
                move = p
        if move == NONE:
            g["passes"] += 1
            g["to_play"] = 1 - g["to_play"]
            g["ko"] = NONE
            continue
        g["passes"] = 0
        count -= 1
        empties[left] = empties[count]
        for t in range(play(g, near, move, board.taken)):
            empties[count] = board.taken[t]
            count += 1
    return winner(g["board"], player, board)


KERNELS = StateKernels(play_in, legal_in, ended, result, playout, ending)
