"""Batches over threads: the same results as without."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from envs import Game, random_actions
from envs.batch import SHARE, Threaded


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


def test_a_wrong_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="threads is -1"):
        Threaded(envs.make("tictactoe"), threads=-1)
