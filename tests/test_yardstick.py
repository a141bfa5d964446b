"""The shipped positions are what the yardstick says of them, and it measures what it says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.classic import AlphaBeta, random_player
from agents.solver import ILLEGAL, Solver
from arena import yardstick
from envs import States, make

GAME = make("connect_four")


def test_the_positions_are_what_they_should_be() -> None:
    states, values = yardstick.load()
    assert yardstick.FILE.stat().st_size < 200_000
    assert len(states) == len(values) == len(yardstick.PHASES) * yardstick.PER_PHASE
    for phase, plies in yardstick.PHASES.items():
        counts = [int((states["ply"] == ply).sum()) for ply in plies]
        assert counts == [yardstick.PER_PHASE // len(plies)] * len(plies), phase
    assert not GAME.terminal(states).any()
    np.testing.assert_array_equal(values != ILLEGAL, GAME.legal(states))
    assert set(np.unique(values)) == {ILLEGAL, -1, 0, 1}
    worst = np.where(values == ILLEGAL, 1, values).min(axis=1)
    assert (worst < values.max(axis=1)).all()


def test_no_position_is_there_twice_nor_its_mirror_image() -> None:
    boards = GAME.board(yardstick.load().states)
    assert len({min(face.tobytes(), face[:, ::-1].tobytes()) for face in boards}) == len(boards)


def test_the_values_are_exact() -> None:
    states, values = yardstick.load()
    late = states["ply"] >= 14
    np.testing.assert_array_equal(Solver().action_values(states[late]), values[late])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_values_of_the_opening_are_exact() -> None:
    """10 minutes."""
    states, values = yardstick.load()
    np.testing.assert_array_equal(Solver(log2_entries=24).action_values(states), values)


@pytest.mark.parametrize("ply", [20, 35])
def test_the_positions_are_made_again_the_same(ply: int) -> None:
    states, values = yardstick.load()
    rows = states["ply"] == ply
    moves, again = yardstick.generate(ply, int(rows.sum()), Solver())
    np.testing.assert_array_equal(again, values[rows])
    np.testing.assert_array_equal(GAME.board(yardstick.replay(moves)), GAME.board(states[rows]))


def test_what_players_keep() -> None:
    states, values = yardstick.load()
    rows = {(int(own), int(mask)): row for own, mask, row in zip(states["own"], states["mask"], values, strict=True)}

    def known(states: States) -> NDArray[np.int8]:
        return np.array([rows[int(state["own"]), int(state["mask"])] for state in states])

    def best(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return known(states).argmax(axis=1)

    def worst(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.where(known(states) == ILLEGAL, 2, known(states)).argmin(axis=1)

    rng = np.random.default_rng(0)
    assert yardstick.keep_rate(best, rng) == (
        1.0,
        {"opening": 1.0, "middle": 1.0, "end": 1.0},
        {"opening": 360, "middle": 360, "end": 360},
    )
    assert yardstick.keep_rate(worst, rng).overall == 0
    random = [yardstick.keep_rate(random_player(GAME), rng).overall for _ in range(30)]
    assert np.mean(random) == pytest.approx(0.35, abs=0.01)
    assert yardstick.keep_rate(AlphaBeta(GAME, 5), rng).overall == pytest.approx(0.92, abs=0.01)


def test_an_illegal_move_is_an_error_that_names_the_position() -> None:
    full = np.flatnonzero(~GAME.legal(yardstick.load().states)[:, 0])[0]
    with pytest.raises(ValueError, match=f"illegal move in position {full} "):
        yardstick.keep_rate(lambda states, rng: np.zeros(len(states), np.int64), np.random.default_rng(0))
