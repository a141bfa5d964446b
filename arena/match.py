"""Matches: paired openings, seats swapped, all games of a match side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.classic import positions
from agents.players import Forfeit, LossReason, Player
from envs import Game, States, TerritoryGame, random_actions

BATCH = 16  # openings between two looks at a match that may end early

Reason = LossReason | Literal["normal", "adjudication"]  # what ended a game


class PlayedGame(NamedTuple):
    """One finished game of a match between A and B."""

    opening: int  # which of the match's openings
    a_first: bool  # A was the first player
    actions: tuple[int, ...]  # of the whole game, opening included
    score: float  # for A: 1 won, 0.5 draw, 0 lost
    reason: Reason = "normal"
    detail: str = ""  # more about the reason, one line
    seconds: tuple[float, float] = (0.0, 0.0)  # that A and B thought; games side by side share a move's time evenly


class Openings(NamedTuple):
    """Positions that games of a match start from."""

    states: States  # [n]
    actions: list[tuple[int, ...]]  # how each came about

    def repeated(self, count: int) -> Openings:
        """These openings over and over until there are `count`: for players who do not always play the same."""
        return Openings(np.resize(self.states, count), [self.actions[i % len(self.actions)] for i in range(count)])

    def part(self, which: range) -> Openings:
        """Those of these numbers."""
        return Openings(self.states[which.start : which.stop], self.actions[which.start : which.stop])


class MatchResult(NamedTuple):
    """All games of a match between A and B."""

    games: list[PlayedGame]

    @property
    def score(self) -> float:
        """Mean score of A."""
        return float(np.mean([game.score for game in self.games]))

    @property
    def wins(self) -> int:
        return sum(game.score == 1 for game in self.games)

    @property
    def draws(self) -> int:
        return sum(game.score == 0.5 for game in self.games)

    @property
    def losses(self) -> int:
        return sum(game.score == 0 for game in self.games)

    @property
    def distinct(self) -> int:
        """How many games are no copies of another."""
        return len(self.without_copies().games)

    def without_copies(self) -> MatchResult:
        """The games that differ in a move, in who played which side or in the result: a copy tells nothing new."""
        return MatchResult(list({(game.a_first, game.actions, game.score): game for game in self.games}.values()))


def random_openings(game: Game, count: int, plies: int, rng: np.random.Generator) -> Openings:
    """Up to `count` distinct unfinished positions after `plies` uniformly random moves.

    Fewer when the game has no more of them; the start position alone for 0 plies.
    """
    found: dict[bytes, tuple[np.void, tuple[int, ...]]] = {}
    for _ in range(8):  # draws of 2 * count: enough for every distinct opening when there are few
        states = game.reset(2 * count)
        moves = np.zeros((2 * count, plies), np.int64)
        for ply in range(plies):
            moves[:, ply] = random_actions(game.legal(states), rng)
            states = game.step(states, moves[:, ply])
        for i in np.flatnonzero(~game.terminal(states)):
            found.setdefault(positions(states[[i]]).tobytes(), (states[i].copy(), tuple(moves[i].tolist())))
        if len(found) >= count:
            break
    if not found:
        raise ValueError(f"{game.name} has no unfinished position after {plies} random moves: use fewer")
    chosen = list(found.values())[:count]
    return Openings(np.array([state for state, _ in chosen], game.dtype), [actions for _, actions in chosen])


def play_match(
    game: Game,
    a: Player,
    b: Player,
    openings: Openings,
    rng: np.random.Generator,
    *,
    progress: Callable[[int], None] = lambda games: None,
) -> MatchResult:
    """Two games from every opening, A first in one and second in the other. `progress` hears of games as they finish.

    A player that raises `Forfeit` loses the games it names. RuntimeError names a player that makes an illegal move.
    """
    return gauntlet(game, a, {"B": (b, openings)}, rng, progress=progress)["B"]


def gauntlet(
    game: Game,
    a: Player,
    opponents: Mapping[str, tuple[Player, Openings]],
    rng: np.random.Generator,
    *,
    progress: Callable[[int], None] = lambda games: None,
    finished: Callable[[str, PlayedGame], None] = lambda opponent, played: None,
    adjudicate: int | None = None,
) -> dict[str, MatchResult]:
    """A's match against every opponent, all at once: A's moves in all games are searched in one batch.

    `finished` is given every game as it ends, after the opponent's name. A game that is not over after `adjudicate` plies
    ends there: won by who is ahead on the board in a game of points (Go), a draw in any other.
    """
    games = _Games(game, {name: openings for name, (_, openings) in opponents.items()}, finished)
    while len(games.going):
        before = len(games.played)
        a_turn = games.a_to_move(games.going)
        a_rows, other_rows = games.going[a_turn], games.going[~a_turn]
        games.move("A", a, a_rows, rng)
        for i, (name, (player, _)) in enumerate(opponents.items()):
            games.move(name, player, other_rows[games.rival[other_rows] == i], rng)
        games.settle(adjudicate)
        progress(len(games.played) - before)
    return {name: MatchResult(games.of(i)) for i, name in enumerate(opponents)}


class _Games:
    """The games of a gauntlet while they are played, one a row: B rows."""

    def __init__(
        self, game: Game, openings: Mapping[str, Openings], finished: Callable[[str, PlayedGame], None]
    ) -> None:
        self.game, self.finished, self.names = game, finished, list(openings)
        starts = list(openings.values())
        counts = [len(start.states) for start in starts]
        self.states = np.concatenate([start.states for start in starts for _ in range(2)])  # [B]
        self.moves = [list(actions) for start in starts for _ in range(2) for actions in start.actions]
        self.opening = np.concatenate([np.tile(np.arange(n), 2) for n in counts])  # [B]
        self.rival = np.repeat(np.arange(len(counts)), [2 * n for n in counts])  # [B]
        self.a_first = np.concatenate([np.arange(2 * n) < n for n in counts])  # [B]
        self.seconds = np.zeros((len(self.states), 2))  # of A and of its opponent
        self.played: dict[int, PlayedGame] = {}
        self.going = np.arange(len(self.states))
        self.settle(None)

    def a_to_move(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((self.states["to_play"][rows] == 0) == self.a_first[rows])

    def move(self, name: str, player: Player, rows: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Let `player` move in the games `rows`."""
        if len(rows) == 0:
            return
        start = time.perf_counter()
        lost: dict[int, tuple[Reason, str]] = {}
        try:
            actions = player(self.states[rows], rng)
        except Forfeit as forfeit:
            actions = forfeit.actions
            lost = {int(rows[i]): (loss.reason, loss.detail) for i, loss in forfeit.losses.items()}
        is_a = self.a_to_move(rows[:1])[0]
        self.seconds[rows, 0 if is_a else 1] += (time.perf_counter() - start) / len(rows)
        for row, (reason, detail) in lost.items():
            self._end(row, 0.0 if is_a else 1.0, reason, detail)
        on = ~np.isin(rows, list(lost))
        rows, actions = rows[on], actions[on]
        legal = self.game.legal(self.states[rows])[np.arange(len(rows)), actions]
        if not legal.all():
            bad = int(actions[np.argmin(legal)])
            raise RuntimeError(f"player {name} made the illegal move {self.game.action_name(bad)}")
        self.states[rows] = self.game.step(self.states[rows], actions)
        for row, action in zip(rows, actions, strict=True):
            self.moves[row].append(int(action))

    def settle(self, adjudicate: int | None) -> None:
        """End the games that are over, or `adjudicate` plies long."""
        going = self.going[~np.isin(self.going, list(self.played))]
        over = self.game.terminal(self.states[going])
        ended = going[over]
        for row, score in zip(ended, self._scores(ended, self.game.returns(self.states[ended])), strict=True):
            self._end(int(row), float(score), "normal")
        going = going[~over]
        if adjudicate is not None and len(going):
            over = self.states["ply"][going] >= adjudicate
            ended = going[over]
            for row, score in zip(ended, self._scores(ended, self._standing(ended)), strict=True):
                self._end(int(row), float(score), "adjudication", f"after {adjudicate} plies")
            going = going[~over]
        self.going = going

    def of(self, rival: int) -> list[PlayedGame]:
        """The finished games against one opponent."""
        return [self.played[int(row)] for row in np.flatnonzero(self.rival == rival)]

    def _standing(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """[len(rows)] for the side to move: ahead on points 1, behind -1; 0 where the game has no points."""
        if not isinstance(self.game, TerritoryGame):
            return np.zeros(len(rows), np.float32)
        states = self.states[rows]
        return np.asarray(np.sign(self.game.score(states)) * (1 - 2 * states["to_play"]), np.float32)

    def _scores(self, rows: NDArray[np.int64], results: NDArray[np.float32]) -> NDArray[np.float32]:
        """[len(rows)] scores for A from `results` for the side to move."""
        return np.asarray((1 + np.where(self.a_to_move(rows), results, -results)) / 2)

    def _end(self, row: int, score: float, reason: Reason, detail: str = "") -> None:
        self.played[row] = PlayedGame(
            opening=int(self.opening[row]),
            a_first=bool(self.a_first[row]),
            actions=tuple(self.moves[row]),
            score=score,
            reason=reason,
            detail=detail,
            seconds=(float(self.seconds[row, 0]), float(self.seconds[row, 1])),
        )
        self.finished(self.names[self.rival[row]], self.played[row])
