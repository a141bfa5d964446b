"""The network in OpenVINO: on a CPU up to three times as fast as torch, in bf16 where the processor has it.

An optional extra (`pip install openvino`). The network is converted once on a machine, with its weights as inputs, and the
result kept in the user's cache folder; new weights become constants of a copy of that model, which is then compiled: a
fraction of a second, where converting anew would take seconds and leak memory.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino import opset13 as opset
from torch import Tensor, nn
from torch.func import functional_call

import envs
from agents.evaluators import Answer, Evaluation, masked_softmax
from agents.network import NetworkSettings, PolicyValueNetwork, for_play
from agents.planes import seen_by
from agents.quantisation import quantise, random_positions
from agents.runtime import EXAMPLES
from envs import Game
from envs.jit import cache_folder

SMALLEST_PIECE = 8  # positions that are worth a thread of their own
# OpenVINO prepares itself for every batch size it has not met, and forgets that with the weights: a sixth of the time when
# sizes vary as they do in a search. Larger pieces are filled up to a multiple of this.
STEP = 16


class Served(nn.Module):
    """A network as a function of planes [B, C, H, W] u1 and of its weights; policy logits [B, A] and values [B]."""

    def __init__(self, network: PolicyValueNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = list(network.state_dict())

    def forward(self, planes: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        output = functional_call(self.network, dict(zip(self.names, weights, strict=True)), (planes.float(),))
        return output.policy, torch.tanh(output.value / 2)


class OpenVINORuntime:
    """A batch is cut into one piece a stream, a stream is one thread: no thread ever waits for another inside a layer.

    A batch too small to be worth cutting, or with one stream, runs whole in the caller's thread. One that is asked about ahead
    of time is cut for half of the streams, since another is under way beside it.
    """

    def __init__(self, game: Game, network: NetworkSettings, *, precision: str = "fp32", threads: int = 0) -> None:
        """`threads`: 0 is one per core."""
        self._game, self._settings = seen_by(network.planes, game), network
        self._streams = threads or os.cpu_count() or 1
        self._hints = {
            "INFERENCE_PRECISION_HINT": "bf16"
            if precision == "bf16" or (precision == "int8" and has_bf16())
            else "f32",
            "NUM_STREAMS": self._streams,
            "INFERENCE_NUM_THREADS": self._streams,
            "ENABLE_CPU_PINNING": False,  # other programs use the cores too
        }
        self._examples = random_positions(self._game, EXAMPLES) if precision == "int8" else None
        self._core = openvino.Core()
        self._model = _model(game.name, network)
        self.load(PolicyValueNetwork(game, network).state_dict())

    def load(self, weights: Mapping[str, Tensor], examples: NDArray[np.uint8] | None = None) -> None:
        model = self._model.clone()
        _, *inputs = sorted(model.get_parameters(), key=lambda parameter: parameter.get_friendly_name())
        folded = for_play(self._game, self._settings, weights).state_dict()
        for parameter, weight in zip(inputs, folded.values(), strict=True):
            parameter.output(0).replace(opset.constant(weight.numpy()).output(0))
            model.remove_parameter(parameter)
        model.validate_nodes_and_infer_types()
        if self._examples is not None:
            quantise(self._core, model, self._examples if examples is None else examples)
        self._compiled = self._core.compile_model(model, "CPU", self._hints)
        self._idle: list[openvino.InferRequest] = []

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        return self._begin(planes, legal, here=True)()

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        return self._begin(planes, legal, here=False)

    def _begin(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_], *, here: bool) -> Answer:
        """`here`: the caller waits, so that a batch in one piece is computed in its thread and none has to wake up."""
        streams = self._streams if here else max(1, self._streams // 2)
        count = min(streams, max(1, len(planes) // SMALLEST_PIECE))
        pieces = np.array_split(planes, count) if count > 1 else [planes]
        idle = self._idle  # a later `load` has others
        requests = [self._request(piece) for piece in pieces]
        for request in requests:
            if here and count == 1:
                request.infer(share_outputs=True)
            else:
                request.start_async()

        def answer() -> Evaluation:
            for request in requests:
                request.wait()
            policy, values = (
                np.concatenate([r.get_output_tensor(i).data[: len(p)] for r, p in zip(requests, pieces, strict=True)])
                for i in range(2)
            )
            idle.extend(requests)
            return Evaluation(masked_softmax(policy, legal), values)

        return answer

    def _request(self, planes: NDArray[np.uint8]) -> openvino.InferRequest:
        """A request that nobody else uses, with a copy of `planes` in its own memory: it may be forgotten while it runs."""
        request = self._idle.pop() if self._idle else self._compiled.create_infer_request()
        missing = -len(planes) % STEP if len(planes) > STEP else 0
        tensor = request.get_input_tensor()
        tensor.shape = (len(planes) + missing, *planes.shape[1:])
        tensor.data[: len(planes)] = planes
        tensor.data[len(planes) :] = 0  # empty positions
        return request


def has_bf16() -> bool:
    """True where this processor computes in bf16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.lru_cache(maxsize=4)
def _model(name: str, settings: NetworkSettings) -> openvino.Model:
    """The network for the game `name`, with any number of positions and its weights as inputs, in the order of `Served`.

    Seconds of work the first time on a machine. A cache folder that cannot be read or written is no reason to stop.
    """
    game = seen_by(settings.planes, envs.make(name))
    file = cache_folder() / "networks" / f"{_key(game, settings)}.xml"
    try:
        model = openvino.Core().read_model(file)
    except RuntimeError:  # not there, or no whole file
        model = _convert(game, settings)
        _keep(model, file)
    return model


def _convert(game: Game, settings: NetworkSettings) -> openvino.Model:
    network = for_play(game, settings, PolicyValueNetwork(game, settings).state_dict())
    weights = tuple(network.state_dict().values())
    planes = torch.zeros((2, len(game.planes), *game.board_shape), dtype=torch.uint8)
    shapes = {"planes": {0: torch.export.Dim("positions")}, "weights": tuple({} for _ in weights)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 copies its own deprecated classes
        exported = torch.export.export(Served(network), (planes, *weights), dynamic_shapes=shapes)
        model = openvino.convert_model(exported)
    for number, parameter in enumerate(model.get_parameters()):
        parameter.set_friendly_name(f"input {number:04}")  # a file keeps names, not the order
    return model


def _key(game: Game, settings: NetworkSettings) -> str:
    """Hash of all that decides what the converted network is: its settings, its source, the libraries."""
    folder = Path(__file__).parent
    sources = [folder / "network.py", Path(__file__), *sorted((folder / "modules").glob("*.py"))]
    facts = {
        "planes": (len(game.planes), *game.board_shape),
        "actions": game.num_actions,
        "network": settings.model_dump(mode="json"),
        "versions": [metadata.version(library) for library in ("torch", "openvino")],
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _keep(model: openvino.Model, file: Path) -> None:
    """Write the model in the two files of OpenVINO's format; the one that is asked for comes last, and whole."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            written = Path(folder) / file.name
            openvino.save_model(model, written, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):
                written.with_suffix(suffix).replace(file.with_suffix(suffix))
    except (OSError, RuntimeError):
        return
