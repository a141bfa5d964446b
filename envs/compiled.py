"""Games whose rules are kernels: a few kernels of one state, and all that follows from them.

They have the same arguments in every game, so that one text serves all of them: below, the functions of the contract that go
through a batch (`envs.jit.specialised` makes a kernel a game of each), in `agents/fused.py` whole searches. They take `board`,
which is what the rules need besides the state: the board's size, tables, and room to work in.
"""

from __future__ import annotations

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.game import States, draw
from envs.jit import kernel, specialised
from envs.rng import GOLDEN

UNFINISHED, LOST, DRAWN = 0, 1, 2  # `status`, for the side to move, of the games that have this field


@kernel
def no_ending(g, board):
    """`ending` of the games that know none."""
    return -1, 0.0


class StateKernels(NamedTuple):
    """The rules of one game; g is the record of a state."""

    play: Callable[..., None]  # (g, action, board): the side to move plays, in place; g is no finished game
    mark_legal: Callable[..., None]  # (g, board, out [A] bool), as `Game.legal`
    ended: Callable[..., bool]  # (g, board), as `Game.terminal`
    result: Callable[..., float]  # (g, board) of a finished game, as `Game.returns`
    playout: Callable[..., float]  # (g, seed, board), as `Game.rollout`, of no finished game; g is left as it is
    ending: Callable[..., tuple[int, float]] = no_ending  # (g, board), as `EndingGame.endings`, of no finished game

    @property
    def name(self) -> str:
        """Whose rules they are."""
        return self.play.__module__


class CompiledGame(ABC):
    """A game whose rules are kernels: the functions of `envs.game.Game` that play it, and random play in one call."""

    @property
    @abstractmethod
    def state_kernels(self) -> StateKernels: ...

    @abstractmethod
    def workspace(self) -> tuple[object, ...]:
        """A new `board` for the kernels. They write in it: each thread needs its own."""

    @property
    @abstractmethod
    def num_actions(self) -> int: ...

    @abstractmethod
    def reset(self, n: int) -> States: ...

    def step(self, states: States, actions: NDArray[np.integer]) -> States:
        out = np.empty_like(states)
        self._batched.step(states, np.asarray(actions, np.int64), self._board, out)
        return out

    def legal(self, states: States) -> NDArray[np.bool_]:
        out = np.empty((len(states), self.num_actions), np.bool_)
        self._batched.legal(states, self._board, out)
        return out

    def terminal(self, states: States) -> NDArray[np.bool_]:
        out = np.empty(len(states), np.bool_)
        self._batched.terminal(states, self._board, out)
        return out

    def returns(self, states: States) -> NDArray[np.float32]:
        out = np.empty(len(states), np.float32)
        self._batched.returns(states, self._board, out)
        return out

    def endings(self, states: States) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        actions, results = np.empty(len(states), np.int64), np.empty(len(states), np.float32)
        self._batched.endings(states, self._board, actions, results)
        return actions, results

    def rollout(self, states: States, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        out = np.empty(len(states), np.float32)
        self._batched.rollout(states, seeds, self._board, out)
        return out

    def random_play(self, states: States, plies: int, seeds: NDArray[np.uint64]) -> States:
        played, legal = states.copy(), np.empty(self.num_actions, np.bool_)
        self._batched.random_play(played, self.reset(1), plies, seeds, self._board, legal)
        return played

    @property
    def _batched(self) -> Batched:
        return batched(self.state_kernels)

    @property
    def _board(self) -> tuple[object, ...]:
        return _workspace(self, threading.get_ident())


@functools.lru_cache(maxsize=256)
def _workspace(game: CompiledGame, thread: int) -> tuple[object, ...]:
    """The workspace of `game` for calls from that thread: to make one takes longer than a small batch."""
    return game.workspace()


class Batched(NamedTuple):
    """The kernels that go through a batch; the last argument is filled, or the last two, but for `random_play`."""

    step: Callable[..., None]  # (states, actions, board, out)
    legal: Callable[..., None]  # (states, board, out)
    terminal: Callable[..., None]  # (states, board, out)
    returns: Callable[..., None]  # (states, board, out)
    endings: Callable[..., None]  # (states, board, actions, results)
    rollout: Callable[..., None]  # (states, seeds, board, out)
    random_play: Callable[..., None]  # (played, start, plies, seeds, board, legal)


def play(g: Any, action: int, board: Any) -> None:
    """In the templates below: the game's, as are the others."""


mark_legal: Any = play
ended: Any = play
result: Any = play
playout: Any = play
ending: Any = no_ending


def _step(states, actions, board, out):
    for i in range(len(states)):
        out[i] = states[i]
        if not ended(out[i], board):
            play(out[i], actions[i], board)


def _legal(states, board, out):
    for i in range(len(states)):
        mark_legal(states[i], board, out[i])


def _terminal(states, board, out):
    for i in range(len(states)):
        out[i] = ended(states[i], board)


def _returns(states, board, out):
    for i in range(len(states)):
        out[i] = result(states[i], board) if ended(states[i], board) else 0.0


def _endings(states, board, actions, results):
    for i in range(len(states)):
        actions[i], results[i] = no_ending(states[i], board) if ended(states[i], board) else ending(states[i], board)


def _rollout(states, seeds, board, out):
    for i in range(len(states)):
        g = states[i]
        out[i] = result(g, board) if ended(g, board) else playout(g, seeds[i], board)


def _random_play(played, start, plies, seeds, board, legal):
    """`played` holds the states and is changed; `start` [1] is where a game begins again; `legal` [A] is overwritten."""
    for t in range(1, plies + 1):
        for i in range(len(played)):
            if ended(played[i], board):
                played[i] = start[0]
            mark_legal(played[i], board, legal)
            play(played[i], draw(legal, seeds[i] + np.uint64(t) * GOLDEN), board)


@functools.cache
def batched(rules: StateKernels) -> Batched:
    """The kernels of the game with these rules."""
    templates = Batched(_step, _legal, _terminal, _returns, _endings, _rollout, _random_play)
    made = (specialised(t, f"{t.__name__[1:]}_{rules.name}", **rules._asdict()) for t in templates)
    return Batched(*made)


@kernel
def has_status(g, board):
    """`ended` of the games whose `status` says so."""
    return g["status"] != UNFINISHED


@kernel
def status_result(g, board):
    """`result` of the same."""
    return -1.0 if g["status"] == LOST else 0.0
