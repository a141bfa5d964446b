"""What a search or a solver sees in a position, for hints and analysis alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from agents.nodes import ILLEGAL
from agents.players import SearchPlayer, looker, make_player
from agents.search import Search
from envs import Game, States
from envs.game import move_name, move_names

PROVEN = {1: "won", 0: "drawn", -1: "lost"}


class Candidate(NamedTuple):
    """A legal move as the search judges it; values for the side to move."""

    action: int
    visits: int
    prior: float
    value: float  # in [-1, 1]; without visits the position's
    proven: str  # "won", "drawn", "lost", or "" where open


class View(NamedTuple):
    """A searched position."""

    state: np.void
    value: float  # for the side to move, in [-1, 1]
    proven: str
    simulations: int
    candidates: list[Candidate]  # best first
    line: list[int]  # the expected continuation


def searcher(game: Game, spec: str, seed: int) -> SearchPlayer:
    """The player `spec`, if it is one that searches: others cannot explain themselves (ValueError)."""
    player = looker(make_player(game, spec, seed=seed))
    if player is None:
        raise ValueError(f"'{spec}' does not search; look with mcts:1000 or a trained agent")
    return player


def view(player: SearchPlayer, state: np.void, rng: np.random.Generator) -> View:
    """Search `state` and report."""
    return report(player.search(state, rng))


def candidates(search: Search, slot: int = 0) -> list[Candidate]:
    """The legal moves at the root of `slot`, the chosen one first, then by visits."""
    results = search.results(np.array([slot]))
    legal = np.flatnonzero(search.tree.edge["child"][slot, 0] != ILLEGAL)
    lower, upper = results.bounds[0].T
    rows = [
        Candidate(
            int(a),
            int(results.visits[0, a]),
            float(results.priors[0, a]),
            float(results.action_values[0, a]),
            PROVEN[int(lower[a])] if lower[a] == upper[a] else "",
        )
        for a in legal
    ]
    return sorted(rows, key=lambda row: (row.action != results.choice[0], -row.visits, -row.prior))


def open_ended(player: SearchPlayer, *, slots: int, capacity: int) -> Search:
    """Trees for searches whose end nobody knows: Gumbel plans its halving from there, PUCT looks further as long as it runs."""
    return Search(player.game, player.settings.model_copy(update={"rule": "puct"}), slots=slots, capacity=capacity)


def deepening(
    player: SearchPlayer,
    states: States,
    rng: np.random.Generator,
    *,
    nodes: int,
    interval: float,
    stop: Callable[[], bool],
    avoid: NDArray[np.int64] | None = None,
) -> Iterator[Search]:
    """An open-ended search of the position `states` [1], as it stands every `interval` seconds, until `stop` says so.

    The tree stops growing at `nodes` nodes or when the position is decided; it is reported on all the same. Of the actions
    `avoid` none is looked at.
    """
    search = open_ended(player, slots=1, capacity=nodes)
    search.begin(np.array([0]), states, nodes - 1)
    search.step(player.remembering, rng)  # the root
    if avoid is not None:
        search.forbid(0, avoid)
    leaves, batches = player.pace(nodes)
    while True:
        until = time.monotonic() + interval
        while True:
            if not search.proceed(player.remembering, rng, per_game=leaves, batches=batches):
                time.sleep(0.01)
            if time.monotonic() > until or stop():
                break
        yield search
        if stop():
            return


def report(search: Search) -> View:
    """What the search in slot 0 has found."""
    results = search.results(np.array([0]))
    proven = PROVEN[int(search.tree.node["lower"][0, 0])] if results.solved[0] else ""
    visits = int(results.visits[0].sum())
    state = search.states[0, 0].copy()
    return View(state, float(results.values[0]), proven, visits, candidates(search), search.principal_variation(0))


def percent(value: float) -> str:
    """A value as the chance to win, a draw counted half."""
    return f"{(1 + value) / 2:.1%}"


def candidate_table(game: Game, seen: View, most: int = 7) -> Table:
    """The candidates as a table."""
    table = Table(box=None, pad_edge=False)
    proven = any(row.proven for row in seen.candidates[:most])
    for column in ("move", "visits", "win", "prior", *(["proven"] if proven else [])):
        table.add_column(column, justify="left" if column in ("move", "proven") else "right")
    for row in seen.candidates[:most]:
        name = move_name(game, seen.state, row.action)
        value = percent(row.value) if row.visits else ""
        cells = (name, str(row.visits), value, f"{row.prior:.1%}", row.proven)
        table.add_row(*cells[: len(table.columns)])
    return table


def line_text(game: Game, seen: View) -> str:
    """The expected continuation in the game's notation."""
    return " ".join(move_names(game, seen.state, seen.line))
