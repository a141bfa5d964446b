"""A network learns a table of positions: the supervised policy, and the value network. Killed anywhere, it resumes.

Classification of the expert's move by maximum likelihood, Δσ ∝ ∂ log p_σ(a|s) / ∂σ, and regression of the result.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from agents.network import NetworkSettings
from agents.section import Section
from arena import checkpoint
from arena.alphago.store import Positions
from arena.learner import Learner, TrainSettings, losses, unpack
from arena.progress import Progress
from arena.tracking import Tracker
from envs import Game


class FitSettings(Section):
    """A network, and how it learns a table."""

    network: NetworkSettings = NetworkSettings()
    train: TrainSettings = TrainSettings()
    every: int = Field(1000, ge=1, description="steps from one measurement and checkpoint to the next")
    test_positions: int = Field(
        20_000, ge=1, description="held-out positions measured on, drawn once; fewer where there are not so many"
    )

    @model_validator(mode="after")
    def _positions_have_it(self) -> Self:
        if self.network.reply:
            raise ValueError("network.reply is learned in self-play only: set it to false")
        return self


def fit(
    game: Game,
    settings: FitSettings,
    train: Positions,
    test: Positions,
    folder: Path,
    *,
    seed: int,
    device: str,
    tracker: Tracker,
    progress: Progress,
) -> dict[str, Tensor]:
    """Learn `train` for `settings.train.passes` passes; the averaged weights at the end. Resumes what `folder` holds."""
    torch.manual_seed(seed)
    learner = Learner(game, settings.network, settings.train, device=device)
    steps = max(1, round(settings.train.passes * len(train) / settings.train.batch))
    found, problems = checkpoint.newest(folder)
    for problem in problems:
        progress.note(problem)
    done, seconds = 0, 0.0
    if found is not None:
        learner.restore(found.learner, found.state["steps"])
        done, seconds = found.iteration, found.state["row"]["seconds"]
    rows = np.random.default_rng([seed, 0]).permutation(len(test))[: settings.test_positions]
    iteration = done
    while learner.steps < steps:
        iteration += 1
        start = time.perf_counter()
        count = min(settings.every, steps - learner.steps)
        progress.phase("train", count)
        figures: list[dict[str, float]] = []
        rng = np.random.default_rng([seed, iteration])
        for figure in learner.train(train, count, rng, progress=learner.steps / steps):
            figures.append(figure)
            progress.advance(1)
        seconds += time.perf_counter() - start
        row: dict[str, Any] = {"iteration": iteration, "samples": learner.steps * settings.train.batch}
        row |= {"seconds": seconds} | {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        row |= measure(game, learner, test, np.sort(rows))
        state = {"game": game.name, "game_version": game.version, "steps": learner.steps, "row": row}
        checkpoint.save(folder, iteration, learner=learner.tensors(), state=state, keep=1)
        tracker.log(row)
        progress.finished(row)
    return learner.play_weights()


@torch.inference_mode()
def measure(game: Game, learner: Learner, test: Positions, rows: NDArray[np.int64]) -> dict[str, float]:
    """How well the averaged network predicts the held-out positions `rows`: moves and results."""
    network = learner.averaged.module
    network.eval()
    sums: dict[str, float] = {}
    for first in range(0, len(rows), 1000):
        part = test[rows[first : first + 1000]]
        batch = unpack(game, part, np.zeros(len(part), np.int64), learner.device)
        output = network(batch.planes)
        loss = losses(output, batch)
        ranked = output.policy.masked_fill(~batch.legal, -torch.inf).argsort(dim=1, descending=True)
        played = ranked == batch.policy.argmax(dim=1, keepdim=True)
        value = torch.tanh(output.value / 2)
        figures = {
            "test/policy_loss": loss.policy.item(),
            "test/policy_top1": played[:, 0].float().mean().item(),
            "test/policy_top5": played[:, :5].any(dim=1).float().mean().item(),
            "test/value_loss": loss.value.item(),
            "test/value_mse": (value - batch.value).square().mean().item(),
        }
        if output.ownership is not None:
            figures["test/ownership_loss"] = loss.ownership.item()
        for name, figure in figures.items():
            sums[name] = sums.get(name, 0.0) + figure * len(part) / len(rows)
    return sums
