"""A network opened up: its answers as one differentiable function, its features as vectors, what its attention looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.evaluators import Evaluation, Evaluator
from agents.files import AgentFile
from agents.modules.attention import SelfAttention
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.runtime import NetworkEvaluator, TorchRuntime
from envs import Game, States

BATCH = 1024  # positions a network is given at a time


def load_network(agent: AgentFile) -> PolicyValueNetwork:
    """The agent's network as it plays, gradients possible."""
    network = PolicyValueNetwork(agent.game, agent.network)
    network.load_state_dict(agent.weights)
    return network.eval()


def random_network(game: Game, settings: NetworkSettings, seed: int) -> PolicyValueNetwork:
    """A network that never learned anything. The program's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PolicyValueNetwork(game, settings).eval()


def evaluator(agent: AgentFile) -> Evaluator:
    """The agent's network as an evaluator: policies and values of whole batches, in torch."""
    runtime = TorchRuntime(agent.game, agent.network)
    runtime.load(agent.weights)
    return in_batches(NetworkEvaluator(agent.game, runtime))


def in_batches(evaluate: Evaluator) -> Evaluator:
    """`evaluate` for batches of any size, `BATCH` positions at a time."""

    def evaluate_parts(states: States) -> Evaluation:
        parts = [evaluate(states[i : i + BATCH]) for i in range(0, len(states), BATCH)]
        return Evaluation(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    return evaluate_parts


class Answers(nn.Module):
    """What is asked of a network about one move: [B, 2], the move's log-probability and the value for the side to move.

    log p(a | s) over the legal moves, and v = tanh(logit / 2) in [-1, 1].
    """

    def __init__(self, network: PolicyValueNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, planes: Tensor, legal: Tensor, action: Tensor) -> Tensor:
        """`planes` [B, C, H, W] f4, `legal` [B, A] bool, `action` [B]; legal and action may be those of one row, [1, ...]."""
        output = self.network(planes)
        masked = output.policy.masked_fill(~legal, -1e9)
        log_policy = torch.log_softmax(masked, dim=1).gather(1, action.expand(len(planes))[:, None])[:, 0]
        return torch.stack([log_policy, torch.tanh(output.value / 2)], dim=1)


class Looks(NamedTuple):
    """Where one block's attention looks."""

    block: int  # from 0
    weights: Tensor  # [B, M, N, N] how much point i takes from point j


def attention(network: PolicyValueNetwork, planes: Tensor) -> list[Looks]:
    """What every attention block of `network` looks at in `planes` [B, C, H, W]; empty where it has none."""
    blocks = [module for module in network.modules() if isinstance(module, SelfAttention)]
    with torch.no_grad(), _inputs(blocks) as inputs:
        network(planes)
        return [Looks(i, block.weights(x)) for i, (block, x) in enumerate(zip(blocks, inputs, strict=True))]


@contextmanager
def _inputs(modules: list[SelfAttention]) -> Iterator[list[Tensor]]:
    """The first argument of each of `modules` in the forward passes inside the block, in order of the calls."""
    seen: list[Tensor] = []
    hooks = [module.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for module in modules]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
