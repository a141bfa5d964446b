"""`arena play` on the full screen: whose turn it is, what the keys do, what the thinking thread is asked.

Everything that computes runs in the thinker's thread and comes back as an `Answer`; the table is touched here only. What is
asked follows from the position alone (`_go_on`): an agent's move, else the analysis if it is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer

from agents.levels import levels
from agents.players import Forfeit, SearchPlayer, has_champion
from arena.clock import Clocks
from arena.look import View, line_text, percent
from arena.review import Review
from arena.table import PERSON, Options, Seat, Table, Thought, new_file
from arena.terminal import drawing, jobs, panel
from arena.terminal.board import BoardView
from arena.terminal.dialogs import HELP, Choice, Help, Typed
from arena.terminal.pointing import names_a_place
from arena.terminal.review import ReviewScreen
from arena.terminal.side import Side
from arena.terminal.thinker import Answer, Thinker
from envs import Game, TerritoryGame
from envs.game import move_name, parse_move

PATIENCE = 2.0  # seconds that leaving waits for a player that does not stop
TICK = 0.25  # seconds between two looks at the clock


class PlayApp(App[None]):
    """A game on the screen."""

    TITLE = "arena"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-normal"), (110, "-wide")]  # noqa: RUF012  # textual declares it so
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Stop/go"),
        Binding("full_stop", "step", "Step"),
        Binding("u", "undo", "Undo"),
        Binding("h", "hint", "Hint"),
        Binding("a", "analysis", "Analysis"),
        Binding("g", "ground", "Ground"),
        Binding("p", "elsewhere", "Pass"),
        Binding("n", "new", "New"),
        Binding("v", "review", "Review"),
        Binding("l", "opponent", "Level"),
        Binding("r", "redo", "Redo", show=False),
        Binding("x", "resign", "Resign", show=False),
        Binding("s", "swap", "Sides", show=False),
        Binding("m", "type", "Move", show=False),
        Binding("w", "save", "Write", show=False),
        Binding("o", "open", "Open", show=False),
        Binding("t", "theme", "Theme", show=False),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c,ctrl+d", "quit", "Quit", show=False),
    ]

    def __init__(
        self, game: Game, names: tuple[str, str], rng: np.random.Generator, options: Options | None = None
    ) -> None:
        """`names` of the players as `sit` takes them."""
        super().__init__()
        self.game, self.names, self.rng, self.options = game, names, rng, options or Options()
        self.table: Table | None = None
        self.failure: Exception | None = None  # why there is no table
        self.theme = "textual-dark" if self.options.dark else "textual-light"
        self._looker: SearchPlayer | None = None
        self._outlook: jobs.Outlook | None = None
        self._review: Review | None = None  # of the game as it was last reviewed
        self._analysing = self._paused = self._passes = self._grounds = False
        self._view: View | None = None  # the newest look at a position ...
        self._view_ply = 0  # ... after so many moves
        self._view_by = ""
        self._message, self._warning = "", False
        self._note = ""  # beneath the players

    def compose(self) -> ComposeResult:
        with Horizontal(classes="page"):
            yield BoardView(self.game)
            yield Side()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.thinker = Thinker(self.post_message)
        self.board.focus()
        self._say("Preparing: compiling the rules, loading the players. The first time takes a while.")
        self.thinker.submit(jobs.prepare(self.game, self.names, self.rng, Clocks(self.options.control)))
        self.set_interval(TICK, self._tick)

    def on_unmount(self) -> None:
        self.thinker.close(PATIENCE)

    @property
    def board(self) -> BoardView:
        return self.screen_stack[0].query_one(BoardView)

    @property
    def side(self) -> Side:
        return self.screen_stack[0].query_one(Side)

    @property
    def look(self) -> drawing.Look:
        return drawing.look(self.game, dark=self.current_theme.dark)

    # What comes back

    @on(Answer)
    def _answered(self, answer: Answer) -> None:
        if answer.ticket != self.thinker.ticket:
            return
        match answer.found:
            case jobs.Prepared(table, looker, outlook):
                self.table, self._looker, self._outlook = table, looker, outlook
                self._passes = any(not names_a_place(self.game, a) for a in range(self.game.num_actions))
                self._message = ""
                if self.options.record is None or self._opens(self.options.record):
                    self._go_on()
                if self.options.review and self.failure is None:
                    self.action_review()
            case jobs.Invited(seat):
                self._invited(seat)
            case Exception() as error if self.table is None:
                self.failure = error
                self.exit()
            case Forfeit(losses=losses):
                self._at_table().forfeit(losses[0])
                self._message = ""
                self._go_on()
            case Exception() as error:
                self._failed(error)
            case Thought(action, view):
                self._moved(action, view)
            case jobs.Seen(view):
                self._keep(view, "analysis")
                self._show()
            case jobs.Hint(view):
                self._hinted(view)
            case jobs.Reviewed(ply, view, score):
                self._reviewed(ply, view, score)

    def _failed(self, error: Exception) -> None:
        """Tell that the player to move, or the analysis, has failed; the person decides how to go on."""
        table = self._at_table()
        table.clock.run(None)
        self._paused = not table.persons
        who = table.seat.name if table.seat.player is not None else "the analysis"
        self._say(f"{who} has failed: {_one_line(error)}. Take back, begin anew or quit.", warning=True)

    def _moved(self, action: int, view: View | None) -> None:
        if view is not None:
            self._keep(view, self._at_table().seat.name)
        try:
            self._play(action)
        except ValueError as error:
            self._failed(error)

    def _hinted(self, view: View) -> None:
        best = view.candidates[0]
        self._keep(view, "hint")
        self._go_on()
        self._say(
            f"Hint: {self._move_name(best.action)}, {percent(best.value)} to win; line {line_text(self.game, view)}"
        )
        self._show(hint=True)

    def _keep(self, view: View, source: str) -> None:
        table = self._at_table()
        table.judge(view)
        self._view, self._view_ply = view, len(table.actions)
        self._view_by = f"{source}: {self.look.names[table.to_play]} to move"

    # Turns

    def _go_on(self) -> None:
        """Show the position and ask for what comes next."""
        table = self._at_table()
        agent = not table.over and table.seat.player is not None
        table.clock.run(None if table.over or (agent and self._paused) else table.to_play)
        if agent and not self._paused:
            pause = 0.0 if table.persons else self.options.pause
            self.thinker.submit(jobs.think(table, self.rng, pause=pause))
        elif self._analysing and not table.over and self._looker is not None:
            self.thinker.submit(jobs.analyse(table, self._looker, self.rng))
        elif self.options.ponder and not table.over and (player := self._waiting()) is not None:
            self.thinker.submit(jobs.think_ahead(table, player, self.rng))
        else:
            self.thinker.cancel()
        self._show()
        self.refresh_bindings()

    def _waiting(self) -> SearchPlayer | None:
        """The searching agent that waits for the person to move."""
        table = self._at_table()
        player = table.seats[1 - table.to_play].player
        return player if table.seat.player is None and isinstance(player, SearchPlayer) else None

    def _play(self, action: int) -> None:
        table = self._at_table()
        table.play(action)
        self._message = ""
        self._go_on()

    def _tick(self) -> None:
        """Look at the clocks; a flag that has fallen ends the game."""
        table = self.table
        if table is None or table.clock.running is None:
            return
        if table.out_of_time():
            self._message = ""
            self._go_on()
        else:
            self.side.show_players(panel.players(table, self.look, self._note))

    @on(BoardView.Chosen)
    def _chosen(self, message: BoardView.Chosen) -> None:
        self._offer(message.actions)

    @on(BoardView.Refused)
    def _refused(self, message: BoardView.Refused) -> None:
        table = self.table
        if table is None:
            return
        if table.over:
            self._say("The game is over: n begins a new one, u takes back.", warning=True)
        elif table.seat.player is not None:
            self._say(f"It is the turn of {table.seat.name}.", warning=True)
        else:
            self._say(message.reason, warning=True)

    def _offer(self, actions: Sequence[int]) -> None:
        """Play the one action, or ask which."""
        if len(actions) == 1:
            self._play(actions[0])
        elif actions:
            names = [self._move_name(action) for action in actions]
            self.push_screen(
                Choice("which move?", names), lambda chosen: None if chosen is None else self._play(actions[chosen])
            )

    def on_key(self, event: events.Key) -> None:
        """A key that is the whole name of a move plays it: the columns of Connect Four."""
        for action in self._playable() if len(self.screen_stack) == 1 else ():
            if self.game.action_name(action) == event.character:
                event.stop()
                self._play(action)
                return

    def _playable(self) -> list[int]:
        """The legal actions where a person is to move."""
        moves = self.board.moves
        return [*moves.targets, *moves.elsewhere]

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys that mean nothing at this table, and all of them under another screen."""
        if len(self.screen_stack) > 1:
            return action in ("quit", "theme")
        watching, shared = PERSON not in self.names, self.names == (PERSON, PERSON)
        if action in ("pause", "step"):
            return watching
        if action == "ground":
            return isinstance(self.game, TerritoryGame)
        if action == "elsewhere":
            return self._passes and not watching
        if action in ("resign", "hint", "type", "opponent"):
            return not watching
        return not (action == "swap" and (watching or shared))

    def action_undo(self) -> None:
        self._change(Table.undo)

    def action_redo(self) -> None:
        self._change(Table.redo)

    def action_swap(self) -> None:
        self._change(Table.swap)

    def action_resign(self) -> None:
        self._change(Table.resign)

    def _change(self, change: Callable[[Table], None]) -> None:
        """Change the table, or say why not; watching stops, so that the change can be looked at."""
        if self.table is None:
            return
        try:
            change(self.table)
        except ValueError as error:
            self._say(_sentence(error), warning=True)
            return
        self._paused = not self.table.persons
        self._message = ""
        self._go_on()

    def action_new(self) -> None:
        """A new game, after a question where one is under way."""
        if self.table is None:
            return
        if self.table.over or not self.table.actions:
            self._begin(0)
        else:
            self.push_screen(Choice("end this game?", ["begin a new game", "go on with this one"]), self._begin)

    def _begin(self, chosen: int | None) -> None:
        if chosen == 0:
            self._view, self._message = None, ""
            self._at_table().new()
            self._go_on()

    def action_hint(self) -> None:
        table = self.table
        if table is None or self._looker is None:
            return
        if table.over or table.seat.player is not None:
            self._say("A hint is for your own turn.", warning=True)
            return
        self._say("Looking for a hint ...")
        self.thinker.submit(jobs.hint(table, self._looker, self.rng))

    def action_analysis(self) -> None:
        """Switch the analysis on or off; an agent at move is not disturbed."""
        self._analysing = not self._analysing
        if self.table is None:
            return
        if self.table.seat.player is None or self._paused or self.table.over:
            self._go_on()
        else:
            self._show()

    def action_ground(self) -> None:
        """Whose each point will be: shown, or not any more."""
        if self.table is None:
            return
        if self._outlook is None and not self.table.over:
            self._say("Nobody here knows whose points will be: it takes an agent with a territory head.", warning=True)
            return
        self._grounds = not self._grounds
        self._show()

    def _owners(self, table: Table) -> dict[int, float]:
        """By point, who will own it (a network's guess, some milliseconds), or does where the game has ended."""
        self._note = ""
        if not self._grounds or not isinstance(self.game, TerritoryGame):
            return {}
        if self.game.terminal(table.state)[0]:
            return dict(enumerate(self.game.ownership(table.state).ravel().astype(float).tolist()))
        if self._outlook is None:
            return {}
        owners, score = self._outlook(table.state)
        self._note = panel.expected(self.look, score)
        return dict(enumerate(owners.ravel().tolist()))

    def action_elsewhere(self) -> None:
        """Pass, swap: moves without a place on the board."""
        elsewhere = self.board.moves.elsewhere
        if elsewhere:
            self._offer(elsewhere)
        else:
            self._say("There is nothing to pass here.", warning=True)

    def action_type(self) -> None:
        playable = self._playable()
        if playable:
            example = f"a move, such as {self._move_name(playable[0])}"
            self.push_screen(Typed("move", lambda text: self._play(self._parsed(text)), hint=example))

    def _parsed(self, text: str) -> int:
        return parse_move(self.game, self._at_table().state[0], text)

    def action_save(self) -> None:
        """Ask for a file and write the game so far to it."""
        table = self.table
        if table is None:
            return
        if not table.actions:
            self._say("There is no move to write yet.", warning=True)
            return

        def save(text: str) -> None:
            table.save(Path(text).expanduser())
            self._say(f"Written to {text}.")

        self.push_screen(Typed("write the game to: .sgf, .pgn, .moves", save, value=str(new_file(self.game, Path()))))

    def action_open(self) -> None:
        """Ask for a file and go on with the first game in it."""
        if self.table is not None:
            self.push_screen(Typed("open: .sgf, .pgn, .moves", self._open, hint="path of a game record"))

    def _open(self, text: str) -> None:
        table = self._at_table()
        record = table.open(Path(text).expanduser())
        self._view, self._message, self._paused = None, "", not table.persons
        self._go_on()
        who = " - ".join(filter(None, record.players))
        self._say(f"{len(record.actions)} moves{f' of {who}' if who else ''} are on the board.")

    def _opens(self, path: Path) -> bool:
        """Open the game that the command line names; where that cannot be the application ends."""
        try:
            self._open(str(path))
        except ValueError as error:
            self.failure = error
            self.exit()
        return self.failure is None

    def action_review(self) -> None:
        """Step through the game and see its mistakes, found in the background."""
        table = self.table
        if table is None or self._looker is None:
            return
        if not table.actions:
            self._say("There is no move to review yet.", warning=True)
            return
        if table.clock.control.limited and not table.over:
            self._say("Not while the clocks run: review the game when it is over.", warning=True)
            return
        table.clock.run(None)
        if self._review is None or self._review.actions != table.actions:
            self._review = Review(self.game, table.states, table.actions)
        self.thinker.submit(jobs.review(self._review, self._looker, self._outlook, self.rng))
        self.push_screen(ReviewScreen(table, self._review, lambda: self.look), self._after_review)

    def _reviewed(self, ply: int, view: View, score: float | None) -> None:
        if self._review is not None and isinstance(self.screen, ReviewScreen):
            self._review.see(ply, view)
            if score is not None:
                self._review.scores[ply] = score
            self.screen.show()

    def _after_review(self, ply: int | None) -> None:
        """Back to the table, or on from the position after `ply` moves."""
        table = self._at_table()
        if self._review is not None:
            table.values |= self._review.values
        if ply is not None:
            table.rewind(ply)
        self._paused, self._message = not table.persons, ""
        self._go_on()

    def action_opponent(self) -> None:
        """Choose whom to play against, by strength."""
        if self.table is None:
            return
        steps = levels(self.game)
        answers = [f"{step.number} {step.name:<13}{step.strength}" for step in steps]
        specs = [f"level:{step.number}" for step in steps]
        if has_champion(self.game):
            answers, specs = [*answers, "champion"], [*specs, "champion"]
        answers, specs = [*answers, "a person: two at one board"], [*specs, PERSON]
        self.push_screen(
            Choice("whom to play? a new game begins", answers),
            lambda chosen: None if chosen is None else self._invite(specs[chosen]),
        )

    def _invite(self, spec: str) -> None:
        self._at_table().clock.run(None)
        self._say(f"{spec} is coming ...")
        self.thinker.submit(jobs.invite(self.game, spec, self.rng))

    def _invited(self, seat: Seat) -> None:
        table = self._at_table()
        table.invite(seat)
        self.names = (table.seats[0].name, table.seats[1].name)
        self._begin(0)

    def action_pause(self) -> None:
        """Watching: stop, or go on."""
        if self.table is not None:
            self._paused = not self._paused
            self._message = ""
            self._go_on()

    def action_step(self) -> None:
        """Watching: one move, and stop."""
        if self.table is not None and not self.table.over and self.table.seat.player is not None:
            self._paused = True
            self._message = ""
            self.thinker.submit(jobs.think(self.table, self.rng, pause=0.0))

    def action_theme(self) -> None:
        """Light or dark."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"
        if self.table is not None:
            self._show()

    def action_help(self) -> None:
        start = self.game.reset(1)
        example = move_name(self.game, start[0], int(np.flatnonzero(self.game.legal(start)[0])[0]))
        self.push_screen(Help(HELP.format(example=example)))

    # What is on the screen

    def _say(self, text: str, *, warning: bool = False) -> None:
        self._message, self._warning = text, warning
        self._show_status()

    def _show(self, *, hint: bool = False) -> None:
        table, side = self._at_table(), self.side
        current = self._view if self._view_ply == len(table.actions) else None
        owners = self._owners(table)
        self.board.show(
            table.state,
            playable=not table.over and table.seat.player is None,
            view=current if self._analysing or hint else None,
            owners=owners,
        )
        side.show_players(panel.players(table, self.look, self._note))
        self._show_status()
        side.show_moves(panel.moves(table.names), len(table.actions) // 2)
        self._show_analysis(table)

    def _show_analysis(self, table: Table) -> None:
        if not self._analysing:
            self.side.show_analysis(None, None)
            return
        width, most = self.side.width, 9 if self.size.height >= 32 else 4
        shown = self._view if not table.over or self._view_ply < len(table.actions) else None
        text = panel.analysis(self.game, shown, self._view_by, width, most) if shown or not table.over else None
        self.side.show_analysis(text, panel.graph(table.values, len(table.actions), self.look, width))

    def _show_status(self) -> None:
        self.side.show_status(self._message or self._standing(), warning=bool(self._message) and self._warning)

    def _standing(self) -> str:
        """What the game waits for, or how it ended."""
        table = self.table
        if table is None:
            return ""
        look = self.look
        if table.over:
            return panel.verdict(table, look)
        if table.seat.player is not None:
            return f"{table.seat.name} {'waits: Space goes on, . is one move' if self._paused else 'is thinking ...'}"
        who = "Your move" if len(table.persons) == 1 else f"{look.names[table.to_play]} to move"
        return (
            f"{who}."
            if self.board.moves.placed or not self.board.moves.elsewhere
            else f"{who}: only p, {self._words()}."
        )

    def _words(self) -> str:
        return " or ".join(self._move_name(action) for action in self.board.moves.elsewhere)

    def _move_name(self, action: int) -> str:
        return move_name(self.game, self._at_table().state[0], action)

    def _at_table(self) -> Table:
        assert self.table is not None
        return self.table


def _one_line(error: Exception) -> str:
    """What went wrong, without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _sentence(error: Exception) -> str:
    text = _one_line(error)
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def play(game: Game, names: tuple[str, str], rng: np.random.Generator, options: Options) -> None:
    """Play on the full screen until the person leaves. ValueError for a player who cannot sit down, a file that is no game."""
    app = PlayApp(game, names, rng, options)
    app.run()
    if app.failure is not None:
        raise ValueError(_one_line(app.failure)) from app.failure
