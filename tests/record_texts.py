"""Texts of game records for tests: read, written, and said to be skipped with a reason."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

import envs
from envs import Game, random_actions, records
from envs.go import Go
from envs.records import GameRecord, Skipped, moves, sgf

ROOT = "FF[4]GM[1]SZ[9]"
WHOLE = f"(;{ROOT}GN[whole];B[aa];W[bb])"


def read(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> list[GameRecord | Skipped]:
    data = text.encode() if isinstance(text, str) else text
    return list(sgf.read(io.BytesIO(data), source, game))


def one(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> GameRecord:
    """The only game in `text`, which is legal."""
    (record,) = read(text, game, source)
    assert isinstance(record, GameRecord), record
    records.replay(record)
    return record


def reason(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> str:
    """Why the only game in `text` is skipped."""
    (skipped,) = read(text, game, source)
    assert isinstance(skipped, Skipped), skipped
    return skipped.reason


def listed(text: str, game: str | None = None) -> list[GameRecord | Skipped]:
    return list(moves.read(io.BytesIO(text.encode()), "x.moves", game))


def names(record: GameRecord) -> str:
    game = envs.make(record.game)
    return " ".join(game.action_name(action) for action in record.actions)


def written(games: Sequence[GameRecord]) -> str:
    text = io.StringIO()
    sgf.write(text, games)
    return text.getvalue()


def go(record: GameRecord) -> Go:
    game = envs.make(record.game)
    assert isinstance(game, Go)
    return game


def random_record(game: Game, seed: int, most: int | None = None) -> GameRecord:
    """A game of random moves, broken off after `most` of them."""
    rng = np.random.default_rng(seed)
    states, actions = game.reset(1), list[int]()
    to_play = int(states["to_play"][0])
    while not game.terminal(states)[0] and len(actions) != most:
        actions.append(int(random_actions(game.legal(states), rng)[0]))
        states = game.step(states, np.array(actions[-1:]))
    result = None
    if game.terminal(states)[0]:
        result = float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
    players = (f"A]l\\i:ce {seed}", "Bö")
    headers = {"date": "2026-11-23", "comment": "two\nlines ;B[aa]"}
    return GameRecord(game.name, tuple(actions), result, players, headers, to_play=to_play)
