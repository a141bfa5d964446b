"""The ledger: every finished game, in one SQLite file, from the moment it has finished.

    player(id, name, game, version, details)     who exactly played: see `agents/identity.py`
    event(id, game, version, title, settings)    a match or tournament, known by the hash of all that it depends on
    game(event, meeting, opening, a_first, first, second, moves, ...)

A game is one row, written as soon as it is over, with those that ended in the same ply; with SQLite's write-ahead log a
process may be killed at any instant and loses the games it was playing, no other. Several processes may write to one
ledger. A game that is there already (same event, meeting, opening and seats) is left as it is, so that a tournament taken
up again adds what is missing.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from agents.identity import Identity
from arena.match import Reason
from arena.rating import Result
from envs import Game
from envs.records import GameRecord

FORMAT = 1  # of the tables below; `PRAGMA user_version` in the file
DEFAULT = Path("runs/ledger.sqlite")
ON_THE_BOARD = ("normal", "adjudication")
LOST = {"resignation": "Resign", "time": "Time"}  # SGF's words
_TABLES = """
CREATE TABLE player (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, game TEXT NOT NULL, version INTEGER NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE TABLE event (
    id TEXT PRIMARY KEY, game TEXT NOT NULL, version INTEGER NOT NULL, title TEXT NOT NULL, settings TEXT NOT NULL,
    begun TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
CREATE TABLE game (
    event TEXT NOT NULL REFERENCES event, meeting INTEGER NOT NULL, opening INTEGER NOT NULL, a_first INTEGER NOT NULL,
    first TEXT NOT NULL REFERENCES player, second TEXT NOT NULL REFERENCES player,
    opening_plies INTEGER NOT NULL, moves TEXT NOT NULL, score REAL NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    first_seconds REAL NOT NULL, second_seconds REAL NOT NULL, seed TEXT NOT NULL,
    finished TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (event, meeting, opening, a_first)
) STRICT;
"""


class LedgerGame(NamedTuple):
    """A finished game as the ledger keeps it."""

    meeting: int  # which of the event's meetings of two players
    opening: int  # which of the meeting's openings
    a_first: bool  # the meeting's first player moved first
    first: str  # identity key of who moved first
    second: str
    opening_plies: int  # the moves that neither player chose
    moves: tuple[int, ...]  # actions of the whole game
    score: float  # for the first player: 1, 0.5 or 0
    reason: Reason
    detail: str
    first_seconds: float
    second_seconds: float
    seed: str  # of the generator of the games played side by side with this one


class OtherLosses(NamedTuple):
    """Games that a player lost other than on the board."""

    player: str
    reason: Reason
    games: int
    detail: str  # of one of them


def is_ledger(path: Path) -> bool:
    """Whether `path` is a file of SQLite: opened as a ledger, an empty file would become one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


class Ledger:
    """The ledger in the file `path`, made where there is none. ValueError where the file is something else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")  # a power cut loses nothing either
            self._prepare()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def enter(self, identity: Identity) -> str:
        """Make a player known; its key. A player known already keeps the newest of the texts it was called by."""
        details = identity.details
        with self._told():
            self._file.execute(
                "INSERT INTO player VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
                (identity.key, identity.name, details["game"], details["game_version"], json.dumps(details)),
            )
        return identity.key

    def begin(self, game: Game, title: str, settings: Mapping[str, Any]) -> str:
        """Begin the event of these settings, or go on with it; its id, which follows from them."""
        text = json.dumps([game.name, game.version, title, settings], sort_keys=True)
        event = hashlib.sha256(text.encode()).hexdigest()[:16]
        with self._told():
            self._file.execute(
                "INSERT OR IGNORE INTO event (id, game, version, title, settings) VALUES (?, ?, ?, ?, ?)",
                (event, game.name, game.version, title, json.dumps(settings)),
            )
        return event

    def add(self, event: str, games: Iterable[LedgerGame]) -> None:
        """Write finished games, all or none, but for those that are there."""
        rows = [(event, *g._replace(moves=" ".join(map(str, g.moves)))) for g in games]  # type: ignore[arg-type]
        with self._told(), self._file:
            self._file.execute("BEGIN")
            self._file.executemany(
                "INSERT OR IGNORE INTO game (event, meeting, opening, a_first, first, second, opening_plies, moves, score,"
                f" reason, detail, first_seconds, second_seconds, seed) VALUES ({', '.join('?' * 14)})",
                rows,
            )

    def games(self, event: str, meeting: int | None = None) -> list[LedgerGame]:
        """The games of an event, or of one of its meetings, in order of meeting, opening and seats."""
        only = "" if meeting is None else "AND meeting = ?"
        with self._told():
            rows = self._file.execute(
                "SELECT meeting, opening, a_first, first, second, opening_plies, moves, score, reason, detail, first_seconds,"
                f" second_seconds, seed FROM game WHERE event = ? {only} ORDER BY meeting, opening, a_first DESC",
                (event,) if meeting is None else (event, meeting),
            ).fetchall()
        games = [LedgerGame(*row) for row in rows]
        return [g._replace(a_first=bool(g.a_first), moves=tuple(map(int, str(g.moves).split()))) for g in games]

    def rules(self) -> list[tuple[str, int]]:
        """The games, with the version of their rules, that the ledger has games of."""
        with self._told():
            return self._file.execute(
                "SELECT DISTINCT event.game, event.version FROM game JOIN event ON game.event = event.id ORDER BY 1, 2"
            ).fetchall()

    def results(self, game: str, version: int, event: str | None = None) -> tuple[list[Result], int]:
        """Results of a game, or of one event in it, for the rating, and how many games are copies.

        In every result `a` moved first. Games of a player against itself are left out. A copy, the same players in the same
        seats making the same moves to the same result, tells nothing new and is not counted. Players go by the name they
        were last called; where two have one name, by a piece of their key too.
        """
        only = "" if event is None else "AND event.id = ?"
        with self._told():
            rows = self._file.execute(
                "SELECT first, second, score, COUNT(*) FROM game JOIN event ON game.event = event.id"
                f" WHERE event.game = ? AND event.version = ? {only} GROUP BY first, second, moves, score",
                (game, version) if event is None else (game, version, event),
            ).fetchall()
        names = self.names()
        counts: dict[tuple[str, str], Counter[float]] = {}
        for first, second, score, _ in rows:
            if first == second:
                continue
            counts.setdefault((names[first], names[second]), Counter())[score] += 1
        results = [Result(a, b, n[1.0], n[0.5], n[0.0]) for (a, b), n in sorted(counts.items())]
        return results, sum(row[3] - 1 for row in rows)

    def losses(self, game: str, version: int, event: str | None = None) -> list[OtherLosses]:
        """Games of a game, or of one event in it, that were lost other than on the board, by player and reason."""
        only = "" if event is None else "AND event.id = ?"
        with self._told():
            rows = self._file.execute(
                "SELECT CASE WHEN score = 0 THEN first ELSE second END AS loser, reason, COUNT(*), MIN(detail)"
                " FROM game JOIN event ON game.event = event.id"
                " WHERE event.game = ? AND event.version = ? AND reason NOT IN ('normal', 'adjudication')"
                f" {only} GROUP BY loser, reason ORDER BY loser, reason",
                (game, version) if event is None else (game, version, event),
            ).fetchall()
        names = self.names()
        return sorted(OtherLosses(names[loser], *rest) for loser, *rest in rows)

    def records(self) -> Iterator[GameRecord]:
        """Every game as files keep it, in the order in which they were finished.

        Without a date, by which studies and AlphaGo's pipeline would take all games of two players for one event.
        """
        names = self.names()
        with self._told():
            rows = self._file.execute(
                "SELECT event.game, first, second, moves, score, reason FROM game JOIN event ON game.event = event.id"
                " ORDER BY game.rowid"
            )
            for number, (game, first, second, moves, score, reason) in enumerate(rows, 1):
                how = f"{'BW'[score == 0]}+{LOST.get(reason, 'Forfeit')}"
                yield GameRecord(
                    game=game,
                    actions=tuple(map(int, moves.split())),
                    result=2 * score - 1,
                    players=(names[first], names[second]),
                    headers={} if reason in ON_THE_BOARD else {"result": how},
                    source=f"{self.path}:{number}",
                )

    def names(self) -> dict[str, str]:
        """What to call each player, by key; unique within a game."""
        with self._told():
            rows = self._file.execute("SELECT id, name, game, version FROM player ORDER BY rowid").fetchall()
        used = Counter(row[1:] for row in rows)
        return {row[0]: row[1] if used[row[1:]] == 1 else f"{row[1]} #{row[0][:4]}" for row in rows}

    def details(self, key: str) -> dict[str, Any]:
        """The identity of a player, by its key."""
        with self._told():
            (text,) = self._file.execute("SELECT details FROM player WHERE id = ?", (key,)).fetchone()
        return dict(json.loads(text))

    def _prepare(self) -> None:
        self._file.execute("BEGIN IMMEDIATE")  # one process makes the tables, the others wait
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        (tables,) = self._file.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        if not tables:
            for statement in filter(str.strip, _TABLES.split(";")):
                self._file.execute(statement)
            self._file.execute(f"PRAGMA user_version = {FORMAT}")
        self._file.execute("COMMIT")
        if tables and version != FORMAT:
            raise ValueError(f"{self.path} is no ledger of this version: name another file with --ledger")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours: one line that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise ValueError(f"the ledger {self.path} cannot be used: {error}") from None
