"""The one seam between the agents and whatever runs their network.

A `Runtime` maps binary planes to policies and values and takes new weights at any time. Torch on the CPU and on CUDA
live here; others (OpenVINO, ONNX) can stand beside them behind the same two methods.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from agents.evaluators import Evaluation, Evaluator, masked_softmax
from agents.network import NetworkSettings, PolicyValueNetwork, fold_normalisation
from agents.section import Section
from envs import Game, States


class RuntimeSettings(Section):
    """Where and in which precision the network runs during play."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: the faster one, measured at the start"
    )
    threads: int = Field(0, ge=0, description="threads of torch on the CPU; 0: one per core")


class Runtime(Protocol):
    """Runs one network."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Use these weights (a `PolicyValueNetwork` state dict) from now on."""
        ...

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        """Masked policies [B, A] and values [B] of observations [B, C, H, W]."""
        ...


class TorchRuntime:
    """The network in torch: batch normalisation folded, channels last, in one precision. Heads end in float32."""

    def __init__(self, game: Game, network: NetworkSettings, *, device: str = "cpu", precision: str = "fp32") -> None:
        self._game, self._settings = game, network
        self._device = torch.device(device)
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.load(PolicyValueNetwork(game, network).state_dict())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        network = PolicyValueNetwork(self._game, self._settings)
        network.load_state_dict(weights)
        network.eval()
        fold_normalisation(network)
        network = network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch stub
        network.trunk.to(self._dtype)
        for head in (network.policy, network.value):
            head.squeeze.to(self._dtype)
        network.territory = None  # auxiliary heads serve learning only
        self._network = network

    @torch.inference_mode()
    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        x = torch.from_numpy(planes).to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        output = self._network(x)
        values = torch.tanh(output.value / 2).cpu().numpy()
        return Evaluation(masked_softmax(output.policy.cpu().numpy(), legal), values)


def network_evaluator(game: Game, runtime: Runtime) -> Evaluator:
    """The evaluator that asks the network behind `runtime`."""

    def evaluate(states: States) -> Evaluation:
        return runtime.evaluate(game.observe(states), game.legal(states))

    return evaluate


def resolve(game: Game, network: NetworkSettings, settings: RuntimeSettings, batch: int) -> RuntimeSettings:
    """`settings` with every "auto" decided; precision on the CPU by timing both at the given batch size."""
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("runtime.device is cuda but torch sees no CUDA device; use auto or cpu")
    precision = settings.precision
    if precision == "auto" and device == "cuda":
        precision = "bf16"
    elif precision == "auto":
        full, half = (TorchRuntime(game, network, precision=name) for name in ("fp32", "bf16"))
        # Interleaved, and the best of many: another program may take the machine at any moment.
        times = [(_seconds(full, game, batch), _seconds(half, game, batch)) for _ in range(12)]
        fastest_full, fastest_half = (min(column) for column in zip(*times, strict=True))
        precision = "bf16" if fastest_half < 0.8 * fastest_full else "fp32"
    return settings.model_copy(update={"device": device, "precision": precision})


def create(game: Game, network: NetworkSettings, settings: RuntimeSettings) -> Runtime:
    """The runtime for resolved settings."""
    return TorchRuntime(game, network, device=settings.device, precision=settings.precision)


def set_threads(settings: RuntimeSettings) -> None:
    """Size torch's thread pool: the one place that does."""
    if settings.threads:
        torch.set_num_threads(settings.threads)


def _seconds(runtime: Runtime, game: Game, batch: int) -> float:
    """Time of one evaluation of `batch` start positions."""
    states = game.reset(batch)
    planes, legal = game.observe(states), game.legal(states)
    start = time.perf_counter()
    runtime.evaluate(planes, legal)
    return time.perf_counter() - start
