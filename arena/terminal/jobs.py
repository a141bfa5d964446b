"""What the thinking thread is asked: to get ready, to choose a move, to analyse, to give a hint.

Each function makes a job of the position as it is now; nothing here changes the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from agents.players import Player, SearchPlayer, looker, make_player
from agents.pondering import ponder
from arena.clock import Clocks
from arena.look import View, deepening, report
from arena.review import Review, searches
from arena.table import PERSON, Seat, Table, choose, gives_up, hint_player, sit
from arena.terminal.pointing import legal_moves
from arena.terminal.territory import Outlook, outlook_of
from arena.terminal.thinker import Job
from envs import Game

ANALYSIS_NODES = 20_000  # an analysis stops growing there ...
ANALYSIS_EDGES = 2_000_000  # ... or there, where a position has many moves: 24 bytes each
PONDER = 60.0  # seconds that a player thinks ahead at most: a window may be left open for hours
REPORTS = 0.4  # seconds between two looks at an analysis


class Prepared(NamedTuple):
    """The players are there and the kernels compiled."""

    table: Table
    looker: SearchPlayer  # of hints and analyses
    outlook: Outlook | None  # of ownership and score


class Seen(NamedTuple):
    """What an analysis sees so far."""

    view: View


class Hint(NamedTuple):
    """What a search was asked for once."""

    view: View


class Invited(NamedTuple):
    """A player is ready to sit down."""

    seat: Seat
    resigns: bool  # as far as it was asked to


class Reviewed(NamedTuple):
    """What was found out about a position of a game that is reviewed."""

    ply: int
    view: View
    score: float | None  # points that the first side is ahead by, where a network knows


def prepare(
    game: Game, names: tuple[str, str], rng: np.random.Generator, clock: Clocks, resign: float | None = None
) -> Job:
    """Seat the players and run everything once, so that it is compiled: `Prepared`."""

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        table = sit(game, names, rng, clock, resign)
        hints = hint_player(game, table.seats, seed=0)
        game.show(table.state[0])
        legal_moves(game, table.state)
        for player in (hints, *(seat.player for seat in table.seats)):
            _compile(game, player, rng)
        yield Prepared(table, hints, outlook_of(game, names))

    return job


def _compile(game: Game, player: Player | None, rng: np.random.Generator) -> None:
    """Let a player that searches do its first step, so that its first move does not wait for the compiler."""
    if player is not None and (mind := looker(player)) is not None:
        report(mind.search(game.reset(1)[0], rng, stop=lambda: True))


def invite(game: Game, spec: str, rng: np.random.Generator, resign: float | None) -> Job:
    """Make the player `spec`, PERSON for people, who is to `resign` where it can: `Invited`."""

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        player = None if spec == PERSON else make_player(game, spec, seed=int(rng.integers(2**32)))
        _compile(game, player, rng)
        yield Invited(Seat(spec, player), resign is None or player is None or gives_up(player, resign))

    return job


def think(table: Table, rng: np.random.Generator, *, pause: float) -> Job:
    """The move of the agent whose turn it is, after `pause` seconds at the soonest and before its time is up: `Thought`."""
    state, player, late = table.state, table.seat.player, table.clock.deadline(table.to_play)

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        start = time.monotonic()
        assert player is not None
        thought = choose(player, state, rng, lambda: stop() or late())
        while time.monotonic() - start < pause and not stop() and not late():
            time.sleep(0.02)
        yield thought

    return job


def think_ahead(table: Table, player: SearchPlayer, rng: np.random.Generator) -> Job:
    """Let `player` use the time of the person whose turn it is, for a while; there is nothing to tell."""
    state = table.state

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        until = time.monotonic() + PONDER
        ponder(player, state[0], rng, lambda: stop() or time.monotonic() > until)
        yield from ()

    return job


def analyse(table: Table, player: SearchPlayer, rng: np.random.Generator) -> Job:
    """An open-ended look at the position: `Seen`, again and again."""
    state, nodes = table.state, max(100, min(ANALYSIS_NODES, ANALYSIS_EDGES // table.game.num_actions))

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        for search in deepening(player, state, rng, nodes=nodes, interval=REPORTS, stop=stop):
            yield Seen(report(search))

    return job


def hint(table: Table, player: SearchPlayer, rng: np.random.Generator) -> Job:
    """One search of the position: `Hint`."""
    state = table.state

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        yield Hint(report(player.search(state[0], rng, stop=stop)))

    return job


def review(game: Review, player: SearchPlayer, outlook: Outlook | None, rng: np.random.Generator) -> Job:
    """Search every position of a game that is not known yet: `Reviewed`, again and again."""

    def job(stop: Callable[[], bool]) -> Iterator[object]:
        for ply, view in searches(game, player, rng, stop):
            yield Reviewed(ply, view, outlook(game.states[ply]).score if outlook else None)

    return job
