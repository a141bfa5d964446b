"""Whether memory grows: self-play with new weights again and again, and weights alone.

    python -m benchmarks.memory connect_four --minutes 60              # self-play, new weights every iteration
    python -m benchmarks.memory go9 --updates 1000                     # nothing but new weights, and a batch with each

The resident memory of this process is read as Linux has it and shown ten times on the way. Growth is the slope of a straight line
through the readings of the second half, once everything has been allocated that will be; the verdict is that it holds still
where that line rises by less than 5% of the memory in use, over the whole run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

import envs
from agents.network import PolicyValueNetwork
from agents.planes import seen_by
from agents.runtime import create, resolve, set_threads
from arena.config import Config
from arena.memory import resident
from arena.settings import find_config, load
from arena.workers import Job, Order, WorkerSettings, employ, resolve_count

ENOUGH = 0.05  # of the memory in use: a rise below it is no growth


class Reading(NamedTuple):
    seconds: float
    updates: int  # weights loaded so far
    megabytes: float  # resident


def main(
    config: Annotated[str, typer.Argument(help="whose game, network, search and slots")] = "connect_four",
    minutes: Annotated[float, typer.Option(min=0, help="of self-play")] = 0.0,
    updates: Annotated[int, typer.Option(min=0, help="of weights, without self-play")] = 0,
    engine: Annotated[str, typer.Option(help="openvino or torch")] = "openvino",
) -> None:
    if bool(minutes) == bool(updates):
        raise typer.BadParameter("choose one of --minutes and --updates")
    settings = load(Config, find_config(config), [f"runtime.engine={engine}"])
    begin = time.perf_counter()
    readings = []
    work = selfplay(settings, minutes) if minutes else reload(settings, updates)
    for done in work:
        readings.append(Reading(time.perf_counter() - begin, done, held()))
    verdict(
        readings, f"{config}, {engine}: " + (f"{minutes:g} minutes of self-play" if minutes else "new weights alone")
    )


def selfplay(settings: Config, minutes: float) -> Iterator[int]:
    """Play iterations, each with weights of its own, until the time is over; how many there were so far."""
    game = seen_by(settings.network.planes, envs.make(settings.game))
    slots = settings.selfplay.slots
    spread = WorkerSettings(cache=settings.workers.cache)
    runtime = resolve(game, settings.network, settings.runtime, slots)
    workers = employ(
        Job(settings.game, settings.network, runtime, settings.search, settings.selfplay, spread.cache),
        resolve_count(spread, runtime, slots),
    )
    end = time.perf_counter() + 60 * minutes
    count = 0
    while time.perf_counter() < end:
        workers.play(Order(fresh_weights(settings, count), (count,)))
        count += 1
        yield count
    workers.close()


def reload(settings: Config, updates: int) -> Iterator[int]:
    """Load weights and evaluate a batch with them, `updates` times."""
    game = seen_by(settings.network.planes, envs.make(settings.game))
    one = settings.runtime.model_copy(update={"threads": 1})
    set_threads(one)
    runtime = create(game, settings.network, resolve(game, settings.network, one, 64))
    states = game.reset(64)
    planes, legal = game.observe(states), game.legal(states)
    for count in range(1, updates + 1):
        runtime.load(fresh_weights(settings, count))
        runtime.evaluate(planes, legal)
        yield count


def fresh_weights(settings: Config, seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return PolicyValueNetwork(envs.make(settings.game), settings.network).state_dict()


def held() -> float:
    """MiB of this process and its workers in memory."""
    memory = resident()
    if memory is None:
        raise typer.BadParameter("memory is read as Linux tells it: this system does not")
    return memory


def verdict(readings: list[Reading], title: str) -> None:
    """Print the readings; exit with 1 where memory grows."""
    table = Table(title=title)
    for column in ("minutes", "weights loaded", "MiB resident"):
        table.add_column(column, justify="right")
    for i in np.linspace(0, len(readings) - 1, min(10, len(readings))).astype(int):
        table.add_row(f"{readings[i].seconds / 60:.1f}", f"{readings[i].updates:,}", f"{readings[i].megabytes:,.0f}")
    console = Console()
    console.print(table)
    late = readings[len(readings) // 2 :]
    slope = float(np.polyfit([r.updates for r in late], [r.megabytes for r in late], 1)[0]) if len(late) > 2 else 0.0
    rise, used = slope * readings[-1].updates, readings[-1].megabytes
    grows = rise > ENOUGH * used
    console.print(
        f"{'grows' if grows else 'holds still'}: {slope * 1000:+,.1f} MiB a thousand updates in the second half, "
        f"{rise:+,.0f} MiB over as many as there were, of {used:,.0f}"
    )
    sys.exit(int(grows))


if __name__ == "__main__":
    typer.run(main)
