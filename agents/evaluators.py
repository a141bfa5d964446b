"""Evaluators: what a search asks about a position. One signature, whatever is behind it, so that they compose.

    evaluate(states [B]) -> Evaluation(priors [B, A] f4, values [B] f4)

Priors are zero where illegal and sum to one; values are for the side to move, in [-1, 1]. Never called on finished games.
One that computes while its caller goes on (`Asynchronous`) can be asked first and heard later.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import Game, States
from envs.jit import kernel


class Evaluation(NamedTuple):
    priors: NDArray[np.float32]  # [B, A]
    values: NDArray[np.float32]  # [B]


Evaluator = Callable[[States], Evaluation]
Answer = Callable[[], Evaluation]  # waits until it is there; to be called once
Playout = Callable[[States, NDArray[np.uint64]], NDArray[np.float32]]  # (states, seeds) -> results, as `Game.rollout`


class Asynchronous(ABC):
    """An evaluator that computes while its caller goes on."""

    @abstractmethod
    def __call__(self, states: States) -> Evaluation: ...

    @abstractmethod
    def ask(self, states: States) -> Answer:
        """Begin with `states` and return at once; several may be asked about before the first answer is heard."""


def checked(answer: Evaluation) -> Evaluation:
    """`answer` itself. FloatingPointError where a prior or a value is no number, or infinite.

    Every score that a search makes of such a one is less than no other: it would walk to an action that is none.
    """
    if not math.isfinite(float(answer.priors.sum()) + float(answer.values.sum())):
        raise FloatingPointError("the evaluator answers with what is no number: are the weights of its network broken?")
    return answer


def uniform_priors(legal: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[B, A] the uniform distribution over the legal actions of each row."""
    out = np.empty(legal.shape, np.float32)
    _spread_each(legal, out)
    return out


@kernel
def spread(legal: NDArray[np.bool_], out: NDArray[np.float32]) -> None:
    """Fill `out` [A] with the uniform distribution over the `legal` [A]."""
    count = 0
    for a in range(len(legal)):
        count += legal[a]
    share = np.float32(1.0 / max(count, 1))
    for a in range(len(legal)):
        out[a] = share * legal[a]


@kernel
def _spread_each(legal: NDArray[np.bool_], out: NDArray[np.float32]) -> None:
    for i in range(len(legal)):
        spread(legal[i], out[i])


def masked_softmax(logits: NDArray[np.float32], legal: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[B, A] softmax over the legal actions, zero elsewhere. FloatingPointError where logits are no numbers.

    A search that was told of such would walk to action -1.
    """
    out = np.empty(legal.shape, np.float32)
    if not _masked_softmax(logits, legal, out):
        raise FloatingPointError("the network answers with what is no number: its weights are broken")
    return out


@kernel
def _masked_softmax(logits: NDArray[np.float32], legal: NDArray[np.bool_], out: NDArray[np.float32]) -> bool:
    """Whether all went well."""
    fine = True
    for i in range(len(out)):
        top, choices = np.float32(-np.inf), 0
        for a in range(out.shape[1]):
            if legal[i, a]:
                top = max(top, logits[i, a])
                choices += 1
        total = np.float32(0)
        for a in range(out.shape[1]):
            out[i, a] = np.exp(logits[i, a] - top) if legal[i, a] else np.float32(0)
            total += out[i, a]
        if choices > 0 and not total >= 1:  # the greatest term is one; NaN is neither less nor more
            fine = False
        for a in range(out.shape[1]):
            out[i, a] /= total
    return fine


def uniform(game: Game) -> Evaluator:
    """Knows nothing: uniform priors, value 0."""

    def evaluate(states: States) -> Evaluation:
        return Evaluation(uniform_priors(game.legal(states)), np.zeros(len(states), np.float32))

    return evaluate


class Rollouts:
    """Uniform priors; value: the mean result of `per_state` playouts, uniformly random ones unless `playout` is given.

    A search gives the seeds itself, of a stream of each slot's own, so that its trees are the same in whatever order they grow.
    """

    def __init__(self, game: Game, seed: int, per_state: int = 1, *, playout: Playout | None = None) -> None:
        self.game, self.per_state, self.playout = game, per_state, playout
        self._rng = np.random.default_rng(seed)

    def __call__(self, states: States) -> Evaluation:
        return self.seeded(states, self.draw(len(states) * self.per_state))

    def plain(self, game: Game) -> bool:
        """Whether a value is the result of one uniformly random playout of `game`."""
        return self.per_state == 1 and self.playout is None and self.game == game

    def draw(self, n: int) -> NDArray[np.uint64]:
        """[n] seeds, of playouts or of streams of them."""
        return self._rng.integers(2**63, size=n, dtype=np.uint64)

    def seeded(self, states: States, seeds: NDArray[np.uint64]) -> Evaluation:
        """The same, by `seeds` [B * per_state], those of a state side by side."""
        repeated = np.repeat(states, self.per_state) if self.per_state > 1 else states
        results = (self.playout or self.game.rollout)(repeated, seeds)
        if self.per_state > 1:
            results = results.reshape(len(states), self.per_state).mean(axis=1, dtype=np.float32)
        return Evaluation(uniform_priors(self.game.legal(states)), results)


def rollouts(game: Game, seed: int, per_state: int = 1, *, playout: Playout | None = None) -> Rollouts:
    """The evaluator of that name."""
    return Rollouts(game, seed, per_state, playout=playout)


def heuristic(game: Game) -> Evaluator:
    """Uniform priors; value: the game's static estimate."""

    def evaluate(states: States) -> Evaluation:
        return Evaluation(uniform_priors(game.legal(states)), game.heuristic(states))

    return evaluate
