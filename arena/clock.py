"""Clocks: what a side has left of its time, and how much of that to think about a move.

A control gives main time, and after that overtime: `periods` periods, each for `stones` moves. A period that lasted for its
moves is given anew; one that did not is gone, and with the last of them the game. So the usual controls are

    absolute     TimeControl(main=600)                                     ten minutes for the game
    Fischer      TimeControl(main=180, increment=2)                        two seconds more after every move
    byo-yomi     TimeControl(main=600, period=30, stones=1, periods=5)     five times thirty seconds, each kept by moving in time
    Canadian     TimeControl(main=600, period=300, stones=25, periods=1)   five minutes for every 25 moves
    none         TimeControl()                                             as long as one likes

>>> control = TimeControl(main=10, period=5, stones=1, periods=2)
>>> left = control.start()
>>> control.moved(control.used(left, 12.0))  # into the first period, which is whole again after the move
Left(main=0.0, period=5.0, stones=1, periods=2)
>>> control.used(left, 16.0)  # through the first and into the second
Left(main=0.0, period=4.0, stones=1, periods=1)
>>> control.used(left, 20.0).out
True
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

MOVES_TO_COME = 25  # a main time is spent as if so many moves were still to be made
MARGIN = 1.5  # times the slowest step so far, another step of a search has to fit in
SPENT = 0.9  # of a move's share
LAG = 0.2  # seconds of a move that go by outside the player: the controller, the pipes, the step of a search under way
LEAST = 0.01  # seconds for a move when there is hardly any time, but no more than half its share


class Left(NamedTuple):
    """The time a side has left. A value: keep it to take a move back."""

    main: float  # seconds
    period: float  # seconds of the overtime period that is under way, or would begin next
    stones: int  # moves still to be made in it
    periods: int  # it and those after it

    @property
    def out(self) -> bool:
        """Whether the time is up."""
        return self.main <= 0 and self.periods == 0


@dataclass(frozen=True)
class TimeControl:
    """What each side is given, in seconds. ValueError where overtime is half described, or meets an increment."""

    main: float = 0.0
    period: float = 0.0  # 0: no overtime
    stones: int = 0  # moves a period has to last for
    periods: int = 0  # that may be used up
    increment: float = 0.0  # after every move

    def __post_init__(self) -> None:
        if min(self.main, self.period, self.stones, self.periods, self.increment) < 0:
            raise ValueError("a clock knows no negative times")
        if len({self.period > 0, self.stones > 0, self.periods > 0}) > 1:
            raise ValueError("overtime needs all of period, stones and periods")
        if self.period > 0 and self.increment > 0:
            raise ValueError("a clock has overtime or an increment, not both")

    @property
    def limited(self) -> bool:
        return self.main > 0 or self.period > 0 or self.increment > 0

    def start(self) -> Left:
        """What a side has before its first move; of an increment alone it has one."""
        return Left(float(self.main or self.increment), float(self.period), self.stones, self.periods)

    def used(self, left: Left, seconds: float) -> Left:
        """`left` after `seconds` of thinking, without a move."""
        if not self.limited:
            return left
        if seconds < left.main or (seconds == left.main and left.periods):
            return left._replace(main=left.main - seconds)
        period, stones, periods = left.period + left.main - seconds, left.stones, left.periods
        while period <= 0 and periods > 0:
            period, stones, periods = period + self.period, self.stones, periods - 1
        return Left(0.0, period, stones, periods) if periods else Left(0.0, 0.0, 0, 0)

    def moved(self, left: Left) -> Left:
        """`left` once a move is made in time."""
        if left.out or not self.limited:
            return left
        if left.main > 0:
            return left._replace(main=left.main + self.increment)
        if left.stones > 1:
            return left._replace(stones=left.stones - 1)
        return left._replace(period=float(self.period), stones=self.stones)

    def budget(self, left: Left, lag: float = LAG) -> float | None:
        """Seconds to think about the next move, so that the time lasts for the game; None where there is no limit.

        `lag` seconds of the move go by elsewhere. Whoever thinks no longer, and finds the lag no longer, lasts for a game of any
        length in overtime or on an increment, and on a main time alone for as many moves as that has lags.
        """
        if not self.limited:
            return None
        overtime = left.period / left.stones if left.periods else 0.0  # a move's share
        share = min(left.main / MOVES_TO_COME + self.increment, left.main) + overtime
        return max(SPENT * share - lag, min(LEAST, share / 2))


class Clock:
    """The clock of one side. `now` is the time in seconds, whatever it counts from."""

    def __init__(self, control: TimeControl, now: Callable[[], float] = time.monotonic) -> None:
        self.control, self.now = control, now
        self._left, self._since = control.start(), math.nan  # since when it runs; NaN while it stands

    @property
    def running(self) -> bool:
        return not math.isnan(self._since)

    @property
    def left(self) -> Left:
        """What is left at this moment."""
        return self.control.used(self._left, self.now() - self._since) if self.running else self._left

    @left.setter
    def left(self, left: Left) -> None:
        """Set the clock: a move was taken back, or another clock knows better. It stands or runs on as before."""
        self._left = left
        if self.running:
            self._since = self.now()

    def start(self) -> None:
        """Let it run: its side is to move."""
        if not self.running:
            self._since = self.now()

    def stop(self) -> None:
        """Its side has moved."""
        self._left = self.control.moved(self.left)
        self._since = math.nan

    def pause(self) -> None:
        """Stand without a move."""
        self._left = self.left
        self._since = math.nan

    def budget(self, lag: float = LAG) -> float | None:
        """Seconds to think about this move (`TimeControl.budget`)."""
        return self.control.budget(self.left, lag)


class Deadline:
    """The end of a move's time, as a search asks for it after every step: True once another step might not end in time."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last = now()
        self._end = self._last + seconds
        self._slowest = 0.0

    def __call__(self) -> bool:
        now = self._now()
        self._slowest = max(self._slowest, now - self._last)
        self._last = now
        return now + MARGIN * self._slowest >= self._end


class Clocks:
    """The clocks of both sides of a game, of which one runs at most, and how long each side has thought."""

    def __init__(self, control: TimeControl | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.control, self.now = control or TimeControl(), now
        self.sides = (Clock(self.control, self._time), Clock(self.control, self._time))
        self.used = [0.0, 0.0]  # seconds
        self.running: int | None = None
        self._since = 0.0

    def run(self, side: int | None) -> None:
        """From now on the time of `side` runs, or nobody's."""
        self.charge()
        for clock in self.sides:
            clock.pause()
        if side is not None:
            self.sides[side].start()
        self.running = side

    def charge(self) -> None:
        """Put the time since the last look down to the side whose clock runs."""
        now = self.now()
        if self.running is not None:
            self.used[self.running] += now - self._since
        self._since = now

    def moved(self, side: int) -> None:
        """`side` has made its move; nobody's time runs."""
        self.charge()
        self.sides[side].stop()
        self.running = None

    def out(self, side: int) -> bool:
        """Whether the time of `side` is up."""
        return self.control.limited and self.sides[side].left.out

    def deadline(self, side: int) -> Callable[[], bool]:
        """When a search for the move of `side`, which begins now, has to stop."""
        budget = self.sides[side].budget()
        return (lambda: False) if budget is None else Deadline(budget, self.now)

    def face(self, side: int) -> str:
        """What the clock shows: time used, or under a control the time left and how many periods or moves there are."""
        if not self.control.limited:
            return clock_text(self.used[side], tenths=False)
        left = self.sides[side].left
        if left.main > 0 or left.periods == 0:
            return clock_text(left.main)
        if self.control.stones > 1:
            return f"{clock_text(left.period)}/{left.stones}"
        return clock_text(left.period) + (f" x{left.periods}" if self.control.periods > 1 else "")

    def keep(self) -> tuple[list[float], list[Left]]:
        """What `restore` takes back."""
        return list(self.used), [clock.left for clock in self.sides]

    def restore(self, kept: tuple[list[float], list[Left]]) -> None:
        """The clocks as they stood, and stand still."""
        self.run(None)
        self.used = list(kept[0])
        for clock, left in zip(self.sides, kept[1], strict=True):
            clock.left = left

    def _time(self) -> float:
        return self.now()


_UNITS = {"h": 3600, "m": 60, "s": 1}  # seconds
_DURATION = "".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in _UNITS)  # 90m, 1h30m, 1.5h


def parse(text: str) -> TimeControl:
    """The control that people write: 1h30m, 10m+3x30s (byo-yomi), 10m+10m/25 (Canadian), 5m+3s (Fischer), 20s/move.

    ValueError says how to write one.

    >>> parse("10m+3x30s")
    TimeControl(main=600.0, period=30.0, stones=1, periods=3, increment=0.0)
    """
    control = TimeControl()
    for i, word in enumerate(text.lower().replace(" ", "").split("+")):
        found = re.fullmatch(rf"(?:(?P<times>\d+)x)?{_DURATION}(?:/(?P<moves>move|\d+))?", word)
        seconds = sum(float(found[unit] or 0) * length for unit, length in _UNITS.items()) if found else 0.0
        if found is None or seconds <= 0 or i > 1 or control.period or "0" in (found["times"], found["moves"]):
            raise ValueError(f"'{text}' is no time control: write 1h30m, 10m+3x30s, 10m+10m/25, 5m+3s or 20s/move")
        times, moves = found["times"], found["moves"]
        if times or moves:
            stones = int(moves) if moves and moves != "move" else 1
            control = replace(control, period=seconds, stones=stones, periods=int(times or 1))
        elif i == 0:
            control = replace(control, main=seconds)
        else:
            control = replace(control, increment=seconds)
    return control


def clock_text(seconds: float, *, tenths: bool = True) -> str:
    """Minutes and seconds; of less than ten seconds `tenths` too.

    >>> clock_text(75.9), clock_text(3700), clock_text(9.87), clock_text(0), clock_text(9.87, tenths=False)
    ('1:15', '61:40', '9.8', '0:00', '0:09')
    """
    if tenths and 0 < seconds < 10:
        return f"{int(10 * seconds) / 10:.1f}"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
