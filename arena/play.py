"""Play in the terminal, line by line: works in 80 columns, over ssh, in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from agents.players import Forfeit
from arena.clock import Clocks
from arena.look import View, candidate_table, line_text, percent, view
from arena.review import Review, mistakes_table, searches, summary
from arena.table import Options, Table, choose, hint_player, played_otherwise, seat_names, sit
from envs import Game
from envs.game import move_name, parse_move
from envs.words import number_of

HELP = """\
a move     in the game's own notation, as on the board's edge ({example})
hint       what a search thinks: visits, chance to win, proven, best line
undo       take back to your last turn
redo       play again what was taken back
review     what each move gave away, from the first on
moves      the moves so far
board      the board again
swap       change sides
new        start again, at any time
resign     give up
save FILE  write the game so far, as the name ends: .sgf, .pgn, .moves
load FILE  go on with the first game in a file
quit       leave (Ctrl-D too)"""


class Session:
    """A table and the terminal it is shown in."""

    def __init__(self, table: Table, opponent: str, rng: np.random.Generator, console: Console) -> None:
        self.table, self.opponent, self.rng, self.console = table, opponent, rng, console
        self.new()

    def new(self) -> None:
        """Start again."""
        self.table.new()
        self.shown: list[int] | None = None  # the moves behind the board last drawn

    @property
    def sides(self) -> str:
        """What the people play: X, O or both; chess says White and Black."""
        return " and ".join(self.table.side_names[seat] for seat in sorted(self.table.persons))

    @property
    def verdict(self) -> str:
        """How the game ended."""
        table = self.table
        moves = f"after {number_of(len(table.actions), 'move')}"
        if table.lost is not None and table.lost.reason == "resignation":
            return (
                f"{'you' if table.lost.side in table.persons else table.seats[table.lost.side].name} resigned {moves}"
            )
        if table.lost is not None:
            detail = f": {table.lost.detail}" if table.lost.detail else ""
            return f"{table.side_names[1 - table.lost.side]} won {table.lost.how} {moves}{detail}"
        if table.winner is None:
            return f"a draw {moves}"
        if len(table.persons) != 1:  # the board says who won
            return f"the game ended {moves}"
        return f"you {'won' if table.winner in table.persons else 'lost'} {moves}"

    def reply(self) -> None:
        """Let the player whose turn it is move; one that searches says what it thinks."""
        table, (name, player) = self.table, self.table.seat
        assert player is not None
        start = time.perf_counter()
        try:
            with self.console.status(f"{escape(name)} is thinking"):
                action, seen = choose(player, table.state, self.rng, table.clock.deadline(table.to_play))
        except Forfeit as forfeit:
            table.forfeit(forfeit.losses[0])
            self.say(self.verdict, "bold")
            return
        seconds = time.perf_counter() - start
        thoughts = f"its chance to win: {_judgement(seen)}, " if seen else ""
        move = move_name(table.game, table.state[0], action)
        table.play(action)
        if table.lost is not None:
            self.say(self.verdict, "bold")
            return
        self.say(f"{name} plays {move} ({thoughts}{seconds:.1f} s)")

    def swap(self) -> None:
        """Change sides with the opponent."""
        self.table.swap()
        self.say(f"you are {self.sides} now")

    def save(self, path: Path) -> None:
        """Write the game so far to the new file `path`; ValueError where that cannot be."""
        self.table.save(path)
        self.say(f"saved as {path}")

    def load(self, path: Path) -> None:
        """Go on with the first game in `path`; ValueError where it cannot be played here."""
        remark = played_otherwise(self.table.open(path), self.table.game)
        self.shown = None
        if remark:
            self.say(remark.strip())

    def review(self) -> None:
        """Search every position so far, and tell what was given away."""
        table = self.table
        if not table.actions:
            raise ValueError("there is no move to review yet")
        game = Review(table.game, table.states, table.actions)
        with self.console.status("reviewing") as status:
            for ply, seen in searches(game, hint_player(table.game, table.seats, seed=0), self.rng):
                game.see(ply, seen)
                status.update(f"reviewing: {ply + 1} of {len(game.states)} positions")
        if game.marks():
            self.console.print(mistakes_table(game, table.side_names))
        for side, name in enumerate(table.side_names):
            self.say(f"{name}: {summary(game, side)}")

    def hint(self) -> None:
        """What a search thinks of the position."""
        game, state = self.table.game, self.table.state[0]
        with self.console.status("looking"):
            seen = view(hint_player(game, self.table.seats, seed=0), state, self.rng)
        self.say(f"your chance to win: {_judgement(seen)}")
        self.console.print(candidate_table(game, seen))
        self.say(f"best line: {line_text(game, seen)}")

    def show(self) -> None:
        """The board, stones in colour where the terminal has colours."""
        self.shown = list(self.table.actions)
        columns, _, rest = self.table.game.show(self.table.state[0]).partition("\n")
        board = Text(rest)
        board.highlight_regex(r"\bX\b", "bold red")
        board.highlight_regex(r"\bO\b", "bold yellow")
        board.highlight_regex(r"\(\w\)", "reverse")
        self.console.print(Text(columns, style="dim"))
        self.console.print(board)

    def say(self, line: str, style: str = "") -> None:
        """Print `line` as it is: what people type and what files are called is no markup."""
        self.console.print(line, style=style, markup=False, highlight=False)


def play(
    game: Game,
    opponent: str,
    *,
    side: str,
    seed: int,
    console: Console,
    read: Callable[[str], str],
    watch: tuple[str, str] | None = None,
    options: Options | None = None,
) -> None:
    """Play against the player `opponent` until the person leaves.

    `side`: first, second or random; both, for two people at one board; watch, to see the opponent play itself. The same
    `seed` is the same opponent, 0 another one every time. `read` prompts for a line, as `input` does. `watch` names two
    players to look on at instead.
    ValueError for an unknown opponent or side, or a file that is no game; whatever is typed during the game is answered and
    the game goes on.
    """
    rng = np.random.default_rng(seed or None)
    options = options or Options()
    table = sit(game, watch or seat_names(opponent, side, rng), rng, Clocks(options.control), options.resign)
    session = Session(table, opponent, rng, console)
    if options.record:
        session.load(options.record)
    if options.review:
        session.review()
    if table.persons:
        against = "" if len(table.persons) == 2 else f" against {opponent}"
        session.say(f"{game.name}{against}. You are {session.sides}. Type a move, or help.")
    try:
        while _turn(session, read):
            pass
    except (EOFError, KeyboardInterrupt):
        console.print("\nbye")


def _turn(session: Session, read: Callable[[str], str]) -> bool:
    """One answer from the person, or one move of the opponent's; False when the person leaves."""
    table = session.table
    replying = not table.over and table.seat.player is not None
    if session.shown != table.actions and not (replying and table.persons):
        session.show()
        if table.over:
            session.say(session.verdict, "bold")
    table.clock.run(None if table.over else table.to_play)
    if replying:
        session.reply()
        return True
    left = f" {table.clock.face(table.to_play)}" if table.clock.control.limited and not table.over else ""
    command = read("new, undo or quit> " if table.over else f"your move{left}> ").strip()
    if not table.over and table.out_of_time():
        session.say(session.verdict, "bold")
        return True
    try:
        return not command or _obey(session, command)
    except ValueError as error:
        session.say(str(error), "yellow")
        return True


def _obey(session: Session, command: str) -> bool:
    """Carry out a command or a move; False to leave. ValueError says what is wrong with it."""
    table, game = session.table, session.table.game
    match command.lower():
        case "quit" | "exit" | "q":
            return False
        case "help" | "?":
            start = game.reset(1)
            example = move_name(game, start[0], int(np.flatnonzero(game.legal(start)[0])[-1]))
            session.say(HELP.format(example=example))
        case "undo":
            table.undo()
        case "redo":
            table.redo()
        case "moves":
            session.say(" ".join(table.names) or "none yet")
        case "board":
            session.shown = None
        case "review":
            session.review()
        case "swap":
            session.swap()
        case "new":
            session.new()
        case "save" | "load":
            raise ValueError(f"name a file: {command} game.moves")
        case text if text.startswith("save "):
            session.save(Path(command[5:].strip()))
        case text if text.startswith("load "):
            session.load(Path(command[5:].strip()))
        case _ if table.over:
            raise ValueError("the game is over: new, undo or quit")
        case "hint":
            session.hint()
        case "resign":
            table.resign()
            session.say(session.verdict, "bold")
        case _:
            table.play(parse_move(game, table.state[0], command))
    return True


def _judgement(seen: View) -> str:
    """The value of a search as a chance to win, and how it was come by."""
    proven = f", proven {seen.proven}" if seen.proven else ""
    return f"{percent(seen.value)}{proven}, {number_of(seen.simulations, 'simulation')}"
