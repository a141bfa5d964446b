"""What a search has found in a position of Go: of each move its visits, its chance to win and the line behind it, and, where
the player's network was taught territory, the lead in points and who owns which point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.insight import Insight
from agents.search import Search
from arena.look import candidates
from envs.go import Go

Ownership = NDArray[np.float32]  # [H, W] 1 own, -1 the other side's


class Move(NamedTuple):
    """A move as the search judges it, from the side to move."""

    name: str
    visits: int
    value: float  # in [-1, 1]
    prior: float
    line: list[str]  # the expected continuation, this move at its head
    line_visits: list[int]
    lead: float | None  # points ahead at the end
    ownership: Ownership | None

    @property
    def chance(self) -> float:
        """The chance to win."""
        return (1 + self.value) / 2

    @property
    def bound(self) -> float:
        """A lower bound of the chance (95%, as if each visit was a game)."""
        return max(0.0, self.chance - 1.96 * float(np.sqrt(self.chance * (1 - self.chance) / max(1, self.visits))))


class Found(NamedTuple):
    """A searched position, from the side to move."""

    to_play: int
    value: float
    visits: int
    moves: list[Move]  # best first
    lead: float | None
    ownership: Ownership | None


def found(game: Go, search: Search, slot: int, insight: Insight | None, *, most: int = 20, least: int = 0) -> Found:
    """What is known of the root of `slot`: up to `most` moves that were visited, at least `least` with those that were not.

    Lead and ownership of a move are means over the positions after it and after the reply expected: a network favours the side
    to move, which so cancels out. Those of the root are means over the moves shown, by their visits.
    """
    rows = candidates(search, slot)
    rows = [row for i, row in enumerate(rows) if row.visits or i < least][:most]
    state, tree = search.states[slot, 0], search.tree
    value, visits = float(search.results(np.array([slot])).values[0]), int(tree.node["visits"][slot, 0])
    nodes = tree.edge["child"][slot, 0, [row.action for row in rows]]
    leads, owned = _after_replies(game, search, slot, nodes, insight)
    moves = []
    for i, row in enumerate(rows):
        line = search.principal_variation(slot, row.action)
        seen = leads is not None and nodes[i] >= 0
        moves.append(
            Move(
                game.action_name(row.action),
                row.visits,
                row.value,
                row.prior,
                [game.action_name(action) for action in line],
                _line_visits(search, slot, line),
                float(leads[i]) if leads is not None and seen else None,
                owned[i] if owned is not None and seen else None,
            )
        )
    weights = np.array([row.visits if nodes[i] >= 0 else 0 for i, row in enumerate(rows)], np.float64)
    if leads is None or owned is None or insight is None:
        return Found(int(state["to_play"]), value, visits, moves, None, None)
    if weights.sum():
        lead, ownership = float(weights @ leads / weights.sum()), np.tensordot(weights / weights.sum(), owned, 1)
    else:
        said = insight(np.array([state]))
        assert said.leads is not None
        assert said.ownership is not None
        lead, ownership = float(said.leads[0]), said.ownership[0]
    return Found(int(state["to_play"]), value, visits, moves, lead, ownership)


def _after_replies(
    game: Go, search: Search, slot: int, nodes: NDArray[np.int32], insight: Insight | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | tuple[None, None]:
    """What `_territory` says of n moves, the mean of the position after each and the one after its most visited reply."""
    edges = search.tree.edge[slot, np.maximum(nodes, 0)]  # [n, A]
    best = edges["visits"].argmax(axis=1)[:, None]
    visited = (nodes >= 0) & (edges["visits"].max(axis=1) > 0)
    replies = np.where(visited, np.take_along_axis(edges["child"], best, 1)[:, 0], -1)
    leads, owned = _territory(game, search, slot, np.concatenate([nodes, replies]), insight)
    if leads is None or owned is None:
        return None, None
    n, there = len(nodes), replies >= 0
    leads[:n][there] = (leads[:n][there] - leads[n:][there]) / 2  # the side to move before a reply is the other one
    owned[:n][there] = (owned[:n][there] - owned[n:][there]) / 2
    return leads[:n], owned[:n]


def _territory(
    game: Go, search: Search, slot: int, nodes: NDArray[np.int32], insight: Insight | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | tuple[None, None]:
    """[n] leads and [n, H, W] ownership after each of n moves, from the side to move before it; 0 where there is no node.

    Those of a finished game are exact.
    """
    if insight is None or not insight.sees_territory:
        return None, None
    leads, owned = np.zeros(len(nodes), np.float32), np.zeros((len(nodes), *game.board_shape), np.float32)
    there = np.flatnonzero(nodes >= 0)
    states = search.states[slot, nodes[there]]
    over = game.terminal(states)
    if not over.all():
        said = insight(states[~over])
        assert said.leads is not None
        assert said.ownership is not None
        leads[there[~over]], owned[there[~over]] = -said.leads, -said.ownership
    if over.any():
        sign = 1 - 2 * states["to_play"][over].astype(np.float32)
        leads[there[over]] = -sign * game.score(states[over])
        owned[there[over]] = -sign[:, None, None] * game.ownership(states[over])
    return leads, owned


def _line_visits(search: Search, slot: int, line: list[int]) -> list[int]:
    node, visits = 0, []
    for action in line:
        edge = search.tree.edge[slot, node, action]
        visits.append(int(edge["visits"]))
        node = int(edge["child"])
    return visits
