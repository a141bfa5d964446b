"""Exact Connect Four: what every move is worth under perfect play.

Null-window alpha-beta on bitboards with a transposition table, after Pascal Pons, "Solving Connect 4: how to build a
perfect AI" (blog.gamesolver.org), whose score this is: 0 for a draw, else one more than the number of stones the
winner has left at the end, negative for the side that loses. Winning sooner scores higher.

    left   cells still empty
    win now                   (left + 1) // 2        win with the next stone but one    (left - 1) // 2
    lose to the next stone   -(left // 2)            lose to the one after that        -((left - 2) // 2)

Every search is one question: *can the side to move score at least `target`?* A move answers it when the other side
cannot score at least `1 - target` after it; bisection over targets finds the score. The game's outcome needs only the
targets 0 and 1. Questions share the table, which keeps a lower and an upper bound of each position's score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agents.classic import AlphaBeta, best_actions
from agents.evaluators import Evaluation, Evaluator, uniform_priors
from envs import Game, States, random_actions
from envs.compiled import LOST, UNFINISHED
from envs.connect_four import (
    BOTTOM,
    COLUMNS,
    FULL,
    HEIGHT,
    WIDTH,
    ConnectFour,
    popcount,
    winning_cells,
)
from envs.jit import kernel

ILLEGAL, UNKNOWN = -128, -127  # in the answers: not playable; not found within the node limit
NO_LIMIT = 2**62  # nodes
FIRST_NODES = 100_000  # of a player's first attempt: some 15 ms

_CELLS = WIDTH * HEIGHT
_ONE, _32, _LOW_32, _GOLDEN_32 = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0x9E3779B1)
_CENTRE_LAST = np.array([0, 6, 1, 5, 2, 4, 3])  # of equally good moves the one nearest to the centre is tried first

# A table entry is `key << 12 | (lower + 21) << 6 | 21 - upper`, so that 0 says nothing about the empty board. The key,
# own + mask, is unique: the stones of the side to move under a bit that marks each column's height (Tromp).
_BOUND = 21  # no score is greater
_KEY_SHIFT, _LOWER_SHIFT, _SIX_BITS = np.uint64(12), np.uint64(6), np.uint64(63)


@kernel
def _slot(key, size):
    """Fibonacci hashing of the folded key; `size` is a power of two up to 2**32. No product exceeds 64 bits."""
    folded = (key ^ (key >> np.uint64(23))) & _LOW_32
    return (((folded * _GOLDEN_32) & _LOW_32) * np.uint64(size)) >> _32


@kernel
def _not_losing(own, mask):
    """Bitboard of the moves after which the other side cannot win at once; 0 when it always can."""
    moves = (mask + BOTTOM) & FULL
    threats = winning_cells(mask ^ own, mask)
    forced = moves & threats
    if forced != np.uint64(0):
        if forced & (forced - _ONE) != np.uint64(0):
            return np.uint64(0)  # two threats, one move
        moves = forced
    return moves & ~(threats >> _ONE)  # nor may a stone make the cell above a threat reachable


@kernel
def _order(own, mask, moves, row):
    """Sort `moves` into `row`, the most promising first: most winning cells made, then nearest to the centre.

    A sort key is `cells << 52 | centrality << 49 | move`. Returns the number of moves.
    """
    count = 0
    for centrality in range(WIDTH):
        move = moves & COLUMNS[_CENTRE_LAST[centrality]]
        if move == np.uint64(0):
            continue
        cells = popcount(winning_cells(own | move, mask | move))
        key = (np.uint64(cells) << np.uint64(52)) | (np.uint64(centrality) << np.uint64(49)) | move
        j = count
        while j > 0 and row[j - 1] < key:
            row[j] = row[j - 1]
            j -= 1
        row[j] = key
        count += 1
    for j in range(count):
        row[j] &= (_ONE << np.uint64(49)) - _ONE
    return count


@kernel
def _bounds(table, key):
    """The lower and upper bound that the table knows of the score of the position `key`."""
    entry = table[_slot(key, len(table))]
    if entry >> _KEY_SHIFT != key:
        return -_BOUND, _BOUND
    return np.int64((entry >> _LOWER_SHIFT) & _SIX_BITS) - _BOUND, _BOUND - np.int64(entry & _SIX_BITS)


@kernel
def _reaches(own, mask, left, target, table, moves, budget):
    """1 if the side to move, who cannot win at once, scores at least `target`; 0 if not; -1 if the budget ran out.

    `left` is at least 2; `moves` [cells + 1, 7] is scratch, one row a ply; `budget[0]` nodes may still be visited.
    """
    if budget[0] == 0:
        return -1
    budget[0] -= 1
    candidates = _not_losing(own, mask)
    if candidates == np.uint64(0):
        return 1 if target <= -(left // 2) else 0
    if target <= -((left - 2) // 2):
        return 1
    if target > (left - 1) // 2:
        return 0
    key, other = own + mask, mask ^ own
    lower, upper = _bounds(table, key)
    if target <= lower:
        return 1
    if target > upper:
        return 0

    row = moves[left]
    count = _order(own, mask, candidates, row)
    for k in range(count):  # one look at every child's entry before the first is searched (Plaat et al. 1996)
        if _bounds(table, other + (mask | row[k]))[1] < 1 - target:
            return 1
    found = 0
    for k in range(count):
        answer = _reaches(other, mask | row[k], left - 1, 1 - target, table, moves, budget)
        if answer == -1:
            return -1
        if answer == 0:
            found = 1
            break
    if found == 1:
        lower = target
    else:
        upper = target - 1
    table[_slot(key, len(table))] = (
        (key << _KEY_SHIFT) | (np.uint64(lower + _BOUND) << _LOWER_SHIFT) | np.uint64(_BOUND - upper)
    )
    return found


@kernel
def _solve(own, mask, left, bound, table, moves, budget):
    """The score for the side to move, clipped to [-bound, bound], or UNKNOWN."""
    if winning_cells(own, mask) & (mask + BOTTOM) != np.uint64(0):
        return min(bound, (left + 1) // 2)
    lower, upper = -min(bound, left // 2), min(bound, (left - 1) // 2)
    while lower < upper:
        target = lower + (upper - lower + 1) // 2
        answer = _reaches(own, mask, left, target, table, moves, budget)
        if answer == -1:
            return UNKNOWN
        if answer == 1:
            lower = target
        else:
            upper = target - 1
    return lower


@kernel
def _values(states, bound, node_limit, table, moves, out):
    """Fill `out` [B] with scores clipped to [-bound, bound]; returns the nodes visited."""
    budget = np.zeros(1, np.int64)
    visited = 0
    for i in range(len(states)):
        if states[i]["status"] != UNFINISHED:
            out[i] = -bound if states[i]["status"] == LOST else 0
            continue
        budget[0] = node_limit
        out[i] = _solve(states[i]["own"], states[i]["mask"], _CELLS - states[i]["ply"], bound, table, moves, budget)
        visited += node_limit - budget[0]
    return visited


@kernel
def _action_values(states, bound, node_limit, table, moves, out):
    """Fill `out` [B, A] with each action's score clipped to [-bound, bound]; returns the nodes visited."""
    budget = np.zeros(1, np.int64)
    visited = 0
    for i in range(len(states)):
        own, mask, left = states[i]["own"], states[i]["mask"], _CELLS - states[i]["ply"]
        playable = (mask + BOTTOM) & FULL
        if states[i]["status"] != UNFINISHED:
            playable = np.uint64(0)
        wins = winning_cells(own, mask)
        budget[0] = node_limit
        for x in range(WIDTH):
            move = playable & COLUMNS[x]
            if move == np.uint64(0):
                out[i, x] = ILLEGAL
            elif move & wins != np.uint64(0):
                out[i, x] = min(bound, (left + 1) // 2)
            else:
                score = _solve(mask ^ own, mask | move, left - 1, bound, table, moves, budget)
                out[i, x] = UNKNOWN if score == UNKNOWN else -score
        visited += node_limit - budget[0]
    return visited


class Solver:
    """Exact scores and values, and the table that remembers them from call to call.

    From ply 12 on a position is scored in 0.05 s on average, 0.7 s at worst of 150, all its moves in 0.15 s (November
    2026); before, a single one can take many seconds, and the empty board takes a quarter of an hour. `node_limit`
    bounds the nodes visited for each state: what is not found within it is UNKNOWN. Some seven million nodes are visited
    in a second. One solver serves one thread.
    """

    def __init__(self, log2_entries: int = 22) -> None:
        """A table of 8 * 2**log2_entries bytes: 32 MiB unless told; 24 or more pays before ply 10."""
        if not 10 <= log2_entries <= 32:
            raise ValueError(f"log2_entries is {log2_entries}: it must be from 10 to 32")
        self.nodes = 0  # visited since construction
        self._table = np.zeros(1 << log2_entries, np.uint64)
        self._moves = np.zeros((_CELLS + 1, WIDTH), np.uint64)

    def scores(self, states: States, *, node_limit: int = NO_LIMIT) -> NDArray[np.int8]:
        """[B, A] score of each action for the side to move: positive wins, sooner is higher; ILLEGAL or UNKNOWN."""
        return self._each_action(states, _BOUND, node_limit)

    def action_values(self, states: States, *, node_limit: int = NO_LIMIT) -> NDArray[np.int8]:
        """[B, A] result of each action for the side to move: -1 loses, 0 draws, 1 wins; ILLEGAL or UNKNOWN."""
        return self._each_action(states, 1, node_limit)

    def values(self, states: States, *, node_limit: int = NO_LIMIT) -> NDArray[np.int8]:
        """[B] result for the side to move under perfect play: -1, 0 or 1; UNKNOWN."""
        return self._each_position(states, 1, node_limit)

    def position_scores(self, states: States, *, node_limit: int = NO_LIMIT) -> NDArray[np.int8]:
        """[B] score of each position for the side to move: the greatest of its `scores`, found in a third of the time."""
        return self._each_position(states, _BOUND, node_limit)

    def _each_position(self, states: States, bound: int, node_limit: int) -> NDArray[np.int8]:
        out = np.empty(len(states), np.int8)
        self.nodes += _values(states, bound, node_limit, self._table, self._moves, out)
        return out

    def _each_action(self, states: States, bound: int, node_limit: int) -> NDArray[np.int8]:
        out = np.empty((len(states), WIDTH), np.int8)
        self.nodes += _action_values(states, bound, node_limit, self._table, self._moves, out)
        return out


def exact(game: Game, action_values: Callable[[States], NDArray[np.generic]]) -> Evaluator:
    """The evaluator that knows: the value under perfect play, -1, 0 or 1; uniform priors over the actions that keep it.

    `action_values` -> [B, A] has the sign of each result: `Solver.action_values`, or `Perfect.action_values`.
    """

    def evaluate(states: States) -> Evaluation:
        results = np.where(game.legal(states), np.sign(action_values(states)), -np.inf)
        return Evaluation(uniform_priors(best_actions(results)), results.max(axis=1).astype(np.float32))

    return evaluate


class ExactPlayer:
    """Plays uniformly among the moves of the best score: the soonest win, the latest loss.

    Where `node_limit` (about 3 s a position) does not suffice, alpha-beta of `fallback_depth` plies moves instead, and
    imperfectly: in most of the random positions at ply 6, 15% at ply 8, none of 600 at plies 12 and 13
    (November 2026). More nodes and a bigger table make the player exact sooner.
    """

    def __init__(self, solver: Solver, *, node_limit: int = 20_000_000, fallback_depth: int = 6) -> None:
        self.solver, self.node_limit = solver, node_limit
        self.fallback = AlphaBeta(ConnectFour(), fallback_depth)

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        scores = self.solver.scores(states, node_limit=self.node_limit)
        actions = random_actions(best_actions(scores), rng)
        unknown = (scores == UNKNOWN).any(axis=1)
        actions[unknown] = self.fallback(states[unknown], rng)
        return actions

    def move(self, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
        """The move in one position: exact if the solver is through before `stop` says so, else alpha-beta's.

        Each attempt has half as many nodes again as the one before, which the solver's table leads past what is known.
        """
        states, nodes, other = np.array([state], self.fallback.game.dtype), FIRST_NODES, None
        while True:
            nodes = min(nodes, self.node_limit)
            scores = self.solver.scores(states, node_limit=nodes)
            if not (scores == UNKNOWN).any():
                return int(random_actions(best_actions(scores), rng)[0])
            if other is None:
                other = self.fallback.move(state, rng, stop)
            if stop() or nodes == self.node_limit:
                return other
            nodes += nodes // 2
