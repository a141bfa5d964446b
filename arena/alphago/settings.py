"""What an AlphaGo experiment is: one section a stage, in the order in which they run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

import envs
from agents.alphago.rollout import LearnSettings
from agents.network import NetworkSettings
from agents.runtime import RuntimeSettings
from agents.section import Section
from arena.alphago.fit import FitSettings
from arena.alphago.records import RecordsSettings
from arena.alphago.reinforce import ReinforceSettings
from arena.alphago.table import TableSettings
from arena.alphago.values import ValueSettings
from arena.config import RunName, TrackingSettings
from arena.footprint import FootprintSettings
from arena.learner import TrainSettings


class AlphaGoConfig(Section):
    """The pipeline of the 2016 paper."""

    kind: Literal["alphago"] = "alphago"
    name: RunName
    game: str = Field(description="as `arena games` lists it: go9, go:size=19")
    seed: int = Field(0, ge=0, description="every random draw of the run follows from it")
    runtime: RuntimeSettings = RuntimeSettings()
    records: RecordsSettings = RecordsSettings()
    supervised: FitSettings = FitSettings(train=TrainSettings(value_weight=0.0))
    rollout: LearnSettings = LearnSettings()
    reinforce: ReinforceSettings = ReinforceSettings()
    value: ValueSettings = ValueSettings()
    table: TableSettings = TableSettings()
    tracking: TrackingSettings = TrackingSettings()
    footprint: FootprintSettings = FootprintSettings()

    @model_validator(mode="after")
    def _game_exists(self) -> Self:
        envs.make(self.game)
        return self

    @model_validator(mode="after")
    def _records_know_it(self) -> Self:
        if self.supervised.network.territory:
            raise ValueError(
                "supervised.network.territory is for games played out, which game records need not be: set it to false"
            )
        return self


def smoke(config: AlphaGoConfig) -> AlphaGoConfig:
    """The same pipeline shrunk to seconds: every stage runs, nothing is learned."""
    policy, value = config.supervised.network, config.value.fit.network
    train = TrainSettings(batch=16, passes=0.5, warmup=2)
    return config.model_copy(
        update={
            "name": f"{config.name}-smoke",
            "game": "go5" if config.game.startswith("go") else config.game,
            "runtime": RuntimeSettings(engine="torch", precision="fp32"),
            "footprint": FootprintSettings(enabled=False),
            "records": RecordsSettings(teacher="random", teacher_games=4, test_share=0.4),
            "supervised": FitSettings(
                network=NetworkSettings(planes=policy.planes, blocks=1, channels=8),
                train=train,
                every=10,
                test_positions=50,
            ),
            "rollout": LearnSettings(epochs=1, min_count=2),
            "reinforce": ReinforceSettings(
                iterations=2, games=2, pool_every=1, every=1, second_iterations=1, test_games=2
            ),
            "value": ValueSettings(
                games=8,
                test_games=4,
                fit=FitSettings(
                    network=NetworkSettings(planes=value.planes, territory=value.territory, blocks=1, channels=8),
                    train=train,
                    every=10,
                    test_positions=50,
                ),
            ),
            "table": config.table.model_copy(
                update={"simulations": 2, "openings": 1, "gnu_go": None, "opponents": ("random",)}
            ),
        }
    )
