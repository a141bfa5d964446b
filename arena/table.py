"""A game at one table: who sits where, the moves so far, what was taken back. Nothing here knows how it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agents.players import Player, SearchPlayer, looker, make_player
from arena.look import View, report, searcher
from envs import Game, States, records
from envs.game import PositionalNotation
from envs.records import GameRecord

PERSON = "human"
SIDES = ("first", "second", "random", "both", "watch")


class Seat(NamedTuple):
    """Who plays a side."""

    name: str  # as `make_player` takes it, or PERSON
    player: Player | None  # None: a person


class Thought(NamedTuple):
    """A move that a player has chosen, and what it saw if it searches."""

    action: int
    view: View | None


class Table:
    """A game under way. Sides are 0, which moves first, and 1."""

    def __init__(self, game: Game, seats: tuple[Seat, Seat]) -> None:
        self.game, self.seats = game, seats
        self.new()

    def new(self) -> None:
        """Start again."""
        self.states: list[States] = [self.game.reset(1)]  # [1] each, the newest last
        self.actions: list[int] = []
        self.undone: list[int] = []  # taken back, the next to redo last
        self.resigned: int | None = None  # the side that gave up
        self.values: dict[int, float] = {}  # ply -> what a search said of the position, for the first side, in [-1, 1]
        self.seconds = [0.0, 0.0]  # each side has thought

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
        return self.resigned is not None or bool(self.game.terminal(self.state)[0])

    @property
    def winner(self) -> int | None:
        """The side that has won; None in a draw and while the game goes on."""
        if self.resigned is not None:
            return 1 - self.resigned
        result = float(self.game.returns(self.state)[0])
        return None if result == 0 else self.to_play if result > 0 else 1 - self.to_play

    def play(self, action: int) -> None:
        """Play `action`; ValueError where it is not legal or the game is over."""
        if self.over:
            raise ValueError("the game is over")
        if not self.game.legal(self.state)[0, action]:
            raise ValueError(f"{self.game.action_name(action)} is not possible here")
        self._step(action)
        self.undone = []
        self.values = {ply: value for ply, value in self.values.items() if ply < len(self.actions)}

    def undo(self) -> None:
        """Back to a person's previous turn, or by one move where nobody plays; ValueError if there is none.

        A resignation is taken back with the moves before it.
        """
        at = len(self.actions) - 1
        while self.persons and at >= 0 and int(self.states[at]["to_play"][0]) not in self.persons:
            at -= 1
        if at < 0 and self.resigned is None:
            raise ValueError("there is nothing to take back")
        at = max(at, 0)
        self.undone += reversed(self.actions[at:])
        del self.states[at + 1 :], self.actions[at:]
        self.resigned = None

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
        self.resigned = self.to_play if self.to_play in self.persons else min(self.persons)

    def judge(self, view: View) -> None:
        """Keep what a search of the position now says of it."""
        self.values[len(self.actions)] = view.value if self.to_play == 0 else -view.value

    def record(self) -> GameRecord:
        """The game so far, as files keep it."""
        result = None
        if self.over:
            result = 0.0 if self.winner is None else float(1 - 2 * self.winner)
        first, second = ("you" if seat.player is None else seat.name for seat in self.seats)
        return GameRecord(
            game=self.game.name,
            actions=tuple(self.actions),
            result=result,
            players=(first, second),
            headers={"date": time.strftime("%Y-%m-%d")},
            to_play=int(self.states[0]["to_play"][0]),
        )

    def load(self, record: GameRecord) -> None:
        """Go on with the game in `record`; ValueError where it begins otherwise or holds an illegal move."""
        line = records.replay(record, self.game)
        if not np.array_equal(line[:1], self.game.reset(1)):
            raise ValueError(f"{record.source} does not begin as the game does here")
        self.new()
        self.states += [line[ply : ply + 1] for ply in range(1, len(line))]
        self.actions += record.actions

    def _step(self, action: int) -> None:
        self.states.append(self.game.step(self.state, np.array([action])))
        self.actions.append(action)


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


def sit(game: Game, names: tuple[str, str], rng: np.random.Generator) -> Table:
    """A table with these players, PERSON for people. ValueError for an unknown player."""
    made: dict[str, Player | None] = {PERSON: None}
    for name in names:
        if name not in made:
            made[name] = make_player(game, name, seed=int(rng.integers(2**32)))
    return Table(game, (Seat(names[0], made[names[0]]), Seat(names[1], made[names[1]])))


def choose(player: Player, state: States, rng: np.random.Generator, stop: Callable[[], bool] | None = None) -> Thought:
    """The move of `player` in the position `state` [1].

    A search ends early once `stop` says so; others cannot be interrupted.
    """
    if isinstance(player, SearchPlayer):
        seen = report(player.search(state[0], rng, stop=stop))
        return Thought(seen.candidates[0].action, seen)
    return Thought(int(player(state, rng)[0]), None)


def hint_player(game: Game, seats: tuple[Seat, Seat], seed: int) -> SearchPlayer:
    """Who looks at a position for people: a player at the table that searches, else a rollout search."""
    for _, player in seats:
        if player is not None and (found := looker(player)):
            return found
    return searcher(game, "mcts:1000", seed)
