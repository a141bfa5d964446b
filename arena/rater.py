"""Rates the agents of a run: matches against fixed anchors and earlier agents, and the share of value-keeping moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.evaluators import Evaluator
from agents.files import load_agent
from agents.planes import seen_by
from agents.players import Player, SearchPlayer, make_player, policy_player
from agents.runtime import NetworkEvaluator, RuntimeSettings, create
from agents.search import SearchSettings
from arena import rating, yardstick
from arena.config import RatingSettings
from arena.match import MatchResult, Openings, PlayedGame, gauntlet, random_openings
from envs import Game


class Assessment(NamedTuple):
    """What one rating found out about the newest agent."""

    results: list[rating.Result]  # of its matches
    scores: dict[str, float]  # mean score against each opponent
    games: int
    distinct: int  # games that are no copies of another
    samples: list[PlayedGame]  # a game against each opponent, for pictures


def agent_player(game: Game, evaluate: Evaluator, search: SearchSettings, simulations: int) -> Player:
    """A network as it plays rating games: searched, or its raw policy for 0 simulations."""
    return SearchPlayer(game, evaluate, search, simulations) if simulations else policy_player(evaluate)


def assess(
    game: Game,
    name: str,
    player: Player,
    opponents: Mapping[str, Player],
    settings: RatingSettings,
    rng: np.random.Generator,
    *,
    final: bool = False,
    progress: Callable[[int], None] = lambda games: None,
) -> Assessment:
    """Matches of `player`, called `name`, against every opponent."""
    count = settings.final_openings if final and settings.final_openings else settings.openings
    pairings = {
        opponent: (other, match_openings(game, opponent, settings, count, rng)) for opponent, other in opponents.items()
    }
    matches = gauntlet(game, player, pairings, rng, progress=progress)
    return Assessment(
        results=[result(name, opponent, match) for opponent, match in matches.items()],
        scores={opponent: match.score for opponent, match in matches.items()},
        games=sum(len(match.games) for match in matches.values()),
        distinct=sum(match.distinct for match in matches.values()),
        samples=[match.games[0] for match in matches.values()],
    )


def match_openings(
    game: Game, opponent: str, settings: RatingSettings, count: int, rng: np.random.Generator
) -> Openings:
    """Openings against `opponent`: exact players are met where they are exact."""
    return random_openings(game, count, settings.anchor_plies.get(opponent, settings.opening_plies), rng)


def result(a: str, b: str, match: MatchResult) -> rating.Result:
    """A match as the rating's data."""
    return rating.Result(a, b, match.wins, match.draws, match.losses)


def anchors(game: Game, settings: RatingSettings, seed: int) -> dict[str, Player]:
    """The fixed opponents, made anew so that a resumed run meets the same ones."""
    return {spec: make_player(game, spec, seed=seed) for spec in settings.anchors}


def earlier_agents(
    game: Game, folder: Path, names: list[str], runtime: RuntimeSettings, settings: RatingSettings
) -> dict[str, Player]:
    """Players of the run's agents `names`, out of its folder."""
    players: dict[str, Player] = {}
    for name in names:
        agent = load_agent(folder / f"{name}.safetensors")
        seen = seen_by(agent.network.planes, game)
        engine = create(seen, agent.network, runtime)
        engine.load(agent.weights)
        players[name] = agent_player(game, NetworkEvaluator(seen, engine), agent.search, settings.simulations)
    return players


def keep_rates(
    game: Game, evaluate: Evaluator, search: SearchSettings, simulations: int, rng: np.random.Generator
) -> dict[str, float]:
    """Share of moves that keep the game-theoretic value, of the raw policy and of the search, by phase of the game."""
    if game.name != "connect_four" or simulations == 0:
        return {}
    figures: dict[str, float] = {}
    players: dict[str, Player] = {
        "policy": policy_player(evaluate),
        "search": SearchPlayer(game, evaluate, search, simulations),
    }
    for kind, player in players.items():
        kept = yardstick.keep_rate(player, rng)
        figures |= {f"keep/{kind}_{phase}": share for phase, share in kept.by_phase.items()}
        figures[f"keep/{kind}"] = kept.overall
    return figures
