"""The sequential test: its error rates on simulated matches, and its figures against fishtest's."""

from __future__ import annotations

import numpy as np
import pytest

from arena.rating import expected_score
from arena.sprt import LIMIT, SPRT, pair_counts


def decide(test: SPRT, elo: float, rng: np.random.Generator, *, draws: float, correlated: float) -> tuple[bool, int]:
    """A simulated match, looked at every 8 pairs: was it "better", after how many pairs.

    Where `correlated`, the opening decides both games: who has the better seat wins.
    """
    score = expected_score(elo, 0)
    shares = [1 - score - draws / 2, draws, score - draws / 2]
    counts = np.zeros(5, int)
    while True:
        one, other = rng.choice(3, size=(2, 8), p=shares)
        fixed = rng.random(8) < correlated
        one[fixed], other[fixed] = 2, 0
        counts += np.bincount(one + other, minlength=5)
        if (verdict := test.verdict(counts.tolist())) != "undecided":
            return verdict == "better", int(counts.sum())


@pytest.mark.parametrize(("draws", "correlated"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.4)])
def test_error_rates_are_as_asked_for(draws: float, correlated: float) -> None:
    """Looking every 8 pairs only makes errors rarer. Fixed pairs halve the difference that is left, so truth is elo0 or below."""
    test, rng = SPRT(0, 80, 0.05, 0.1), np.random.default_rng(0)
    null = [decide(test, 0, rng, draws=draws, correlated=correlated) for _ in range(300)]
    assert np.mean([better for better, _ in null]) < 0.08
    if not correlated:
        true = [decide(test, 80, rng, draws=draws, correlated=0) for _ in range(300)]
        assert np.mean([better for better, _ in true]) > 0.87


def test_the_test_ends_sooner_where_the_answer_is_plain() -> None:
    test, rng = SPRT(0, 50), np.random.default_rng(1)
    pairs = {elo: np.mean([decide(test, elo, rng, draws=0.2, correlated=0)[1] for _ in range(30)]) for elo in (50, 300)}
    assert pairs[300] < pairs[50] / 3


def test_the_ratio_is_that_of_the_normal_approximation_where_there_are_many_pairs() -> None:
    """Van den Bergh: n (s1 - s0) (2 mean - s0 - s1) / (2 variance), good for close hypotheses."""
    counts = np.array([120, 480, 900, 560, 140])
    scores = np.repeat([0, 0.25, 0.5, 0.75, 1], counts)
    s0, s1 = expected_score(0, 0), expected_score(5, 0)
    approximate = len(scores) * (s1 - s0) * (2 * scores.mean() - s0 - s1) / (2 * scores.var())
    assert SPRT(0, 5).log_likelihood_ratio(counts.tolist()) == pytest.approx(approximate, rel=0.02)


def test_nothing_played_decides_nothing_and_sweeps_decide() -> None:
    assert SPRT().verdict([0] * 5) == "undecided"
    assert SPRT().verdict([0, 0, 0, 0, 60]) == "better"
    assert SPRT().verdict([60, 0, 0, 0, 0]) == "not better"
    assert SPRT().verdict([0, 0, 400, 0, 0]) == "not better"
    assert pair_counts([(1.0, 1.0), (0.0, 0.0), (0.5, 0.0), (0.0, 1.0)]) == [1, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (SPRT(10, 10), "elo0 below elo1"),
        (SPRT(alpha=0.0), "between 0 and 0.5"),
        (SPRT(beta=0.7), "0.7"),
        (SPRT(0, 1e9), "1500, not 0 and 1e\\+09"),
    ],
)
def test_numbers_that_make_no_test_are_refused(test: SPRT, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        test.check()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("counts", [[9, 0, 0, 0, 0], [0, 0, 0, 0, 9], [1, 1, 1, 1, 1], [0, 0, 400, 0, 0]])
def test_the_widest_differences_are_decided_without_a_warning(counts: list[int]) -> None:
    ratio = SPRT(-LIMIT, LIMIT).log_likelihood_ratio(counts)
    assert np.isfinite(ratio)
    assert np.sign(ratio) == np.sign(np.dot(counts, [-2, -1, 0, 1, 2])) or abs(ratio) < 1e-3
