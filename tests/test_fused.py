"""Searches that run in one kernel: the same trees as step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import envs
from agents.evaluators import Evaluation, Rollouts, rollouts
from agents.players import ROLLOUT_SEARCH, SearchPlayer, make_player
from agents.search import SLICE, Search, SearchSettings
from arena.resign import ResignSettings
from arena.selfplay import SelfPlay, SelfPlaySettings
from envs import Game, States
from envs.compiled import CompiledGame
from tests.test_batch import KERNELS
from tests.test_search import hashed

SETTINGS = {
    "puct": ROLLOUT_SEARCH,
    "gumbel": SearchSettings(rule="gumbel"),
}


def step_by_step(search: Search, evaluate: Rollouts, rng: np.random.Generator) -> None:
    while search.step(evaluate, rng):
        pass


def in_slices(search: Search, evaluate: Rollouts, rng: np.random.Generator) -> None:
    while search.proceed(evaluate, rng, simulations=7):
        pass


def positions(game: Game, n: int) -> States:
    """`n` positions, each a random move or two further on than the last."""
    rng, states, found = np.random.default_rng(5), game.reset(1), []
    while len(found) < n:
        found.append(states)
        states = game.step(states, envs.random_actions(game.legal(states), rng))
        if game.terminal(states)[0]:
            states = game.reset(1)
    return np.concatenate(found)


def searched(
    game: Game,
    settings: SearchSettings,
    go: Callable[[Search, Rollouts, np.random.Generator], None],
    *,
    per_state: int = 1,
    seed: int = 3,
) -> Search:
    """Two searches after another in seven slots, of which the last stays idle."""
    search = Search(game, settings, slots=7, capacity=61)
    evaluate, rng = rollouts(game, seed, per_state), np.random.default_rng(1)
    for budget, noisy in ((20, np.arange(6) % 2 == 0), (np.array([60, 60, 1, 60, 33, 60]), False)):
        search.begin(np.arange(6), positions(game, 6), budget, noisy=noisy)
        go(search, evaluate, rng)
    return search


def assert_same_trees(one: Search, other: Search) -> None:
    for name, mine, theirs in zip(one.tree._fields, one.tree, other.tree, strict=True):
        assert mine.tobytes() == theirs.tobytes(), name
    for slot, size in enumerate(one.tree.size):
        for field in one.game.dtype.names or ():
            np.testing.assert_array_equal(one.states[field][slot, :size], other.states[field][slot, :size])


def test_all_rules_in_kernels_can_be_searched_in_one() -> None:
    for name in envs.GAMES:
        assert isinstance(envs.make(name), CompiledGame) == (name != "chess")


@pytest.mark.parametrize("rule", SETTINGS)
@pytest.mark.parametrize("name", KERNELS)
def test_one_kernel_grows_the_trees_of_single_steps(name: str, rule: str) -> None:
    game = envs.make(name)
    stepped = searched(game, SETTINGS[rule], step_by_step)
    assert_same_trees(stepped, searched(game, SETTINGS[rule], Search.run))
    assert_same_trees(stepped, searched(game, SETTINGS[rule], in_slices))
    assert (stepped.tree.size[[2, 6]] <= [2, 0]).all()
    assert stepped.tree.size[:6].max() > 30


def test_trees_differ_by_seed_and_by_slot() -> None:
    game = envs.make("connect_four")
    search = Search(game, ROLLOUT_SEARCH, slots=2, capacity=101)
    search.begin(np.arange(2), game.reset(2), 100)
    search.run(rollouts(game, 0), np.random.default_rng(0))
    one, other = search.tree.node[:, :100]
    assert one.tobytes() != other.tobytes()
    again = Search(game, ROLLOUT_SEARCH, slots=1, capacity=101)
    again.begin(np.arange(1), game.reset(1), 100)
    again.run(rollouts(game, 1), np.random.default_rng(0))
    assert again.tree.node[0, :100].tobytes() != one.tobytes()


def test_a_slot_has_playouts_of_its_own_whatever_stands_beside_it() -> None:
    game = envs.make("go5")
    many = Search(game, ROLLOUT_SEARCH, slots=4, capacity=51)
    few = Search(game, ROLLOUT_SEARCH, slots=4, capacity=51)
    many.begin(np.arange(4), game.reset(4), 50)
    many.run(rollouts(game, 0), np.random.default_rng(0))
    few.begin(np.array([2]), game.reset(1), 50)
    few.run(rollouts(game, 0), np.random.default_rng(0))
    assert few.tree.edge[2].tobytes() == many.tree.edge[2].tobytes()


def test_several_playouts_a_leaf_and_several_leaves_at_once_go_step_by_step() -> None:
    game = envs.make("connect_four")
    stepped = searched(game, ROLLOUT_SEARCH, step_by_step, per_state=4)
    assert_same_trees(stepped, searched(game, ROLLOUT_SEARCH, Search.run, per_state=4))
    values = stepped.tree.node["value"][0, :61]
    assert len(np.unique(values)) > 3
    search = Search(game, ROLLOUT_SEARCH, slots=1, capacity=101)
    search.begin(np.arange(1), game.reset(1), 100)
    search.run(rollouts(game, 0), np.random.default_rng(0), per_game=8)
    assert search.tree.edge["visits"][0, 0].sum() == 100
    assert (search.tree.edge["flying"] == 0).all()


def test_values_of_leaves_are_results_of_their_playouts() -> None:
    """Go at komi 100: White has won wherever the game stands."""
    game = envs.make("go5:komi=100")
    search = Search(game, ROLLOUT_SEARCH, slots=1, capacity=101)
    search.begin(np.arange(1), game.reset(1), 100)
    search.run(rollouts(game, 0), np.random.default_rng(0))
    sides = search.states["to_play"][0, :101]
    assert search.tree.node["value"][0, :101].tolist() == np.where(sides == 0, -1.0, 1.0).tolist()


def test_a_search_in_one_kernel_is_stopped_between_slices() -> None:
    game, asked = envs.make("connect_four"), []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 4

    player = make_player(game, "mcts:100000", seed=1)
    assert isinstance(player, SearchPlayer)
    search = player.search(game.reset(1)[0], np.random.default_rng(0), stop=stop)
    assert 2 * SLICE < search.tree.size[0] <= 4 * SLICE
    assert len(asked) == 4


def test_wrapped_evaluators_are_asked_themselves() -> None:
    game, rows = envs.make("connect_four"), []
    inner = rollouts(game, 0)

    def counted(states: States) -> Evaluation:
        rows.append(len(states))
        return inner(states)

    search = Search(game, ROLLOUT_SEARCH, slots=2, capacity=31)
    search.begin(np.arange(2), game.reset(2), 30)
    search.run(counted, np.random.default_rng(0))
    assert sum(rows) == 62


class NoGame:
    """In place of `CompiledGame`: nothing is one."""


@pytest.mark.parametrize(("per_game", "batches"), [(1, 1), (5, 1), (4, 2)])
@pytest.mark.parametrize("rule", SETTINGS)
@pytest.mark.parametrize("name", KERNELS)
def test_leaves_and_rules_in_one_kernel_are_those_of_the_rules_call_by_call(
    name: str, rule: str, per_game: int, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = envs.make(name)

    def grown() -> Search:
        search, rng = Search(game, SETTINGS[rule], slots=7, capacity=61), np.random.default_rng(1)
        evaluate = hashed(game)
        search.begin(np.arange(6), positions(game, 6), np.array([60, 60, 1, 60, 33, 60]), noisy=np.arange(6) % 2 == 0)
        while search.step(evaluate, rng, per_game=per_game, batches=batches):
            pass
        return search

    one = grown()
    monkeypatch.setattr("agents.search.CompiledGame", NoGame)
    assert_same_trees(grown(), one)
    assert one.tree.size[:6].max() > 30


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_turns_in_one_kernel_are_those_of_call_by_call(name: str, rule: str) -> None:
    """Games, policies, values and samples: the search that plays the second time does not know that its rules are kernels."""
    game = envs.make(name)
    search = SearchSettings.model_validate({"rule": rule})
    settings = SelfPlaySettings(slots=9, games=7, simulations=5, fast_simulations=3, full_fraction=0.5, temperature=0)
    settings = settings.model_copy(update={"random_plies": 2, "resign": ResignSettings(enabled=True, played_out=0.3)})
    played = []
    for fused in (True, False):
        selfplay = SelfPlay(game, settings, search)
        if not fused:
            selfplay._search._rules = None
        samples, stats = selfplay.play(hashed(game), np.random.default_rng(3), resign=-0.2)
        assert stats.resigned > 0
        played.append((samples.arrays(), selfplay.state(), stats.games))
    (samples_a, state_a, games_a), (samples_b, state_b, games_b) = played
    assert games_a == games_b
    for one, other in ((samples_a, samples_b), (state_a, state_b)):
        for column, values in one.items():
            assert np.array_equal(values, other[column], equal_nan=values.dtype.kind == "f"), column
