"""Stage 0: game records become the positions of the supervised policy; without records, a teacher plays the games."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from agents.players import make_player
from agents.section import Section
from arena.alphago import store
from arena.match import play_match, random_openings
from envs import Game, records
from envs.records import GameRecord, Skipped

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class RecordsSettings(Section):
    """Where the games come from that the supervised policy learns to predict."""

    path: str | None = Field(None, description="file or folder of game records; null: games of the teacher")
    maximum: int = Field(0, ge=0, description="games used, evenly spread over the records; 0: all")
    test_share: float = Field(
        0.05, gt=0, lt=1, description="share of the days, or games, held out; paper 1 M of 29.4 M"
    )
    teacher: str = Field("mcts:200", description="player of the games where there are no records")
    teacher_games: int = Field(500, ge=2, description="games it plays against itself")


class Taught(NamedTuple):
    """A game to learn from and the group it may not be separated from."""

    actions: tuple[int, ...]
    result: float
    group: str


def build(
    folder: Path,
    game: Game,
    settings: RecordsSettings,
    *,
    seed: int,
    note: Callable[[str], None],
    progress: Callable[[int], None],
) -> None:
    """Write the stores `folder/train` and `folder/test`. ValueError where there is nothing to learn from."""
    if settings.path is None:
        games, skipped = _taught(game, settings, seed), Counter[str]()
    else:
        games, skipped = _recorded(game, Path(settings.path), settings.maximum)
    note(f"{len(games):,} games read, {skipped.total():,} skipped{_reasons(skipped)}")
    held_out = [hashed(g.group) < settings.test_share for g in games]
    parts = {
        "train": [g for g, held in zip(games, held_out, strict=True) if not held],
        "test": [g for g, held in zip(games, held_out, strict=True) if held],
    }
    for name, part in parts.items():
        if not part:
            raise ValueError(
                f"no game is left for the {name} positions: give more records or another records.test_share"
            )
        lines = [store.Line(g.actions, g.result, _moves(game, g.actions)) for g in part]
        summary: dict[str, Any] = {"source": settings.path or settings.teacher, "skipped": dict(skipped)}
        store.write(folder / name, game, lines, summary, territory=False, moves=True, progress=progress)


def _moves(game: Game, actions: Sequence[int]) -> list[int]:
    """The plies that are learned from: all but passes, which the paper leaves out too."""
    try:
        passing = game.parse_action("pass")
    except ValueError:
        return list(range(len(actions)))
    return [ply for ply, action in enumerate(actions) if action != passing]


def playable(game: Game, path: Path, maximum: int) -> tuple[list[GameRecord], Counter[str]]:
    """The games in `path` that `game` allows from its start, and how many were skipped for which reason.

    More than `maximum` are thinned out evenly; 0: all are kept. ValueError where there are none.
    """
    found: list[GameRecord] = []
    skipped = Counter[str]()
    for record in records.read(path, _same_board(game)):
        if isinstance(record, Skipped):
            skipped[record.reason] += 1
        elif record.setup or record.to_play:
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
    kept, skipped = playable(game, path, maximum)
    return [Taught(record.actions, record.result or 0.0, group(record)) for record in kept], skipped


def _same_board(game: Game) -> str:
    """The board alone: komi and ko rule are the record's own, and what is illegal under ours is found by replaying."""
    return f"go:size={game.board_shape[0]}" if game.name.startswith("go:") else game.name


def group(record: GameRecord) -> str:
    """Games of one day between the same players stay together: openings are repeated within an event."""
    day = DAY.search(record.headers.get("date", "") + " " + record.headers.get("name", ""))
    players = sorted(record.players)
    return f"{day[0] if day else record.source} {' '.join(players)}"


def _taught(game: Game, settings: RecordsSettings, seed: int) -> list[Taught]:
    """Games of the teacher against itself, from openings of four random moves."""
    rng = np.random.default_rng([seed, 0])
    teacher = make_player(game, settings.teacher, seed=seed)
    pairs = -(-settings.teacher_games // 2)
    openings = random_openings(game, pairs, 4, rng).repeated(pairs)
    played = play_match(game, teacher, teacher, openings, rng).games
    return [Taught(g.actions, (2 * g.score - 1) * (1 if g.a_first else -1), str(i)) for i, g in enumerate(played)]


def hashed(text: str) -> float:
    """`text` as a number in [0, 1), evenly spread and the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def _reasons(skipped: Counter[str]) -> str:
    return f" ({', '.join(f'{count:,} {reason}' for reason, count in skipped.most_common())})" if skipped else ""
