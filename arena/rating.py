"""Maximum-likelihood Elo: all games at once, draws and the first move counted for what they are, 95% intervals.

The expected score of a, who moves first, against b is s = 1 / (1 + 10^(-(r_a - r_b + h) / 400)), as Elo's scale has it and,
without draws, Bradley and Terry's model (1952); h is the advantage of the first move (Davidson and Beaver 1977). Draws
follow Davidson's law (1970), P(draw) = nu sqrt(P(win) P(loss)). His model sets log odds of a win over a loss, not the
expected score, to the difference in rating: its points would mean less the more games are drawn, and a match and a
list would disagree. So s is set, and his law gives the rest: of all distributions over win, draw and loss that have this s,
the one in his exponential family. The likelihood's slope by s is then the surplus of points over their variance, and
ratings and nu are independent parameters (a mixed parametrisation, Barndorff-Nielsen 1978).

The fit maximises the likelihood of all results together, so the order of games does not matter; its curvature gives
the covariance (KataGo's and minigo's way). Players that never won, or never lost, would run to infinity: every pairing is
given `PRIOR` virtual games, half won and half lost, half of what Jeffreys' prior for a proportion adds, which moves
nobody who has played much. The two games of a paired opening are taken for independent; where openings favour a side
they are not, and the intervals are too wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, shortest_path
from scipy.special import expit, logit, ndtr

PRIOR = 0.5  # virtual games a pairing
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


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


class Estimate(NamedTuple):
    """What all the games say together: n players, by name."""

    names: tuple[str, ...]  # [n] in alphabetical order
    elo: NDArray[np.float64]  # [n]
    covariance: NDArray[np.float64]  # [n, n] Elo points squared; 0 for anchors
    games: NDArray[np.int64]  # [n]
    scores: NDArray[np.float64]  # [n] mean score
    first_move: Interval | None  # Elo points that moving first is worth; None where nobody said who did
    draws: float  # share of draws between equals who take turns to move first

    def ratings(self) -> list[Rating]:
        """Best first."""
        error = Z95 * np.sqrt(np.diag(self.covariance))
        columns = (self.elo, self.elo - error, self.elo + error, self.games, self.scores)
        rows = [Rating(*row) for row in zip(self.names, *(c.tolist() for c in columns), strict=True)]
        return sorted(rows, key=lambda row: (-row.elo, row.name))

    def superiority(self, a: str, b: str) -> float:
        """Likelihood that `a` is stronger than `b`, in [0, 1]: 0.5 where nothing tells them apart."""
        i, j = self.names.index(a), self.names.index(b)
        c = self.covariance
        spread = np.sqrt(max(c[i, i] + c[j, j] - 2 * c[i, j], 0.0))
        difference = self.elo[i] - self.elo[j]
        return float(ndtr(difference / spread)) if spread else float(0.5 + 0.5 * np.sign(difference))


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


def groups(results: Iterable[Result]) -> list[list[str]]:
    """The players in groups that games link, the largest group first: ratings compare within one group only."""
    pairs = [(r.a, r.b) for r in results if _games(r)]
    names = sorted({name for pair in pairs for name in pair})
    index = {name: i for i, name in enumerate(names)}
    met = np.zeros((len(names), len(names)), np.bool_)
    for a, b in pairs:
        met[index[a], index[b]] = True
    count, group = connected_components(met, directed=False) if names else (0, np.zeros(0))
    found = [[name for name, g in zip(names, group, strict=True) if g == k] for k in range(count)]
    return sorted(found, key=lambda members: (-len(members), members))


def unconnected(results: Iterable[Result], anchors: Mapping[str, float]) -> list[str]:
    """Players whom no chain of games links to an anchor: they have no rating."""
    return sorted(name for group in groups(results) if not set(group) & set(anchors) for name in group)


def cycles(results: Iterable[Result]) -> list[list[str]]:
    """Circles of players each of whom clearly beats the next, the last one the first: no rating can tell the truth there.

    Clearly: the 95% interval of their Elo difference lies above 0. One shortest circle for every set of players that
    such circles link; none where the list holds.
    """
    total: dict[tuple[str, str], Result] = {}
    for r in results:
        pair = (min(r.a, r.b), max(r.a, r.b))
        ours, theirs = (r.wins, r.losses) if r.a == pair[0] else (r.losses, r.wins)
        so_far = total.get(pair, Result(*pair, 0, 0, 0))
        total[pair] = Result(*pair, so_far.wins + ours, so_far.draws + r.draws, so_far.losses + theirs)
    names = sorted({name for pair in total for name in pair})
    index = {name: i for i, name in enumerate(names)}
    beats = np.zeros((len(names), len(names)), np.bool_)
    for r in filter(_games, total.values()):
        difference = elo_difference((r.wins + r.draws / 2) / _games(r), _games(r))
        beats[index[r.a], index[r.b]] = difference.low > 0
        beats[index[r.b], index[r.a]] = difference.high < 0
    if not beats.any():
        return []
    _, group = connected_components(beats, connection="strong")
    steps, before = shortest_path(beats, unweighted=True, return_predecessors=True)
    found = []
    for k in np.unique(group):
        closing = [(steps[w, v], v, w) for v, w in np.argwhere(beats & (group == k) & (group == k)[:, None])]
        if closing:
            _, v, w = min(closing)  # v beats w, and a shortest way of beating leads from w back to v
            way = [v]
            while way[-1] != w:
                way.append(before[w, way[-1]])
            found.append([names[i] for i in way[:1] + way[:0:-1]])
    return found


def fit(results: Iterable[Result], anchors: Mapping[str, float]) -> list[Rating]:
    """Ratings of all who played, best first; `anchors` keep their Elo. ValueError names players not linked to one."""
    return estimate(results, anchors).ratings()


def estimate(results: Iterable[Result], anchors: Mapping[str, float], *, a_first: bool = False) -> Estimate:
    """The most likely ratings; `anchors` keep their Elo, and without any the mean is 0.

    `a_first` says that in every result `a` moved first: then the advantage of the first move is estimated too. ValueError
    names players that no games link to an anchor, or to the others where there is none.
    """
    results = [r for r in results if _games(r)]
    apart = unconnected(results, anchors) if anchors else [name for group in groups(results)[1:] for name in group]
    if apart:
        known = ", ".join(anchors) or "none given"
        raise ValueError(f"no games link {', '.join(apart)} to an anchor ({known}): no rating is possible")
    names = tuple(sorted({p for r in results for p in (r.a, r.b)}))
    n, index = len(names), {name: i for i, name in enumerate(names)}
    counts: dict[tuple[int, int], NDArray[np.float64]] = {}  # (i, j): won, drawn and lost, seen from i
    for r in results:
        i, j, row = index[r.a], index[r.b], np.array([r.wins, r.draws, r.losses], float)
        if i > j and not a_first:
            i, j, row = j, i, row[::-1]
        for pair in [(i, j), (j, i)] if a_first else [(i, j)]:
            counts.setdefault(pair, np.zeros(3))
        counts[i, j] += row
    pairs = np.array(sorted(counts), np.int64).reshape(-1, 2)  # [P, 2]
    outcomes = np.array([counts[i, j] for i, j in pairs.tolist()]).reshape(-1, 3)  # [P, 3]
    games, points = np.zeros(n), np.zeros(n)
    for side, won in ((0, 0), (1, 2)):
        np.add.at(games, pairs[:, side], outcomes.sum(axis=1))
        np.add.at(points, pairs[:, side], outcomes[:, won] + outcomes[:, 1] / 2)
    has_draws = bool(outcomes[:, 1].any())
    outcomes[:, [0, 2]] += PRIOR / (4 if a_first else 2)

    held = anchors or dict.fromkeys(names[:1], 0.0)
    design = np.zeros((len(pairs), n + 1))  # which ratings a difference is made of, and the first move
    design[np.arange(len(pairs)), pairs[:, 0]] = 1
    design[np.arange(len(pairs)), pairs[:, 1]] = -1
    design[:, n] = a_first
    free = np.array([name not in held for name in names] + [a_first, has_draws])
    start = [SCALE * held.get(name, np.mean(list(held.values()))) for name in names]
    values = np.array([*start, 0.0, 0.0 if has_draws else -np.inf])
    values, covariance = _maximise(values, free, design, outcomes)
    draws = float(expit(values[-1]))  # nu / (2 + nu)
    values, covariance = values / SCALE, covariance / SCALE**2
    error = Z95 * np.sqrt(covariance[n, n])
    first_move = Interval(values[n], values[n] - error, values[n] + error) if a_first else None
    elo, covariance = values[:n], covariance[:n, :n]
    if not anchors and n:
        centre = np.eye(n) - 1 / n
        elo, covariance = centre @ elo, centre @ covariance @ centre
    return Estimate(names, elo, covariance, games.astype(np.int64), points / np.maximum(games, 1), first_move, draws)


def _games(result: Result) -> int:
    return result.wins + result.draws + result.losses


class _Slopes(NamedTuple):
    """The log-likelihood and its derivatives by k + 1 parameters: k ratings in the logistic's unit, and log(nu / 2)."""

    likelihood: float
    gradient: NDArray[np.float64]  # [k + 1]
    observed: NDArray[np.float64]  # [k + 1, k + 1] information: minus the Hessian
    expected: NDArray[np.float64]  # [k + 1, k + 1] its mean over outcomes: positive, whatever the parameters


def _slopes(values: NDArray[np.float64], design: NDArray[np.float64], outcomes: NDArray[np.float64]) -> _Slopes:
    """At `values` [k + 1], for P pairs' `design` [P, k] and `outcomes` [P, 3].

    Everything is written in products and quotients: differences would lose small probabilities to rounding. With
    t = s (1 - s), half = nu / 2 and e as below, Davidson's law makes the share of draws 4 t e / (1 + e), the variance of a
    game's points t / (1 + e), and half the log odds of win to loss has the slopes (1 + e) / 2 by the difference in
    rating and (2 s - 1) e by log nu.
    """
    difference, half = design @ values[:-1], np.exp(values[-1])
    s, other = expit(difference), expit(-difference)
    t, lead = s * other, s - other
    spread = np.sqrt(half**2 * lead**2 + 4 * t)
    e = half / spread
    draw = 4 * t * e / (1 + e)
    stronger = np.maximum(s, other) - draw / 2  # the likelier of win and loss
    weaker = draw**2 / (4 * half**2 * stronger) if half else np.minimum(s, other)
    win, loss = np.where(difference > 0, (stronger, weaker), (weaker, stronger))
    logs = np.log(np.stack([win, draw if half else np.ones_like(draw), loss], axis=1))

    games = outcomes.sum(axis=1)
    surplus = 2 * (outcomes[:, 0] + outcomes[:, 1] / 2 - games * s)
    e_draw, e_difference = e * 4 * t / spread**2, 2 * e * (1 - half**2) * t * lead / spread**2
    gradient = np.append(design.T @ (surplus * (1 + e) / 2), (outcomes[:, 1] - games * draw + surplus * lead * e).sum())
    of_ratings, of_draws = games * t * (1 + e), games * 4 * t * e_draw / (1 + e) ** 2
    expected = np.zeros((len(values), len(values)))
    expected[:-1, :-1] = design.T @ (of_ratings[:, None] * design)
    expected[-1, -1] = of_draws.sum()
    observed = expected.copy()
    observed[:-1, :-1] -= design.T @ ((surplus * e_difference / 2)[:, None] * design)
    observed[:-1, -1] = observed[-1, :-1] = -design.T @ (surplus * e_draw / 2)
    observed[-1, -1] -= (surplus * lead * e_draw).sum()
    return _Slopes(float((outcomes * logs).sum()), gradient, observed, expected)


def _maximise(
    values: NDArray[np.float64], free: NDArray[np.bool_], design: NDArray[np.float64], outcomes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The most likely parameters and their covariance: Newton's method, until a step is below a millionth of the errors.

    Elo points are no measure of that: where scores are near 0 or 1, rounding alone moves them.

    Plain Newton overshoots where scores are close to 0 or 1. Damped by log(1 + d) / d, d the largest change of a log
    odds, it converges from anywhere without draws (Sun and Tran-Dinh 2019, Theorem 2). With draws the likelihood need not
    be concave far from its top: there Fisher's scoring stands in, and steps are halved until they gain.
    """
    values, covariance, some = values.copy(), np.zeros((len(values), len(values))), np.ix_(free, free)
    if not free.any():
        return values, covariance
    at = _slopes(values, design, outcomes)
    for _ in range(1000):
        concave = np.linalg.eigvalsh(at.observed[some])[0] > 0
        covariance[some] = np.linalg.inv((at.observed if concave else at.expected)[some])
        step = covariance @ np.where(free, at.gradient, 0)
        if at.gradient @ step < 1e-12:  # Newton's decrement: the step's squared length in standard errors
            return values + step, covariance
        change = float(np.abs(design @ step[:-1]).max()) + abs(step[-1])
        length = np.log1p(change) / change
        while True:
            there = np.where(free, values + length * step, values)
            after = _slopes(there, design, outcomes)
            if after.likelihood >= at.likelihood - 1e-9 * abs(at.likelihood) or length < 1e-9:  # up to rounding
                break
            length /= 2
        values, at = there, after
    raise ArithmeticError("the rating fit did not converge")
