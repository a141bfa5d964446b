"""Self-play spread over workers: the same games wherever they are played, and nothing lost on the way."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import envs
from agents.evaluators import uniform
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.runtime import RuntimeSettings
from agents.search import SearchSettings
from arena import worker_processes
from arena.selfplay import SelfPlay, SelfPlaySettings
from arena.workers import (
    Answer,
    Job,
    Order,
    Parcel,
    Place,
    Played,
    Share,
    Threads,
    Workers,
    WorkerSettings,
    employ,
    jobs,
    join_states,
    pack,
    resolve_count,
    resolve_engine,
    split_state,
)

GAME = "connect_four"
NETWORK = NetworkSettings(blocks=1, channels=8)
RUNTIME = RuntimeSettings(engine="torch", device="cpu", precision="fp32", threads=2)
WHOLE = Job(
    GAME,
    NETWORK,
    RUNTIME,
    SearchSettings(rule="gumbel"),
    SelfPlaySettings(games=13, slots=9, simulations=8, random_plies=4),
    cache=512,
)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return PolicyValueNetwork(envs.make(GAME), NETWORK).state_dict()


def iterations(workers: Workers, weights: dict[str, torch.Tensor], first: int, count: int) -> list[Played]:
    played = [workers.play(Order(weights, (7, i, 0))) for i in range(first, first + count)]
    workers.close()
    return played


def same(a: Played, b: Played) -> bool:
    columns = zip(a.samples.arrays().values(), b.samples.arrays().values(), strict=True)
    return a.stats.games == b.stats.games and all(np.array_equal(x, y) for x, y in columns)


def test_workers_play_the_same_games_again(weights: dict[str, torch.Tensor]) -> None:
    one, two = (iterations(Threads(jobs(WHOLE, 2)), weights, 0, 2) for _ in range(2))
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert len(one[0].stats.games) == 13


def test_games_under_way_go_on_from_a_saved_state(weights: dict[str, torch.Tensor]) -> None:
    unbroken = iterations(Threads(jobs(WHOLE, 2)), weights, 0, 3)
    first = Threads(jobs(WHOLE, 2))
    iterations(first, weights, 0, 1)
    second = Threads(jobs(WHOLE, 2))
    second.restore(first.state())
    assert all(same(a, b) for a, b in zip(unbroken[1:], iterations(second, weights, 1, 2), strict=True))


def test_a_state_holds_the_plies_played_and_no_room_for_more() -> None:
    """Room for whole games of Go on 19x19 in 256 slots is 1.7 GB, which every iteration wrote and sent to its workers."""
    game = envs.make("go9")
    before = SelfPlay(game, SelfPlaySettings(games=1, slots=4, simulations=2, random_plies=4), SearchSettings())
    assert sum(a.nbytes for a in before.state().values()) < 20_000  # where whole games would take 1.4 MB
    before.play(uniform(game), np.random.default_rng(0))
    state = before.state()
    assert len(state["policies"]) == len(state["history"]) == state["length"].sum() > 0
    after = SelfPlay(game, before.settings, SearchSettings())
    after.restore(state)
    assert {n: a.tobytes() for n, a in after.state().items()} == {n: a.tobytes() for n, a in state.items()}


def test_an_interrupt_stops_every_worker(weights: dict[str, torch.Tensor]) -> None:
    workers = Threads(jobs(WHOLE, 2))

    def interrupt(games: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.play(Order(weights, (7, 0, 0)), interrupt)
    workers.close()  # returns only when no worker plays any more


@pytest.fixture
def processes() -> Iterator[Callable[..., Workers]]:
    """Makes workers in processes, and ends them after the test."""
    made: list[Workers] = []

    def make(whole: Job = WHOLE, note: Callable[[str], None] = print) -> Workers:
        made.append(employ(whole, WorkerSettings(engine="processes", count=2), note))
        return made[-1]

    yield make
    for workers in made:
        workers.close()


def kill_workers() -> None:
    """SIGKILL every process that this one has started."""
    for child in multiprocessing.active_children():
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)


def test_processes_play_what_threads_play_and_go_on_from_their_state(
    weights: dict[str, torch.Tensor], processes: Callable[..., Workers]
) -> None:
    threads = Threads(jobs(WHOLE, 2))
    first = threads.play(Order(weights, (7, 0, 0)))
    saved = {name: array.copy() for name, array in threads.state().items()}
    second = threads.play(Order(weights, (7, 1, 0)))
    workers, heard = processes(), list[int]()
    assert same(first, workers.play(Order(weights, (7, 0, 0)), heard.append))
    assert sum(heard) == 13
    assert {n: a.tobytes() for n, a in workers.state().items()} == {n: a.tobytes() for n, a in saved.items()}
    workers.restore(saved)
    assert same(second, workers.play(Order(weights, (7, 1, 0))))
    threads.close()


def test_a_worker_that_is_killed_is_replaced_and_its_games_are_played_again(
    weights: dict[str, torch.Tensor], processes: Callable[..., Workers]
) -> None:
    whole = WHOLE._replace(selfplay=WHOLE.selfplay.model_copy(update={"games": 30}))
    expected = iterations(Threads(jobs(whole, 2)), weights, 0, 3)
    notes, heard = list[str](), list[int]()
    workers = processes(whole, notes.append)
    assert same(expected[0], workers.play(Order(weights, (7, 0, 0))))
    kill_workers()  # between two iterations

    def kill_once(games: int) -> None:
        if not heard:
            kill_workers()  # in the middle of one
        heard.append(games)

    assert same(expected[1], workers.play(Order(weights, (7, 1, 0)), kill_once))
    assert same(expected[2], workers.play(Order(weights, (7, 2, 0))))
    assert len(notes) >= 3
    assert all("died (signal 9)" in note for note in notes)
    assert sum(heard) == 30  # games played twice are told once


def test_workers_that_die_again_and_again_end_the_run(
    weights: dict[str, torch.Tensor], processes: Callable[..., Workers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "DEATHS", 1)
    workers = processes()
    kill_workers()
    with pytest.raises(ChildProcessError, match="died 1 times in one iteration, the last time by signal 9"):
        workers.play(Order(weights, (7, 0, 0)))
    assert multiprocessing.active_children() == []


def test_what_goes_wrong_in_a_process_goes_wrong_here(
    weights: dict[str, torch.Tensor], processes: Callable[..., Workers]
) -> None:
    with pytest.raises(RuntimeError, match="Missing key") as caught:
        processes().play(Order(dict(list(weights.items())[1:]), (7, 0, 0)))
    assert "in a worker: Traceback" in caught.value.__notes__[0]
    assert multiprocessing.active_children() == []


class OddError(Exception):
    """Unpickling calls it with its text alone."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


def test_an_error_that_does_not_survive_the_pipe_is_named_all_the_same() -> None:
    """One was a TypeError in the run, the other the death of three workers."""

    class LocalError(Exception):
        """Has no place to be found at."""

    class Broken(Place):
        def __init__(self, error: Exception) -> None:
            self.error = error

        def play(self, *arguments: object) -> Answer:
            raise self.error

    share, parcel = Share(WHOLE, 0, {}), Parcel(Order({}, (0,)), b"")
    for error, name in (
        (OddError("no room", "a1"), "OddError: no room at a1"),
        (LocalError("lost"), "LocalError: lost"),
    ):
        ours, theirs = multiprocessing.Pipe()
        theirs.send(worker_processes._answer(Broken(error), share, parcel, theirs))
        said = ours.recv()
        assert isinstance(said, RuntimeError)
        assert str(said) == name
        assert "in a worker: Traceback" in said.__notes__[0]


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_ends_takes_its_processes_with_it(tmp_path: Path, end: signal.Signals, code: int) -> None:
    settings = [
        "workers.engine=processes",
        "workers.count=2",
        "runtime.precision=fp32",
        "iterations=99",
        "rating.every=99",
        "network.channels=8",
    ]
    command = [sys.executable, "-m", "arena", "train", "tictactoe", "--runs", str(tmp_path), "runtime.engine=torch"]
    with subprocess.Popen(
        [*command, *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if "1/99" in line:
                break
        if end == signal.SIGINT:
            os.killpg(run.pid, end)  # as Ctrl-C in a terminal does
        else:
            run.send_signal(end)
        rest = run.stdout.read()  # ends when no process is left that could write
    assert "Traceback" not in rest
    assert end == signal.SIGKILL or "leaked" not in rest
    assert run.returncode == code


def test_workers_leave_in_order_wherever_the_run_ends(
    weights: dict[str, torch.Tensor], processes: Callable[..., Workers]
) -> None:
    """Half a message, and words that nobody had read, were a traceback of each worker's."""
    workers = processes()
    assert isinstance(workers, worker_processes.Processes)
    hired = list(workers._hired)
    os.write(hired[0].pipe.fileno(), struct.pack("!i", 1000) + b"the first of a thousand bytes")
    workers._give(1, pack(Order(dict(list(weights.items())[1:]), (7, 0, 0))))
    assert multiprocessing.connection.wait([hired[1].pipe])  # it has said what is wrong with these weights
    workers.close()
    assert [process.exitcode for process, _ in hired] == [0, 0]


def test_an_interrupt_while_workers_are_being_started_is_the_runs_alone(tmp_path: Path) -> None:
    """It was a traceback of the fork server's, which takes a second or two to import what is heavy."""
    (tmp_path / "heavy.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    start = """
from arena import worker_processes
from tests.test_workers import WHOLE, jobs
worker_processes.HEAVY = ["heavy"]
workers = worker_processes.Processes(jobs(WHOLE, 1))
process = workers._hired[0].process
workers.close()
raise SystemExit(process.exitcode)
"""
    places = os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", start], env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_process_imports_no_tracker() -> None:
    check = "import sys, arena.__main__, arena.worker_processes; sys.exit('wandb' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_openmp_spins_for_a_moment_only_in_a_run() -> None:
    """Torch reads the policy when it is imported: the package has to set it first, whatever is imported first."""
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    shown = subprocess.run(
        [sys.executable, "-c", "import arena.train"],
        env=environment | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOMP_SPINCOUNT = '3000'" in shown.stderr


def test_learning_keeps_its_threads_beside_workers_that_have_one_each() -> None:
    """Sums depend on the number of threads: the learner's must not follow from where the workers are."""
    check = """
import threading, torch
from agents.runtime import RuntimeSettings, set_threads
set_threads(RuntimeSettings())
worker = threading.Thread(target=set_threads, args=(RuntimeSettings(threads=7),))
worker.start()
worker.join()
assert torch.get_num_threads() != 7, torch.get_num_threads()
"""
    subprocess.run([sys.executable, "-c", check], check=True)


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "arena.worker_ray", raising=False)
    with pytest.raises(ValueError, match="pip install ray"):
        resolve_count(WorkerSettings(engine="ray"), RUNTIME, slots=9)
    with pytest.raises(ValueError, match="address is for the ray engine"):
        WorkerSettings(address="head:6379")


def test_shares_make_up_the_whole() -> None:
    parts = jobs(WHOLE, 4)
    assert [p.selfplay.slots for p in parts] == [3, 2, 2, 2]
    assert sum(p.selfplay.games for p in parts) == 13
    assert {p.runtime.threads for p in parts} == {1}
    assert resolve_count(WorkerSettings(count=20), RUNTIME, slots=9).count == 9
    assert resolve_count(WorkerSettings(), RUNTIME, slots=9).count == 2


@pytest.mark.parametrize(
    ("settings", "device", "expected"),
    [
        ({"count": 2}, "cpu", "processes"),
        ({"count": 1}, "cpu", "threads"),
        ({"count": 2}, "cuda", "threads"),
        ({"count": 2, "engine": "threads"}, "cpu", "threads"),
        ({"count": 1, "engine": "processes"}, "cpu", "processes"),
    ],
)
def test_several_workers_on_the_cpu_are_processes(settings: dict[str, object], device: str, expected: str) -> None:
    runtime = RUNTIME.model_copy(update={"device": device})
    assert resolve_engine(WorkerSettings.model_validate(settings), runtime) == expected


def test_states_of_other_slots_are_refused() -> None:
    state = {"length": np.arange(9), "roots": np.arange(36).reshape(9, 4), "actions": np.arange(36)}
    parts = split_state(state, [4, 5])
    assert [len(part["actions"]) for part in parts] == [0 + 1 + 2 + 3, 4 + 5 + 6 + 7 + 8]
    assert {k: v.tolist() for k, v in join_states(parts).items()} == {k: v.tolist() for k, v in state.items()}
    with pytest.raises(ValueError, match="9 slots cannot go on in 8"):
        split_state(state, [4, 4])
