"""All that a trained network says of a position, the heads included that only learning needs: who will own which point of a
game of territory, and by how much it will be won."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agents.evaluators import masked_softmax
from agents.files import AgentFile, find_agent, load_agent
from agents.levels import level
from agents.network import PolicyValueNetwork, fold_normalisation
from agents.planes import seen_by
from agents.players import champion, clumsy_spec, trained_spec
from envs import States
from envs.go import Go


class Said(NamedTuple):
    """What the network says of B positions, from the side to move."""

    priors: NDArray[np.float32]  # [B, A]
    values: NDArray[np.float32]  # [B] in [-1, 1]
    ownership: NDArray[np.float32] | None  # [B, H, W] 1 own, -1 the other side's
    leads: NDArray[np.float32] | None  # [B] points ahead at the end, komi counted


class Insight:
    """The network of an agent for Go on one board, under any komi."""

    def __init__(self, game: Go, agent: AgentFile) -> None:
        assert isinstance(agent.game, Go)
        self.game = game
        self._seen = seen_by(agent.network.planes, game)
        self._komi = agent.game.komi  # what it learned with
        self._network = PolicyValueNetwork(agent.game, agent.network)
        self._network.load_state_dict(agent.weights)
        self._network.eval()
        fold_normalisation(self._network)

    @property
    def sees_territory(self) -> bool:
        return self._network.territory is not None

    @property
    def symmetries(self) -> int:
        """How many ways there are to look at a position."""
        return len(self.game.symmetries.points)

    @torch.inference_mode()
    def __call__(self, states: States, symmetry: int = 0) -> Said:
        """The answer about `states` [B], which the network is shown turned or mirrored as `symmetry` says."""
        points, actions = (table[symmetry] for table in self.game.symmetries)
        planes = self._seen.observe(states)
        b, c, h, w = planes.shape
        turned = planes.reshape(b, c, h * w)[:, :, points].reshape(b, c, h, w)
        output = self._network(torch.from_numpy(turned).float())
        logits = output.policy.numpy()[:, np.argsort(actions)]
        priors = masked_softmax(logits, self.game.legal(states))
        values = torch.tanh(output.value / 2).numpy()
        if output.ownership is None:
            return Said(priors, values, None, None)
        ownership = torch.tanh(output.ownership / 2).numpy().reshape(b, h * w)[:, np.argsort(points)].reshape(b, h, w)
        sign = 1 - 2 * states["to_play"].astype(np.float32)
        leads = output.score.numpy() * (h * w) + sign * (self._komi - self.game.komi)
        return Said(priors, values, ownership, leads.astype(np.float32))


def insight(game: Go, spec: str) -> Insight | None:
    """The network that the player `spec` plays by; None where it has none, or is AlphaGo with one for each question."""
    from agents.alphago.player import is_alphago

    name, _, number = spec.partition(":")
    if name == "level":
        return insight(game, level(game, number).player)
    if name == "clumsy":
        return insight(game, clumsy_spec(spec)[1])
    if name in ("random", "greedy", "minimax", "mcts", "solver", "gtp"):
        return None
    path: Path = champion(game) if name == "champion" else trained_spec(spec)[0]
    return None if is_alphago(path) else Insight(game, load_agent(find_agent(path)))
