"""What tests of learning share: a tiny run, what it came to, samples with arbitrary targets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

import envs
from arena import checkpoint
from arena.config import Config
from arena.progress import Silent
from arena.replay import Learned, Samples, make_samples
from arena.run import Run
from arena.tracking import Tracker

TINY = [
    "iterations=4",
    "workers.engine=threads",  # processes take seconds to start
    "network.blocks=1",
    "network.channels=8",
    "runtime.engine=torch",
    "runtime.precision=fp32",
    "selfplay.games=24",
    "selfplay.slots=32",
    "selfplay.simulations=12",
    "train.batch=64",
    "rating.every=2",
    "rating.openings=3",
    "rating.simulations=8",
    "footprint.enabled=false",
]


def run_here(config: Config, folder: Path) -> Run:
    """Train `config` in this process."""
    run = Run(config, folder, Silent())
    if (folder / "config.yaml").exists():
        run.resume()
    else:
        run.create_folder()
    tracker = Tracker.start(folder, name="test", config={}, project="test", mode="disabled", last_row=run.row)
    run.train(tracker)
    tracker.finish(0)
    return run


def outcome(folder: Path) -> tuple[str, list[object]]:
    """What a run came to: a hash of its last agent, and its ratings."""
    found, problems = checkpoint.newest(folder)
    assert found is not None
    assert not problems
    digest = hashlib.sha256()
    for table in (found.learner, found.best):
        for name in sorted(table):
            digest.update(name.encode() + table[name].numpy().tobytes())
    return digest.hexdigest(), [*found.state["results"], found.state["gate"], found.state["resignation"]]


def start_samples(game: envs.Game, n: int, seed: int) -> Samples:
    """`n` random positions with arbitrary targets."""
    rng = np.random.default_rng(seed)
    states = game.reset(n)
    for ply in range(4):
        moved = game.step(states, envs.random_actions(game.legal(states), rng))
        states = np.where(rng.random(n) < 0.7, moved, states) if ply else moved
    states = states[~game.terminal(states)]
    legal = game.legal(states)
    policy = rng.random(legal.shape) ** 4 * legal
    policy /= policy.sum(axis=1, keepdims=True)
    values = rng.choice([-1, 0, 1], len(states)).astype(np.float32)
    return make_samples(game, [Learned(states, policy.astype(np.float32), values, final=states[:1])])
