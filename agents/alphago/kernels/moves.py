"""What the rollout policy sees of a move: numbers of its features, found in a position kept by `board`.

A 3x3 pattern is a number of 20 bits: three bits for each of the four neighbours (`state_of`), then two for each diagonal
(its stone alone). A response pattern is a number of 36 bits: three for each of the twelve points within two steps of the
last move, as the side to move sees them.

All weights stand in one array: the tactical ones, then those of 3x3 patterns, then the response patterns', twelve a
pattern, one for each point. Response patterns are looked up in `keys` [a power of 2] u8, where they hash to (NO_KEY
elsewhere), and `response` [keys, 12] i4, the number of the weight of a move on each point.
"""

from __future__ import annotations

import numpy as np

from agents.alphago.kernels.board import EMPTY, NONE, WALL, captured_by, liberties_after, liberty, met_before
from envs.jit import kernel

PATTERN_BITS = 20
# Tactical features. The paper's table has 8 for the neighbours, 8192 for nakade.
BESIDE, DIAGONAL, SAVES, TAKES, NAKADE, TACTICAL = 0, 1, 2, 3, 6, 10  # TAKES 1, 2, 3 stones or more; NAKADE of 3 to 6
MOST_FEATURES = 64  # noted of the answers to one move: 8 neighbours, 12 of a pattern, and a few
NO_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)
_SPREAD, _20, _1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(20), np.uint64(1)


@kernel
def state_of(board, q, colour):
    """0 empty, 1 to 3 a stone of `colour` with 1, 2, 3 or more liberties, 4 to 6 one of the other's, 7 the wall."""
    stone = board["stone"][q]
    if stone == EMPTY:
        return 0
    if stone == WALL:
        return 7
    return min(board["libs"][board["chain"][q]], 3) + (0 if stone == colour else 3)


@kernel
def pattern_at(board, p):
    """The 3x3 pattern around point `p`, as seen by 1."""
    code = 0
    for k in range(4):
        code |= state_of(board, board["near"][p, k], 1) << (3 * k)
    for k in range(4, 8):
        code |= (board["stone"][board["near"][p, k]] & 3) << (4 + 2 * k)
    return code


@kernel
def response_at(board, last, colour):
    """The pattern of the twelve points around the last move, as seen by `colour`."""
    code = 0
    for k in range(12):
        code |= state_of(board, board["diamond"][last, k], colour) << (3 * k)
    return np.uint64(code)


@kernel
def slot_of(keys, key):
    """Where in the hash table `key` stands, or the free place where it would."""
    mask = np.uint64(len(keys) - 1)
    at = ((key * _SPREAD) >> _20) & mask
    while keys[at] != key and keys[at] != NO_KEY:
        at = (at + _1) & mask
    return at


@kernel
def fill_keys(keys, wanted, places):
    """Put `wanted` into the hash table `keys`; `places` gets where each went."""
    for i in range(len(wanted)):
        at = slot_of(keys, wanted[i])
        keys[at] = wanted[i]
        places[i] = at


@kernel
def add(found, count, p, feature):
    """Note that a move at `p` has `feature`; returns how many notes there are."""
    if count < MOST_FEATURES:
        found[count, 0], found[count, 1] = p, feature
        count += 1
    return count


@kernel
def noted(found, count, p, feature):
    """True where `p` has been noted with `feature`."""
    for j in range(count):
        if found[j, 0] == p and found[j, 1] == feature:
            return True
    return False


@kernel
def nakade(board, taken, count):
    """The vital point of the `count` points just taken: the one that borders most of them, if it is one alone; or NONE.

    Of three to six points: the middle of three, of a pyramid, of a cross, of the bulky five and of the rabbity six.
    """
    best, most, ties = NONE, 1, 0
    for t in range(count):
        around = 0
        for k in range(4):
            for u in range(count):
                around += board["near"][taken[t], k] == taken[u]
        if around == most:
            ties += 1
        elif around > most:
            best, most, ties = taken[t], around, 0
    return NONE if ties > 0 or most < 2 else best


@kernel
def saves(board, c, found, count):
    """Note the moves that save the own chain `c`, in atari: extensions to two liberties, captures of a neighbour."""
    colour = board["stone"][c]
    last = liberty(board, c)
    if not noted(found, count, last, SAVES) and liberties_after(board, last, colour, 2) >= 2:
        count = add(found, count, last, SAVES)
    at = c
    while True:
        for k in range(4):
            q = board["near"][at, k]
            if board["stone"][q] == -colour and board["libs"][board["chain"][q]] == 1:
                p = liberty(board, board["chain"][q])
                if not noted(found, count, p, SAVES):
                    count = add(found, count, p, SAVES)
        at = board["ring"][at]
        if at == c:
            break
    return count


@kernel
def answers(board, keys, response, last, colour, taken, took, found):
    """Note in `found` [MOST_FEATURES, 2] the features that moves of `colour` have as answers to the move `last`.

    Rows are a point and a weight. The last move took the first `took` of `taken`. Returns the number of rows: none where it
    took itself (suicide).
    """
    if last == NONE or board["stone"][last] == EMPTY:
        return 0
    count = 0
    for k in range(8):
        p = board["near"][last, k]
        if board["stone"][p] == EMPTY:
            count = add(found, count, p, BESIDE if k < 4 else DIAGONAL)
    if len(keys) > 1:
        key = response_at(board, last, colour)
        at = slot_of(keys, key)
        if keys[at] == key:
            for k in range(12):
                p = board["diamond"][last, k]
                if board["stone"][p] == EMPTY:
                    count = add(found, count, p, response[at, k])
    if board["libs"][board["chain"][last]] == 1:
        p = liberty(board, board["chain"][last])
        count = add(found, count, p, TAKES + min(captured_by(board, p, colour), 3) - 1)
    for k in range(4):
        q = board["near"][last, k]
        if (
            board["stone"][q] == colour
            and board["libs"][board["chain"][q]] == 1
            and not met_before(board["chain"], board["near"], last, k)
        ):
            count = saves(board, board["chain"][q], found, count)
    if 3 <= took <= 6:
        p = nakade(board, taken, took)
        if p != NONE and board["stone"][p] == EMPTY:
            count = add(found, count, p, NAKADE + took - 3)
    return count
