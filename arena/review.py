"""A game looked at again: a search of every position, and what each move gave away against the best one.

A move's loss is the chance to win that the search sees in the best move less what it sees once the move is made, a draw counted
half. Where the same search has looked at the move made too, its own difference counts if that is less: two searches differ by
how far each has come; but what is decided once the move is made needs no other search. The marks are those of chess; from which
loss on is lichess.org's rule: 5, 10 and 15 points of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rich.table import Table as Grid

from agents.players import SearchPlayer
from arena.look import View, report
from envs import Game, States
from envs.game import move_name, move_names

MARKS = ((0.15, "??"), (0.10, "?"), (0.05, "?!"))  # chance given away from which a move is marked so
SEEN = 10  # visits from which on a search has looked at a move
LINE = 6  # moves of a better line that are told


class Judgement(NamedTuple):
    """What a move was worth."""

    best: int  # the action that the search prefers
    loss: float  # chance to win given away, 0 to 1
    line: list[int]  # what should have come, the best move first

    @property
    def mark(self) -> str:
        """`??`, `?`, `?!`, or nothing."""
        return next((mark for least, mark in MARKS if self.loss >= least), "")


class Review:
    """The positions of a game and what has been found out about them so far."""

    def __init__(self, game: Game, states: Sequence[States], actions: Sequence[int]) -> None:
        """`states` [1] each: before every action, and the last."""
        self.game, self.states, self.actions = game, list(states), list(actions)
        self.views: dict[int, View] = {}  # by ply
        self.scores: dict[int, float] = {}  # by ply: points that the first side is ahead by, where a network knows
        self.values: dict[int, float] = {}  # by ply: for the first side, in [-1, 1]
        if game.terminal(self.states[-1])[0]:
            self._value(len(actions), float(game.returns(self.states[-1])[0]))

    @property
    def missing(self) -> list[int]:
        """Plies whose position is still to be searched."""
        return [ply for ply in range(len(self.states)) if ply not in self.values]

    def see(self, ply: int, view: View) -> None:
        """Keep what a search of the position after `ply` moves says."""
        self.views[ply] = view
        self._value(ply, view.value)

    def judge(self, ply: int) -> Judgement | None:
        """What the move after `ply` others was worth; None where that is not known yet."""
        view = self.views.get(ply)
        if view is None or ply + 1 not in self.values or ply >= len(self.actions):
            return None
        best, sign = view.candidates[0], 1 - 2 * self.side(ply)
        losses = [best.value - sign * self.values[ply + 1]]
        if not self._decided(ply + 1):
            losses += [
                best.value - c.value for c in view.candidates if c.action == self.actions[ply] and c.visits >= SEEN
            ]
        loss = 0.0 if best.action == self.actions[ply] else max(0.0, min(losses) / 2)
        return Judgement(best.action, loss, view.line)

    def marks(self) -> dict[int, str]:
        """The marked moves, by the number of moves before them."""
        found = {ply: judgement.mark for ply in range(len(self.actions)) if (judgement := self.judge(ply))}
        return {ply: mark for ply, mark in found.items() if mark}

    def side(self, ply: int) -> int:
        """Who is to move after `ply` moves."""
        return int(self.states[ply]["to_play"][0])

    def name(self, ply: int) -> str:
        """The move after `ply` others as players write it."""
        return move_name(self.game, self.states[ply][0], self.actions[ply])

    def better(self, ply: int) -> str:
        """The line that should have come after `ply` moves."""
        judgement = self.judge(ply)
        return " ".join(move_names(self.game, self.states[ply][0], judgement.line[:LINE])) if judgement else ""

    def _decided(self, ply: int) -> bool:
        """Whether the value after `ply` moves is the game's result, or proven."""
        return self.views[ply].proven != "" if ply in self.views else ply in self.values

    def _value(self, ply: int, value: float) -> None:
        self.values[ply] = value if self.side(ply) == 0 else -value


def searches(
    review: Review, player: SearchPlayer, rng: np.random.Generator, stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[int, View]]:
    """Search what is missing, in order; (ply, what is seen there)."""
    for ply in review.missing:
        found = report(player.search(review.states[ply][0], rng, stop=stop))
        if stop():
            return
        yield ply, found


def summary(review: Review, side: int) -> str:
    """A side's marks and what its moves gave away on average, in words."""
    marks = [mark for ply, mark in review.marks().items() if review.side(ply) == side]
    losses = [j.loss for ply in range(len(review.actions)) if review.side(ply) == side and (j := review.judge(ply))]
    counts = ", ".join(f"{marks.count(mark)} {mark}" for _, mark in MARKS if mark in marks) or "no mistakes"
    return f"{counts}; {np.mean(losses):.1%} a move" if losses else counts


def mistakes_table(review: Review, sides: tuple[str, str]) -> Grid:
    """The marked moves as a table."""
    grid = Grid(box=None, pad_edge=False)
    for column in ("move", "side", "played", "", "lost", "better"):
        grid.add_column(column, justify="right" if column in ("move", "lost") else "left")
    for ply, mark in review.marks().items():
        judgement = review.judge(ply)
        assert judgement is not None
        row = (
            str(ply + 1),
            sides[review.side(ply)],
            review.name(ply),
            mark,
            f"{judgement.loss:.0%}",
            review.better(ply),
        )
        grid.add_row(*row)
    return grid
