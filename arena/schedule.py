"""Who meets whom: the formats of a tournament, as pure functions of the results so far.

A meeting is a set of paired games between two players. A schedule gives the meetings of the next round; what it gives
follows from the results alone, so a tournament taken up again goes on as it would have gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

Format = Literal["match", "round-robin", "gauntlet", "ladder", "swiss"]


class Meeting(NamedTuple):
    """Two players' games of one round; a bye where nobody is left to meet."""

    a: str
    b: str | None
    score: float = math.nan  # mean of a's games, in [0, 1]; NaN before they are played


def default_rounds(form: Format, players: int) -> int:
    """Rounds where nobody says how many: all pairs once; as many as the ladder needs to be in order; enough for one winner.

    >>> [default_rounds(form, 8) for form in ("round-robin", "gauntlet", "ladder", "swiss")]
    [1, 1, 8, 4]
    """
    if form == "ladder":
        return players
    return math.ceil(math.log2(players)) + 1 if form == "swiss" else 1


def next_round(form: Format, players: Sequence[str], rounds: Sequence[Sequence[Meeting]]) -> list[Meeting]:
    """The meetings that follow `rounds`, the played ones. ValueError where the players make no such tournament."""
    if form == "match":
        a, b = players
        return [Meeting(a, b)]
    if len(players) < 2 or len(set(players)) < len(players):
        raise ValueError(f"a tournament needs two different players or more, each once, not {', '.join(players)}")
    if form == "round-robin":
        return [Meeting(a, b) for a, b in combinations(players, 2)]
    if form == "gauntlet":
        return [Meeting(players[0], b) for b in players[1:]]
    if form == "ladder":
        return _ladder(ladder_order(players, rounds), len(rounds))
    return _swiss(players, rounds)


def ladder_order(players: Sequence[str], rounds: Sequence[Sequence[Meeting]]) -> list[str]:
    """The rungs from the top: each challenger that beat its upper neighbour has taken its place."""
    order = list(players)
    for meetings in rounds:
        for meeting in meetings:
            if meeting.b is not None and meeting.score < 0.5:
                i = order.index(meeting.a)
                order[i : i + 2] = [meeting.b, meeting.a]
    return order


def _ladder(order: list[str], done: int) -> list[Meeting]:
    """Neighbours meet, the pairs shifted by one every round (odd-even transposition sort)."""
    return [Meeting(order[i], order[i + 1]) for i in range(done % 2, len(order) - 1, 2)]


def swiss_points(players: Sequence[str], rounds: Sequence[Sequence[Meeting]]) -> dict[str, float]:
    """Points: 1 for a meeting won or a bye, a half for one drawn."""
    points = dict.fromkeys(players, 0.0)
    for meeting in (meeting for meetings in rounds for meeting in meetings):
        if meeting.b is None:
            points[meeting.a] += 1
        else:
            won = 0.5 * (1 + (meeting.score > 0.5) - (meeting.score < 0.5))
            points[meeting.a] += won
            points[meeting.b] += 1 - won
    return points


def _swiss(players: Sequence[str], rounds: Sequence[Sequence[Meeting]]) -> list[Meeting]:
    """Players of like points meet, nobody the same opponent twice while that is possible.

    Within equal points the list's order counts as seeding: the first half meets the second (the Dutch way). The bye of an
    odd field goes to the last who has had none.
    """
    points = swiss_points(players, rounds)
    met = {frozenset((m.a, m.b)) for meetings in rounds for m in meetings}
    order = sorted(players, key=lambda name: (-points[name], players.index(name)))
    byes = []
    if len(order) % 2:
        rested = {m.a for meetings in rounds for m in meetings if m.b is None}
        idle = next((name for name in reversed(order) if name not in rested), order[-1])
        order.remove(idle)
        byes = [Meeting(idle, None)]
    pairs = _pair(order, points, met)
    if pairs is None:  # everybody has met everybody left: again, then
        pairs = _pair(order, points, set())
    return [Meeting(a, b) for a, b in pairs or []] + byes


def _pair(order: list[str], points: dict[str, float], met: set[frozenset[str | None]]) -> list[tuple[str, str]] | None:
    """Pairs of `order`, the strongest first, each with the best opponent that leaves the others pairs; None if none does."""
    if not order:
        return []
    first, rest = order[0], order[1:]
    equals = [name for name in rest if points[name] == points[first]]
    half = len(equals) // 2
    for opponent in equals[half:] + equals[:half][::-1] + rest[len(equals) :]:
        if frozenset((first, opponent)) in met:
            continue
        others = _pair([name for name in rest if name != opponent], points, met)
        if others is not None:
            return [(first, opponent), *others]
    return None
