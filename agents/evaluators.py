"""Evaluators: what a search asks about a position. One signature, whatever is behind it, so that they compose.

    evaluate(states [B]) -> Evaluation(priors [B, A] f4, values [B] f4)

Priors are zero where illegal and sum to one; values are for the side to move, in [-1, 1]. Never called on finished games.
"""

from __future__ import annotations

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
Playout = Callable[[States, NDArray[np.uint64]], NDArray[np.float32]]  # (states, seeds) -> results, as `Game.rollout`


def uniform_priors(legal: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[B, A] the uniform distribution over the legal actions of each row."""
    out = np.empty(legal.shape, np.float32)
    _spread(legal, out)
    return out


@kernel
def _spread(legal: NDArray[np.bool_], out: NDArray[np.float32]) -> None:
    for i in range(len(legal)):
        count = 0
        for a in range(legal.shape[1]):
            count += legal[i, a]
        share = np.float32(1.0 / max(count, 1))
        for a in range(legal.shape[1]):
            out[i, a] = share * legal[i, a]


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


def rollouts(game: Game, seed: int, per_state: int = 1, *, playout: Playout | None = None) -> Evaluator:
    """Uniform priors; value: the mean result of `per_state` playouts, uniformly random ones unless `playout` is given."""
    rng, playout = np.random.default_rng(seed), playout or game.rollout

    def evaluate(states: States) -> Evaluation:
        repeated = np.repeat(states, per_state) if per_state > 1 else states
        seeds = rng.integers(2**63, size=len(repeated), dtype=np.uint64)
        results = playout(repeated, seeds)
        if per_state > 1:
            results = results.reshape(len(states), per_state).mean(axis=1, dtype=np.float32)
        return Evaluation(uniform_priors(game.legal(states)), results)

    return evaluate


def heuristic(game: Game) -> Evaluator:
    """Uniform priors; value: the game's static estimate."""

    def evaluate(states: States) -> Evaluation:
        return Evaluation(uniform_priors(game.legal(states)), game.heuristic(states))

    return evaluate


def symmetric(game: Game, evaluate: Callable[[NDArray[np.uint8], NDArray[np.bool_]], Evaluation]) -> Evaluator:
    """Average of a network's view over all symmetries of the board.

    `evaluate(observations [B, C, H, W], legal [B, A])` is a network's own form (`Runtime.evaluate_planes`).
    """
    points, actions = game.symmetries
    back = np.argsort(actions, axis=1)

    def averaged(states: States) -> Evaluation:
        planes, legal = game.observe(states), game.legal(states)
        b, c, h, w = planes.shape
        priors, values = np.zeros(legal.shape, np.float32), np.zeros(b, np.float32)
        for s in range(len(points)):
            turned = planes.reshape(b, c, h * w)[:, :, points[s]].reshape(b, c, h, w)
            seen = evaluate(turned, legal[:, actions[s]])
            priors += seen.priors[:, back[s]] / len(points)
            values += seen.values / len(points)
        return Evaluation(priors, values)

    return averaged
