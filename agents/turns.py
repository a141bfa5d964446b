"""A turn of many games at once: what every finished search found is written down, its move is played.

Call by call that is some thirty calls from Python, cold after every batch of the network and behind Python's lock where workers
are threads. For games whose rules are kernels it is one (`envs.jit.specialised`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.roots import Findings, write_down_one
from agents.tree import is_finished
from envs import Game, States
from envs.compiled import StateKernels, has_status
from envs.jit import specialised


class GamesUnderWay(NamedTuple):
    """B games of up to T plies each, and what their searches found."""

    roots: States  # [B] positions
    length: NDArray[np.int64]  # [B] plies so far
    history: States  # [B, T] positions before each ply
    actions: NDArray[np.int16]  # [B, T]
    recorded: NDArray[np.bool_]  # [B, T] searched fully: a sample
    played_out: NDArray[np.bool_]  # [B] nobody resigns this game
    full: NDArray[np.bool_]  # [B] the search under way is a full one
    found: Findings  # [B, T]

    @classmethod
    def none(cls, game: Game, count: int) -> GamesUnderWay:
        """Room for `count` games."""
        plies = game.max_plies
        return cls(
            roots=game.reset(count),
            length=np.zeros(count, np.int64),
            history=np.zeros((count, plies), game.dtype),
            actions=np.zeros((count, plies), np.int16),
            recorded=np.zeros((count, plies), np.bool_),
            played_out=np.zeros(count, np.bool_),
            full=np.zeros(count, np.bool_),
            found=Findings.empty(count, plies, game.num_actions),
        )


class Moved(NamedTuple):
    """n games of which a move was made."""

    slots: NDArray[np.int64]  # [n] which
    over: NDArray[np.bool_]  # [n] it was the last one
    gave_up: NDArray[np.bool_]  # [n] because the side to move resigned instead
    proven: NDArray[np.bool_]  # [n] the value of the position before it


def play(g, action, board):
    """In the template below: the game's, as is `ended`."""


ended = has_status


def _turn(tree, rule, games, resign, slots, over, gave_up, proven, board):
    """Every game whose search is finished makes its move, or gives up where its outlook is below -resign.

    The rest [B] is filled, as `Moved` describes it. Returns how many games moved.
    """
    count = 0
    sigmas, improved = np.zeros((2, tree.edge.shape[2]), np.float64)
    for b in range(len(slots)):
        if not is_finished(tree, b):
            continue
        t, g = games.length[b], games.roots[b]
        action = write_down_one(tree, rule, b, t, games.found, sigmas, improved)
        games.history[b, t] = g
        games.actions[b, t] = action
        games.recorded[b, t] = games.full[b]
        games.length[b] = t + 1
        gave_up[count] = games.found.outlook[b, t] < -resign and not games.played_out[b]
        if not gave_up[count]:
            play(g, action, board)
        over[count] = gave_up[count] or ended(g, board)
        proven[count] = games.found.proven[b, t]
        slots[count] = b
        count += 1
    return count


@functools.cache
def fused_turn(rules: StateKernels) -> Callable[..., int]:
    """`_turn` of the game with these rules."""
    return specialised(_turn, f"turn_{rules.name}", play=rules.play, ended=rules.ended)
