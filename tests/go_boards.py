"""Go positions for tests: drawn, reached by moves or by chance, and the real games that are at hand."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from envs import States, make, random_actions, records
from envs.go import Go
from envs.records import GameRecord
from tests.positions import positions_along

SUPERKO = ["positional", "situational", "simple"]
COLLECTIONS = Path(__file__).resolve().parents[2] / "shared" / "data"


def arranged(diagram: str, *, to_play: str, **options: object) -> tuple[Go, States]:
    """A game and [1] its state with the stones of `diagram` on the board, put there one by one, passes between."""
    rows = diagram.split()
    game = make("go", size=len(rows), **options)
    assert isinstance(game, Go)
    stones = {c: [i for i, s in enumerate("".join(rows)) if s == c] for c in "XO"}
    turns = max(len(stones["X"]) - (to_play == "O"), len(stones["O"]))
    passing = game.num_actions - 1
    black = [passing] * (turns + (to_play == "O") - len(stones["X"])) + stones["X"]
    white = [passing] * (turns - len(stones["O"])) + stones["O"]
    states = game.reset(1)
    for action in itertools.chain.from_iterable(itertools.zip_longest(black, white)):
        if action is not None:
            states = game.step(states, np.array([action]))
    assert picture(game, states) == rows
    assert states["to_play"][0] == "XO".index(to_play)
    return game, states


def played(game: Go, moves: str) -> States:
    """[1] the state after `moves`, all legal and every state on the way sound."""
    for states in positions_along(game, moves):
        game.check(states[0])
    return states


def random_game(game: Go, seed: int, *, passes: float = 0.05) -> Iterator[tuple[States, int]]:
    """States [1] and actions of a game of uniformly random moves, passing with probability `passes`."""
    rng = np.random.default_rng(seed)
    states = game.reset(1)
    while not game.terminal(states)[0]:
        legal = game.legal(states)
        if legal[0, :-1].any() and rng.random() >= passes:
            legal[0, -1] = False
            action = int(random_actions(legal, rng)[0])
        else:
            action = game.num_actions - 1
        yield states, action
        states = game.step(states, np.array([action]))


@functools.lru_cache(maxsize=1)
def collection(name: str) -> tuple[GameRecord, ...]:
    """Every game of a collection, the last one asked for kept; skips the test where it is missing."""
    if not (COLLECTIONS / name).exists():
        pytest.skip(f"{COLLECTIONS / name} is not there")
    games = list(records.read(COLLECTIONS / name))
    assert not [game for game in games if not isinstance(game, GameRecord)]
    return tuple(game for game in games if isinstance(game, GameRecord))


def picture(game: Go, states: States) -> list[str]:
    return ["".join(".XO"[stone] for stone in row) for row in game.board(states)[0]]


def move(game: Go, states: States, name: str) -> States:
    assert allowed(game, states, name)
    states = game.step(states, np.array([game.parse_action(name)]))
    game.check(states[0])
    return states


def allowed(game: Go, states: States, name: str) -> bool:
    return bool(game.legal(states)[0, game.parse_action(name)])
