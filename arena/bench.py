"""`arena bench`: how fast this machine is for an experiment, part by part, so that what limits it can be read off.

Self-play runs as in training, spread over the config's workers. The networks' ceiling is what the same workers' networks reach
side by side when they do nothing else, at the same batch; the two are measured in turns, because machines are shared, and a
ratio is the median over the turns. The same ratio by processor time leaves out whenever another program had the core, and also
what a worker waits for another at Python's lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
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
from agents.runtime import Runtime, RuntimeSettings, candidates, create, network_evaluator, set_threads
from agents.search import Search
from arena.config import Config
from arena.learner import Learner
from arena.selfplay import SelfPlay, SelfPlayStats
from arena.workers import Job, Order, Threads, jobs, resolve_count, resolve_runtime
from envs import Game

T = TypeVar("T")
TURNS = 3  # of ceiling and self-play
BATCHES = (8, 64, 256)  # a worker, besides the config's own, at which the networks are measured
LEAVES = (1, 4, 8, 16, 32)  # of one game under way at once
DEEPEST = 20_000  # simulations of one game


class Measured(NamedTuple):
    """Speeds a second, of one config on one machine."""

    ceiling: dict[
        str, dict[int, float]
    ]  # positions/s of all workers' networks side by side, by runtime and a worker's batch
    runtime: str  # the one that self-play used
    batch: int  # of one of its workers
    workers: int
    simulations: float  # self-play without a cache of evaluations
    evaluations: float  # positions that it sent to the network
    ratio: float  # evaluations while all workers play, over the ceiling
    processor_ratio: float  # the same, both by processor time
    wait_share: float  # of the time, on new weights and waiting for the worker that is last to finish an iteration
    network_share: float  # of the workers' time
    speedup: float  # simulations of all workers over those of one with its own share of the games; 1 for one worker
    cached_simulations: float  # self-play as the config has it
    cache_hits: float  # share of positions that the cache answered
    tree_simulations: float  # tree and rules alone on one core, the uniform evaluator in the network's place
    tree_simulations_all: float  # the same on as many cores as there are workers
    play: dict[int, float]  # simulations of a single game, by leaves under way at once, all threads in its network
    training: float  # samples learned from
    tree_kilobytes: float  # a game


def bench(config: Config, *, seconds: float, console: Console, as_json: bool = False) -> Measured:
    """Measure and print. `seconds` is about what each measurement takes, kernels compiled before."""
    game = seen_by(config.network.planes, envs.make(config.game))
    set_threads(config.runtime)
    slots = config.selfplay.slots
    runtime = resolve_runtime(game, config.network, config.runtime, config.workers, slots, again=True)
    count = resolve_count(config.workers, runtime, slots).count
    whole = Job(config.game, config.network, runtime, config.search, config.selfplay, 0)
    batch = slots // count
    with console.status("networks"):
        ceiling = {
            name: _by_batch(game, whole._replace(runtime=choice), count, seconds)
            for name, choice in _choices(config.runtime, runtime).items()
        }
    with console.status("self-play"):
        played = _self_play(game, whole, count, seconds, config.workers.cache)
    with console.status("tree and rules"):
        one, kilobytes = _tree(game, config, batch, 1, seconds)
        everywhere, _ = _tree(game, config, batch, count, seconds)
    with console.status("one game"):
        play = _one_game(game, config, runtime, seconds)
    with console.status("training"):
        training = _training(game, config, runtime.device, seconds)
    spent, cached = sum(s.seconds for s in played.plain), played.cached[0]
    measured = Measured(
        ceiling=ceiling,
        runtime=_name(runtime),
        batch=batch,
        workers=count,
        simulations=sum(s.simulations for s in played.plain) / spent,
        evaluations=sum(s.evaluations for s in played.plain) / spent,
        ratio=float(np.median(played.ratios)),
        processor_ratio=float(np.median(played.processor_ratios)),
        wait_share=1 - sum(s.playing for s in played.plain) / spent,
        network_share=sum(s.network_seconds for s in played.plain) / spent,
        speedup=float(np.median(played.speedups)),
        cached_simulations=cached.simulations / cached.seconds,
        cache_hits=cached.cached / cached.evaluations,
        tree_simulations=one,
        tree_simulations_all=everywhere,
        play=play,
        training=training,
        tree_kilobytes=kilobytes,
    )
    if as_json:
        print(json.dumps(measured._asdict(), indent=1))
    else:
        _print(config, measured, console)
    return measured


class _Played(NamedTuple):
    plain: list[SelfPlayStats]  # without a cache, a turn each
    ratios: list[float]  # over the ceiling measured before and after
    processor_ratios: list[float]  # by processor time
    speedups: list[float]  # over one worker
    cached: list[SelfPlayStats]  # one turn with the cache


def _self_play(game: Game, whole: Job, count: int, seconds: float, cache: int) -> _Played:
    weights = PolicyValueNetwork(game, whole.network).state_dict()
    whole = _sized(whole, weights, count, seconds)
    shares = jobs(whole, count)
    every, alone = Threads(shares), Threads(shares[:1])
    runtimes = [create(game, job.network, job.runtime) for job in shares]
    for workers in (every, alone):
        workers.play(Order(weights, (0,)))  # spreads the games over their lengths
    played = _Played([], [], [], [], [])
    for turn in range(TURNS):
        before = side_by_side(game, runtimes, shares, seconds / TURNS)
        stats = every.play(Order(weights, (1, turn))).stats
        after = side_by_side(game, runtimes, shares, seconds / TURNS)
        single = alone.play(Order(weights, (1, turn))).stats
        played.plain.append(stats)
        played.ratios.append(stats.evaluations / stats.playing / ((before.wall + after.wall) / 2))
        played.processor_ratios.append(stats.evaluations / stats.processor / ((before.processor + after.processor) / 2))
        one = single.simulations / single.playing if count > 1 else stats.simulations / stats.playing
        played.speedups.append(stats.simulations / stats.playing / one)
    for workers in (every, alone):
        workers.close()
    workers = Threads(jobs(whole._replace(cache=cache), count))
    workers.play(Order(weights, (0,)))
    played.cached.append(workers.play(Order(weights, (1, 0))).stats)
    workers.close()
    return played


def _sized(whole: Job, weights: dict[str, torch.Tensor], count: int, seconds: float) -> Job:
    """`whole` with as many games an iteration as take about `seconds`; compiles what they run through."""
    few = whole.selfplay.model_copy(update={"games": max(count, whole.selfplay.slots // 8)})
    workers = Threads(jobs(whole._replace(selfplay=few), count))
    stats = [workers.play(Order(weights, (2, turn))).stats for turn in range(2)][-1]
    workers.close()
    games = max(count, round(len(stats.games) * seconds / stats.seconds))
    return whole._replace(selfplay=few.model_copy(update={"games": games}))


class Speed(NamedTuple):
    """Positions a second."""

    wall: float  # of all workers together
    processor: float  # of one worker, by the time that its thread had a processor


def side_by_side(game: Game, runtimes: Sequence[Runtime], shares: Sequence[Job], seconds: float) -> Speed:
    """Of the workers' networks, each at its own batch, all at once."""

    def work(number: int) -> tuple[int, float]:
        set_threads(shares[number].runtime)
        states = game.reset(shares[number].selfplay.slots)
        planes, legal = game.observe(states), game.legal(states)
        done, begun = 0, time.thread_time()
        while time.perf_counter() < end:
            runtimes[number].evaluate(planes, legal)
            done += len(states)
        return done, time.thread_time() - begun

    end, everyone = 0.0, range(len(runtimes))
    with ThreadPoolExecutor(len(runtimes)) as pool:
        list(pool.map(work, everyone))  # nothing but the start of the threads
        begin = time.perf_counter()
        end = begin + seconds
        done, processor = zip(*pool.map(work, everyone), strict=True)
        return Speed(sum(done) / (time.perf_counter() - begin), sum(done) / sum(processor))


def _choices(asked: RuntimeSettings, chosen: RuntimeSettings) -> dict[str, RuntimeSettings]:
    """By name, every way to run a network on this machine, and `chosen`."""
    choices = candidates(asked.model_copy(update={"engine": "auto", "precision": "auto"}))
    choices.append(chosen)
    if "openvino" in {choice.engine for choice in choices}:
        choices.append(chosen.model_copy(update={"engine": "openvino", "device": "cpu", "precision": "int8"}))
    return {_name(choice): choice for choice in choices}


def _by_batch(game: Game, whole: Job, count: int, seconds: float) -> dict[int, float]:
    """The ceiling at several batches of a worker, among them the config's."""
    runtimes = [create(game, job.network, job.runtime) for job in jobs(whole, count)]
    speeds = {}
    for batch in sorted({*BATCHES, whole.selfplay.slots // count}):
        selfplay = whole.selfplay.model_copy(update={"slots": batch * count})
        shares = jobs(whole._replace(selfplay=selfplay), count)
        side_by_side(game, runtimes, shares, 0.1)  # what is prepared once a batch
        speeds[batch] = side_by_side(game, runtimes, shares, seconds / (1 + len(BATCHES))).wall
    return speeds


def _name(settings: RuntimeSettings) -> str:
    return f"{settings.engine} {settings.device} {settings.precision}"


def _tree(game: Game, config: Config, slots: int, threads: int, seconds: float) -> tuple[float, float]:
    """Simulations/s without a network, a search of `slots` games in each of `threads`; kilobytes of tree a game."""
    simulations, everyone = config.selfplay.simulations, np.arange(slots)
    searches = [Search(game, config.search, slots=slots, capacity=simulations + 1) for _ in range(threads)]
    evaluate = uniform(game)

    def work(search: Search, turns: int) -> None:
        rng = np.random.default_rng(0)
        for _ in range(turns):
            search.begin(everyone, game.reset(slots), simulations, noisy=True)
            search.run(evaluate, rng)

    with ThreadPoolExecutor(threads) as pool:

        def all_at_once(turns: int) -> float:
            return _timed(lambda: list(pool.map(lambda search: work(search, turns), searches)))

        all_at_once(1)
        turns = max(1, round(0.2 / all_at_once(1)))  # so long that nobody waits much for the last
        times = _repeat(lambda number: all_at_once(turns), seconds)
    total = sum(array.nbytes for array in searches[0].tree) + searches[0].states.nbytes
    return threads * turns * slots * simulations / float(np.median(times)), total / slots / 1000


def _one_game(game: Game, config: Config, runtime: RuntimeSettings, seconds: float) -> dict[int, float]:
    """Simulations/s of a PUCT search from the start of the game, by leaves under way at once."""
    evaluate = network_evaluator(game, create(game, config.network, runtime))
    search = Search(game, config.search.model_copy(update={"rule": "puct"}), slots=1, capacity=DEEPEST + 1)
    rng, speeds = np.random.default_rng(0), {}
    for leaves in (LEAVES[-1], *LEAVES):  # the first one warms up
        search.begin(np.zeros(1, np.int64), game.reset(1), DEEPEST)
        start = time.perf_counter()
        while time.perf_counter() - start < seconds / len(LEAVES) and search.step(evaluate, rng, per_game=leaves):
            pass
        speeds[leaves] = int(search.tree.done[0]) / (time.perf_counter() - start)
    return dict(sorted(speeds.items()))


def _training(game: Game, config: Config, device: str, seconds: float) -> float:
    """Samples/s of the learner."""
    one_game = config.selfplay.model_copy(update={"games": 1})
    selfplay = SelfPlay(game, one_game, config.search, replies=config.network.reply)
    samples, _ = selfplay.play(uniform(game), np.random.default_rng(0))
    learner, rng = Learner(game, config.network, config.train, device=device), np.random.default_rng(0)
    list(learner.train(samples, 3, rng, progress=0.0))
    times = _repeat(lambda number: _timed(lambda: list(learner.train(samples, 1, rng, progress=0.0))), seconds)
    return config.train.batch / float(np.median(times))


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
        title=f"{config.name}: {config.game}, {network.blocks} blocks x {network.channels}, "
        f"{measured.workers} workers x {measured.batch} games"
    )
    table.add_column("measured")
    table.add_column("a second", justify="right")
    for name, speeds in measured.ceiling.items():
        for batch, speed in speeds.items():
            table.add_row(f"networks alone, {name}, batch {batch}: positions", f"{speed:,.0f}")
    table.add_section()
    table.add_row(f"self-play, {measured.runtime}: simulations", f"{measured.simulations:,.0f}")
    table.add_row("self-play: positions to the networks", f"{measured.evaluations:,.0f}")
    table.add_row("share of the networks' ceiling while all workers play", f"{measured.ratio:.0%}")
    table.add_row("the same by processor time", f"{measured.processor_ratio:.0%}")
    table.add_row("share of time on new weights and waiting for the last worker", f"{measured.wait_share:.0%}")
    table.add_row("share of time in the networks", f"{measured.network_share:.0%}")
    table.add_row("all workers against one", f"x {measured.speedup:.2f}")
    table.add_row("self-play with its cache: simulations", f"{measured.cached_simulations:,.0f}")
    table.add_row("positions that the cache knew", f"{measured.cache_hits:.0%}")
    table.add_section()
    table.add_row("tree and rules alone, one core: simulations", f"{measured.tree_simulations:,.0f}")
    table.add_row(
        f"tree and rules alone, {measured.workers} cores: simulations", f"{measured.tree_simulations_all:,.0f}"
    )
    for leaves, speed in measured.play.items():
        table.add_row(f"one game, {leaves} leaves at once: simulations", f"{speed:,.0f}")
    table.add_section()
    table.add_row(f"training, {config.train.precision}: samples", f"{measured.training:,.0f}")
    table.add_row("tree a game", f"{measured.tree_kilobytes:,.0f} kB")
    console.print(table)
