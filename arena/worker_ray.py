"""Workers on many machines: actors of a Ray cluster (`pip install ray`), one of this machine alone or one that runs already.

An iteration's weights go into Ray's object store once; a share carries all the rest, so any actor can play any share.
Whoever is free takes the next one. An actor that dies, alone or with its node, is replaced as soon as there is room for
another; until then the remaining ones play its shares too. A share that takes much longer than others did is begun once more
where an actor is free, and the first answer counts (backup tasks; Dean and Ghemawat, MapReduce, 2004): both are the same
games, so that neither a death nor a slow node changes anything but time.
"""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import socket
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from arena.workers import Answer, Elsewhere, Job, Order, Parcel, Place, Played, Share, Tally, WorkerSettings, pack
from envs.words import number_of

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: it tells nobody that it runs
os.environ.setdefault("RAY_worker_niceness", "0")  # workers are no background of ours, they are the run
# Or every death is a page of Ray's own words across the display.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")
try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError:
    raise ValueError("workers.engine is ray, which is not installed: pip install ray, or choose processes") from None

PATIENCE = 1.5  # times what a share usually takes, before it is begun once more
DEATHS = 5  # of one share's actors in one iteration, or of actors in a row at their start, before it is no accident
TURN = 1.0  # seconds between looks at who is late and how many games are finished
LIBRARIES = ("numba", "numpy", "openvino", "torch")  # that games depend on
QUIET = 30.0  # seconds without any actor before a person is told
CURRENT = Path("ray", "ray_current_cluster")  # where `ray start` notes the address that `auto` means


@dataclass
class Iteration:
    """The one under way."""

    parcel: Any  # where the object store has it
    tally: Tally
    undone: deque[int]  # shares that wait for an actor
    answers: dict[int, Answer]
    deaths: Counter[int]  # of actors, by the share they played
    lasted: list[float]  # seconds, of the shares that are done


class Task(NamedTuple):
    """An actor playing a share."""

    actor: Any
    ticket: int  # counts tasks
    number: int  # of the share
    iteration: Iteration  # it may be over
    start: float


class Ray(Elsewhere):
    """An actor a worker, as far as the cluster has room."""

    def __init__(self, jobs: Sequence[Job], note: Callable[[str], None] = lambda text: None) -> None:
        """ValueError where no node has room for a worker."""
        super().__init__(jobs)
        self._note = note
        runtime = jobs[0].runtime
        gpus = 0.5 if runtime.device == "cuda" else 0.0  # two take turns
        self._needs = {"num_cpus": 1 if gpus else runtime.threads, "num_gpus": gpus}
        if not any(_has_room(node["Resources"], **self._needs) for node in ray.nodes() if node["Alive"]):
            raise ValueError(
                f"no node of the Ray cluster has what a worker needs, {self._room()}: raise workers.count, so that each has "
                "fewer threads, or set runtime.threads"
            )
        self._coming: dict[Any, Any] = {}  # actors that are being started, by what they promised
        self._free: list[Any] = []
        self._busy: dict[Any, Task] = {}  # by the promised answer
        self._tickets = self._failures = 0
        for _ in jobs:
            self._hire()

    def play(self, order: Order, progress: Callable[[int], None] = lambda games: None) -> Played:
        start, count, told = time.perf_counter(), len(self.jobs), False
        now = Iteration(ray.put(pack(order)), Tally(progress), deque(range(count)), {}, Counter(), [])
        try:
            while len(now.answers) < count:
                if not now.undone:
                    now.undone.extend(self._late(now))
                while now.undone and self._free:
                    self._begin(now.undone.popleft(), now)
                for task, said in self._returned():
                    self._take(task, said, now)
                self._hear(now)
                if not (told or self._busy or self._free) and time.perf_counter() - start > QUIET:
                    told = True
                    self._note(
                        f"no worker is there: waiting for one to start, or for a node of the Ray cluster with {self._room()} free"
                    )
        except BaseException:  # Ctrl-C arrives here while they still play
            self.close()
            raise
        return self.merge(now.answers, time.perf_counter() - start)

    def close(self) -> None:
        for actor in [*self._free, *self._coming.values(), *(task.actor for task in self._busy.values())]:
            ray.kill(actor)
        self._free, self._coming, self._busy = [], {}, {}

    def _hire(self) -> None:
        """Ask for an actor. It may come at once or once there is a node that has room for it: nobody waits for it."""
        actor = Actor.options(**self._needs).remote()  # type: ignore[attr-defined]  # made by ray.remote
        self._coming[actor.origin.remote()] = actor

    def _begin(self, number: int, now: Iteration) -> None:
        actor = self._free.pop(0)  # the one that was free first
        self._tickets += 1
        promise = actor.play.remote(self._tickets, self.share(number), now.parcel)
        self._busy[promise] = Task(actor, self._tickets, number, now, time.perf_counter())

    def _take(self, task: Task, said: Answer | RayError | None, now: Iteration) -> None:
        """What came of a task, None of one that was stopped. An error ends the run only where the answer is still waited for."""
        who, others = f"worker {task.number}", self._players(task.number, now)
        if said is None or task.iteration is not now or task.number in now.answers:
            if isinstance(said, RayError):
                self._note(f"{who} failed after its share had been played elsewhere ({_cause(said)}): nothing is lost")
        elif isinstance(said, Answer):
            now.answers[task.number] = said
            now.lasted.append(time.perf_counter() - task.start)
            now.tally.hear(task.number, len(said.played.stats.games))
            for other in others:
                other.actor.stop.remote(other.ticket)
        elif isinstance(said, RayTaskError):
            raise said.cause from said
        else:
            now.deaths[task.number] += 1
            if now.deaths[task.number] == DEATHS:
                raise ChildProcessError(f"{who} died {DEATHS} times in one iteration: is there too little memory?")
            self._note(f"{who} died ({_cause(said)}): its share is played again, the same games")
            if not others:
                now.undone.append(task.number)

    def _late(self, now: Iteration) -> list[int]:
        """Shares to begin once more: they take too long, nobody else plays them, and an actor is free."""
        if not now.lasted:
            return []
        limit = time.perf_counter() - PATIENCE * statistics.median(now.lasted)
        missing = [number for number in range(len(self.jobs)) if number not in now.answers]
        players = [self._players(number, now) for number in missing]
        return [tasks[0].number for tasks in players if len(tasks) == 1 and tasks[0].start < limit][: len(self._free)]

    def _players(self, number: int, now: Iteration) -> list[Task]:
        return [task for task in self._busy.values() if task.iteration is now and task.number == number]

    def _returned(self) -> Iterator[tuple[Task, Answer | RayError | None]]:
        """Tasks that have ended within a moment, and what came of them; actors that have come are welcomed."""
        promises = [*self._busy, *self._coming]
        for promise in ray.wait(promises, num_returns=1, timeout=TURN)[0]:
            try:
                said = ray.get(promise)
            except RayError as error:
                said = error
            if promise in self._coming:
                self._welcome(self._coming.pop(promise), said)
                continue
            task = self._busy.pop(promise)
            if isinstance(said, RayError):
                ray.kill(task.actor)  # if only its answer was lost, or something went wrong there
                self._hire()
            else:
                self._free.append(task.actor)
            yield task, said

    def _welcome(self, actor: Any, said: tuple[str, str] | RayError) -> None:
        """Take in an actor that has started, and said where it comes from."""
        if isinstance(said, RayError):
            self._failures += 1
            if self._failures == DEATHS:
                why = str(said).strip().splitlines()[-1]
                raise ChildProcessError(
                    f"{DEATHS} actors in a row could not be started on the Ray cluster ({why}): every node needs the same "
                    "version of arena and of its libraries"
                )
            ray.kill(actor)  # if it only could not say where it comes from
            self._hire()
        elif said[1] != own_version():
            raise ValueError(
                f"{said[0]}, a node of the Ray cluster, has another version of arena or of its libraries: install the same"
            )
        else:
            self._failures = 0
            self._free.append(actor)

    def _room(self) -> str:
        """What a worker needs, in words."""
        gpus = self._needs["num_gpus"]
        return number_of(int(self._needs["num_cpus"]), "core") + (f" and {gpus:g} GPU" if gpus else "")

    def _hear(self, now: Iteration) -> None:
        """How many games are finished, from those who say so within a moment."""
        asked = {task.actor.finished.remote(): task for task in self._busy.values() if task.iteration is now}
        for promise in ray.wait(list(asked), num_returns=len(asked), timeout=TURN / 4)[0] if asked else ():
            try:
                ticket, games = ray.get(promise)
            except RayError:  # its share's promise says so too
                continue
            if ticket == asked[promise].ticket:
                now.tally.hear(asked[promise].number, games)


@ray.remote(max_restarts=0, max_concurrency=2)  # one plays, one listens
class Actor:
    """Plays shares on some node. Ray restarts nothing: the run does, which knows what is still to be played."""

    def __init__(self) -> None:
        self._place = Place()
        self._ticket = self._games = self._stopped = 0

    def origin(self) -> tuple[str, str]:
        """The machine and what is installed there; in plain types, which every version can send."""
        return socket.gethostname(), own_version()

    def play(self, ticket: int, share: Share, parcel: Parcel) -> Answer | None:
        """The answer; None where nobody waits for it any more."""
        self._ticket, self._games = ticket, 0

        def heard(games: int) -> None:
            self._games += games
            if self._stopped >= ticket:
                raise InterruptedError

        try:
            return self._place.play(share, parcel, heard)
        except InterruptedError:
            return None

    def finished(self) -> tuple[int, int]:
        """The task under way, and how many games of it are finished."""
        return self._ticket, self._games

    def stop(self, ticket: int) -> None:
        """Give up this task."""
        self._stopped = max(self._stopped, ticket)


def connect(settings: WorkerSettings) -> tuple[int, int]:
    """Join the cluster that `settings` name, or start one of this machine alone; its cores and GPUs.

    ValueError where no cluster answers.
    """
    if not ray.is_initialized():
        ending = signal.getsignal(signal.SIGTERM)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if not settings.address:
            cores = max(settings.count, os.cpu_count() or 1)
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        else:
            try:
                _knock(settings.address)
                ray.init(address=settings.address, **quiet)
            except (OSError, ValueError, RuntimeError, RayError) as error:
                why = " ".join(str(error).split())
                raise ValueError(
                    f"workers.address is {settings.address}, where no Ray cluster can be joined ({why}): this machine must be "
                    "a node of it (ray start --address=HOST:PORT) and have its token, or leave workers.address empty"
                ) from None
        signal.signal(signal.SIGTERM, ending)  # Ray has put its own there
    resources = ray.cluster_resources()
    return int(resources.get("CPU", 1)), int(resources.get("GPU", 0))


@functools.cache
def own_version() -> str:
    """A hash of what decides the games, apart from the processor: this package's code and the libraries below it."""
    root = Path(__file__).parent.parent
    libraries = sorted(f"{d.name} {d.version}" for d in metadata.distributions() if d.name in LIBRARIES)
    digest = hashlib.sha256(repr(libraries).encode())
    for path in sorted(path for package in ("agents", "arena", "envs") for path in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _knock(address: str) -> None:
    """OSError if nobody listens at HOST:PORT, or at what `auto` means: Ray would go on trying for minutes."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "")
        with suppress(FileNotFoundError):
            address = (
                address or (Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / CURRENT).read_text().strip()
            )
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        with closing(socket.create_connection((host.rpartition("/")[2], int(port)), timeout=5)):
            pass


def _cause(error: RayError) -> str:
    """What went wrong, in a line: an actor's own error, or the name of Ray's."""
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {' '.join(str(error.cause).split())}"
    return type(error).__name__


def _has_room(resources: dict[str, float], *, num_cpus: float, num_gpus: float) -> bool:
    return resources.get("CPU", 0) >= num_cpus and resources.get("GPU", 0) >= num_gpus
