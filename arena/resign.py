"""Resignation in self-play: hopeless games end early, and how often that is wrong is measured all the time.

A side resigns where neither the position nor its best move is worth more than minus a threshold to it (AlphaGo Zero, Silver et
al. 2017, methods: self-play). A share of the games is never resigned. Played out, they say for every threshold how many games it
would have ended and how many of those the side that it gave up did not lose: its false positives. The threshold
in force is the lowest one whose false positives stay below the limit, which is found anew after every iteration; until
enough games have been played out to say so, nobody resigns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.section import Section

THRESHOLDS = np.arange(50, 100) / 100  # [K] those that are measured
NEVER = 1.0  # the threshold below whose negative no value lies
MEMORY = 0.95  # share of the old games' weight that an iteration leaves

Counts = NDArray[
    np.int64
]  # [2, K] games that each threshold would have ended; those that the side given up did not lose


class ResignSettings(Section):
    """Whether hopeless games of self-play end early."""

    enabled: bool = Field(False, description="resign at all; AlphaGo Zero did")
    played_out: float = Field(
        0.1, gt=0, le=1, description="games never resigned, to measure what the others lose by it; AlphaGo Zero 0.1"
    )
    false_positives: float = Field(
        0.05, gt=0, lt=1, description="most of the games resigned that were not lost; AlphaGo Zero 0.05"
    )


def no_counts() -> Counts:
    """Of no games."""
    return np.zeros((2, len(THRESHOLDS)), np.int64)


def count(outlook: NDArray[np.float32], to_play: NDArray[np.int8], result: float) -> Counts:
    """What each threshold would have done to a game that was played out.

    `outlook` [T]: the higher of the values of position and best move for the side to move, `to_play` [T]; `result` for the first
    player. The side that crosses a threshold first is the one that it gives up, and wrongly unless it lost.

    >>> count(np.array([0.0, -0.7, 0.6]), np.array([0, 1, 0]), 0.0)[:, [0, 19, 20]].tolist()
    [[1, 1, 0], [1, 1, 0]]
    """
    below = outlook[None, :] < -THRESHOLDS[:, None]  # [K, T]
    ended = below.any(axis=1)
    colour = 1 - 2 * to_play[below.argmax(axis=1)].astype(np.int64)  # [K] of the side given up
    return np.stack([ended, ended & (result * colour > -1)]).astype(np.int64)


class Resignation:
    """The threshold of a run, and the games that it rests on."""

    def __init__(self, settings: ResignSettings) -> None:
        self.settings = settings
        self.counts = no_counts().astype(np.float64)  # [2, K], the older the lighter

    def threshold(self) -> float:
        """The lowest threshold whose false positives are below the limit, `NEVER` where no games say that of any.

        Half a false positive in one game is added to what was counted: nine games without any, not two, are proof enough for
        the usual 5%. No limit is so high that it takes none at all.
        """
        ended, wrong = self.counts
        good = (ended >= 1) & ((wrong + 0.5) / (ended + 1) <= self.settings.false_positives)
        return float(THRESHOLDS[good.argmax()]) if self.settings.enabled and good.any() else NEVER

    def note(self, counts: Counts) -> None:
        """Remember the games played out in an iteration."""
        self.counts = MEMORY * self.counts + counts

    def figures(self, resigned: int, games: int) -> dict[str, float]:
        """Metrics of an iteration, `resigned` of whose `games` ended so; the threshold is the next iteration's."""
        if not self.settings.enabled:
            return {}
        threshold = self.threshold()
        known = {"selfplay/resigned": resigned / games, "selfplay/resign_threshold": threshold}
        if threshold == NEVER:
            return known
        ended, wrong = self.counts[:, np.searchsorted(THRESHOLDS, threshold)]
        return known | {"selfplay/resign_false_positives": wrong / ended, "selfplay/resign_measured": ended}

    def state(self) -> list[list[float]]:
        """For the checkpoint, as JSON has it; `restore` takes it back."""
        return [[float(x) for x in row] for row in self.counts]

    def restore(self, state: Any) -> None:
        self.counts = np.array(state, np.float64)
