"""Batches over threads: the same results as without."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from envs import Game, random_actions
from envs.batch import CHUNK, SHARE, Threaded, random_play, stepwise_play
from envs.game import RandomPlay


@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go5"])
@pytest.mark.parametrize("n", [3, 2 * SHARE + 1, 5 * SHARE])
def test_threads_change_nothing(name: str, n: int) -> None:
    plain, rng = envs.make(name), np.random.default_rng(0)
    with Threaded(plain, threads=3) as threaded:
        assert isinstance(threaded, Game)
        states = plain.reset(n)
        for _ in range(6):
            actions = random_actions(plain.legal(states), rng)
            seeds = rng.integers(2**63, size=n, dtype=np.uint64)
            for method, arguments in (
                ("legal", (states,)),
                ("terminal", (states,)),
                ("returns", (states,)),
                ("observe", (states,)),
                ("board", (states,)),
                ("heuristic", (states,)),
                ("rollout", (states, seeds)),
            ):
                np.testing.assert_array_equal(getattr(threaded, method)(*arguments), getattr(plain, method)(*arguments))
            expected, states = plain.step(states, actions), threaded.step(states, actions)
            for field in plain.dtype.names or ():
                np.testing.assert_array_equal(states[field], expected[field])


KERNELS = {  # a game, and how many plies bring all its games to an end and begin them again
    "tictactoe": 30,
    "connect_four": 100,
    "othello6": 90,
    "mnk:m=4,n=3,k=3": 40,
    "gomoku9:exact=true": 90,
    "hex5": 60,
    "hex4:swap=false": 40,
    "breakthrough:width=4,height=5": 90,
    "go5": 120,
    "go5:superko=simple": 120,
    "go5:superko=situational": 120,
    "go5:rules=tromp-taylor": 120,
    "go9": 200,
}


def test_all_rules_in_kernels_have_random_play_in_one() -> None:
    with_kernels = {envs.make(name).name.partition(":")[0] for name in KERNELS} | {"gomoku"}  # an m,n,k game
    assert with_kernels == set(envs.GAMES) - {"chess"}
    assert not isinstance(envs.make("chess"), RandomPlay)


@pytest.mark.parametrize("name", KERNELS)
def test_random_play_in_one_call_is_random_play_move_by_move(name: str) -> None:
    game, n = envs.make(name), 40
    assert isinstance(game, RandomPlay)
    seeds = np.random.default_rng(1).integers(2**64, size=n, dtype=np.uint64)
    states = stepwise_play(game, game.reset(n), 7, seeds[::-1])
    before, most = states.copy(), 0
    for plies in (0, 1, 2, KERNELS[name]):
        found, expected = random_play(game, states, plies, seeds), stepwise_play(game, states, plies, seeds)
        for field in game.dtype.names or ():
            np.testing.assert_array_equal(found[field], expected[field])
            np.testing.assert_array_equal(states[field], before[field])
        most = max(most, int(found["ply"].max()))
    assert most < KERNELS[name], "every game was begun again"


def test_python_rules_play_at_random_too() -> None:
    game, seeds = envs.make("chess"), np.arange(3, dtype=np.uint64)
    assert random_play(game, game.reset(3), 4, seeds)["ply"].tolist() == [4, 4, 4]
    assert len(random_play(game, game.reset(0), 4, seeds[:0])) == 0


@pytest.mark.parametrize("name", ["tictactoe", "go5"])
def test_random_play_is_the_same_on_any_number_of_threads(name: str) -> None:
    game = envs.make(name)
    n = max(3 * SHARE, CHUNK // game.dtype.itemsize + 5)
    states, seeds = game.reset(n), np.arange(n, dtype=np.uint64)
    alone = random_play(game, states, 30, seeds)
    assert len(np.unique(game.board(alone).reshape(n, -1), axis=0)) > n / 4
    some = random_play(game, states[:5], 30, seeds[:5])
    with Threaded(game, threads=3) as threaded:
        together = threaded.random_play(states, 30, seeds)
    for field in game.dtype.names or ():
        np.testing.assert_array_equal(together[field], alone[field])
        np.testing.assert_array_equal(some[field], alone[field][:5])


def test_random_play_begins_games_again() -> None:
    game = envs.make("tictactoe")
    seeds = np.arange(2000, dtype=np.uint64)
    played = random_play(game, game.reset(2000), 9, seeds)
    stones = np.abs(game.board(played)).sum(axis=(1, 2))
    # Of random games 9.5% end with the fifth move and 8.8% with the sixth (counts over all 255,168 lines).
    assert ((stones >= 1) & (stones <= 9)).all()
    assert (stones == 4).mean() == pytest.approx(0.095, abs=0.03)
    assert (stones == 3).mean() == pytest.approx(0.088, abs=0.03)


def test_a_wrong_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="threads is -1"):
        Threaded(envs.make("tictactoe"), threads=-1)
