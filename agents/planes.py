"""What a network is shown of a position: the planes of the game itself, or those of AlphaGo 2016.

A `Game` says what its positions look like. `seen_by` gives the game as a network sees it: the same rules, other planes. All that
learns or asks a network goes through it, so that the word `network.planes` is enough, in any experiment of Go.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from agents.alphago import features
from envs import Game, States
from envs.go import Go

Planes = Literal["game", "alphago48", "alphago49"]


class AlphaGoSees(Go):
    """Go, seen by the 48 planes of AlphaGo's policy networks."""

    planes: ClassVar[tuple[str, ...]] = features.PLANES

    def observe(self, states: States) -> NDArray[np.uint8]:
        return features.observe(_plain(self), states)


class AlphaGoValueSees(Go):
    """Go, seen by the 49 planes of AlphaGo's value network, to which komi matters: the last says whether Black is to move."""

    planes: ClassVar[tuple[str, ...]] = (*features.PLANES, "first player to move")

    def observe(self, states: States) -> NDArray[np.uint8]:
        colour = features.player_colour(states, self.size)
        return np.concatenate([features.observe(_plain(self), states), colour], axis=1)


def seen_by(planes: Planes, game: Game) -> Game:
    """`game` with the observations named. ValueError where it has no such ones."""
    if planes == "game":
        return _plain(game) if isinstance(game, AlphaGoSees | AlphaGoValueSees) else game
    if not isinstance(game, Go):
        raise ValueError(f"network.planes={planes} is for Go; for {game.name} choose game")
    return (AlphaGoSees if planes == "alphago48" else AlphaGoValueSees)(**_options(game))


def _plain(game: Go) -> Go:
    return Go(**_options(game))


def _options(game: Go) -> dict[str, Any]:
    names = ("size", "komi", "superko", "suicide", "handicap")
    return {name: getattr(game, name) for name in names}
