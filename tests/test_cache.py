"""A memory of evaluations: no answer changes, what is known is not asked again, and what never came is not taken for known."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

import envs
from agents.cache import EvaluationCache, entry_size
from agents.evaluators import Answer, Evaluation
from agents.network import NetworkSettings
from agents.players import MEMORY, SearchPlayer, make_player
from agents.pondering import ponder
from agents.runtime import NetworkEvaluator, TorchRuntime
from agents.search import Search, SearchSettings
from envs import Game
from tests.test_fused import assert_same_trees

GAME = "connect_four"
NETWORK = NetworkSettings(blocks=1, channels=8)
RULES = pytest.mark.parametrize("rule", ["puct", "gumbel"])


class Hashed:
    """A runtime whose answers are arbitrary but follow from the planes. It computes nothing before it has to, the newest
    question first.
    """

    def __init__(self) -> None:
        self.asked = self.waiting = self.most_waiting = 0

    def load(self, weights: Mapping[str, Tensor], examples: NDArray[np.uint8] | None = None) -> None:
        raise AssertionError

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        self.asked += len(planes)
        priors, values = np.zeros(legal.shape, np.float32), np.zeros(len(planes), np.float32)
        for i, seen in enumerate(planes):
            rng = np.random.default_rng(zlib.crc32(seen.tobytes()))
            weights = rng.random(legal.shape[1]) * legal[i]
            priors[i], values[i] = weights / weights.sum(), rng.uniform(-1, 1)
        return Evaluation(priors, values)

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)

        def answer() -> Evaluation:
            self.waiting -= 1
            return self.evaluate(planes, legal)

        return answer


def started(game: Game, rule: str, simulations: int) -> Search:
    search = Search(game, SearchSettings(rule=rule), slots=1, capacity=simulations + 1)  # type: ignore[arg-type]
    search.begin(np.array([0]), game.reset(1), simulations)
    return search


@RULES
@pytest.mark.parametrize("name", ["connect_four", "go:size=5"])
@pytest.mark.parametrize("capacity", [1, 32, 1 << 14])
def test_trees_are_the_same_with_a_memory(name: str, rule: str, capacity: int) -> None:
    game, runtime = envs.make(name), Hashed()
    cache, plain = EvaluationCache(game, runtime, capacity), NetworkEvaluator(game, Hashed())
    for batches in (1, 2, 3, 2):
        remembering, other = (started(game, rule, 200) for _ in range(2))
        remembering.run(cache, np.random.default_rng(0), per_game=6, batches=batches)
        other.run(plain, np.random.default_rng(0), per_game=6, batches=batches)
        assert_same_trees(remembering, other)
    assert runtime.most_waiting == 3
    assert runtime.asked == cache.lookups - cache.hits
    assert runtime.asked < cache.lookups / 2 or capacity < 1000


@RULES
def test_what_a_search_knew_is_not_asked_again(rule: str) -> None:
    game, runtime = envs.make(GAME), Hashed()
    cache = EvaluationCache(game, runtime, 1 << 20)  # so large that no two of them want the same place
    for _ in range(2):
        runtime.asked, before = 0, runtime.asked
        started(game, rule, 300).run(cache, np.random.default_rng(0), per_game=8, batches=2)
    assert before > 100
    assert runtime.asked == 0


def test_answers_that_are_never_fetched_leave_no_hole() -> None:
    game, runtime = envs.make(GAME), Hashed()
    cache, states = EvaluationCache(game, runtime, 64), game.reset(3)
    forgotten, heard = cache.ask(states), cache.ask(states)
    expected = runtime.evaluate(game.observe(states), game.legal(states))
    np.testing.assert_array_equal(heard().priors, expected.priors)
    cache.clear()
    forgotten()  # an answer of the weights before
    runtime.asked = 0
    np.testing.assert_array_equal(cache(states).values, expected.values)
    assert runtime.asked == 1


def test_players_for_people_remember_and_matches_do_not() -> None:
    game = envs.make(GAME)
    player = make_player(game, "champion:64")
    assert isinstance(player, SearchPlayer)
    cache = player.remembering
    assert isinstance(cache, EvaluationCache)
    rng = np.random.default_rng(0)
    player(game.reset(2), rng)
    assert cache.lookups == 0
    player.search(game.reset(1)[0], rng)
    asked = cache.lookups - cache.hits
    player.search(game.reset(1)[0], rng)  # Gumbel's search keeps no tree
    assert cache.lookups - cache.hits == asked
    ponder(player, game.reset(1)[0], rng, lambda: False)
    assert cache.hits > cache.lookups / 4


@pytest.mark.parametrize("name", ["tictactoe", "go:size=19", "chess"])
def test_a_players_memory_has_its_bounds(name: str) -> None:
    game = envs.make(name)
    size = MEMORY // entry_size(game)
    cache = EvaluationCache(game, Hashed(), size)
    arrays = (cache._keys, cache._asked, cache._priors, cache._values)
    assert MEMORY / 2 < sum(array.nbytes for array in arrays) <= 2 * MEMORY


class Counting(TorchRuntime):
    """Counts the positions it is asked about."""

    asked = 0

    def evaluate(self, planes, legal):  # type: ignore[no-untyped-def]
        self.asked += len(planes)
        return super().evaluate(planes, legal)


@pytest.mark.parametrize("capacity", [1, 64, 4096])  # the first two forget most of what they are told
def test_a_cache_changes_no_answer(capacity: int) -> None:
    game = envs.make(GAME)
    runtime = Counting(game, NETWORK)
    cache = EvaluationCache(game, runtime, capacity)
    rng = np.random.default_rng(0)
    states = game.reset(40)
    for _ in range(6):
        doubled = np.concatenate([states, states[::-1]])
        answer, plain = cache(doubled), runtime.evaluate(game.observe(doubled), game.legal(doubled))
        np.testing.assert_allclose(answer.priors, plain.priors, atol=1e-6)
        np.testing.assert_allclose(answer.values, plain.values, atol=1e-6)
        states = game.step(states, envs.random_actions(game.legal(states), rng))


def test_a_cache_asks_once_and_forgets_when_told() -> None:
    game = envs.make(GAME)
    runtime = Counting(game, NETWORK)
    cache = EvaluationCache(game, runtime, 4096)
    cache(game.reset(50))
    assert (runtime.asked, cache.lookups, cache.hits) == (1, 50, 49)
    transposed = [game.reset(1), game.reset(1)]
    for column, other in zip((0, 3, 1), (1, 3, 0), strict=True):
        transposed = [game.step(s, np.array([a])) for s, a in zip(transposed, (column, other), strict=True)]
    cache(np.concatenate(transposed))
    assert runtime.asked == 2
    cache.clear()
    cache(game.reset(1))
    assert runtime.asked == 3


def test_a_cache_survives_an_interrupted_question() -> None:
    game = envs.make(GAME)
    runtime = Counting(game, NETWORK)
    cache = EvaluationCache(game, runtime, 64)
    answer = runtime.evaluate

    def interrupted(planes, legal):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    runtime.evaluate = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        cache(game.reset(3))
    runtime.evaluate = answer  # type: ignore[method-assign]
    expected = runtime.evaluate(game.observe(game.reset(3)), game.legal(game.reset(3)))
    runtime.asked = 0
    for _ in range(2):
        np.testing.assert_array_equal(cache(game.reset(3)).priors, expected.priors)
    assert runtime.asked == 1  # the place that waited for an answer that never came has one now
