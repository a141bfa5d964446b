"""The network on CUDA: channels last, in one precision, every batch a single launch.

A network for a board game is so small that a GPU waits for the CPU, which starts its kernels one after the other. So the
kernels of a batch are captured once for each size, as a CUDA graph, and started together from then on. A graph reads and
writes the same memory whenever it runs: batches are copied to where it reads, new weights into the weights it was captured
with. Where a capture fails, or a graph does not answer exactly as its network does, the runtime goes on kernel by kernel,
with batches of the same sizes and so with the same answers.

What holds for all CUDA graphs in torch: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs ("the notes" below).
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.evaluators import Answer, Evaluation, masked_softmax
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.planes import seen_by
from agents.runtime import prepared
from envs import Game

SMALLEST, LARGEST = 8, 1024  # positions of a batch; larger batches are cut
WARM_UP = 3  # runs before a capture, in which libraries choose and load their kernels (the notes: "a few")

# While a graph is captured no other CUDA work may run in the process, on any thread (the notes, constraints). So whoever
# submits work holds this lock; nobody holds it while waiting for a batch.
_submitting = threading.Lock()
_broken: list[torch.cuda.CUDAGraph] = []  # failed captures: kept, since torch's allocator may still refer to it


class Buffers(NamedTuple):
    """A batch and its answers, in memory of the device or in page-locked memory of the host."""

    planes: Tensor  # [LARGEST, C, H, W] u1
    policy: Tensor  # [LARGEST, A] f4 logits
    values: Tensor  # [LARGEST] f4


class Launched(NamedTuple):
    """A batch on its way."""

    size: int  # its positions
    host: Buffers  # its own until it has been fetched
    done: torch.cuda.Event | None  # None without a GPU


class CUDARuntime:
    """The network on the GPU that is current where the runtime is made; it may be called from any thread.

    All its work is on a stream of its own, in order: runtimes overlap each other, a runtime's batches and new weights never.
    """

    def __init__(
        self,
        game: Game,
        network: NetworkSettings,
        *,
        precision: str = "bf16",
        graphs: bool = True,
        device: str = "cuda",
    ) -> None:
        """`device`: "cpu" does the same without a GPU, for tests."""
        self._game, self._settings = seen_by(network.planes, game), network
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._gpu = device == "cuda"
        self._device = torch.device(device, torch.cuda.current_device()) if self._gpu else torch.device(device)
        self._stream = torch.cuda.Stream(self._device) if self._gpu else None  # type: ignore[no-untyped-call]  # torch stub
        self._pool = torch.cuda.graph_pool_handle() if self._gpu else None
        self._capturing = graphs
        self._graphs: dict[int, Callable[[], None]] = {}  # by the size of the batch
        self._idle: list[Buffers] = []  # of the host
        ready = prepared(self._game, network, PolicyValueNetwork(game, network).state_dict(), self._dtype)
        with _submitting, torch.cuda.stream(self._stream):
            self._network = ready.to(self._device)
            self._resident = self._allocate(self._device)

    def load(self, weights: Mapping[str, Tensor], examples: NDArray[np.uint8] | None = None) -> None:
        with _submitting:
            weights = {name: tensor.cpu() for name, tensor in weights.items()}  # a learner's are on the GPU
        new = prepared(self._game, self._settings, weights, self._dtype).state_dict()
        with _submitting, torch.cuda.stream(self._stream), torch.no_grad():
            for name, tensor in self._network.state_dict().items():
                tensor.copy_(new[name])  # in place: graphs know where weights are, not what they are

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        return self.ask(planes, legal)()

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        return partial(self.fetch, self.launch(planes), legal)

    def launch(self, planes: NDArray[np.uint8]) -> list[Launched]:
        """Start on observations [B, C, H, W], which may change from now on. Any number of batches may be under way."""
        return [self._launch(planes[i : i + LARGEST]) for i in range(0, max(1, len(planes)), LARGEST)]

    def fetch(self, launched: Sequence[Launched], legal: NDArray[np.bool_]) -> Evaluation:
        """Wait for the answers to what was launched: masked policies [B, A] and values [B]."""
        for piece in launched:
            if piece.done is not None:
                piece.done.synchronize()
        policy = np.concatenate([piece.host.policy.numpy()[: piece.size] for piece in launched])
        values = np.concatenate([piece.host.values.numpy()[: piece.size] for piece in launched])
        self._idle.extend(piece.host for piece in launched)
        return Evaluation(masked_softmax(policy, legal), values)

    def _launch(self, planes: NDArray[np.uint8]) -> Launched:
        count = len(planes)
        with _submitting:
            host = self._idle.pop() if self._idle else self._allocate(torch.device("cpu"))
        host.planes.numpy()[:count] = planes
        resident = self._resident
        with _submitting, torch.cuda.stream(self._stream), torch.inference_mode():
            resident.planes[:count].copy_(host.planes[:count], non_blocking=True)
            self._run(padded(count))
            host.policy[:count].copy_(resident.policy[:count], non_blocking=True)
            host.values[:count].copy_(resident.values[:count], non_blocking=True)
            return Launched(count, host, None if self._stream is None else self._stream.record_event())

    def _run(self, size: int) -> None:
        """Answer the first `size` resident positions; those behind the batch are left from earlier ones."""
        if self._capturing and size not in self._graphs and not _broken:
            self._capture(size)
        if size in self._graphs:
            self._graphs[size]()
        else:
            self._forward(size)

    def _forward(self, size: int) -> None:
        planes, policy, values = (buffer[:size] for buffer in self._resident)
        output = self._network(planes.to(self._dtype, memory_format=torch.channels_last))
        policy.copy_(output.policy)
        torch.tanh(output.value / 2, out=values)

    def _capture(self, size: int) -> None:
        """Have a graph for batches of `size`, and none at all from now on if that is not possible."""
        for _ in range(WARM_UP):  # in this thread and stream: libraries prepare themselves for both
            self._forward(size)
        answers = [buffer[:size] for buffer in (self._resident.policy, self._resident.values)]
        expected = [answer.clone() for answer in answers]
        try:
            replay = capture(partial(self._forward, size), self._stream, self._pool)
            for answer in answers:
                answer.zero_()
            replay()
            if not all(map(torch.equal, answers, expected)):
                raise RuntimeError("a graph answers other than its network")
            self._graphs[size] = replay
        except Exception as error:  # whatever it is: everything goes on without graphs
            self._capturing = False
            self._graphs.clear()
            warnings.warn(
                f"no CUDA graphs ({' '.join(str(error).split())[:200]}): batches run kernel by kernel, slower, "
                "with the same answers; runtime.graphs=false does so from the start",
                RuntimeWarning,
                stacklevel=2,
            )

    def _allocate(self, device: torch.device) -> Buffers:
        """Buffers on `device`; on the host page-locked, so that copies need not wait."""
        pinned = self._gpu and device.type == "cpu"
        make = partial(torch.zeros, device=device, pin_memory=pinned)
        shape = (len(self._game.planes), *self._game.board_shape)
        return Buffers(
            make((LARGEST, *shape), dtype=torch.uint8), make((LARGEST, self._game.num_actions)), make((LARGEST,))
        )


def padded(count: int) -> int:
    """The size of the batch that `count` positions run in: four sizes to a doubling, less than a quarter for nothing.

    >>> [padded(count) for count in (1, 8, 9, 17, 65, 1000)]
    [8, 8, 10, 20, 80, 1024]
    """
    count = max(count, SMALLEST)
    step = 1 << ((count - 1).bit_length() - 3)
    return -(-count // step) * step


def capture(work: Callable[[], None], stream: torch.cuda.Stream | None, pool: Any) -> Callable[[], None]:
    """What launches all of `work`, which is captured on `stream`, its memory taken from `pool`.

    Graphs may share a pool though they run in any order, since they run one at a time and none leaves anything there for
    another (pytorch#166975). Other threads may wait for their batches meanwhile, hence thread_local. cuBLAS keeps a workspace
    for each thread and stream: with none before and none after, a graph's lies in its own pool and as long as that does
    (pytorch#193402; torch/_inductor/cudagraph_trees.py does the same).
    """
    graph = torch.cuda.CUDAGraph()
    torch._C._cuda_clearCublasWorkspaces()
    try:
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            work()
    except BaseException:
        _broken.append(graph)
        raise
    finally:
        torch._C._cuda_clearCublasWorkspaces()
    return graph.replay
