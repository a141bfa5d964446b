"""What a rating leaves to look at: sample games, kept for the run's page and drawn for W&B, and artifacts with their lineage."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from arena import checkpoint
from arena.match import PlayedGame
from arena.rater import Assessment
from arena.rating import Rating
from arena.report.games import SampleGame, save
from arena.tracking import Board, Tracker
from envs import Game
from envs.game import move_names
from envs.render import picture


def keep_games(folder: Path, agent: str, assessment: Assessment) -> None:
    """Write a game of `agent` against each opponent into the run's folder."""
    samples = zip(assessment.results, assessment.samples, strict=True)
    save(folder, agent, [SampleGame(r.b, game.a_first, game.score, list(game.actions)) for r, game in samples])


def boards(game: Game, assessment: Assessment, iteration: int, most: int) -> list[Board]:
    """A game against each opponent, `most` at most, with the board at its end."""
    samples = islice(zip(assessment.results, assessment.samples, strict=True), most)
    return [_board(game, f"{iteration:06d}-{i}", result.b, played) for i, (result, played) in enumerate(samples)]


def _board(game: Game, title: str, opponent: str, played: PlayedGame) -> Board:
    states = start = game.reset(1)
    for action in played.actions:
        states = game.step(states, np.array([action]))
    return Board(
        title,
        picture(game, states[0]),
        opponent,
        seat="first" if played.a_first else "second",
        result={1.0: "won", 0.5: "drawn", 0.0: "lost"}[played.score],
        moves=" ".join(move_names(game, start[0], played.actions)),
    )


def log_artifacts(tracker: Tracker, folder: Path, name: str, game: Game, row: Mapping[str, Any], agent: Path) -> None:
    """The rated agent, what it was learned from and how it was rated, under one alias; the agent's metadata name the rest.

    `name`: the run's; `row`: the rated iteration's, whose checkpoint is in `folder`.
    """
    iteration = int(row["iteration"])
    alias, about = f"iteration-{iteration:06d}", {"iteration": iteration, "run": name}
    saved = checkpoint.manifest(folder, iteration)
    samples = {"samples": row["replay/size"], "made": row["samples"]}
    tracker.artifact(f"{name}-replay", "replay", saved.replay, about | samples, alias=alias)
    tracker.artifact(f"{name}-checkpoint", "checkpoint", saved.files, about, alias=alias)
    ratings = [dict(zip(Rating._fields, entry, strict=True)) for entry in row["ratings"]]
    tracker.artifact(f"{name}-rating", "rating", ratings, about, alias=alias)
    origin = {kind: f"{name}-{kind}:{alias}" for kind in ("replay", "checkpoint", "rating")}
    elo = {key.rpartition("/")[2]: row[key] for key in ("rating/elo", "rating/elo_low", "rating/elo_high")}
    about_game = {"game": game.name, "game_version": game.version}
    tracker.artifact(name, "model", agent, about | elo | about_game | origin, alias=alias)
