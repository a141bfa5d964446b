"""Sample games of a run: kept at every rating, replayed for the page's viewer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.files import write_atomically
from envs import Game
from envs.game import move_names

LINES = ("go", "gomoku", "mnk")  # games played on the crossings of lines
# Games that the viewer draws as they are; all others are on squares.
OWN = ("hex", "chess", "connect_four", "othello", "tictactoe")


class SampleGame(NamedTuple):
    """A rating game."""

    opponent: str
    agent_first: bool
    score: float  # the agent's: 1, 0.5 or 0
    actions: list[int]


def save(run: Path, name: str, games: Iterable[SampleGame]) -> None:
    """Keep `games` of the agent `name`."""
    (run / "games").mkdir(exist_ok=True)
    data = json.dumps([game._asdict() for game in games], indent=1)
    write_atomically(run / "games" / f"{name}.json", data.encode())


def load(run: Path) -> dict[str, list[SampleGame]]:
    """The games in a run's folder by agent, oldest agent first. Files that cannot be read are left out."""
    found = {}
    for path in sorted((run / "games").glob("*.json")):
        try:
            found[path.stem] = [SampleGame(**row) for row in json.loads(path.read_bytes())]
        except (OSError, ValueError, TypeError):
            continue
    return found


def for_viewer(game: Game, agent: str, played: SampleGame) -> dict[str, Any]:
    """What the viewer draws: boards [T, H * W] after each ply, what was played, and how the game is called."""
    states, boards, last = game.reset(1), list[NDArray[np.int8]](), list[int]()
    names = move_names(game, states[0], played.actions)
    for action in [None, *played.actions]:
        if action is not None:
            states = game.step(states, np.array([action]))
        board = game.board(states)[0].reshape(-1)
        changed = np.flatnonzero(board != boards[-1]) if boards else np.zeros(0, np.int64)
        own = [int(p) for p in changed if board[p]]
        last.append(
            own[0] if len(own) == 1 else int(states["last"][0]) if "last" in (game.dtype.names or ()) and own else -1
        )
        boards.append(board)
    height, width = game.board_shape
    kind = game.name.partition(":")[0]
    seats = (agent, played.opponent) if played.agent_first else (played.opponent, agent)
    result = {1.0: "won", 0.5: "drawn", 0.0: "lost"}[played.score]
    return {
        "title": f"{agent} against {played.opponent}: {result}",
        "players": seats,
        "kind": "lines" if kind in LINES else kind if kind in OWN else "squares",
        "height": height,
        "width": width,
        "boards": [board.tolist() for board in boards],
        "last": last,
        "moves": names,
    }
