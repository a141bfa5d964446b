"""All cores for one batch: the kernels release Python's lock, so threads can each take a share of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from envs.game import Game, RandomPlay, States, Symmetries, seeded_actions
from envs.rng import GOLDEN

Array = TypeVar("Array", bound=NDArray[Any])

SHARE = 512  # states that are worth a thread: below, waking one costs more than it saves
CHUNK = 2**18  # bytes of games that random play carries on together: what a core's own cache holds


def random_play(game: Game, states: States, plies: int, seeds: NDArray[np.uint64]) -> States:
    """[B] where `plies` uniformly random moves lead from each of `states`, a game that has ended begun again.

    A row's moves are drawn by its own seed, whatever the batch. One call of a kernel plays a chunk of games where the rules
    have one (`RandomPlay`), since a call for each move would leave threads waiting for each other at Python's lock.
    """
    play = game.random_play if isinstance(game, RandomPlay) else partial(stepwise_play, game)
    chunk = max(CHUNK // game.dtype.itemsize, 1)
    pieces = [slice(first, first + chunk) for first in range(0, len(states), chunk)]
    return np.concatenate([play(states[piece], plies, seeds[piece]) for piece in pieces] or [states])


def stepwise_play(game: Game, states: States, plies: int, seeds: NDArray[np.uint64]) -> States:
    """`random_play` by any rules, move by move."""
    fresh, counters = game.reset(1), seeds
    for _ in range(plies):
        ended = game.terminal(states)
        if ended.any():
            states = states.copy()
            states[ended] = fresh
        counters = counters + GOLDEN
        states = game.step(states, seeded_actions(game.legal(states), counters))
    return states


class Threaded:
    """`game`, its batches split over `threads` threads. The same results whatever their number.

    Worth it from about a thousand states on, for rules in kernels; Python rules (chess, other libraries' games) gain nothing.

    >>> import envs
    >>> with Threaded(envs.make("connect_four"), threads=2) as game:
    ...     states = game.step(game.reset(5000), np.zeros(5000, int))
    >>> len(states)
    5000
    """

    def __init__(self, game: Game, threads: int = 0) -> None:
        """`threads`: 0 is one per core. ValueError for fewer than none."""
        if threads < 0:
            raise ValueError(f"threads is {threads}: choose 0 (one per core) or more")
        self.game, self.threads = game, threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.threads)
        for field in ("name", "version", "dtype", "num_actions", "board_shape", "planes", "max_plies"):
            setattr(self, field, getattr(game, field))
        for method in ("reset", "action_name", "parse_action", "show"):
            setattr(self, method, getattr(game, method))

    @property
    def symmetries(self) -> Symmetries:
        return self.game.symmetries

    def step(self, states: States, actions: NDArray[np.integer]) -> States:
        return self._split(self.game.step, states, np.asarray(actions))

    def legal(self, states: States) -> NDArray[np.bool_]:
        return self._split(self.game.legal, states)

    def terminal(self, states: States) -> NDArray[np.bool_]:
        return self.game.terminal(states)  # a comparison of fields: nothing to share

    def returns(self, states: States) -> NDArray[np.float32]:
        return self._split(self.game.returns, states)

    def observe(self, states: States) -> NDArray[np.uint8]:
        return self._split(self.game.observe, states)

    def board(self, states: States) -> NDArray[np.int8]:
        return self._split(self.game.board, states)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        return self._split(self.game.heuristic, states)

    def rollout(self, states: States, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        return self._split(self.game.rollout, states, seeds)

    def random_play(self, states: States, plies: int, seeds: NDArray[np.uint64]) -> States:
        """The function of that name: each thread plays its games to the last ply before it waits for another."""
        return self._split(lambda some, own: random_play(self.game, some, plies, own), states, seeds)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _split(self, function: Callable[..., Array], *arrays: NDArray[Any]) -> Array:
        """`function` of the arrays, computed piece by piece and put together in order."""
        pieces = min(self.threads, len(arrays[0]) // SHARE)
        if pieces < 2:
            return function(*arrays)
        cuts = [np.array_split(array, pieces) for array in arrays]
        return cast(Array, np.concatenate(list(self._pool.map(function, *cuts))))
