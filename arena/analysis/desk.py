"""Searches of one game side by side: all their leaves go to the network in one batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.insight import Insight
from agents.nodes import EDGE, ILLEGAL, NODE
from agents.players import SearchPlayer
from arena.analysis.query import Asked, Turn
from arena.kata.found import Found, found
from arena.look import open_ended
from envs.go import Go

MEMORY = 1 << 30  # bytes that the trees of a desk may take
SMALLEST = 64  # nodes of a tree
MOST_MOVES = 1000  # reported


@dataclass
class Task:
    """A turn of a query on its way to an answer."""

    asked: Asked
    turn: Turn
    visits: int
    order: int  # of arrival
    begun: float = 0.0  # when its first simulation ended: what is loaded and compiled before is not its time
    reported: float = 0.0  # when it was last reported on
    halted: bool = False  # it is to end as it is
    policy: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))  # [A] -1 where illegal

    @property
    def rank(self) -> tuple[int, int]:
        """Least first."""
        return -self.turn.priority, self.order


def most_visits(game: Go) -> int:
    """What one search can hold."""
    return MEMORY // _node_bytes(game) - 1


def capacity(game: Go, visits: int) -> int:
    """Nodes of the trees for such searches: few different numbers, so that searches share a desk."""
    return min(max(SMALLEST, 1 << visits.bit_length()), most_visits(game) + 1)


class Desk:
    """Room for some searches of `game`, `nodes` nodes each."""

    def __init__(self, player: SearchPlayer, insight: Insight | None, game: Go, nodes: int, slots: int) -> None:
        self.player, self.insight, self.game, self.nodes = player, insight, game, nodes
        slots = max(1, min(slots, MEMORY // (nodes * _node_bytes(game))))
        self.tasks: list[Task | None] = [None] * slots
        self._search = open_ended(player, slots=slots, capacity=nodes)

    @property
    def free(self) -> int:
        return self.tasks.count(None)

    def begin(self, task: Task) -> None:
        """Give it a free place."""
        slot = self.tasks.index(None)
        self.tasks[slot] = task
        self._search.begin(np.array([slot]), task.turn.state, min(task.visits, self.nodes - 1))

    def end(self, task: Task) -> None:
        slot = self._slot(task)
        self._search.idle(np.array([slot]))
        self.tasks[slot] = None

    def step(self, rng: np.random.Generator) -> None:
        """Some simulations for every task."""
        busy = len(self.tasks) - self.free
        new = any(task is not None and not len(task.policy) for task in self.tasks)
        if busy:
            work = (
                self._search.step if new else self._search.proceed
            )  # roots first: what is forbidden there is never tried
            leaves, batches = self.player.pace(self.nodes)
            work(self.player.remembering, rng, per_game=max(1, leaves // busy), batches=batches)
        for slot, task in enumerate(self.tasks):
            if task is not None and not len(task.policy) and self._search.tree.size[slot]:
                self._root_is_known(slot, task)

    def begun(self, task: Task) -> bool:
        """Whether a simulation has come to its end."""
        slot = self._slot(task)
        return bool(self._search.tree.size[slot] and self._search.tree.node["visits"][slot, 0])

    def done(self, task: Task) -> bool:
        return bool(self._search.finished()[self._slot(task)])

    def found(self, task: Task) -> Found | None:
        """What is known so far; None before the first simulation."""
        if not self.begun(task):
            return None
        return found(self.game, self._search, self._slot(task), self.insight, most=MOST_MOVES)

    def _root_is_known(self, slot: int, task: Task) -> None:
        edges = self._search.tree.edge[slot, 0]
        task.policy = np.where(edges["child"] == ILLEGAL, np.float32(-1), edges["prior"])
        if len(task.turn.avoid):
            self._search.forbid(slot, task.turn.avoid)

    def _slot(self, task: Task) -> int:
        return next(slot for slot, other in enumerate(self.tasks) if other is task)


def _node_bytes(game: Go) -> int:
    return int(game.dtype.itemsize + NODE.itemsize + game.num_actions * EDGE.itemsize)
