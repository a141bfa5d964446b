"""What a state of Go keeps move by move, recomputed from its stones by walking: slow, for tests and for states from elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from envs import go_kernels as kernels


def check(state: np.void, near: NDArray[np.int16]) -> None:
    """ValueError names the field of `state` and the point that do not fit the stones; `near` is `neighbours` of the board.

    What lies before the last ply of `history`, and what stood where no stone is now, cannot be known from one state.
    """
    points = len(near)
    board, anchor, since = state["board"], int(state["anchor"]), int(state["since"])
    if board[points] != kernels.WALL or state["chain"][points] != kernels.NONE:
        raise ValueError("board or chain is wrong off the board")
    room = state["room"][kernels.FIRST : kernels.FIRST + points]
    if state["room"].sum() != room.sum():
        raise ValueError("room is not 0 off the board")
    if not (0 < since <= state["ply"] and board[anchor] if anchor != kernels.NONE else since == 0):
        raise ValueError(f"anchor {anchor} is no stone that stands since ply {since}")
    position, unseen = np.uint64(0), set(range(points))
    for p in range(points):
        stone = int(board[p])
        _expect(stone in (-1, 0, 1), state, "board", p)
        if stone == kernels.EMPTY:
            _expect(state["chain"][p] == kernels.NONE, state, "chain", p)
            _expect(room[p] == kernels.BOTH, state, "room", p)
            continue
        position ^= kernels.ZOBRIST[int(stone < 0), p]
        _expect(bool((state["stood"][p] >> int(stone < 0)) & 1), state, "stood", p)
        if p in unseen:
            unseen -= _check_chain(state, near, p)
    if (state["history"][state["ply"]] ^ position) > 1:  # but for who is to move
        raise ValueError(f"history does not end with the position on the board, at ply {state['ply']}")


def _check_chain(state: np.void, near: NDArray[np.int16], p: int) -> set[int]:
    """The stones of the chain on `p`, whose fields are right."""
    board, stone = state["board"], state["board"][p]
    stones, liberties, todo = {p}, set(), [p]
    while todo:
        for q in near[todo.pop(), :4].tolist():
            if board[q] == kernels.EMPTY:
                liberties.add(q)
            elif board[q] == stone and q not in stones:
                stones.add(q)
                todo.append(q)
    name = int(state["chain"][p])
    _expect(name in stones and all(state["chain"][q] == name for q in stones), state, "chain", p)
    _expect(state["libs"][name] == len(liberties) > 0, state, "libs", name)
    walked, q = {p}, int(state["next"][p])
    while q in stones and q not in walked:
        walked.add(q)
        q = int(state["next"][q])
    _expect(q == p and walked == stones, state, "next", p)
    serves = 1 if (stone > 0) == (len(liberties) > 1) else 2  # Black, White
    _expect(all(state["room"][kernels.FIRST + q] == serves for q in stones), state, "room", p)
    return stones


def _expect(right: bool, state: np.void, field: str, p: int) -> None:
    if not right:
        raise ValueError(f"{field} is wrong for point {p}: {state[field].tolist()}")
