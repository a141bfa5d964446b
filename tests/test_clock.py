"""Clocks: each kind of control by hand, and that a player who keeps to the budget never runs out of time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arena.clock import Clock, Left, TimeControl

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
