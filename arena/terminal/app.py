"""`arena play` on the full screen: what the keys do, and the questions that some of them ask first.

Everything that computes runs in the thinker's thread and comes back as an `Answer`; `turns` keeps the game going.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from agents.levels import levels
from agents.players import has_champion
from arena.clock import Clocks
from arena.table import PERSON, Options, Table, new_file
from arena.terminal import drawing, jobs
from arena.terminal.board import BoardView
from arena.terminal.dialogs import Choice, Help, Typed
from arena.terminal.page import Page
from arena.terminal.pointing import names_a_place
from arena.terminal.review import ReviewScreen
from arena.terminal.territory import UNKNOWN, territory
from arena.terminal.thinker import Answer, Thinker
from arena.terminal.turns import Turns, one_line, sentence
from envs import Game, TerritoryGame
from envs.game import move_name, parse_move

PATIENCE = 2.0  # seconds that leaving waits for a player that does not stop
TICK = 0.25  # seconds between two looks at the clock


class PlayApp(App[None]):
    """A game on the screen."""

    TITLE = "arena"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-normal"), (110, "-wide")]  # noqa: RUF012  # textual declares it so
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (24, "-low"), (32, "-tall")]  # noqa: RUF012  # likewise
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("space", "pause", "Stop/go"),
        Binding("full_stop", "step", "Step"),
        Binding("u", "undo", "Undo"),
        Binding("h", "hint", "Hint"),
        Binding("a", "analysis", "Analysis"),
        Binding("g", "ground", "Territory"),
        Binding("p", "elsewhere('pass')", "Pass"),
        Binding("p", "elsewhere('swap')", "Swap"),
        Binding("p", "elsewhere('choose')", "Choose"),
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
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c,ctrl+d", "quit", "Quit", show=False),
    ]

    def __init__(
        self, game: Game, names: tuple[str, str], rng: np.random.Generator, options: Options | None = None
    ) -> None:
        """`names` of the players as `sit` takes them."""
        super().__init__()
        self.game, self.names, self.rng, self.options = game, names, rng, options or Options()
        self.page = Page(game)
        self.turns: Turns | None = None  # while the players are being prepared
        self.failure: Exception | None = None  # why there is no game
        self.theme = "textual-dark" if self.options.dark else "textual-light"
        # What moves without a place on the board do: pass, swap, all there is; empty where there are none.
        self._elsewhere = ""

    def compose(self) -> ComposeResult:
        yield self.page
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.thinker = Thinker(self.post_message)
        self.page.board.focus()
        preparing = "Preparing: compiling the rules, loading the players. The first time takes a while."
        self.page.side.show_status(preparing, warning=False)
        self.thinker.submit(
            jobs.prepare(self.game, self.names, self.rng, Clocks(self.options.control), self.options.resign)
        )
        self.set_interval(TICK, self._tick)

    def on_unmount(self) -> None:
        self.thinker.close(PATIENCE)

    @property
    def look(self) -> drawing.Look:
        return drawing.look(self.game, dark=self.current_theme.dark)

    def _show(self) -> None:
        if self.turns is not None:
            self.page.show(self.turns, self.look)
            if isinstance(self.screen, ReviewScreen):
                self.screen.show()

    def _tick(self) -> None:
        if self.turns is not None and self.turns.table.clock.running is not None:
            self.turns.look_at_the_clock()
            self.page.show_players(self.turns.table, self.look)

    @on(Answer)
    def _answered(self, answer: Answer) -> None:
        if answer.ticket != self.thinker.ticket or not self.screen_stack:  # out of date; nothing to show it on any more
            return
        match answer.found:
            case jobs.Prepared() as prepared:
                self._prepared(prepared)
            case jobs.Invited(seat, resigns):
                self._at_table.invite(seat, resigns=resigns)
                self.refresh_bindings()
            case Exception() as error if self.turns is None:
                self._give_up(error)
            case found:
                self._at_table.take(found)

    def _prepared(self, prepared: jobs.Prepared) -> None:
        self.turns = turns = Turns(prepared, self.thinker, self.rng, self.options, self._show)
        placeless = [self.game.action_name(a) for a in range(self.game.num_actions) if not names_a_place(self.game, a)]
        self._elsewhere = "swap" if "swap" in placeless else "pass" if placeless else ""
        if not self.page.board.pictured:
            self._elsewhere = "choose"
        self.refresh_bindings()
        try:
            turns.go_on() if self.options.record is None else turns.open(self.options.record)
        except ValueError as error:
            self._give_up(error)
            return
        if self.options.review:
            self.action_review()

    def _give_up(self, error: Exception) -> None:
        """There is no game to play: leave, and say why."""
        self.failure = error
        self.exit()

    @property
    def _at_table(self) -> Turns:
        assert self.turns is not None
        return self.turns

    # Moves

    @on(BoardView.Chosen)
    def _chosen(self, message: BoardView.Chosen) -> None:
        self._offer(message.actions)

    @on(BoardView.Refused)
    def _refused(self, message: BoardView.Refused) -> None:
        self._refuse(message.reason)

    def _refuse(self, reason: str) -> None:
        """Say why there is no move: the game is over, it is another's turn, or else `reason`."""
        turns, table = self._at_table, self._at_table.table
        if table.over:
            turns.say("The game is over: n begins a new one, u takes back.", warning=True)
        elif table.seat.player is not None:
            turns.say(f"It is the turn of {table.seat.name}.", warning=True)
        else:
            turns.say(reason, warning=True)

    def _offer(self, actions: Sequence[int]) -> None:
        """Play the one action, or ask which."""
        if len(actions) == 1:
            self._play(actions[0])
        elif actions:
            names = [self._move_name(action) for action in actions]
            self.push_screen(
                Choice("which move?", names), lambda chosen: None if chosen is None else self._play(actions[chosen])
            )

    def _play(self, action: int) -> None:
        """Play what was chosen on a board that may have changed since: by a second click, or a flag that fell."""
        turns = self._at_table
        if turns.table.over or turns.table.seat.player is not None:
            self._refuse("")
            return
        try:
            turns.play(action)
        except ValueError as error:
            self._refuse(sentence(error))

    def on_key(self, event: events.Key) -> None:
        """A key that is the whole name of a move plays it: the columns of Connect Four."""
        for action in self.page.board.moves.actions if len(self.screen_stack) == 1 else ():
            if self.game.action_name(action) == event.character:
                event.stop()
                self._at_table.play(action)
                return

    def action_elsewhere(self, word: str) -> None:
        """Pass, swap: moves without a place on the board."""
        elsewhere = self.page.board.moves.elsewhere
        if elsewhere:
            self._offer(elsewhere)
        else:
            self._at_table.say(f"There is nothing to {word} here.", warning=True)

    def action_type(self) -> None:
        """Ask for a move."""
        playable = self.page.board.moves.actions
        if playable:
            hint = f"a move, such as {self._move_name(playable[0])}"
            self.push_screen(Typed("move", self._play_typed, hint=hint))

    def _play_typed(self, text: str) -> None:
        turns = self._at_table
        turns.play(parse_move(self.game, turns.table.state[0], text))

    def _move_name(self, action: int) -> str:
        return move_name(self.game, self._at_table.table.state[0], action)

    # The other keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys that mean nothing at this table, and most of them before there is one or under another screen."""
        if len(self.screen_stack) > 1 or self.turns is None:
            return action in ("quit", "theme")
        persons = len(self.turns.table.persons)
        if action in ("pause", "step"):
            return persons == 0
        if action == "ground":
            return isinstance(self.game, TerritoryGame)
        if action == "elsewhere":
            return parameters == (self._elsewhere,) and persons > 0
        if action in ("resign", "hint", "type", "opponent"):
            return persons > 0
        return action != "swap" or persons == 1

    def action_undo(self) -> None:
        self._at_table.change(Table.undo)

    def action_redo(self) -> None:
        self._at_table.change(Table.redo)

    def action_swap(self) -> None:
        self._at_table.change(Table.swap)

    def action_resign(self) -> None:
        self._at_table.change(Table.resign)

    def action_hint(self) -> None:
        self._at_table.ask_for_a_hint()

    def action_analysis(self) -> None:
        self._at_table.analyse()

    def action_pause(self) -> None:
        self._at_table.pause()

    def action_step(self) -> None:
        self._at_table.step()

    def action_new(self) -> None:
        """A new game, after a question where one is under way."""
        turns = self._at_table
        if turns.table.over or not turns.table.actions:
            turns.begin()
        else:
            self.push_screen(
                Choice("end this game?", ["begin a new game", "go on with this one"]),
                lambda chosen: turns.begin() if chosen == 0 else None,
            )

    def action_opponent(self) -> None:
        """Choose whom to play against, by strength."""
        steps = levels(self.game)
        answers = {
            f"level:{step.number}": f"{step.number} {step.name:<13}{step.player if step.elo is None else step.strength}"
            for step in steps
        }
        if has_champion(self.game) and all(step.player != "champion" for step in steps):
            answers["champion"] = "champion: trained, comes with the package"
        answers[PERSON] = "a person: two at one board"
        specs, now = list(answers), {seat.name for seat in self._at_table.table.seats}
        at = next((i for i, spec in enumerate(specs) if spec in now and spec != PERSON), 0)
        self.push_screen(
            Choice("whom to play? a new game begins", list(answers.values()), at),
            lambda chosen: None if chosen is None else self._invite(specs[chosen]),
        )

    def _invite(self, spec: str) -> None:
        turns = self._at_table
        turns.table.clock.run(None)
        turns.say(f"{spec} is coming ...")
        self.thinker.submit(jobs.invite(self.game, spec, self.rng, self.options.resign))

    def action_save(self) -> None:
        """Ask for a file and write the game so far to it."""
        turns = self._at_table
        if not turns.table.actions:
            turns.say("There is no move to write yet.", warning=True)
            return

        def save(text: str) -> None:
            turns.table.save(Path(text).expanduser())
            turns.say(f"Written to {text}.")

        self.push_screen(Typed("write the game to: .sgf, .pgn, .moves", save, value=str(new_file(self.game, Path()))))

    def action_open(self) -> None:
        """Ask for a file and go on with the first game in it."""
        turns = self._at_table
        self.push_screen(
            Typed(
                "open: .sgf, .pgn, .moves",
                lambda text: turns.open(Path(text).expanduser()),
                hint="path of a game record",
            )
        )

    def action_review(self) -> None:
        """Step through the game and see its mistakes, found in the background."""
        turns = self._at_table
        review = turns.begin_review()
        if review is not None:
            self.push_screen(ReviewScreen(turns.table, review, turns.outlook, lambda: self.look), turns.end_review)

    def action_ground(self) -> None:
        """Whose each point will be: shown, or not any more."""
        turns = self._at_table
        if territory(self.game, turns.table.state, turns.outlook) is None:
            turns.say(UNKNOWN, warning=True)
            return
        self.page.grounds = not self.page.grounds
        self._show()

    def action_theme(self) -> None:
        """Light or dark."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"
        self._show()

    def action_help(self) -> None:
        start = self.game.reset(1)
        example = move_name(self.game, start[0], int(np.flatnonzero(self.game.legal(start)[0])[0]))
        self.push_screen(Help(example))


def play(game: Game, names: tuple[str, str], rng: np.random.Generator, options: Options) -> None:
    """Play on the full screen until the person leaves. ValueError for a player who cannot sit down, a file that is no game."""
    app = PlayApp(game, names, rng, options)
    app.run()
    if app.failure is not None:
        raise ValueError(one_line(app.failure)) from app.failure
    if app.return_code:  # what broke has been shown
        raise SystemExit(app.return_code)
