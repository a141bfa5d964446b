"""A plain-Python twin of the search: nodes as objects, one game. Slow, and easy to believe.

`agents/tree.py` and `agents/selection.py` must build the very same trees: same nodes in the same order, same visits, same bounds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from agents.evaluators import Evaluator
from agents.search import SearchSettings, considered_visits
from envs import Game
from envs.game import EndingGame


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
    flying: dict[int, int] = field(default_factory=dict)  # simulations under way, each counted as a loss
    totals: dict[int, float] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)  # results of actions that end the game at once

    def bounds_of(self, action: int) -> tuple[int, int]:
        if action in self.known:
            return self.known[action], self.known[action]
        child = self.children.get(action)
        return (-child.upper, -child.lower) if child else (-1, 1)

    @property
    def unlooked(self) -> list[int]:
        """Known endings that are worth a look and had none."""
        return [a for a in self.known if a in self.worth() and not self.through(a)]

    def bound(self) -> None:
        """As narrow as the actions allow."""
        pairs = [self.bounds_of(a) for a in self.legal]
        self.lower, self.upper = max(p[0] for p in pairs), max(p[1] for p in pairs)

    def worth(self) -> list[int]:
        """Legal actions neither dominated by a proven alternative nor needlessly lost."""
        uppers = {a: self.bounds_of(a)[1] for a in self.legal}
        return [a for a in self.legal if uppers[a] >= self.lower and (uppers[a] > -1 or self.upper == -1)]

    def through(self, action: int) -> int:
        return self.visits.get(action, 0) + self.flying.get(action, 0)

    @property
    def count(self) -> int:
        return sum(self.visits.values()) + sum(self.flying.values())

    def q(self, action: int) -> float:
        lower, upper = self.bounds_of(action)
        total = self.totals.get(action, 0.0) - self.flying.get(action, 0)
        return min(max(total / self.through(action), lower), upper)


Path = list[tuple[Node, int]]  # from the root, with the action taken in each node


class Twin:
    """Search of one position; `order` lists the nodes as they were made."""

    def __init__(self, game: Game, evaluate: Evaluator, settings: SearchSettings, state: np.ndarray) -> None:
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
            if isinstance(self.game, EndingGame):
                actions, results = self.game.endings(state)
                node.known = {int(a): int(r) for a, r in zip(actions, results, strict=True) if a >= 0}
            node.bound()
        self.order.append(node)
        return node

    def run(self, simulations: int, leaves: int = 1, batches: int = 1) -> None:
        """So many simulations, `batches` of up to so many `leaves` under way at once."""
        considered = min(len(self.root.legal), self.settings.max_considered, simulations)
        self.plan = [int(wanted) for wanted in considered_visits(considered, simulations)]
        self.done = self.under_way = 0
        asked: deque[list[Path]] = deque()
        while True:
            while len(asked) < batches and (found := self._find(leaves)):
                asked.append(found)
            if not asked:
                return
            for path in asked.popleft():
                self._take_in(path)

    def _find(self, leaves: int) -> list[Path]:
        """Ways to nodes that are not there yet."""
        found: list[Path] = []
        while len(found) < leaves and self.done + self.under_way < len(self.plan) and self._is_open():
            path = self._walk(self.plan[self.done + self.under_way])
            above, action = path[-1]
            if action in above.children:
                self._back_up(path)
            elif above.flying[action] > 1:  # another one waits there
                for node, action in path:
                    node.flying[action] -= 1
                break
            else:
                found.append(path)
                self.under_way += 1
        return found

    def _is_open(self) -> bool:
        """The root is not solved, or was so before it was looked at."""
        return self.root.lower < self.root.upper or self.done + self.under_way == 0

    def _walk(self, wanted: int) -> Path:
        path: Path = []
        node: Node | None = self.root
        while node is not None and (node is self.root or node.lower < node.upper):
            action = self._choose(node, wanted)
            node.flying[action] = node.flying.get(action, 0) + 1
            path.append((node, action))
            node = node.children.get(action)
        return path

    def _take_in(self, path: Path) -> None:
        above, action = path[-1]
        above.children[action] = self._node(self.game.step(above.state, np.array([action])))
        self.under_way -= 1
        for above, _ in reversed(path):  # bounds
            above.bound()
        self._back_up(path)

    def _back_up(self, path: Path) -> None:
        above, action = path[-1]
        below = above.children[action]
        value = below.value if below.lower < below.upper else float(below.lower)
        for above, action in reversed(path):
            value = -min(max(value, below.lower), below.upper)
            above.flying[action] -= 1
            above.visits[action] = above.visits.get(action, 0) + 1
            above.totals[action] = above.totals.get(action, 0.0) + value
            below = above
        self.done += 1

    def _choose(self, node: Node, wanted: int) -> int:
        if node.lower == node.upper:
            return next(iter(node.known))
        if self.settings.rule == "puct":
            return self._puct(node)
        if node.unlooked and (node is self.root or node.count == 0):
            return node.unlooked[0]
        logits = self._improved_logits(node)
        worth = node.worth()
        if node is self.root:
            considered = [a for a in worth if node.through(a) == wanted] or worth
            return max(considered, key=lambda a: (logits[a], -a))
        top = max(logits.values())
        weights = {a: math.exp(logits[a] - top) for a in node.legal}
        total, count = sum(weights.values()), node.count
        return max(worth, key=lambda a: (weights[a] / total - node.through(a) / (1 + count), -a))

    def _puct(self, node: Node) -> int:
        s = self.settings
        total = node.value + sum(node.totals.values()) - sum(node.flying.values())
        mean = min(max(total / (1 + node.count), node.lower), node.upper)
        urgency = mean - s.fpu * math.sqrt(sum(node.prior[a] for a in node.legal if node.through(a)))
        explore = self._exploration(node)

        def score(a: int) -> float:
            n = node.through(a)
            fresh = node.known.get(a, urgency)
            return (node.q(a) if n else fresh) + explore * node.prior[a] / (1 + n)

        return max(node.worth(), key=lambda a: (score(a), -a))

    def _exploration(self, node: Node) -> float:
        s, count = self.settings, 1 + node.count
        return (s.c_init + math.log((count + s.c_base + 1) / s.c_base)) * math.sqrt(count)

    def _improved_logits(self, node: Node) -> dict[int, float]:
        prior = {a: node.prior[a] + 1e-9 for a in node.legal}
        visited = [a for a in node.legal if node.through(a)]
        mixed = node.value
        if visited:
            weighted = sum(prior[a] * node.q(a) for a in visited) / sum(prior[a] for a in visited)
            mixed = (node.value + node.count * weighted) / (1 + node.count)
        scale = (self.settings.c_visit + max(map(node.through, node.legal))) * self.settings.c_scale
        q = {a: node.q(a) if a in visited else mixed for a in node.legal}
        return {a: math.log(prior[a]) + scale * (q[a] + 1) / 2 for a in node.legal}
