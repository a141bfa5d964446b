"""Stage 2: the policy gets better by playing earlier versions of itself (REINFORCE, Williams 1992).

    Δρ ∝ 1/n Σ_i Σ_t ∂ log p_ρ(a_t | s_t) / ∂ρ (z_t - b(s_t))

over the n games of a batch, all of them, and the moves t that the learner made in them; z is the result for it, the baseline
b zero in the first pass and the value network in the second. Opponents are drawn from a pool to which the learner is added
every so often, the supervised policy first: against the newest self alone it would forget how to beat the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from agents.alphago.policies import sampler, sensible
from agents.files import write_atomically
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.runtime import NetworkEvaluator, RuntimeSettings, create
from agents.section import Section
from arena import checkpoint
from arena.alphago.store import Line, replay
from arena.learner import policy_loss
from arena.match import MatchResult, Openings, play_match
from arena.progress import Progress
from arena.tracking import Tracker
from envs import Game, States

CHUNK = 1024  # positions of one backward pass; their gradients add up


class ReinforceSettings(Section):
    """How the policy is reinforced."""

    iterations: int = Field(400, ge=0, description="batches of games; paper 10,000")
    second_iterations: int = Field(0, ge=0, description="more of them after the value network, which is their baseline")
    games: int = Field(
        128, ge=2, multiple_of=2, description="games a batch, all against one opponent, half from each seat; paper 128"
    )
    pool_every: int = Field(25, ge=1, description="batches after which the learner joins the pool; paper 500")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of learning; bf16: autocast, weights stay in fp32")
    test_games: int = Field(
        400, ge=2, multiple_of=2, description="games against the supervised policy at the end, without search"
    )
    every: int = Field(10, ge=1, description="batches between two rows of metrics and checkpoints")
    lr: float = Field(
        1e-4, gt=0, description="of Adam, which is surer than the paper's plain gradient descent on few batches"
    )


class Reinforce:
    """The learner and its pool of opponents, in `folder`."""

    def __init__(
        self,
        game: Game,
        network: NetworkSettings,
        settings: ReinforceSettings,
        runtime: RuntimeSettings,
        start: dict[str, Tensor],
        folder: Path,
        *,
        seed: tuple[int, ...],
        baseline: Callable[[States], NDArray[np.float32]] | None,
    ) -> None:
        """`start`: the weights to begin with. `seed`: the generator of a batch is made of it and of the batch's number.
        `baseline`: expected results of positions for the side to move.
        """
        self.game, self.settings, self.folder, self.seed, self.baseline = game, settings, folder, seed, baseline
        # Evaluation mode throughout: a batch of one's own games must not shift the normalisation that play relies on.
        self.device = "cuda" if runtime.device == "cuda" else "cpu"
        self.network = PolicyValueNetwork(game, network).eval().to(self.device)
        self.network.load_state_dict(start)
        trained = [p for name, p in self.network.named_parameters() if name.startswith(("trunk.", "policy."))]
        self.optimiser = torch.optim.Adam(trained, lr=settings.lr)
        self.learner, self.rival = (create(game, network, runtime) for _ in range(2))
        self.pool = folder / "pool"

    def run(self, iterations: int, tracker: Tracker, progress: Progress) -> dict[str, Tensor]:
        """Play and learn `iterations` batches; the weights at the end. Resumes what the folder holds."""
        done, seconds = self._resume(progress)
        while done < iterations:
            start = time.perf_counter()
            count = min(self.settings.every, iterations - done)
            progress.phase("reinforce", count * self.settings.games)
            figures = [self._batch(done + i + 1, progress) for i in range(count)]
            done += count
            seconds += time.perf_counter() - start
            row: dict[str, Any] = {"iteration": done, "games": done * self.settings.games, "seconds": seconds}
            row |= {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
            state = {"game": self.game.name, "game_version": self.game.version, "row": row}
            checkpoint.save(self.folder, done, learner=self._tensors(), state=state, keep=1)
            tracker.log(row)
            progress.finished(row)
        return {name: tensor.detach() for name, tensor in self.network.state_dict().items()}

    def _batch(self, number: int, progress: Progress) -> dict[str, float]:
        """One batch of games and one step. Batch `number` depends on the seed and on the weights so far alone."""
        rng = np.random.default_rng([*self.seed, number])
        if (number - 1) % self.settings.pool_every == 0:
            self.pool.mkdir(parents=True, exist_ok=True)
            write_atomically(self._member(number - 1), safetensors.torch.save(_plain(self.network)))
        kept = (int(path.stem) for path in self.pool.glob("*.safetensors"))
        members = sorted(member for member in kept if member < number)  # a run that was killed may have kept later ones
        opponent = int(rng.choice(members))
        self.learner.load(self.network.state_dict())
        self.rival.load(safetensors.torch.load(self._member(opponent).read_bytes()))
        player, rival = (sampler(self.game, NetworkEvaluator(self.game, r)) for r in (self.learner, self.rival))
        start = Openings(self.game.reset(1), [()]).repeated(self.settings.games // 2)
        played = play_match(self.game, player, rival, start, rng, progress=progress.advance)
        return self._learn(played) | {"reinforce/score": played.score, "reinforce/pool": float(len(members))}

    def _learn(self, played: MatchResult) -> dict[str, float]:
        """One step on every move that the learner made in the batch."""
        lines, begins = [], int(self.game.reset(1)["to_play"][0])  # the second player does against a handicap
        for game in played.games:
            seat = 0 if game.a_first else 1
            result = (2 * game.score - 1) * (1 - 2 * seat)
            lines.append(Line(game.actions, result, range(seat ^ begins, len(game.actions), 2)))
        states, actions, advantages = replay(self.game, lines)
        if self.baseline is not None:
            advantages = advantages - self.baseline(states)
        legal = sensible(self.game, states)
        choice = legal.sum(axis=1) > 1  # a forced move teaches nothing
        targets = np.zeros(legal.shape, np.float32)
        targets[np.arange(len(states)), actions] = advantages
        rows = np.flatnonzero(choice)
        self.optimiser.zero_grad()
        total, entropy = 0.0, 0.0
        for first in range(0, len(rows), CHUNK):
            part = rows[first : first + CHUNK]
            arrays = (self.game.observe(states[part]), legal[part], targets[part])
            planes, mask, target = (torch.from_numpy(array).to(self.device) for array in arrays)
            with torch.autocast(self.device, torch.bfloat16, enabled=self.settings.precision == "bf16"):
                logits = self.network(planes.float()).policy
            loss = policy_loss(logits, mask, target).sum() / len(played.games)
            loss.backward()  # type: ignore[no-untyped-call]  # torch stub
            total += loss.item()
            entropy += _entropy(logits.detach(), mask) / len(rows)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), torch.inf)
        self.optimiser.step()
        plies = float(np.mean([len(game.actions) for game in played.games]))
        return {
            "reinforce/loss": total,
            "reinforce/entropy": entropy,
            "train/gradient_norm": norm.item(),
            "selfplay/mean_plies": plies,
        }

    def _member(self, batch: int) -> Path:
        return self.pool / f"{batch:06d}.safetensors"

    def _tensors(self) -> dict[str, Tensor]:
        table = {f"network.{name}": tensor for name, tensor in _plain(self.network).items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            table |= {f"optimiser.{index}.{name}": tensor for name, tensor in state.items()}
        return {name: tensor.detach().clone().contiguous() for name, tensor in table.items()}

    def _resume(self, progress: Progress) -> tuple[int, float]:
        """Load the newest checkpoint; the batches done and the seconds they took."""
        found, problems = checkpoint.newest(self.folder)
        for problem in problems:
            progress.note(problem)
        if found is None:
            return 0, 0.0
        weights = {name.removeprefix("network."): t for name, t in found.learner.items() if name.startswith("network.")}
        self.network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in found.learner.items():
            part, _, rest = name.partition(".")
            if part == "optimiser":
                index, _, field = rest.partition(".")
                state.setdefault(int(index), {})[field] = tensor
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        return found.iteration, float(found.state["row"]["seconds"])


def _plain(network: PolicyValueNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().contiguous() for name, tensor in network.state_dict().items()}


def _entropy(logits: Tensor, mask: Tensor) -> float:
    """Sum of the policies' entropies, nats."""
    log_policy = torch.log_softmax(logits.masked_fill(~mask, -1e9), dim=1)
    return float(-(log_policy.exp() * log_policy.masked_fill(~mask, 0)).sum())
