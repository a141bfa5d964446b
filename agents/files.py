"""Agents as files: weights in safetensors, what they mean in its metadata. Reading one can run no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from pydantic import ValidationError
from torch import Tensor

import envs
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.planes import seen_by
from agents.search import SearchSettings
from envs import Game
from envs.files import replacing

FORMAT = "arena-agent-1"


class AgentFile(NamedTuple):
    """A trained agent: network, weights, and the search it was trained with."""

    game: Game  # as the network sees it
    network: NetworkSettings
    search: SearchSettings
    simulations: int  # a move, as it was rated
    weights: dict[str, Tensor]
    origin: dict[str, str | int]  # run, iteration: for the record


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`: after a crash `path` is the old file or the new one."""
    with replacing(path) as file:
        file.write(data)


def save_agent(path: Path, agent: AgentFile) -> None:
    """Write `agent` to `path`, atomically."""
    metadata = {
        "format": FORMAT,
        "game": agent.game.name,
        "game_version": str(agent.game.version),
        "network": agent.network.model_dump_json(),
        "search": agent.search.model_dump_json(),
        "simulations": str(agent.simulations),
        "origin": json.dumps(agent.origin),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in agent.weights.items()}
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def load_agent(path: Path) -> AgentFile:
    """The agent in `path`. ValueError (one line) if it is no agent, damaged, or of other rules than today's."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged or no agent file: {error}") from None
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} holds weights but no agent that this version knows (format {metadata.get('format')!r})"
        )
    try:
        game = envs.make(metadata["game"])
        network = NetworkSettings.model_validate_json(metadata["network"])
        game = seen_by(network.planes, game)
        search = SearchSettings.model_validate_json(metadata["search"])
        simulations, version = int(metadata["simulations"]), int(metadata["game_version"])
        origin = json.loads(metadata["origin"])
        if not isinstance(origin, dict):
            raise ValueError("origin is no list of words and their values")
    except (KeyError, ValueError, ValidationError, RecursionError) as error:
        raise ValueError(f"{path}: unreadable description of the agent: {' '.join(str(error).split())}") from None
    if version != game.version:
        raise ValueError(
            f"{path} was trained on version {version} of {game.name}, the rules are now version {game.version}"
        )
    if fault := _fault(game, network, weights):
        raise ValueError(f"{path}: the weights do not fit the network: {fault}")
    return AgentFile(game, network, search, simulations, weights, origin)


def _fault(game: Game, network: NetworkSettings, weights: Mapping[str, Tensor]) -> str:
    """What is wrong with `weights` for the network that the file describes; empty where they fit.

    The network is made without memory for its own weights: a description may ask for one of any size.
    """
    if network.blocks > len(weights):
        return f"{len(weights)} tensors for {network.blocks} blocks"
    try:
        with torch.device("meta"):
            wanted = PolicyValueNetwork(game, network).state_dict()
    except (ValueError, RuntimeError) as error:
        return " ".join(str(error).split())
    if odd := sorted(wanted.keys() ^ weights.keys()):
        return f"{odd[0]} is {'missing' if odd[0] in wanted else 'unknown'}"
    for name, tensor in weights.items():
        there, asked = (f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}" for t in (tensor, wanted[name]))
        if there != asked:
            return f"{name} is {there}, not {asked}"
        if not torch.isfinite(tensor).all():
            return f"{name} holds what is no number"
    return ""


def find_agent(path: Path) -> Path:
    """The agent file that `path` means: itself, or the newest of a run's folder. ValueError if there is none."""
    if path.is_dir():
        files = sorted((path / "agents").glob("*.safetensors"))
        if not files:
            raise ValueError(f"{path} holds no agents yet: a run writes them to {path / 'agents'} whenever it is rated")
        return files[-1]
    if not path.exists():
        raise ValueError(f"{path}: no such agent file or run folder")
    return path


def fingerprint(agent: AgentFile) -> str:
    """A short hash of the weights: the agent's identity in records."""
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(agent.weights):
        digest.update(name.encode() + np.ascontiguousarray(agent.weights[name].numpy()).tobytes())
    return digest.hexdigest()[:12]
