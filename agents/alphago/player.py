"""AlphaGo as a player: what its search is made of, each part of which can be left out.

The paper's ablation (extended data table 7) names its variants by the letters of their parts: `rvp` is all of AlphaGo, `vp`
goes without rollouts, `rp` without the value network, `rv` without the policy network, whose place the tree policy takes:
the rollout policy's probabilities, a linear function of patterns (even priors in games that have no rollout policy); `p` is
the raw policy.
"""

from __future__ import annotations

from pathlib import Path

from agents.alphago.policies import sensibly
from agents.alphago.rollout import load_weights, policy_priors, policy_rollouts
from agents.alphago.search import APVPlayer, APVSettings, Parts
from agents.evaluators import Evaluator, rollouts, uniform
from agents.files import load_agent
from agents.planes import seen_by
from agents.players import Player, policy_player
from agents.runtime import NetworkEvaluator, RuntimeSettings, create, for_players, resolve
from envs import Game
from envs.go import Go

VARIANTS = ("rvp", "vp", "rp", "rv", "v", "r", "p")
SUPERVISED, REINFORCED, VALUE = (f"{name}.safetensors" for name in ("supervised", "reinforced", "value"))
SIMULATIONS = 200  # a move where nobody says how many


def load_parts(game: Game, folder: Path, runtime: RuntimeSettings, *, seed: int = 0, batch: int = 1) -> Parts:
    """The parts in `folder`, the `agents` of an AlphaGo run. ValueError where one is missing or for another game."""
    rollout: Evaluator = rollouts(game, seed)
    tree = uniform(game)
    if isinstance(game, Go):
        weights, _ = load_weights(rollout_policy(folder.parent))
        rollout, tree = policy_rollouts(game, weights, seed), policy_priors(game, weights)
    return Parts(
        policy=network(game, folder / SUPERVISED, runtime, batch=batch),
        value=network(game, folder / VALUE, runtime, batch=batch),
        rollout=rollout,
        tree=tree,
    )


def rollout_policy(run: Path) -> Path:
    """Where an AlphaGo run keeps its rollout policy. Games other than Go have none: their rollouts are uniformly random."""
    return run / "rollout" / "policy.safetensors"


def network(game: Game, path: Path, runtime: RuntimeSettings, *, batch: int = 1) -> Evaluator:
    """The network in the agent file `path` as an evaluator."""
    agent = load_agent(path)
    if agent.game.board_shape != game.board_shape or isinstance(agent.game, Go) != isinstance(game, Go):
        raise ValueError(f"{path} plays {agent.game.name}, not {game.name}")
    game = seen_by(agent.network.planes, game)
    runner = create(game, agent.network, resolve(game, agent.network, runtime, batch))
    runner.load(agent.weights)
    return NetworkEvaluator(game, runner)


def variant(game: Game, letters: str, parts: Parts, simulations: int, settings: APVSettings | None = None) -> Player:
    """The player with the parts in `letters`, one of `VARIANTS`; `settings.mix` is λ where it has rollouts and value network."""
    if letters not in VARIANTS:
        raise ValueError(f"AlphaGo has no variant '{letters}': choose one of {', '.join(VARIANTS)}")
    if letters == "p":
        return policy_player(sensibly(game, parts.policy))
    settings = settings or APVSettings()
    changes = {"mix": settings.mix if "r" in letters and "v" in letters else float("r" in letters)}
    if "p" not in letters:  # the tree policy as it is: the temperature is the policy network's
        parts, changes["prior_temperature"] = parts._replace(policy=parts.tree), 1.0
    return APVPlayer(game, parts, settings.model_copy(update=changes), simulations)


def is_alphago(folder: Path) -> bool:
    """Whether `folder` is an AlphaGo run that has come as far as its value network."""
    return (folder / "agents" / SUPERVISED).exists() and (folder / "agents" / VALUE).exists()


def alphago(game: Game, folder: Path, simulations: int, *, seed: int = 0) -> Player:
    """All of AlphaGo out of the run in `folder`; its raw policy for 0 simulations."""
    parts = load_parts(game, folder / "agents", for_players(), seed=seed)
    return variant(game, "rvp" if simulations else "p", parts, simulations)
