"""Positions of any game for tests: after given moves, in games at random, and all that come next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from agents.classic import Greedy
from envs import Game, States, random_actions


def assert_same(a: States, b: States) -> None:
    assert a.dtype == b.dtype
    for field in a.dtype.names or ():
        np.testing.assert_array_equal(a[field], b[field], err_msg=field)


def positions_along(game: Game, moves: str) -> Iterator[States]:
    """[1] each: the start and the position after every one of `moves`, each of them legal."""
    states = game.reset(1)
    yield states
    for move in moves.split():
        action = game.parse_action(move)
        assert game.legal(states)[0, action], f"{move} is illegal:\n{game.show(states[0])}"
        states = game.step(states, np.array([action]))
        yield states


def played(game: Game, moves: str) -> States:
    """[1] the position after `moves`, each of them legal."""
    *_, last = positions_along(game, moves)
    return last


def random_lines(game: Game, n: int, seed: int) -> tuple[list[States], list[NDArray[np.int64]]]:
    """The states [n] of `n` random games after 0, 1, 2 ... plies, until all are over, and the actions [n] between them."""
    rng, line, chosen = np.random.default_rng(seed), [game.reset(n)], []
    while not game.terminal(line[-1]).all():
        chosen.append(random_actions(game.legal(line[-1]), rng))
        line.append(game.step(line[-1], chosen[-1]))
    return line, chosen


def random_games(game: Game, n: int, seed: int) -> list[States]:
    """The states alone."""
    return random_lines(game, n, seed)[0]


def expand(game: Game, states: States) -> States:
    """All positions one ply after `states`, one for each legal action."""
    rows, actions = np.nonzero(game.legal(states))
    return game.step(states[rows], actions)


def perft(game: Game, depth: int) -> list[int]:
    """Lines of play of 1 ... `depth` plies."""
    states, counts = game.reset(1), []
    for _ in range(depth):
        states = expand(game, states)
        counts.append(len(states))
    return counts


def won_by_greed(game: Game) -> float:
    """The share that a greedy player of the estimate wins of 60 games against random moves, which never end in a draw."""
    rng, greedy, states = np.random.default_rng(0), Greedy(game), game.reset(60)
    seat = np.arange(60) % 2  # of the greedy player
    while not game.terminal(states).all():
        chosen = random_actions(game.legal(states), rng)
        turn = ~game.terminal(states) & (states["to_play"] == seat)
        chosen[turn] = greedy(states[turn], rng)
        states = game.step(states, chosen)
    return float((states["to_play"] != seat).mean())  # the loser is to move
