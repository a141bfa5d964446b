"""The feature planes of AlphaGo 2016, position by position, into planes of bytes. `agents.alphago.features` names them."""

from __future__ import annotations

import numpy as np

from agents.alphago.kernels import ladder
from agents.alphago.kernels.board import (
    EMPTY,
    NONE,
    captured_by,
    is_eye,
    liberties_after,
    liberty,
    set_up,
    size_after,
)
from envs.jit import kernel

ONES, TURNS, LIBERTIES, CAPTURES, SELF_ATARI, AFTER = 3, 4, 12, 20, 28, 36  # first planes of the groups
LADDER_CAPTURE, LADDER_ESCAPE, SENSIBLE, ZEROS, PLANES = 44, 45, 46, 47, 48
MOST = 8  # the last plane of a group of eight stands for this many and more


@kernel
def one_hot(out, group, number, p):
    """Mark point `p` in the plane of `number` >= 1 in the group of planes that starts at `group`."""
    out[group + min(number, MOST) - 1, p] = 1


@kernel
def observe_moves(board, legal, out):
    """The planes of what a legal move does, ladders apart."""
    for p in range(board["points"]):
        if not legal[p]:
            continue
        captured = captured_by(board, p, 1)
        if captured > 0:
            one_hot(out, CAPTURES, captured, p)
        liberties = liberties_after(board, p, 1, MOST)
        if liberties > 0:
            one_hot(out, AFTER, liberties, p)
        if liberties == 1:
            one_hot(out, SELF_ATARI, size_after(board, p, 1), p)
        out[SENSIBLE, p] = not is_eye(board, p, 1)


@kernel
def observe_ladders(board, sketch, legal, read, out):
    """The planes of ladders; `read` [points] is working memory.

    Captures are moves on either liberty of a chain of the other's that has two; escapes are moves on the last liberty of an
    own chain in atari, or that take a neighbour of it.
    """
    ladder.begin(sketch, board["stone"])
    read[:] = NONE  # the chain for which a move was last read
    for c in range(board["points"]):
        hunted = board["stone"][c] == -1 and board["libs"][c] == 2
        atari = board["stone"][c] == 1 and board["libs"][c] == 1
        if board["chain"][c] != c or not (hunted or atari):
            continue
        plane = LADDER_CAPTURE if hunted else LADDER_ESCAPE
        at = c
        while True:
            for k in range(4):
                q, p = board["near"][at, k], np.int64(NONE)
                if board["stone"][q] == EMPTY:
                    p = np.int64(q)
                elif atari and board["stone"][q] == -1 and board["libs"][board["chain"][q]] == 1:
                    p = liberty(board, board["chain"][q])
                if p != NONE and legal[p] and read[p] != c and out[plane, p] == 0:
                    read[p] = c
                    out[plane, p] = ladder.after(sketch, p, 1, c) == atari
            at = board["ring"][at]
            if at == c:
                break


@kernel
def observe(stones, legal, recent, boards, sketches, out):
    """Fill the first planes, as many as `out` [B, planes, points] u8 has (all zero before): 4, 12, 20 or 48.

    `stones` [B, points] and `legal` [B, A] are the side to move's; `recent` [B, K] are the last moves, newest first.
    `boards` [1] and `sketches` [1] are working memory.
    """
    board, sketch = boards[0], sketches[0]
    points, planes = board["points"], out.shape[1]
    read = np.empty(points, np.int16)
    for i in range(len(stones)):
        to = out[i]
        for p in range(points):
            to[0 if stones[i, p] == 1 else (1 if stones[i, p] == -1 else 2), p] = 1
            to[ONES, p] = 1
        if planes > TURNS:
            for p in range(points):
                to[TURNS + MOST - 1, p] = stones[i, p] != EMPTY
            for ago in range(min(recent.shape[1], MOST - 1)):
                p = recent[i, ago]
                if p != NONE and to[TURNS + MOST - 1, p]:  # not one that a later move stands on
                    to[TURNS + MOST - 1, p], to[TURNS + ago, p] = 0, 1
        if planes > LIBERTIES:
            set_up(board, stones[i])
            for p in range(points):
                if stones[i, p] != EMPTY:
                    one_hot(to, LIBERTIES, board["libs"][board["chain"][p]], p)
        if planes > CAPTURES:
            observe_moves(board, legal[i], to)
            observe_ladders(board, sketch, legal[i], read, to)
