"""What it costs to play elsewhere: the same games in threads, in processes and on a Ray cluster of this machine, in turns.

    python -m benchmarks.workers                                   # Connect Four, as it is trained
    python -m benchmarks.workers go9 --games 40 --engines threads,processes

Every engine plays the same orders, so the games are the same as well (this is checked) and the ratios are of time alone.
Weights are random. Start is the time until workers have been made and have played their first games, kernels being compiled
already. Machines are noisy: the median of the turns.
"""

from __future__ import annotations

import statistics
import time
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

import envs
from agents.network import PolicyValueNetwork
from agents.planes import seen_by
from arena.config import Config
from arena.settings import find_config, load
from arena.workers import Job, Order, Played, WorkerSettings, employ, resolve_count, resolve_runtime


def main(
    config: Annotated[str, typer.Argument(help="whose game, network, search and slots")] = "connect_four",
    games: Annotated[int, typer.Option(min=1, help="of a turn")] = 500,
    turns: Annotated[int, typer.Option(min=1, help="of every engine")] = 5,
    engines: Annotated[str, typer.Option(help="in this order; the first is what the others are compared with")] = (
        "threads,processes,ray"
    ),
) -> None:
    settings = load(Config, find_config(config))
    game = seen_by(settings.network.planes, envs.make(settings.game))
    slots = settings.selfplay.slots
    runtime = resolve_runtime(game, settings.network, settings.runtime, settings.workers, slots)
    count = resolve_count(settings.workers, runtime, slots).count
    selfplay = settings.selfplay.model_copy(update={"games": games})
    whole = Job(settings.game, settings.network, runtime, settings.search, selfplay, settings.workers.cache)
    torch.manual_seed(0)
    weights = PolicyValueNetwork(game, settings.network).state_dict()
    names = engines.split(",")
    made, starts, played = {}, {}, {name: list[Played]() for name in names}
    for name in names:
        begin = time.perf_counter()
        chosen = WorkerSettings.model_validate({"engine": name, "count": count})
        made[name] = employ(whole, chosen)
        made[name].play(Order(weights, (0,)))
        starts[name] = time.perf_counter() - begin
    for turn in range(turns):
        for name in names:
            played[name].append(made[name].play(Order(weights, (1, turn))))
    for workers in made.values():
        workers.close()
    table = Table(
        title=f"{config}: {count} workers, {runtime.engine} {runtime.precision}, {turns} turns of {games} games"
    )
    for column in ("engine", "start, s", "games/s", "simulations/s", f"time of {names[0]}", "same games"):
        table.add_column(column, justify="right")
    for name in names:
        times = [p.stats.seconds for p in played[name]]
        ratios = [p.stats.seconds / q.stats.seconds for p, q in zip(played[name], played[names[0]], strict=True)]
        simulations = statistics.median(p.stats.simulations / p.stats.seconds for p in played[name])
        same = all(p.stats.games == q.stats.games for p, q in zip(played[name], played[names[0]], strict=True))
        table.add_row(
            name,
            f"{starts[name]:.1f}",
            f"{games / statistics.median(times):,.0f}",
            f"{simulations:,.0f}",
            f"{statistics.median(ratios):.2f}",
            "yes" if same else "NO",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
