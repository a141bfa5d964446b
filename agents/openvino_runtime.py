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
from typing import NamedTuple

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
# OpenVINO prepares itself for every batch size that is not the last one: a sixth of the time when sizes vary as they do in a
# search. Pieces larger than one of these are filled up to a multiple of it.
STEPS = (16, 4)
# Compiled for one size it needs no preparing and is faster, the smaller network and batch the more: by 0 to 32% in bf16, by 5 to
# 46% in 8 bits (RESULTS.md). That takes a twentieth of a second, so it is for the few sizes of single games and for multiples of
# the larger number, as a worker's batches are; all others share one compiled for any.
FIXED_TO, FIXED_STEP, ANY = 16, 64, 0


class Served(nn.Module):
    """A network as a function of planes [B, C, H, W] u1 and of its weights; policy logits [B, A] and values [B]."""

    def __init__(self, network: PolicyValueNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = list(network.state_dict())

    def forward(self, planes: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        output = functional_call(self.network, dict(zip(self.names, weights, strict=True)), (planes.float(),))
        return output.policy, torch.tanh(output.value / 2)


class Held(NamedTuple):
    """A request in use."""

    request: openvino.InferRequest
    idle: list[openvino.InferRequest]  # where it goes afterwards; a later `load` has other lists


class OpenVINORuntime:
    """A batch is cut into one piece a stream, a stream is one thread: no thread ever waits for another inside a layer.

    A batch too small to be worth cutting, or with one stream, runs whole in the caller's thread. One that is asked about ahead
    of time is cut for half of the streams, since another is under way beside it. For the sizes of pieces that come up most the
    network is compiled once each (`FIXED_TO`), when the first comes: that call takes a twentieth of a second longer. A position's
    answer may differ in its last bits from one size to another, never from one call to the next.
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
        self._weighted = model
        self._compiled: dict[int, openvino.CompiledModel] = {}  # by the size of batches, those that came up
        self._idle: dict[int, list[openvino.InferRequest]] = {}  # the same

    def evaluate(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        return self._begin(planes, legal, here=True)()

    def ask(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Answer:
        return self._begin(planes, legal, here=False)

    def _begin(self, planes: NDArray[np.uint8], legal: NDArray[np.bool_], *, here: bool) -> Answer:
        """`here`: the caller waits, so that a batch in one piece is computed in its thread and none has to wake up."""
        streams = self._streams if here else max(1, self._streams // 2)
        count = min(streams, max(1, len(planes) // SMALLEST_PIECE))
        pieces = np.array_split(planes, count) if count > 1 else [planes]
        held = [self._request(piece) for piece in pieces]
        for request, _ in held:
            if here and count == 1:
                request.infer(share_outputs=True)
            else:
                request.start_async()

        def answer() -> Evaluation:
            for request, _ in held:
                request.wait()
            policy, values = (
                np.concatenate(
                    [h.request.get_output_tensor(i).data[: len(p)] for h, p in zip(held, pieces, strict=True)]
                )
                for i in range(2)
            )
            for request, idle in held:
                idle.append(request)
            return Evaluation(masked_softmax(policy, legal), values)

        return answer

    def _request(self, planes: NDArray[np.uint8]) -> Held:
        """A request that nobody else uses, with a copy of `planes` in its own memory: it may be forgotten while it runs."""
        size = _size(len(planes))
        kind = size if size <= FIXED_TO or size % FIXED_STEP == 0 else ANY
        idle = self._idle.setdefault(kind, [])
        request = idle.pop() if idle else self._compiled_for(kind).create_infer_request()
        tensor = request.get_input_tensor()
        tensor.shape = (size, *planes.shape[1:])
        tensor.data[: len(planes)] = planes
        tensor.data[len(planes) :] = 0  # empty positions
        return Held(request, idle)

    def _compiled_for(self, size: int) -> openvino.CompiledModel:
        """The network for batches of `size`, or of any."""
        if size not in self._compiled:
            model = self._weighted.clone()
            if size != ANY:
                model.reshape([size, len(self._game.planes), *self._game.board_shape])
            self._compiled[size] = self._core.compile_model(model, "CPU", self._hints)
        return self._compiled[size]


def _size(count: int) -> int:
    """Positions of the batch that `count` are sent in."""
    step = next((step for step in STEPS if count > step), 1)
    return count + -count % step


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
