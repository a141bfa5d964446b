"""What a player's memory of evaluations brings: time of a move with it and without it, in games as people play them.

    python -m benchmarks.recall connect_four go9
    python -m benchmarks.recall go9 --simulations 800 --games 10

The game's champion plays against its own raw policy from random openings, by Gumbel's rule, which keeps no tree from move to
move, and by PUCT, which keeps it. Every game is played twice, with an empty memory at its start and with none, and the
searches are timed. What is known: the share of positions that were not sent to the network.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import envs
from agents.cache import EvaluationCache
from agents.players import Player, SearchPlayer, make_player
from envs import Game

OPENING = 4  # random plies
LONGEST = 40  # plies of a game
RULES: tuple[Literal["gumbel", "puct"], ...] = ("gumbel", "puct")


class Spent(NamedTuple):
    """On the searches of some games."""

    seconds: float
    moves: int
    known: float  # share of positions; 0 without a memory


def played(game: Game, player: SearchPlayer, other: Player, seed: int) -> tuple[float, int]:
    """Seconds and number of `player`'s searches in one game."""
    rng, states, seconds, moves = np.random.default_rng(seed), game.reset(1), 0.0, 0
    for ply in range(LONGEST):
        if game.terminal(states)[0]:
            break
        if ply < OPENING:
            actions = envs.random_actions(game.legal(states), rng)
        elif ply % 2:
            actions = other(states, rng)
        else:
            start = time.perf_counter()
            actions = player.decide(player.search(states[0], rng), np.array([0]))
            seconds += time.perf_counter() - start
            moves += 1
        states = game.step(states, actions)
    return seconds, moves


def measure(game: Game, spec: str, rule: Literal["gumbel", "puct"], games: int) -> tuple[Spent, Spent]:
    """Without and with a memory, game by game in turns: machines are shared."""
    player, other = make_player(game, spec), make_player(game, "champion:0")
    assert isinstance(player, SearchPlayer)
    cache = player.remembering
    assert isinstance(cache, EvaluationCache)
    times, lookups, hits = np.zeros((2, 2)), 0, 0
    for seed in range(-1, games):  # the first one compiles and prepares
        for way, evaluate in enumerate((player.evaluate, cache)):
            cache.clear()
            fresh = SearchPlayer(
                game,
                player.evaluate,
                player.settings.model_copy(update={"rule": rule}),
                player.simulations,
                remembering=evaluate,
            )
            spent = played(game, fresh, other, max(seed, 0))
            if seed >= 0:
                times[way] += spent
        if seed >= 0:
            lookups, hits = lookups + cache.lookups, hits + cache.hits
    (plain, moves), (remembering, same) = times
    return Spent(plain, int(moves), 0.0), Spent(remembering, int(same), hits / lookups)


def main(
    names: Annotated[list[str], typer.Argument(metavar="GAME...", help="games that have a champion")],
    simulations: Annotated[str, typer.Option(help="a move")] = "200,1600",
    games: Annotated[int, typer.Option(help="of each, with and without")] = 4,
) -> None:
    """Measure and print a table."""
    console = Console()
    table = Table()
    for column in ("game", "rule", "simulations", "known", "moves", "ms a move without", "with", "of the time"):
        table.add_column(column, justify="left" if column in ("game", "rule") else "right")
    for name in names:
        game = envs.make(name)
        for number in simulations.split(","):
            for rule in RULES:
                with console.status(f"{name}, {number} simulations, {rule}"):
                    plain, remembering = measure(game, f"champion:{number}", rule, games)
                before, after = (1000 * spent.seconds / spent.moves for spent in (plain, remembering))
                row = (f"{remembering.known:.0%}", str(remembering.moves), f"{before:.1f}", f"{after:.1f}")
                table.add_row(name, rule, number, *row, f"{after / before:.2f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
