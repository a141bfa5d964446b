"""Raw policies as players: moves drawn from a network, without a search, as in AlphaGo's reinforcement learning.

The paper's policies never pass and fill none of their own eyes, so that their games end where every point has an owner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import Evaluation, Evaluator
from agents.players import Player
from envs import Game, States
from envs.go import Go


def sensible(game: Game, states: States) -> NDArray[np.bool_]:
    """[B, A] the legal moves but those that fill an eye of the mover's own; in Go a pass only where there is no other.

    An eye is an empty point with own stones, or the edge, on all four sides and at most one opposing stone on its
    corners, none at the edge.
    """
    legal = game.legal(states)
    if not isinstance(game, Go):
        return legal
    points = game.size * game.size
    own = game.board(states) * (1 - 2 * states["to_play"].astype(np.int8))[:, None, None]
    padded = np.pad(own, ((0, 0), (1, 1), (1, 1)), constant_values=2)  # 2 is the edge

    def beside(dy: int, dx: int) -> NDArray[np.int8]:
        return padded[:, 1 + dy : padded.shape[1] - 1 + dy, 1 + dx : padded.shape[2] - 1 + dx]

    closed = np.all([beside(dy, dx) >= 1 for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))], axis=0)
    corners = np.stack([beside(dy, dx) for dy in (-1, 1) for dx in (-1, 1)])
    eye = closed & ((corners == -1).sum(axis=0) + (corners == 2).any(axis=0) < 2)
    out = legal.copy()
    out[:, :points] &= ~eye.reshape(len(states), points)
    out[:, points] = legal[:, points] & ~out[:, :points].any(axis=1)
    return out


def sensibly(game: Game, evaluate: Evaluator, *, temperature: float = 1.0) -> Evaluator:
    """`evaluate` with its priors on the sensible moves alone, p^(1 / temperature), summing to one again."""

    def masked(states: States) -> Evaluation:
        priors, values = evaluate(states)
        mask = sensible(game, states)
        weights = np.where(mask, np.power(priors, 1 / temperature) + 1e-12, 0)
        with np.errstate(invalid="ignore"):  # what is no number is found by whoever asked
            shares = weights / weights.sum(axis=1, keepdims=True)
        return Evaluation(shares.astype(np.float32), values)

    return masked


def sampler(game: Game, evaluate: Evaluator) -> Player:
    """Draws its moves from the policy: of sensible moves, as they are likely."""
    policy = sensibly(game, evaluate)

    def play(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        ladder = np.cumsum(policy(states).priors, axis=1)
        drawn = (ladder > rng.random((len(states), 1)) * ladder[:, -1:]).argmax(axis=1)
        return np.asarray(drawn, np.int64)

    return play


def mixed(policy: Evaluator, value: Evaluator | None, rollout: Evaluator | None, mix: float) -> Evaluator:
    """AlphaGo's leaf: the priors of `policy`, the value (1 - mix) v + mix z of value network and rollout.

    What is left out (None) has to have no weight: `value` with mix 1, `rollout` with mix 0. ValueError otherwise.
    """
    if not 0 <= mix <= 1 or (value is None and mix < 1) or (rollout is None and mix > 0):
        raise ValueError(
            f"mix is {mix}: from 0, the value network alone, to 1, rollouts alone; each needs its evaluator"
        )

    def evaluate(states: States) -> Evaluation:
        values = np.zeros(len(states), np.float32)
        if value is not None and mix < 1:
            values += np.float32(1 - mix) * value(states).values
        if rollout is not None and mix > 0:
            values += np.float32(mix) * rollout(states).values
        return Evaluation(policy(states).priors, values)

    return evaluate
