"""What is stored at the nodes and edges of a search tree, and what follows from one of them alone.

Perspective: everything at a node is for the player to move there, everything at an edge for the player who would take it.

Bounds: every node carries proven bounds -1 <= lower <= upper <= 1 on its game-theoretic value (score-bounded tree search,
Cazenave & Saffidine 2010). A finished game has lower = upper; a node's bounds are the best of its children's, negated.
A node with lower = upper is *solved*: it is never searched again, and its exact value replaces every estimate of it.
The rules may know an edge's value before anything is below it (`envs.game.EndingGame`): such an edge is proven from the start.
"""

from __future__ import annotations

import numpy as np

from envs.jit import kernel

UNEXPANDED, ILLEGAL, PENDING = -1, -2, -3  # `child` entries that are no node; PENDING awaits its evaluation
OUT_OF_BOUNDS = -2  # below every proven bound


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
        ("first", "i2"),  # action to look at: one that ends the game unlost, else the likeliest, of equals the first
    ]
)


@kernel
def count_through(edge):
    """Simulations through the edge, those under way included."""
    return edge["visits"] + edge["flying"]


@kernel
def least_upper(node):
    """The upper bound that an action is worth visiting with."""
    return node["lower"] if node["upper"] == -1 else max(node["lower"], 0)


@kernel
def worth_visiting(node, edge):
    """Legal, and neither a proven loss while anything else is possible nor proven worse than another action."""
    return edge["upper"] >= least_upper(node)


@kernel
def clip(value, lower, upper):
    return min(max(value, np.float64(lower)), np.float64(upper))


@kernel
def edge_value(edge):
    """Mean value of a visited edge, simulations under way counted as losses, inside its proven bounds."""
    return clip((edge["total"] - edge["flying"]) / count_through(edge), edge["lower"], edge["upper"])
