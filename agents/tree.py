"""The search tree: arrays over B games, N nodes and A actions, and the kernels that walk, grow and mend them.

It knows no game and no network. A simulation is `select` (down to an edge without a node), then, outside, the rules and
the evaluator, then `expand` (a node for the edge, its value backed up to the root).

Perspective: everything stored at a node is for the player to move there. Values change sign once per edge, in `_backup`.

Bounds: every node carries proven bounds -1 <= lower <= upper <= 1 on its game-theoretic value (score-bounded tree search,
Cazenave & Saffidine 2010). A finished game has lower = upper; a node's bounds are the best of its children's, negated.
A node with lower = upper is *solved*: it is never searched again, and its exact value replaces every estimate of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.jit import inlined, kernel

UNEXPANDED, ILLEGAL, PENDING = -1, -2, -3  # `child` entries that are no node; PENDING awaits its evaluation
NOWHERE = -2  # in place of a leaf's parent: there is no leaf
OUT_OF_BOUNDS = -2  # below every proven bound
PUCT, GUMBEL = 0, 1
TINY = 1e-9  # added to priors before the logarithm


# One edge is 24 bytes, so that a walk touches few cache lines: all edges of a Connect Four node lie in three of them.
EDGE = np.dtype(
    [
        ("total", "f8"),  # sum of the values of the finished simulations
        ("child", "i4"),  # node, or one of the codes above
        ("visits", "i4"),  # finished simulations through the edge
        ("prior", "f4"),  # the evaluator's policy (noise included at the root)
        ("flying", "i2"),  # simulations under way, each counted as a loss (virtual loss)
        ("lower", "i1"),  # proven bounds on the action's value; both OUT_OF_BOUNDS where illegal
        ("upper", "i1"),
    ]
)
NODE = np.dtype(
    [
        ("total", "f8"),  # the evaluator's value and the totals of the edges
        ("tried", "f8"),  # sum of the priors of the edges with a visit or a simulation under way
        ("visits", "i4"),  # sum over the edges
        ("flying", "i4"),  # sum over the edges
        ("parent", "i4"),  # -1 at the root
        ("action", "i4"),  # that led here from the parent
        ("value", "f4"),  # the evaluator's
        ("lower", "i1"),  # proven bounds on the true value
        ("upper", "i1"),
        ("unused", "i2"),
    ]
)


class Tree(NamedTuple):
    """One tree per game b; node 0 is the root. Arrays are allocated once and reused."""

    node: NDArray[np.void]  # [B, N] NODE
    edge: NDArray[np.void]  # [B, N, A] EDGE
    size: NDArray[np.int32]  # [B] nodes in use; 0: the root awaits its evaluation
    budget: NDArray[np.int32]  # [B] simulations wanted at the root; 0: the slot is idle
    done: NDArray[np.int32]  # [B] simulations finished at the root
    forced: NDArray[np.float64]  # [B] PUCT: k of the visits forced at the root, 0 for none
    gumbel: NDArray[np.float64]  # [B, A] Gumbel noise of the root plus log prior
    plan: NDArray[np.int32]  # [B, P] sequential halving: visits an action must have to be considered at simulation i


class Rule(NamedTuple):
    """Constants of the selection rules."""

    kind: int  # PUCT, or GUMBEL at the root with its deterministic rule below
    c_init: float  # AlphaZero: 1.25
    c_base: float  # AlphaZero: 19652
    fpu: float  # first-play urgency: an unvisited child is this much worse than its parent, times sqrt(prior visited)
    c_visit: float  # Gumbel: 50
    c_scale: float  # Gumbel: 1, on values mapped to [0, 1]
    explored: NDArray[np.float64]  # [] c sqrt(N) of PUCT for the first values of N


def new_tree(games: int, nodes: int, actions: int, plan: int) -> Tree:
    """An empty tree per game, room for `nodes` nodes each and Gumbel plans of up to `plan` simulations."""
    return Tree(
        node=np.zeros((games, nodes), NODE),
        edge=np.zeros((games, nodes, actions), EDGE),
        size=np.zeros(games, np.int32),
        budget=np.zeros(games, np.int32),
        done=np.zeros(games, np.int32),
        forced=np.zeros(games, np.float64),
        gumbel=np.zeros((games, actions), np.float64),
        plan=np.zeros((games, plan), np.int32),
    )


@kernel
def _count(edge):
    """Simulations through the edge, those under way included."""
    return edge["visits"] + edge["flying"]


@kernel
def _least_upper(node):
    """The upper bound that an action is worth visiting with."""
    return node["lower"] if node["upper"] == -1 else max(node["lower"], 0)


@kernel
def _worth_visiting(node, edge):
    """Legal, and neither a proven loss while anything else is possible nor proven worse than another action."""
    return edge["upper"] >= _least_upper(node)


@kernel
def _clip(value, lower, upper):
    return min(max(value, np.float64(lower)), np.float64(upper))


@kernel
def _edge_value(edge):
    """Mean value of a visited edge, simulations under way counted as losses, inside its proven bounds."""
    return _clip((edge["total"] - edge["flying"]) / _count(edge), edge["lower"], edge["upper"])


@kernel
def _explored(count, c_init, c_base):
    """c sqrt(N) of PUCT, N = `count`: what a prior is multiplied by."""
    return (c_init + np.log((count + c_base + 1.0) / c_base)) * np.sqrt(np.float64(count))


@kernel
def tabulate_exploration(c_init, c_base, out):
    """Fill `out` with c sqrt(N) for N = 0, 1, 2 ...: the logarithm was a tenth of a walk."""
    for count in range(len(out)):
        out[count] = _explored(count, c_init, c_base)


@inlined
def _exploration(node, rule):
    """c sqrt(N) of PUCT at a node."""
    count = 1 + _count(node)
    return rule.explored[count] if count < len(rule.explored) else _explored(count, rule.c_init, rule.c_base)


@kernel
def _forced_visits(node, edge, forced):
    """sqrt(k P N): visits that a tried action of the root gets whatever its value (Wu 2019, section 3.2)."""
    return np.sqrt(forced * edge["prior"] * _count(node))


@inlined
def _puct(node, edges, rule):
    """argmax of Q + c P sqrt(N) / (1 + n): AlphaZero (2018), with first-play urgency for unvisited children."""
    urgency = _clip((node["total"] - node["flying"]) / (1 + _count(node)), node["lower"], node["upper"])
    if rule.fpu != 0:
        urgency -= rule.fpu * np.sqrt(node["tried"])
    explore, least = _exploration(node, rule), _least_upper(node)
    best, best_score = -1, -np.inf
    for a in range(len(edges)):
        edge = edges[a]
        if edge["upper"] < least:
            continue
        n, bonus = _count(edge), explore * edge["prior"]
        score = _edge_value(edge) + bonus / (1.0 + n) if n > 0 else urgency + bonus
        if score > best_score:
            best, best_score = a, score
    return best


@kernel
def _forced_root(node, edges, rule, forced):
    """The first action that has been tried and is short of its forced visits, else PUCT's."""
    for a in range(len(edges)):
        if 0 < _count(edges[a]) < _forced_visits(node, edges[a], forced) and _worth_visiting(node, edges[a]):
            return a
    return _puct(node, edges, rule)


@kernel
def _sigma(q, most, rule):
    """sigma(q): equation 8 of Danihelka et al. 2022, where the most visited action has `most` visits."""
    return (rule.c_visit + most) * rule.c_scale * (q + 1.0) / 2.0


@kernel
def _mixed_value(node, weighted, seen):
    """What completes the Q of unvisited actions: equation 33. Over the visited ones, `weighted` is the sum of prior times Q
    and `seen` that of the priors."""
    count = _count(node)
    return (node["value"] + count * weighted / seen) / (1.0 + count) if count > 0 else np.float64(node["value"])


@kernel
def _sigmas(node, edges, rule, out):
    """Fill `out` [A] with sigma(completed Q), -inf where illegal."""
    most, weighted, seen = 0, 0.0, 0.0
    for a in range(len(edges)):
        n = _count(edges[a])
        if n > 0:
            prior = edges[a]["prior"] + TINY
            most = max(most, n)
            weighted += prior * _edge_value(edges[a])
            seen += prior
    mixed = _mixed_value(node, weighted, seen)
    for a in range(len(edges)):
        if edges[a]["child"] == ILLEGAL:
            out[a] = -np.inf
        else:
            out[a] = _sigma(_edge_value(edges[a]) if _count(edges[a]) > 0 else mixed, most, rule)


@kernel
def _improved_policy(node, edges, rule, out):
    """Fill `out` [A] with pi' = softmax(log prior + sigma(completed Q)), 0 where illegal: equation 10.

    As prior * exp(sigma - greatest sigma) / sum: no logarithm, and one exponential for all unvisited actions.
    """
    _sigmas(node, edges, rule, out)
    top = out.max()
    before, weight, total = -np.inf, 0.0, 0.0
    for a in range(len(edges)):
        if out[a] != before:
            before, weight = out[a], np.exp(out[a] - top)
        out[a] = (edges[a]["prior"] + TINY) * weight
        total += out[a]
    for a in range(len(edges)):
        out[a] /= total


@kernel
def _gumbel_root(tree, b, simulation, rule, scores):
    """The considered action with the highest g + logits + sigma(q); considered: has the visits that the plan asks for."""
    node, edges = tree.node[b, 0], tree.edge[b, 0]
    _sigmas(node, edges, rule, scores)
    wanted = tree.plan[b, min(simulation, tree.plan.shape[1] - 1)]
    best, best_score = -1, -np.inf
    fallback, fallback_score = -1, -np.inf  # proven losses leave gaps in the plan
    for a in range(len(edges)):
        if not _worth_visiting(node, edges[a]):
            continue
        score = scores[a] + tree.gumbel[b, a]
        if _count(edges[a]) == wanted and score > best_score:
            best, best_score = a, score
        if score > fallback_score:
            fallback, fallback_score = a, score
    return best if best >= 0 else fallback


@kernel
def _gumbel_inner(node, edges, rule, tried, terms):
    """argmax of pi'(a) - n(a) / (1 + sum n): equation 14 of Danihelka et al. 2022, with pi' as `_improved_policy` has it.

    Unvisited actions share one completed Q: only the one of the highest prior can be the best of them. So one pass over all
    edges is enough; it leaves the visited ones, which are few, in `tried` [A], and their terms of the softmax are in `terms` [A].
    """
    number, most, weighted, seen = 0, 0, 0.0, 0.0  # over the visited actions
    fresh, prior, rest = -1, 0.0, 0.0  # the best unvisited action, its prior, the sum of theirs
    for a in range(len(edges)):
        edge = edges[a]
        n, p = _count(edge), edge["prior"] + TINY
        if n > 0:
            tried[number], terms[number] = a, _edge_value(edge)
            most = max(most, n)
            weighted += p * terms[number]
            seen += p
            number += 1
        elif edge["child"] != ILLEGAL:
            rest += p
            if p > prior and _worth_visiting(node, edge):
                fresh, prior = a, p
    unvisited = _sigma(_mixed_value(node, weighted, seen), most, rule)
    top = unvisited
    for i in range(number):
        terms[i] = _sigma(terms[i], most, rule)
        top = max(top, terms[i])
    weight = np.exp(unvisited - top)
    total = rest * weight
    for i in range(number):
        terms[i] = (edges[tried[i]]["prior"] + TINY) * np.exp(terms[i] - top)
        total += terms[i]
    best, best_score = fresh, prior * weight / total if fresh >= 0 else -np.inf
    for i in range(number):
        edge = edges[tried[i]]
        score = terms[i] / total - _count(edge) / (1.0 + _count(node))
        if score > best_score and _worth_visiting(node, edge):
            best, best_score = tried[i], score
    return best


@kernel
def _depart(node, edge):
    """A simulation goes down the edge: a virtual loss until it comes back."""
    if _count(edge) == 0:
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
        if _count(edge) == 0:
            above["tried"] -= edge["prior"]
        node, a = above["parent"], above["action"]


@inlined
def _backup(tree, b, node, value):
    """Add `value`, for the player to move at `node`, to every edge above it, once negated per edge."""
    while node != 0:
        below = tree.node[b, node]
        value = -_clip(value, below["lower"], below["upper"])
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
        lower, upper = -1, -1
        for a in range(len(edges)):
            lower, upper = max(lower, edges[a]["lower"]), max(upper, edges[a]["upper"])


@inlined
def _descend_puct(nodes, edges, forced, rule):
    """`_descend` under PUCT, in the tree of `nodes` [N] and `edges` [N, A]."""
    node = 0
    while True:
        if node == 0 and forced > 0:
            a = _forced_root(nodes[0], edges[0], rule, forced)
        else:
            a = _puct(nodes[node], edges[node], rule)
        _depart(nodes[node], edges[node, a])
        if _ends(edges[node, a]):
            return node, a
        node = edges[node, a]["child"]


@kernel
def _descend_gumbel(tree, b, simulation, rule, tried, terms):
    """`_descend` under Gumbel's rules."""
    node, a = 0, _gumbel_root(tree, b, simulation, rule, terms)
    while True:
        _depart(tree.node[b, node], tree.edge[b, node, a])
        if _ends(tree.edge[b, node, a]):
            return node, a
        node = tree.edge[b, node, a]["child"]
        a = _gumbel_inner(tree.node[b, node], tree.edge[b, node], rule, tried, terms)


@inlined
def _descend(tree, b, simulation, rule, tried, terms):
    """(node, action) of the edge where the walk from the root ended, virtual losses laid on its way."""
    if rule.kind == PUCT:
        return _descend_puct(tree.node[b], tree.edge[b], tree.forced[b], rule)
    return _descend_gumbel(tree, b, simulation, rule, tried, terms)


@inlined
def _searching(tree, b, under_way):
    """True while the slot may start a simulation: budget and room left, root not solved."""
    return (
        tree.done[b] + under_way < tree.budget[b]
        and tree.size[b] + under_way < tree.node.shape[1]
        and tree.node[b, 0]["lower"] < tree.node[b, 0]["upper"]
    )


@inlined
def find_leaf(tree, rule, b, under_way, tried, terms):
    """(node, action) of an edge of game b that awaits a node, `under_way` others of which do already; (-1, -1) asks for the
    root itself, node is NOWHERE where no simulation may start. `tried` [A] i4 and `terms` [A] f8 are overwritten.

    Simulations that end in a solved node need no evaluation: they are backed up here and the next one begins.
    """
    if tree.size[b] == 0:
        return (-1, -1) if tree.budget[b] > 0 and under_way == 0 else (NOWHERE, NOWHERE)
    while _searching(tree, b, under_way):
        node, a = _descend(tree, b, tree.done[b] + under_way, rule, tried, terms)
        edge = tree.edge[b, node, a]
        if edge["child"] >= 0:
            _backup(tree, b, edge["child"], np.float64(tree.node[b, edge["child"]]["lower"]))
        elif edge["child"] == PENDING:
            _recall(tree, b, node, a)  # another simulation under way waits there: end the round
            break
        else:
            edge["child"] = PENDING
            return node, a
    return NOWHERE, NOWHERE


@kernel
def select(tree, rule, per_game, games, nodes, actions):
    """`find_leaf` up to `per_game` times a game; returns how many it found."""
    count = 0
    tried, terms = np.empty(tree.edge.shape[2], np.int32), np.empty(tree.edge.shape[2], np.float64)
    for b in range(len(tree.size)):
        for under_way in range(per_game):
            node, a = find_leaf(tree, rule, b, under_way, tried, terms)
            if node == NOWHERE:
                break
            games[count], nodes[count], actions[count] = b, node, a
            count += 1
    return count


@inlined
def grow(tree, b, above, action, priors, value, legal, terminal):
    """Make a node of the edge that `find_leaf` found, or of the root, and back its value up.

    priors [A] f4, value f8 for the side to move in the leaf, legal [A] bool; a terminal leaf's value is its exact result and
    solves it.
    """
    number = tree.size[b]
    tree.size[b] += 1
    node, edges = tree.node[b, number], tree.edge[b, number]
    node["total"] = node["value"] = value
    node["tried"] = 0.0
    node["visits"], node["flying"] = 0, 0
    node["parent"], node["action"] = above, action
    node["lower"], node["upper"] = -1, 1
    for a in range(len(edges)):
        edge = edges[a]
        edge["total"] = 0.0
        edge["visits"], edge["flying"] = 0, 0
        edge["prior"] = priors[a]
        edge["child"] = UNEXPANDED if legal[a] else ILLEGAL
        edge["lower"], edge["upper"] = (-1, 1) if legal[a] else (OUT_OF_BOUNDS, OUT_OF_BOUNDS)
    if above >= 0:
        tree.edge[b, above, action]["child"] = number
    if terminal:
        result = np.int64(np.rint(value))
        _prove(tree, b, number, result, result)
    if above >= 0:
        _backup(tree, b, number, value)


@kernel
def expand(tree, games, nodes, actions, priors, values, legal, terminal):
    """`grow` every edge that `select` wrote: priors [L, A] f4, values [L] f4, legal [L, A] bool, terminal [L] bool."""
    for i in range(len(games)):
        value = np.float64(values[i])
        grow(tree, games[i], nodes[i], actions[i], priors[i], value, legal[i], terminal[i])


@kernel
def finished(tree, out):
    """[B] True where the root is evaluated and no simulation will follow; idle slots are False."""
    for b in range(len(out)):
        out[b] = tree.budget[b] > 0 and tree.size[b] > 0 and not _searching(tree, b, 0)


@kernel
def clear(tree, games):
    """Empty the trees of `games`: their next leaf is their root."""
    for b in games:
        tree.size[b] = 0
        tree.done[b] = 0


@kernel
def halve(considered, plan):
    """Fill `plan` [simulations] with the visits an action must have to be considered: sequential halving.

    Every phase shares its simulations equally among the survivors, then halves them (Karnin et al. 2013).
    """
    phases, simulations = 0, len(plan)
    while 1 << phases < considered:
        phases += 1
    filled, visits, survivors = 0, 0, considered
    while filled < simulations:
        for _ in range(max(1, simulations // max(1, phases * survivors))):
            plan[filled : filled + survivors] = visits
            filled += survivors
            visits += 1
        survivors = max(min(2, considered), survivors // 2)


@kernel
def prepare_gumbel(tree, games, noise, most):
    """At the roots of `games`, just evaluated: `noise` [n, A] f8 plus log prior, and the plan for up to `most` actions."""
    for i in range(len(games)):
        b, legal = games[i], 0
        edges, budget = tree.edge[b, 0], tree.budget[b]
        for a in range(len(edges)):
            tree.gumbel[b, a] = np.log(edges[a]["prior"] + TINY) + noise[i, a]
            legal += edges[a]["child"] != ILLEGAL
        halve(min(legal, most, budget), tree.plan[b, :budget])


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


@kernel
def _worth_playing(node, edge):
    """Worth visiting at the root and, where the root is solved, proven to keep its value."""
    solved = node["lower"] == node["upper"]
    return _worth_visiting(node, edge) and (not solved or edge["lower"] == node["lower"])


@kernel
def _unforced(node, edges, rule, forced, best, out):
    """Take out of the visits `out` [A] those that only forcing accounts for: policy-target pruning (Wu 2019, section 3.2).

    An action loses up to its forced visits, but none without which PUCT would prefer it to the most visited action `best`;
    one that is left with a single visit loses that too.
    """
    explore = _exploration(node, rule)
    bar = _edge_value(edges[best]) + explore * edges[best]["prior"] / (1.0 + edges[best]["visits"])
    for a in range(len(edges)):
        edge = edges[a]
        if a == best or out[a] == 0:
            continue
        gap = bar - _edge_value(edge)
        if gap > 0:  # else it is better than the best at any number of visits
            least = np.floor(explore * edge["prior"] / gap)  # so many visits and PUCT is below the bar
            out[a] = min(out[a], max(least, out[a] - np.floor(_forced_visits(node, edge, forced))))
        if out[a] <= 1:
            out[a] = 0.0


@kernel
def root_summary(tree, rule, games, policy, action_values, bounds, values, choice):
    """Per game of `games`, at the root:

    policy [n, A] f4         the improved policy: visit shares under PUCT, less those only forced, softmax(logits +
                             sigma(completed Q)) under Gumbel; of a solved root only actions that keep its value
    action_values [n, A] f4  mean value of each visited action, the root's value elsewhere, 0 where illegal
    bounds [n, A, 2] i1      proven lower and upper bound of each action
    values [n] f4            mean value of all simulations, exact where solved
    choice [n] i8            the action to play without temperature: most visits under PUCT, under Gumbel the highest
                             g + logits + sigma(q) among the most visited; of a solved root always one that keeps its value
    """
    actions = tree.edge.shape[2]
    sigmas, improved = np.zeros(actions, np.float64), np.zeros(actions, np.float64)
    for i in range(len(games)):
        node, edges = tree.node[games[i], 0], tree.edge[games[i], 0]
        values[i] = _clip(node["total"] / (1.0 + node["visits"]), node["lower"], node["upper"])
        most = 0
        for a in range(actions):
            edge = edges[a]
            legal = edge["child"] != ILLEGAL
            bounds[i, a, 0] = edge["lower"] if legal else -1
            bounds[i, a, 1] = edge["upper"] if legal else 1
            action_values[i, a] = _edge_value(edge) if edge["visits"] > 0 else (values[i] if legal else 0.0)
            if _worth_playing(node, edge):
                most = max(most, edge["visits"])
        if rule.kind == GUMBEL:
            _sigmas(node, edges, rule, sigmas)
            _improved_policy(node, edges, rule, improved)
        best, best_score, kept = -1, -np.inf, 0.0
        for a in range(actions):
            edge = edges[a]
            if not _worth_playing(node, edge):
                improved[a] = 0.0
                continue
            if edge["visits"] == most:
                score = sigmas[a] + tree.gumbel[games[i], a] if rule.kind == GUMBEL else edge["prior"]
                if score > best_score:
                    best, best_score = a, score
            if rule.kind == PUCT:
                # A solved root can have no visits on a saving action; the prior then decides.
                improved[a] = edge["visits"] if most > 0 else edge["prior"] + TINY
        choice[i] = best
        if rule.kind == PUCT and tree.forced[games[i]] > 0 and most > 0 and node["lower"] < node["upper"]:
            _unforced(node, edges, rule, tree.forced[games[i]], best, improved)
        for a in range(actions):
            kept += improved[a]
        for a in range(actions):
            policy[i, a] = improved[a] / kept
