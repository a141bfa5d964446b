"""Boards in matplotlib figures: the game's own picture, with a number for every point laid over it as a colour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from envs import Game
from envs.render import BLACK, RED, SKY, WHITE, YELLOW, kind_of, picture, places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 40  # pixels of a point
FADED = 0.65  # contrast that a board keeps under numbers
FRAME = "#40E040"  # and black around it: seen on wood, on blue and on grey
COLOURS = "RdBu"  # red below zero, blue above: told apart by colour-blind people

STONES = {"connect_four": (YELLOW, RED), "hex": (RED, SKY)}  # of games whose stones are not black and white


def draw(
    axes: Axes,
    game: Game,
    state: np.void,
    heat: NDArray[np.floating] | None = None,
    *,
    limit: float = 1.0,
    marks: Iterable[int] = (),
) -> None:
    """Paint `state` into `axes`; `heat` [H, W] from -limit (red) over 0 (nothing) to limit (blue); `marks` are points.

    Marks are flat indices of the board and are framed.
    """
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    image = picture(game, state, cell=CELL)
    axes.set_axis_off()
    points = places(game, CELL)
    if heat is None:
        axes.imshow(image)
    else:
        # In pale grey, so that the only colours are those of the numbers.
        grey = image.mean(axis=2)
        axes.imshow(255 - FADED * (255 - grey), cmap="gray", vmin=0, vmax=255)
        share = np.clip(heat / limit, -1, 1) if limit > 0 else np.zeros_like(heat)
        for (x, y), s in zip(points.reshape(-1, 2), share.reshape(-1), strict=True):
            colour = (*colormaps[COLOURS](0.5 + 0.4 * np.sign(s))[:3], 0.8 * abs(s) ** 0.7)
            axes.add_patch(Rectangle((x - CELL / 2, y - CELL / 2), CELL, CELL, facecolor=colour, edgecolor="none"))
    for mark in marks:
        x, y = points.reshape(-1, 2)[mark]
        for ink, width in (("black", 3.4), (FRAME, 2.0)):
            axes.add_patch(
                Rectangle((x - CELL / 2, y - CELL / 2), CELL, CELL, fill=False, edgecolor=ink, linewidth=width)
            )


def point_of(game: Game, state: np.void, action: int) -> int | None:
    """The flat index of the point where the stone of `action` comes to lie; None where it sets none (a pass)."""
    batch = np.array([state], game.dtype)
    last = int(game.step(batch, np.array([action]))["last"][0])
    return last if last >= 0 else None


def draw_stones(
    axes: Axes, game: Game, first: NDArray[np.floating], second: NDArray[np.floating], *, faintest: float = 0.1
) -> None:
    """Paint stones on the empty board, as solid as they are likely: `first` and `second` [H, W] in [0, 1]."""
    from matplotlib.patches import Circle

    axes.imshow(picture(game, game.reset(1)[0], cell=CELL))
    axes.set_axis_off()
    colours = STONES.get(kind_of(game)[0], (BLACK, WHITE))
    for shares, colour in zip((first, second), colours, strict=True):
        face = tuple(part / 255 for part in colour)
        for (x, y), share in zip(places(game, CELL).reshape(-1, 2), shares.reshape(-1), strict=True):
            if share >= faintest:
                axes.add_patch(
                    Circle((x, y), 0.42 * CELL, facecolor=face, edgecolor="black", linewidth=0.4, alpha=float(share))
                )
