"""The network on CUDA: what can be shown without a GPU is shown on the CPU, by the same code; the rest is marked `gpu`.

`make gpu` runs the latter. Without a GPU a graph is stood in for by the very work that it would capture.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import envs
from agents import cuda_runtime
from agents.cuda_runtime import LARGEST, CUDARuntime, padded
from agents.evaluators import Evaluation
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.runtime import RuntimeSettings, TorchRuntime, create
from agents.search import SearchSettings
from arena import checkpoint
from arena.alphago.reinforce import Reinforce, ReinforceSettings
from arena.config import Config
from arena.progress import Silent
from arena.selfplay import SelfPlaySettings
from arena.settings import load
from arena.tracking import Tracker
from arena.train import resume, start
from arena.workers import Job, Order, WorkerSettings, employ

GAME = envs.make("connect_four")
NETWORK = NetworkSettings(blocks=2, channels=16, global_pooling=True, squeeze_excitation=True)
SIZES = (1, 2, 7, 8, 9, 31, 100, 257)
PLANES = np.random.default_rng(0).integers(2, size=(LARGEST + 300, len(GAME.planes), *GAME.board_shape), dtype=np.uint8)
LEGAL = np.ones((len(PLANES), GAME.num_actions), np.bool_)
Work = Callable[[], None]


def weights(seed: int, network: NetworkSettings = NETWORK) -> dict[str, torch.Tensor]:
    """Of a network that is sure of something: larger than those it begins with."""
    torch.manual_seed(seed)
    table = PolicyValueNetwork(GAME, network).state_dict()
    return {name: 1.5 * tensor if tensor.is_floating_point() else tensor for name, tensor in table.items()}


def same(a: Evaluation, b: Evaluation) -> bool:
    return bool(np.array_equal(a.priors, b.priors) and np.array_equal(a.values, b.values))


def near(a: Evaluation, b: Evaluation, tolerance: float) -> None:
    np.testing.assert_allclose(a.priors, b.priors, atol=tolerance)
    np.testing.assert_allclose(a.values, b.values, atol=tolerance)


class Captures:
    """Stands in for `capture`: what is captured is run again, or not as `fault` has it."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.asked, self.replayed = fault, 0, 0

    def __call__(self, work: Work, stream: object, pool: object) -> Work:
        self.asked += 1
        if self.fault == "fails":
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")
        work()  # a capture runs nothing, but nobody may depend on that

        def replay() -> None:
            self.replayed += 1
            if self.fault != "does nothing":
                work()

        return replay


@pytest.fixture
def captures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Captures:
    found = Captures(getattr(request, "param", ""))
    monkeypatch.setattr(cuda_runtime, "capture", found)
    return found


def test_batches_have_few_sizes_and_waste_less_than_a_quarter() -> None:
    sizes = [padded(n) for n in range(1, LARGEST + 1)]
    assert all(size >= n for n, size in enumerate(sizes, start=1))
    assert all(size < 1.25 * n for n, size in enumerate(sizes, start=1) if n >= 8)
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1], len(set(sizes))) == (8, LARGEST, 29)
    assert all(padded(size) == size for size in sizes)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("graphs", [False, True])
def test_answers_are_the_networks_at_every_batch_size(precision: str, graphs: bool, captures: Captures) -> None:
    served = CUDARuntime(GAME, NETWORK, precision=precision, graphs=graphs, device="cpu")
    reference = TorchRuntime(GAME, NETWORK, precision=precision)
    for runtime in (served, reference):
        runtime.load(weights(0))
    for n in (*SIZES, 31, 2, 0, len(PLANES)):
        near(
            served.evaluate(PLANES[:n], LEGAL[:n]),
            reference.evaluate(PLANES[:n], LEGAL[:n]),
            1e-5 if precision == "fp32" else 0.03,
        )
    assert captures.asked == (len({padded(n) for n in (*SIZES, LARGEST, 300)}) if graphs else 0)


@pytest.mark.parametrize("trunk", ["residual", "mlp", "transformer", "recurrent"])
@pytest.mark.parametrize("separate", [False, True])
def test_new_weights_are_the_networks_that_would_have_been_made_with_them(
    trunk: str, separate: bool, captures: Captures
) -> None:
    network = NetworkSettings.model_validate(
        {"trunk": trunk, "blocks": 1, "channels": 8, "separate": separate, "reply": True}
    )
    served = CUDARuntime(GAME, network, precision="fp32", device="cpu")
    places = [tensor.data_ptr() for tensor in served._network.state_dict().values()]
    for seed in range(3):
        served.load(weights(seed, network))
        made = CUDARuntime(GAME, network, precision="fp32", graphs=False, device="cpu")
        made.load(weights(seed, network))
        assert same(served.evaluate(PLANES[:9], LEGAL[:9]), made.evaluate(PLANES[:9], LEGAL[:9]))
    assert (captures.asked, captures.replayed) == (1, 4)  # captured once for all weights; the first replay is its proof
    assert [tensor.data_ptr() for tensor in served._network.state_dict().values()] == places


@pytest.mark.parametrize("captures", ["fails", "does nothing"], indirect=True)
def test_without_graphs_it_goes_on_says_so_once_and_answers_the_same(captures: Captures) -> None:
    plain = CUDARuntime(GAME, NETWORK, precision="fp32", graphs=False, device="cpu")
    served = CUDARuntime(GAME, NETWORK, precision="fp32", device="cpu")
    for runtime in (plain, served):
        runtime.load(weights(0))
    with pytest.warns(RuntimeWarning, match=r"no CUDA graphs \(.*\): batches run kernel by kernel"):
        first = served.evaluate(PLANES[:9], LEGAL[:9])
    assert same(first, plain.evaluate(PLANES[:9], LEGAL[:9]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in SIZES:
            assert same(served.evaluate(PLANES[:n], LEGAL[:n]), plain.evaluate(PLANES[:n], LEGAL[:n]))
    assert captures.asked == 1


def test_a_machine_without_cuda_is_one_where_graphs_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: (_ for _ in ()).throw(RuntimeError("no CUDA here")))
    served = CUDARuntime(GAME, NETWORK, device="cpu")
    with pytest.warns(RuntimeWarning, match="no CUDA here"):
        served.evaluate(PLANES[:9], LEGAL[:9])
    assert not cuda_runtime._submitting.locked()


def test_several_batches_may_be_under_way_and_are_fetched_in_any_order(captures: Captures) -> None:
    served = CUDARuntime(GAME, NETWORK, precision="fp32", device="cpu")
    expected = [served.evaluate(PLANES[i : i + 20], LEGAL[:20]) for i in range(0, 100, 20)]
    launched = []
    for i in range(0, 100, 20):
        planes = PLANES[i : i + 20].copy()
        launched.append(served.launch(planes))
        planes[:] = 1  # the caller's own again
    for i in (3, 0, 4, 1, 2):
        assert same(served.fetch(launched[i], LEGAL[:20]), expected[i])
    assert len(served._idle) == 5  # used again, however many batches follow
    for _ in range(20):
        served.evaluate(PLANES[:20], LEGAL[:20])
    assert len(served._idle) == 5


def test_one_runtime_answers_several_threads(captures: Captures) -> None:
    served = CUDARuntime(GAME, NETWORK, precision="fp32", device="cpu")
    expected = {n: served.evaluate(PLANES[:n], LEGAL[:n]) for n in SIZES}

    def ask(n: int) -> bool:
        return all(same(served.evaluate(PLANES[:n], LEGAL[:n]), expected[n]) for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, SIZES))


def test_settings_choose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(cuda_runtime, "CUDARuntime", lambda *game, **options: made.append(options))
    for graphs in (True, False):
        create(GAME, NETWORK, RuntimeSettings(engine="torch", device="cuda", precision="bf16", graphs=graphs))
    assert made == [{"precision": "bf16", "graphs": True}, {"precision": "bf16", "graphs": False}]


# On a GPU.

TOLERANCE = {"fp32": 5e-3, "bf16": 0.05}  # of full precision on the CPU; torch lets convolutions in fp32 round to TF32


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("trunk", ["residual", "convolutional", "mlp", "transformer", "recurrent"])
def test_graphs_answer_exactly_as_kernel_by_kernel_and_nearly_as_the_cpu(trunk: str, precision: str) -> None:
    network = NetworkSettings.model_validate({"trunk": trunk, "blocks": 2, "channels": 32})
    graphs = CUDARuntime(GAME, network, precision=precision)
    plain = CUDARuntime(GAME, network, precision=precision, graphs=False)
    reference = TorchRuntime(GAME, network)
    for seed in range(2):
        for runtime in (graphs, plain, reference):
            runtime.load(weights(seed, network))
        for n in (*SIZES, len(PLANES), *SIZES):
            planes, legal = PLANES[:n], LEGAL[:n]
            found = graphs.evaluate(planes, legal)  # a warning, that there are no graphs, would be an error here
            assert same(found, graphs.evaluate(planes, legal))
            assert same(found, plain.evaluate(planes, legal))
            near(found, reference.evaluate(planes, legal), TOLERANCE[precision])
    assert len(graphs._graphs) == len({padded(n) for n in (*SIZES, LARGEST, 300)})


@pytest.mark.gpu
def test_a_thousand_new_weights_take_no_memory() -> None:
    runtime, table = CUDARuntime(GAME, NETWORK), weights(0)
    for n in SIZES:
        runtime.evaluate(PLANES[:n], LEGAL[:n])
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for number in range(1000):
        n = SIZES[number % len(SIZES)]
        runtime.load(table)
        runtime.evaluate(PLANES[:n], LEGAL[:n])
    assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == before


@pytest.mark.gpu
def test_graphs_go_with_their_runtime_and_those_of_others_stay_right() -> None:
    """More runtimes than torch has streams: some share one."""
    kept = CUDARuntime(GAME, NETWORK)
    expected = {n: kept.evaluate(PLANES[:n], LEGAL[:n]) for n in SIZES}
    held = []
    for number in range(70):
        other = CUDARuntime(GAME, NETWORK)
        other.evaluate(PLANES[:31], LEGAL[:31])
        if number % 35 == 34:
            del other
            gc.collect()
            torch.cuda.empty_cache()
            held.append(torch.cuda.memory_allocated())
    scratch = [torch.full((1 << 20,), float("nan"), device="cuda") for _ in range(64)]  # where freed memory was
    for n in SIZES:
        assert same(kept.evaluate(PLANES[:n], LEGAL[:n]), expected[n])
    del scratch
    assert held[1] <= held[0]


@pytest.mark.gpu
def test_runtimes_side_by_side_answer_right_in_threads_other_than_their_makers() -> None:
    runtimes = [CUDARuntime(GAME, NETWORK) for _ in range(2)]
    plain = [CUDARuntime(GAME, NETWORK, graphs=False) for _ in range(2)]
    expected: list[dict[int, Evaluation]] = []
    for seed, (runtime, reference) in enumerate(zip(runtimes, plain, strict=True)):
        for either in (runtime, reference):
            either.load(weights(seed))
        expected.append({n: reference.evaluate(PLANES[:n], LEGAL[:n]) for n in SIZES})

    def ask(number: int) -> bool:
        rng = np.random.default_rng(number)
        order = rng.choice(SIZES, 400)
        return all(same(runtimes[number].evaluate(PLANES[:n], LEGAL[:n]), expected[number][n]) for n in map(int, order))

    for _ in range(3):  # threads end, graphs stay
        with ThreadPoolExecutor(2) as pool:
            assert all(pool.map(ask, range(2)))
    with ThreadPoolExecutor(4) as pool:  # several threads a runtime
        assert all(pool.map(ask, [0, 1, 0, 1]))


FAILING = """
import warnings
import numpy as np, torch
import envs
from agents.cuda_runtime import CUDARuntime
from agents.network import NetworkSettings, PolicyValueNetwork

game, network = envs.make("connect_four"), NetworkSettings(blocks=1, channels=16)
planes, legal = game.observe(game.reset(9)), game.legal(game.reset(9))
weights = PolicyValueNetwork(game, network).state_dict()
runtimes = [CUDARuntime(game, network, graphs=graphs) for graphs in (True, True, False)]
for runtime in runtimes:
    runtime.load(weights)
good, bad, plain = runtimes
expected = plain.evaluate(planes, legal)
assert np.array_equal(good.evaluate(planes, legal).priors, expected.priors) and good._graphs


def wait(module, inputs, output):
    output.sum().item()  # for the GPU: not while a graph is captured


bad._network.trunk.register_forward_hook(wait)
with warnings.catch_warnings(record=True) as notes:
    warnings.simplefilter("always")
    for _ in range(3):
        for n in (3, 9):
            found = bad.evaluate(planes[:n], legal[:n])
    assert np.array_equal(found.priors, expected.priors)
    assert sum("no CUDA graphs" in str(note.message) for note in notes) == 1
    assert not bad._graphs
    for _ in range(3):  # others go on with the graphs they have, and without new ones
        assert np.array_equal(good.evaluate(planes, legal).priors, expected.priors)
        assert np.array_equal(good.evaluate(planes[:1], legal[:1]).priors, plain.evaluate(planes[:1], legal[:1]).priors)
    new = CUDARuntime(game, network)
    new.load(weights)
    assert np.array_equal(new.evaluate(planes, legal).priors, expected.priors)
assert torch.ones(3, device="cuda").sum().item() == 3
print("went on")
"""


@pytest.mark.gpu
def test_where_a_capture_fails_the_process_goes_on() -> None:
    """In a process of its own: what torch's allocator makes of a failed capture is nobody else's business."""
    done = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "went on\n", done.stdout + done.stderr


@pytest.mark.gpu
def test_self_play_on_a_gpu_repeats_itself_in_threads_and_processes() -> None:
    whole = Job(
        GAME.name,
        NETWORK,
        RuntimeSettings(engine="torch", device="cuda", precision="bf16"),
        SearchSettings(rule="gumbel"),
        SelfPlaySettings(games=40, slots=32, simulations=16),
        cache=4096,
    )
    played = []
    for engine in ("threads", "threads", "processes"):
        workers = employ(whole, WorkerSettings.model_validate({"engine": engine, "count": 2}))
        try:
            for turn in range(2):
                samples = workers.play(Order(weights(0), (turn,))).samples
        finally:
            workers.close()
        played.append(samples)
    for other in played[1:]:
        for name, array in played[0].arrays().items():
            np.testing.assert_array_equal(other.arrays()[name], array)


@pytest.mark.gpu
@pytest.mark.parametrize("game", ["connect_four", "go9"])
def test_a_small_run_trains_rates_and_resumes_on_a_gpu(game: str, tmp_path: Path) -> None:
    overrides = ["runtime.device=cuda", "tracking.mode=disabled", "footprint.enabled=false", "train.precision=bf16"]
    start(game, overrides, runs=tmp_path, smoke=True)  # in full precision
    (folder,) = tmp_path.iterdir()
    config = load(Config, folder / "config.yaml")
    resume(folder, [f"iterations={config.iterations + 1}", "runtime.precision=bf16"])
    found, problems = checkpoint.newest(folder)
    assert found is not None
    assert not problems
    assert found.iteration == config.iterations + 1
    assert all(torch.isfinite(tensor).all() for tensor in found.learner.values())
    again = load(Config, folder / "config.yaml").runtime
    assert [(r.engine, r.device, r.precision) for r in (config.runtime, again)] == [
        ("torch", "cuda", "fp32"),
        ("torch", "cuda", "bf16"),
    ]


@pytest.mark.gpu
def test_reinforcement_learns_on_the_gpu_that_it_plays_on(tmp_path: Path) -> None:
    """It learned on the CPU."""
    runtime = RuntimeSettings(engine="torch", device="cuda", precision="bf16")
    settings = ReinforceSettings(games=8, every=1, pool_every=1, precision="bf16")

    def reinforced(iterations: int) -> dict[str, torch.Tensor]:
        learner = Reinforce(GAME, NETWORK, settings, runtime, weights(0), tmp_path, seed=0, baseline=None)
        tracker = Tracker.start(tmp_path, name="t", config={}, project="t", mode="disabled", last_row=None)
        return learner.run(iterations, tracker, Silent())

    for iterations in (2, 3):
        found = reinforced(iterations)
        assert {tensor.device.type for tensor in found.values()} == {"cuda"}
        assert all(torch.isfinite(tensor).all() for tensor in found.values())
