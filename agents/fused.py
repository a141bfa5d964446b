"""Tree and rules in one kernel, for games whose rules are kernels: the way to the leaves, and whole rollout searches.

Call by call, each simulation of a batch is a dozen calls from Python, and a state of a large board is copied three times
(`Search.step` still goes that way for other games). Here the tree's own kernels and the rules are one loop over the slots, of
which `envs.jit.specialised` makes a kernel a game. Where a playout stands for the network nothing has to be asked outside:
then one slot is searched after the other, while its tree is in the core's cache. The trees are the same, node for node.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import spread
from agents.selection import Rule
from agents.tree import NOWHERE, Tree, find_leaf, grow, last_number
from envs import States
from envs.compiled import StateKernels, has_status, no_ending, status_result
from envs.jit import kernel, specialised
from envs.rng import GOLDEN, mix


@kernel
def draw_seeds(streams, slots, out):
    """Fill `out` with the next seed of each of `slots`, in this order; `streams` [B] are counters of `envs.rng`."""
    for i in range(len(slots)):
        streams[slots[i]] += GOLDEN
        out[i] = mix(streams[slots[i]])


def play(g, action, board):
    """In the templates below: the game's, as are the others."""


mark_legal = playout = play
ended, result, ending = has_status, status_result, no_ending


def _search(tree, rule, states, streams, slots, most, board):
    """At most `most` simulations that make a node, in each of `slots`."""
    actions = tree.edge.shape[2]
    legal, priors = np.empty(actions, np.bool_), np.empty(actions, np.float32)
    tried, terms = np.empty(actions, np.int32), np.empty(actions, np.float64)
    for b in slots:
        for _ in range(most):
            node, action = find_leaf(tree, rule, b, tried, terms)
            if node == NOWHERE:
                break
            number = tree.size[b]
            g = states[b, number]
            if node >= 0:
                states[b, number] = states[b, node]
                play(g, action, board)
            mark_legal(g, board, legal)
            spread(legal, priors)
            terminal = ended(g, board)
            last, worth = -1, 0.0
            if terminal:
                value = np.float64(result(g, board))
            else:
                streams[b] += GOLDEN
                value = np.float64(playout(g, mix(streams[b]), board))
                last, worth = ending(g, board)
            grow(tree, b, node, action, priors, value, legal, terminal, last, worth)


def _gather(tree, rule, states, per_game, games, nodes, actions, legal, terminal, results, endings, waiting, board):
    """`agents.tree.select`, and the rules: up to `per_game` leaves of every game, whose states are put where their nodes will be.

    The rest is filled, as `agents.search.Leaves` describes it. Returns how many leaves there are, and how many wait.
    """
    count = asked = 0
    tried, terms = np.empty(tree.edge.shape[2], np.int32), np.empty(tree.edge.shape[2], np.float64)
    for b in range(len(tree.size)):
        for _ in range(per_game):
            node, action = find_leaf(tree, rule, b, tried, terms)
            if node == NOWHERE:
                break
            number = last_number(tree, b)
            g = states[b, number]
            if node >= 0:
                states[b, number] = states[b, node]
                play(g, action, board)
            mark_legal(g, board, legal[count])
            terminal[count] = ended(g, board)
            if terminal[count]:
                endings[count], results[count] = -1, result(g, board)
            else:
                endings[count], results[count] = ending(g, board)
                waiting[asked] = g
                asked += 1
            games[count], nodes[count], actions[count] = b, node, action
            count += 1
    return count, asked


FusedSearch = Callable[[Tree, Rule, States, NDArray[np.uint64], NDArray[np.integer], int, tuple[object, ...]], None]


@functools.cache
def fused_gather(rules: StateKernels) -> Callable[..., tuple[int, int]]:
    """`_gather` of the game with these rules."""
    return specialised(_gather, f"gather_{rules.name}", **rules._asdict())


@functools.cache
def fused_search(rules: StateKernels) -> FusedSearch:
    """The kernel of the game with these rules."""
    return specialised(_search, f"search_{rules.name}", **rules._asdict())
