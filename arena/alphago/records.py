"""Stage 0: game records become the positions of the supervised policy; without records, a teacher plays the games."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from agents.section import Section
from arena.alphago import store, teacher
from arena.alphago.store import Line
from envs import Game, records
from envs.records import GameRecord, Skipped
from envs.words import number_of

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class RecordsSettings(Section):
    """Where the games come from that the supervised policy learns to predict."""

    path: str | None = Field(None, description="file or folder of game records; null: games of the teacher")
    maximum: int = Field(0, ge=0, description="games used, evenly spread over the records; 0: all")
    test_share: float = Field(
        0.05, gt=0, lt=1, description="share of the days, or games, held out; paper 1 M of 29.4 M"
    )
    teacher: str | None = Field(
        None, description="player of the games where there are no records; null: GNU Go if installed, else mcts:200"
    )
    teacher_games: int = Field(500, ge=2, description="games it plays against itself")
    teacher_plies: int = Field(6, ge=0, description="most random moves that one of its games begins with")


class Taught(NamedTuple):
    """A game to learn from and the group it may not be separated from."""

    line: Line
    group: str


def build(
    folder: Path,
    game: Game,
    settings: RecordsSettings,
    *,
    seed: int,
    note: Callable[[str], None],
    progress: Callable[[int], None] = lambda games: None,
) -> None:
    """Write the stores `folder/train` and `folder/test`. ValueError where there is nothing to learn from.

    `note` is told where the games come from, how many are used and how many are not and why; `progress` of a teacher's games.
    """
    if settings.path is None:
        source = teacher.choose(game, settings.teacher, seed)
        note(f"records: none given, so {source} plays {settings.teacher_games:,} games")
        rng = np.random.default_rng([seed, 0])
        lines, skipped = teacher.games(game, source, settings.teacher_games, settings.teacher_plies, rng, progress)
        games = [Taught(line, str(number)) for number, line in enumerate(lines)]
    else:
        source = settings.path
        note(f"records: reading {source}")
        games, skipped = _recorded(game, Path(source), settings.maximum)
    thinned = settings.path is not None and len(games) == settings.maximum
    chosen = number_of(len(games), "game") + (", evenly spread over all (records.maximum)" if thinned else "")
    note(f"{chosen}, {skipped.total():,} skipped{_reasons(skipped)}")
    held_out = [hashed(g.group) < settings.test_share for g in games]
    parts = {
        "train": [g.line for g, held in zip(games, held_out, strict=True) if not held],
        "test": [g.line for g, held in zip(games, held_out, strict=True) if held],
    }
    for name, lines in parts.items():
        if not lines:
            raise ValueError(
                f"no game is left for the {name} positions: give more records or another records.test_share"
            )
        summary: dict[str, Any] = {"source": source, "skipped": dict(skipped)}
        store.write(folder / name, game, lines, summary, territory=False)


def playable(game: Game, path: Path, maximum: int, *, set_up: bool = False) -> tuple[list[GameRecord], Counter[str]]:
    """The games in `path` that `game` allows from its start, and how many were skipped for which reason.

    More than `maximum` are thinned out evenly; 0: all are kept. `set_up`: those that begin with stones on the board, too.
    ValueError where there are none.
    """
    found: list[GameRecord] = []
    skipped = Counter[str]()
    for record in records.read(path, _same_board(game)):
        if isinstance(record, Skipped):
            skipped[record.reason] += 1
        elif not set_up and (record.setup or record.to_play):
            skipped["stones set up beforehand"] += 1
        elif not record.actions:
            skipped["no moves"] += 1
        else:
            found.append(record)
    if not found:
        raise ValueError(f"{path} holds no game of {game.name} to learn from{_reasons(skipped)}")
    legal = np.concatenate([records.last_states(found[i : i + 1024], game)[1] for i in range(0, len(found), 1024)])
    skipped["an illegal move"] += int((~legal).sum())
    kept = [record for record, fine in zip(found, legal, strict=True) if fine]
    if maximum and len(kept) > maximum:
        kept = [kept[i] for i in np.linspace(0, len(kept) - 1, maximum).astype(int)]
    return kept, +skipped


def _recorded(game: Game, path: Path, maximum: int) -> tuple[list[Taught], Counter[str]]:
    kept, skipped = playable(game, path, maximum, set_up=True)
    found = []
    for record in kept:
        before = records.opening(record, game) or ()
        found.append(
            Taught(store.line(game, (*before, *record.actions), record.result or 0.0, len(before)), group(record))
        )
    return found, skipped


def _same_board(game: Game) -> str:
    """The board alone: komi and ko rule are the record's own, and what is illegal under ours is found by replaying."""
    return f"go:size={game.board_shape[0]}" if game.name.startswith("go:") else game.name


def group(record: GameRecord) -> str:
    """Games of one day between the same players stay together: openings are repeated within an event."""
    day = DAY.search(record.headers.get("date", "") + " " + record.headers.get("name", ""))
    players = sorted(record.players)
    return f"{day[0] if day else record.source} {' '.join(players)}"


def hashed(text: str) -> float:
    """`text` as a number in [0, 1), evenly spread and the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _reasons(skipped: Counter[str]) -> str:
    return f" ({', '.join(f'{count:,} {reason}' for reason, count in skipped.most_common())})" if skipped else ""
