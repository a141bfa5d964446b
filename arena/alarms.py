"""What in a run's figures somebody should be told of: numbers that are none, and a rating that fell for certain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Alarm(NamedTuple):
    title: str
    text: str
    fatal: bool  # the run cannot recover by itself


class RatedPoint(NamedTuple):
    """The newest agent's rating after an iteration, with its 95% interval in Elo."""

    iteration: int
    seconds: float  # of working time
    elo: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> RatedPoint | None:
        """That of a row of metrics; None where nothing was rated."""
        if "rating/elo_high" not in row:
            return None
        names = ("iteration", "seconds", "rating/elo", "rating/elo_low", "rating/elo_high")
        return cls(*(row.get(name, 0) for name in names))


def alarms(row: Mapping[str, Any], earlier: Sequence[RatedPoint]) -> list[Alarm]:
    """What is wrong with a row of metrics, given the ratings before it.

    A rating has fallen for certain when its whole interval lies below that of the best one so far.
    """
    broken = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    found = [Alarm(f"{name} is {row[name]}", f"after iteration {row['iteration']}", True) for name in broken]
    point = RatedPoint.of(row)
    best = max(earlier, key=lambda p: p.low, default=None)
    if point and best and point.high < best.low:
        text = (
            f"{point.elo:.0f} ({point.low:.0f} to {point.high:.0f}) after iteration {point.iteration}, "
            f"{best.elo:.0f} ({best.low:.0f} to {best.high:.0f}) after iteration {best.iteration}"
        )
        found.append(Alarm("Elo fell", text, False))
    return found
