"""`arena bench`: how fast this machine is for an experiment, part by part, so that what limits it can be read off.

Self-play runs as in training, spread over the config's workers. The networks' ceiling is what the same workers' networks reach
side by side when they do nothing else, at the same batch; the two are measured in turns, because machines are shared.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import envs
from agents.evaluators import uniform
from agents.network import PolicyValueNetwork
from agents.planes import seen_by
from agents.runtime import RuntimeSettings, candidates, create, set_threads
from agents.search import Search
from arena.config import Config
from arena.learner import Learner
from arena.selfplay import SelfPlay, SelfPlayStats
from arena.workers import Job, Order, Threads, jobs, resolve_count, resolve_runtime
from envs import Game

T = TypeVar("T")
TURNS = 3  # of ceiling and self-play


class Measured(NamedTuple):
    """Speeds a second, of one config on one machine."""

    ceiling: dict[str, float]  # network positions/s of all workers' networks side by side, by runtime
    runtime: str  # the one self-play used
    workers: int
    simulations: float  # self-play without a cache of evaluations
    evaluations: float  # positions it sent to the network
    network_share: float  # of the workers' time
    cached_simulations: float  # self-play as the config has it
    cache_hits: float  # share of positions that the cache answered
    dummy_simulations: float  # tree and rules alone on one core, the uniform evaluator in the network's place
    training: float  # samples learned from
    tree_kilobytes: float  # a game
    ratio: float  # evaluations over the ceiling: the median of the turns


def bench(config: Config, *, seconds: float, console: Console, as_json: bool = False) -> Measured:
    """Measure and print. `seconds` is about what each measurement takes, kernels compiled before."""
    game = seen_by(config.network.planes, envs.make(config.game))
    set_threads(config.runtime)
    slots = config.selfplay.slots
    runtime = resolve_runtime(game, config.network, config.runtime, config.workers, slots, again=True)
    count = resolve_count(config.workers, runtime, slots).count
    whole = Job(config.game, config.network, runtime, config.search, config.selfplay, 0)
    weights = PolicyValueNetwork(game, config.network).state_dict()
    with console.status("networks"):
        open_choice = config.runtime.model_copy(update={"engine": "auto", "precision": "auto"})
        choices = {_name(choice): choice for choice in candidates(open_choice)} | {_name(runtime): runtime}
        if "openvino" in {choice.engine for choice in choices.values()}:
            int8 = runtime.model_copy(update={"engine": "openvino", "device": "cpu", "precision": "int8"})
            choices.setdefault(_name(int8), int8)
        ceiling = {
            name: side_by_side(game, whole._replace(runtime=choice), count, seconds) for name, choice in choices.items()
        }
    with console.status("self-play"):
        whole = _sized(whole, weights, count, seconds)
        ratios, plain = list[float](), list[SelfPlayStats]()
        workers = Threads(jobs(whole, count))
        workers.play(Order(weights, (0,)))  # spreads the games over their lengths
        for turn in range(TURNS):
            before = side_by_side(game, whole, count, seconds / TURNS)
            plain.append(workers.play(Order(weights, (1, turn))).stats)
            after = side_by_side(game, whole, count, seconds / TURNS)
            ratios.append(plain[-1].evaluations / plain[-1].seconds / ((before + after) / 2))
        workers.close()
        workers = Threads(jobs(whole._replace(cache=config.workers.cache), count))
        workers.play(Order(weights, (0,)))
        cached = workers.play(Order(weights, (1, 0))).stats
        workers.close()
    with console.status("tree and rules"):
        dummy, kilobytes = _tree(game, config, seconds)
    with console.status("training"):
        one_game = config.selfplay.model_copy(update={"games": 1})
        samples = SelfPlay(game, one_game, config.search, replies=config.network.reply).play(
            uniform(game), np.random.default_rng(0)
        )[0]
        learner = Learner(game, config.network, config.train, device=runtime.device)
        rng = np.random.default_rng(0)
        list(learner.train(samples, 3, rng, progress=0.0))
        times = _repeat(lambda seed: _timed(lambda: list(learner.train(samples, 1, rng, progress=0.0))), seconds)
    spent = sum(s.seconds for s in plain)
    measured = Measured(
        ceiling,
        _name(runtime),
        count,
        sum(s.simulations for s in plain) / spent,
        sum(s.evaluations for s in plain) / spent,
        sum(s.network_seconds for s in plain) / spent,
        cached.simulations / cached.seconds,
        cached.cached / cached.evaluations,
        dummy,
        config.train.batch / float(np.median(times)),
        kilobytes,
        float(np.median(ratios)),
    )
    if as_json:
        print(json.dumps(measured._asdict(), indent=1))
    else:
        _print(config, measured, console)
    return measured


def _sized(whole: Job, weights: dict[str, torch.Tensor], count: int, seconds: float) -> Job:
    """`whole` with as many games an iteration as take about `seconds`; compiles what they run through."""
    few = whole.selfplay.model_copy(update={"games": max(count, whole.selfplay.slots // 8)})
    workers = Threads(jobs(whole._replace(selfplay=few), count))
    stats = [workers.play(Order(weights, (2, turn))).stats for turn in range(2)][-1]
    workers.close()
    games = max(count, round(len(stats.games) * seconds / stats.seconds))
    return whole._replace(selfplay=few.model_copy(update={"games": games}))


def side_by_side(game: Game, whole: Job, count: int, seconds: float) -> float:
    """Positions/s of the networks of `count` workers, each at its own batch, all at once."""
    shares = jobs(whole, count)
    runtimes = [create(game, job.network, job.runtime) for job in shares]

    def work(number: int) -> int:
        set_threads(shares[number].runtime)
        states = game.reset(shares[number].selfplay.slots)
        planes, legal = game.observe(states), game.legal(states)
        done = 0
        while time.perf_counter() < end:
            runtimes[number].evaluate(planes, legal)
            done += len(states)
        return done

    end = 0.0
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))  # nothing but the start of the threads
        begin = time.perf_counter()
        end = begin + seconds
        return sum(pool.map(work, range(count))) / (time.perf_counter() - begin)


def _name(settings: RuntimeSettings) -> str:
    return f"{settings.engine} {settings.device} {settings.precision}"


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
    network = config.network
    table = Table(
        title=f"{config.name}: {config.game}, {network.blocks} blocks x {network.channels}, {measured.workers} workers"
    )
    table.add_column("measured")
    table.add_column("a second", justify="right")
    for name, speed in measured.ceiling.items():
        table.add_row(f"networks alone, {name}: positions", f"{speed:,.0f}")
    table.add_section()
    table.add_row(f"self-play, {measured.runtime}: simulations", f"{measured.simulations:,.0f}")
    table.add_row("self-play: positions to the networks", f"{measured.evaluations:,.0f}")
    table.add_row("share of the networks' ceiling", f"{measured.ratio:.0%}")
    table.add_row("share of time in the networks", f"{measured.network_share:.0%}")
    table.add_row("self-play with its cache: simulations", f"{measured.cached_simulations:,.0f}")
    table.add_row("positions that the cache knew", f"{measured.cache_hits:.0%}")
    table.add_section()
    table.add_row("tree and rules alone, one core: simulations", f"{measured.dummy_simulations:,.0f}")
    table.add_row(f"training, {config.train.precision}: samples", f"{measured.training:,.0f}")
    table.add_row("tree a game", f"{measured.tree_kilobytes:,.0f} kB")
    console.print(table)
