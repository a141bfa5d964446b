"""A cache of network evaluations: positions that look the same to the network are asked about once.

The key is what the network sees, its planes and the legal actions, so transpositions meet whatever their history was, and a
search that begins again one move later (self-play keeps no tree across moves under Gumbel's rule) finds most of what it
knew. A table of fixed size, one place a key, the newest entry stays: nothing grows. 128 bits of hash stand for a position;
among a billion positions two that share them are not to be expected (probability below 1e-20).
"""

from __future__ import annotations

import numpy as np

from agents.evaluators import Evaluation
from agents.runtime import Runtime
from envs import Game, States
from envs.jit import kernel
from envs.rng import mix

STORED, EMPTY = -1, -2  # what a place of the table holds besides the number of a question under way


class EvaluationCache:
    """Evaluations of one network for one game: an evaluator. Not for several threads at once."""

    def __init__(self, game: Game, runtime: Runtime, capacity: int) -> None:
        """`capacity` is rounded up to a power of two; an entry takes about 4 (A + 6) bytes."""
        places = 1 << max(1, capacity - 1).bit_length()
        self._game, self._runtime = game, runtime
        self._keys = np.zeros((places, 2), np.uint64)
        self._asked = np.full(places, EMPTY, np.int32)
        self._priors = np.zeros((places, game.num_actions), np.float32)
        self._values = np.zeros(places, np.float32)
        self.lookups = self.hits = 0  # since the last `clear`

    def clear(self) -> None:
        """Forget everything: the network has new weights."""
        self._asked[:] = EMPTY
        self.lookups = self.hits = 0

    def __call__(self, states: States) -> Evaluation:
        """Priors [B, A] and values [B]; only positions not in the table are sent to the network, each once."""
        planes, legal = self._game.observe(states), self._game.legal(states)
        n = len(states)
        priors, values = np.empty(legal.shape, np.float32), np.empty(n, np.float32)
        places, source = np.empty(n, np.int64), np.empty(n, np.int64)
        bits = np.packbits(planes.reshape(n, -1), axis=1)
        rows = _look_up(
            bits,
            np.packbits(legal, axis=1),
            self._keys,
            self._asked,
            self._priors,
            self._values,
            priors,
            values,
            places,
            source,
        )
        self.lookups += n
        self.hits += n - len(rows)
        if len(rows):
            try:
                answer = self._runtime.evaluate(planes[rows], legal[rows])
            except BaseException:
                self.clear()  # places are taken for answers that will not come
                raise
            _store(self._asked, self._priors, self._values, places[rows], answer.priors, answer.values)
            missing = np.flatnonzero(source >= 0)
            priors[missing] = answer.priors[source[missing]]
            values[missing] = answer.values[source[missing]]
        return Evaluation(priors, values)


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
def _look_up(planes, legal, keys, asked, table_priors, table_values, priors, values, places, source):
    """Fill `priors` and `values` where the table knows the position; elsewhere `source` says which question answers it.

    planes [B, K] u1 and legal [B, L] u1 are packed bits; places [B] is each position's place in the table; source [B] is -1
    where known. Returns the positions to be asked about, in order.
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
        elif known:
            source[i] = asked[place]
        else:
            keys[place, 0], keys[place, 1] = first, second
            asked[place] = count
            source[i] = count
            rows[count] = i
            count += 1
    return rows[:count]


@kernel
def _store(asked, table_priors, table_values, places, priors, values):
    """Put the answers into the places that still wait for them: a later question may have taken one."""
    for i in range(len(places)):
        place = places[i]
        if asked[place] == i:
            asked[place] = STORED
            table_values[place] = values[i]
            for a in range(priors.shape[1]):
                table_priors[place, a] = priors[i, a]
