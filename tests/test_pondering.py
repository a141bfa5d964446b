"""Thinking on the other side's time: it is used, changes no answer of Gumbel's search, stops, and comes to an end by itself."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.evaluators import Evaluation, Evaluator, uniform
from agents.players import ROLLOUT_SEARCH, SearchPlayer
from agents.pondering import ponder
from agents.search import SearchSettings
from envs import States

GAME = envs.make("connect_four")


class Counting:
    """An evaluator that counts the positions it is asked about."""

    def __init__(self, evaluate: Evaluator) -> None:
        self.evaluate, self.positions = evaluate, 0

    def __call__(self, states: States) -> Evaluation:
        self.positions += len(states)
        return self.evaluate(states)


def after(*actions: int) -> np.void:
    state = GAME.reset(1)
    for action in actions:
        state = GAME.step(state, np.array([action]))
    found: np.void = state[0]
    return found


def never() -> bool:
    return False


@pytest.mark.parametrize("settings", [ROLLOUT_SEARCH, SearchSettings(rule="gumbel")])
def test_the_reply_takes_less_after_pondering(settings: SearchSettings) -> None:
    rng = np.random.default_rng(1)
    counting = Counting(uniform(GAME))
    player = SearchPlayer(GAME, counting, settings, 200)
    player.search(after(3), rng)
    ponder(player, after(3, 3), rng, never)
    counting.positions = 0
    found = player.search(after(3, 3, 2), rng)
    assert counting.positions < 150
    assert found.results(np.array([0])).visits.sum() >= 200 - 1
    assert np.array_equal(found.states[0, 0]["last"], after(3, 3, 2)["last"])


def test_gumbels_answer_is_the_one_it_would_have_given() -> None:
    settings, rng = SearchSettings(rule="gumbel"), np.random.default_rng(1)
    player, other = (SearchPlayer(GAME, uniform(GAME), settings, 64) for _ in range(2))
    ponder(player, after(3), rng, never)
    assert player.ahead
    for action in range(7):
        seen, plain = (p.search(after(3, action), rng).results(np.array([0])) for p in (player, other))
        assert seen.choice == plain.choice
        assert np.array_equal(seen.visits, plain.visits)


@pytest.mark.parametrize("settings", [ROLLOUT_SEARCH, SearchSettings(rule="gumbel")])
def test_pondering_stops_when_it_is_told_to_and_when_there_is_nothing_more_to_do(settings: SearchSettings) -> None:
    counting = Counting(uniform(GAME))
    player, rng = SearchPlayer(GAME, counting, settings, 100), np.random.default_rng(1)
    ponder(player, after(3), rng, lambda: True)
    assert counting.positions <= 16
    ponder(player, after(3), rng, never)
    assert counting.positions <= 10 * 101  # a full tree, or a search for each of the likeliest moves


def test_a_search_that_was_cut_short_is_no_answer() -> None:
    rng = np.random.default_rng(1)
    asked = iter([False] * 20 + [True] * 1000)
    player = SearchPlayer(GAME, uniform(GAME), SearchSettings(rule="gumbel"), 100)
    ponder(player, after(3), rng, lambda: next(asked))
    assert all(search.finished()[0] for search in player.ahead.values())
