"""Matches: paired openings, seats swapped, all games of a match side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.classic import positions
from agents.players import Player
from envs import Game, States, random_actions


class PlayedGame(NamedTuple):
    """One finished game of a match between A and B."""

    opening: int  # which of the match's openings
    a_first: bool  # A was the first player
    actions: tuple[int, ...]  # of the whole game, opening included
    score: float  # for A: 1 won, 0.5 draw, 0 lost


class Openings(NamedTuple):
    """Positions that games of a match start from."""

    states: States  # [n]
    actions: list[tuple[int, ...]]  # how each came about

    def repeated(self, count: int) -> Openings:
        """These openings over and over until there are `count`: for players who do not always play the same."""
        return Openings(np.resize(self.states, count), [self.actions[i % len(self.actions)] for i in range(count)])


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
        """Games that differ in a move or in who played which side."""
        return len({(game.a_first, game.actions) for game in self.games})


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

    RuntimeError names a player that makes an illegal move.
    """
    return gauntlet(game, a, {"B": (b, openings)}, rng, progress=progress)["B"]


def gauntlet(
    game: Game,
    a: Player,
    opponents: Mapping[str, tuple[Player, Openings]],
    rng: np.random.Generator,
    *,
    progress: Callable[[int], None] = lambda games: None,
) -> dict[str, MatchResult]:
    """A's match against every opponent, all at once: A's moves in all games are searched in one batch."""
    names = list(opponents)
    states = np.concatenate([opponents[name][1].states for name in names for _ in range(2)])
    moves = [list(actions) for name in names for _ in range(2) for actions in opponents[name][1].actions]
    rival = np.repeat(np.arange(len(names)), [2 * len(opponents[name][1].states) for name in names])
    a_first = np.concatenate([np.arange(2 * n) < n for n in (len(opponents[name][1].states) for name in names)])
    going = np.flatnonzero(~game.terminal(states))
    while len(going):
        a_turn = (states["to_play"][going] == 0) == a_first[going]
        _move(game, "A", a, states, going[a_turn], moves, rng)
        for i, name in enumerate(names):
            _move(game, name, opponents[name][0], states, going[~a_turn & (rival[going] == i)], moves, rng)
        ended = game.terminal(states[going])
        progress(int(ended.sum()))
        going = going[~ended]
    scores = (1 + _result_for_a(game, states, a_first)) / 2
    results: dict[str, MatchResult] = {}
    for i, name in enumerate(names):
        rows, openings = np.flatnonzero(rival == i), len(opponents[name][1].states)
        played = [
            PlayedGame(k % openings, bool(a_first[g]), tuple(moves[g]), float(scores[g])) for k, g in enumerate(rows)
        ]
        results[name] = MatchResult(played)
    return results


def _move(
    game: Game,
    name: str,
    player: Player,
    states: States,
    rows: NDArray[np.int64],
    moves: list[list[int]],
    rng: np.random.Generator,
) -> None:
    """Let `player` move in the games `rows`."""
    if len(rows) == 0:
        return
    actions = player(states[rows], rng)
    legal = game.legal(states[rows])[np.arange(len(rows)), actions]
    if not legal.all():
        bad = int(actions[np.argmin(legal)])
        raise RuntimeError(f"player {name} made the illegal move {game.action_name(bad)}")
    states[rows] = game.step(states[rows], actions)
    for row, action in zip(rows, actions, strict=True):
        moves[row].append(int(action))


def _result_for_a(game: Game, states: States, a_first: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[B] results of finished games for A."""
    a_to_move = (states["to_play"] == 0) == a_first
    return np.where(a_to_move, game.returns(states), -game.returns(states))
