"""Who is better, and who plays: challenges on paired openings, and the gate that AlphaGo Zero's networks have to pass.

In AlphaGo Zero the best network so far plays the games that are learned from; the newest takes its place only after it has
won 55% of 400 evaluation games (Silver et al. 2017, methods: evaluator). AlphaZero has no gate: the newest network
always plays. The league asks another question of the same challenge: whether an agent is a new generation (`arena/league.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field
from torch import Tensor

from agents.players import Player
from agents.section import Section
from arena.match import BATCH, MatchResult, Openings, play_match
from arena.sprt import Verdict
from envs import Game

Pairs = Sequence[tuple[float, float]]  # the challenger's scores in the two games of each opening


class GateSettings(Section):
    """What the newest network has to show before it plays the games that are learned from."""

    share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="score against the best network so far that makes the newest the best; 0: the newest always plays, as in "
        "AlphaZero; AlphaGo Zero 0.55",
    )
    openings: int = Field(
        200, ge=1, description="paired openings of a challenge, twice as many games at most; AlphaGo Zero 400 games"
    )
    every: int = Field(1, ge=1, description="iterations between challenges; AlphaGo Zero 1,000 steps of learning")
    simulations: int = Field(0, ge=0, description="a move in these games; 0: those of self-play; AlphaGo Zero 1,600")


class Challenge(NamedTuple):
    """A challenger's match against a champion."""

    verdict: Verdict
    match: MatchResult


def challenge(
    game: Game,
    challenger: Player,
    champion: Player,
    openings: Openings,
    decide: Callable[[Pairs], Verdict],
    rng: np.random.Generator,
    *,
    progress: Callable[[int], None] = lambda games: None,
) -> Challenge:
    """Both games of every opening, `BATCH` openings side by side, until `decide` has decided or all are played."""
    match, pairs, verdict = MatchResult([]), list[tuple[float, float]](), decide([])
    for start in range(0, len(openings.states), BATCH):
        if verdict != "undecided":
            break
        part = openings.part(range(start, min(start + BATCH, len(openings.states))))
        games = play_match(game, challenger, champion, part, rng, progress=progress).games
        half = len(games) // 2  # the same openings from the one seat, then from the other
        pairs += [(one.score, other.score) for one, other in zip(games[:half], games[half:], strict=True)]
        match, verdict = MatchResult([*match.games, *games]), decide(pairs)
    return Challenge(verdict, match)


def reaches(share: float, openings: int) -> Callable[[Pairs], Verdict]:
    """Decides whether the score of `openings` pairs is at least `share`, as soon as the games left cannot change it.

    >>> decide = reaches(0.55, 2)  # 2.5 points of 4 are 62.5%
    >>> decide([(1, 0)]), decide([(1, 0), (1, 0.5)]), decide([(0, 0)])
    ('undecided', 'better', 'not better')
    """
    needed = math.ceil(4 * openings * share - 1e-9) / 2  # points come in halves

    def decide(pairs: Pairs) -> Verdict:
        points = sum(one + other for one, other in pairs)
        if points >= needed:
            return "better"
        return "not better" if points + 2 * (openings - len(pairs)) < needed else "undecided"

    return decide


class Gate:
    """The best network of a run so far. Only where the settings have a gate."""

    def __init__(self, settings: GateSettings, weights: Mapping[str, Tensor]) -> None:
        """`weights` are those that the run begins with."""
        self.settings = settings
        self.best, self.iteration = _copy(weights), 0  # and the iteration that made it

    @property
    def on(self) -> bool:
        """Whether there is a gate at all."""
        return self.settings.share > 0

    def due(self, iteration: int) -> bool:
        """Whether the newest network challenges the best one after `iteration`."""
        return self.on and iteration % self.settings.every == 0

    def crown(self, weights: Mapping[str, Tensor], iteration: int) -> None:
        """Make `weights` the best network."""
        self.best, self.iteration = _copy(weights), iteration

    def tensors(self) -> dict[str, Tensor]:
        """For the checkpoint: the best network, nothing where there is no gate; `restore` takes it back."""
        return dict(self.best) if self.on else {}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        if self.on and not tensors:
            raise ValueError(
                "the run began without a gate and cannot go on with one: start anew, or set gate.share to 0"
            )
        self.best, self.iteration = dict(tensors), int(state["iteration"])

    def state(self) -> dict[str, int]:
        """For the checkpoint, as JSON has it."""
        return {"iteration": self.iteration}


def _copy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
