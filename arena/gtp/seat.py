"""A player at a board, with a clock for each side: who chooses the moves."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np

from agents.alphago.search import APVPlayer
from agents.insight import Insight, insight
from agents.players import Forfeit, Player, SearchPlayer, looker, make_player, move_in_time, resigning
from agents.search import Search
from arena.clock import Clock, Deadline, TimeControl
from arena.gtp.board import Board
from arena.gtp.protocol import GTPError
from envs import States
from envs.go import Go

WARM = 3  # steps of a search after which all is compiled and loaded: the root, a first batch of leaves, another


class Seat:
    """`now` is the time in seconds."""

    def __init__(
        self,
        game: Go,
        player: str,
        seed: int,
        now: Callable[[], float] = time.monotonic,
        *,
        resign: float | None = None,
    ) -> None:
        """ValueError where `player` is none, or does not play on this board. `resign`: see `agents.players.resigning`."""
        self.spec, self.seed, self.now, self.resign = player, seed, now, resign
        self.board = Board(game)
        self.rng = np.random.default_rng(seed)
        self._player = (self.game, self._made(self.game))
        self._insight: tuple[Go, Insight | None] | None = None
        self.set_clocks(TimeControl())

    @property
    def game(self) -> Go:
        return self.board.game

    @property
    def player(self) -> Player:
        """The player, made anew where size, komi or rules have changed."""
        if self._player[0] != self.game:
            self.forget()
        return self._player[1]

    @property
    def insight(self) -> Insight | None:
        """The player's network, if it plays by one."""
        if self._insight is None or self._insight[0] != self.game:
            self._insight = (self.game, insight(self.game, self.spec))
        return self._insight[1]

    @property
    def searcher(self) -> SearchPlayer:
        """The search that can say what the player thinks. GTPError where there is none."""
        player = looker(self.player)
        if player is None:
            raise GTPError(f"{self.spec} does not search")
        return player

    def forget(self) -> None:
        """Make the player anew, without what it remembers."""
        self._player = (self.game, self._made(self.game))

    def _made(self, game: Go) -> Player:
        player = make_player(game, self.spec, seed=self.seed)
        return player if self.resign is None else resigning(player, self.resign)

    def sit_at(self, board: Board) -> None:
        """Go on with `board`. GTPError where the player does not play there: a network knows one size."""
        if board.game.size != self.game.size:
            try:
                self._player = (board.game, self._made(board.game))
            except ValueError:
                raise GTPError("unacceptable size") from None
        self.board = board
        self.set_clocks(self.control)

    def set_clocks(self, control: TimeControl) -> None:
        """Full clocks. What the first search would compile or load is done now, when no clock runs."""
        self.control = control
        self.clocks = [Clock(control, self.now) for _ in range(2)]
        state = self.board.ready(self.board.to_play)
        if control.limited and isinstance(self.player, APVPlayer):
            with suppress(Forfeit):  # what it would do now is not asked
                self.player.move(state[0], self.rng, lambda: True)
        if control.limited and isinstance(self.player, SearchPlayer):
            for search in itertools.islice(self.player.steps(state[0], self.rng), WARM):
                choice(self.player, search)

    def choose(self, colour: int) -> int | None:
        """The player's move, by its clock; None where it resigns. GTPError where it has none."""
        state, player, clock = self.board.ready(colour), self.player, self.clocks[colour]
        if isinstance(player, SearchPlayer):
            *_, search = self.searching(player, state, colour)
            return choice(player, search)
        clock.start()
        try:
            budget = clock.budget()
            late = (lambda: False) if budget is None else Deadline(budget, self.now)
            return move_in_time(player, state[0], self.rng, late)
        except Forfeit as forfeit:
            if forfeit.resigned:
                return None
            raise GTPError(str(forfeit)) from None
        finally:
            clock.stop()

    def searching(self, player: SearchPlayer, state: States, colour: int) -> Iterator[Search]:
        """The search of `state` [1] by the clock of `colour`, as it is after every step; at least once."""
        clock = self.clocks[colour]
        clock.start()
        budget = clock.budget()
        end = math.inf if budget is None else self.now() + budget
        for search in player.steps(state[0], self.rng):
            last = self.now() >= end
            yield search
            if last:
                break
        clock.stop()


def choice(player: SearchPlayer, search: Search) -> int | None:
    """The move that `player` makes after its search of one position; None where it resigns."""
    try:
        return int(player.decide(search, np.array([0]))[0])
    except Forfeit:
        return None
