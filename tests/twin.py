"""A plain-Python twin of the search: nodes as objects, one game, one simulation at a time. Slow, and easy to believe.

`agents/tree.py` and `agents/selection.py` must build the very same trees: same nodes in the same order, same visits, same bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from agents.evaluators import Evaluator
from agents.search import SearchSettings, considered_visits
from envs import Game


@dataclass
class Node:
    state: np.ndarray  # [1]
    legal: list[int]
    prior: list[float]
    value: float
    lower: int
    upper: int
    children: dict[int, Node] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=dict)
    totals: dict[int, float] = field(default_factory=dict)

    def bounds_of(self, action: int) -> tuple[int, int]:
        child = self.children.get(action)
        return (-child.upper, -child.lower) if child else (-1, 1)

    def worth(self) -> list[int]:
        """Legal actions neither dominated by a proven alternative nor needlessly lost."""
        uppers = {a: self.bounds_of(a)[1] for a in self.legal}
        return [a for a in self.legal if uppers[a] >= self.lower and (uppers[a] > -1 or self.upper == -1)]

    def q(self, action: int) -> float:
        lower, upper = self.bounds_of(action)
        return min(max(self.totals[action] / self.visits[action], lower), upper)


class Twin:
    """Search of one position; `order` lists the nodes as they were made."""

    def __init__(
        self, game: Game, evaluate: Evaluator, settings: SearchSettings, state: np.ndarray, noisy: bool = False
    ) -> None:
        self.noisy = noisy  # as in self-play, but with noise of no size: visits are forced
        self.game, self.evaluate, self.settings = game, evaluate, settings
        self.order: list[Node] = []
        self.root = self._node(state)

    def _node(self, state: np.ndarray) -> Node:
        legal = [int(a) for a in np.flatnonzero(self.game.legal(state)[0])]
        if self.game.terminal(state)[0]:
            value = float(self.game.returns(state)[0])
            node = Node(state, legal, [0.0] * self.game.num_actions, value, int(value), int(value))
        else:
            seen = self.evaluate(state)
            node = Node(state, legal, [float(p) for p in seen.priors[0]], float(seen.values[0]), -1, 1)
        self.order.append(node)
        return node

    def run(self, simulations: int) -> None:
        considered = min(len(self.root.legal), self.settings.max_considered, simulations)
        plan = considered_visits(considered, simulations)
        for simulation in range(simulations):
            if self.root.lower == self.root.upper:
                return
            self._simulate(int(plan[simulation]))

    def _simulate(self, wanted: int) -> None:
        path: list[tuple[Node, int]] = []
        node = self.root
        while True:
            action = self._choose(node, wanted)
            path.append((node, action))
            if action not in node.children:
                node.children[action] = self._node(self.game.step(node.state, np.array([action])))
                node = node.children[action]
                break
            node = node.children[action]
            if node.lower == node.upper:
                break
        for above, _ in reversed(path):  # bounds
            pairs = [above.bounds_of(a) for a in above.legal]
            above.lower, above.upper = max(p[0] for p in pairs), max(p[1] for p in pairs)
        value = node.value if node.lower < node.upper else float(node.lower)
        below = node
        for above, action in reversed(path):
            value = -min(max(value, below.lower), below.upper)
            above.visits[action] = above.visits.get(action, 0) + 1
            above.totals[action] = above.totals.get(action, 0.0) + value
            below = above

    def _choose(self, node: Node, wanted: int) -> int:
        if self.settings.rule == "puct":
            return self._puct(node)
        logits = self._improved_logits(node)
        worth = node.worth()
        if node is self.root:
            considered = [a for a in worth if node.visits.get(a, 0) == wanted] or worth
            return max(considered, key=lambda a: (logits[a], -a))
        top = max(logits.values())
        weights = {a: math.exp(logits[a] - top) for a in node.legal}
        total, count = sum(weights.values()), sum(node.visits.values())
        return max(worth, key=lambda a: (weights[a] / total - node.visits.get(a, 0) / (1 + count), -a))

    def _puct(self, node: Node) -> int:
        s = self.settings
        count = 1 + sum(node.visits.values())
        mean = min(max((node.value + sum(node.totals.values())) / count, node.lower), node.upper)
        urgency = mean - s.fpu * math.sqrt(sum(node.prior[a] for a in node.visits))
        explore = self._exploration(node)
        if node is self.root and self.noisy:
            for a in node.worth():
                if 0 < node.visits.get(a, 0) < self._forced(a):
                    return a

        def score(a: int) -> float:
            n = node.visits.get(a, 0)
            return (node.q(a) if n else urgency) + explore * node.prior[a] / (1 + n)

        return max(node.worth(), key=lambda a: (score(a), -a))

    def _exploration(self, node: Node) -> float:
        s, count = self.settings, 1 + sum(node.visits.values())
        return (s.c_init + math.log((count + s.c_base + 1) / s.c_base)) * math.sqrt(count)

    def _forced(self, action: int) -> float:
        k, count = self.settings.forced_playouts, sum(self.root.visits.values())
        return math.sqrt(k * self.root.prior[action] * count)

    def pruned_visits(self) -> dict[int, int]:
        """Visits of the unsolved root's actions, one by one taken away as long as they were only forced."""
        root, explore = self.root, self._exploration(self.root)

        def score(a: int, n: int) -> float:
            return root.q(a) + explore * root.prior[a] / (1 + n)

        left = {a: root.visits[a] for a in root.worth() if a in root.visits}
        best = max(left, key=lambda a: (left[a], root.prior[a]))
        bar = score(best, left[best])
        for a in left:
            if a == best:
                continue
            for _ in range(int(self._forced(a))):
                if left[a] == 0 or score(a, left[a] - 1) >= bar:
                    break
                left[a] -= 1
            left[a] = left[a] if left[a] > 1 else 0
        return left

    def _improved_logits(self, node: Node) -> dict[int, float]:
        prior = {a: node.prior[a] + 1e-9 for a in node.legal}
        visited = [a for a in node.legal if node.visits.get(a, 0)]
        mixed = node.value
        if visited:
            count = sum(node.visits[a] for a in visited)
            weighted = sum(prior[a] * node.q(a) for a in visited) / sum(prior[a] for a in visited)
            mixed = (node.value + count * weighted) / (1 + count)
        scale = (self.settings.c_visit + max(node.visits.values(), default=0)) * self.settings.c_scale
        q = {a: node.q(a) if a in visited else mixed for a in node.legal}
        return {a: math.log(prior[a]) + scale * (q[a] + 1) / 2 for a in node.legal}
