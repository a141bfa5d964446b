"""`arena agents`: trained agents as files. What there is, what one is, taking one along and taking one in.

An agent file is safetensors: numbers, and a description as text. Reading one runs no code, whoever wrote it; what it says
of itself is shown without control characters, and taking one in writes it anew, so that nothing else comes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor, nn

import envs
from agents.files import AgentFile, find_agent, fingerprint, load_agent, save_agent
from agents.network import for_play
from agents.players import CHAMPIONS, champion, same_board
from envs.files import replacing

ONNX_PACKAGES = ("onnx", "onnxscript")


class Entry(NamedTuple):
    """An agent that can be played."""

    spec: str  # as a player
    agent: AgentFile


def entries(runs: Path, library: Path) -> tuple[list[Entry], list[str]]:
    """The agents that came with the package, were imported, or are the newest of a run; and what could not be read."""
    found: list[Entry] = []
    problems: list[str] = []
    for spec, path in _places(runs, library):
        try:
            found.append(Entry(spec, load_agent(path)))
        except ValueError as error:
            problems.append(str(error))
    return found, problems


def _places(runs: Path, library: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(CHAMPIONS.glob("*.safetensors")):
        yield "champion", path
    for path in sorted(library.glob("*.safetensors")):
        yield str(path), path
    for folder in sorted(path.parent for path in runs.glob("*/config.yaml")):
        for newest in sorted((folder / "agents").glob("[0-9]*.safetensors"))[-1:]:
            yield str(folder), newest


def list_agents(runs: Path, library: Path, console: Console) -> None:
    """Print all agents: what to call each as a player, in a line of its own to be copied, and what it is."""
    found, problems = entries(runs, library)
    for spec, agent in found:
        size = f"{agent.network.trunk} {agent.network.blocks}x{agent.network.channels}"
        weights = f"{_parameters(agent) / 1000:,.0f}k weights"
        console.print(spec, style="bold", soft_wrap=True, markup=False, highlight=False)
        about = f"{agent.game.name}, {size}, {weights}, {agent.simulations} simulations, {fingerprint(agent)}"
        console.print(f"    {about}", soft_wrap=True, markup=False, highlight=False)
    for problem in problems:
        console.print(f"left out: {problem}", soft_wrap=True, markup=False, highlight=False)


def model_card(agent: AgentFile) -> str:
    """What an agent is, for people: Markdown with the front matter that model hubs read."""
    game, network, search = agent.game, agent.network, agent.search
    origin = ", ".join(f"{_plain(key)} {_plain(value)}" for key, value in agent.origin.items()) or "unknown"
    planes = "\n".join(f"{i}. {name}" for i, name in enumerate(game.planes))
    settings = {"network": network, "search": search}
    tables = "\n\n".join(
        f"| {part} | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in section.model_dump().items())
        for part, section in settings.items()
    )
    return f"""---
library_name: selfplay-arena
tags: [reinforcement-learning, board-games, {game.name.partition(":")[0]}]
---

# An agent for {game.name}

A policy/value network and the search it plays with. It chooses moves in `{game.name}` (version {game.version} of the
rules) and nothing else; how strong it is, `arena match` and `arena rate` measure.

| | |
|---|---|
| identity | `{fingerprint(agent)}` (hash of the weights) |
| origin | {origin} |
| parameters | {_parameters(agent):,} |
| simulations a move | {agent.simulations} |

## Use

    arena play {game.name} agent.safetensors
    arena match agent.safetensors mcts:1000

## Input and output

Planes `[B, {len(game.planes)}, {game.board_shape[0]}, {game.board_shape[1]}]`, 0 or 1, seen by the side to move:

{planes}

Policy `[B, {game.num_actions}]`: logits of all actions, the illegal ones not masked. Value `[B]`: the expected result for the
side to move, in [-1, 1].

## Settings

{tables}
"""


def named(what: Path, game: str) -> AgentFile:
    """The agent `what`: a file, a run's folder, or as a player is named the champion of `game`.

    ValueError where there is none, where games have a champion each and none is named, or where it plays another than `game`.
    """
    rules = envs.make(game) if game else None
    if str(what) == "champion" and not what.exists():
        if rules is None:
            games = " or ".join(f"--game {path.stem}" for path in sorted(CHAMPIONS.glob("*.safetensors")))
            raise ValueError(f"every game has a champion of its own: say which with {games}")
        return load_agent(champion(rules))
    agent = load_agent(find_agent(what))
    if rules is not None and not same_board(agent.game, rules):
        raise ValueError(f"{what} plays {agent.game.name}, not {rules.name}")
    return agent


def describe(agent: AgentFile, console: Console) -> None:
    """Print the model card of an agent."""
    console.print(model_card(agent), markup=False, highlight=False, soft_wrap=True)


def export(agent: AgentFile, folder: Path, console: Console) -> None:
    """Put an agent into `folder`: agent.safetensors, README.md and, where that is installed, agent.onnx."""
    folder.mkdir(parents=True, exist_ok=True)
    save_agent(folder / "agent.safetensors", agent)
    with replacing(folder / "README.md") as file:
        file.write(model_card(agent).encode())
    console.print(f"{folder}: agent.safetensors, README.md", highlight=False)
    missing = [name for name in ONNX_PACKAGES if util.find_spec(name) is None]
    if missing:
        console.print(f"no agent.onnx: pip install {' '.join(missing)}, then export again", highlight=False)
        return
    export_onnx(agent, folder / "agent.onnx")
    console.print(f"{folder}: agent.onnx", highlight=False)


class _Deployed(nn.Module):
    """The network as others use it: planes in; logits of the policy and the value itself out."""

    def __init__(self, agent: AgentFile) -> None:
        super().__init__()
        self.network = for_play(agent.game, agent.network, agent.weights)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network(planes)
        return output.policy, torch.tanh(output.value / 2)


def export_onnx(agent: AgentFile, path: Path) -> None:
    """Write the network as ONNX, for batches of any size. Needs the packages in `ONNX_PACKAGES`."""
    h, w = agent.game.board_shape
    planes = torch.zeros(2, len(agent.game.planes), h, w)
    torch.onnx.export(
        _Deployed(agent).eval(),
        (planes,),
        str(path),
        input_names=["planes"],
        output_names=["policy", "value"],
        dynamic_shapes={"planes": {0: torch.export.Dim("batch")}},
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def bring_in(agent: AgentFile, library: Path, name: str, console: Console) -> None:
    """Take `agent` into the library as `name`. ValueError where that is no name, or another agent's."""
    place = library / f"{name}.safetensors"
    if place.parent != library:
        raise ValueError(f"'{name}' is no name: letters, digits and - will do")
    if place.exists() and fingerprint(load_agent(place)) != fingerprint(agent):
        raise ValueError(f"{place} is another agent: choose a name with --name")
    library.mkdir(parents=True, exist_ok=True)
    save_agent(place, agent)
    console.print(f"{place}: play it with arena play {agent.game.name} {place}", highlight=False, soft_wrap=True)


def _parameters(agent: AgentFile) -> int:
    return sum(tensor.numel() for tensor in agent.weights.values() if tensor.is_floating_point())


def _plain(text: str | int) -> str:
    """What a file says of itself, without what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text))
