"""The roots of search trees: Gumbel's plan before a search, and what there is to say of them after it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from agents.nodes import ILLEGAL, clip, edge_value, worth_visiting
from agents.selection import GUMBEL, PUCT, TINY, fill_sigmas, improved_policy
from envs.jit import kernel


class Findings(NamedTuple):
    """What the searches of B games found, T plies each; values are for the side to move."""

    policies: NDArray[np.float32]  # [B, T, A] the improved policy
    values: NDArray[np.float32]  # [B, T]
    proven: NDArray[np.bool_]  # [B, T] the value is exact
    outlook: NDArray[np.float32]  # [B, T] the higher of the values of position and chosen move
    surprise: NDArray[np.float32]  # [B, T] how far the policy is from the root's priors: KL(policy || priors), nats

    @classmethod
    def empty(cls, games: int, plies: int, actions: int) -> Self:
        """Room for them, which takes memory as it is filled."""
        policies = np.zeros((games, plies, actions), np.float32)
        values, outlook, surprise = (np.zeros((games, plies), np.float32) for _ in range(3))
        return cls(policies, values, np.zeros((games, plies), np.bool_), outlook, surprise)


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
def _worth_playing(node, edge):
    """Worth visiting at the root and, where the root is solved, proven to keep its value."""
    solved = node["lower"] == node["upper"]
    return worth_visiting(node, edge) and (not solved or edge["lower"] == node["lower"])


@kernel
def _summary(tree, rule, b, policy, sigmas, improved):
    """(value, choice) of the root of game b, as `root_summary` has them; fills `policy` [A] f4.

    `sigmas` and `improved` [A] f8 are overwritten.
    """
    node, edges, most = tree.node[b, 0], tree.edge[b, 0], 0
    for a in range(len(edges)):
        if _worth_playing(node, edges[a]):
            most = max(most, edges[a]["visits"])
    if rule.kind == GUMBEL:
        fill_sigmas(node, edges, rule, sigmas)
        improved_policy(node, edges, rule, improved)
    best, best_score, kept = -1, -np.inf, 0.0
    for a in range(len(edges)):
        edge = edges[a]
        if not _worth_playing(node, edge):
            improved[a] = 0.0
            continue
        if edge["visits"] == most:
            score = sigmas[a] + tree.gumbel[b, a] if rule.kind == GUMBEL else edge["prior"]
            if score > best_score:
                best, best_score = a, score
        if rule.kind == PUCT:
            # A solved root can have no visits on a saving action; the prior then decides.
            improved[a] = edge["visits"] if most > 0 else edge["prior"] + TINY
    for a in range(len(edges)):
        kept += improved[a]
    for a in range(len(edges)):
        policy[a] = improved[a] / kept
    return clip(node["total"] / (1.0 + node["visits"]), node["lower"], node["upper"]), best


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
    sigmas, improved = np.zeros((2, tree.edge.shape[2]), np.float64)
    for i in range(len(games)):
        values[i], choice[i] = _summary(tree, rule, games[i], policy[i], sigmas, improved)
        for a in range(tree.edge.shape[2]):
            edge = tree.edge[games[i], 0, a]
            legal = edge["child"] != ILLEGAL
            bounds[i, a, 0] = edge["lower"] if legal else -1
            bounds[i, a, 1] = edge["upper"] if legal else 1
            action_values[i, a] = edge_value(edge) if edge["visits"] > 0 else (values[i] if legal else 0.0)


@kernel
def write_down_one(tree, rule, b, t, findings, sigmas, improved):
    """Put what was found at the root of game b into `findings`, at ply t. Returns the action to play, as above.

    `sigmas` and `improved` [A] f8 are overwritten.
    """
    node, policy = tree.node[b, 0], findings.policies[b, t]
    value, choice = _summary(tree, rule, b, policy, sigmas, improved)
    best, divergence = tree.edge[b, 0, choice], 0.0
    for a in range(len(policy)):
        if policy[a] > 0:
            divergence += policy[a] * np.log(policy[a] / (tree.edge[b, 0, a]["prior"] + TINY))
    findings.values[b, t] = value
    findings.proven[b, t] = node["lower"] == node["upper"]
    findings.outlook[b, t] = max(value, edge_value(best)) if best["visits"] > 0 else value
    findings.surprise[b, t] = divergence
    return choice


@kernel
def write_down(tree, rule, games, plies, findings, choice):
    """`write_down_one` of `games` [n], each at its ply `plies` [n]; fills `choice` [n]."""
    sigmas, improved = np.zeros((2, tree.edge.shape[2]), np.float64)
    for i in range(len(games)):
        choice[i] = write_down_one(tree, rule, games[i], plies[i], findings, sigmas, improved)
