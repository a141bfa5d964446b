"""Go: whose each point will be and by how much the game will be won, as a network expects it; an ended game is counted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.insight import Insight, insight
from agents.players import has_champion
from arena.table import PERSON
from envs import Game, States, TerritoryGame
from envs.go import Go

UNKNOWN = "Nobody here knows whose points will be: it takes an agent with a territory head."


class Territory(NamedTuple):
    """Of one position, for the first side."""

    owners: NDArray[np.float32]  # [H, W] from 1, its own, to -1, the other's
    score: float  # points ahead, komi counted


class Outlook:
    """Asks a network, about every position once."""

    def __init__(self, network: Insight) -> None:
        self._network = network
        self._known: dict[bytes, Territory] = {}

    def __call__(self, state: States) -> Territory:
        """What is to be expected from `state` [1] on: some milliseconds."""
        key = state.tobytes()
        if key not in self._known:
            said, sign = self._network(state), np.float32(1 - 2 * int(state["to_play"][0]))
            assert said.ownership is not None
            assert said.leads is not None
            self._known[key] = Territory(said.ownership[0] * sign, float(said.leads[0] * sign))
        return self._known[key]


def outlook_of(game: Game, players: tuple[str, str]) -> Outlook | None:
    """What the network of the first of `players` that knows territory expects, or the champion's; None where none does."""
    if not isinstance(game, Go):
        return None
    for spec in (*players, *(["champion"] if has_champion(game) else [])):
        known = None if spec == PERSON else insight(game, spec)
        if known is not None and known.sees_territory:
            return Outlook(known)
    return None


def territory(game: Game, state: States, outlook: Outlook | None) -> Territory | None:
    """Of the position `state` [1]: counted where the game has ended, else expected; None where nobody knows."""
    if not isinstance(game, TerritoryGame):
        return None
    if game.terminal(state)[0]:
        return Territory(game.ownership(state)[0].astype(np.float32), float(game.score(state)[0]))
    return outlook(state) if outlook is not None else None
