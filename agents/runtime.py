"""The one seam between the agents and whatever runs their network.

A `Runtime` maps binary planes to policies and values and takes new weights at any time. Torch on the CPU lives here, on CUDA
in `cuda_runtime.py`, OpenVINO in `openvino_runtime.py`; others can stand beside them behind the same three methods.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from importlib import metadata, util
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from agents.choices import recall, remember
from agents.evaluators import Answer, Asynchronous, Evaluation, masked_softmax
from agents.network import NetworkSettings, PolicyValueNetwork, for_play
from agents.planes import seen_by
from agents.section import Section
from envs import Game, States

WORTH_IT = 1.1  # how much faster than plain torch another way to run a network must be to be chosen
EXAMPLES = 256  # positions that are enough for 8-bit arithmetic to know its ranges


class RuntimeSettings(Section):
    """Where, by what and in which precision the network runs during play."""

    engine: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="auto: the fastest one, measured once on a machine; openvino: on the CPU, an optional extra"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="auto: fp32 or bf16, the faster one, measured once; int8: convolutions, in OpenVINO"
    )
    threads: int = Field(0, ge=0, description="threads of the network on the CPU; 0: one per core")
    graphs: bool = Field(True, description="CUDA: a batch is one launch (CUDA graphs); false: kernel by kernel")


class Runtime(Protocol):
    """Runs one network."""

    def load(self, weights: Mapping[str, Tensor], examples: NDArray[np.uint8] | None = None) -> None:
        """Use these weights (a `PolicyValueNetwork` state dict) from now on.

        `examples` [n, C, H, W]: positions like those to come, from which 8-bit arithmetic learns its ranges; without any,
        positions of random play.
        """
        ...

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        """Masked policies [B, A] and values [B] of observations [B, C, H, W]."""
        ...

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        """The same to be fetched later: computed meanwhile, where the runtime can. An answer may also be forgotten."""
        ...


class TorchRuntime:
    """The network in torch on the CPU: batch normalisation folded, channels last, in one precision. Heads end in float32."""

    def __init__(self, game: Game, network: NetworkSettings, *, precision: str = "fp32") -> None:
        self._game, self._settings = game, network
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.load(PolicyValueNetwork(game, network).state_dict())

    def load(self, weights: Mapping[str, Tensor], examples: NDArray[np.uint8] | None = None) -> None:
        self._network = prepared(self._game, self._settings, weights, self._dtype)

    @torch.inference_mode()
    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        x = torch.from_numpy(planes).to(self._dtype).contiguous(memory_format=torch.channels_last)
        output = self._network(x)
        values = torch.tanh(output.value / 2).numpy()
        return Evaluation(masked_softmax(output.policy.numpy(), legal), values)

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        answer = self.evaluate(planes, legal)
        return lambda: answer


def prepared(
    game: Game, settings: NetworkSettings, weights: Mapping[str, Tensor], dtype: torch.dtype
) -> PolicyValueNetwork:
    """The network with `weights` as torch runs it in play: folded, channels last, trunks and first convolutions in `dtype`."""
    network = for_play(game, settings, weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch stub
    for trunk in network.trunks():
        trunk.to(dtype)
    for head in (network.policy, network.value):
        head.squeeze.to(dtype)
    return network


class NetworkEvaluator(Asynchronous):
    """The evaluator that asks the network behind `runtime`; `game` as that network sees it (`agents.planes`)."""

    def __init__(self, game: Game, runtime: Runtime) -> None:
        self._game, self._runtime = game, runtime

    def __call__(self, states: States) -> Evaluation:
        return self._runtime.evaluate(self._game.observe(states), self._game.legal(states))

    def ask(self, states: States) -> Answer:
        return self._runtime.ask(self._game.observe(states), self._game.legal(states))


def resolve(
    game: Game, network: NetworkSettings, settings: RuntimeSettings, batch: int, *, again: bool = False
) -> RuntimeSettings:
    """`settings` with every "auto" decided: what is fastest at the given batch size, where there is a choice.

    It is measured once on a machine and remembered; `again` measures anew. ValueError where the settings ask for what
    this machine has not.
    """
    game = seen_by(network.planes, game)
    choices = {f"{choice.engine} {choice.precision}": choice for choice in candidates(settings)}
    if len(choices) == 1:
        return next(iter(choices.values()))
    question = {
        "planes": (len(game.planes), *game.board_shape),
        "network": network.model_dump(mode="json"),
        "batch": batch,
        "threads": settings.threads,
        "choices": list(choices),
        "versions": [metadata.version(engine) for engine in sorted({choice.engine for choice in choices.values()})],
    }
    name = None if again else recall(question)
    if name not in choices:
        name = _fastest(game, network, choices, batch)
        remember(question, name)
    return choices[name]


def _fastest(game: Game, network: NetworkSettings, choices: Mapping[str, RuntimeSettings], batch: int) -> str:
    """The name of the choice that evaluates a batch in the least time; half precision and OpenVINO have to be worth it."""
    runtimes = {name: create(game, network, choice) for name, choice in choices.items()}
    best = dict.fromkeys(choices, math.inf)
    threads = torch.get_num_threads()
    for settings in choices.values():
        set_threads(settings)
    for _ in range(12):  # interleaved, and the best of many: another program may take the machine at any moment
        for name, runtime in runtimes.items():
            best[name] = min(best[name], _seconds(runtime, game, batch))
    torch.set_num_threads(threads)
    return min(choices, key=lambda name: best[name] * (1.0 if name == "torch fp32" else WORTH_IT))


def for_players() -> RuntimeSettings:
    """How players run their networks: the fastest way known for a few positions at once (RESULTS.md).

    Nothing is timed, so that a player moves alike whenever it is made on a machine. Half precision costs no strength that 400
    games could show.
    """
    if torch.cuda.is_available():
        return RuntimeSettings(engine="torch", device="cuda", precision="bf16")
    if util.find_spec("openvino") is not None:
        return RuntimeSettings(engine="openvino", device="cpu", precision=_best_openvino_precision())
    return RuntimeSettings(engine="torch", device="cpu", precision="fp32")


def candidates(settings: RuntimeSettings) -> list[RuntimeSettings]:
    """Every way to run a network that `settings` leave open on this machine, torch in full precision first."""
    cuda, openvino = torch.cuda.is_available(), util.find_spec("openvino") is not None
    if settings.engine == "openvino" and settings.device == "cuda":
        raise ValueError("runtime.engine is openvino, which runs on the CPU here: set runtime.device to cpu")
    if settings.device == "cuda" and not cuda:
        raise ValueError("runtime.device is cuda but torch sees no CUDA device; use auto or cpu")
    if settings.engine == "openvino" and not openvino:
        raise ValueError("runtime.engine is openvino, which is not installed: pip install openvino, or use auto")
    if settings.precision == "int8" and settings.engine == "torch":
        raise ValueError("runtime.precision is int8, which OpenVINO computes: set runtime.engine to openvino or auto")
    if settings.precision == "int8":
        if not openvino:
            raise ValueError("runtime.precision is int8, which needs OpenVINO: pip install openvino, or use auto")
        return [settings.model_copy(update={"engine": "openvino", "device": "cpu"})]
    if cuda and settings.device != "cpu" and settings.engine != "openvino":
        precision = "bf16" if settings.precision == "auto" else settings.precision
        return [settings.model_copy(update={"engine": "torch", "device": "cuda", "precision": precision})]
    engines = [settings.engine] if settings.engine != "auto" else ["torch", "openvino"] if openvino else ["torch"]
    found = []
    for engine in engines:
        if settings.precision != "auto":
            precisions = [settings.precision]
        elif engine == "torch":
            precisions = ["fp32", "bf16"]
        else:
            precisions = [_best_openvino_precision()]
        found += [
            settings.model_copy(update={"engine": engine, "device": "cpu", "precision": precision})
            for precision in precisions
        ]
    return found


def create(game: Game, network: NetworkSettings, settings: RuntimeSettings) -> Runtime:
    """The runtime for resolved settings."""
    if settings.engine == "openvino":
        from agents.openvino_runtime import OpenVINORuntime

        return OpenVINORuntime(game, network, precision=settings.precision, threads=settings.threads)
    if settings.device == "cuda":
        from agents.cuda_runtime import CUDARuntime

        return CUDARuntime(game, network, precision=settings.precision, graphs=settings.graphs)
    return TorchRuntime(game, network, precision=settings.precision)


def _best_openvino_precision() -> Literal["fp32", "bf16"]:
    from agents.openvino_runtime import has_bf16

    return "bf16" if has_bf16() else "fp32"


def set_threads(settings: RuntimeSettings) -> None:
    """Size torch's thread pool for the calling thread: the one place that does.

    Torch gives a thread that was never sized the size that any other was given last, so everyone who computes calls this
    first, with 0 too: that keeps what torch has by itself.
    """
    known = torch.get_num_threads()  # asked for, or the thread's first operator would still take another one's size
    torch.set_num_threads(settings.threads or known)


def _seconds(runtime: Runtime, game: Game, batch: int) -> float:
    """Time of one evaluation of `batch` start positions."""
    states = game.reset(batch)
    planes, legal = game.observe(states), game.legal(states)
    start = time.perf_counter()
    runtime.evaluate(planes, legal)
    return time.perf_counter() - start
