"""Matches: paired openings, seats swapped, all games of a match side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.players import Player
from envs import Game, States, random_actions


class PlayedGame(NamedTuple):
    """One finished game of a match between A and B."""

    opening: int  # which of the match's openings
    a_first: bool  # A was the first player
    actions: tuple[int, ...]  # of the whole game, opening included
    score: float  # for A: 1 won, 0.5 draw, 0 lost


class Openings(NamedTuple):
    """Distinct positions that games of a match start from."""

    states: States  # [n]
    actions: list[tuple[int, ...]]  # how each came about


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
            found.setdefault(game.board(states[[i]]).tobytes(), (states[i].copy(), tuple(moves[i].tolist())))
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
    n = len(openings.states)
    states = np.concatenate([openings.states, openings.states])
    a_first = np.arange(2 * n) < n
    moves = [list(openings.actions[i % n]) for i in range(2 * n)]
    open_games = np.flatnonzero(~game.terminal(states))
    while len(open_games):
        a_turn = (states["to_play"][open_games] == 0) == a_first[open_games]
        for name, player, rows in (("A", a, open_games[a_turn]), ("B", b, open_games[~a_turn])):
            if len(rows):
                _move(game, name, player, states, rows, moves, rng)
        ended = game.terminal(states[open_games])
        progress(int(ended.sum()))
        open_games = open_games[~ended]
    scores = (1 + _result_for_a(game, states, a_first)) / 2
    return MatchResult(
        [PlayedGame(i % n, bool(a_first[i]), tuple(moves[i]), float(scores[i])) for i in range(2 * n)]
    )


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
