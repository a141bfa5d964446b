"""What an experiment is: one YAML file, typed and closed. Every field says what it means.

The parts' own settings live beside the parts; here is what binds them together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator

import envs
from agents.network import NetworkSettings
from agents.runtime import RuntimeSettings
from agents.search import SearchSettings
from agents.section import Section
from arena.footprint import FootprintSettings
from arena.gate import GateSettings
from arena.league import LeagueSettings
from arena.learner import TrainSettings
from arena.replay import ReplaySettings
from arena.selfplay import SelfPlaySettings
from arena.workers import WorkerSettings

SectionType = TypeVar("SectionType", bound=Section)


def _names_a_folder(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):  # not . or .., which are other folders
        raise ValueError(f"'{name}' is no name for a run: letters, digits, _, - and . make one, and no . begins it")
    return name


RunName = Annotated[str, AfterValidator(_names_a_folder), Field(description="of the run and of its folder")]


class RatingSettings(Section):
    """How the newest agent is rated."""

    every: int = Field(10, ge=1, description="iterations between ratings; the last one is always rated")
    simulations: int = Field(200, ge=0, description="a move in rating games; 0: the raw policy")
    openings: int = Field(20, ge=1, description="paired openings against each opponent: twice as many games")
    opening_plies: int = Field(4, ge=0, description="random moves an opening consists of")
    anchors: Mapping[str, float] = Field(
        default_factory=lambda: {"random": 0.0},
        description="fixed opponents, one at least, and their Elo, which never changes",
    )
    anchor_plies: Mapping[str, int] = Field(default_factory=dict, description="opening plies against single anchors")
    earlier: int = Field(2, ge=0, description="earlier rated agents of the run to play as well")
    keep_simulations: int = Field(
        200, ge=0, description="of the search in the share of value-keeping moves; 0: not measured"
    )
    final_openings: int = Field(0, ge=0, description="paired openings at the last rating; 0: as ever")

    @field_validator("anchors")
    @classmethod
    def _not_without_any(cls, anchors: Mapping[str, float]) -> Mapping[str, float]:
        if not anchors:
            raise ValueError("name one player at least, such as {random: 0}: nothing else says what Elo 0 is")
        return anchors


class TrackingSettings(Section):
    """Where a run's figures go, besides metrics.jsonl in its folder."""

    mode: Literal["auto", "online", "offline", "disabled"] = Field(
        "auto", description="of Weights & Biases; auto: WANDB_MODE, else offline"
    )
    project: str | None = Field(None, description="Weights & Biases project; null: WANDB_PROJECT, else arena")
    pictures: int = Field(2, ge=0, description="sample games shown at each rating")
    artifacts: bool = Field(True, description="log rated agents as artifacts")


class Config(Section):
    """An experiment."""

    name: RunName
    game: str = Field(description="as `arena games` lists it: connect_four, go9, go:size=9,komi=6.5")
    seed: int = Field(0, ge=0, description="every random draw of the run follows from it")
    iterations: int = Field(ge=1, description="rounds of self-play, learning and saving")
    budget: int = Field(
        0,
        ge=0,
        description="compute after which the run ends, before `iterations` too: network evaluations in self-play and "
        "league, and 3 a sample learned from; 0: none",
    )
    keep_checkpoints: int = Field(2, ge=1, description="newest checkpoints kept")
    network: NetworkSettings = NetworkSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    search: SearchSettings = SearchSettings()
    selfplay: SelfPlaySettings = SelfPlaySettings()
    workers: WorkerSettings = WorkerSettings()
    replay: ReplaySettings = ReplaySettings()
    train: TrainSettings = TrainSettings()
    rating: RatingSettings = RatingSettings()
    league: LeagueSettings = LeagueSettings()
    gate: GateSettings = GateSettings()
    tracking: TrackingSettings = TrackingSettings()
    footprint: FootprintSettings = FootprintSettings()

    @model_validator(mode="after")
    def _game_exists(self) -> Self:
        envs.make(self.game)
        return self


def smoke(config: Config) -> Config:
    """The same experiment shrunk to seconds: every part runs, nothing is learned."""
    network = config.network
    channels = min(network.channels, 8)
    return _update(
        config,
        {
            "name": f"{config.name}-smoke",
            "iterations": 2,
            "network": {
                "blocks": min(network.blocks, 1),
                "channels": channels,
                "mlp_hidden": min(network.mlp_hidden, 16),
            }
            | {"attention_heads": math.gcd(channels, network.attention_heads)},
            "runtime": {"engine": "torch", "precision": "fp32"},
            "workers": {"engine": "threads"} if config.workers.engine == "auto" else {},
            "selfplay": {"games": 4, "slots": 8, "simulations": 4, "fast_simulations": 2},
            "replay": {"minimum": 64},
            "league": {"gate_openings": 2},
            "footprint": {"enabled": False},
            "gate": {"openings": 2, "every": 1, "simulations": 2},
            "train": {"batch": 16, "passes": 1.0, "warmup": 2},
            "rating": {"every": 1, "simulations": 4, "openings": 1, "final_openings": 0, "keep_simulations": 0}
            | {
                "anchors": {n: elo for n, elo in config.rating.anchors.items() if n in ("random", "greedy")}
                or {"random": 0.0}
            },
        },
    )


def _update(section: SectionType, changes: Mapping[str, Any]) -> SectionType:
    """`section` with nested changes."""
    values = {
        key: _update(getattr(section, key), value) if isinstance(getattr(section, key), Section) else value
        for key, value in changes.items()
    }
    return section.model_copy(update=values)
