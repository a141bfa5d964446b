"""Maximum-likelihood Elo: all games at once, fixed anchors, 95% intervals.

Bradley and Terry (1952): the expected score of a against b is s(r_a - r_b), s(x) = 1 / (1 + 10^(-x / 400)). A draw
counts half a win and half a loss. The fit maximises the likelihood of all results together, so the order of games does
not matter; its curvature gives the intervals (KataGo's and minigo's way). Players that never won, or never lost, would
run to infinity: every pairing is given `PRIOR` virtual drawn games, half of what Jeffreys' prior for a proportion adds,
which moves nobody who has played much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

PRIOR = 0.5  # virtual draws a pairing
SCALE = np.log(10) / 400  # Elo points in the logistic's own unit
Z95 = 1.959964


class Result(NamedTuple):
    """Games between two players, seen from a."""

    a: str
    b: str
    wins: int
    draws: int
    losses: int


class Rating(NamedTuple):
    """A player's Elo with its 95% interval; an anchor's interval is empty."""

    name: str
    elo: float
    low: float
    high: float
    games: int
    score: float  # mean over its games


class EloDifference(NamedTuple):
    """A difference in Elo with its 95% interval; infinite where a score of 0 or 1 sets no bound."""

    elo: float
    low: float
    high: float


def expected_score(a: float, b: float) -> float:
    """Mean score of a player of Elo `a` against one of Elo `b`.

    >>> round(expected_score(200, 0), 3)
    0.76
    """
    return float(expit(SCALE * (a - b)))


def elo_difference(score: float, games: int) -> EloDifference:
    """Elo difference of a mean score over so many games, with the 95% interval of Wilson (1927) for a proportion.

    Draws vary less than wins and losses, so with many of them the interval is too wide, never too narrow.

    >>> [round(x) for x in elo_difference(0.75, 100)]
    [191, 113, 269]
    >>> elo_difference(1.0, 100).elo
    inf
    """
    centre = (score + Z95**2 / (2 * games)) / (1 + Z95**2 / games)
    half = Z95 / (1 + Z95**2 / games) * np.sqrt(score * (1 - score) / games + Z95**2 / (4 * games**2))
    low = centre - half if score > 0 else 0.0
    high = centre + half if score < 1 else 1.0
    return EloDifference(*(float(logit(share) / SCALE) for share in (score, low, high)))


def unconnected(results: Iterable[Result], anchors: Mapping[str, float]) -> list[str]:
    """Players whom no chain of games links to an anchor: they have no rating."""
    pairs = [{r.a, r.b} for r in results if _games(r)]
    linked = set(anchors)
    while more := {player for pair in pairs if pair & linked for player in pair} - linked:
        linked |= more
    return sorted(set().union(*pairs) - linked)


def fit(results: Iterable[Result], anchors: Mapping[str, float]) -> list[Rating]:
    """Ratings of all who played, best first; `anchors` keep their Elo. ValueError names players not linked to one."""
    results = [r for r in results if _games(r)]
    if apart := unconnected(results, anchors):
        known = ", ".join(anchors) or "none given"
        raise ValueError(f"no games link {', '.join(apart)} to an anchor ({known}): no rating is possible")
    names = sorted({p for r in results for p in (r.a, r.b)})
    index = {name: i for i, name in enumerate(names)}
    n = len(names)
    games, won = np.zeros((n, n)), np.zeros((n, n))  # [i, j] games between i and j, points of i against j
    for r in results:
        i, j, played = index[r.a], index[r.b], _games(r)
        games[i, j] += played
        games[j, i] += played
        won[i, j] += r.wins + r.draws / 2
        won[j, i] += r.losses + r.draws / 2
    met = games > 0
    free = np.array([name not in anchors for name in names])
    elo = np.array([anchors.get(name, np.mean(list(anchors.values()))) for name in names], float)
    elo = _maximise(elo, free, games + PRIOR * met, won + PRIOR / 2 * met)
    spread = _spread(elo, free, games + PRIOR * met)
    played, points = games.sum(axis=1), won.sum(axis=1)
    rows = [
        Rating(name, e, e - Z95 * s, e + Z95 * s, int(g), float(p / max(g, 1)))
        for name, e, s, g, p in zip(names, elo.tolist(), spread.tolist(), played, points, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.elo, row.name))


def _games(result: Result) -> int:
    return result.wins + result.draws + result.losses


def _maximise(
    elo: NDArray[np.float64], free: NDArray[np.bool_], games: NDArray[np.float64], won: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Newton's method on the concave log-likelihood, until a step is below a millionth of the standard errors.

    Elo points are no measure of that: where scores are near 0 or 1, rounding alone moves them.

    Plain Newton overshoots where scores are close to 0 or 1. Damped by log(1 + d) / d, d the largest change of a pair's
    difference in the logistic's unit, it converges from anywhere (Sun and Tran-Dinh 2019, Theorem 2).
    """
    elo = elo.copy()
    if not free.any():
        return elo
    for _ in range(1000):
        score = expit(SCALE * (elo[:, None] - elo[None, :]))
        step = np.zeros(len(elo))
        gradient = SCALE * (won - games * score).sum(axis=1)
        step[free] = np.linalg.solve(_information(elo, games)[np.ix_(free, free)], gradient[free])
        change = SCALE * np.abs((step[:, None] - step[None, :])[games > 0]).max()
        elo += step * (np.log1p(change) / change if change else 1.0)
        if gradient @ step < 1e-12:  # Newton's decrement: the step's squared length in standard errors
            return elo
    raise ArithmeticError("the rating fit did not converge")


def _information(elo: NDArray[np.float64], games: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, n] observed information: minus the Hessian of the log-likelihood."""
    score = expit(SCALE * (elo[:, None] - elo[None, :]))
    weight = SCALE**2 * games * score * score.T  # score.T is 1 - score, exact where that is tiny
    return np.asarray(np.diag(weight.sum(axis=1)) - weight)


def _spread(elo: NDArray[np.float64], free: NDArray[np.bool_], games: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] standard errors in Elo; 0 for anchors."""
    spread = np.zeros(len(elo))
    if free.any():
        spread[free] = np.sqrt(np.diag(np.linalg.inv(_information(elo, games)[np.ix_(free, free)])))
    return spread
