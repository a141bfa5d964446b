"""The learner: losses, one optimiser step, weights averaged for play."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its name everywhere
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agents.network import NetworkSettings, Output, PolicyValueNetwork
from agents.section import Section
from arena.replay import Samples
from envs import Game


class TrainSettings(Section):
    """How the network learns."""

    batch: int = Field(512, ge=2, description="samples a step; AlphaZero 4096")
    symmetries: bool = Field(
        True, description="learn from positions turned and mirrored at random; AlphaGo Zero does, AlphaZero does not"
    )
    passes: float = Field(4.0, gt=0, description="times every sample is learned from, on average; bounds the steps")
    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="the papers: sgd")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd; 0: plain gradient descent; AlphaZero 0.9")
    lr: float = Field(2e-3, gt=0, description="learning rate at its highest")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="of the learning rate over the run")
    lr_final: float = Field(0.1, gt=0, le=1, description="share of it left at the end of the run, unless constant")
    warmup: int = Field(100, ge=0, description="steps until the learning rate is reached")
    weight_decay: float = Field(1e-4, ge=0, description="AlphaZero 1e-4")
    clip_norm: float = Field(5.0, gt=0, description="gradients longer than this are shortened to it")
    ema: float = Field(0.99, ge=0, lt=1, description="decay a step of the averaged weights that play")
    policy_weight: float = Field(1.0, ge=0, description="of the policy loss; 0: the value alone is learned")
    value_weight: float = Field(1.0, ge=0, description="of the value loss; AlphaZero 1")
    ownership_weight: float = Field(0.15, ge=0, description="of the ownership loss, for games of territory")
    score_weight: float = Field(0.15, ge=0, description="of the score loss, for games of territory")
    reply_weight: float = Field(0.15, ge=0, description="of the reply loss (network.reply); KataGo 0.15")
    soft_weight: float = Field(8.0, ge=0, description="of the soft policy loss (network.soft_policy); KataGo 8")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: autocast; weights stay in fp32")


class Losses(NamedTuple):
    """Mean losses of a batch; zeros where a head is missing."""

    policy: Tensor  # cross-entropy of the policy target, nats
    value: Tensor  # binary cross-entropy of the expected score (1 + value) / 2, nats
    ownership: Tensor  # binary cross-entropy a point, nats; games that were not played out count as zeros
    score: Tensor  # Huber, board areas; the same
    reply: Tensor  # cross-entropy of the opponent's next policy, nats; positions without one count as zeros
    soft: Tensor  # cross-entropy of the flattened policy target, nats


class Batch(NamedTuple):
    """Tensors of b samples."""

    planes: Tensor  # [b, C, H, W] f4
    legal: Tensor  # [b, A] bool
    policy: Tensor  # [b, A]
    value: Tensor  # [b]
    ownership: Tensor  # [b, H, W] or [b, 0]
    score: Tensor  # [b], NaN where it and the ownership are not known
    reply: Tensor  # [b, A] or [b, 0]


def policy_loss(logits: Tensor, legal: Tensor, target: Tensor) -> Tensor:
    """[b] cross-entropy -sum target log softmax(logits), over the legal actions."""
    log_policy = F.log_softmax(logits.masked_fill(~legal, -1e9), dim=1)
    return -(target * log_policy.masked_fill(~legal, 0.0)).sum(dim=1)


def value_loss(logits: Tensor, target: Tensor) -> Tensor:
    """[b] cross-entropy of the expected score (1 + target) / 2 under sigmoid(logits)."""
    return F.binary_cross_entropy_with_logits(logits, (1 + target) / 2, reduction="none")


def softened(policy: Tensor) -> Tensor:
    """[b, A] the policy target to the power of 1/4, summing to one: among moves seldom played it still tells good from bad."""
    flat = policy.sqrt().sqrt()
    return flat / flat.sum(dim=1, keepdim=True)


def losses(output: Output, batch: Batch) -> Losses:
    """All losses of a batch."""
    zero = torch.zeros((), device=batch.value.device)
    ownership = score = zero
    if output.ownership is not None and output.score is not None:
        labels, known = (1 + batch.ownership) / 2, ~batch.score.isnan()
        points = F.binary_cross_entropy_with_logits(output.ownership, labels, reduction="none").mean(dim=(1, 2))
        ownership = (points * known).mean()
        score = (F.huber_loss(output.score, batch.score.nan_to_num(), reduction="none") * known).mean()
    reply = soft = zero
    if output.reply is not None:
        reply = policy_loss(output.reply, torch.ones_like(batch.legal), batch.reply).mean()
    if output.soft is not None:
        soft = policy_loss(output.soft, batch.legal, softened(batch.policy)).mean()
    return Losses(
        policy=policy_loss(output.policy, batch.legal, batch.policy).mean(),
        value=value_loss(output.value, batch.value).mean(),
        ownership=ownership,
        score=score,
        reply=reply,
        soft=soft,
    )


def unpack(game: Game, samples: Samples, symmetry: NDArray[np.int64], device: torch.device) -> Batch:
    """Tensors of `samples`, row i turned by the board symmetry `symmetry[i]`."""
    (h, w), c, n, a = game.board_shape, len(game.planes), len(samples), game.num_actions
    points, actions = game.symmetries.points[symmetry], game.symmetries.actions[symmetry]
    flat = np.unpackbits(samples.planes, axis=1, count=c * h * w).reshape(n, c, h * w)
    planes = np.take_along_axis(flat, points[:, None, :], axis=2).reshape(n, c, h, w)
    legal = np.take_along_axis(np.unpackbits(samples.legal, axis=1, count=a), actions, axis=1)
    policy = np.take_along_axis(samples.policy, actions, axis=1)
    ownership, reply = samples.ownership, samples.reply
    if ownership.shape[1]:
        ownership = np.take_along_axis(ownership, points, axis=1).reshape(n, h, w)
    if reply.shape[1]:
        reply = np.take_along_axis(reply, actions, axis=1)
    arrays = (planes, legal, policy, samples.value, ownership, samples.score, reply)
    x, mask, p, v, o, s, r = (torch.from_numpy(array).to(device) for array in arrays)
    return Batch(x.float().contiguous(memory_format=torch.channels_last), mask.bool(), p, v, o.float(), s, r)


class Rows(Protocol):
    """What is learned from: samples by row, a replay window or a table on disk."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: NDArray[np.int64]) -> Samples: ...


class Learner:
    """Network, averaged network and optimiser; steps on batches."""

    def __init__(self, game: Game, network: NetworkSettings, settings: TrainSettings, *, device: str = "cpu") -> None:
        self.game, self.settings, self.device = game, settings, torch.device(device)
        model = PolicyValueNetwork(game, network).to(self.device)
        self.network = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch stub
        average = get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]  # torch stub
        self.averaged = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "adamw":
            self.optimiser = torch.optim.AdamW(groups, lr=settings.lr, fused=True)
        else:
            self.optimiser = torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
        self.steps = 0

    def learning_rate(self, progress: float) -> float:
        """Linear warm-up by steps, then the schedule over the run; `progress` in [0, 1] is the share of the run behind."""
        settings = self.settings
        warm = min(1.0, (self.steps + 1) / settings.warmup) if settings.warmup else 1.0
        behind = min(progress, 1.0)
        left = {"cosine": (1 + math.cos(math.pi * behind)) / 2, "linear": 1 - behind, "constant": 1.0}[
            settings.schedule
        ]
        return settings.lr * warm * (settings.lr_final + (1 - settings.lr_final) * left)

    def train(
        self, samples: Rows, steps: int, rng: np.random.Generator, *, progress: float
    ) -> Iterator[dict[str, float]]:
        """Take `steps` steps on random batches of `samples`; yields each step's figures as they come.

        FloatingPointError where learning breaks: a loss or, after the last step, weights that are no numbers.
        """
        settings = self.settings
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16")
        self.network.train()
        for _ in range(steps):
            lr = self.learning_rate(progress)
            for group in self.optimiser.param_groups:
                group["lr"] = lr
            rows = rng.integers(len(samples), size=settings.batch)
            kinds = len(self.game.symmetries.points) if settings.symmetries else 1
            symmetry = rng.integers(kinds, size=settings.batch)  # 0 leaves a position as it is
            batch = unpack(self.game, samples[rows], symmetry, self.device)
            with autocast:
                output = self.network(batch.planes)
            parts = losses(output, batch)
            total = (
                settings.policy_weight * parts.policy
                + settings.value_weight * parts.value
                + settings.ownership_weight * parts.ownership
                + settings.score_weight * parts.score
                + settings.reply_weight * parts.reply
                + settings.soft_weight * parts.soft
            )
            if not torch.isfinite(total):
                raise FloatingPointError(f"the loss is {total.item()} at step {self.steps}: lower train.lr and resume")
            self.optimiser.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]  # torch stub
            norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
            self.optimiser.step()
            self.averaged.update_parameters(self.network)
            self.steps += 1
            figures = {"loss/total": total, "train/gradient_norm": norm} | _figures(parts, output, batch)
            numbers = torch.stack([figure.detach() for figure in figures.values()]).tolist()  # a GPU is waited for once
            yield {"train/lr": lr} | dict(zip(figures, numbers, strict=True))
        if not all(p.isfinite().all() for p in self.network.parameters()):  # no later loss would tell before they play
            raise FloatingPointError(f"weights are no numbers after step {self.steps}: lower train.lr and resume")

    def play_weights(self) -> dict[str, Tensor]:
        """The averaged weights, under the network's own names."""
        return {name: tensor.detach() for name, tensor in self.averaged.module.state_dict().items()}

    def weight_norm(self) -> float:
        """Euclidean norm of all trained weights."""
        return float(torch.sqrt(sum((p.detach().square().sum() for p in self.network.parameters()), torch.zeros(()))))

    def tensors(self) -> dict[str, Tensor]:
        """Network, averaged network and optimiser state as one flat table of tensors, for a checkpoint."""
        table = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        table |= {f"averaged.{name}": t for name, t in self.averaged.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            table |= {f"optimiser.{index}.{name}": t for name, t in state.items()}
        return {name: tensor.detach().clone().contiguous() for name, tensor in table.items()}

    def restore(self, table: dict[str, Tensor], steps: int) -> None:
        """Continue from what `tensors` returned after `steps` steps; without what another kind of optimiser remembered.

        ValueError where it is of another network.
        """
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "averaged": {}, "optimiser": {}}
        for name, tensor in table.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        try:
            self.network.load_state_dict(parts["network"])
            self.averaged.load_state_dict(parts["averaged"])
        except RuntimeError:
            raise ValueError(
                "the run was begun with another network: leave network.* as it was, or start anew"
            ) from None
        weights = [p for group in self.optimiser.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            index, _, field = name.partition(".")
            if tensor.ndim:  # AdamW in one kernel walks through memory: it must lie there as the weights do
                tensor = torch.empty_like(weights[int(index)]).copy_(tensor)
            state.setdefault(int(index), {})[field] = tensor
        own = "exp_avg" if self.settings.optimiser == "adamw" else "momentum_buffer"
        state = {index: fields for index, fields in state.items() if own in fields}
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        self.steps = steps


def _figures(parts: Losses, output: Output, batch: Batch) -> dict[str, Tensor]:
    """A batch's metrics beyond the loss itself, one number each; docs/METRICS.md says what each means."""
    with torch.no_grad():
        log_policy = F.log_softmax(output.policy.float().masked_fill(~batch.legal, -1e9), dim=1)
        value = torch.tanh(output.value / 2)
        target = batch.policy
        figures = {
            "loss/policy": parts.policy,
            "loss/value": parts.value,
            "train/policy_entropy": -(log_policy.exp() * log_policy.masked_fill(~batch.legal, 0)).sum(1).mean(),
            "train/target_entropy": -torch.special.xlogy(target, target).sum(1).mean(),
            "train/policy_top1": (log_policy.argmax(1) == target.argmax(1)).float().mean(),
            "train/value_mse": (value - batch.value).square().mean(),
            "train/value_calibration": calibration_error(value, batch.value),
        }
        if output.ownership is not None:
            figures |= {"loss/ownership": parts.ownership, "loss/score": parts.score}
        if output.reply is not None:
            figures["loss/reply"] = parts.reply
        if output.soft is not None:
            figures["loss/soft_policy"] = parts.soft
    return figures


def calibration_error(value: Tensor, target: Tensor, bins: int = 10) -> Tensor:
    """Expected calibration error: mean gap |mean value - mean target| over equal-width bins of value, weighted by count."""
    index = ((value + 1) / 2 * bins).long().clamp(0, bins - 1)
    gaps = torch.zeros(bins, device=value.device).index_add_(0, index, value - target)
    return gaps.abs().sum() / len(value)
