"""Players from before neural networks, for every game: random, greedy, alpha-beta and, where a game is tiny, perfect.

They know a game through its contract alone, batch first: the search below expands a whole level of the tree with one
call of `step`, and looks at all leaves with one call of `heuristic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from agents.players import Forfeit, Player, looker, move_in_time
from envs import Game, States, random_actions


def random_player(game: Game) -> Player:
    """Plays uniformly among the legal actions."""
    return lambda states, rng: random_actions(game.legal(states), rng)


def best_actions(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """[B, A], True at the greatest of each row of `values` [B, A], where the illegal ones are below all others."""
    return np.asarray(values == values.max(axis=1, keepdims=True))


def action_values(game: Game, states: States, depth: int) -> NDArray[np.float64]:
    """[B, A] minimax values `depth` >= 1 plies deep, for the side to move; -inf where illegal.

    At the horizon stands `game.heuristic`, in (-1, 1). A game that ends on the way counts its result times one more
    than the plies left to the horizon: any win beats any estimate, sooner wins and later losses are better.
    """
    rows, actions = np.nonzero(game.legal(states))
    values = np.full((len(states), game.num_actions), -np.inf)
    if len(rows):
        values[rows, actions] = -_values(game, game.step(states[rows], actions), depth - 1)
    return values


def _values(game: Game, states: States, depth: int) -> NDArray[np.float64]:
    """[B] minimax values, on the scale of `action_values`."""
    ended = game.terminal(states)
    values = np.where(ended, (1 + depth) * game.returns(states), 0).astype(np.float64)
    going = np.flatnonzero(~ended)
    if depth == 0:
        values[going] = game.heuristic(states[going])
    elif len(going):
        values[going] = action_values(game, states[going], depth).max(axis=1)
    return values


@dataclass(frozen=True)
class Greedy:
    """Plays to the position that looks worst for the other side, uniformly among equals."""

    game: Game

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return random_actions(best_actions(action_values(self.game, states, depth=1)), rng)


@dataclass(frozen=True)
class AlphaBeta:
    """Plays uniformly among the actions with the greatest minimax value `depth` plies deep (Knuth and Moore 1975).

    Cuts are made down to the last two plies, which are searched as one batch: there a numpy call costs more than the
    nodes that a cut would save.
    """

    game: Game
    depth: int

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return random_actions(self.best(states), rng)

    def move(self, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
        """The move in one position: deeper and deeper, the deepest search that was finished when `stop` says so."""
        states = np.array([state], self.game.dtype)
        best = best_actions(action_values(self.game, states, 1))
        try:
            for depth in range(2, self.depth + 1):
                best = best_actions(self._bounded_values(states, depth, stop)[None])
        except _StoppedError:
            pass  # what the search before has found stands
        return int(random_actions(best, rng)[0])

    def best(self, states: States) -> NDArray[np.bool_]:
        """[B, A], True at every action with the greatest minimax value, as `action_values` defines it."""
        values = np.empty((len(states), self.game.num_actions))
        for i in range(len(states)):
            values[i] = self._bounded_values(states[i : i + 1], self.depth, lambda: False)
        return best_actions(values)

    def _bounded_values(
        self, state: States, depth: int, stop: Callable[[], bool], alpha: float = -math.inf, beta: float = math.inf
    ) -> NDArray[np.float64]:
        """[A] for the one `state` [1]; -inf where illegal. The greatest is exact if within (alpha, beta).

        Lesser entries are exact or upper bounds below the greatest, so that equals are told from the merely bounded.
        _StoppedError once `stop` says so.
        """
        if stop():
            raise _StoppedError
        if depth <= 2:
            return action_values(self.game, state, depth).reshape(-1)
        game = self.game
        actions = np.flatnonzero(game.legal(state)[0])
        children = game.step(np.repeat(state, len(actions)), actions)
        ended = game.terminal(children)
        found = np.where(ended, -depth * game.returns(children), 0.0).astype(np.float64)  # f4 would round `floor` up
        values = np.full(game.num_actions, -np.inf)
        for i in np.argsort(game.heuristic(children), kind="stable"):
            if not ended[i]:
                floor = max(alpha, math.nextafter(values.max(), -math.inf))  # an equal of the best is exact too
                found[i] = -self._bounded_values(children[i : i + 1], depth - 1, stop, -beta, -floor).max()
            values[actions[i]] = found[i]
            if found[i] >= beta:
                break
        return values


class _StoppedError(Exception):
    """An alpha-beta search was told to stop."""


class Clumsy:
    """Plays as `player` does, but for a `share` of its moves, which are uniformly random. Where `player` gives up, so does it:
    not in moves that it does not think about.
    """

    def __init__(self, game: Game, player: Player, share: float) -> None:
        self.game, self.player, self.share = game, player, share
        self.looker = looker(player)  # what it would say of a position, had it not slipped

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        actions = random_actions(self.game.legal(states), rng)
        sober = rng.random(len(states)) >= self.share
        if sober.any():
            try:
                actions[sober] = self.player(states[sober], rng)
            except Forfeit as forfeit:
                rows = np.flatnonzero(sober)
                actions[sober] = forfeit.actions
                raise Forfeit({int(rows[i]): loss for i, loss in forfeit.losses.items()}, actions) from None
        return actions

    def move(self, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
        """The move in one position, as soon as `stop` says so where its player can be told."""
        if rng.random() < self.share:
            return int(random_actions(self.game.legal(np.array([state])), rng)[0])
        return move_in_time(self.player, state, rng, stop)


class Perfect:
    """Plays a game of few positions perfectly: solved from its end when constructed, by looking at all of them.

    Positions are those reachable from the start, told apart by every field of a state but `last` (tic-tac-toe: 5,478).
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.table: dict[bytes, NDArray[np.float64]] = {}  # position -> [A], as `action_values` gives it
        levels = [game.reset(1)]
        while len(levels[-1]):
            rows, actions = np.nonzero(game.legal(levels[-1]))
            children = game.step(levels[-1][rows], actions)
            levels.append(children[np.unique(positions(children), return_index=True)[1]])
        for states in reversed(levels):
            rows, actions = np.nonzero(game.legal(states))
            children = game.step(states[rows], actions)
            values = np.full((len(states), game.num_actions), -np.inf)
            values[rows, actions] = -self._values(children)
            self.table.update(zip((key.tobytes() for key in positions(states)), values, strict=True))

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return random_actions(best_actions(self.action_values(states)), rng)

    def action_values(self, states: States) -> NDArray[np.float64]:
        """[B, A] results under perfect play, for the side to move; -inf where illegal.

        A result counts one more than the plies by which the game ends before the longest possible one: sooner wins and
        later losses are better.
        """
        return np.array([self.table[key.tobytes()] for key in positions(states)])

    def _values(self, states: States) -> NDArray[np.float64]:
        """[B] on the scale of `action_values`, of positions that have ended or stand in the table."""
        values: NDArray[np.float64] = self.game.returns(states) * (1.0 + self.game.max_plies - states["ply"])
        going = np.flatnonzero(~self.game.terminal(states))
        if len(going):
            values[going] = self.action_values(states[going]).max(axis=1)
        return values


def positions(states: States) -> States:
    """The states without `last`, packed: equal bytes are equal positions."""
    names = [name for name in states.dtype.names or () if name != "last"]
    return np.asarray(repack_fields(states[names]))
