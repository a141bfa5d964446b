"""What it costs and brings to have more leaves of one game under way: speed of a move, and strength.

    python -m benchmarks.leaves go9
    python -m benchmarks.leaves go9 --agent runs/go9 --simulations 800 --ways 16,2x8,2x16 --times 1,1.5

A way is leaves found at once under virtual loss, or batches of so many under way while the tree grows by another. Each is
timed on single positions, in turns with the others, all threads in its network; then it plays the first way from paired
random openings with seats swapped, with the same simulations and with as many as take the same time. In these matches games
are searched side by side, each with the tree that it has alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import envs
from agents.evaluators import Evaluator
from agents.files import find_agent, load_agent
from agents.planes import seen_by
from agents.players import Player, champion
from agents.runtime import NetworkEvaluator, create, for_players
from agents.search import Search, SearchSettings
from arena.match import MatchResult, Openings, play_match, random_openings
from arena.rating import elo_difference
from envs import Game, States

TIMED, TURNS = 20, 5  # positions a way is timed on, and how often


class Way(NamedTuple):
    """Leaves of a game under way at once: `batches` of so many."""

    leaves: int
    batches: int = 1

    @classmethod
    def named(cls, text: str) -> Self:
        """
        >>> Way.named("8"), Way.named("2x8")
        (Way(leaves=8, batches=1), Way(leaves=8, batches=2))
        """
        batches, _, leaves = text.rpartition("x")
        return cls(int(leaves), int(batches or 1))

    def __str__(self) -> str:
        return f"{self.batches} x {self.leaves}"


class Searcher(NamedTuple):
    """Players that differ in their way only."""

    game: Game
    evaluate: Evaluator
    settings: SearchSettings

    def search(self, states: States, way: Way, simulations: int) -> Search:
        search = Search(self.game, self.settings, slots=len(states), capacity=simulations + 1)
        search.begin(np.arange(len(states)), states, simulations)
        search.run(self.evaluate, np.random.default_rng(0), per_game=way.leaves, batches=way.batches)
        return search

    def player(self, way: Way, simulations: int) -> Player:
        def play(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
            return self.search(states, way, simulations).results(np.arange(len(states))).choice

        return play

    def seconds(self, ways: list[Way], states: States, simulations: int) -> Mapping[Way, float]:
        """Of a move, the mean over `states` of the best of some times: another program may take the machine at any moment."""
        best = {way: np.full(len(states), np.inf) for way in ways}
        for _ in range(TURNS):
            for i in range(len(states)):
                for way in ways:
                    start = time.perf_counter()
                    self.search(states[i : i + 1], way, simulations)
                    best[way][i] = min(best[way][i], time.perf_counter() - start)
        return {way: float(spent.mean()) for way, spent in best.items()}

    def match(self, a: tuple[Way, int], b: tuple[Way, int], openings: Openings) -> MatchResult:
        """Between ways with their simulations."""
        return play_match(self.game, self.player(*a), self.player(*b), openings, np.random.default_rng(0))


def told(match: MatchResult) -> list[str]:
    """Games, score and Elo difference in words."""
    elo = elo_difference(match.score, len(match.games))
    games = f"{len(match.games)} ({match.distinct} distinct)"
    return [games, f"{match.score:.1%}", f"{elo.elo:+.0f} ({elo.low:+.0f} to {elo.high:+.0f})"]


def main(
    name: Annotated[str, typer.Argument(help="the game")],
    agent: Annotated[Path | None, typer.Option(help="a trained agent, file or run; else the game's champion")] = None,
    simulations: Annotated[int, typer.Option(help="a move")] = 400,
    ways: Annotated[str, typer.Option(help="the one that others play against, and these")] = "8,16,2x8",
    openings: Annotated[int, typer.Option(help="each is played twice, seats swapped; 0: no matches")] = 100,
    plies: Annotated[int, typer.Option(help="random moves of an opening")] = 4,
    times: Annotated[
        str, typer.Option(help="matches with so many times the simulations; 0: as the same time allows")
    ] = "1,0",
) -> None:
    """Measure and print a table."""
    console = Console()
    file = load_agent(find_agent(agent or champion(envs.make(name))))
    game = seen_by(file.network.planes, file.game)
    runtime = create(game, file.network, for_players())
    runtime.load(file.weights)
    searcher = Searcher(game, NetworkEvaluator(game, runtime), file.search)
    first, *others = every = [Way.named(text) for text in ways.split(",")]
    with console.status("speed"):
        states = random_openings(game, TIMED, plies, np.random.default_rng(1)).states
        searcher.seconds(every, states[:2], simulations)  # what is compiled and prepared
        seconds = searcher.seconds(every, states, simulations)
    table = Table(title=f"{game.name}, {file.network.blocks}x{file.network.channels}, {simulations} simulations")
    for column in ("leaves", "simulations/s", "simulations", "games", "score", "Elo (95%)"):
        table.add_column(column, justify="right")
    table.add_row(str(first), f"{simulations / seconds[first]:,.0f}", f"{simulations}")
    for way in others:
        table.add_row(str(way), f"{simulations / seconds[way]:,.0f}")
        for factor in map(float, times.split(",")) if openings else ():
            number = round(simulations * (factor or seconds[first] / seconds[way]))
            with console.status(f"{way} with {number} simulations"):
                start = random_openings(game, openings, plies, np.random.default_rng(0))
                match = searcher.match((way, number), (first, simulations), start)
            table.add_row("", "", f"{number}", *told(match))
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
