"""Opponents by strength: every game's ladder of players, from one that moves at random to the strongest of the package.

What the steps are made of stands here; how strong they were found to be, and when, in `data/levels.json`, which
`python -m benchmarks.levels` writes. Elo is that of the game, 0 for random moves; a level without one was never measured.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple, TypedDict

from envs import Game
from envs.files import replacing

NAMES = ("novice", "beginner", "casual", "intermediate", "skilled", "strong", "expert", "master", "grandmaster")
LADDER = (  # of games without one of their own; each some hundred Elo above the one before
    *("random", "clumsy:60:mcts:50", "clumsy:30:mcts:50", "clumsy:10:mcts:50"),
    *("mcts:50", "mcts:200", "mcts:800", "mcts:3000"),
)
SHALLOW = (  # of games whose static estimate sees more in two plies than ten thousand playouts
    *("random", "clumsy:80:minimax:2", "clumsy:60:minimax:2", "clumsy:40:minimax:2"),
    *("clumsy:25:minimax:2", "clumsy:10:minimax:2", "minimax:2"),
)
LADDERS = {  # by a game's name, or its first word for all sizes and rules
    # chess: its playouts are slow
    "chess": ("random", "clumsy:60:greedy", "clumsy:30:greedy", "greedy", "minimax:2", "minimax:3"),
    "tictactoe": ("random", "clumsy:60:mcts:50", "clumsy:30:mcts:50", "clumsy:10:mcts:50", "solver"),
    "connect_four": (*LADDER[:6], "champion:0", "champion:25", "champion"),
    "go:size=9,komi=7": (
        *("random", "clumsy:60:mcts:50", "mcts:50", "mcts:100", "mcts:200"),
        *("clumsy:20:champion:0", "champion:0", "champion:50", "champion"),
    ),
    "hex": SHALLOW,
    "mnk": SHALLOW,
    "breakthrough": (*SHALLOW, "minimax:4"),
}
DATA = Path(__file__).parent / "data" / "levels.json"


class Level(NamedTuple):
    """A step of a ladder."""

    number: int  # from 1, the weakest
    name: str
    player: str  # as `make_player` takes it
    elo: float | None = None  # None: not measured
    low: float = 0.0  # the 95% interval
    high: float = 0.0

    @property
    def strength(self) -> str:
        """Elo with its interval in words.

        >>> Level(2, "beginner", "clumsy:60:mcts:50", 312.4, 250.0, 380.9).strength
        'Elo 312 (250 to 381)'
        """
        if self.elo is None:
            return "not measured"
        return (
            f"Elo {self.elo:.0f} ({self.low:.0f} to {self.high:.0f})" if self.low < self.high else f"Elo {self.elo:.0f}"
        )


class Measurement(TypedDict):
    """What was found out about a game's ladder."""

    date: str
    command: str
    games: int  # of every pair of neighbours
    elo: dict[str, tuple[float, float, float]]  # by player: Elo, and its 95% interval
    champion: str  # fingerprint of the trained agent that is measured here, if there is one


def ladder(game: Game) -> tuple[str, ...]:
    """The players of the levels of `game`, from weak to strong."""
    family, _, _ = game.name.partition(":")
    return LADDERS.get(game.name, LADDERS.get(family, LADDER))


def levels(game: Game) -> list[Level]:
    """The levels of `game` with what is known of their strength."""
    players = ladder(game)
    measurement = measured().get(game.name)
    found = measurement["elo"] if measurement else {}
    names = [NAMES[round(i * (len(NAMES) - 1) / (len(players) - 1))] for i in range(len(players))]
    return [Level(i, name, p, *found.get(p, ())) for i, (name, p) in enumerate(zip(names, players, strict=True), 1)]


def level(game: Game, text: str) -> Level:
    """The level of that number or name. ValueError names those that there are."""
    steps = levels(game)
    for step in steps:
        if text.lower() in (str(step.number), step.name):
            return step
    known = ", ".join(f"{step.number} {step.name}" for step in steps)
    raise ValueError(f"there is no level '{text}' of {game.name}; there are {known}")


@functools.cache
def measured() -> dict[str, Measurement]:
    """What was measured, by the game's name."""
    found: dict[str, Measurement] = json.loads(DATA.read_text()) if DATA.exists() else {}
    return found


def keep(game: Game, measurement: Measurement) -> None:
    """Write `measurement` into the package's data in place of an older one of that game."""
    found = {**measured(), game.name: measurement}
    with replacing(DATA) as file:
        file.write((json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
    measured.cache_clear()
