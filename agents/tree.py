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

from envs.jit import kernel

UNEXPANDED, ILLEGAL, PENDING = -1, -2, -3  # `child` entries that are no node; PENDING awaits its evaluation
PUCT, GUMBEL = 0, 1
_TINY = 1e-9  # added to priors before the logarithm


class Tree(NamedTuple):
    """One tree per game b; node 0 is the root. Arrays are allocated once and reused."""

    size: NDArray[np.int32]  # [B] nodes in use; 0: the root awaits its evaluation
    parent: NDArray[np.int32]  # [B, N], -1 at the root
    action: NDArray[np.int32]  # [B, N] the action that led here from the parent
    child: NDArray[np.int32]  # [B, N, A] node, or one of the codes above
    prior: NDArray[np.float32]  # [B, N, A] the evaluator's policy (noise included at the root)
    visits: NDArray[np.int32]  # [B, N, A] finished simulations through the edge
    total: NDArray[np.float64]  # [B, N, A] sum of their values
    flying: NDArray[np.int32]  # [B, N, A] simulations under way through the edge, each counted as a loss (virtual loss)
    value: NDArray[np.float32]  # [B, N] the evaluator's value
    lower: NDArray[np.int8]  # [B, N] proven bounds on the true value
    upper: NDArray[np.int8]  # [B, N]
    budget: NDArray[np.int32]  # [B] simulations wanted at the root; 0: the slot is idle
    done: NDArray[np.int32]  # [B] simulations finished at the root
    gumbel: NDArray[np.float32]  # [B, A] Gumbel noise of the root
    plan: NDArray[np.int32]  # [B, P] sequential halving: visits an action must have to be considered at simulation i


class Rule(NamedTuple):
    """Constants of the selection rules."""

    kind: int  # PUCT, or GUMBEL at the root with its deterministic rule below
    c_init: float  # AlphaZero: 1.25
    c_base: float  # AlphaZero: 19652
    fpu: float  # first-play urgency: an unvisited child is this much worse than its parent, times sqrt(prior visited)
    c_visit: float  # Gumbel: 50
    c_scale: float  # Gumbel: 1, on values mapped to [0, 1]


def new_tree(games: int, nodes: int, actions: int, plan: int) -> Tree:
    """An empty tree per game, room for `nodes` nodes each and Gumbel plans of up to `plan` simulations."""
    edges = (games, nodes, actions)
    return Tree(
        size=np.zeros(games, np.int32),
        parent=np.full((games, nodes), -1, np.int32),
        action=np.full((games, nodes), -1, np.int32),
        child=np.full(edges, ILLEGAL, np.int32),
        prior=np.zeros(edges, np.float32),
        visits=np.zeros(edges, np.int32),
        total=np.zeros(edges, np.float64),
        flying=np.zeros(edges, np.int32),
        value=np.zeros((games, nodes), np.float32),
        lower=np.full((games, nodes), -1, np.int8),
        upper=np.full((games, nodes), 1, np.int8),
        budget=np.zeros(games, np.int32),
        done=np.zeros(games, np.int32),
        gumbel=np.zeros((games, actions), np.float32),
        plan=np.zeros((games, plan), np.int32),
    )


@kernel
def _edge_lower(tree, b, node, a):
    child = tree.child[b, node, a]
    return -tree.upper[b, child] if child >= 0 else -1


@kernel
def _edge_upper(tree, b, node, a):
    child = tree.child[b, node, a]
    return -tree.lower[b, child] if child >= 0 else 1


@kernel
def _worth_visiting(tree, b, node, a):
    """Legal, and neither a proven loss while anything else is possible nor proven worse than another action."""
    if tree.child[b, node, a] == ILLEGAL:
        return False
    upper = _edge_upper(tree, b, node, a)
    return upper >= tree.lower[b, node] and (upper > -1 or tree.upper[b, node] == -1)


@kernel
def _edge_value(tree, b, node, a):
    """Mean value of a visited edge, simulations under way counted as losses, inside its proven bounds."""
    count = tree.visits[b, node, a] + tree.flying[b, node, a]
    mean = (tree.total[b, node, a] - tree.flying[b, node, a]) / count
    return min(max(mean, _edge_lower(tree, b, node, a)), _edge_upper(tree, b, node, a))


@kernel
def _puct(tree, b, node, rule):
    """argmax of Q + c P sqrt(N) / (1 + n): AlphaZero (2018), with first-play urgency for unvisited children."""
    count, total, seen = 1, np.float64(tree.value[b, node]), 0.0
    actions = tree.child.shape[2]
    for a in range(actions):
        n = tree.visits[b, node, a] + tree.flying[b, node, a]
        if n > 0:
            count += n
            total += tree.total[b, node, a] - tree.flying[b, node, a]
            seen += tree.prior[b, node, a]
    mean = min(max(total / count, tree.lower[b, node]), tree.upper[b, node])
    urgency = mean - rule.fpu * np.sqrt(seen)
    explore = (rule.c_init + np.log((count + rule.c_base + 1.0) / rule.c_base)) * np.sqrt(np.float64(count))
    best, best_score = -1, -np.inf
    for a in range(actions):
        if not _worth_visiting(tree, b, node, a):
            continue
        n = tree.visits[b, node, a] + tree.flying[b, node, a]
        q = _edge_value(tree, b, node, a) if n > 0 else urgency
        score = q + explore * tree.prior[b, node, a] / (1.0 + n)
        if score > best_score:
            best, best_score = a, score
    return best


@kernel
def _improved_logits(tree, b, node, rule, out):
    """log prior + sigma(completed Q), -inf where illegal: equations 8, 10 and 33 of Danihelka et al. 2022."""
    actions = tree.child.shape[2]
    count, most, weighted, seen = 0, 0, 0.0, 0.0
    for a in range(actions):
        n = tree.visits[b, node, a] + tree.flying[b, node, a]
        if n > 0:
            prior = tree.prior[b, node, a] + _TINY
            count += n
            most = max(most, n)
            weighted += prior * _edge_value(tree, b, node, a)
            seen += prior
    mixed = np.float64(tree.value[b, node])
    if count > 0:
        mixed = (mixed + count * weighted / seen) / (1.0 + count)
    scale = (rule.c_visit + most) * rule.c_scale
    for a in range(actions):
        if tree.child[b, node, a] == ILLEGAL:
            out[a] = -np.inf
            continue
        visited = tree.visits[b, node, a] + tree.flying[b, node, a] > 0
        q = _edge_value(tree, b, node, a) if visited else mixed
        out[a] = np.log(tree.prior[b, node, a] + _TINY) + scale * (q + 1.0) / 2.0


@kernel
def _softmax(logits):
    top = logits.max()
    total = 0.0
    for a in range(len(logits)):
        logits[a] = np.exp(logits[a] - top)
        total += logits[a]
    for a in range(len(logits)):
        logits[a] /= total


@kernel
def _gumbel_root(tree, b, simulation, rule, logits):
    """The considered action with the highest g + logits + sigma(q); considered: has the visits that the plan asks for."""
    _improved_logits(tree, b, 0, rule, logits)
    last = tree.plan.shape[1] - 1
    wanted = tree.plan[b, min(simulation, last)]
    best, best_score = -1, -np.inf
    fallback, fallback_score = -1, -np.inf  # proven losses leave gaps in the plan
    for a in range(len(logits)):
        if not _worth_visiting(tree, b, 0, a):
            continue
        score = logits[a] + tree.gumbel[b, a]
        n = tree.visits[b, 0, a] + tree.flying[b, 0, a]
        if n == wanted and score > best_score:
            best, best_score = a, score
        if score > fallback_score:
            fallback, fallback_score = a, score
    return best if best >= 0 else fallback


@kernel
def _gumbel_inner(tree, b, node, rule, policy):
    """argmax of pi'(a) - n(a) / (1 + sum n): equation 14 of Danihelka et al. 2022."""
    _improved_logits(tree, b, node, rule, policy)
    _softmax(policy)
    count = 0
    for a in range(len(policy)):
        count += tree.visits[b, node, a] + tree.flying[b, node, a]
    best, best_score = -1, -np.inf
    for a in range(len(policy)):
        if _worth_visiting(tree, b, node, a):
            score = policy[a] - (tree.visits[b, node, a] + tree.flying[b, node, a]) / (1.0 + count)
            if score > best_score:
                best, best_score = a, score
    return best


@kernel
def _backup(tree, b, node, value):
    """Add `value`, for the player to move at `node`, to every edge above it, once negated per edge."""
    while node != 0:
        value = -min(max(value, tree.lower[b, node]), tree.upper[b, node])
        above, a = tree.parent[b, node], tree.action[b, node]
        tree.visits[b, above, a] += 1
        tree.total[b, above, a] += value
        tree.flying[b, above, a] -= 1
        node = above
    tree.done[b] += 1


@kernel
def _tighten(tree, b, node):
    """Recompute the bounds of `node` and, as long as they change, of its ancestors."""
    while node >= 0:
        lower, upper = -1, -1
        for a in range(tree.child.shape[2]):
            if tree.child[b, node, a] != ILLEGAL:
                lower = max(lower, _edge_lower(tree, b, node, a))
                upper = max(upper, _edge_upper(tree, b, node, a))
        if lower == tree.lower[b, node] and upper == tree.upper[b, node]:
            return
        tree.lower[b, node], tree.upper[b, node] = lower, upper
        node = tree.parent[b, node]


@kernel
def _descend(tree, b, simulation, rule, scratch):
    """(node, action) of the edge where the walk from the root ended, virtual losses laid on its way."""
    node = 0
    while True:
        if rule.kind == PUCT:
            a = _puct(tree, b, node, rule)
        elif node == 0:
            a = _gumbel_root(tree, b, simulation, rule, scratch)
        else:
            a = _gumbel_inner(tree, b, node, rule, scratch)
        tree.flying[b, node, a] += 1
        child = tree.child[b, node, a]
        if child < 0 or tree.lower[b, child] == tree.upper[b, child]:
            return node, a
        node = child


@kernel
def _searching(tree, b, under_way):
    """True while the slot may start a simulation: budget and room left, root not solved."""
    return (
        tree.done[b] + under_way < tree.budget[b]
        and tree.size[b] + under_way < tree.child.shape[1]
        and tree.lower[b, 0] < tree.upper[b, 0]
    )


@kernel
def select(tree, rule, per_game, games, nodes, actions):
    """Write up to `per_game` edges a game that await a node; returns how many. Edge (b, -1, -1) asks for the root itself.

    Simulations that end in a solved node need no evaluation: they are backed up here and the next one begins.
    """
    count = 0
    scratch = np.empty(tree.child.shape[2], np.float64)
    for b in range(len(tree.size)):
        if tree.budget[b] == 0:
            continue
        if tree.size[b] == 0:
            games[count], nodes[count], actions[count] = b, -1, -1
            count += 1
            continue
        under_way = 0
        while under_way < per_game and _searching(tree, b, under_way):
            node, a = _descend(tree, b, tree.done[b] + under_way, rule, scratch)
            child = tree.child[b, node, a]
            if child >= 0:
                _backup(tree, b, child, np.float64(tree.lower[b, child]))
            elif (
                child == PENDING
            ):  # another simulation under way waits there: take back the virtual losses, end the round
                while node >= 0:
                    tree.flying[b, node, a] -= 1
                    a = tree.action[b, node]
                    node = tree.parent[b, node]
                break
            else:
                tree.child[b, node, a] = PENDING
                games[count], nodes[count], actions[count] = b, node, a
                count += 1
                under_way += 1
    return count


@kernel
def expand(tree, games, nodes, actions, priors, values, legal, terminal):
    """Make a node of every edge that `select` wrote and back its value up.

    priors [L, A] f4, values [L] f4 for the side to move in the leaf, legal [L, A] bool, terminal [L] bool; a terminal
    leaf's value is its exact result and solves it.
    """
    for i in range(len(games)):
        b, above, action = games[i], nodes[i], actions[i]
        node = tree.size[b]
        tree.size[b] += 1
        tree.parent[b, node] = above
        tree.action[b, node] = action
        tree.value[b, node] = values[i]
        tree.lower[b, node], tree.upper[b, node] = -1, 1
        for a in range(tree.child.shape[2]):
            tree.child[b, node, a] = UNEXPANDED if legal[i, a] else ILLEGAL
            tree.prior[b, node, a] = priors[i, a]
            tree.visits[b, node, a] = 0
            tree.total[b, node, a] = 0.0
            tree.flying[b, node, a] = 0
        if terminal[i]:
            result = np.int8(np.rint(values[i]))
            tree.lower[b, node], tree.upper[b, node] = result, result
        if above >= 0:
            tree.child[b, above, action] = node
            if terminal[i]:
                _tighten(tree, b, above)
            _backup(tree, b, node, np.float64(values[i]))


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
def reroot(tree, b, root, kept):
    """Keep only the subtree of node `root` of game b, renumbered in its old order.

    Writes the old number of every node kept into `kept` [N] and returns how many there are. No simulation may be under way.
    """
    count = 0
    renamed = np.full(tree.size[b], -1, np.int32)
    for node in range(root, tree.size[b]):  # children come after their parents
        above = tree.parent[b, node]
        if node == root or (above >= root and renamed[above] >= 0):
            renamed[node] = count
            kept[count] = node
            count += 1
    for new in range(count):
        old = kept[new]
        tree.parent[b, new] = renamed[tree.parent[b, old]] if new > 0 else -1
        tree.action[b, new] = tree.action[b, old] if new > 0 else -1
        tree.value[b, new] = tree.value[b, old]
        tree.lower[b, new], tree.upper[b, new] = tree.lower[b, old], tree.upper[b, old]
        tree.prior[b, new] = tree.prior[b, old]
        tree.visits[b, new] = tree.visits[b, old]
        tree.total[b, new] = tree.total[b, old]
        tree.flying[b, new] = 0
        for a in range(tree.child.shape[2]):
            child = tree.child[b, old, a]
            tree.child[b, new, a] = renamed[child] if child >= 0 else child
    tree.size[b] = count
    tree.done[b] = tree.visits[b, 0].sum()
    return count


@kernel
def _worth_playing(tree, b, a):
    """Worth visiting at the root and, where the root is solved, proven to keep its value."""
    solved = tree.lower[b, 0] == tree.upper[b, 0]
    return _worth_visiting(tree, b, 0, a) and (not solved or _edge_lower(tree, b, 0, a) == tree.lower[b, 0])


@kernel
def root_summary(tree, rule, games, policy, action_values, bounds, values, choice):
    """Per game of `games`, at the root:

    policy [n, A] f4         the improved policy: visit shares under PUCT, softmax(logits + sigma(completed Q)) under Gumbel;
                             of a solved root only actions that keep its value
    action_values [n, A] f4  mean value of each visited action, the root's value elsewhere, 0 where illegal
    bounds [n, A, 2] i1      proven lower and upper bound of each action
    values [n] f4            mean value of all simulations, exact where solved
    choice [n] i8            the action to play without temperature: most visits under PUCT, under Gumbel the highest
                             g + logits + sigma(q) among the most visited; of a solved root always one that keeps its value
    """
    actions = tree.child.shape[2]
    scratch = np.empty(actions, np.float64)
    for i in range(len(games)):
        b = games[i]
        lower, upper = tree.lower[b, 0], tree.upper[b, 0]
        total, most = np.float64(tree.value[b, 0]), 0
        for a in range(actions):
            total += tree.total[b, 0, a]
        root_value = min(max(total / (1.0 + tree.visits[b, 0].sum()), lower), upper)
        values[i] = root_value
        _improved_logits(tree, b, 0, rule, scratch)
        for a in range(actions):
            legal = tree.child[b, 0, a] != ILLEGAL
            bounds[i, a, 0] = _edge_lower(tree, b, 0, a)
            bounds[i, a, 1] = _edge_upper(tree, b, 0, a)
            visited = tree.visits[b, 0, a] > 0
            action_values[i, a] = _edge_value(tree, b, 0, a) if visited else (root_value if legal else 0.0)
            if _worth_playing(tree, b, a):
                most = max(most, tree.visits[b, 0, a])
        best, best_score = -1, -np.inf
        for a in range(actions):
            if not _worth_playing(tree, b, a):
                scratch[a] = -np.inf
                continue
            if tree.visits[b, 0, a] == most:
                score = scratch[a] + tree.gumbel[b, a] if rule.kind == GUMBEL else tree.prior[b, 0, a]
                if score > best_score:
                    best, best_score = a, score
            if rule.kind == PUCT:
                # A solved root can have no visits on a saving action; the prior then decides.
                weight = np.float64(tree.visits[b, 0, a]) if most > 0 else tree.prior[b, 0, a] + _TINY
                scratch[a] = np.log(weight)
        choice[i] = best
        _softmax(scratch)
        for a in range(actions):
            policy[i, a] = scratch[a]
