"""`arena analyze`: a position in; policy, visits, values and the best line out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rich.console import Console

from agents.solver import ILLEGAL, Solver
from arena.look import View, candidate_table, line_text, percent, searcher, view
from envs import Game, States
from envs.game import move_name, move_names, parse_move
from envs.words import number_of


def position(game: Game, moves: str) -> tuple[States, list[int]]:
    """The position after `moves` (names apart by spaces or commas; for one-letter names also run together).

    ValueError names the first move that is wrong and its number.
    """
    names = moves.replace(",", " ").split()
    if len(names) == 1 and len(game.action_name(0)) == 1:
        names = list(names[0])
    states, actions = game.reset(1), []
    for number, name in enumerate(names, 1):
        try:
            action = parse_move(game, states[0], name)
        except ValueError as error:
            raise ValueError(f"move {number}: {error}") from None
        if not game.legal(states)[0, action]:
            raise ValueError(f"move {number}: {name} is not possible there")
        states = game.step(states, np.array([action]))
        actions.append(action)
    return states, actions


def analyze(game: Game, moves: str, player: str, *, as_json: bool, seed: int, console: Console) -> None:
    """Print what `player` sees after `moves`, as tables or as one line of JSON."""
    states, _ = position(game, moves)
    if game.terminal(states)[0]:
        raise ValueError("the game is over in this position: nothing to analyze")
    rng = np.random.default_rng(seed)
    if player == "solver":
        report = solved(game, states)
        lines = [f"{row['move']}: {row['result']}, score {row['score']:+d}" for row in report["moves"]]
    else:
        seen = view(searcher(game, player, seed), states[0], rng)
        report = searched(game, states, player, seen)
        proven = f", proven {seen.proven}" if seen.proven else ""
        lines = [f"the side to move wins {percent(seen.value)}{proven}; {number_of(seen.simulations, 'simulation')}"]
    if as_json:
        console.print(json.dumps(report), soft_wrap=True, highlight=False, markup=False)
        return
    console.print(game.show(states[0]), highlight=False)
    for line in lines:
        console.print(line, highlight=False)
    if player != "solver":
        console.print(candidate_table(game, seen, most=10))
        console.print(f"best line: {line_text(game, seen)}", highlight=False)


def searched(game: Game, states: States, player: str, seen: View) -> dict[str, Any]:
    """The view of a searching player: value for the side to move, in [-1, 1]; moves best first; the best line."""
    moves = [
        {
            "move": move_name(game, seen.state, row.action),
            "visits": row.visits,
            "prior": row.prior,
            "value": row.value if row.visits else None,
            "proven": row.proven,
        }
        for row in seen.candidates
    ]
    return {
        "game": game.name,
        "ply": int(states["ply"][0]),
        "player": player,
        "value": seen.value,
        "proven": seen.proven,
        "simulations": seen.simulations,
        "moves": moves,
        "line": move_names(game, seen.state, seen.line),
    }


def solved(game: Game, states: States) -> dict[str, Any]:
    """Exact scores of every Connect Four move: half the stones left when winning, negative when losing."""
    if game.name != "connect_four":
        raise ValueError("the solver looks at Connect Four only; use mcts:1000 or a trained agent")
    if states["ply"][0] < 6:
        raise ValueError("the solver needs minutes before move 7: look with mcts:1000 or a trained agent")
    scores = Solver().scores(states)[0]
    rows = [
        {"move": game.action_name(a), "score": int(score), "result": ("lost", "drawn", "won")[int(np.sign(score)) + 1]}
        for a, score in enumerate(scores)
        if score != ILLEGAL
    ]
    rows.sort(key=lambda row: -int(str(row["score"])))
    return {"game": game.name, "ply": int(states["ply"][0]), "player": "solver", "moves": rows}
