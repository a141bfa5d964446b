"""A cache of network evaluations: positions that look the same to the network are asked about once.

The key is what the network sees, its planes and the legal actions, so transpositions meet whatever their history was, and a
search that begins again one move later (self-play keeps no tree across moves under Gumbel's rule) finds most of what it
knew. A table of fixed size, one place a key, the newest entry stays: nothing grows. 128 bits of hash stand for a position;
among a billion positions two that share them are not to be expected (probability below 1e-20).

Self-play's workers have one, and so have players where they search for people: one game that goes on, its hints, its review.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import Answer, Asynchronous, Evaluation
from agents.runtime import Runtime
from envs import Game, States
from envs.jit import kernel
from envs.rng import mix

STORED, EMPTY = -1, -2  # what a place of the table holds besides the number of a question under way


class Looked(NamedTuple):
    """What the table said of n positions, and which m of them are asked about."""

    priors: NDArray[np.float32]  # [n, A] filled in where known
    values: NDArray[np.float32]  # [n] the same
    places: NDArray[np.int64]  # [n] each position's place in the table
    source: NDArray[np.int64]  # [n] which question answers it; -1: known
    rows: NDArray[np.int64]  # [m] the positions asked about, in order
    planes: NDArray[np.uint8]  # [m, C, H, W] theirs, unless there are none
    legal: NDArray[np.bool_]  # [m, A]
    first: int  # number of the first of these questions; numbers go up

    @property
    def known(self) -> Evaluation:
        """The answer so far."""
        return Evaluation(self.priors, self.values)


class EvaluationCache(Asynchronous):
    """Evaluations of one network for one game: an evaluator. Not for several threads at once."""

    def __init__(self, game: Game, runtime: Runtime, capacity: int) -> None:
        """`capacity` is rounded up to a power of two; an entry takes `entry_size` bytes."""
        places = 1 << max(1, capacity - 1).bit_length()
        self._game, self._runtime = game, runtime
        self._keys = np.zeros((places, 2), np.uint64)
        self._asked = np.full(places, EMPTY, np.int64)
        self._priors = np.zeros((places, game.num_actions), np.float32)
        self._values = np.zeros(places, np.float32)
        self._questions = 0  # so far
        self.lookups = self.hits = 0  # since the last `clear`

    def clear(self) -> None:
        """Forget everything: the network has new weights."""
        self._asked[:] = EMPTY
        self.lookups = self.hits = 0

    def __call__(self, states: States) -> Evaluation:
        """Priors [B, A] and values [B]; only positions not in the table are sent to the network, each once."""
        looked = self._look_up(states)
        if not len(looked.rows):
            return looked.known
        return self._fill(looked, self._runtime.evaluate(looked.planes, looked.legal))

    def ask(self, states: States) -> Answer:
        """The same to be fetched later. What an earlier question under way is about is asked again; nothing waits for it."""
        looked = self._look_up(states)
        if not len(looked.rows):
            return lambda: looked.known
        answer = self._runtime.ask(looked.planes, looked.legal)
        return lambda: self._fill(looked, answer())

    def _look_up(self, states: States) -> Looked:
        planes, legal = self._game.observe(states), self._game.legal(states)
        n = len(states)
        priors, values = np.empty(legal.shape, np.float32), np.empty(n, np.float32)
        places, source = np.empty(n, np.int64), np.empty(n, np.int64)
        rows = _look_up(
            np.packbits(planes.reshape(n, -1), axis=1),
            np.packbits(legal, axis=1),
            self._keys,
            self._asked,
            self._priors,
            self._values,
            self._questions,
            priors,
            values,
            places,
            source,
        )
        if 0 < len(rows) < n:
            planes, legal = planes[rows], legal[rows]
        looked = Looked(priors, values, places, source, rows, planes, legal, self._questions)
        self._questions += len(rows)
        self.lookups += n
        self.hits += n - len(rows)
        return looked

    def _fill(self, looked: Looked, answer: Evaluation) -> Evaluation:
        """The whole answer, which the table keeps."""
        new = len(looked.rows) == len(looked.places)
        places = looked.places if new else looked.places[looked.rows]
        _store(self._asked, self._priors, self._values, places, looked.first, answer.priors, answer.values)
        if new:
            return answer
        missing = np.flatnonzero(looked.source >= 0)
        looked.priors[missing] = answer.priors[looked.source[missing]]
        looked.values[missing] = answer.values[looked.source[missing]]
        return looked.known


def entry_size(game: Game) -> int:
    """Bytes that the table takes for a position."""
    return 4 * game.num_actions + 28


@kernel
def _hash(planes, legal, seed):
    """64 bits that stand for the bytes of both rows."""
    h = seed
    for b in planes:
        h = (h ^ np.uint64(b)) * np.uint64(0x100000001B3)
        h ^= h >> np.uint64(29)
    for b in legal:
        h = (h ^ np.uint64(b)) * np.uint64(0x100000001B3)
        h ^= h >> np.uint64(29)
    return mix(h)


@kernel
def _look_up(planes, legal, keys, asked, table_priors, table_values, first_number, priors, values, places, source):
    """Fill `priors` and `values` where the table knows the position; elsewhere `source` says which question answers it.

    planes [B, K] u1 and legal [B, L] u1 are packed bits; places [B] is each position's place in the table; source [B] is -1
    where known. Returns the positions to be asked about, in order; they get numbers from `first_number` on. A place that waits
    for an earlier question waits for the new one from now on: the earlier answer may never come.
    """
    n = len(planes)
    rows, count = np.empty(n, np.int64), 0
    mask = np.uint64(len(asked) - 1)
    for i in range(n):
        first = _hash(planes[i], legal[i], np.uint64(0xCBF29CE484222325))
        second = _hash(planes[i], legal[i], np.uint64(0x9E3779B97F4A7C15))
        place = np.int64(first & mask)
        places[i] = place
        known = asked[place] != EMPTY and keys[place, 0] == first and keys[place, 1] == second
        if known and asked[place] == STORED:
            source[i] = -1
            values[i] = table_values[place]
            for a in range(priors.shape[1]):
                priors[i, a] = table_priors[place, a]
        elif known and asked[place] >= first_number:
            source[i] = asked[place] - first_number
        else:
            keys[place, 0], keys[place, 1] = first, second
            asked[place] = first_number + count
            source[i] = count
            rows[count] = i
            count += 1
    return rows[:count]


@kernel
def _store(asked, table_priors, table_values, places, first_number, priors, values):
    """Put the answers into the places that still wait for them: a later question may have taken one."""
    for i in range(len(places)):
        place = places[i]
        if asked[place] == first_number + i:
            asked[place] = STORED
            table_values[place] = values[i]
            for a in range(priors.shape[1]):
                table_priors[place, a] = priors[i, a]
