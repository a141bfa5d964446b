"""Playouts by the rollout policy: moves drawn from its softmax, whose terms are kept up to date move by move.

A move's odds are exp(w . x), a product of one factor for each feature. Those of the 3x3 pattern are kept for every point
and both colours, zero where a move is suicide or fills an own eye (the pattern alone tells both), and found again only
where a pattern has changed: around the stones put and taken, and at the liberties of chains that now have another number
of liberties, one, two or more. Odds are whole numbers, so that the running sums of rows and boards stay exact. The few
moves that answer the last one get their further factors for the one draw. Compare Coulom, Computing Elo ratings of move
patterns in the game of Go, 2007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.alphago.kernels.board import EMPTY, NONE, OFF, area, ko_after, place, set_up
from agents.alphago.kernels.moves import MOST_FEATURES, answers, pattern_at
from envs.jit import kernel
from envs.rng import GOLDEN, mix

SCALE = 4096  # odds of 1 as a whole number
GREATEST = 2.0**40  # odds of one move: their sum over a board stays an exact double
_11, _UNIT = np.uint64(11), 2.0**-53


ODDS = np.dtype(  # the terms of the softmax for both colours (0: 1, 1: -1), without what depends on the last move
    [
        ("of", "i8", (2, OFF)),
        ("row", "i8", (2, 19)),  # sums over the rows of the board
        ("total", "i8", (2,)),  # sums over the board
        ("row_of", "i2", (OFF,)),
        ("libs", "i1", (OFF,)),  # liberties, at most 3, of the chain of this name that the patterns stand for
    ],
    align=True,
)


def new_odds(size: int) -> NDArray[np.void]:
    """[1] memory for the odds on a board of `size` by `size`."""
    odds = np.zeros(1, ODDS)
    odds["row_of"][0, : size * size] = np.repeat(np.arange(size), size)
    return odds


@kernel
def change(odds, side, p, to):
    """Set the odds of a move."""
    difference = to - odds["of"][side, p]
    odds["of"][side, p] = to
    odds["row"][side, odds["row_of"][p]] += difference
    odds["total"][side] += difference


@kernel
def refresh(board, odds, pattern_odds, p):
    """Find the odds of the empty point `p` again, once in this walk."""
    if board["stone"][p] == EMPTY and board["mark"][p] != board["walk"]:
        board["mark"][p] = board["walk"]
        pattern = pattern_at(board, p)
        change(odds, 0, p, np.int64(pattern_odds[0, pattern]))
        change(odds, 1, p, np.int64(pattern_odds[1, pattern]))


@kernel
def refresh_around(board, odds, pattern_odds, p):
    """Find the odds of the eight points around `p` again."""
    for k in range(8):
        refresh(board, odds, pattern_odds, board["near"][p, k])


@kernel
def follow(board, odds, pattern_odds, c, before):
    """Find the odds of chain `c`'s liberties again if their patterns stood for other liberties (`before`: a set of bits)."""
    now = min(board["libs"][c], 3)
    odds["libs"][c] = now
    if before & ~(1 << now) == 0:
        return
    at = c
    while True:
        for k in range(4):
            refresh(board, odds, pattern_odds, board["near"][at, k])
        at = board["ring"][at]
        if at == c:
            break


@kernel
def start(board, odds, pattern_odds):
    """The odds of a whole board."""
    odds["of"][:] = 0
    odds["row"][:] = 0
    odds["total"][:] = 0
    board["walk"] += 1
    for p in range(board["points"]):
        refresh(board, odds, pattern_odds, p)
        if board["chain"][p] == p:
            odds["libs"][p] = min(board["libs"][p], 3)


@kernel
def play(board, odds, pattern_odds, p, colour, taken):
    """`place`, with the odds kept up to date."""
    before = 0
    for k in range(4):
        q = board["near"][p, k]
        if board["stone"][q] == colour:
            before |= 1 << odds["libs"][board["chain"][q]]
    count = place(board, p, colour, taken)
    change(odds, 0, p, np.int64(0))
    change(odds, 1, p, np.int64(0))
    board["walk"] += 1
    refresh_around(board, odds, pattern_odds, p)
    follow(board, odds, pattern_odds, board["chain"][p], before)
    for k in range(4):
        q = board["near"][p, k]
        if board["stone"][q] == -colour:
            follow(board, odds, pattern_odds, board["chain"][q], 1 << odds["libs"][board["chain"][q]])
    for t in range(count):
        refresh(board, odds, pattern_odds, taken[t])
        refresh_around(board, odds, pattern_odds, taken[t])
        for k in range(4):
            q = board["near"][taken[t], k]
            if board["stone"][q] == colour:
                follow(board, odds, pattern_odds, board["chain"][q], 1 << odds["libs"][board["chain"][q]])
    return count


@kernel
def draw(odds, side, bits, size):
    """A move with probability proportional to its odds, from 64 random bits; NONE where all odds are zero."""
    if odds["total"][side] == 0:
        return np.int64(NONE)
    left = np.int64(np.float64(bits >> _11) * _UNIT * np.float64(odds["total"][side]))
    y = 0
    while left >= odds["row"][side, y]:
        left -= odds["row"][side, y]
        y += 1
    p = y * size
    while left >= odds["of"][side, p]:
        left -= odds["of"][side, p]
        p += 1
    return np.int64(p)


@kernel
def lend(odds, side, p, to, lent, usual, count):
    """Give a move other odds for one draw; returns how many moves have such (`lent`, and what was `usual`)."""
    lent[count], usual[count] = p, odds["of"][side, p]
    change(odds, side, p, np.int64(to))
    return count + 1


@kernel
def lend_for_answers(odds, side, factors, found, notes, lent, usual, count):
    """Multiply the odds of sensible moves by the factors of the features noted in the first rows of `found`."""
    for j in range(notes):
        p = found[j, 0]
        if odds["of"][side, p] > 0:
            to = np.float64(odds["of"][side, p]) * factors[found[j, 1]]
            count = lend(odds, side, p, max(1.0, min(to, GREATEST)), lent, usual, count)
    return count


@kernel
def take_back(odds, side, lent, usual, count):
    """The usual odds again, the last lent first: a move may have been lent odds more than once."""
    for j in range(count - 1, -1, -1):
        change(odds, side, lent[j], usual[j])


@kernel
def rollout(
    stones, to_play, last, passed, legal, seeds, boards, sums, pattern_odds, keys, response, factors, difference
):
    """Play every position to its end; `difference` [B] i4 gets Black's area minus White's. Returns the moves made.

    `stones` [B, points] (1 Black), `to_play` [B] 0 Black, `last` [B] and `passed` [B], whether it was a pass; `legal`
    [B, A] rules the first move (and no move where the game has ended); later ones keep simple ko. A side passes where it
    has no sensible move; two passes end the playout, or three moves a point. `boards` [1] and `sums` [1] are working memory.
    """
    board, odds = boards[0], sums[0]
    points = board["points"]
    taken, queue = np.empty(points, np.int16), np.empty(points, np.int16)
    found = np.empty((MOST_FEATURES, 2), np.int32)
    lent, usual = np.empty(MOST_FEATURES + points, np.int16), np.empty(MOST_FEATURES + points, np.int64)
    made = 0
    for i in range(len(stones)):
        set_up(board, stones[i])
        start(board, odds, pattern_odds)
        counter, side, passes = seeds[i], np.int64(to_play[i]), np.int64(passed[i])
        ko, before, took = np.int64(NONE), np.int64(last[i]), np.int64(0)
        moves, most = 0, 3 * points if legal[i].any() else 0
        while passes < 2 and moves < most:
            count = 0
            if moves == 0:
                for p in range(points):
                    if odds["of"][side, p] > 0 and not legal[i, p]:
                        count = lend(odds, side, p, 0, lent, usual, count)
            elif ko != NONE:
                count = lend(odds, side, ko, 0, lent, usual, count)
            notes = answers(board, keys, response, before, 1 - 2 * side, taken, took, found)
            count = lend_for_answers(odds, side, factors, found, notes, lent, usual, count)
            counter += GOLDEN
            move = draw(odds, side, mix(counter), board["size"])
            take_back(odds, side, lent, usual, count)
            ko, before, took = np.int64(NONE), move, np.int64(0)
            if move == NONE:
                passes += 1
            else:
                passes = np.int64(0)
                took = np.int64(play(board, odds, pattern_odds, move, 1 - 2 * side, taken))
                ko = ko_after(board, move, taken, took)
            side = 1 - side
            moves += 1
        made += moves
        difference[i] = area(board, queue)
    return made
