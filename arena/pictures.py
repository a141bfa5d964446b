"""Boards as pictures, painted with numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELL = 28  # pixels
BOARD, LINE, MARK = (222, 184, 125), (150, 115, 70), (214, 60, 50)
FIRST, SECOND = (30, 30, 34), (245, 243, 236)


def board_image(board: NDArray[np.int8], last: int) -> NDArray[np.uint8]:
    """[H * CELL, W * CELL, 3] u1: dark stones the first player's, light ones the second's, the last one marked."""
    h, w = board.shape
    image = np.empty((h * CELL, w * CELL, 3), np.uint8)
    image[:] = BOARD
    edge = CELL // 2  # the grid ends at the outermost points
    image[edge::CELL, edge : 1 - edge] = LINE
    image[edge : 1 - edge, edge::CELL] = LINE
    y, x = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    distance = np.hypot(x, y)[:, :, None]
    stone = np.clip(CELL * 0.45 - distance, 0, 1)  # opacity: 1 inside, a soft edge
    dot = np.clip(CELL * 0.14 - distance, 0, 1)
    for row, column in np.argwhere(board):
        tile = image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        painted = tile * (1 - stone) + np.array(FIRST if board[row, column] > 0 else SECOND) * stone
        if row * w + column == last:
            painted = painted * (1 - dot) + np.array(MARK) * dot
        tile[:] = painted
    return image
