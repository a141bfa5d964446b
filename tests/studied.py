"""What the tests of studies share: an agent that learned nothing, and a console that nobody reads."""

from __future__ import annotations

import io

from rich.console import Console

import envs
from agents.files import AgentFile
from agents.network import NetworkSettings
from agents.search import SearchSettings
from arena.study import inspect


def quiet() -> Console:
    return Console(file=io.StringIO())


def agent(game: str = "connect_four", **settings: object) -> AgentFile:
    """An agent that learned nothing."""
    rules = envs.make(game)
    network = NetworkSettings.model_validate({"blocks": 1, "channels": 8} | settings)
    weights = dict(inspect.random_network(rules, network, 0).state_dict())
    return AgentFile(rules, network, SearchSettings(), 4, weights, {"run": "none"})
