"""The Connect Four solver against published scores, exhaustive search, itself on other boards, and its node limit."""

from __future__ import annotations

import numpy as np
import pytest

from agents.classic import Perfect, action_values, best_actions
from agents.solver import FIRST_NODES, ILLEGAL, UNKNOWN, ExactPlayer, Solver, exact
from envs import States, make, random_actions

GAME = make("connect_four")


def played(columns: str) -> States:
    """[1] the position after the moves, columns counted from 1."""
    states = GAME.reset(1)
    for column in columns:
        assert GAME.legal(states)[0, int(column) - 1]
        states = GAME.step(states, np.array([int(column) - 1]))
    return states


def random_positions(ply: int, n: int, seed: int = 0) -> States:
    """[n] unfinished positions after `ply` random moves."""
    rng = np.random.default_rng(seed)
    found = GAME.reset(0)
    while len(found) < n:
        states = GAME.reset(1000)
        for _ in range(ply):
            states = GAME.step(states, random_actions(GAME.legal(states), rng))
        found = np.concatenate([found, states[~GAME.terminal(states)]])
    return found[:n]


# From Pascal Pons's test sets (blog.gamesolver.org/solving-connect-four/02-test-protocol).
@pytest.mark.parametrize(
    ("columns", "score"),
    [
        ("2252576253462244111563365343671351441", -1),
        ("7422341735647741166133573473242566", 1),
        ("23163416124767223154467471272416755633", 0),
        ("274552224131661", 0),
        ("74642572132", 15),
        ("51756773145177", -10),
        ("165746146225", -11),
        ("1562527227511", 13),
        ("43745416472735", -13),
        pytest.param("13712", 3, marks=pytest.mark.slow),
    ],
)
def test_published_scores(columns: str, score: int) -> None:
    assert Solver(log2_entries=24).scores(played(columns)).max() == score


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_first_move_of_the_game() -> None:
    """In the middle it wins, beside that it draws, further out it loses (Allis 1988; scores by Pons). 15 minutes."""
    scores = Solver(log2_entries=26).scores(GAME.reset(1))
    assert scores.tolist() == [[-2, -1, 0, 1, 0, -1, -2]]


@pytest.mark.parametrize("ply", range(31, 42))
def test_scores_are_those_of_exhaustive_search(ply: int) -> None:
    states = random_positions(ply, 10)
    # Exhaustive search counts one more than the cells left at the end of the game; a score, the winner's own half.
    found = action_values(GAME, states, depth=42 - ply)
    legal = GAME.legal(states)
    halves = np.sign(found[legal]) * ((np.abs(found[legal]) + 1) // 2)
    scores = Solver().scores(states)
    np.testing.assert_array_equal(scores[legal], halves)
    assert (scores[~legal] == ILLEGAL).all()


@pytest.mark.parametrize("ply", [15, 18, 22, 26])
def test_outcomes_are_the_signs_of_scores(ply: int) -> None:
    states = random_positions(ply, 30)
    scores, outcomes, values = Solver().scores(states), Solver().action_values(states), Solver().values(states)
    going = ~GAME.terminal(states)
    np.testing.assert_array_equal(Solver().position_scores(states)[going], scores.max(axis=1)[going])
    legal = GAME.legal(states)
    np.testing.assert_array_equal(outcomes[legal], np.sign(scores[legal]))
    assert (outcomes[~legal] == ILLEGAL).all()
    np.testing.assert_array_equal(values, outcomes.max(axis=1))


def test_a_move_scores_what_the_other_side_loses_by_it() -> None:
    solver = Solver()
    states = random_positions(16, 20)
    scores = solver.scores(states)
    rows, actions = np.nonzero(GAME.legal(states))
    children = GAME.step(states[rows], actions)
    going = ~GAME.terminal(children)
    np.testing.assert_array_equal(scores[rows, actions][going], -Solver().scores(children[going]).max(axis=1))
    assert (scores[rows, actions][~going] == (42 - 16 + 1) // 2).all()


def test_mirrored_positions_have_mirrored_scores() -> None:
    rng = np.random.default_rng(1)
    states = mirrored = GAME.reset(40)
    for _ in range(16):
        actions = random_actions(GAME.legal(states), rng)
        states, mirrored = GAME.step(states, actions), GAME.step(mirrored, 6 - actions)
    np.testing.assert_array_equal(Solver().scores(states), Solver().scores(mirrored)[:, ::-1])


def test_a_crowded_table_changes_no_answer() -> None:
    states = random_positions(18, 20)
    np.testing.assert_array_equal(Solver(log2_entries=10).scores(states), Solver().scores(states))


def test_finished_games_have_no_scores() -> None:
    won, last = played("1212121"), random_positions(41, 20)
    drawn = GAME.step(last, GAME.legal(last).argmax(axis=1))
    drawn = drawn[GAME.returns(drawn) == 0]
    solver = Solver()
    for states in (won, drawn):
        assert GAME.terminal(states).all()
        assert (solver.scores(states) == ILLEGAL).all()
        np.testing.assert_array_equal(solver.values(states), GAME.returns(states))
    assert solver.scores(GAME.reset(0)).shape == (0, 7)


def test_a_node_limit_bounds_the_work_and_falsifies_nothing() -> None:
    states = random_positions(16, 20)
    right = Solver().scores(states)
    hurried = Solver()
    for limit in (0, 10, 1000):
        before = hurried.nodes
        scores = hurried.scores(states, node_limit=limit)
        assert hurried.nodes - before <= limit * len(states)
        known = scores != UNKNOWN
        assert not known.all()
        np.testing.assert_array_equal(scores[known], right[known])
    np.testing.assert_array_equal(hurried.scores(states), right)
    assert (Solver().values(GAME.reset(3), node_limit=1000) == UNKNOWN).all()


@pytest.mark.parametrize("log2_entries", [9, 33])
def test_a_table_of_an_odd_size_is_refused(log2_entries: int) -> None:
    with pytest.raises(ValueError, match=f"log2_entries is {log2_entries}"):
        Solver(log2_entries)


def test_the_exact_evaluator_knows_values_and_the_moves_that_keep_them() -> None:
    states = random_positions(20, 30)
    outcomes = Solver().action_values(states)
    priors, values = exact(GAME, Solver().action_values)(states)
    np.testing.assert_array_equal(values, outcomes.max(axis=1))
    np.testing.assert_array_equal(priors > 0, outcomes == outcomes.max(axis=1, keepdims=True))
    np.testing.assert_allclose(priors.sum(axis=1), 1, rtol=1e-6)
    assert all(len(np.unique(row[row > 0])) == 1 for row in priors)


def test_the_exact_evaluator_of_tictactoe() -> None:
    game = make("tictactoe")
    after_corner = game.step(game.reset(1), np.array([game.parse_action("a1")]))
    priors, values = exact(game, Perfect(game).action_values)(np.concatenate([game.reset(1), after_corner]))
    assert values.tolist() == [0, 0]
    assert (priors[0] == np.float32(1 / 9)).all()
    assert priors[1, game.parse_action("b2")] == 1  # only the centre holds the draw


def test_the_exact_player_plays_the_best_scores_and_all_of_them() -> None:
    states = np.repeat(random_positions(22, 10), 50)
    solver = Solver()
    chosen = ExactPlayer(solver)(states, np.random.default_rng(0))
    best = best_actions(solver.scores(states))
    assert best[np.arange(len(states)), chosen].all()
    played_ones = np.zeros_like(best[::50])
    played_ones[np.repeat(np.arange(10), 50), chosen] = True
    np.testing.assert_array_equal(played_ones, best[::50])


def test_the_exact_player_falls_back_where_its_nodes_do_not_suffice() -> None:
    """On 100 nodes nothing is solved early on; four plies see the open three, the end is exact all the same."""
    open_three = played("3344")  # the first player wins at once or next, left or right of 3 and 4
    late = random_positions(38, 20)
    play, rng = ExactPlayer(Solver(), node_limit=100, fallback_depth=4), np.random.default_rng(0)
    assert GAME.action_name(int(play(open_three, rng)[0])) in "25"
    best = best_actions(Solver().scores(late))
    assert best[np.arange(20), play(late, rng)].all()


def test_the_exact_player_stops_when_it_is_told_to_and_else_goes_on_until_it_knows() -> None:
    game, rng = make("connect_four"), np.random.default_rng(0)
    hurried = ExactPlayer(Solver())
    start = game.reset(1)
    assert game.legal(start)[0, hurried.move(start[0], rng, lambda: True)]
    assert hurried.solver.nodes <= 1.1 * FIRST_NODES
    state = game.reset(1)
    for action in (3, 3, 3, 3, 3, 2, 4, 4, 2, 2, 1, 5):
        state = game.step(state, np.array([action]))
    patient = ExactPlayer(Solver(), fallback_depth=1)
    best = patient.solver.scores(state)[0]
    assert best[patient.move(state[0], rng, lambda: False)] == best.max()
