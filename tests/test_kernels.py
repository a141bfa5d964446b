"""Every kernel once, small: CI runs this file compiled, without the compiler and with bounds checks."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.evaluators import rollouts
from agents.search import Search, SearchSettings
from envs import Game
from tests.marks import wrapping

pytestmark = [
    wrapping,
    pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning"),  # the same of -inf
]

GAMES = [
    "tictactoe",
    "connect_four",
    "go3",
    "go5",
    "hex4",
    "breakthrough:width=3,height=4",
    "othello4",
    "mnk:m=4,n=3,k=3",
]


@pytest.mark.parametrize("name", GAMES)
def test_random_play_and_rollouts(name: str) -> None:
    game, rng = envs.make(name), np.random.default_rng(0)
    states = game.reset(4)
    for _ in range(game.max_plies):
        game.observe(states), game.heuristic(states), game.board(states)
        states = game.step(states, envs.random_actions(game.legal(states), rng))
    assert game.terminal(states).all()
    assert set(game.rollout(game.reset(4), np.arange(4, dtype=np.uint64)).tolist()) <= {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("name", GAMES)
def test_searches_in_one_kernel(name: str) -> None:
    game = envs.make(name)
    trees = [Search(game, SearchSettings(rule="puct"), slots=2, capacity=21) for _ in range(2)]
    for search in trees:
        search.begin(np.arange(2), game.reset(2), 20)
    trees[0].run(rollouts(game, 0), np.random.default_rng(0))
    evaluate, rng = rollouts(game, 0), np.random.default_rng(0)
    while trees[1].step(evaluate, rng):
        pass
    assert trees[0].tree.edge.tobytes() == trees[1].tree.edge.tobytes()


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go3"])
def test_search_books_balance(name: str, rule: str) -> None:
    game, rng = envs.make(name), np.random.default_rng(0)
    search = Search(game, SearchSettings(rule=rule), slots=3, capacity=41)  # type: ignore[arg-type]
    search.begin(np.arange(3), game.reset(3), 40, noisy=True)
    search.run(rollouts(game, 0), rng, per_game=4)
    results = search.results(np.arange(3))
    assert (search.tree.edge["flying"] == 0).all()
    assert results.visits.sum(axis=1).tolist() == [40, 40, 40]
    move = play_most_visited(game, search)
    assert search.advance(0, move[0], 40) >= 0
    search.run(rollouts(game, 0), rng)
    assert search.finished()[0]


def play_most_visited(game: Game, search: Search) -> np.ndarray:
    return game.step(search.states[:1, 0], search.results(np.array([0])).choice)


def test_tree_reuse_does_not_look_at_padding() -> None:
    """Bytes between a record's fields are left as they were made: compared too, they hid positions from reuse."""
    game = envs.make("go5")
    search = Search(game, SearchSettings(), slots=1, capacity=20)
    search.advance(0, game.reset(1)[0], 10)
    search.run(rollouts(game, 0), np.random.default_rng(0))
    raw = np.full(game.dtype.itemsize, 255, np.uint8).view(game.dtype)
    for field in game.dtype.names or ():
        raw[field] = game.reset(1)[field]
    assert search.advance(0, raw[0], 10) == 10
