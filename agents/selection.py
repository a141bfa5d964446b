"""Which edge of a node a simulation takes: PUCT everywhere, or Gumbel AlphaZero's rules at the root and below.

Each rule sees one node and its edges [A], as records of `agents.nodes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.nodes import ILLEGAL, clip, count_through, edge_value, least_upper, worth_visiting
from envs.jit import inlined, kernel

PUCT, GUMBEL = 0, 1
TINY = 1e-9  # added to priors before the logarithm


class Rule(NamedTuple):
    """Constants of the selection rules."""

    kind: int  # PUCT, or GUMBEL at the root with its deterministic rule below
    c_init: float  # AlphaZero: 1.25
    c_base: float  # AlphaZero: 19652
    fpu: float  # first-play urgency: an unvisited child is this much worse than its parent, times sqrt(prior visited)
    c_visit: float  # Gumbel: 50
    c_scale: float  # Gumbel: 1, on values mapped to [0, 1]
    explored: NDArray[np.float64]  # [] c sqrt(N) of PUCT for the first values of N


@kernel
def _explored(count, c_init, c_base):
    """c sqrt(N) of PUCT, N = `count`: what a prior is multiplied by."""
    return (c_init + np.log((count + c_base + 1.0) / c_base)) * np.sqrt(np.float64(count))


@kernel
def tabulate_exploration(c_init, c_base, out):
    """Fill `out` with c sqrt(N) for N = 0, 1, 2 ..., so that walks take few logarithms."""
    for count in range(len(out)):
        out[count] = _explored(count, c_init, c_base)


@inlined
def exploration(node, rule):
    """c sqrt(N) of PUCT at a node."""
    count = 1 + count_through(node)
    return rule.explored[count] if count < len(rule.explored) else _explored(count, rule.c_init, rule.c_base)


@inlined
def puct(node, edges, rule):
    """argmax of Q + c P sqrt(N) / (1 + n): AlphaZero (2018), with first-play urgency for unvisited children."""
    urgency = clip((node["total"] - node["flying"]) / (1 + count_through(node)), node["lower"], node["upper"])
    if rule.fpu != 0:
        urgency -= rule.fpu * np.sqrt(node["tried"])
    explore, least = exploration(node, rule), least_upper(node)
    best, best_score = -1, -np.inf
    for a in range(len(edges)):
        edge = edges[a]
        if edge["upper"] < least:
            continue
        n, bonus = count_through(edge), explore * edge["prior"]
        if n > 0:
            score = edge_value(edge) + bonus / (1.0 + n)
        else:
            score = (urgency if edge["lower"] < edge["upper"] else edge["lower"]) + bonus
        if score > best_score:
            best, best_score = a, score
    return best


@kernel
def _sigma(q, most, rule):
    """sigma(q): equation 8 of Danihelka et al. 2022, where the most visited action has `most` visits."""
    return (rule.c_visit + most) * rule.c_scale * (q + 1.0) / 2.0


@kernel
def _mixed_value(node, weighted, seen):
    """What completes the Q of unvisited actions: equation 33. Over the visited ones, `weighted` is the sum of prior times Q
    and `seen` that of the priors."""
    count = count_through(node)
    return (node["value"] + count * weighted / seen) / (1.0 + count) if count > 0 else np.float64(node["value"])


@kernel
def fill_sigmas(node, edges, rule, out):
    """Fill `out` [A] with sigma(completed Q), -inf where illegal."""
    most, weighted, seen = 0, 0.0, 0.0
    for a in range(len(edges)):
        n = count_through(edges[a])
        if n > 0:
            prior = edges[a]["prior"] + TINY
            most = max(most, n)
            weighted += prior * edge_value(edges[a])
            seen += prior
    mixed = _mixed_value(node, weighted, seen)
    for a in range(len(edges)):
        if edges[a]["child"] == ILLEGAL:
            out[a] = -np.inf
        else:
            out[a] = _sigma(edge_value(edges[a]) if count_through(edges[a]) > 0 else mixed, most, rule)


@kernel
def improved_policy(node, edges, rule, out):
    """Fill `out` [A] with pi' = softmax(log prior + sigma(completed Q)), 0 where illegal: equation 11.

    As prior * exp(sigma - greatest sigma) / sum: no logarithm, and one exponential for all unvisited actions.
    """
    fill_sigmas(node, edges, rule, out)
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
def gumbel_root(node, edges, noisy_logits, wanted, rule, considered, scores):
    """The considered action with the highest g + logits + sigma(q); considered: has the visits `wanted` by the plan.

    An action that is proven and unvisited comes first: it costs no evaluation, and is then weighed like the others.
    `considered` [A] and `scores` [A] are overwritten.
    """
    number, most = 0, 0
    for a in range(len(edges)):
        n = count_through(edges[a])
        most = max(most, n)
        if n == wanted and worth_visiting(node, edges[a]):
            if n == 0 and edges[a]["lower"] == edges[a]["upper"]:
                return a
            considered[number] = a
            number += 1
    if number == 0:
        return _gumbel_fallback(node, edges, noisy_logits, rule, scores)
    best, best_score = -1, -np.inf
    for i in range(number):
        a = considered[i]
        score = noisy_logits[a]
        if wanted > 0:  # else none is visited, and one completed Q of them all decides nothing
            score += _sigma(edge_value(edges[a]), most, rule)
        if score > best_score:
            best, best_score = a, score
    return best


@kernel
def _gumbel_fallback(node, edges, noisy_logits, rule, scores):
    """The highest g + logits + sigma(completed Q) of all: proven losses leave gaps in the plan."""
    fill_sigmas(node, edges, rule, scores)
    best, best_score = -1, -np.inf
    for a in range(len(edges)):
        if worth_visiting(node, edges[a]) and scores[a] + noisy_logits[a] > best_score:
            best, best_score = a, scores[a] + noisy_logits[a]
    return best


@kernel
def gumbel_inner(node, edges, rule, tried, terms):
    """argmax of pi'(a) - n(a) / (1 + sum n): equation 14 of Danihelka et al. 2022, with pi' as `improved_policy` has it.

    Unvisited actions share one completed Q: only the one of the highest prior can be the best of them. So one pass over all
    edges is enough; it leaves the visited ones, which are few, in `tried` [A], and their terms of the softmax are in `terms` [A].
    Where none is visited the highest prior is the best, unless an action is known to end the game unlost.
    """
    if count_through(node) == 0:
        return np.int64(node["first"])
    number, most, weighted, seen = 0, 0, 0.0, 0.0  # over the visited actions
    fresh, prior, rest = -1, 0.0, 0.0  # the best unvisited action, its prior, the sum of theirs
    for a in range(len(edges)):
        edge = edges[a]
        n, p = count_through(edge), edge["prior"] + TINY
        if n > 0:
            tried[number], terms[number] = a, edge_value(edge)
            most = max(most, n)
            weighted += p * terms[number]
            seen += p
            number += 1
        elif edge["child"] != ILLEGAL:
            rest += p
            if p > prior and worth_visiting(node, edge):
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
        score = terms[i] / total - count_through(edge) / (1.0 + count_through(node))
        if score > best_score and worth_visiting(node, edge):
            best, best_score = tried[i], score
    return best
