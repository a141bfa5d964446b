"""Moves that end the game at once, which searches know before they look: in Go the pass that answers a pass."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.evaluators import Evaluation
from agents.identity import identify
from agents.search import Search, SearchSettings
from envs import States
from envs.game import EndingGame
from envs.go import Go
from tests.test_batch import KERNELS

PASS = 25  # on 5x5
SETTINGS = {rule: SearchSettings.model_validate({"rule": rule}) for rule in ("puct", "gumbel")}


@pytest.mark.parametrize("name", [*KERNELS, "go5:komi=0", "go5:superko=simple,suicide=true"])
def test_known_endings_end_the_game_with_their_result(name: str) -> None:
    """And in Go there is one after every pass that does not end it."""
    game, rng, known = envs.make(name), np.random.default_rng(0), 0
    assert isinstance(game, EndingGame)
    states = game.reset(200)
    for _ in range(60):
        actions, results = game.endings(states)
        rows = np.flatnonzero(actions >= 0)
        if isinstance(game, Go):
            np.testing.assert_array_equal(actions >= 0, (states["passes"] == 1) & ~game.terminal(states))
        assert game.legal(states)[rows, actions[rows]].all()
        ended = game.step(states[rows], actions[rows])
        assert game.terminal(ended).all()
        np.testing.assert_array_equal(results[rows], -game.returns(ended))
        known += len(rows)
        legal = game.legal(states)
        chosen = envs.random_actions(np.where(game.terminal(states)[:, None], True, legal), rng)
        if isinstance(game, Go):
            chosen = np.where(rng.random(len(states)) < 0.2, game.num_actions - 1, chosen)
        states = game.step(states, chosen)
    assert (known > 100) == isinstance(game, Go)


def confident(states: States) -> Evaluation:
    """White has won, and hardly anybody passes."""
    priors = np.where(Go(5).legal(states), 1.0, 0.0).astype(np.float32)
    priors[:, PASS] *= 1e-4
    priors /= priors.sum(axis=1, keepdims=True)
    return Evaluation(priors, np.where(states["to_play"] == 1, 0.99, -0.99).astype(np.float32))


def searched(game: Go, states: States, rule: str, simulations: int = 64) -> Search:
    search = Search(game, SETTINGS[rule], slots=1, capacity=simulations + 1)
    search.begin(np.array([0]), states, simulations)
    search.run(confident, np.random.default_rng(0))
    return search


def after(game: Go, *moves: str) -> States:
    states = game.reset(1)
    for move in moves:
        states = game.step(states, np.array([game.parse_action(move)]))
    return states


@pytest.mark.parametrize("rule", SETTINGS)
def test_passing_is_worth_what_the_answering_pass_makes_of_it(rule: str) -> None:
    """Black's stone owns the board: White's pass loses to Black's, whatever the evaluator makes of the position."""
    game = Go(5)
    start = after(game, "c3")
    search = searched(game, start, rule, simulations=200)
    found = search.results(np.array([0]))
    assert found.bounds[0, PASS].tolist() == [-1, -1] or found.visits[0, PASS] == 0
    assert found.choice[0] != PASS
    assert found.policy[0, PASS] < 1e-3
    passed = searched(game, game.step(start, np.array([PASS])), rule, simulations=1)
    found = passed.results(np.array([0]))
    assert found.solved[0]
    assert (found.values[0], found.choice[0], found.policy[0, PASS]) == (1, PASS, 1)


@pytest.mark.parametrize("pace", [(1, 1), (4, 2)])
@pytest.mark.parametrize("rule", SETTINGS)
def test_a_pass_that_wins_is_looked_at_once(rule: str, pace: tuple[int, int]) -> None:
    """It was not at all, so that analyses had no move to report."""
    game = Go(5, komi=0.5)
    search = Search(game, SETTINGS[rule], slots=1, capacity=65)
    search.begin(np.array([0]), after(game, "c3", "a1", "c4", "pass"), 64)
    search.run(confident, np.random.default_rng(0), per_game=pace[0], batches=pace[1])
    found = search.results(np.array([0]))
    assert np.flatnonzero(found.visits[0]).tolist() == [PASS]
    assert (found.visits[0, PASS], found.values[0], found.choice[0], found.policy[0, PASS]) == (1, 1, PASS, 1)
    assert search.finished()[0]


def test_a_forbidden_pass_proves_nothing() -> None:
    """The position was won by the pass all the same, and no other move was searched."""
    game = Go(5, komi=0.5)
    search = Search(game, SETTINGS["puct"], slots=1, capacity=65)
    search.begin(np.array([0]), after(game, "c3", "a1", "c4", "pass"), 64)
    search.step(confident, np.random.default_rng(0))
    search.forbid(0, np.array([PASS]))
    search.run(confident, np.random.default_rng(0))
    found = search.results(np.array([0]))
    assert found.visits[0].sum() == 64
    assert found.visits[0, PASS] == 0
    assert found.values[0] < 0


def test_a_pass_that_loses_is_looked_at_where_all_else_is_forbidden() -> None:
    """The likeliest of the forbidden moves was, and was reported."""
    game = Go(5, komi=0.5)
    search = Search(game, SETTINGS["puct"], slots=1, capacity=65)
    search.begin(np.array([0]), after(game, "c3", "pass", "c4", "a1", "pass"), 64)
    search.step(confident, np.random.default_rng(0))
    search.forbid(0, np.arange(PASS))
    search.run(confident, np.random.default_rng(0))
    found = search.results(np.array([0]))
    assert np.flatnonzero(found.visits[0]).tolist() == [PASS]
    assert (found.values[0], found.choice[0]) == (-1, PASS)


@pytest.mark.parametrize("rule", SETTINGS)
def test_a_pass_that_draws_is_taken_before_moves_that_look_lost(rule: str) -> None:
    """One stone more and a komi of 1: to Black everything else looks lost. White thinks that he wins, and plays on."""
    game = Go(5, komi=1)
    found = searched(game, after(game, "a1", "e5", "c3", "pass"), rule).results(np.array([0]))
    assert found.choice[0] == PASS
    assert found.action_values[0, PASS] == 0
    assert found.values[0] == 0
    even = Go(5, komi=0)
    assert searched(even, after(even, "pass"), rule).results(np.array([0])).choice[0] != PASS


@pytest.mark.parametrize("rule", SETTINGS)
def test_a_pass_that_loses_is_not_looked_at(rule: str) -> None:
    game = Go(5, komi=0.5)
    states = after(game, "c3", "pass", "c4", "a1", "pass")  # Black is ahead, White to answer
    found = searched(game, states, rule).results(np.array([0]))
    assert found.visits[0, PASS] == 0
    assert found.bounds[0, PASS].tolist() == [-1, -1]
    assert found.policy[0, PASS] == 0


def test_players_that_know_endings_are_others_than_before() -> None:
    assert identify(envs.make("go5"), "mcts:5").details["search"]["endings"]
    assert "endings" not in identify(envs.make("connect_four"), "mcts:5").details["search"]
