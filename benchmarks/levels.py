"""How strong the levels are that `arena play` offers: the Elo of every step of a game's ladder, kept in the package.

    python -m benchmarks.levels connect_four go9 othello --openings 10

Neighbours on the ladder meet from paired random openings of 4 plies, seats swapped, two games an opening; the games go into a
ledger, so that what was stopped goes on where it was. All games of the ladder make one maximum-likelihood list, random moves
at Elo 0. The list is printed and written to `agents/data/levels.json`, from where `arena levels` and `arena play` read it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import envs
from agents.files import fingerprint, load_agent
from agents.levels import Measurement, keep, ladder
from agents.players import champion, has_champion
from arena import rating
from arena.ledger import Ledger
from arena.standings import rating_table
from arena.tournament import Tournament, play


def main(
    games: Annotated[list[str], typer.Argument(help="as `arena games` lists them")],
    openings: Annotated[int, typer.Option(min=1, help="of a pair of neighbours; twice as many games")] = 10,
    plies: Annotated[int, typer.Option(min=0, help="random moves an opening consists of")] = 4,
    ledger: Annotated[Path, typer.Option(help="where the games are kept")] = Path("runs/levels.sqlite"),
    seed: int = 0,
) -> None:
    console = Console(emoji=False)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    for name in games:
        game = envs.make(name)
        settings = Tournament(game.name, (), "match", 0, openings, plies, seed)
        estimate = climb(settings, ledger, console)
        keep(game, measurement(settings, estimate))
        console.print(rating_table(estimate, game.name))


def climb(settings: Tournament, path: Path, console: Console) -> rating.Estimate:
    """Play what is missing of the ladder of a game; the ratings."""
    game = envs.make(settings.game)
    results: list[rating.Result] = []
    with Ledger(path) as ledger:
        for pair in pairwise(ladder(game)):
            begun = time.monotonic()
            played = play(replace(settings, players=pair), ledger)
            results += ledger.results(game.name, game.version, played.event)[0]
            console.print(f"{game.name}: {' - '.join(pair)}, {time.monotonic() - begun:.0f} s", highlight=False)
    return rating.estimate(results, {"random": 0.0}, a_first=True)


def measurement(settings: Tournament, estimate: rating.Estimate) -> Measurement:
    """What the package keeps of it."""
    game = envs.make(settings.game)
    rows = {row.name: row for row in estimate.ratings()}
    return Measurement(
        date=time.strftime("%Y-%m-%d"),
        command=f"python -m benchmarks.levels {game.name} --openings {settings.openings} --plies {settings.plies}",
        games=2 * settings.openings,
        elo={p: (round(rows[p].elo, 1), round(rows[p].low, 1), round(rows[p].high, 1)) for p in ladder(game)},
        champion=fingerprint(load_agent(champion(game))) if has_champion(game) else "",
    )


if __name__ == "__main__":
    typer.run(main)
