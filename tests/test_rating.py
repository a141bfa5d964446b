"""Ratings: against a peer library, on simulated data with known strengths, and at the edges where fits break."""

from __future__ import annotations

import math

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from arena import rating
from arena.rating import Rating, Result, cycles, elo_difference, estimate, expected_score, fit, groups, unconnected


def elo_of(ratings: list[Rating]) -> dict[str, float]:
    return {row.name: row.elo for row in ratings}


def simulate(elo: dict[str, float], games: int, rng: np.random.Generator, draws: float = 0.0) -> list[Result]:
    """A round robin of players of known Elo; `draws` of the games are drawn where the players are equals."""
    results = []
    names = list(elo)
    for i, a in enumerate(names):
        for b in names[:i]:
            score = expected_score(elo[a], elo[b])
            drawn = 2 * draws * min(score, 1 - score)
            wins, draw, losses = rng.multinomial(games, [score - drawn / 2, drawn, 1 - score - drawn / 2])
            results.append(Result(a, b, int(wins), int(draw), int(losses)))
    return results


def test_expected_score_of_known_differences() -> None:
    assert expected_score(0, 0) == 0.5
    assert expected_score(400, 0) == pytest.approx(10 / 11)
    assert expected_score(0, 400) == pytest.approx(1 / 11)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_choix(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a prior the fit is choix's maximum likelihood, up to the fixed point."""
    monkeypatch.setattr(rating, "PRIOR", 0.0)
    rng = np.random.default_rng(seed)
    n = 6
    strengths = {f"p{i}": float(rng.normal(0, 150)) for i in range(n)}
    results = simulate(strengths, 40, rng)
    wins = [(r.a, r.b) for r in results for _ in range(r.wins)] + [(r.b, r.a) for r in results for _ in range(r.losses)]
    theirs = choix.opt_pairwise(n, [(int(w[1:]), int(b[1:])) for w, b in wins], method="Newton-CG", tol=1e-12)
    ours = elo_of(fit(results, {"p0": 0.0}))
    for i in range(n):
        assert ours[f"p{i}"] == pytest.approx((theirs[i] - theirs[0]) * 400 / math.log(10), abs=0.01)


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    truth = {"anchor": 0.0, "weak": -250.0, "even": 30.0, "strong": 300.0, "stronger": 420.0}
    rng = np.random.default_rng(0)
    inside = [
        row.low <= truth[row.name] <= row.high
        for _ in range(400)
        for row in fit(simulate(truth, 30, rng), {"anchor": 0.0})
        if row.name != "anchor"
    ]
    assert 0.93 <= np.mean(inside) <= 0.97


def test_draws_make_intervals_no_narrower_than_they_should_be() -> None:
    truth = {"anchor": 0.0, "a": 60.0, "b": -90.0}
    rng = np.random.default_rng(1)
    inside = [
        row.low <= truth[row.name] <= row.high
        for _ in range(300)
        for row in fit(simulate(truth, 60, rng, draws=0.5), {"anchor": 0.0})
        if row.name != "anchor"
    ]
    assert 0.93 <= np.mean(inside) <= 0.98


def test_draws_make_intervals_narrower() -> None:
    """Half of the games drawn: the points of a game vary half as much, the interval is narrower by a root of 2."""
    fights, draws = (fit([Result("a", "b", *counts)], {"b": 0.0})[0] for counts in ((500, 0, 500), (250, 500, 250)))
    assert fights.elo == pytest.approx(draws.elo, abs=1e-6)
    assert (fights.high - fights.low) / (draws.high - draws.low) == pytest.approx(math.sqrt(2), rel=0.01)


def test_a_match_and_a_list_agree_on_the_difference_whatever_the_draws() -> None:
    for counts in ((600, 0, 400), (400, 400, 200), (250, 700, 50)):
        elo = elo_of(fit([Result("a", "b", *counts)], {"b": 0.0}))["a"]
        assert elo == pytest.approx(elo_difference(0.6, 1000).elo, abs=0.5)


def test_many_games_find_the_truth() -> None:
    truth = {"anchor": 100.0, "a": -120.0, "b": 250.0, "c": 400.0}
    found = elo_of(fit(simulate(truth, 20_000, np.random.default_rng(2)), {"anchor": 100.0}))
    assert found == pytest.approx(truth, abs=8)


def test_anchors_stay_exactly_where_they_are() -> None:
    results = [Result("a", "x", 7, 0, 3), Result("x", "b", 2, 4, 4), Result("a", "b", 0, 0, 10)]
    anchors = {"a": 0.0, "b": 512.25}
    rows = {row.name: row for row in fit(results, anchors)}
    for name, elo in anchors.items():
        assert rows[name].elo == rows[name].low == rows[name].high == elo
    assert rows["x"].low < rows["x"].elo < rows["x"].high


def test_only_anchors_played() -> None:
    assert elo_of(fit([Result("a", "b", 3, 1, 0)], {"a": 0.0, "b": 100.0})) == {"a": 0.0, "b": 100.0}


def test_no_games_no_ratings() -> None:
    assert fit([], {"a": 0.0}) == []


def test_order_of_games_and_side_of_the_table_do_not_matter() -> None:
    results = simulate({"anchor": 0.0, "a": 100.0, "b": -50.0, "c": 20.0}, 12, np.random.default_rng(3), draws=0.2)
    turned = [Result(r.b, r.a, r.losses, r.draws, r.wins) for r in reversed(results)]
    assert fit(turned, {"anchor": 0.0}) == fit(results, {"anchor": 0.0})


def test_a_match_in_pieces_is_the_match() -> None:
    whole = [Result("a", "b", 7, 2, 1)]
    pieces = [Result("a", "b", 4, 0, 1), Result("b", "a", 0, 2, 0), Result("a", "b", 3, 0, 0)]
    assert fit(pieces, {"b": 0.0}) == fit(whole, {"b": 0.0})


def test_games_and_score_are_counted() -> None:
    rows = {row.name: row for row in fit([Result("a", "b", 5, 2, 1), Result("a", "c", 0, 0, 2)], {"b": 0.0})}
    assert (rows["a"].games, rows["a"].score) == (10, 0.6)
    assert (rows["b"].games, rows["b"].score) == (8, 0.25)
    assert [row.elo for row in rows.values()] == sorted((row.elo for row in rows.values()), reverse=True)


def test_undefeated_players_have_finite_ratings_that_grow_with_their_games() -> None:
    few, many = (elo_of(fit([Result("a", "b", games, 0, 0)], {"b": 0.0}))["a"] for games in (4, 400))
    assert 200 < few < many < 2000


def test_the_prior_moves_nobody_who_has_played_much() -> None:
    elo = elo_of(fit([Result("a", "b", 760, 0, 240)], {"b": 0.0}))["a"]
    assert elo == pytest.approx(elo_difference(0.76, 1000).elo, abs=0.5)


def test_unconnected_players_are_named() -> None:
    results = [Result("a", "b", 1, 0, 0), Result("b", "c", 1, 0, 0), Result("x", "y", 3, 0, 3)]
    assert unconnected(results, {"a": 0.0}) == ["x", "y"]
    assert unconnected(results, {"a": 0.0, "y": 0.0}) == []
    with pytest.raises(ValueError, match=r"no games link x, y to an anchor \(a\)"):
        fit(results, {"a": 0.0})


def test_a_match_of_no_games_links_nobody() -> None:
    """Such a result used to count as a link and left the fit a singular matrix."""
    results = [Result("a", "b", 1, 0, 1), Result("b", "c", 0, 0, 0)]
    assert set(elo_of(fit(results, {"a": 0.0}))) == {"a", "b"}
    assert unconnected([*results, Result("c", "d", 1, 0, 0)], {"a": 0.0}) == ["c", "d"]


def test_a_one_sided_chain_converges() -> None:
    """Undamped Newton swung between two points here for ever."""
    found = elo_of(fit([Result("p1", "p0", 9, 0, 0), Result("p2", "p1", 12216, 0, 0)], {"p0": 0.0}))
    assert 0 < found["p1"] < found["p2"] < 4000


def test_anchors_at_odds_with_the_games_converge() -> None:
    """Rounding moved these ratings by more than the fit's former limit of a fixed fraction of an Elo point."""
    results = [
        Result("p1", "p0", 20, 0, 0),
        Result("p2", "p0", 0, 0, 2069),
        Result("p3", "p0", 240, 0, 0),
        Result("p3", "p2", 35713, 0, 27218),
        Result("p4", "p3", 41495, 0, 0),
        Result("p5", "p4", 1, 0, 0),
        Result("p6", "p1", 0, 0, 4364),
        Result("p6", "p5", 3612, 0, 2480),
    ]
    found = elo_of(fit(results, {"p0": 0.0, "p6": 8000.0}))
    assert found["p2"] < found["p3"] < found["p0"] < found["p4"]  # p2 lost to p0 far more often than p3 beat p0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_connected_list_has_a_fit_where_expected_points_equal_points(data: st.DataObject) -> None:
    """Without draws, each free player's expected points are those it made, virtual games included."""
    n = data.draw(st.integers(2, 7))
    counts = st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 50_000))
    drawn = counts if (draws := data.draw(st.booleans())) else st.just(0)
    results = [
        Result(
            f"p{i}", f"p{data.draw(st.integers(0, i - 1))}", data.draw(counts), data.draw(drawn), 1 + data.draw(counts)
        )
        for i in range(1, n)
    ]
    anchors = {"p0": 0.0} | ({f"p{n - 1}": 1500.0} if n > 2 and data.draw(st.booleans()) else {})
    rows = {row.name: row for row in fit(results, anchors)}
    surplus = dict.fromkeys(rows, 0.0)
    for r in results:
        games = r.wins + r.draws + r.losses
        points = r.wins + r.draws / 2 + rating.PRIOR / 2
        gain = points - (games + rating.PRIOR) * expit((rows[r.a].elo - rows[r.b].elo) * math.log(10) / 400)
        surplus[r.a] += gain
        surplus[r.b] -= gain
    for name, row in rows.items():
        assert math.isfinite(row.low)
        assert math.isfinite(row.high)
        assert name in anchors or draws or abs(surplus[name]) < 1e-3


def test_elo_difference_of_even_scores_shrinks_with_games() -> None:
    short, long = elo_difference(0.5, 40), elo_difference(0.5, 4000)
    assert short.elo == long.elo == 0
    assert short.low == pytest.approx(-short.high)
    assert long.high == pytest.approx(10.8, abs=0.1)  # 1.96 * 0.5 / sqrt(4000) of score, 695 Elo a point at 0.5
    assert short.high > 9 * long.high


def test_a_clean_sweep_bounds_one_side_only() -> None:
    won, lost = elo_difference(1.0, 20), elo_difference(0.0, 20)
    assert won.elo == won.high == math.inf
    assert 200 < won.low < 400
    assert lost.elo == lost.low == -math.inf
    assert lost.high == pytest.approx(-won.low)


def simulate_seats(
    elo: dict[str, float], games: int, rng: np.random.Generator, *, first: float, nu: float
) -> list[Result]:
    """A round robin of `games` games from each seat; draws by Davidson's law, found by bisection from the mean score."""
    results = []
    for a in elo:
        for b in elo:
            if a == b:
                continue
            score = expected_score(elo[a] + first, elo[b])
            low, high = 0.0, 2 * min(score, 1 - score)
            for _ in range(60):
                drawn = (low + high) / 2
                law = nu * math.sqrt((score - drawn / 2) * (1 - score - drawn / 2))
                low, high = (drawn, high) if law > drawn else (low, drawn)
            wins, draws, losses = rng.multinomial(games, [score - drawn / 2, drawn, 1 - score - drawn / 2])
            results.append(Result(a, b, int(wins), int(draws), int(losses)))
    return results


def test_intervals_hold_the_truth_with_draws_and_an_advantage_of_the_first_move() -> None:
    truth = {"anchor": 0.0, "weak": -220.0, "even": 40.0, "strong": 260.0}
    rng = np.random.default_rng(5)
    ratings_inside, first_inside, equals = [], [], []
    for _ in range(400):
        found = estimate(simulate_seats(truth, 20, rng, first=70, nu=0.8), {"anchor": 0.0}, a_first=True)
        ratings_inside += [row.low <= truth[row.name] <= row.high for row in found.ratings() if row.name != "anchor"]
        assert found.first_move is not None
        first_inside.append(found.first_move.low <= 70 <= found.first_move.high)
        equals.append(found.draws)
    assert 0.93 <= np.mean(ratings_inside) <= 0.97
    assert 0.92 <= np.mean(first_inside) <= 0.98
    assert np.mean(equals) == pytest.approx(0.8 / 2.8, abs=0.01)  # nu / (2 + nu) of the games of equals


def test_the_advantage_of_the_first_move_is_no_strength() -> None:
    """a and b are equals, first players win three in four; a moved first four times as often."""
    results = [Result("a", "b", 300, 0, 100), Result("b", "a", 75, 0, 25)]
    found = estimate(results, {"b": 0.0}, a_first=True)
    assert elo_of(found.ratings())["a"] == pytest.approx(0, abs=1)
    assert found.first_move is not None
    assert found.first_move.value == pytest.approx(elo_difference(0.75, 500).elo, abs=1)
    assert elo_of(fit(results, {"b": 0.0}))["a"] > 80


def test_the_american_league_of_1987(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baseball at home and away (Agresti 2002, section 10.6): estimates of R's BradleyTerry2, in its vignette."""
    monkeypatch.setattr(rating, "PRIOR", 1e-9)
    teams = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
    home_wins = [  # row: at home; column: the visitors
        [0, 4, 4, 4, 6, 4, 6],
        [3, 0, 4, 4, 6, 6, 4],
        [2, 4, 0, 2, 4, 4, 6],
        [3, 5, 2, 0, 4, 4, 6],
        [5, 2, 3, 4, 0, 5, 6],
        [2, 3, 3, 4, 4, 0, 2],
        [2, 1, 1, 2, 1, 3, 0],
    ]
    away_wins = [
        [0, 3, 2, 3, 1, 2, 0],
        [3, 0, 2, 3, 0, 1, 3],
        [5, 3, 0, 4, 3, 2, 0],
        [3, 1, 5, 0, 3, 2, 1],
        [1, 5, 3, 2, 0, 2, 0],
        [5, 3, 4, 3, 2, 0, 4],
        [5, 5, 6, 4, 6, 4, 0],
    ]
    results = [
        Result(home, away, home_wins[i][j], 0, away_wins[i][j])
        for i, home in enumerate(teams)
        for j, away in enumerate(teams)
        if i != j
    ]
    found = estimate(results, {"Baltimore": 0.0}, a_first=True)
    unit = 400 / math.log(10)
    published = dict(zip(teams, (1.6196, 1.4754, 1.3271, 1.2813, 1.1438, 0.7047, 0.0), strict=True))
    assert {name: elo / unit for name, elo in elo_of(found.ratings()).items()} == pytest.approx(published, abs=1e-4)
    assert found.first_move is not None
    assert found.first_move.value / unit == pytest.approx(0.3023, abs=1e-4)


def test_players_that_always_draw_beside_players_that_never_do_have_a_fit() -> None:
    """Perfect players of tic-tac-toe and random ones; Fisher's scoring alone did not end here."""
    results = [Result("p5", "p0", 0, 34_307, 1)] + [
        Result(f"p{i}", "p0", 0, 0, losses) for i, losses in ((1, 1), (2, 3118))
    ]
    found = elo_of(fit(results, {"p0": 0.0}))
    assert found["p2"] < found["p1"] < found["p5"] == pytest.approx(0, abs=5)


def test_without_anchors_the_mean_is_0_and_differences_are_the_same() -> None:
    results = simulate({"anchor": 0.0, "a": 100.0, "b": -50.0, "c": 20.0}, 40, np.random.default_rng(3), draws=0.2)
    free, held = estimate(results, {}), estimate(results, {"anchor": 0.0})
    assert np.mean(free.elo) == pytest.approx(0, abs=1e-6)
    assert free.elo - free.elo[1] == pytest.approx(held.elo - held.elo[1], abs=1e-3)
    assert free.superiority("a", "b") == pytest.approx(held.superiority("a", "b"), abs=1e-6)


def test_likelihood_of_superiority_is_how_often_the_better_one_is_ahead() -> None:
    """Of many simulated matches between unequal players, judged when each is over: right as often as it claims."""
    rng = np.random.default_rng(4)
    claimed, right = [], []
    for _ in range(1000):
        elo = float(rng.uniform(-300, 300))
        found = estimate(simulate({"a": elo, "b": 0.0}, 40, rng), {"b": 0.0})
        claimed.append(found.superiority("a", "b"))
        right.append(elo > 0)
    sure = (np.array(claimed) > 0.7) & (np.array(claimed) < 0.99)
    assert np.mean(np.array(right)[sure]) == pytest.approx(np.mean(np.array(claimed)[sure]), abs=0.03)
    assert estimate([Result("a", "b", 5, 0, 5)], {"b": 0.0}).superiority("a", "b") == pytest.approx(0.5)


def test_groups_without_games_between_them_are_told_apart() -> None:
    results = [
        Result("x", "y", 3, 0, 3),
        Result("a", "b", 1, 0, 0),
        Result("b", "c", 0, 0, 1),
        Result("c", "x", 0, 0, 0),
    ]
    assert groups(results) == [["a", "b", "c"], ["x", "y"]]
    with pytest.raises(ValueError, match="no games link x, y"):
        estimate(results, {})
    assert groups([]) == []


def test_a_circle_is_shown_and_noise_is_none() -> None:
    """Rock, paper and scissors among players that all beat the weakest."""
    circle = [
        Result("rock", "scissors", 90, 0, 10),
        Result("paper", "rock", 80, 5, 15),
        Result("scissors", "paper", 70, 0, 30),
    ]
    under = [Result(name, "weakest", 100, 0, 0) for name in ("rock", "paper", "scissors")]
    assert [set(found) for found in cycles([*circle, *under])] == [{"rock", "paper", "scissors"}]
    found = cycles([*circle, *under])[0]
    assert found[(found.index("paper") + 1) % 3] == "rock"  # paper beats rock
    assert cycles([*circle[:2], Result("scissors", "paper", 52, 0, 48), *under]) == []
    assert cycles([]) == []
