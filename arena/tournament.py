"""Matches and tournaments that survive being killed: played from the ledger on, every finished game written at once.

What is played follows from the settings alone. A meeting's games are played in batches, side by side; a batch has fresh
players and a generator of its own, made of (seed, meeting, batch), so it comes out the same whenever it is played. When a
tournament is taken up again, meetings and batches whose games are all in the ledger are passed over, and the one that was
cut short is played again from its openings: the games it had finished come out as they stand there, the others are new.
Players that a clock or another program decides for do not repeat themselves: of theirs only the missing pairs are played.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

import envs
from agents.identity import Identity, identify
from agents.players import Player, make_player, repeatable
from arena.ledger import Ledger, LedgerGame
from arena.match import BATCH, Openings, PlayedGame, gauntlet, random_openings
from arena.schedule import Format, Meeting, default_rounds, next_round
from arena.sprt import SPRT, pair_counts
from envs import Game

PLIES = 4
SOLVER_PLIES = {"connect_four": 12}  # from where on the exact player answers at once


@dataclass(frozen=True)
class Tournament:
    """What is played. Equal settings are the same tournament."""

    game: str
    players: tuple[str, ...]  # as `make_player` takes them; a gauntlet's first meets the others, a ladder's is on top
    format: Format = "round-robin"
    rounds: int = 0  # 0: as many as the format needs
    openings: int = 25  # paired openings a meeting; twice as many games
    plies: int | None = None  # random moves an opening consists of; None: `PLIES`, and more against a slow solver
    seed: int = 0
    parallel: int = 100  # games side by side, twice `BATCH` at most where a test looks at them
    adjudicate: int | None = None  # plies after which a game is stopped
    sprt: SPRT | None = None  # a meeting ends when the test has decided, after `openings` at the latest

    def check(self) -> None:
        """ValueError where the settings make no tournament."""
        if self.parallel < 2:
            raise ValueError(
                f"a pair of games is the least to play side by side: parallel is 2 or more, not {self.parallel}"
            )
        longest = self.opening_plies(*self.players)
        if self.adjudicate is not None and self.adjudicate <= longest:
            raise ValueError(
                f"games are adjudicated after more plies than the opening's {longest}, not {self.adjudicate}"
            )
        if self.sprt:
            self.sprt.check()
        next_round(self.format, self.players, [])

    def opening_plies(self, *players: str) -> int:
        """Of the openings that `players` meet from."""
        if self.plies is not None:
            return self.plies
        return SOLVER_PLIES.get(self.game, PLIES) if "solver" in players else PLIES


class Played(NamedTuple):
    """A tournament that is over."""

    event: str  # its id in the ledger
    rounds: list[list[Meeting]]
    identities: dict[str, Identity]  # by the player's text
    games: list[LedgerGame]


class Entrants(NamedTuple):
    """The two players of a meeting and what it is called in the ledger."""

    event: str
    number: int  # of the meeting
    a: Identity
    b: Identity


def play(
    tournament: Tournament,
    ledger: Ledger,
    *,
    begin: Callable[[str, int], None] = lambda title, games: None,
    progress: Callable[[int], None] = lambda games: None,
) -> Played:
    """Play what is missing of `tournament`. `begin` hears of each meeting's title and games, `progress` of games as they end."""
    tournament.check()
    game = envs.make(tournament.game)
    identities = {spec: identify(game, spec) for spec in tournament.players}
    if tournament.format != "match":
        _check_distinct(identities)
    settings = asdict(tournament) | {"game": game.name, "identities": [identities[p].key for p in tournament.players]}
    for spec in identities:
        _close(make_player(game, spec))  # whoever cannot play is refused before the first game
    for identity in identities.values():
        ledger.enter(identity)
    event = ledger.begin(game, tournament.format, settings)
    rounds: list[list[Meeting]] = []
    number = 0
    for _ in range(tournament.rounds or default_rounds(tournament.format, len(tournament.players))):
        meetings = []
        for meeting in next_round(tournament.format, tournament.players, rounds):
            if meeting.b is not None:
                begin(f"{meeting.a} - {meeting.b}", 2 * tournament.openings)
                entrants = Entrants(event, number, identities[meeting.a], identities[meeting.b])
                meeting = meeting._replace(score=_meet(tournament, game, entrants, ledger, progress))
                number += 1
            meetings.append(meeting)
        rounds.append(meetings)
    return Played(event, rounds, identities, ledger.games(event))


def pairs(games: Sequence[LedgerGame]) -> list[tuple[float, float]]:
    """The scores of A in both games of every opening that has been played from both seats.

    A pair that is a copy of another, move for move, tells nothing new and is left out, as in `Ledger.results`.
    """
    opened: dict[tuple[int, int], dict[bool, LedgerGame]] = {}
    for g in games:
        opened.setdefault((g.meeting, g.opening), {})[g.a_first] = g
    both = [(seats[True], seats[False]) for seats in opened.values() if len(seats) == 2]
    scores = {(one.first, one.moves, other.moves, (one.score, 1 - other.score)): None for one, other in both}
    return [pair for *_, pair in scores]


def distinct(games: Sequence[LedgerGame]) -> list[LedgerGame]:
    """The games of a meeting without copies, as `Ledger.results` counts them."""
    return list({(g.a_first, g.moves, g.score): g for g in games}.values())


def _check_distinct(identities: Mapping[str, Identity]) -> None:
    """ValueError where two of the texts mean one player: a list has a player once."""
    known: dict[str, str] = {}
    for spec, identity in identities.items():
        if (other := known.setdefault(identity.key, spec)) != spec:
            raise ValueError(f"{other} and {spec} are the same player: name it once")


def _meet(
    tournament: Tournament,
    game: Game,
    entrants: Entrants,
    ledger: Ledger,
    progress: Callable[[int], None],
) -> float:
    """Play the missing games of a meeting; A's mean score. Every meeting has the same openings, if as long."""
    plies = tournament.opening_plies(entrants.a.name, entrants.b.name)
    openings = random_openings(game, tournament.openings, plies, np.random.default_rng(tournament.seed))
    openings = openings.repeated(tournament.openings)
    recorded = ledger.games(entrants.event, entrants.number)
    progress(len(recorded))
    again = repeatable(entrants.a.name) and repeatable(entrants.b.name)
    size = min(max(1, tournament.parallel // 2), BATCH if tournament.sprt else tournament.openings)
    for number, start in enumerate(range(0, tournament.openings, size)):
        if tournament.sprt and tournament.sprt.verdict(_counts(recorded, start)) != "undecided":
            break
        batch = range(start, min(start + size, tournament.openings))
        there = {(g.opening, g.a_first) for g in recorded}
        missing = [i for i in batch if not {(i, True), (i, False)} <= there]
        if missing:
            _play_batch(
                tournament, game, openings, list(batch) if again else missing, number, entrants, ledger, progress
            )
            recorded = ledger.games(entrants.event, entrants.number)
    return float(np.mean([g.score if g.a_first else 1 - g.score for g in recorded]))


def _counts(games: Sequence[LedgerGame], openings: int) -> list[int]:
    """What the test saw before it played on: the pairs of the first `openings`."""
    return pair_counts(pairs([g for g in games if g.opening < openings]))


def _play_batch(
    tournament: Tournament,
    game: Game,
    openings: Openings,
    indices: list[int],
    number: int,
    entrants: Entrants,
    ledger: Ledger,
    progress: Callable[[int], None],
) -> None:
    """Play both games of the openings `indices`, side by side, and write them down as they end."""
    event, meeting, a, b = entrants
    seed = [tournament.seed, meeting, number]
    there = {(g.opening, g.a_first) for g in ledger.games(event, meeting)}
    ended: list[LedgerGame] = []

    def keep(opponent: str, played: PlayedGame) -> None:
        opening = indices[played.opening]
        seats, seconds = (a.key, b.key), played.seconds
        if not played.a_first:
            seats, seconds = seats[::-1], seconds[::-1]
        over = LedgerGame(
            meeting=meeting,
            opening=opening,
            a_first=played.a_first,
            first=seats[0],
            second=seats[1],
            opening_plies=len(openings.actions[opening]),
            moves=played.actions,
            score=played.score if played.a_first else 1 - played.score,
            reason=played.reason,
            detail=played.detail,
            first_seconds=seconds[0],
            second_seconds=seconds[1],
            seed=" ".join(map(str, seed)),
        )
        ended.append(over)

    def write(count: int) -> None:
        if count:
            ledger.add(event, ended)
            progress(sum((g.opening, g.a_first) not in there for g in ended))
            ended.clear()

    chosen = Openings(openings.states[indices], [openings.actions[i] for i in indices])
    with contextlib.ExitStack() as stack:
        rng = np.random.default_rng(seed)
        one, other = (make_player(game, player.name, seed=int(rng.integers(2**31))) for player in (a, b))
        stack.callback(_close, one)
        stack.callback(_close, other)
        gauntlet(
            game, one, {"B": (other, chosen)}, rng, progress=write, finished=keep, adjudicate=tournament.adjudicate
        )


def _close(player: Player) -> None:
    """End what a player holds open: another program has a `close`."""
    getattr(player, "close", lambda: None)()
