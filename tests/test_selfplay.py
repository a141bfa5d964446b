"""Self-play: which moves are played, what is written down of a search, and what is learned from it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import envs
from agents.evaluators import rollouts, uniform
from agents.roots import Findings, write_down
from agents.search import Search, SearchSettings
from arena.config import Config
from arena.replay import Samples
from arena.selfplay import SelfPlay, SelfPlaySettings, choose, surprise_weights
from arena.settings import find_config, load
from envs.batch import random_play


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 0.1])
def test_a_low_temperature_plays_the_likeliest_move_and_never_an_illegal_one(temperature: float) -> None:
    """At 0.001 all powers of the shares were zero, and action 0 was played."""
    policy, rng = np.array([[0, 0.2, 0.3, 0.5]], np.float32), np.random.default_rng(0)
    settings = SelfPlaySettings(temperature=temperature)
    played = [choose(settings, SearchSettings(), policy, np.array([3]), np.array([0]), rng)[0] for _ in range(20)]
    assert played.count(3) >= 18
    assert 0 not in played


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_what_is_written_down_of_a_search_is_what_it_found(rule: str) -> None:
    game, rng = envs.make("tictactoe"), np.random.default_rng(0)
    settings = SearchSettings.model_validate({"rule": rule})
    search, slots, plies = Search(game, settings, slots=9, capacity=40), np.array([7, 2, 5]), np.array([0, 3, 1])
    states = np.concatenate([game.reset(1), random_play(game, game.reset(2), 5, np.arange(2, dtype=np.uint64))])
    search.begin(slots, states, 39, noisy=True)
    search.run(rollouts(game, 0), rng)
    expected, findings = search.results(slots), Findings.empty(9, 4, game.num_actions)
    choice = np.empty(3, np.int64)
    write_down(search.tree, search.rule, slots, plies, findings, choice)
    assert choice.tolist() == expected.choice.tolist()
    assert np.array_equal(findings.policies[slots, plies], expected.policy)
    assert np.array_equal(findings.values[slots, plies], expected.values)
    assert np.array_equal(findings.proven[slots, plies], expected.solved)
    best = expected.action_values[np.arange(3), choice]
    assert np.array_equal(findings.outlook[slots, plies], np.maximum(expected.values, best))
    surprise = divergence(expected.policy, expected.priors)
    assert findings.surprise[slots, plies] == pytest.approx(surprise, abs=1e-5)
    assert sum(np.count_nonzero(column.any(axis=-1) if column.ndim == 3 else column) for column in findings) <= 15


def test_replies_are_the_next_positions_targets() -> None:
    game = envs.make("tictactoe")
    settings = SelfPlaySettings(slots=2, games=6, simulations=8, fast_simulations=4, full_fraction=0.7)
    selfplay = SelfPlay(game, settings, load(Config, find_config("tictactoe")).search, replies=True)
    samples, _ = selfplay.play(uniform(game), np.random.default_rng(0))
    legal = np.unpackbits(samples.legal, axis=1, count=9).astype(bool)
    planes = np.unpackbits(samples.planes, axis=1, count=len(game.planes) * 9).reshape(-1, len(game.planes), 9)
    has = samples.reply.sum(axis=1)
    assert np.isclose(has, 1).sum() + (has == 0).sum() == len(has)
    assert (has > 0).any()
    assert (samples.reply[~legal] == 0).all()  # no stone goes where one lies
    stones = planes[:, :2].sum(axis=(1, 2))
    rows = np.flatnonzero((stones[1:] == stones[:-1] + 1) & (has[:-1] > 0))  # neighbours in a game
    assert len(rows) > 5
    assert (samples.reply[rows] == samples.policy[rows + 1]).all()


def test_surprising_moves_are_learned_from_more_often() -> None:
    surprise = np.array([0.0, 0.1, 0.1, 0.6], np.float32)
    weights = surprise_weights(surprise, 0.5)
    assert weights.mean() == pytest.approx(1)
    assert weights.tolist() == pytest.approx([0.5, 0.75, 0.75, 2.0])
    assert surprise_weights(np.zeros(3, np.float32), 0.5).tolist() == [1, 1, 1]


def divergence(policy: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n] KL(policy || priors), nats."""
    ratio = np.log(np.maximum(policy, 1e-9)) - np.log(np.maximum(priors, 1e-9))
    return np.asarray((policy * ratio).sum(axis=1), np.float32)


def test_surprise_moves_samples_within_a_game_and_makes_no_more_of_them() -> None:
    game = envs.make("connect_four")
    search = load(Config, find_config("connect_four")).search

    def played(surprise: float) -> Samples:
        settings = SelfPlaySettings(slots=64, games=64, simulations=8, surprise=surprise)
        return SelfPlay(game, settings, search).play(rollouts(game, 0), np.random.default_rng(0))[0]

    def sharpness(samples: Samples) -> float:
        legal = np.unpackbits(samples.legal, axis=1, count=7).astype(np.float32)
        return float(divergence(samples.policy, legal / legal.sum(axis=1, keepdims=True)).mean())

    plain, weighted = played(0.0), played(1.0)
    assert len(weighted) == pytest.approx(len(plain), rel=0.1)
    assert sharpness(weighted) > 1.2 * sharpness(plain)


def test_proven_results_replace_what_was_thrown_away_later() -> None:
    """A position that a search proved won is learned as won, and so are the moves before it, whoever blundered after."""
    game = envs.make("tictactoe")
    selfplay = SelfPlay(game, SelfPlaySettings(slots=1, games=1), load(Config, find_config("tictactoe")).search)
    states = game.reset(1)
    for ply, action in enumerate((0, 1, 3, 4, 8, 7)):  # X lets the open line a1-a3 pass, O wins on b1
        selfplay.games.history[0, ply] = states[0]
        states = game.step(states, np.array([action]))
    assert game.returns(states)[0] == -1
    selfplay.games.roots[:], selfplay.games.length[0] = states, 6
    selfplay.games.recorded[0, :6] = True
    selfplay.games.found.proven[0, 4], selfplay.games.found.values[0, 4] = True, 1.0  # X to move at ply 4 has a3
    values = selfplay._learned(0, -1.0, np.random.default_rng(0), played_out=True).values.tolist()
    assert values == [1, -1, 1, -1, 1, 1]
