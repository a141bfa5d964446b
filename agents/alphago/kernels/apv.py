"""The tree of AlphaGo's search: kernels that walk it, grow it and take answers in.

Unlike the tree of `agents/tree.py`, an edge keeps two records, of what the value network said of the positions below it and of
how the rollouts through it ended, and most leaves are no nodes: they are played out from again and again until they
have earned a node, and with it a question to the networks. Everything on an edge is for the player who moves along it.

A simulation is a row of `paths`: the slot's nodes from the root down and the actions taken there. The players move in
turn, so a result changes sign from one edge to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.jit import kernel

UNEXPANDED = -1
ILLEGAL = np.float32(-1)  # as a prior
LONGEST = 512  # edges of a walk: a tree is never that deep, for it grows by one node a simulation at most

EDGE = np.dtype(
    [
        ("value_sum", "f8"),  # W_v
        ("rollout_sum", "f8"),  # W_r, less n_vl for each simulation under way
        ("value_visits", "i4"),  # N_v
        ("rollout_visits", "i4"),  # N_r, and n_vl for each simulation under way
        ("prior", "f4"),
        ("child", "i4"),
    ]
)


class Tree(NamedTuple):
    """One tree per game b; node 0 is the root."""

    edge: NDArray[np.void]  # [B, N, A] EDGE
    parent: NDArray[np.int32]  # [B, N] -1 at the root
    action: NDArray[np.int32]  # [B, N] that led here from the parent
    size: NDArray[np.int32]  # [B] nodes in use
    budget: NDArray[np.int32]  # [B] simulations wanted
    done: NDArray[np.int32]  # [B] simulations begun


class Rule(NamedTuple):
    """Constants of the search, by the paper's names."""

    mix: float  # lambda
    c_puct: float
    virtual_loss: int  # n_vl
    threshold: int  # n_thr


def new_tree(games: int, nodes: int, actions: int) -> Tree:
    """Empty trees with room for `nodes` nodes each."""
    counts = np.zeros((3, games), np.int32)
    edges = np.zeros((games, nodes, actions), EDGE)
    return Tree(edges, np.zeros((games, nodes), np.int32), np.zeros((games, nodes), np.int32), *counts)


@kernel
def mean_value(edge, mix):
    """Q = (1 - lambda) W_v / N_v + lambda W_r / N_r; what has not been asked counts as even."""
    q = 0.0
    if edge["value_visits"] > 0:
        q += (1 - mix) * edge["value_sum"] / edge["value_visits"]
    if edge["rollout_visits"] > 0:
        q += mix * edge["rollout_sum"] / edge["rollout_visits"]
    return q


@kernel
def _best(edges, rule):
    """argmax of Q + c_puct P sqrt(sum of N_r) / (1 + N_r) over the legal actions; of equals the likeliest, then the first.

    All are equal in a node that nothing has passed through, where the sum is 0.
    """
    total = 0
    for a in range(len(edges)):
        total += edges[a]["rollout_visits"]
    root = rule.c_puct * np.sqrt(np.float64(total))
    best, most = 0, -np.inf
    for a in range(len(edges)):
        edge = edges[a]
        if edge["prior"] >= 0:
            score = mean_value(edge, rule.mix) + root * edge["prior"] / (1 + edge["rollout_visits"])
            if score > most or (score == most and edge["prior"] > edges[best]["prior"]):
                best, most = a, score
    return best


@kernel
def select(tree, rule, per_game, games, nodes, actions, depth, paths):
    """Begin up to `per_game` simulations in every slot with budget left; returns how many.

    Simulation i, of slot `games[i]`, walks `depth[i]` edges, `paths[i]` [2, LONGEST] the nodes and actions, and ends at the
    edge (`nodes[i]`, `actions[i]`) without a node. Each edge walked gets its virtual loss.
    """
    count = 0
    for b in range(len(tree.size)):
        for _ in range(min(per_game, tree.budget[b] - tree.done[b])):
            node, steps = 0, 0
            while True:
                a = _best(tree.edge[b, node], rule)
                edge = tree.edge[b, node, a]
                edge["rollout_visits"] += rule.virtual_loss
                edge["rollout_sum"] -= rule.virtual_loss
                paths[count, 0, steps], paths[count, 1, steps] = node, a
                steps += 1
                child = edge["child"]
                if child == UNEXPANDED or steps == LONGEST:
                    break
                node = child
            games[count], nodes[count], actions[count], depth[count] = b, node, a, steps
            tree.done[b] += 1
            count += 1
    return count


@kernel
def finish(tree, rule, games, depth, paths, results, ends):
    """Replace each simulation's virtual losses by its result, for the side to move at its leaf; `ends`: the result is exact.

    The end of a game answers both questions, so it counts as a value, too.
    """
    for i in range(len(games)):
        result = np.float64(results[i])
        for t in range(depth[i] - 1, -1, -1):
            result = -result
            edge = tree.edge[games[i], paths[i, 0, t], paths[i, 1, t]]
            edge["rollout_visits"] += 1 - rule.virtual_loss
            edge["rollout_sum"] += rule.virtual_loss + result
            if ends[i]:
                edge["value_visits"] += 1
                edge["value_sum"] += result


@kernel
def grow(tree, rule, games, nodes, actions, ends, places):
    """Nodes for the leaves that have earned one: more than n_thr rollouts. `places` [M] gets their numbers, else -1.

    The end of a game needs no node: its result is exact however often it is met.
    """
    room = tree.edge.shape[1]
    for i in range(len(games)):
        b = games[i]
        edge = tree.edge[b, nodes[i], actions[i]]
        places[i] = -1
        if ends[i] or edge["child"] != UNEXPANDED or edge["rollout_visits"] <= rule.threshold or tree.size[b] == room:
            continue
        places[i] = edge["child"] = tree.size[b]
        tree.parent[b, places[i]], tree.action[b, places[i]] = nodes[i], actions[i]
        tree.size[b] += 1


@kernel
def set_priors(tree, games, nodes, priors, legal, fresh):
    """Give nodes their priors; `fresh` ones are new and have no visits."""
    for i in range(len(games)):
        edges = tree.edge[games[i], nodes[i]]
        for a in range(len(edges)):
            edges[a]["prior"] = priors[i, a] if legal[i, a] else ILLEGAL
            if fresh:
                edges[a]["child"] = UNEXPANDED
                edges[a]["value_visits"] = edges[a]["rollout_visits"] = 0
                edges[a]["value_sum"] = edges[a]["rollout_sum"] = 0.0


@kernel
def add_values(tree, games, nodes, values):
    """The value network has spoken: for the side to move at each node, on all edges from there up to the root."""
    for i in range(len(games)):
        b, node, value = games[i], nodes[i], np.float64(values[i])
        while tree.parent[b, node] >= 0:
            value = -value
            edge = tree.edge[b, tree.parent[b, node], tree.action[b, node]]
            edge["value_visits"] += 1
            edge["value_sum"] += value
            node = tree.parent[b, node]


@kernel
def reroot(tree, slot, root, kept):
    """Keep the part of a tree below node `root`, numbered anew in its old order; `kept` gets the old numbers. Its size."""
    count, new = 0, np.full(tree.size[slot], -1, np.int32)
    for node in range(root, tree.size[slot]):  # a node is younger than its parent
        parent = tree.parent[slot, node]
        if node == root or (parent >= 0 and new[parent] >= 0):
            new[node], kept[count] = count, node
            count += 1
    for i in range(count):
        node = kept[i]
        tree.edge[slot, i] = tree.edge[slot, node]
        tree.parent[slot, i] = new[tree.parent[slot, node]] if i else -1
        tree.action[slot, i] = tree.action[slot, node]
        for a in range(tree.edge.shape[2]):
            child = tree.edge[slot, i, a]["child"]
            if child != UNEXPANDED:
                tree.edge[slot, i, a]["child"] = new[child]
    tree.size[slot] = count
    return count
