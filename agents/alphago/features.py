"""The feature planes of AlphaGo 2016 (Silver et al., Extended Data Table 2), for the supervised policy and what follows it.

| planes | what | of |
|---|---|---|
| 3 | own stones, the other's stones, empty points | points |
| 1 | ones | points |
| 8 | turns since the stone was placed: 1 (the last move) to 7, then 8 or more | stones |
| 8 | liberties of the stone's chain: 1 to 7, then 8 or more | stones |
| 8 | stones of the other's that a move here would take: 1 to 8 or more; none: no plane | legal moves |
| 8 | stones of one's own that a move here would leave in atari: 1 to 8 or more | legal moves |
| 8 | liberties of the chain after a move here: 1 to 8 or more | legal moves |
| 1 | the move takes a chain of two liberties, which no answer saves (a ladder, or at once) | legal moves |
| 1 | the move frees a chain in atari so that no ladder takes it | legal moves |
| 1 | the move is sensible: it fills no true eye of one's own | legal moves |
| 1 | zeros | points |

The paper's smaller sets (its Extended Data Table 3) are the first 4, 12 and 20 of these. Everything is for the side to
move: colours are its own and the other's, so nothing says who is Black; the value network, to which komi matters, has that
as a 49th plane (`player_colour`).

**History.** `turns since` needs the last seven moves and no more: what is older is one plane. So the history of a position
is `recent` [B, 7], the last moves, newest first, -1 for none or a pass: seven numbers to carry, cut out of a game record
(`recent_of_record`) or read from a state (`recent_of_states`). A state of Go remembers five moves (its `planes` name them);
stones placed six or seven moves ago then count as eight or more. Train with the `memory` that play will have.

>>> from envs import make
>>> game = make("go9")
>>> states = game.step(game.reset(1), np.array([game.parse_action("E5")]))
>>> planes = observe(game, states)
>>> [name for name, plane in zip(PLANES, planes[0]) if plane[4, 4]]
['other stones', 'ones', 'turns since 1', 'liberties 4']
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.alphago.kernels import planes as kernels
from agents.alphago.kernels.board import NONE, new_board
from agents.alphago.kernels.ladder import new_sketch
from envs import Game, States

Count = Literal[4, 12, 20, 48]
MEMORY = kernels.MOST - 1  # moves that `turns since` can tell apart


def _eight(name: str) -> tuple[str, ...]:
    return (*(f"{name} {n}" for n in range(1, 8)), f"{name} 8 or more")


PLANES: tuple[str, ...] = (
    *("own stones", "other stones", "empty", "ones"),
    *_eight("turns since"),
    *_eight("liberties"),
    *_eight("capture size"),
    *_eight("self-atari size"),
    *_eight("liberties after move"),
    *("ladder capture", "ladder escape", "sensible", "zeros"),
)


def feature_planes(
    boards: NDArray[np.int8], legal: NDArray[np.bool_], recent: NDArray[np.int16], count: Count = 48
) -> NDArray[np.uint8]:
    """[B, count, H, W] 0 or 1, the first `count` of `PLANES`.

    `boards` [B, H, W]: 1 the side to move's stones, -1 the other's; `legal` [B, A]: as the game says, ko included;
    `recent` [B, K]: the last moves, newest first, NONE for none or a pass. ValueError where the shapes do not fit.
    """
    b, h, w = boards.shape
    if h != w:
        raise ValueError(f"these planes are of square Go boards, not of {h} by {w}")
    if len(legal) != b or len(recent) != b or legal.shape[1] < h * w:
        raise ValueError(f"{b} boards of {h * w} points, but legal {legal.shape} and recent {recent.shape}")
    out = np.zeros((b, count, h * w), np.uint8)
    stones = np.ascontiguousarray(boards.reshape(b, h * w), np.int8)
    moves = np.ascontiguousarray(recent, np.int16)
    kernels.observe(stones, np.ascontiguousarray(legal), moves, new_board(h), new_sketch(h), out)
    return out.reshape(b, count, h, w)


def observe(game: Game, states: States, count: Count = 48) -> NDArray[np.uint8]:
    """[B, count, H, W] `feature_planes` of states alone, with the moves that they remember."""
    return feature_planes(own_boards(game, states), game.legal(states), recent_of_states(game, states), count)


def own_boards(game: Game, states: States) -> NDArray[np.int8]:
    """[B, H, W] 1 the side to move's stones, -1 the other's, 0 empty."""
    sign = (1 - 2 * states["to_play"]).astype(np.int8)
    return np.asarray(game.board(states) * sign[:, None, None], np.int8)


def player_colour(states: States, size: int) -> NDArray[np.uint8]:
    """[B, 1, H, W] the value network's additional plane: 1 where the first player (Black) is to move."""
    return np.broadcast_to((states["to_play"] == 0).astype(np.uint8)[:, None, None, None], (len(states), 1, size, size))


def recent_of_states(game: Game, states: States) -> NDArray[np.int16]:
    """[B, MEMORY] the last moves, newest first, as far as the game's own planes show them; NONE for none or a pass."""
    names = ["last move", *(f"move {ago} plies ago" for ago in range(2, MEMORY + 1))]
    known = [game.planes.index(name) for name in names if name in game.planes]
    shown = game.observe(states)[:, known].reshape(len(states), len(known), -1)
    recent = np.full((len(states), MEMORY), NONE, np.int16)
    recent[:, : len(known)] = np.where(shown.any(axis=2), shown.argmax(axis=2), NONE)
    return recent


def recent_of_record(actions: NDArray[np.integer], points: int, memory: int = MEMORY) -> NDArray[np.int16]:
    """[plies, MEMORY] the last moves before each ply of one game's `actions`, newest first; NONE for none or a pass.

    Those more than `memory` plies ago are left out: a state of Go remembers five.
    """
    recent = np.full((len(actions), MEMORY), NONE, np.int16)
    moves = np.where(np.asarray(actions) < points, actions, NONE)
    for ago in range(1, min(memory, MEMORY) + 1):
        recent[ago:, ago - 1] = moves[: len(actions) - ago]
    return recent
