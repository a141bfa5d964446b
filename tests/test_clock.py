"""Clocks: each kind of control by hand, and that a player who keeps to the budget never runs out of time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from agents.classic import AlphaBeta
from agents.players import make_player, move_in_time
from arena.clock import Clock, Clocks, Deadline, Left, TimeControl, parse

SECONDS = st.floats(0.5, 3600)
CONTROLS = st.one_of(
    st.builds(TimeControl, main=st.floats(10, 3600)),  # no clock lasts for ever under a lag
    st.builds(TimeControl, main=SECONDS, increment=SECONDS),
    st.builds(TimeControl, increment=SECONDS),
    st.builds(TimeControl, main=st.just(0.0) | SECONDS, period=SECONDS, stones=st.integers(1, 30), periods=st.just(1)),
    st.builds(TimeControl, main=st.just(0.0) | SECONDS, period=SECONDS, stones=st.just(1), periods=st.integers(1, 5)),
)


class Time:
    """A time source that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def clock(control: TimeControl) -> tuple[Clock, Time]:
    time = Time()
    return Clock(control, time), time


def move(side: Clock, time: Time, seconds: float) -> Left:
    side.start()
    time.seconds += seconds
    side.stop()
    return side.left


def test_main_time_alone_runs_down_and_out() -> None:
    side, time = clock(TimeControl(main=10))
    assert move(side, time, 9.5) == Left(0.5, 0, 0, 0)
    time.seconds += 100  # it stands while the other side thinks
    assert not side.left.out
    side.start()
    time.seconds += 0.5
    assert side.left.out
    side.stop()
    assert side.left.out


def test_an_increment_comes_after_the_move() -> None:
    side, time = clock(TimeControl(main=10, increment=2))
    assert move(side, time, 3).main == 9
    assert move(side, time, 9).out


def test_a_byo_yomi_period_is_kept_by_moving_in_time() -> None:
    side, time = clock(TimeControl(main=1, period=10, stones=1, periods=3))
    assert move(side, time, 10) == Left(0, 10, 1, 3)
    assert move(side, time, 9.5) == Left(0, 10, 1, 3)
    assert move(side, time, 25) == Left(0, 10, 1, 1)
    assert move(side, time, 10).out


def test_canadian_overtime_is_given_anew_after_its_stones() -> None:
    side, time = clock(TimeControl(period=30, stones=3, periods=1))
    assert move(side, time, 20) == Left(0, 10, 2, 1)
    assert move(side, time, 5) == Left(0, 5, 1, 1)
    assert move(side, time, 4) == Left(0, 30, 3, 1)
    assert move(side, time, 31).out


def test_a_clock_can_be_paused_and_set_back() -> None:
    side, time = clock(TimeControl(main=60))
    before = side.left
    side.start()
    time.seconds += 7
    side.pause()
    time.seconds += 100
    assert side.left.main == 53
    side.start()
    side.left = before
    time.seconds += 1
    assert side.left.main == 59


def test_without_a_limit_nothing_is_counted() -> None:
    side, time = clock(TimeControl())
    move(side, time, 1e6)
    assert not TimeControl().limited
    assert side.budget() is None


@pytest.mark.parametrize(
    "wrong",
    [{"main": -1}, {"period": 5}, {"stones": 5, "period": 5}, {"period": 5, "stones": 1, "periods": 1, "increment": 1}],
)
def test_a_control_is_whole(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"clock|overtime"):
        TimeControl(**wrong)


@settings(max_examples=50)
@given(CONTROLS, st.floats(0, 1))
def test_whoever_keeps_to_the_budget_never_runs_out(control: TimeControl, late: float) -> None:
    """Every move takes all of its budget and a part of the lag."""
    side, time = clock(control)
    lag = 0.001
    for _ in range(150):
        budget = side.budget(lag)
        assert budget is not None
        move(side, time, budget + late * lag)
        assert not side.left.out


@pytest.mark.parametrize(
    "text",
    ["10", "", "x", "0s", "5m+", "5m+3s+2s", "0x30s", "-5m", "5m/0", "5m+3x", "10s/move+3x5s", "30m1h", "1h30", "1m2m"],
)
def test_what_is_no_time_control_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 1h30m, 10m\+3x30s"):
        parse(text)


def test_controls_as_people_write_them() -> None:
    assert parse("1.5h") == parse("1h30m") == parse("90m") == parse("1H 29m 60s") == TimeControl(main=5400)
    assert parse("1h+2x1m30s") == TimeControl(main=3600, period=90, stones=1, periods=2)
    assert parse("5m + 3s") == TimeControl(main=300, increment=3)
    assert parse("10m+10m/25") == TimeControl(main=600, period=600, stones=25, periods=1)
    assert parse("20s/move") == TimeControl(period=20, stones=1, periods=1)


def test_both_clocks_of_a_game_and_back_to_what_was_kept() -> None:
    time = Time()
    both = Clocks(parse("1m+2x10s"), time)
    kept = both.keep()
    both.run(0)
    time.seconds += 12.5
    both.moved(0)
    time.seconds += 7.5  # nobody's
    both.run(1)
    time.seconds += 61.0
    both.charge()
    assert (both.face(0), both.face(1)) == ("0:47", "9.0 x2")
    assert both.used == [12.5, 61.0]
    time.seconds += 19.0
    assert both.out(1)
    assert not both.out(0)
    both.restore(kept)
    assert both.face(1) == "1:00"
    assert both.used == [0.0, 0.0]


def test_without_a_control_clocks_count_and_never_press() -> None:
    time = Time()
    counting = Clocks(None, time)
    counting.run(0)
    time.seconds += 61.0
    counting.charge()
    assert counting.face(0) == "1:01"
    assert not counting.out(0)
    assert not counting.deadline(0)()


def test_a_deadline_leaves_room_for_another_step_as_slow_as_the_slowest() -> None:
    time = Time()
    late = Deadline(10.0, time)
    for step, over in (
        (1.0, False),
        (3.0, False),
        (1.0, False),
        (0.6, True),
    ):  # the slowest step took 3: 5.6 + 4.5 > 10
        time.seconds += step
        assert late() is over


class Ticking:
    """Time that goes on by a hundredth of a second with every look at it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.01
        return self.seconds


@pytest.mark.parametrize("spec", ["mcts:100000", "minimax:9", "clumsy:0:mcts:100000", "champion:100000"])
def test_players_end_their_move_in_time(spec: str) -> None:
    """Time goes on by a hundredth of a second with every look; none is left to look at after the end."""
    game, now = envs.make("connect_four"), Ticking()
    player, state = make_player(game, spec, seed=1), game.reset(1)
    late = Deadline(0.5, now)
    action = move_in_time(player, state[0], np.random.default_rng(1), late)
    assert game.legal(state)[0, action]
    assert now.seconds < 0.52


def test_alpha_beta_without_hurry_is_the_search_at_full_depth() -> None:
    game, rng = envs.make("connect_four"), np.random.default_rng(1)
    states = game.step(game.reset(3), np.array([3, 2, 0]))
    for state in states:
        player = AlphaBeta(game, 4)
        best = player.best(np.array([state]))[0]
        assert best[player.move(state, rng, lambda: False)]


def test_alpha_beta_that_is_stopped_keeps_what_it_has_found() -> None:
    """X has three in column 4: one ply is enough to win."""
    game = envs.make("connect_four")
    state = game.reset(1)
    for action in (3, 0, 3, 0, 3, 1):
        state = game.step(state, np.array([action]))
    assert AlphaBeta(game, 8).move(state[0], np.random.default_rng(1), lambda: True) == 3
