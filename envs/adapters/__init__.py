"""Games of other libraries behind the contract: searched, played, rated and learned from like our own.

    openspiel:NAME    any two-player, zero-sum, deterministic, perfect-information game of OpenSpiel
    pettingzoo:NAME   PettingZoo's classic board games, and other turn-based environments of its registry

They are slow: every ply is a call into the library. Libraries are imported when a game of theirs is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envs.game import Game

LIBRARIES = ("openspiel", "pettingzoo")


def make(library: str, name: str, options: Mapping[str, object]) -> Game:
    """The game that `library` calls `name`, its parameters in parentheses: `breakthrough(rows=6,columns=6)`.

    `options` are further parameters. ValueError says in one line why there is no such game, or what to install.
    """
    from envs.adapters.foreign import ForeignGame, Rules

    rules: Rules[Any]
    if library == "openspiel":
        from envs.adapters.openspiel import OpenSpiel

        rules = OpenSpiel(name, options)
    else:
        from envs.adapters.pettingzoo import PettingZoo

        rules = PettingZoo(name, options)
    return ForeignGame(rules)
