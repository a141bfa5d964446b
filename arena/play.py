"""Play in the terminal, line by line: works in 80 columns, over ssh, in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.text import Text

from agents.players import Player, make_player
from arena.look import candidate_table, hint_player, line_text, percent, view
from envs import Game, States

HELP = """\
a move     in the game's own notation, as on the board's edge ({example})
hint       what a search thinks: visits, chance to win, proven results, best line
undo       take back to your last turn
moves      the moves so far
board      the board again
swap       change sides
new        start again
resign     give up
quit       leave (Ctrl-D too)"""


class Session:
    """One person at the terminal: the game so far, the opponent, whose side is whose."""

    def __init__(
        self, game: Game, opponent: Player, name: str, side: int, rng: np.random.Generator, console: Console
    ) -> None:
        self.game, self.opponent, self.name = game, opponent, name
        self.side, self.rng, self.console = side, rng, console  # side: 0 the person moves first
        self.states: list[States] = [game.reset(1)]
        self.actions: list[int] = []
        self.shown: list[int] | None = None  # the moves behind the board last drawn

    @property
    def state(self) -> States:
        """[1] the position now."""
        return self.states[-1]

    @property
    def over(self) -> bool:
        return bool(self.game.terminal(self.state)[0])

    @property
    def persons_turn(self) -> bool:
        return int(self.state["to_play"][0]) == self.side

    def move(self, action: int) -> None:
        """Play `action`, legal or ValueError."""
        if not self.game.legal(self.state)[0, action]:
            raise ValueError(f"{self.game.action_name(action)} is not possible here")
        self.states.append(self.game.step(self.state, np.array([action])))
        self.actions.append(action)

    def reply(self) -> None:
        """Let the opponent move."""
        start = time.perf_counter()
        with self.console.status(f"{self.name} is thinking"):
            action = int(self.opponent(self.state, self.rng)[0])
        self.move(action)
        self.console.print(
            f"{self.name} plays [bold]{self.game.action_name(action)}[/] ({time.perf_counter() - start:.1f} s)",
            highlight=False,
        )

    def undo(self) -> None:
        """Back to the person's previous turn; ValueError if there is none."""
        at = len(self.actions) - 1
        while at >= 0 and int(self.states[at]["to_play"][0]) != self.side:
            at -= 1
        if at < 0:
            raise ValueError("there is nothing to take back")
        del self.states[at + 1 :], self.actions[at:]

    def hint(self) -> None:
        """What a search thinks of the position."""
        player = hint_player(self.game, self.opponent, seed=0)
        with self.console.status("looking"):
            seen = view(player, self.state[0], self.rng)
        proven = f", proven {seen.proven}" if seen.proven else ""
        self.console.print(
            f"your chance to win: {percent(seen.value)}{proven}, {seen.simulations} simulations", highlight=False
        )
        self.console.print(candidate_table(self.game, seen))
        self.console.print(f"best line: {line_text(self.game, seen)}", highlight=False)

    def show(self) -> None:
        """The board, stones in colour where the terminal has colours."""
        self.shown = list(self.actions)
        text = Text(self.game.show(self.state[0]))
        text.highlight_regex(r"(?<![A-Za-z])X(?![A-Za-z])", "bold red")
        text.highlight_regex(r"(?<![A-Za-z])O(?![A-Za-z])", "bold yellow")
        text.highlight_regex(r"\([XO]\)", "reverse")
        self.console.print(text)


def play(game: Game, opponent: str, *, side: str, seed: int, console: Console, read: Callable[[str], str]) -> None:
    """Play against the player `opponent` until the person leaves. `side`: first, second or random.

    ValueError for an unknown opponent or side; whatever is typed during the game is answered and the game goes on.
    """
    if side not in ("first", "second", "random"):
        raise ValueError(f"--side is first, second or random, not '{side}'")
    rng = np.random.default_rng(seed or None)
    seat = {"first": 0, "second": 1}.get(side, int(rng.integers(2)))
    session = Session(game, make_player(game, opponent, seed=seed), opponent, seat, rng, console)
    console.print(f"{game.name} against {opponent}. You are {'XO'[seat]}. Type a move, or help.", highlight=False)
    try:
        while _turn(session, read):
            pass
    except (EOFError, KeyboardInterrupt):
        console.print("\nbye")


def _turn(session: Session, read: Callable[[str], str]) -> bool:
    """One answer from the person, or one move of the opponent's; False when the person leaves."""
    if not session.over and not session.persons_turn:
        session.reply()
        return True
    if session.shown != session.actions:
        session.show()
        if session.over:
            verdict = f"{_verdict(session)} after {len(session.actions)} moves"
            session.console.print(verdict, style="bold", highlight=False)
    prompt = "new, undo or quit> " if session.over else "your move> "
    words = read(prompt).strip().lower().split()
    if not words:
        return True
    try:
        return _obey(session, words[0])
    except ValueError as error:
        session.console.print(str(error), style="yellow", highlight=False)
        return True


def _obey(session: Session, word: str) -> bool:
    """Carry out a command or a move; False to leave. ValueError says what is wrong with it."""
    game, console = session.game, session.console
    if word in ("quit", "exit", "q"):
        return False
    if word in ("help", "?"):
        example = game.action_name(int(np.flatnonzero(game.legal(game.reset(1))[0])[-1]))
        console.print(HELP.format(example=example), highlight=False)
    elif word == "hint":
        if session.over:
            raise ValueError("the game is over")
        session.hint()
    elif word == "undo":
        session.undo()
    elif word == "moves":
        console.print(" ".join(game.action_name(a) for a in session.actions) or "none yet", highlight=False)
    elif word == "board":
        session.shown = None
    elif word == "swap":
        session.side = 1 - session.side
        console.print(f"you are {'XO'[session.side]} now", highlight=False)
    elif word in ("new", "resign"):
        if word == "resign":
            console.print(f"{session.name} wins: you resigned", highlight=False)
        session.states, session.actions, session.shown = [game.reset(1)], [], None
    elif session.over:
        raise ValueError("the game is over: new, undo or quit")
    else:
        session.move(game.parse_action(word))
    return True


def _verdict(session: Session) -> str:
    result = float(session.game.returns(session.state)[0])
    if result == 0:
        return "a draw"
    return "you won" if (result > 0) == session.persons_turn else "you lost"
