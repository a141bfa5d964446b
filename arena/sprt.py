"""The sequential probability ratio test on pairs of games: stops a match as soon as it has decided, at known error rates.

Wald's test (1945) of two hypotheses about the mean score, in the generalised form of Van den Bergh (2017, the test of
Stockfish's fishtest): the scores of a pair of games from one opening, one from each seat, are five outcomes of unknown
probabilities (0, 1/2, 1, 3/2 or 2 points), which are taken at their most likely under each hypothesis. Pairs, not games:
an opening that favours a side makes the two games of a pair opposites, and a test on games would wait too long.

A match stopped by the test says which hypothesis holds; its score is biased towards the decision. A strength to quote
comes from a number of games fixed beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from arena.rating import expected_score

Verdict = Literal["better", "not better", "undecided"]
PAIR_SCORES = np.array([0, 0.25, 0.5, 0.75, 1])  # mean score of the two games
PRIOR = 1e-3  # added to each outcome's count: an outcome not seen yet is not impossible
LIMIT = 1500  # Elo: a score of 99.98%, beyond which the test is about rounding errors


class SPRT(NamedTuple):
    """Is a player `elo1` stronger than another, rather than `elo0`?"""

    elo0: float = 0.0
    elo1: float = 50.0
    alpha: float = 0.05  # probability of "better" where the difference is elo0
    beta: float = 0.05  # probability of "not better" where it is elo1

    def check(self) -> None:
        """ValueError where the numbers make no test."""
        if not self.elo0 < self.elo1:
            raise ValueError(f"the SPRT needs elo0 below elo1, not {self.elo0:g} and {self.elo1:g}")
        if max(abs(self.elo0), abs(self.elo1)) > LIMIT:
            raise ValueError(
                f"the SPRT's Elo differences lie between -{LIMIT} and {LIMIT}, not {self.elo0:g} and {self.elo1:g}"
            )
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError(f"the SPRT's error rates lie between 0 and 0.5, not {self.alpha:g} and {self.beta:g}")

    def bounds(self) -> tuple[float, float]:
        """Log likelihood ratios below and above which the test has decided.

        >>> [round(bound, 2) for bound in SPRT().bounds()]
        [-2.94, 2.94]
        """
        return float(np.log(self.beta / (1 - self.alpha))), float(np.log((1 - self.beta) / self.alpha))

    def log_likelihood_ratio(self, counts: Sequence[int]) -> float:
        """Of elo1 over elo0, after `counts` [5] pairs that made 0, 1/2, 1, 3/2 and 2 points; 0 before the first."""
        if not any(counts):
            return 0.0
        pairs = np.asarray(counts, float) + PRIOR
        shares = pairs / pairs.sum()
        tilts = [_tilt(shares, expected_score(elo, 0)) for elo in (self.elo0, self.elo1)]
        return float(pairs @ np.log(tilts[0] / tilts[1]))

    def verdict(self, counts: Sequence[int]) -> Verdict:
        """What the pairs so far (see `log_likelihood_ratio`) decide."""
        low, high = self.bounds()
        ratio = self.log_likelihood_ratio(counts)
        return "better" if ratio >= high else "not better" if ratio <= low else "undecided"


def pair_counts(scores: Iterable[tuple[float, float]]) -> list[int]:
    """[5] how many pairs of games, as the scores of their two games, made 0, 1/2, 1, 3/2 and 2 points.

    >>> pair_counts([(1, 0), (0.5, 0.5), (1, 0.5)])
    [0, 0, 2, 1, 0]
    """
    counts = [0] * 5
    for one, other in scores:
        counts[round(2 * (one + other))] += 1
    return counts


def _tilt(shares: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """[5] what divides `shares` to make the most likely distribution with the given `mean`.

    Lagrange: p / (1 + x (a - mean)) with the x at which that distribution has the mean (Owen's empirical likelihood, 1988).
    """
    off = PAIR_SCORES - mean
    low, high = -1 / off.max(), -1 / off.min()  # between them every share stays positive
    slack = 1e-9 * (high - low)
    x = brentq(lambda x: (shares * off / (1 + x * off)).sum(), low + slack, high - slack, xtol=1e-12)
    return np.asarray(1 + x * off)
