"""Whether a board could stand in a game, asked of boards that no game led to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from envs import Game

Stones = NDArray[np.bool_]  # [n, 2, H, W]: the first player's stones, the second's
FOUR = 4


def legal_boards(game: Game, stones: Stones) -> NDArray[np.bool_]:
    """[n] whether the rules allow each board, whoever is to move. ValueError for games whose boards are not judged here.

    No point holds two stones. Go: every chain has a liberty (Tromp & Farnebäck 2007, "Combinatorics of Go", count these);
    no more is asked, for captures allow nearly all of them. Connect Four: no stone hangs in the air, the players took turns,
    and not both have four in a row.
    """
    kind = game.name.partition(":")[0]
    if kind not in RULES:
        raise ValueError(f"boards of {game.name} are not judged: there are rules for {', '.join(RULES)}")
    clear = [not (first & second).any() for first, second in stones]
    return np.array([fine and RULES[kind](board) for fine, board in zip(clear, stones, strict=True)], np.bool_)


def _breathes(board: Stones) -> bool:
    """Go: every chain of `board` [2, H, W] has an empty neighbour."""
    beside_empty = binary_dilation(~(board[0] | board[1]))
    for colour in board:
        chains, count = label(colour)
        free = np.unique(chains[colour & beside_empty])
        if len(free) < count:
            return False
    return True


def _stands(board: Stones) -> bool:
    """Connect Four."""
    filled = board[0] | board[1]
    falls = (filled[:-1] & ~filled[1:]).any()  # row 0 is on top
    first, second = int(board[0].sum()), int(board[1].sum())
    return not falls and first - second in (0, 1) and not (_four(board[0]) and _four(board[1]))


def _four(stones: NDArray[np.bool_]) -> bool:
    """Whether `stones` [H, W] hold four in a row."""
    h, w = stones.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        line = np.ones((h, w), np.bool_)
        for i in range(FOUR):
            moved = np.zeros((h, w), np.bool_)
            y, x = dy * i, dx * i
            moved[: h - y, max(0, -x) : w - max(0, x)] = stones[y:, max(0, x) : w - max(0, -x)]
            line &= moved
        if line.any():
            return True
    return False


RULES = {"go": _breathes, "connect_four": _stands}
