"""`arena bench`: how fast this machine is for an experiment, part by part, so that what limits it can be read off.

Self-play runs as in training, a worker a core, for a given time. The networks' ceiling is what the same workers' networks reach
side by side when they do nothing else. Machines are shared, and a speed measured a second later is another; so for the share of
the ceiling that self-play reaches, every batch is sent to its network a second time, and those second calls, of the same
batches at the same moments, are the ceiling.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

import envs
from agents.cache import EvaluationCache
from agents.evaluators import Evaluation, uniform
from agents.planes import seen_by
from agents.runtime import NetworkEvaluator, Runtime, RuntimeSettings, candidates, create, set_threads
from agents.search import Search
from arena.config import Config
from arena.learner import Learner
from arena.selfplay import SelfPlay
from arena.workers import Job, jobs, resolve_count, resolve_engine, resolve_runtime
from envs import Game, States

T = TypeVar("T")
TURNS = 3  # of all workers and one
ENDLESS = 10**9  # games: time ends self-play here
SPREAD = 30  # games open with up to so many random moves, so that they are not all at the same ply
# A worker's batches, besides the config's own, at which the networks are measured.
BATCHES = {"cpu": (8, 64, 256), "cuda": (8, 64, 256, 1024, 2048)}
WAYS = ((1, 1), (4, 1), (8, 1), (16, 1), (32, 1), (8, 2), (16, 2))  # leaves of one game at once, and batches of so many
DEEPEST = 20_000  # simulations of one game


class Measured(NamedTuple):
    """Speeds a second, of one config on one machine."""

    ceiling: dict[
        str, dict[int, float]
    ]  # positions/s of all workers' networks side by side, by runtime and a worker's batch
    runtime: str  # the one that self-play used
    batch: int  # of one of its workers
    workers: int
    simulations: float  # self-play without a cache of evaluations, those that ask the network
    ratio: float  # of that speed to the ceiling at the same moments
    speedup: float  # of all workers over one with its own share of the games
    cached_simulations: float  # self-play as the config has it
    cache_hits: float  # share of positions that the cache answered
    tree_simulations: float  # tree and rules alone on one core, the uniform evaluator in the network's place
    tree_simulations_all: float  # the same on as many cores as there are workers
    play: dict[str, float]  # simulations of a single game, by what is under way, all threads in its network
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
        shares = jobs(whole, count)
        where = resolve_engine(resolve_count(config.workers, runtime, slots), runtime)
        plain, alone = SelfPlayOnTime(shares, where), SelfPlayOnTime(shares[:1], where)
        plain.play(0.0), alone.play(0.0)  # compiles
        turns = [(plain.play(seconds / TURNS), alone.play(seconds / TURNS)) for _ in range(TURNS)]
        twice = plain.play(2 * seconds, twice=True)
        remembering = SelfPlayOnTime(jobs(whole._replace(cache=config.workers.cache), count), where)
        remembering.play(0.0)  # compiles
        cached = remembering.play(seconds)
        for selfplay in (plain, alone, remembering):
            selfplay.close()
    with console.status("tree and rules"):
        one_core, kilobytes = _tree(game, config, batch, 1, seconds)
        everywhere, _ = _tree(game, config, batch, count, seconds)
    with console.status("one game"):
        play = _one_game(game, config, runtime, seconds)
    with console.status("training"):
        training = _training(game, config, runtime.device, seconds)
    measured = Measured(
        ceiling=ceiling,
        runtime=_name(runtime),
        batch=batch,
        workers=count,
        simulations=float(np.median([every.positions for every, _ in turns])),
        ratio=twice.ratio,
        speedup=float(np.median([every.positions / one.positions for every, one in turns])),
        cached_simulations=cached.positions,
        cache_hits=cached.hits,
        tree_simulations=one_core,
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


class Over(Exception):  # noqa: N818  # no error: the time is up
    """Ends a worker's games."""


class Speed(NamedTuple):
    """Of self-play."""

    positions: float  # a second that searches asked about, all workers
    ratio: float  # to the speed of the networks, if every batch was sent twice; else 0
    hits: float  # share of positions that a cache answered


class SelfPlayOnTime:
    """Self-play where the run would have it, in threads or in processes, for a given time instead of a number of games."""

    def __init__(self, shares: Sequence[Job], engine: str) -> None:
        self._seats = [next(NUMBERS) for _ in shares]
        self._pools = [_pool_of_one(engine) for _ in shares]
        for ready in [p.submit(_sit, seat, job) for p, seat, job in zip(self._pools, self._seats, shares, strict=True)]:
            ready.result()

    def play(self, seconds: float, *, twice: bool = False) -> Speed:
        """Go on with the games for about so long, at least a step. `twice`: every batch is evaluated two times, uncached."""
        end = time.perf_counter() + seconds  # the same clock in all processes of a machine
        answers = [p.submit(_play, seat, end, twice) for p, seat in zip(self._pools, self._seats, strict=True)]
        workers = [answer.result() for answer in answers]
        positions = sum(done / (spent - again) for done, spent, again, _ in workers)
        ratio = sum(again for _, _, again, _ in workers) / sum(spent - again for _, spent, again, _ in workers)
        return Speed(positions, ratio, sum(hits for *_, hits in workers) / sum(done for done, *_ in workers))

    def close(self) -> None:
        for seat, pool in zip(self._seats, self._pools, strict=True):
            pool.submit(SEATS.pop, seat, None)
            pool.shutdown()


class Seat:
    """A worker's games and network."""

    def __init__(self, job: Job, seed: int) -> None:
        self._game, self._job, self._seed = seen_by(job.network.planes, envs.make(job.game)), job, seed
        spread = job.selfplay.model_copy(update={"games": ENDLESS, "random_plies": SPREAD})
        self._selfplay = SelfPlay(self._game, spread, job.search, replies=job.network.reply)
        self._runtime = create(self._game, job.network, job.runtime)

    def play(self, end: float, twice: bool) -> tuple[int, float, float, int]:
        """Positions, seconds, seconds of them in second calls, and positions that the cache answered."""
        game, job, runtime = self._game, self._job, self._runtime
        set_threads(job.runtime)
        cache = EvaluationCache(game, runtime, job.cache) if job.cache else None
        evaluate = cache or NetworkEvaluator(game, runtime)
        positions, again = 0, 0.0

        def counted(states: States) -> Evaluation:
            nonlocal positions, again
            if positions and time.perf_counter() > end:
                raise Over
            positions += len(states)
            if not twice:
                return evaluate(states)
            planes, legal = game.observe(states), game.legal(states)
            answer = runtime.evaluate(planes, legal)
            before = time.perf_counter()
            runtime.evaluate(planes, legal)
            again += time.perf_counter() - before
            return answer

        begin = time.perf_counter()
        with contextlib.suppress(Over):
            self._selfplay.play(counted, np.random.default_rng(self._seed))
        self._selfplay.settings = job.selfplay.model_copy(update={"games": ENDLESS})  # only the first games are spread
        return positions, time.perf_counter() - begin, again, cache.hits if cache else 0


SEATS = dict[int, Seat]()  # of this process
NUMBERS = itertools.count()


def _pool_of_one(engine: str) -> Executor:
    if engine == "processes":
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver"))
    return ThreadPoolExecutor(1)


def _sit(number: int, job: Job) -> None:
    SEATS[number] = Seat(job, number)


def _play(number: int, end: float, twice: bool) -> tuple[int, float, float, int]:
    return SEATS[number].play(end, twice)


def side_by_side(game: Game, runtimes: Sequence[Runtime], shares: Sequence[Job], seconds: float) -> float:
    """Positions/s of the workers' networks, each at its own batch, all at once."""

    def work(number: int) -> int:
        set_threads(shares[number].runtime)
        states = game.reset(shares[number].selfplay.slots)
        planes, legal = game.observe(states), game.legal(states)
        done = 0
        while time.perf_counter() < end:
            runtimes[number].evaluate(planes, legal)
            done += len(states)
        return done

    end, everyone = 0.0, range(len(runtimes))
    with ThreadPoolExecutor(len(runtimes)) as pool:
        list(pool.map(work, everyone))  # nothing but the start of the threads
        begin = time.perf_counter()
        end = begin + seconds
        return sum(pool.map(work, everyone)) / (time.perf_counter() - begin)


def _choices(asked: RuntimeSettings, chosen: RuntimeSettings) -> dict[str, RuntimeSettings]:
    """By name, every way to run a network on this machine, and `chosen`."""
    choices = candidates(asked.model_copy(update={"engine": "auto", "precision": "auto"}))
    choices.append(chosen)
    if chosen.device == "cuda":
        choices += [chosen.model_copy(update=change) for change in ({"precision": "fp32"}, {"graphs": False})]
    if "openvino" in {choice.engine for choice in choices}:
        choices.append(chosen.model_copy(update={"engine": "openvino", "device": "cpu", "precision": "int8"}))
    return {_name(choice): choice for choice in choices}


def _by_batch(game: Game, whole: Job, count: int, seconds: float) -> dict[int, float]:
    """The ceiling at several batches of a worker, among them the config's."""
    runtimes = [create(game, job.network, job.runtime) for job in jobs(whole, count)]
    speeds, batches = {}, sorted({*BATCHES[whole.runtime.device], whole.selfplay.slots // count})
    for batch in batches:
        selfplay = whole.selfplay.model_copy(update={"slots": batch * count})
        shares = jobs(whole._replace(selfplay=selfplay), count)
        side_by_side(game, runtimes, shares, 0.1)  # what is prepared once a batch
        speeds[batch] = side_by_side(game, runtimes, shares, seconds / len(batches))
    return speeds


def _name(settings: RuntimeSettings) -> str:
    graphs = "" if settings.graphs or settings.device == "cpu" else " without graphs"
    return f"{settings.engine} {settings.device} {settings.precision}{graphs}"


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


def _one_game(game: Game, config: Config, runtime: RuntimeSettings, seconds: float) -> dict[str, float]:
    """Simulations/s of a PUCT search from the start of the game, by the leaves under way."""
    evaluate = NetworkEvaluator(game, create(game, config.network, runtime))
    search = Search(game, config.search.model_copy(update={"rule": "puct"}), slots=1, capacity=DEEPEST + 1)
    rng, speeds = np.random.default_rng(0), {}
    for leaves, batches in (WAYS[-1], *WAYS):  # the first one warms up
        search.begin(np.zeros(1, np.int64), game.reset(1), DEEPEST)
        start = time.perf_counter()
        while time.perf_counter() - start < seconds / len(WAYS):
            if not search.step(evaluate, rng, per_game=leaves, batches=batches):
                break
        name = f"{batches} batches of {leaves} leaves" if batches > 1 else f"{leaves} leaves at once"
        speeds[name] = int(search.tree.done[0]) / (time.perf_counter() - start)
    return speeds


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
    table.add_row("share of the networks' ceiling", f"{measured.ratio:.0%}")
    table.add_row("all workers against one", f"x {measured.speedup:.2f}")
    table.add_row("self-play with its cache: simulations", f"{measured.cached_simulations:,.0f}")
    table.add_row("positions that the cache knew", f"{measured.cache_hits:.0%}")
    table.add_section()
    table.add_row("tree and rules alone, one core: simulations", f"{measured.tree_simulations:,.0f}")
    table.add_row(
        f"tree and rules alone, {measured.workers} cores: simulations", f"{measured.tree_simulations_all:,.0f}"
    )
    for under_way, speed in measured.play.items():
        table.add_row(f"one game, {under_way}: simulations", f"{speed:,.0f}")
    table.add_section()
    table.add_row(f"training, {config.train.precision}: samples", f"{measured.training:,.0f}")
    table.add_row("tree a game", f"{measured.tree_kilobytes:,.0f} kB")
    console.print(table)
