"""A game at one table: who sits where, the moves so far, the clocks, what was taken back; saved to files and loaded.

Nothing here knows how it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.players import (
    Loss,
    LossReason,
    Player,
    SearchPlayer,
    has_champion,
    looker,
    make_player,
    move_in_time,
    resigner,
    resigning,
    unless_lost,
)
from arena.clock import Clocks, TimeControl
from arena.look import View, report, searcher
from envs import Game, States, records
from envs.game import PositionalNotation, move_name
from envs.go import Go
from envs.hex import Hex
from envs.mnk import MNK
from envs.othello import Othello
from envs.records import GameRecord, Skipped

PERSON = "human"
SIDES = ("first", "second", "random", "both", "watch")


class Options(NamedTuple):
    """How a game is played and shown."""

    control: TimeControl | None = None  # None: the clocks only count
    record: Path | None = None  # a game to go on with
    review: bool = False  # it is looked at instead
    resign: float | None = None  # agents give up what is worth less to them than minus this; None: nothing
    ponder: bool = False  # an agent that searches thinks on a person's time too
    dark: bool = True
    pause: float = 0.7  # seconds that a move takes at least where agents play each other


class Seat(NamedTuple):
    """Who plays a side."""

    name: str  # as `make_player` takes it, or PERSON
    player: Player | None  # None: a person


class Thought(NamedTuple):
    """A move that a player has chosen, and what it saw if it searches."""

    action: int
    view: View | None


class Lost(NamedTuple):
    """A game that was lost other than on the board."""

    side: int
    reason: LossReason
    detail: str = ""  # what a program said or did

    @property
    def how(self) -> str:
        """How the other side won."""
        return {
            "resignation": "by resignation",
            "time": "on time",
            "illegal move": "by an illegal move of the other side",
            "crash": "since the other side's program stopped",
        }[self.reason]


class Table:
    """A game under way. Sides are 0, which moves first, and 1."""

    def __init__(self, game: Game, seats: tuple[Seat, Seat], clock: Clocks | None = None) -> None:
        self.game, self.seats = game, seats
        self.clock = clock or Clocks()
        self._set = self.clock.keep()  # the clocks before a game
        self.new()

    def new(self) -> None:
        """Start again."""
        self.states: list[States] = [self.game.reset(1)]  # [1] each, the newest last
        self.actions: list[int] = []
        self.names: list[str] = []  # of the moves, as players write them
        self.undone: list[int] = []  # taken back, the next to redo last
        self.lost: Lost | None = None  # who gave up, or whose time is up
        self.values: dict[int, float] = {}  # ply -> what a search said of the position, for the first side, in [-1, 1]
        self.players: tuple[str, str] | None = None  # of a game that was loaded, as the file has them
        self.setup: tuple[tuple[int, int], ...] = ()  # (player, point): stones that a loaded game began with
        self.clock.restore(self._set)
        self._clocks = [self._set]  # as they stood in each of `states`

    @property
    def state(self) -> States:
        """[1] the position now."""
        return self.states[-1]

    @property
    def to_play(self) -> int:
        return int(self.state["to_play"][0])

    @property
    def seat(self) -> Seat:
        """Whose turn it is."""
        return self.seats[self.to_play]

    @property
    def persons(self) -> frozenset[int]:
        """The sides that people play."""
        return frozenset(side for side in (0, 1) if self.seats[side].player is None)

    @property
    def side_names(self) -> tuple[str, str]:
        """What the players are called: X and O; White and Black in chess."""
        return self.game.sides if isinstance(self.game, PositionalNotation) else ("X", "O")

    @property
    def over(self) -> bool:
        return self.lost is not None or bool(self.game.terminal(self.state)[0])

    @property
    def winner(self) -> int | None:
        """The side that has won; None in a draw and while the game goes on."""
        if self.lost is not None:
            return 1 - self.lost.side
        result = float(self.game.returns(self.state)[0])
        return None if result == 0 else self.to_play if result > 0 else 1 - self.to_play

    def play(self, action: int) -> None:
        """Play `action`; where the time is up the game is lost instead. ValueError where it is not legal or the game is over."""
        if self.over:
            raise ValueError("the game is over")
        if not 0 <= action < self.game.num_actions or not self.game.legal(self.state)[0, action]:
            raise ValueError(f"{self._name(action)} is not possible here")
        if self.out_of_time():
            return
        self.clock.moved(self.to_play)
        self.players = None
        self._step(action)
        self.undone = []
        self.values = {ply: value for ply, value in self.values.items() if ply < len(self.actions)}

    def undo(self) -> None:
        """Back to a person's previous turn, or by one move where nobody plays; ValueError if there is none.

        A resignation, or a flag that fell, is taken back with the moves before it; the clocks go back too.
        """
        at = len(self.actions) - 1
        while self.persons and at >= 0 and int(self.states[at]["to_play"][0]) not in self.persons:
            at -= 1
        if at < 0 and self.lost is None:
            raise ValueError("there is nothing to take back")
        self.rewind(max(at, 0))

    def rewind(self, ply: int) -> None:
        """Back to the position after `ply` moves, whoever made the others."""
        self.undone += reversed(self.actions[ply:])
        del self.states[ply + 1 :], self.actions[ply:], self.names[ply:], self._clocks[ply + 1 :]
        self.clock.restore(self._clocks[ply])
        self.lost = None

    def redo(self) -> None:
        """Forward to a person's next turn, or by one move where nobody plays; ValueError if nothing was taken back."""
        if not self.undone:
            raise ValueError("there is nothing to play again")
        self._step(self.undone.pop())
        while self.undone and self.persons and self.to_play not in self.persons:
            self._step(self.undone.pop())

    def swap(self) -> None:
        """The players change sides; ValueError where two people share the board or nobody plays."""
        if len(self.persons) != 1:
            raise ValueError("there is nobody to change sides with")
        self.seats = self.seats[1], self.seats[0]

    def resign(self) -> None:
        """The person gives up: the one to move where both sides are people's."""
        if self.over:
            raise ValueError("the game is over")
        if not self.persons:
            raise ValueError("nobody is here to resign")
        self._give_up(self.to_play if self.to_play in self.persons else min(self.persons), "resignation")

    def forfeit(self, loss: Loss) -> None:
        """The player whose turn it is has lost, for this reason: it resigned or failed (`agents.players.Forfeit`)."""
        self._give_up(self.to_play, loss.reason, loss.detail)

    def out_of_time(self) -> bool:
        """Look at the clock: True, and the game is lost, where the time of the side to move is up."""
        self.clock.charge()
        if not self.over and self.clock.out(self.to_play):
            self._give_up(self.to_play, "time")
        return self.lost is not None and self.lost.reason == "time"

    def invite(self, opponent: Seat) -> None:
        """`opponent` takes the place of the player whom a person meets; where two people play, of the second.

        ValueError where nobody plays.
        """
        if not self.persons:
            raise ValueError("two players are being watched here")
        side = 1 if len(self.persons) == 2 else 1 - min(self.persons)
        self.seats = (self.seats[0], opponent) if side == 1 else (opponent, self.seats[1])

    def judge(self, view: View) -> None:
        """Keep what a search of the position now says of it."""
        self.values[len(self.actions)] = view.value if self.to_play == 0 else -view.value

    def record(self) -> GameRecord:
        """The game so far, as files keep it."""
        result, headers = None, {"date": time.strftime("%Y-%m-%d")}
        if self.over:
            result = 0.0 if self.winner is None else float(1 - 2 * self.winner)
        if self.lost is not None:
            word = {"resignation": "Resign", "time": "Time"}.get(self.lost.reason, "Forfeit")  # SGF's
            headers["result"] = f"{'WB'[self.lost.side]}+{word}"
        first, second = self.players or ("you" if seat.player is None else seat.name for seat in self.seats)
        return GameRecord(
            game=self.game.name,
            actions=tuple(self.actions),
            result=result,
            players=(first, second),
            headers=headers,
            setup=self.setup,
            to_play=int(self.states[0]["to_play"][0]),
        )

    def save(self, path: Path) -> None:
        """Write the game so far to the new file `path`, as its suffix says; ValueError where that cannot be."""
        if path.exists():
            raise ValueError(f"there is a file {path} already: choose another name")
        try:
            records.write(path, [self.record()])
        except OSError as error:
            raise ValueError(f"the game is not saved: {path}: {error.strerror or error}") from None

    def open(self, path: Path) -> GameRecord:
        """Go on with the first game in `path`, under the rules of this one; ValueError where it cannot be played here."""
        record = next(records.read(path, self.game.name), None)
        if record is None:
            raise ValueError(f"{path} holds no game")
        if isinstance(record, Skipped):
            raise ValueError(f"{record.source}: {record.reason} {record.detail}".rstrip())
        self.load(record)
        return record

    def load(self, record: GameRecord) -> None:
        """Go on with the game in `record`, from the stones that it begins with; ValueError where a move is illegal here."""
        line = records.replay(record, self.game)
        self.new()
        self.states, self.setup = [line[:1]], record.setup
        for ply, action in enumerate(record.actions, 1):
            self._append(line[ply : ply + 1], action)
        if any(record.players):
            self.players = record.players

    def _give_up(self, side: int, reason: LossReason, detail: str = "") -> None:
        self.clock.run(None)
        self.lost = Lost(side, reason, detail)

    def _name(self, action: int) -> str:
        try:
            return move_name(self.game, self.state[0], action)
        except (ValueError, IndexError):  # no move that this position has a name for
            return f"action {action}"

    def _step(self, action: int) -> None:
        self._append(self.game.step(self.state, np.array([action])), action)

    def _append(self, state: States, action: int) -> None:
        self.names.append(move_name(self.game, self.state[0], action))
        self.states.append(state)
        self.actions.append(action)
        self._clocks.append(self.clock.keep())


def rules_of(path: Path, game: Game) -> Game:
    """What the first game in `path` was played by, komi and all, on the board of `game`; `game` where there is none to read,
    which `Table.open` will tell.
    """
    try:
        record = next(records.read(path, game.name), None)
    except ValueError:
        return game
    return records.make_game(record.game) if isinstance(record, GameRecord) else game


def played_otherwise(record: GameRecord, game: Game) -> str:
    """A remark where `record` was played by other rules than those of `game`; empty where it was not."""
    return "" if record.game == game.name else f" It was played as {record.game}, here it is {game.name}."


def seat_names(opponent: str, side: str, rng: np.random.Generator) -> tuple[str, str]:
    """Who plays first and second when a person sits down at `side` (see SIDES) against `opponent`."""
    drawn = SIDES[int(rng.integers(2))]
    if side not in SIDES:
        raise ValueError(f"--side is first, second, random, both or watch, not '{side}'")
    if side == "both" or opponent == PERSON:
        return PERSON, PERSON
    if side == "watch":
        return opponent, opponent
    return (PERSON, opponent) if (drawn if side == "random" else side) == "first" else (opponent, PERSON)


def sit(
    game: Game,
    names: tuple[str, str],
    rng: np.random.Generator,
    clock: Clocks | None = None,
    resign: float | None = None,
) -> Table:
    """A table with these players, PERSON for people; `resign` as in `Options`.

    ValueError for an unknown player, and where there is to be resigned by one that does not search, or by nobody.
    """
    if resign is not None and names == (PERSON, PERSON):
        raise ValueError("--resign is for agents, and there is none at this table: people resign when they want to")
    made: dict[str, Player | None] = {PERSON: None}
    for name in names:
        if name not in made:
            made[name] = player = make_player(game, name, seed=int(rng.integers(2**32)))
            if resign is not None and not gives_up(player, resign):
                raise ValueError(
                    f"{name} cannot resign: --resign is for players that search, such as mcts:1000, champion or an agent file"
                )
    return Table(game, (Seat(names[0], made[names[0]]), Seat(names[1], made[names[1]])), clock)


def gives_up(player: Player, resign: float) -> bool:
    """Tell `player` to give up what it takes for lost (`agents.players.resigning`); False where it has no opinion."""
    if resigner(player) is None:
        return False
    resigning(player, resign)
    return True


def choose(
    player: Player, state: States, rng: np.random.Generator, stop: Callable[[], bool] = lambda: False
) -> Thought:
    """The move of `player` in the position `state` [1].

    Our own players end early once `stop` says so, with what they have; others cannot be interrupted. `Forfeit` where it gives up
    or cannot go on.
    """
    if isinstance(player, SearchPlayer):
        seen = report(player.search(state[0], rng, stop=stop))
        best = seen.candidates[0]
        unless_lost(np.array([best.action]), np.array([best.value]), player.resign)
        return Thought(best.action, seen)
    return Thought(move_in_time(player, state[0], rng, stop), None)


def hint_player(game: Game, seats: tuple[Seat, Seat], seed: int) -> SearchPlayer:
    """Who looks at a position for people: a player at the table that searches, else the champion, else a rollout search.

    A level, or a clumsy player, is weak on purpose: what it would do is no advice.
    """
    for name, player in seats:
        if player is not None and not name.startswith(("level:", "clumsy:")) and (found := looker(player)):
            return found
    return searcher(game, "champion" if has_champion(game) else "mcts:1000", seed)


def file_suffix(game: Game) -> str:
    """The suffix of the format that the world keeps records of `game` in."""
    if isinstance(game, PositionalNotation):
        return ".pgn"
    known = isinstance(game, Go | Othello | Hex) or (isinstance(game, MNK) and game.k == 5)
    return ".sgf" if known else ".moves"


def new_file(game: Game, folder: Path) -> Path:
    """A name for a record of `game` that no file in `folder` has."""
    stem = f"{game.name.partition(':')[0]}-{time.strftime('%Y-%m-%d')}"
    endings = ("", *(f"-{number}" for number in range(2, 1000)))
    paths = (folder / f"{stem}{ending}{file_suffix(game)}" for ending in endings)
    return next((path for path in paths if not path.exists()), folder / "")
