"""Game records: files of finished games, read, replayed through the rules and written.

The format is chosen by the file's suffix, `.gz` may follow it:

    .sgf .hsgf   Smart Game Format: Go, Gomoku, Hex, Othello         `sgf`
    .pgn         Portable Game Notation: chess                       `pgn`
    .moves       a plain list of moves, for every game               `moves`

A record is what the file says; `replay` says whether the rules allow it. A game that cannot be read becomes a `Skipped`
with its reason, and the games after it are read.

A format is a module with two functions:

    read(file: BinaryIO, source: str, game: str | None) -> Iterator[GameRecord | Skipped]
    write(file: TextIO, records: Iterable[GameRecord]) -> None

`file` is not compressed; records are numbered `source:1`, `source:2` ... with the skipped ones counted. `game` is None, or the
only game wanted: those of another become skipped ones (`check_wanted`). Whatever `file` holds, `read` raises nothing, takes
time in proportion to its length and keeps no more of it than one game.
"""

from __future__ import annotations

import functools
import gzip
import importlib
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO, cast

import numpy as np
from numpy.typing import NDArray

import envs
from envs import Game, States, adapters
from envs.files import replacing

LONGEST_DETAIL = 200  # characters
BOARD_OPTIONS = ("size", "width", "height", "m", "n", "k")  # a record of another board is another game
FORMATS = {".sgf": "sgf", ".hsgf": "sgf", ".pgn": "pgn", ".moves": "moves"}


@dataclass(frozen=True)
class GameRecord:
    """A game as it was played. Players are 0, the first, and 1, the second.

    `headers` is whatever else the file says, as text. These keys are the same in every format: event, site, date, round,
    name (of the game), source, result (in full, such as W+Resign), komi, rules, handicap, time, first_rank, second_rank.
    """

    game: str  # as `envs.make` takes it
    actions: tuple[int, ...]
    result: float | None = None  # for the first player: 1 won, 0 drawn, -1 lost; None where unknown
    players: tuple[str, str] = ("", "")  # names of the first and the second, empty where unknown
    headers: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[tuple[int, int], ...] = ()  # (player, action): stones on the board before the first of `actions`
    to_play: int = 0  # the player who makes the first of `actions`
    source: str = field(default="", compare=False)  # "file:number", games counted from 1


@dataclass(frozen=True)
class Skipped:
    """A game that was not read."""

    source: str  # "file:number"
    reason: str  # short, the same for the same fault, so that it can be counted
    detail: str = ""  # where, and what was found: a line of text that can be printed

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail, LONGEST_DETAIL))


class RefusedError(Exception):
    """Why a game is not read: the reason and the detail of a `Skipped`."""


class Format(Protocol):
    """What a module of this package offers."""

    def read(self, file: BinaryIO, source: str, game: str | None) -> Iterator[GameRecord | Skipped]: ...

    def write(self, file: TextIO, records: Iterable[GameRecord]) -> None: ...


def read(path: str | Path, game: str | None = None) -> Iterator[GameRecord | Skipped]:
    """The games in `path`, a file or a folder with everything below it, in the order of names.

    With `game` only those on its board are read: with "go9" whatever their komi and ko rule. ValueError where there is
    nothing to read.
    """
    path = Path(path)
    if game is not None:
        envs.make(game)  # ValueError where there is no such game
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _suffix(file) in FORMATS and file.is_file()]
        if not files:
            raise ValueError(f"{path} holds no game records: files that end in {', '.join(FORMATS)}, or these with .gz")
    elif path.exists():
        files = [path]
    else:
        raise ValueError(f"there is no file or folder {path}")
    forms = [_format(file) for file in files]
    return itertools.chain.from_iterable(map(_read_file, files, forms, itertools.repeat(game)))


def write(path: str | Path, records: Iterable[GameRecord]) -> None:
    """Write `records` to `path`, atomically. ValueError where its format cannot hold one of them."""
    path = Path(path)
    form = _format(path)
    with replacing(path) as file:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:  # the same bytes at any time
                _write_text(form, cast(BinaryIO, packed), records)
        else:
            _write_text(form, file, records)


def replay(record: GameRecord, game: Game | None = None) -> States:
    """[T + 1] the states before each of the T actions of `record`, and the last.

    `game` holds instead of the record's own: other ko rules, for one. Stones set up beforehand are played in turn, the
    side without a stone left passing, so that `ply` counts them. ValueError names the first illegal move.
    """
    game = game or make_game(record.game)
    source = record.source or "record"
    states, allowed = _set_up([record], game)
    if not allowed[0]:
        begins = f"{len(record.setup)} stones, the {('first', 'second')[record.to_play]} player to move"
        raise ValueError(f"{source}: {game.name} cannot be set up as this record begins: {begins}")
    line = [states]
    for count, action in enumerate(record.actions, 1):
        if not _allowed(game, states, np.array([action]))[0]:
            name = game.action_name(action) if 0 <= action < game.num_actions else f"action {action}"
            over = ", the game is over" if game.terminal(states)[0] else ""
            raise ValueError(f"{source}: move {count}, {name}, is illegal{over}")
        states = game.step(states, np.array([action]))
        line.append(states)
    return np.concatenate(line)


def last_states(records: Sequence[GameRecord], game: Game) -> tuple[States, NDArray[np.bool_]]:
    """[B] the state after the last action of each of `records`, all played under `game` side by side; [B] whether every
    action was legal. A game stops at its first illegal action, which `replay` names."""
    states, legal = _set_up(records, game)
    legal &= _play(game, states, [record.actions if fine else () for record, fine in zip(records, legal, strict=True)])
    return states, legal


def printable(text: str, longest: int) -> str:
    r"""`text` from a file that a stranger wrote, on one line, cut after `longest` characters and with nothing that moves a
    terminal's cursor.

    >>> printable("two\nlines\x1b[2J and more", 15)
    'two lines\ufffd[2J a'
    """
    words = " ".join(text[: 2 * longest].split())
    return "".join(c if c.isprintable() else "\ufffd" for c in words[:longest])


@functools.lru_cache(4096)
def make_game(spec: str) -> Game:
    """`envs.make`, once for all records of a game."""
    return envs.make(spec)


@functools.lru_cache(4096)
def board_name(spec: str) -> str:
    """The game and its board, without komi and other rules.

    >>> board_name("go9:superko=simple"), board_name("mnk:m=7,n=6,k=4,exact=true"), board_name("hex")
    ('go:size=9', 'mnk:m=7,n=6,k=4', 'hex:size=11')
    """
    if spec.partition(":")[0] in adapters.LIBRARIES:
        return spec
    name, options = envs.split(make_game(spec).name)
    board = ",".join(f"{key}={value}" for key, value in options.items() if key in BOARD_OPTIONS)
    return f"{name}:{board}" if board else name


@functools.lru_cache(4096)
def check_wanted(spec: str, wanted: str | None) -> None:
    """RefusedError where `spec` is not the game `wanted`, or is on another board. None is every game."""
    if wanted is None:
        return
    found, asked = board_name(spec), board_name(wanted)
    if found != asked:
        same = found.partition(":")[0] == asked.partition(":")[0]
        raise RefusedError("another board" if same else "another game", f"{found}, not {asked}")


def _set_up(records: Sequence[GameRecord], game: Game) -> tuple[States, NDArray[np.bool_]]:
    """[B] the states before the first action of each record, and [B] whether the rules allow its set-up."""
    states = game.reset(len(records))
    openings = [opening(record, game) for record in records]
    if not any(openings):  # none has any stones
        return states, np.array([opening is not None for opening in openings], np.bool_)
    before = np.count_nonzero(game.board(states), axis=(1, 2))
    allowed = _play(game, states, [opening or () for opening in openings])
    placed = np.count_nonzero(game.board(states), axis=(1, 2)) - before
    stones = [len(record.setup) if opening else 0 for record, opening in zip(records, openings, strict=True)]
    whole = placed == stones  # False where stones were captured on the way
    return states, allowed & whole & [opening is not None for opening in openings]


def opening(record: GameRecord, game: Game) -> tuple[int, ...] | None:
    """The actions that set the stones of `record.setup` up, and leave the turn to `record.to_play`; None where the game
    cannot do that. There are none where the game begins so: with a handicap.

    In Go no stone is captured on the way if each chain has a liberty in the end: until then it has one where the rest of
    it, or of a neighbour, will stand.
    """
    first, passing = _first_and_pass(game.name)
    if record.setup == start_stones(game.name) and record.to_play == first:
        return ()
    stones = [[action for player, action in record.setup if player == who] for who in (0, 1)]
    leads, follows = stones[first], stones[1 - first]
    behind = int(record.to_play != first)  # the first to play makes one turn more
    turns = max(len(leads) - behind, len(follows))
    missing = (turns + behind - len(leads), turns - len(follows))
    if any(missing):
        if passing is None:
            return None
        leads, follows = [passing] * missing[0] + leads, [passing] * missing[1] + follows
    return tuple(itertools.chain.from_iterable(zip(leads, follows, strict=False))) + tuple(leads[len(follows) :])


@functools.lru_cache(256)
def start_stones(spec: str) -> tuple[tuple[int, int], ...]:
    """(player, point) of the stones that the game `spec` begins with, sorted."""
    game = make_game(spec)
    board = game.board(game.reset(1)).reshape(-1)
    return tuple(sorted((int(board[point] < 0), int(point)) for point in board.nonzero()[0]))


@functools.lru_cache(256)
def _first_and_pass(spec: str) -> tuple[int, int | None]:
    """Who moves first in the game `spec`, and the action that passes, if there is one."""
    game = make_game(spec)
    first = int(game.reset(1)["to_play"][0])
    try:
        return first, game.parse_action("pass")
    except ValueError:
        return first, None


def _play(game: Game, states: States, lines: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Play each of `lines` in its row of `states` [B], in place, up to its first illegal action; [B] whether there was none."""
    lengths = np.array([len(line) for line in lines], np.int64)
    actions = np.full((len(lines), lengths.max(initial=0)), -1, np.int64)
    for row, line in zip(actions, lines, strict=True):
        row[: len(line)] = line
    legal = np.ones(len(lines), np.bool_)
    for ply in range(actions.shape[1]):
        rows = np.flatnonzero(legal & (lengths > ply))
        allowed = _allowed(game, states[rows], actions[rows, ply])
        legal[rows[~allowed]] = False
        rows = rows[allowed]
        states[rows] = game.step(states[rows], actions[rows, ply])
    return legal


def _allowed(game: Game, states: States, actions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[B] whether each action is one, and legal."""
    known = (actions >= 0) & (actions < game.num_actions)
    return known & game.legal(states)[np.arange(len(states)), np.where(known, actions, 0)]


class _Unpacked(io.RawIOBase):
    """What can be read of a gzip file: it ends where it is damaged."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self.damage = ""  # empty where there is none

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of all that RawIOBase may be given
        try:
            piece = self._file.read1(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = str(error)
            return 0
        buffer[: len(piece)] = piece
        return len(piece)


def _suffix(path: Path) -> str:
    """The suffix that tells the format, in small letters, without `.gz`."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _format(path: Path) -> Format:
    suffix = _suffix(path)
    if suffix not in FORMATS:
        raise ValueError(
            f"{path} is no game record: the name ends in none of {', '.join(FORMATS)}, with or without .gz"
        )
    return cast(Format, importlib.import_module(f"envs.records.{FORMATS[suffix]}"))


def _read_file(path: Path, form: Format, game: str | None) -> Iterator[GameRecord | Skipped]:
    try:
        with path.open("rb") as file:
            if path.suffix.lower() != ".gz":
                yield from form.read(file, str(path), game)
                return
            unpacked = _Unpacked(gzip.GzipFile(fileobj=file))
            yield from form.read(io.BufferedReader(unpacked), str(path), game)
            if unpacked.damage:
                yield Skipped(str(path), "damaged gzip file", unpacked.damage)
    except OSError as error:
        yield Skipped(str(path), "file cannot be read", str(error))


def _write_text(form: Format, file: BinaryIO, records: Iterable[GameRecord]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="\n")
    form.write(text, records)
    text.detach()  # flushed; `file` stays open
