"""Games of OpenSpiel and PettingZoo for tests, each made once, and random games of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

import envs
from envs import Game, States, random_actions
from envs.adapters.foreign import ForeignGame

make = functools.cache(envs.make)
PETTINGZOO = {
    "pettingzoo:tictactoe_v3": 100,
    "pettingzoo:connect_four_v3": 20,
    "pettingzoo:go_v5(board_size=4)": 5,
    "pettingzoo:chess_v6(max_moves=20)": 1,
}  # games played in the fast test
OPENSPIEL = {
    "openspiel:tic_tac_toe": 100,
    "openspiel:connect_four": 20,
    "openspiel:breakthrough(rows=6,columns=6)": 10,
    "openspiel:dots_and_boxes": 20,
    "openspiel:mancala": 5,
    "openspiel:nine_mens_morris": 5,
    "openspiel:chess": 1,
    "openspiel:start_at(history=4;0,game=tic_tac_toe())": 5,
}


def foreign(spec: str) -> ForeignGame[Any]:
    game = make(spec)
    assert isinstance(game, ForeignGame)
    return game


def forgetful(spec: str) -> ForeignGame[Any]:
    """The same game, rebuilding almost every position from its moves."""
    return ForeignGame(foreign(spec).rules, kept=1)


def actions_at_random(game: Game, seed: int) -> Iterator[tuple[States, int]]:
    """A random game: every state [1] with the action played there; the last one with -1."""
    rng, states = np.random.default_rng(seed), game.reset(1)
    while not game.terminal(states)[0]:
        action = random_actions(game.legal(states), rng)
        yield states, int(action[0])
        states = game.step(states, action)
    yield states, -1
