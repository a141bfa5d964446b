"""Maximum-likelihood Elo: all games at once, fixed anchors, 95% intervals.

Bradley and Terry (1952): the expected score of a against b is s(r_a - r_b), s(x) = 1 / (1 + 10^(-x / 400)). A draw counts
half a win and half a loss. The fit maximises the likelihood of all results together, so the order of games does not
matter; its curvature gives the intervals (KataGo's and minigo's way). Players that never won, or never lost, would run to
infinity: every pairing is given `PRIOR` virtual drawn games, which moves nobody who has played much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

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
    """Elo difference of a mean score over so many games, with the 95% interval of Wilson's score interval."""
    centre = (score + Z95**2 / (2 * games)) / (1 + Z95**2 / games)
    half = Z95 / (1 + Z95**2 / games) * np.sqrt(score * (1 - score) / games + Z95**2 / (4 * games**2))
    edge = 0.5 / games  # a score of 0 or 1 has no finite difference: show that of half a game
    return EloDifference(*(_to_elo(float(np.clip(p, edge, 1 - edge))) for p in (score, centre - half, centre + half)))


def unconnected(results: Iterable[Result], anchors: Mapping[str, float]) -> list[str]:
    """Players whom no chain of games links to an anchor: they have no rating."""
    results = list(results)
    linked = set(anchors)
    while more := {p for r in results for p in (r.a, r.b) if {r.a, r.b} & linked} - linked:
        linked |= more
    return sorted({p for r in results for p in (r.a, r.b)} - linked)


def fit(results: Iterable[Result], anchors: Mapping[str, float]) -> list[Rating]:
    """Ratings of all players, best first; `anchors` keep their Elo. ValueError names players not linked to an anchor."""
    results = list(results)
    if apart := unconnected(results, anchors):
        raise ValueError(f"no games link {', '.join(apart)} to an anchor ({', '.join(anchors)}): no rating is possible")
    names = sorted({p for r in results for p in (r.a, r.b)})
    index = {name: i for i, name in enumerate(names)}
    n = len(names)
    games, won = np.zeros((n, n)), np.zeros((n, n))  # [i, j] games between i and j, points of i against j
    for r in results:
        i, j, played = index[r.a], index[r.b], r.wins + r.draws + r.losses
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


def _maximise(
    elo: NDArray[np.float64], free: NDArray[np.bool_], games: NDArray[np.float64], won: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Newton's method on the concave log-likelihood, steps bounded to 400 Elo."""
    elo = elo.copy()
    if not free.any():
        return elo
    for _ in range(200):
        p = expit(SCALE * (elo[:, None] - elo[None, :]))
        gradient = SCALE * (won - games * p).sum(axis=1)[free]
        step = np.linalg.solve(_information(elo, games)[np.ix_(free, free)], gradient)
        longest = np.abs(step).max()
        if longest < 1e-9:
            return elo
        elo[free] += step * min(1.0, 400 / longest)
    raise ArithmeticError("the rating fit did not converge")


def _information(elo: NDArray[np.float64], games: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, n] observed information: minus the Hessian of the log-likelihood."""
    p = expit(SCALE * (elo[:, None] - elo[None, :]))
    weight = SCALE**2 * games * p * (1 - p)
    return np.asarray(np.diag(weight.sum(axis=1)) - weight)


def _spread(elo: NDArray[np.float64], free: NDArray[np.bool_], games: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n] standard errors in Elo; 0 for anchors."""
    spread = np.zeros(len(elo))
    if free.any():
        spread[free] = np.sqrt(np.diag(np.linalg.inv(_information(elo, games)[np.ix_(free, free)])))
    return spread


def _to_elo(p: float) -> float:
    return float(np.log(p / (1 - p)) / SCALE)
