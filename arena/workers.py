"""Who plays the games of a run: workers side by side, each with its own games, search, network and cache.

A worker is a function of (its games under way, weights, seed): wherever it runs, in a thread, a process or on another
machine (`worker_processes.py`, `worker_ray.py`), it plays the same games. On a CPU there is one worker a core, and a core
is always busy: while one worker is in the network the other is in the tree, and no layer of a network ever waits for
another thread. On a GPU two workers take turns: one batch is in the network while the other is in the tree.

What is played elsewhere is a `Share`: it carries its games under way, and they come back with the answer. So no worker has
anything that could be lost with it, and whoever takes its share over plays the very same games.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

import envs
from agents.cache import EvaluationCache
from agents.network import NetworkSettings
from agents.planes import seen_by
from agents.runtime import NetworkEvaluator, RuntimeSettings, create, resolve, set_threads
from agents.search import SearchSettings
from agents.section import Section
from arena.replay import Samples
from arena.resign import NEVER
from arena.selfplay import PER_PLY, SelfPlay, SelfPlaySettings, SelfPlayStats
from envs import Game

Weights = Mapping[str, Tensor]
State = dict[str, NDArray[np.generic]]


class WorkerSettings(Section):
    """How self-play is spread. The games depend on `count`, never on `engine`."""

    engine: Literal["auto", "threads", "processes", "ray"] = Field(
        "auto",
        description="where workers run: threads of the run, processes of this machine, or many machines (an optional extra); "
        "auto: processes for several on the CPU, else threads",
    )
    count: int = Field(0, ge=0, description="workers that share slots and games; 0: one per core, two on a GPU")
    address: str = Field(
        "",
        description="ray: the cluster's HOST:PORT, auto: the one that this machine belongs to; empty: one of its own",
    )
    cache: int = Field(2**17, ge=0, description="network evaluations that a worker remembers; 0: none")

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> Self:
        if self.address and self.engine != "ray":
            raise ValueError(f"address is for the ray engine: leave it out or set engine to ray, not {self.engine}")
        return self


class Job(NamedTuple):
    """What a worker is: all of it can be sent elsewhere."""

    game: str
    network: NetworkSettings
    runtime: RuntimeSettings  # of this worker alone
    search: SearchSettings
    selfplay: SelfPlaySettings  # its share of slots and games
    cache: int


class Order(NamedTuple):
    """What an iteration's games are played with."""

    weights: Weights
    seed: tuple[int, ...]  # worker i draws from the generator of this and i
    examples: NDArray[np.uint8] | None = None  # positions to come, for 8-bit networks
    resign: float = NEVER  # games are resigned where the outlook is below minus this


class Played(NamedTuple):
    """What one worker, or all of them, played in an iteration."""

    samples: Samples
    stats: SelfPlayStats


class Share(NamedTuple):
    """A worker's part of an iteration, which can be played anywhere."""

    job: Job
    number: int  # of the worker
    state: State  # the games it goes on with


class Answer(NamedTuple):
    """What comes back."""

    played: Played
    state: State


class Parcel(NamedTuple):
    """An order on its way."""

    order: Order  # without weights
    weights: bytes  # as safetensors


class Worker:
    """One share of a run's self-play: its games go on from one `play` to the next."""

    def __init__(self, job: Job) -> None:
        self.job = job
        game = seen_by(job.network.planes, envs.make(job.game))
        self._selfplay = SelfPlay(game, job.selfplay, job.search, replies=job.network.reply)
        self._runtime = create(game, job.network, job.runtime)
        self._cache = EvaluationCache(game, self._runtime, job.cache) if job.cache else None
        self._evaluate = self._cache or NetworkEvaluator(game, self._runtime)

    def play(self, order: Order, number: int, progress: Callable[[int], None] = lambda games: None) -> Played:
        """Play this worker's share of an iteration. Deterministic in (games under way, order, number)."""
        self._runtime.load(order.weights, order.examples)
        if self._cache is not None:
            self._cache.clear()
        rng = np.random.default_rng((*order.seed, number))
        samples, stats = self._selfplay.play(self._evaluate, rng, resign=order.resign, progress=progress)
        return Played(samples, stats._replace(cached=self._cache.hits if self._cache else 0))

    def state(self) -> State:
        """The games under way."""
        return self._selfplay.state()

    def restore(self, state: State) -> None:
        """Continue from what `state` returned."""
        self._selfplay.restore(state)


class Place:
    """Where shares are played, away from the run: it keeps nothing between them but the worker, which takes time to make."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def play(self, share: Share, parcel: Parcel, progress: Callable[[int], None]) -> Answer:
        """Deterministic in (share, parcel)."""
        if share.job.runtime.device == "cuda":
            torch.cuda.set_device(share.number % torch.cuda.device_count())
        if self._worker is None or self._worker.job != share.job:
            set_threads(share.job.runtime)
            self._worker = Worker(share.job)
        self._worker.restore(share.state)
        order = parcel.order._replace(weights=safetensors.torch.load(parcel.weights))
        return Answer(self._worker.play(order, share.number, progress), self._worker.state())


def pack(order: Order) -> Parcel:
    """`order` as it is sent."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in order.weights.items()}
    return Parcel(order._replace(weights={}), safetensors.torch.save(weights))


class Tally:
    """Tells `progress` of every finished game once, though a share may be played more than once."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._most = Counter[int]()

    def hear(self, number: int, games: int) -> None:
        """Somebody has finished `games` games of share `number`."""
        more = games - self._most[number]
        if more > 0:
            self._most[number] = games
            self._progress(more)


class Workers(Protocol):
    """All workers of a run."""

    def play(self, order: Order, progress: Callable[[int], None] = lambda games: None) -> Played:
        """An iteration's games. `progress` hears of finished ones."""
        ...

    def state(self) -> State:
        """The games under way of all workers, worker by worker."""
        ...

    def restore(self, state: State) -> None:
        """Continue from what `state` returned."""
        ...

    def close(self) -> None:
        """End them. They play no more."""
        ...


class Threads:
    """Workers in threads of this process: kernels and networks release Python's lock. Deterministic."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._workers = [Worker(job) for job in jobs]
        self._slots = [job.selfplay.slots for job in jobs]
        self._pool = ThreadPoolExecutor(len(jobs), initializer=set_threads, initargs=(jobs[0].runtime,))

    def play(self, order: Order, progress: Callable[[int], None] = lambda games: None) -> Played:
        start, over, lock = time.perf_counter(), threading.Event(), threading.Lock()

        def heard(games: int) -> None:
            if over.is_set():
                raise InterruptedError("self-play was stopped")
            with lock:
                progress(games)

        futures = [self._pool.submit(worker.play, order, i, heard) for i, worker in enumerate(self._workers)]
        try:
            played = [future.result() for future in futures]
        except BaseException:  # Ctrl-C arrives here while the others still play
            over.set()
            wait(futures)
            raise
        return merge(played, time.perf_counter() - start)

    def state(self) -> State:
        return join_states([worker.state() for worker in self._workers])

    def restore(self, state: State) -> None:
        for worker, share in zip(self._workers, split_state(state, self._slots), strict=True):
            worker.restore(share)

    def close(self) -> None:
        self._pool.shutdown()


class Elsewhere:
    """Workers that play shares elsewhere; here are the games under way between one iteration and the next."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self.states = [_nothing_under_way(job) for job in jobs]

    def share(self, number: int) -> Share:
        """What worker `number` plays next."""
        return Share(self.jobs[number], number, self.states[number])

    def merge(self, answers: Mapping[int, Answer], seconds: float) -> Played:
        """All workers' games, and their states kept for the next iteration."""
        self.states = [answers[number].state for number in range(len(self.jobs))]
        return merge([answers[number].played for number in range(len(self.jobs))], seconds)

    def state(self) -> State:
        return join_states(self.states)

    def restore(self, state: State) -> None:
        self.states = split_state(state, [job.selfplay.slots for job in self.jobs])


def _nothing_under_way(job: Job) -> State:
    return SelfPlay(seen_by(job.network.planes, envs.make(job.game)), job.selfplay, job.search).state()


def employ(whole: Job, settings: WorkerSettings, note: Callable[[str], None] = lambda text: None) -> Workers:
    """The workers of resolved `settings`, who share `whole`. `note` hears what a person should know: who died.

    ValueError where the settings ask for what is not there.
    """
    parts = jobs(whole, settings.count)
    match resolve_engine(settings, whole.runtime):
        case "threads":
            return Threads(parts)
        case "processes":
            from arena.worker_processes import Processes

            return Processes(parts, note)
        case "ray":
            from arena.worker_ray import Ray, connect

            connect(settings)
            return Ray(parts, note)


def resolve_engine(settings: WorkerSettings, runtime: RuntimeSettings) -> Literal["threads", "processes", "ray"]:
    """Where the workers of resolved `settings` run.

    On the CPU in processes, if there are several: threads that all come back to Python for every batch wait for its lock, up
    to a fifth of the time with two of them (RESULTS.md). On a GPU in threads, which share it without copies.
    """
    if settings.engine != "auto":
        return settings.engine
    possible = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
    return "processes" if settings.count > 1 and runtime.device == "cpu" and possible else "threads"


def resolve_count(settings: WorkerSettings, runtime: RuntimeSettings, slots: int) -> WorkerSettings:
    """`settings` with the number of workers decided: no more than there are slots."""
    cores, gpus = runtime.threads or os.cpu_count() or 1, 1
    if settings.engine == "processes":
        gpus = torch.cuda.device_count()
    elif settings.engine == "ray" and not settings.count:
        from arena.worker_ray import connect

        cores, gpus = connect(settings)
    count = settings.count or (2 * gpus if runtime.device == "cuda" else cores)
    return settings.model_copy(update={"count": min(count, slots)})


def resolve_runtime(
    game: Game,
    network: NetworkSettings,
    runtime: RuntimeSettings,
    workers: WorkerSettings,
    slots: int,
    *,
    again: bool = False,
) -> RuntimeSettings:
    """`runtime` with every "auto" decided: what is fastest for one worker, with its share of slots and threads.

    `again` measures what is remembered from before.
    """
    count = resolve_count(workers, runtime, slots).count
    chosen = resolve(game, network, _share_of_threads(runtime, count), slots // count, again=again)
    return chosen.model_copy(update={"threads": runtime.threads})


def jobs(whole: Job, count: int) -> list[Job]:
    """`whole` cut into `count` workers: slots, games and threads of the network shared as evenly as can be."""
    runtime = _share_of_threads(whole.runtime, count)
    slots, games = _shares(whole.selfplay.slots, count), _shares(whole.selfplay.games, count)
    return [
        whole._replace(runtime=runtime, selfplay=whole.selfplay.model_copy(update={"slots": s, "games": g}))
        for s, g in zip(slots, games, strict=True)
    ]


def merge(played: Sequence[Played], seconds: float) -> Played:
    """All workers' games as one iteration's, worker by worker; `seconds` is how long it took until the last was done."""
    stats = [p.stats for p in played]
    total = {
        name: sum(getattr(s, name) for s in stats) for name in SelfPlayStats._fields if name not in ("games", "seconds")
    }
    for name in ("network_seconds", "playing"):  # of one core's time
        total[name] /= len(stats)
    games = [game for s in stats for game in s.games]
    return Played(
        Samples.concatenate([p.samples for p in played]), SelfPlayStats(games=games, seconds=seconds, **total)
    )


def join_states(states: Sequence[State]) -> State:
    """The states of several workers as one: their slots in a row."""
    return {name: np.concatenate([state[name] for state in states]) for name in states[0]}


def split_state(state: State, slots: Sequence[int]) -> list[State]:
    """The opposite of `join_states`, for workers of so many slots each."""
    ends = np.cumsum([0, *slots])
    if len(state["length"]) != ends[-1]:
        raise ValueError(f"games under way in {len(state['length'])} slots cannot go on in {ends[-1]}")
    plies = np.cumsum([0, *state["length"]])[ends]
    cuts = {name: plies if name in PER_PLY else ends for name in state}
    return [{name: rows[cuts[name][i] : cuts[name][i + 1]] for name, rows in state.items()} for i in range(len(slots))]


def _share_of_threads(runtime: RuntimeSettings, count: int) -> RuntimeSettings:
    threads = max(1, (runtime.threads or os.cpu_count() or 1) // count)
    return runtime.model_copy(update={"threads": threads})


def _shares(total: int, count: int) -> list[int]:
    """`total` in `count` shares that differ by at most one, none of them empty.

    >>> _shares(7, 3)
    [3, 2, 2]
    """
    return [max(1, total // count + (i < total % count)) for i in range(count)]
