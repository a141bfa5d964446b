"""The search tree: arrays over B games, N nodes and A actions, and the kernels that walk, grow and mend them.

It knows no game and no network. A simulation is `find_leaf` (down to an edge without a node), then, outside, the rules and
the evaluator, then `grow` (a node for the edge, its value backed up to the root); `select` and `expand` are these of a batch.

Values change sign once per edge, in `_backup`; `agents.nodes` says what is stored, `agents.selection` which edge is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.nodes import EDGE, ILLEGAL, NODE, OUT_OF_BOUNDS, PENDING, UNEXPANDED, clip, count_through
from agents.selection import PUCT, gumbel_inner, gumbel_root, puct
from envs.jit import inlined, kernel

NOWHERE = -2  # in place of a leaf's parent: there is no leaf


class Tree(NamedTuple):
    """One tree per game b; node 0 is the root. Arrays are allocated once and reused."""

    node: NDArray[np.void]  # [B, N] NODE
    edge: NDArray[np.void]  # [B, N, A] EDGE
    size: NDArray[np.int32]  # [B] nodes in use; 0: the root awaits its evaluation
    budget: NDArray[np.int32]  # [B] simulations wanted at the root; 0: the slot is idle
    done: NDArray[np.int32]  # [B] simulations finished at the root
    under_way: NDArray[np.int32]  # [B] simulations whose leaves await their evaluation, the root itself included
    gumbel: NDArray[np.float64]  # [B, A] Gumbel noise of the root plus log prior
    plan: NDArray[np.int32]  # [B, P] sequential halving: visits an action must have to be considered at simulation i


def new_tree(games: int, nodes: int, actions: int, plan: int) -> Tree:
    """An empty tree per game, room for `nodes` nodes each and Gumbel plans of up to `plan` simulations."""
    return Tree(
        node=np.zeros((games, nodes), NODE),
        edge=np.zeros((games, nodes, actions), EDGE),
        size=np.zeros(games, np.int32),
        budget=np.zeros(games, np.int32),
        done=np.zeros(games, np.int32),
        under_way=np.zeros(games, np.int32),
        gumbel=np.zeros((games, actions), np.float64),
        plan=np.zeros((games, plan), np.int32),
    )


@kernel
def _depart(node, edge):
    """A simulation goes down the edge: a virtual loss until it comes back."""
    if count_through(edge) == 0:
        node["tried"] += edge["prior"]
    edge["flying"] += 1
    node["flying"] += 1


@kernel
def _ends(edge):
    """True where a walk goes no further: nothing is below the edge, or what is there is solved."""
    return edge["child"] < 0 or edge["lower"] == edge["upper"]


@kernel
def _recall(tree, b, node, a):
    """Take back the virtual losses of a simulation that ended at edge `a` of `node`."""
    while node >= 0:
        above, edge = tree.node[b, node], tree.edge[b, node, a]
        edge["flying"] -= 1
        above["flying"] -= 1
        if count_through(edge) == 0:
            above["tried"] = max(0.0, above["tried"] - edge["prior"])
        node, a = above["parent"], above["action"]


@inlined
def _backup(tree, b, node, value):
    """Add `value`, for the player to move at `node`, to every edge above it, once negated per edge."""
    while node != 0:
        below = tree.node[b, node]
        value = -clip(value, below["lower"], below["upper"])
        above = tree.node[b, below["parent"]]
        edge = tree.edge[b, below["parent"], below["action"]]
        edge["visits"] += 1
        edge["flying"] -= 1
        edge["total"] += value
        above["visits"] += 1
        above["flying"] -= 1
        above["total"] += value
        node = below["parent"]
    tree.done[b] += 1


@inlined
def _best_bounds(edges):
    """The bounds that those of all edges give their node."""
    lower, upper = -1, -1
    for a in range(len(edges)):
        lower, upper = max(lower, edges[a]["lower"]), max(upper, edges[a]["upper"])
    return lower, upper


@inlined
def _prove(tree, b, node, lower, upper):
    """Give `node` new bounds; as long as they tell something new, its edge and its ancestors' bounds follow."""
    while True:
        this = tree.node[b, node]
        if this["lower"] == lower and this["upper"] == upper:
            return
        this["lower"], this["upper"] = lower, upper
        node = this["parent"]
        if node < 0:
            return
        edges = tree.edge[b, node]
        edges[this["action"]]["lower"], edges[this["action"]]["upper"] = -upper, -lower
        lower, upper = _best_bounds(edges)


@inlined
def _descend_puct(nodes, edges, rule):
    """`_descend` under PUCT, in the tree of `nodes` [N] and `edges` [N, A]."""
    node = 0
    while True:
        a = puct(nodes[node], edges[node], rule)
        _depart(nodes[node], edges[node, a])
        if _ends(edges[node, a]):
            return node, a
        node = edges[node, a]["child"]


@kernel
def _descend_gumbel(tree, b, simulation, rule, tried, terms):
    """`_descend` under Gumbel's rules."""
    wanted = tree.plan[b, min(simulation, tree.plan.shape[1] - 1)]
    node, a = 0, gumbel_root(tree.node[b, 0], tree.edge[b, 0], tree.gumbel[b], wanted, rule, tried, terms)
    while True:
        _depart(tree.node[b, node], tree.edge[b, node, a])
        if _ends(tree.edge[b, node, a]):
            return node, a
        node = tree.edge[b, node, a]["child"]
        a = gumbel_inner(tree.node[b, node], tree.edge[b, node], rule, tried, terms)


@inlined
def _descend(tree, b, simulation, rule, tried, terms):
    """(node, action) of the edge where the walk from the root ended, virtual losses laid on its way."""
    root = tree.node[b, 0]
    if root["lower"] == root["upper"]:
        _depart(root, tree.edge[b, 0, root["first"]])
        return 0, np.int64(root["first"])
    if rule.kind == PUCT:
        return _descend_puct(tree.node[b], tree.edge[b], rule)
    return _descend_gumbel(tree, b, simulation, rule, tried, terms)


@inlined
def _searching(tree, b):
    """True while the slot may start a simulation: budget and room left, root not solved.

    One that was solved before it was looked at gets one, of the action that solved it: what is reported has visits.
    """
    begun = tree.done[b] + tree.under_way[b]
    return (
        begun < tree.budget[b]
        and tree.size[b] + tree.under_way[b] < tree.node.shape[1]
        and (tree.node[b, 0]["lower"] < tree.node[b, 0]["upper"] or begun == 0)
    )


@inlined
def find_leaf(tree, rule, b, tried, terms):
    """(node, action) of an edge of game b that awaits a node from now on; (-1, -1) asks for the root itself, node is NOWHERE
    where no simulation may start. `tried` [A] i4 and `terms` [A] f8 are overwritten.

    Simulations that end in a solved node need no evaluation: they are backed up here and the next one begins.
    """
    if tree.size[b] == 0:
        if tree.budget[b] == 0 or tree.under_way[b] > 0:
            return NOWHERE, NOWHERE
        tree.under_way[b] = 1
        return -1, -1
    while _searching(tree, b):
        node, a = _descend(tree, b, tree.done[b] + tree.under_way[b], rule, tried, terms)
        edge = tree.edge[b, node, a]
        if edge["child"] >= 0:
            _backup(tree, b, edge["child"], np.float64(tree.node[b, edge["child"]]["lower"]))
        elif edge["child"] == PENDING:
            _recall(tree, b, node, a)  # another simulation under way waits there: end the round
            break
        else:
            edge["child"] = PENDING
            tree.under_way[b] += 1
            return node, a
    return NOWHERE, NOWHERE


@inlined
def last_number(tree, b):
    """The number of the node that the leaf found last in game b becomes: leaves are made nodes of in the order they are found."""
    return tree.size[b] + tree.under_way[b] - 1


@kernel
def select(tree, rule, per_game, games, nodes, actions, numbers):
    """`find_leaf` up to `per_game` times a game; returns how many it found. `numbers` are those of the nodes to come."""
    count = 0
    tried, terms = np.empty(tree.edge.shape[2], np.int32), np.empty(tree.edge.shape[2], np.float64)
    for b in range(len(tree.size)):
        for _ in range(per_game):
            node, a = find_leaf(tree, rule, b, tried, terms)
            if node == NOWHERE:
                break
            games[count], nodes[count], actions[count], numbers[count] = b, node, a, last_number(tree, b)
            count += 1
    return count


@kernel
def _foresee(node, edges, ending, worth):
    """Prove the edge `ending`, and look at it first, or last where it loses; the bounds that this gives the node."""
    edges[ending]["lower"] = edges[ending]["upper"] = np.int64(worth)
    if worth >= 0:
        node["first"] = ending
    elif node["first"] == ending:
        highest = np.float32(-1)
        for a in range(len(edges)):
            if a != ending and edges[a]["child"] != ILLEGAL and edges[a]["prior"] > highest:
                node["first"], highest = a, edges[a]["prior"]
    return _best_bounds(edges)


@inlined
def grow(tree, b, above, action, priors, value, legal, terminal, ending, worth):
    """Make a node of the edge that `find_leaf` found first of those without one, or of the root, and back its value up.

    priors [A] f4, value f8 for the side to move in the leaf, legal [A] bool; a terminal leaf's value is its exact result and
    solves it. `ending` is an action known to end the game at once (-1: none) and `worth` its result: that edge is proven
    before it is visited, and looked at first unless it loses.
    """
    number = tree.size[b]
    tree.size[b] += 1
    tree.under_way[b] -= 1
    node, edges = tree.node[b, number], tree.edge[b, number]
    node["total"] = node["value"] = value
    node["tried"] = 0.0
    node["visits"], node["flying"] = 0, 0
    node["parent"], node["action"] = above, action
    node["lower"], node["upper"] = -1, 1
    likeliest, highest = 0, np.float32(-1)
    for a in range(len(edges)):
        edge = edges[a]
        edge["total"] = 0.0
        edge["visits"], edge["flying"] = 0, 0
        edge["prior"] = priors[a]
        edge["child"] = UNEXPANDED if legal[a] else ILLEGAL
        edge["lower"], edge["upper"] = (-1, 1) if legal[a] else (OUT_OF_BOUNDS, OUT_OF_BOUNDS)
        if legal[a] and priors[a] > highest:
            likeliest, highest = a, priors[a]
    node["first"] = likeliest
    if above >= 0:
        tree.edge[b, above, action]["child"] = number
    lower, upper = np.int64(-1), np.int64(1)
    if terminal:
        lower = upper = np.int64(np.rint(value))
    elif ending >= 0:
        lower, upper = _foresee(node, edges, ending, worth)
    _prove(tree, b, number, lower, upper)
    if above >= 0:
        _backup(tree, b, number, value)


@kernel
def expand(tree, games, nodes, actions, legal, terminal, results, endings, priors, values):
    """`grow` every edge that `select` wrote: legal [L, A] bool, terminal [L] bool and results [L] f4: of a terminal leaf its own,
    else of the action endings [L] in it, -1 where none is known.

    priors [M, A] f4 and values [M] f4 are the evaluator's, of the M leaves that are not terminal.
    """
    none, row = np.zeros(tree.edge.shape[2], np.float32), 0
    for i in range(len(games)):
        if terminal[i]:
            grow(tree, games[i], nodes[i], actions[i], none, np.float64(results[i]), legal[i], True, -1, 0.0)
        else:
            value = np.float64(values[row])
            grow(tree, games[i], nodes[i], actions[i], priors[row], value, legal[i], False, endings[i], results[i])
            row += 1


@kernel
def is_finished(tree, b):
    """True where the root of game b is evaluated, no simulation is under way and none will follow; not where the slot is idle."""
    return tree.budget[b] > 0 and tree.size[b] > 0 and tree.under_way[b] == 0 and not _searching(tree, b)


@kernel
def finished(tree, out):
    """`is_finished` of all games: [B]."""
    for b in range(len(out)):
        out[b] = is_finished(tree, b)


@kernel
def clear(tree, games):
    """Empty the trees of `games`: their next leaf is their root."""
    for b in games:
        tree.size[b] = 0
        tree.done[b] = 0
        tree.under_way[b] = 0


@kernel
def recall(tree, games):
    """Take back every simulation of `games` that is under way: no answer will come to it."""
    for b in games:
        for node in range(tree.size[b]):
            for a in range(tree.edge.shape[2]):
                if tree.edge[b, node, a]["child"] == PENDING:
                    tree.edge[b, node, a]["child"] = UNEXPANDED
                    _recall(tree, b, node, a)
        tree.under_way[b] = 0


@kernel
def reroot(tree, b, root, kept):
    """Keep only the subtree of node `root` of game b, renumbered in its old order.

    Writes the old number of every node kept into `kept` [N] and returns how many there are. No simulation may be under way.
    """
    count = 0
    renamed = np.full(tree.size[b], -1, np.int32)
    for node in range(root, tree.size[b]):  # children come after their parents
        above = tree.node[b, node]["parent"]
        if node == root or (above >= root and renamed[above] >= 0):
            renamed[node] = count
            kept[count] = node
            count += 1
    for new in range(count):
        node, edges = tree.node[b, new], tree.edge[b, new]
        tree.node[b, new] = tree.node[b, kept[new]]
        tree.edge[b, new] = tree.edge[b, kept[new]]
        node["parent"] = renamed[node["parent"]] if new > 0 else -1
        for a in range(len(edges)):
            if edges[a]["child"] >= 0:
                edges[a]["child"] = renamed[edges[a]["child"]]
    tree.size[b] = count
    tree.done[b] = tree.node[b, 0]["visits"]
    return count
