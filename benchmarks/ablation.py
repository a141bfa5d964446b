"""What each learning method is worth: Elo with it and without it at equal compute, on a small game.

    python -m benchmarks.ablation ablation_go7
    python -m benchmarks.ablation ablation_go7 --only territory --budget 500000 --seeds 1
    python -m benchmarks.ablation ablation_connect_four runtime.threads=1
    python -m benchmarks.ablation ablation_connect_four --change network.channels=64 --change network.blocks=3

Every method is one change of the base config, all else equal. A run ends when its budget is spent, which is counted in
network evaluations (`Config.budget`), so it does not matter how fast or busy the machine is. Then the final agents meet:
the agent with the method and the one without it, of the same seed, play every opening twice, seats swapped, the same
simulations a move. Runs and finished matches lie in a folder: stopped at any moment, the command goes on when called again.

There are two intervals: that of the games, which takes the trainings as they are, and that of the seeds, which knows that
trainings of the same settings differ: by hundreds of Elo where they are short. The row `seed` shows it, base against base.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit

import envs
from agents.files import find_agent, write_atomically
from agents.players import make_player
from arena.config import Config
from arena.match import play_match, random_openings
from arena.progress import Silent
from arena.rating import elo_difference
from arena.run import Run
from arena.settings import find_config, load
from arena.tracking import Tracker
from envs import TerritoryGame


class Method(NamedTuple):
    """One method: what it changes, and what both sides of its comparison have in common beyond the base config."""

    name: str
    on: Sequence[str]
    both: Sequence[str] = ()


METHODS = (
    Method("reply", ("network.reply=true",)),
    Method("soft_policy", ("network.soft_policy=true",)),
    Method("surprise", ("selfplay.surprise=0.5",)),
    Method("shaped_noise", ("search.noise_shaped=0.5",), ("search.rule=puct",)),
    Method("gumbel", ("search.rule=gumbel",), ("search.rule=puct",)),
    Method("playout_cap", ("selfplay.full_fraction=0.25",)),
    Method("territory", ("network.territory=true",)),
    Method("global_pooling", ("network.global_pooling=true",)),
    Method("value_mix", ("selfplay.value_mix=0.3",)),
    Method("ema", ("train.ema=0.99",), ("train.ema=0.0",)),
    Method("symmetries", ("train.symmetries=true",), ("train.symmetries=false",)),
    # No method of learning: what games played in 8 bits cost, the agents then meeting as players do, in bf16 where there is.
    Method("int8", ("runtime.precision=int8",), ("runtime.engine=openvino", "runtime.precision=bf16")),
)


class Entry(NamedTuple):
    """One training: its name and all that it changes in the base config."""

    name: str
    changes: tuple[str, ...]


class Comparison(NamedTuple):
    """Two trainings that meet."""

    method: str
    on: Entry
    off: Entry

    @property
    def key(self) -> str:
        return f"{self.on.name} {self.off.name}"


class Outcome(NamedTuple):
    """A finished match, for the side with the method."""

    score: float
    games: int
    distinct: int
    compute: tuple[int, int]  # that the two trainings came to


def comparisons(methods: Sequence[Method], seeds: range) -> Iterator[Comparison]:
    """All that are to be played: methods seed by seed, then the bases of different seeds among themselves."""
    for seed in seeds:
        for method in methods:
            yield Comparison(method.name, _entry(method.name, (*method.both, *method.on), seed), _off(method, seed))
    bases = [Method("seed", (), both) for both in dict.fromkeys(tuple(method.both) for method in methods)]
    for seed in seeds[1:]:
        for base in bases:
            yield Comparison("seed", _off(base, seed), _off(base, seeds[0]))


def _off(method: Method, seed: int) -> Entry:
    words = [change.replace(".", "_").replace("=", "_") for change in method.both]
    return _entry("-".join(["base", *words]), tuple(method.both), seed)


def _entry(name: str, changes: tuple[str, ...], seed: int) -> Entry:
    return Entry(f"{name}-{seed}", (*changes, f"seed={seed}"))


def train(base: str, entry: Entry, overrides: Sequence[str], folder: Path) -> Run:
    """The finished training in `folder`, run or resumed where it is not."""
    config = load(Config, find_config(base), [*overrides, *entry.changes, f"name={entry.name}"])
    run = Run(config, folder, Silent())
    if (folder / "config.yaml").exists():
        run.resume()
    else:
        run.create_folder()
    tracker = Tracker.start(folder, name=entry.name, config={}, project="", mode="disabled", last_row=run.row)
    run.train(tracker)
    tracker.finish(0)
    run.workers.close()
    return run


def meet(game: str, folders: tuple[Path, Path], openings: int, plies: int, simulations: int) -> tuple[float, int, int]:
    """Score of the first agent, games, and how many of them differ."""
    rules, rng = envs.make(game), np.random.default_rng(0)
    a, b = (make_player(rules, f"{find_agent(folder)}:{simulations}") for folder in folders)
    match = play_match(rules, a, b, random_openings(rules, openings, plies, rng), rng)
    return match.score, len(match.games), match.distinct


def _read(path: Path) -> dict[str, Outcome]:
    if not path.exists():
        return {}
    return {key: Outcome(*outcome) for key, outcome in json.loads(path.read_text()).items()}


def over_seeds(elos: Sequence[float]) -> str:
    """Mean and its 95% by the spread over the seeds (Student's t), which has the luck of trainings in it; "" for a single one.

    >>> over_seeds([10.0, 30.0, 20.0])
    '+20 (-5 to +45)'
    """
    if len(elos) < 2:
        return ""
    mean, reach = np.mean(elos), stdtrit(len(elos) - 1, 0.975) * np.std(elos, ddof=1) / math.sqrt(len(elos))
    return f"{mean:+.0f} ({mean - reach:+.0f} to {mean + reach:+.0f})"


def _table(title: str, played: Sequence[tuple[str, Outcome]]) -> Table:
    """A row a method: the seeds' Elo differences, their mean, and the difference of all games together."""
    table = Table(title=title)
    for header in (
        "method",
        "Elo, seed by seed",
        "mean (95%, seeds)",
        "games",
        "distinct",
        "score",
        "Elo (95%, games)",
    ):
        table.add_column(header, justify="left" if header == "method" else "right")
    for name in dict.fromkeys(name for name, _ in played):
        own = [outcome for method, outcome in played if method == name]
        games = sum(outcome.games for outcome in own)
        score = sum(outcome.score * outcome.games for outcome in own) / games
        elo, each = elo_difference(score, games), [elo_difference(outcome.score, outcome.games).elo for outcome in own]
        table.add_row(
            name,
            ", ".join(f"{difference:+.0f}" for difference in each),
            over_seeds(each),
            str(games),
            str(sum(outcome.distinct for outcome in own)),
            f"{score:.1%}",
            f"{elo.elo:+.0f} ({elo.low:+.0f} to {elo.high:+.0f})",
        )
    return table


def main(
    config: Annotated[str, typer.Argument(help="base config: a name in configs/ or a file")],
    overrides: Annotated[list[str] | None, typer.Argument(help="changes of the base, KEY=VALUE")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="methods; may be given again [all that fit the game and are installed]")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option(help="a method of your own instead: KEY=VALUE; all given are one method")
    ] = None,
    budget: Annotated[int, typer.Option(help="compute of each training; 0: the config's")] = 0,
    seeds: Annotated[int, typer.Option(help="trainings of each side")] = 2,
    first: Annotated[int, typer.Option(help="the first seed; others as these come from 0 on")] = 0,
    openings: Annotated[int, typer.Option(help="of a match; each is played twice, seats swapped")] = 100,
    simulations: Annotated[int, typer.Option(help="a move in matches")] = 16,
    folder: Annotated[Path, typer.Option(help="where the trainings and results are kept")] = Path("runs"),
) -> None:
    """Train what is not trained, play what is not played, print the table."""
    console = Console(width=120)
    unknown = set(only or ()) - {method.name for method in METHODS}
    if unknown:
        raise typer.BadParameter(f"no method {', '.join(sorted(unknown))}; there are {[m.name for m in METHODS]}")
    changes = [*(overrides or ()), *([f"budget={budget}"] if budget else [])]
    base = load(Config, find_config(config), changes)
    if not base.budget:
        raise typer.BadParameter(f"{config} has no budget, so nothing would be equal: give one with --budget")
    missing = {"territory"} if not isinstance(envs.make(base.game), TerritoryGame) else set[str]()
    if util.find_spec("openvino") is None:
        missing.add("int8")
    methods = [m for m in METHODS if m.name in (only or [m.name]) and m.name not in missing]
    if change:
        methods = [Method("-".join(re.sub(r"[^A-Za-z0-9]+", "_", text) for text in change), tuple(change))]
    # Other settings of the base are other trainings, in a folder of their own.
    place = folder / f"{base.name}-{base.budget}-{hashlib.sha256(base.model_dump_json().encode()).hexdigest()[:8]}"
    results = place / f"matches-{openings}-{simulations}.json"
    played: list[tuple[str, Outcome]] = []
    for pair in comparisons(methods, range(first, first + seeds)):
        found = _read(results)
        if pair.key not in found:
            with console.status(pair.key):
                folders = (place / pair.on.name, place / pair.off.name)
                compute = [
                    train(config, entry, changes, where).compute
                    for entry, where in zip((pair.on, pair.off), folders, strict=True)
                ]
                met = meet(base.game, folders, openings, base.rating.opening_plies, simulations)
            found[pair.key] = Outcome(*met, (compute[0], compute[1]))
            write_atomically(results, json.dumps(found, indent=1).encode())
        outcome = found[pair.key]
        played.append((pair.method, outcome))
        console.print(
            f"{pair.on.name} against {pair.off.name}: {outcome.score:.1%} of {outcome.games} games, "
            f"compute {outcome.compute[0]:,} and {outcome.compute[1]:,}"
        )
    console.print(_table(f"{base.game}, compute {base.budget:,}, {simulations} simulations a move", played))


if __name__ == "__main__":
    typer.run(main)
