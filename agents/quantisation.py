"""8-bit convolutions for OpenVINO: twice the arithmetic of bf16 where the processor has VNNI.

Every convolution's input and weights pass through a FakeQuantize, which OpenVINO's CPU plug-in turns into integer
arithmetic; the linear layers of the heads, a small share of the work, stay as they are. Weights are symmetric, one scale an
output channel. Inputs have one scale each, taken from the largest value seen on example positions: behind a ReLU they are
0 to 255, elsewhere -128 to 127 (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2). What it costs in policy, value and Elo stands in RESULTS.md.
"""

from __future__ import annotations

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as opset

import envs
from envs import Game


def quantise(core: openvino.Core, model: openvino.Model, planes: NDArray[np.uint8]) -> None:
    """Make every convolution of `model` (one input, constant weights) an 8-bit one, its ranges seen on `planes` [n, C, H, W]."""
    convolutions = _convolutions(model)
    for convolution, (low, high) in zip(convolutions, _ranges(core, model, planes), strict=True):
        if low >= 0:
            inputs = _fake_quantise(convolution.input_value(0), 0.0, high, 256)
        else:
            bound = max(-low, high)
            inputs = _fake_quantise(convolution.input_value(0), -bound, bound * 127 / 128, 256)
        source = convolution.input_value(1)
        weights = np.abs(source.get_node().data)
        bound = weights.max(axis=(1, 2, 3), keepdims=True)
        convolution.input(0).replace_source_output(inputs.output(0))
        convolution.input(1).replace_source_output(_fake_quantise(source, -bound, bound, 255).output(0))
    model.validate_nodes_and_infer_types()


def random_positions(game: Game, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Planes [count, C, H, W] of positions of random play, spread over its plies: examples where there are no better ones."""
    rng = np.random.default_rng(seed)
    states = game.reset(count)
    depths = rng.integers(min(game.max_plies, 60), size=count)
    for ply in range(int(depths.max(initial=0))):
        moved = game.step(states, envs.random_actions(game.legal(states), rng))
        go = (depths > ply) & ~game.terminal(moved)
        states = np.where(go, moved, states)
    return game.observe(states)


def _convolutions(model: openvino.Model) -> list[openvino.Node]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]


def _ranges(core: openvino.Core, model: openvino.Model, planes: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """The least and the greatest input of every convolution on `planes`, in full precision."""
    copy = model.clone()
    inputs = [node.input_value(0) for node in _convolutions(copy)]
    every_axis = opset.constant(np.arange(4))
    ends = [opset.result(reduce(x, every_axis)) for reduce in (opset.reduce_min, opset.reduce_max) for x in inputs]
    probe = core.compile_model(openvino.Model(ends, copy.get_parameters()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = [float(value) for value in probe(planes).values()]
    return list(zip(seen[: len(inputs)], seen[len(inputs) :], strict=True))


def _fake_quantise(
    source: openvino.Output, low: float | NDArray[np.float32], high: float | NDArray[np.float32], levels: int
) -> openvino.Node:
    # Ranges of nothing but zeros would divide by zero.
    ends = [opset.constant(np.asarray(end, np.float32)) for end in (low, np.maximum(high, 1e-9))]
    return opset.fake_quantize(source, *ends, *ends, levels)
