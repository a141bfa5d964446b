"""The game under way: whose turn it is, what the thinking thread is asked, what comes of its answers.

What is asked follows from the position alone (`Turns.go_on`): an agent's move, else the analysis if it is switched on, else that
the waiting agent thinks ahead. The table is touched here only, in the application's own thread; how it looks is `page`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.players import Forfeit, SearchPlayer
from arena.look import View, line_text, percent
from arena.review import Review
from arena.table import Options, Seat, Table, Thought, played_otherwise
from arena.terminal import jobs
from arena.terminal.territory import territory
from arena.terminal.thinker import Thinker
from envs.game import move_name
from envs.words import number_of


class Message(NamedTuple):
    """A line for the person, in place of what the game waits for."""

    text: str
    warning: bool = False


class Opinion(NamedTuple):
    """What a search thought of a position."""

    view: View
    side: int  # whose turn it was
    source: str  # who searched


class Turns:
    """Keeps a game going. `show` is called after every change."""

    def __init__(
        self,
        prepared: jobs.Prepared,
        thinker: Thinker,
        rng: np.random.Generator,
        options: Options,
        show: Callable[[], None],
    ) -> None:
        self.table, self.looker, self.outlook = prepared
        self.game = self.table.game
        self.paused = self.analysing = False
        self.opinion: Opinion | None = None  # the newest
        self.review: Review | None = None  # of the game as it was last reviewed
        self.message: Message | None = None
        self._thinker, self._rng, self.options, self._show = thinker, rng, options, show

    @property
    def current(self) -> Opinion | None:
        """The opinion, if it is of the position now."""
        opinion = self.opinion
        return opinion if opinion and opinion.view.state.tobytes() == self.table.state.tobytes() else None

    def say(self, text: str, *, warning: bool = False) -> None:
        self.message = Message(text, warning)
        self._show()

    # What happens next

    def go_on(self) -> None:
        """Ask for what the position needs, and show it."""
        table = self.table
        agent = not table.over and table.seat.player is not None
        table.clock.run(None if table.over or (agent and self.paused) else table.to_play)
        if agent and not self.paused:
            pause = 0.0 if table.persons else self.options.pause
            self._thinker.submit(jobs.think(table, self._rng, pause=pause))
        elif self.analysing and not table.over:
            self._thinker.submit(jobs.analyse(table, self.looker, self._rng))
        elif self.options.ponder and not table.over and (player := self._waiting()) is not None:
            self._thinker.submit(jobs.think_ahead(table, player, self._rng))
        else:
            self._thinker.cancel()
        self._show()

    def _waiting(self) -> SearchPlayer | None:
        """The searching agent that waits for the person to move."""
        player = self.table.seats[1 - self.table.to_play].player
        return player if self.table.seat.player is None and isinstance(player, SearchPlayer) else None

    def take(self, found: object) -> None:
        """Go on with an answer of the thinking thread's."""
        table = self.table
        match found:
            case Thought(action, view):
                self._moved(action, view)
            case jobs.Seen(view):
                self._keep(view, "analysis")
                self._show()
            case jobs.Hint(view):
                self._hinted(view)
            case jobs.Reviewed(ply, view, score) if self.review is not None:
                self.review.see(ply, view)
                if score is not None:
                    self.review.scores[ply] = score
                self._show()
            case Forfeit(losses=losses):
                table.forfeit(losses[0])
                self._changed()
            case Exception() as error:
                self._failed(error)

    def _moved(self, action: int, view: View | None) -> None:
        if view is not None:
            self._keep(view, self.table.seat.name)
        try:
            self.play(action)
        except ValueError as error:
            self._failed(error)

    def _hinted(self, view: View) -> None:
        best = view.candidates[0]
        self._keep(view, "hint")
        self.go_on()
        name = move_name(self.game, self.table.state[0], best.action)
        self.say(f"Hint: {name}, {percent(best.value)} to win; line {line_text(self.game, view)}")

    def _keep(self, view: View, source: str) -> None:
        self.table.judge(view)
        self.opinion = Opinion(view, self.table.to_play, source)

    def _failed(self, error: Exception) -> None:
        """Tell that the player to move, or the analysis, has failed; the person decides how to go on."""
        table = self.table
        table.clock.run(None)
        self.paused = not table.persons
        who = table.seat.name if table.seat.player is not None else "the analysis"
        self.say(f"{who} has failed: {one_line(error)}. Take back, begin anew or quit.", warning=True)

    def _changed(self) -> None:
        self.message = None
        self.go_on()

    # What the person wants

    def play(self, action: int) -> None:
        """Make a move. ValueError where it is not possible."""
        self.table.play(action)
        self._changed()

    def change(self, how: Callable[[Table], None]) -> None:
        """Change the table, or say why not; watching stops, so that the change can be looked at."""
        try:
            how(self.table)
        except ValueError as error:
            self.say(sentence(error), warning=True)
            return
        self.paused = not self.table.persons
        self._changed()

    def begin(self) -> None:
        """A new game."""
        self.opinion = None
        self.table.new()
        self._changed()

    def invite(self, seat: Seat, *, resigns: bool) -> None:
        """A new game against another opponent; one that was to resign and cannot is told of."""
        self.table.invite(seat)
        self.begin()
        if not resigns:
            self.say(f"{seat.name} does not search, so it never resigns.")

    def open(self, path: Path) -> None:
        """Go on with the first game in a file. ValueError where that cannot be."""
        record = self.table.open(path)
        self.opinion, self.paused = None, not self.table.persons
        self.go_on()
        who = " - ".join(filter(None, record.players))
        remark = played_otherwise(record, self.game)
        number = len(record.actions)
        whose = f" of {who}" if who else ""
        self.say(f"{number_of(number, 'move')}{whose} {'is' if number == 1 else 'are'} on the board.{remark}")

    def ask_for_a_hint(self) -> None:
        if self.table.over or self.table.seat.player is not None:
            self.say("A hint is for your own turn.", warning=True)
            return
        self.say("Looking for a hint ...")
        self._thinker.submit(jobs.hint(self.table, self.looker, self._rng))

    def analyse(self) -> None:
        """Switch the analysis on or off; an agent at move is not disturbed."""
        self.analysing = not self.analysing
        if self.table.seat.player is None or self.paused or self.table.over:
            self.go_on()
        else:
            self._show()

    def pause(self) -> None:
        """Watching: stop, or go on."""
        self.paused = not self.paused
        self._changed()

    def step(self) -> None:
        """Watching: one move, and stop."""
        if not self.table.over and self.table.seat.player is not None:
            self.paused, self.message = True, None
            self._thinker.submit(jobs.think(self.table, self._rng, pause=0.0))

    def begin_review(self) -> Review | None:
        """The game so far, its positions being searched in the background; None, and a message, where there is none to review."""
        table = self.table
        if not table.actions:
            self.say("There is no move to review yet.", warning=True)
            return None
        if table.clock.control.limited and not table.over:
            self.say("Not while the clocks run: review the game when it is over.", warning=True)
            return None
        table.clock.run(None)
        if self.review is None or self.review.actions != table.actions:
            self.review = Review(self.game, table.states, table.actions)
            counted = territory(self.game, table.state, None)
            if counted is not None and self.outlook is not None:
                self.review.scores[len(table.actions)] = counted.score
        self._thinker.submit(jobs.review(self.review, self.looker, self.outlook, self._rng))
        return self.review

    def end_review(self, ply: int | None) -> None:
        """Back to the table, or on from the position after `ply` moves."""
        if self.review is not None:
            self.table.values |= self.review.values
        if ply is not None:
            self.table.rewind(ply)
        self.paused = not self.table.persons
        self._changed()

    def look_at_the_clock(self) -> None:
        """A flag that has fallen ends the game."""
        if self.table.out_of_time():
            self._changed()


def one_line(error: Exception) -> str:
    """What went wrong, without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def sentence(error: Exception) -> str:
    """The same to be read: with a capital and a full stop."""
    text = one_line(error)
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
