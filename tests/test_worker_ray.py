"""Self-play on a Ray cluster: nodes and actors that die or hang change no game. `make test-all` runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import envs
from agents.network import PolicyValueNetwork
from arena.workers import Order, Parcel, Played, Threads, WorkerSettings, employ, jobs, pack
from tests.test_workers import GAME, NETWORK, WHOLE, same

pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
from ray.cluster_utils import Cluster

from arena import worker_ray
from arena.worker_ray import Ray, connect

pytestmark = pytest.mark.peer
LONG = WHOLE._replace(selfplay=WHOLE.selfplay.model_copy(update={"games": 160, "simulations": 16}))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without cores, where the run is, and two nodes with one core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    connect(WorkerSettings(engine="ray", address=cluster.address))
    yield cluster
    import ray

    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def workers(cluster: Cluster, notes: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ray]:
    monkeypatch.setattr(worker_ray, "TURN", 0.1)  # to hear of the first games while most are still to be played
    made = employ(LONG, WorkerSettings(engine="ray", count=2, address=cluster.address), notes.append)
    assert isinstance(made, Ray)
    yield made
    made.close()


@pytest.fixture(scope="module")
def orders() -> list[Order]:
    torch.manual_seed(0)
    weights = PolicyValueNetwork(envs.make(GAME), NETWORK).state_dict()
    return [Order(weights, (7, i, 0)) for i in range(4)]


@pytest.fixture(scope="module")
def expected(orders: list[Order]) -> list[Played]:
    """What threads play."""
    threads = Threads(jobs(LONG, 2))
    return [threads.play(order) for order in orders]


def once(action: Callable[[], object]) -> Callable[[int], None]:
    """A `progress` that does something when the first games are finished."""
    left = [action]

    def heard(games: int) -> None:
        if left:
            left.pop()()

    return heard


def actors(node: Any) -> list[int]:
    """The processes of the actors on a node: Ray names them, and its raylet is their parent."""
    raylet = node.all_processes["raylet"][0].process.pid
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, status = (folder / "cmdline").read_text(), (folder / "status").read_text()
        except OSError:  # it has just ended
            continue
        if name.startswith("ray::Actor") and f"PPid:\t{raylet}\n" in status:
            found.append(int(folder.name))
    return found


def worker_nodes(cluster: Cluster) -> list[Any]:
    return list(cluster.worker_nodes)


def test_a_node_that_dies_and_one_that_joins_change_no_game(
    cluster: Cluster, workers: Ray, notes: list[str], orders: list[Order], expected: list[Played]
) -> None:
    finished = list[int]()
    assert same(expected[0], workers.play(orders[0], finished.append))
    assert sum(finished) == 160
    lost = worker_nodes(cluster)[-1]
    assert actors(lost)
    kill = once(lambda: cluster.remove_node(lost, allow_graceful=False))
    assert same(expected[1], workers.play(orders[1], kill))  # ends on the node that is left
    assert len(notes) == 1
    assert "died" in notes[0]
    assert same(expected[2], workers.play(orders[2]))
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    assert same(expected[3], workers.play(orders[3]))


def test_an_actor_that_is_killed_changes_no_game(
    cluster: Cluster, workers: Ray, notes: list[str], orders: list[Order], expected: list[Played]
) -> None:
    def kill() -> None:
        for node in worker_nodes(cluster):
            for pid in actors(node):
                os.kill(pid, signal.SIGKILL)

    assert same(expected[0], workers.play(orders[0], once(kill)))
    assert notes
    assert same(expected[1], workers.play(orders[1]))


def test_nobody_waits_for_an_actor_that_hangs(
    cluster: Cluster, workers: Ray, notes: list[str], orders: list[Order], expected: list[Played]
) -> None:
    stopped = list[int]()

    def stop() -> None:
        stopped.append(actors(worker_nodes(cluster)[0])[0])
        os.kill(stopped[0], signal.SIGSTOP)

    try:
        assert same(expected[0], workers.play(orders[0], once(stop)))  # the other actor plays its share as well
        assert same(expected[1], workers.play(orders[1]))
        os.kill(stopped[0], signal.SIGCONT)
        assert same(expected[2], workers.play(orders[2]))
    finally:
        os.kill(stopped[0], signal.SIGCONT)
    assert notes == []


@dataclass
class Trap:
    """An order on which the first actor to open it waits at a pipe, and then fails."""

    order: Order
    folder: Path

    def _replace(self, weights: Mapping[str, torch.Tensor]) -> Order:
        try:
            (self.folder / "taken").touch(exist_ok=False)
        except FileExistsError:
            return self.order._replace(weights=weights)
        (self.folder / "pipe").read_bytes()
        raise RuntimeError("no room\nfor this")


def test_an_error_of_a_late_twin_ends_no_run(
    workers: Ray,
    notes: list[str],
    orders: list[Order],
    expected: list[Played],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its share had been played by another actor, in the iteration before."""
    os.mkfifo(tmp_path / "pipe")
    with monkeypatch.context() as patched:
        patched.setattr(
            worker_ray, "pack", lambda order: Parcel(Trap(pack(order).order, tmp_path), pack(order).weights)
        )
        assert same(expected[0], workers.play(orders[0]))
    (tmp_path / "pipe").write_bytes(b"")
    assert same(expected[1], workers.play(orders[1]))
    assert same(expected[2], workers.play(orders[2]))
    (note,) = notes
    assert re.fullmatch(
        r"worker \d failed after .* elsewhere \(RuntimeError: no room for this\): nothing is lost", note
    )


def test_what_goes_wrong_in_an_actor_goes_wrong_here(workers: Ray, orders: list[Order]) -> None:
    with pytest.raises(RuntimeError, match="Missing key"):
        workers.play(orders[0]._replace(weights=dict(list(orders[0].weights.items())[1:])))


def test_a_node_of_another_version_is_named(workers: Ray, orders: list[Order], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_ray, "own_version", lambda: "another")
    with pytest.raises(ValueError, match=f"{socket.gethostname()}, a node of the Ray cluster, has another version"):
        workers.play(orders[0])


def test_a_worker_that_fits_nowhere_is_refused(cluster: Cluster) -> None:
    wide = LONG._replace(runtime=LONG.runtime.model_copy(update={"threads": 64}))
    with pytest.raises(ValueError, match="no node of the Ray cluster has what a worker needs"):
        employ(wide, WorkerSettings(engine="ray", count=1, address=cluster.address))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_a_cluster_that_does_not_answer_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match=f"workers.address is {address}, where no Ray cluster can be joined"):
        connect(WorkerSettings(engine="ray", address=address))


def test_auto_is_no_cluster_that_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would knock for minutes at what a head that died without `ray stop` left behind."""
    import ray

    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", pytest.fail)
    with pytest.raises(ValueError, match=r"workers.address is auto, where no Ray cluster can be joined .*refused"):
        connect(WorkerSettings(engine="ray", address="auto"))


def test_a_token_that_is_missing_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**settings: object) -> None:
        raise ray.exceptions.RayError("no authentication token was found")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ValueError, match=r"no authentication token was found.*have its token"):
        connect(WorkerSettings(engine="ray", address="nonsense"))
