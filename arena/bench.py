"""`arena bench`: how fast this machine is for an experiment, part by part, so that what limits it can be read off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

import envs
from agents.evaluators import uniform
from agents.planes import seen_by
from agents.runtime import Runtime, RuntimeSettings, candidates, create, network_evaluator, resolve, set_threads
from agents.search import Search
from arena.config import Config
from arena.learner import Learner
from arena.selfplay import SelfPlay
from envs import Game

T = TypeVar("T")


class Measured(NamedTuple):
    """Speeds a second, of one config on one machine."""

    ceiling: dict[tuple[str, int], float]  # network positions/s by (runtime, batch): the median of many calls
    runtime: str  # the one self-play used
    simulations: float  # self-play
    evaluations: float  # self-play: positions sent to the network
    network_share: float  # of self-play time
    dummy_simulations: float  # tree and rules alone, the uniform evaluator in the network's place
    training: float  # samples learned from
    tree_kilobytes: float  # a game

    @property
    def ratio(self) -> float:
        """Self-play evaluations over what the network alone could do at the same batch and precision."""
        return self.evaluations / max(speed for (name, _), speed in self.ceiling.items() if name == self.runtime)


def bench(config: Config, *, seconds: float, console: Console) -> Measured:
    """Measure and print. `seconds` bounds each measurement, kernels compiled before."""
    game = seen_by(config.network.planes, envs.make(config.game))
    set_threads(config.runtime)
    slots = config.selfplay.slots
    runtime = resolve(game, config.network, config.runtime, slots, again=True)
    with console.status("network"):
        open_choice = config.runtime.model_copy(update={"engine": "auto", "precision": "auto"})
        choices = {_name(choice): create(game, config.network, choice) for choice in candidates(open_choice)}
        choices.setdefault(_name(runtime), create(game, config.network, runtime))
        ceiling = {
            (name, batch): _network(game, engine, batch, seconds / 4)
            for batch in (1, 64, slots, 2 * slots)
            for name, engine in choices.items()
        }
    with console.status("self-play"):
        engine = choices[_name(runtime)]
        settings = config.selfplay.model_copy(update={"games": 1})
        selfplay = SelfPlay(game, settings, config.search)
        selfplay.play(uniform(game), np.random.default_rng(0))  # compiles what the measured games run through
        stats = _repeat(
            lambda seed: selfplay.play(network_evaluator(game, engine), np.random.default_rng(seed))[1], seconds
        )
    with console.status("tree and rules"):
        dummy, kilobytes = _tree(game, config, seconds)
    with console.status("training"):
        samples = selfplay.play(uniform(game), np.random.default_rng(0))[0]
        learner = Learner(game, config.network, config.train, device=runtime.device)
        rng = np.random.default_rng(0)
        list(learner.train(samples, 3, rng, progress=0.0))
        times = _repeat(lambda seed: _timed(lambda: list(learner.train(samples, 1, rng, progress=0.0))), seconds)
    spent = sum(s.seconds for s in stats)
    measured = Measured(
        ceiling,
        _name(runtime),
        sum(s.simulations for s in stats) / spent,
        sum(s.evaluations for s in stats) / spent,
        sum(s.network_seconds for s in stats) / spent,
        dummy,
        config.train.batch / float(np.median(times)),
        kilobytes,
    )
    _print(config, measured, console)
    return measured


def _name(settings: RuntimeSettings) -> str:
    return f"{settings.engine} {settings.device} {settings.precision}"


def _network(game: Game, engine: Runtime, batch: int, seconds: float) -> float:
    """Positions/s of the network alone: the median call."""
    states = game.reset(batch)
    planes, legal = game.observe(states), game.legal(states)
    for _ in range(3):
        engine.evaluate(planes, legal)
    times = _repeat(lambda seed: _timed(lambda: engine.evaluate(planes, legal)), seconds)
    return batch / float(np.median(times))


def _tree(game: Game, config: Config, seconds: float) -> tuple[float, float]:
    """Simulations/s without a network, and kilobytes of tree a game."""
    slots, simulations = config.selfplay.slots, config.selfplay.simulations
    search = Search(game, config.search, slots=slots, capacity=simulations + 1)
    rng, everyone = np.random.default_rng(0), np.arange(slots)

    def once(seed: int) -> float:
        search.begin(everyone, game.reset(slots), simulations, noisy=True)
        return _timed(lambda: search.run(uniform(game), rng))

    once(0)
    total = sum(array.nbytes for array in search.tree) + search.states.nbytes
    return slots * simulations / float(np.median(_repeat(once, seconds))), total / slots / 1000


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _repeat(call: Callable[[int], T], seconds: float) -> list[T]:
    """Results of `call(0)`, `call(1)`, ... until `seconds` have passed."""
    results: list[T] = []
    start = time.perf_counter()
    while not results or time.perf_counter() - start < seconds:
        results.append(call(len(results)))
    return results


def _print(config: Config, measured: Measured, console: Console) -> None:
    table = Table(title=f"{config.name}: {config.game}, {config.network.blocks} blocks x {config.network.channels}")
    table.add_column("measured")
    table.add_column("a second", justify="right")
    for (name, batch), speed in measured.ceiling.items():
        table.add_row(f"network alone, {name}, batch {batch}: positions", f"{speed:,.0f}")
    table.add_section()
    table.add_row(f"self-play, {measured.runtime}: simulations", f"{measured.simulations:,.0f}")
    table.add_row("self-play: positions to the network", f"{measured.evaluations:,.0f}")
    table.add_row("share of the network's ceiling", f"{measured.ratio:.0%}")
    table.add_row("share of time in the network", f"{measured.network_share:.0%}")
    table.add_section()
    table.add_row("tree and rules alone: simulations", f"{measured.dummy_simulations:,.0f}")
    table.add_row(f"training, {config.train.precision}: samples", f"{measured.training:,.0f}")
    table.add_row("tree a game", f"{measured.tree_kilobytes:,.0f} kB")
    console.print(table)
