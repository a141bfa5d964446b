"""Who exactly a player is: what has to be equal for two games of "the same" player to count together.

A path says little: the file may change, or be copied. An identity holds the hash of the weights, the settings of the
search and the version of the rules, and is known by the hash of all that; the text the player was called by is for people.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from agents.levels import level
from agents.players import BUILT_IN, ROLLOUT_SEARCH, champion_spec, clumsy_spec, trained_spec
from agents.search import SearchSettings
from envs import Game
from envs.compiled import CompiledGame, no_ending

KINDS = frozenset(known.partition(":")[0] for known in BUILT_IN)  # of players that a file of that name is not


class Identity(NamedTuple):
    """A player of one game."""

    name: str  # as it was called: "mcts:100", "runs/go9:200"
    details: dict[str, Any]  # everything that its strength depends on, as JSON has it

    @property
    def key(self) -> str:
        """A short hash of the details.

        >>> Identity("a", {"player": "random"}).key == Identity("b", {"player": "random"}).key
        True
        """
        return hashlib.sha256(json.dumps(self.details, sort_keys=True).encode()).hexdigest()[:16]


def identify(game: Game, spec: str) -> Identity:
    """Who `make_player(game, spec)` makes. ValueError where an agent's file cannot be read."""
    rules = {"game": game.name, "game_version": game.version}
    kind, _, number = spec.partition(":")
    if kind == "champion":
        return Identity(spec, rules | _trained(game, champion_spec(game, spec)))
    if kind == "mcts":
        return Identity(spec, rules | {"player": spec, "search": _search(game, ROLLOUT_SEARCH)})
    if kind == "clumsy":
        share, inner = clumsy_spec(spec)
        return Identity(spec, rules | {"player": "clumsy", "share": share, "of": identify(game, inner).details})
    if kind == "level":
        return Identity(spec, identify(game, level(game, number).player).details)
    if kind not in KINDS and trained_spec(spec)[0].exists():
        return Identity(spec, rules | _trained(game, spec))
    return Identity(spec, rules | {"player": spec})


def _search(game: Game, settings: SearchSettings) -> dict[str, Any]:
    """What a search follows from: its settings, and whether it knows moves that end the game before it has looked at them."""
    foresees = isinstance(game, CompiledGame) and game.state_kernels.ending is not no_ending
    return settings.model_dump() | ({"endings": True} if foresees else {})


def _trained(game: Game, spec: str) -> dict[str, Any]:
    """The details of a trained agent; a run's folder is the newest agent in it."""
    from agents.alphago import player as alphago
    from agents.alphago.search import APVSettings
    from agents.files import find_agent, fingerprint, load_agent

    path, simulations = trained_spec(spec)
    if alphago.is_alphago(path):
        rollouts = alphago.rollout_policy(path)
        files = [load_agent(path / "agents" / name) for name in (alphago.SUPERVISED, alphago.VALUE)]
        return {
            "player": "alphago",
            "weights": [fingerprint(file) for file in files],
            "rollouts": hashlib.sha256(rollouts.read_bytes()).hexdigest()[:12] if rollouts.exists() else "random",
            "search": APVSettings().model_dump() | {"ties": "likeliest"},  # the first of equal moves until then
            "simulations": alphago.SIMULATIONS if simulations is None else simulations,
        }
    agent = load_agent(find_agent(path))
    return {
        "player": "network",
        "weights": fingerprint(agent),
        "network": agent.network.model_dump(),
        "search": _search(game, agent.search),
        "simulations": agent.simulations if simulations is None else simulations,
    }
