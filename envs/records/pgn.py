"""Portable Game Notation (Edwards 1994): chess, parsed and written by python-chess.

The main line is read; comments, variations and marks of praise are not. A game may begin anywhere (the tag FEN): its record's
game is then `chess:fen=...`. Other variants of chess, Chess960 among them, are skipped.

A game in a file may go on where it ends here, when nobody claimed a draw by repetition or by fifty moves: it is read as it was
played, and `replay` refuses it.

Files are UTF-8 or, as the standard has it, Latin-1. A game ends with its result, as the standard demands: one without is cut
off, and skipped.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TextIO

import chess
import chess.pgn

from envs.chess_actions import actions_of, move_of
from envs.chess_game import Chess
from envs.records import GameRecord, Skipped, make_game
from envs.words import number_of

RESULTS = {"1-0": 1.0, "0-1": -1.0, "1/2-1/2": 0.0, "*": None}
LONGEST = 2**20  # bytes of a game
COLUMNS = 80  # of the moves' lines, as the standard's export format has them
HEADERS = {  # tag -> header; other tags keep their names
    "Event": "event",
    "Site": "site",
    "Date": "date",
    "Round": "round",
    "TimeControl": "time",
    "WhiteElo": "first_rank",
    "BlackElo": "second_rank",
    "WhiteTeam": "first_team",
    "BlackTeam": "second_team",
    "Annotator": "annotator",
    "Opening": "opening",
    "Source": "source",
}
TAGS = {header: tag for tag, header in HEADERS.items()}
OWN = ("White", "Black", "Result", "FEN", "SetUp", "Variant")  # tags that are no headers of a record
STANDARD = ("", "standard", "chess", "normal", "from position")  # `Variant`
REASONS: dict[type[Exception], str] = {
    chess.IllegalMoveError: "illegal move",
    chess.AmbiguousMoveError: "ambiguous move",
    chess.InvalidMoveError: "no such move",
}
TAG = re.compile(rb"\[\s*([A-Za-z0-9]\w*)\s+\"")


def read(file: BinaryIO, source: str, game: str | None) -> Iterator[GameRecord | Skipped]:
    """The games in `file`; see `envs.records` for the arguments. Of "chess" any start position is wanted."""
    number = 0
    for chunk in _chunks(file):
        if len(chunk) > LONGEST:
            number += 1
            yield Skipped(f"{source}:{number}", "game too long", f"more than {LONGEST:,} bytes")
            continue
        lines = io.StringIO(_decoded(chunk))
        while (found := _next(lines)) is not None:
            if found.seen:
                number += 1
                yield found.record(f"{source}:{number}", game)
    if number == 0:
        yield Skipped(source, "no game in the file")


def write(file: TextIO, records: Iterable[GameRecord]) -> None:
    """One game after another. ValueError for another game than chess, and for moves that are illegal."""
    for record in records:
        file.write(_game(record).accept(chess.pgn.StringExporter(columns=COLUMNS)) + "\n\n")


class _Reader(chess.pgn.BaseVisitor["_Reader"]):
    """What python-chess finds in one game."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.actions: list[int] = []
        self.ending: str | None = None  # of the moves
        self.damage: tuple[str, str] | None = None  # reason, detail
        self.game, self.to_play = "chess", 0

    @property
    def seen(self) -> bool:
        """False of text that has nothing of a game."""
        return bool(self.tags or self.actions or self.ending or self.damage)

    def visit_header(self, tagname: str, tagvalue: str) -> None:
        self.tags[tagname] = re.sub(r"\\(.)", r"\1", tagvalue).strip()

    def end_headers(self) -> chess.pgn.SkipType | None:
        variant, fen = self.tags.get("Variant", ""), self.tags.get("FEN", "")
        if variant.lower() not in STANDARD:
            self.damage = ("another variant of chess", variant[:40])
            return chess.pgn.SKIP
        try:
            rules = make_game(f"chess:fen={fen.replace(' ', '_')}" if fen else "chess")
        except ValueError as error:
            self.damage = ("no such start position", str(error))
            return chess.pgn.SKIP
        self.game, self.to_play = rules.name, int(rules.reset(1)["to_play"][0])
        return None

    def visit_move(self, board: chess.Board, move: chess.Move) -> None:
        if move:
            self.actions += actions_of([move], board.turn)
        else:
            self.damage = self.damage or ("null move", f"after {number_of(len(self.actions), 'move')}")

    def begin_variation(self) -> chess.pgn.SkipType:
        return chess.pgn.SKIP

    def visit_result(self, result: str) -> None:
        self.ending = result

    def handle_error(self, error: Exception) -> None:
        where = f"after {number_of(len(self.actions), 'move')}: {error}"
        self.damage = self.damage or (REASONS.get(type(error), "damaged game"), where)

    def result(self) -> _Reader:
        return self

    def record(self, source: str, wanted: str | None) -> GameRecord | Skipped:
        """The game as a record, or why it is none."""
        if wanted is not None:
            asked = make_game(wanted)
            if not isinstance(asked, Chess):
                return Skipped(source, "another game", f"chess, not {wanted}")
            if asked.fen and asked.name != self.game:
                return Skipped(source, "another start position", f"{self.game}, not {asked.name}")
        if self.damage:
            return Skipped(source, *self.damage)
        if self.ending is None:
            return Skipped(source, "no result at the end", f"cut off after {number_of(len(self.actions), 'move')}")
        said = self.tags.get("Result", "*")
        known = {tag: text for tag, text in self.tags.items() if text not in ("", "?", "-", "????.??.??")}
        headers = {HEADERS.get(tag, tag): text for tag, text in known.items() if tag not in OWN}
        if "date" in headers:
            headers["date"] = headers["date"].replace(".??", "").replace(".", "-")
        return GameRecord(
            game=self.game,
            actions=tuple(self.actions),
            result=RESULTS[self.ending if said not in RESULTS or said == "*" else said],
            players=(known.get("White", ""), known.get("Black", "")),
            headers=headers,
            to_play=self.to_play,
            source=source,
        )


def _next(lines: TextIO) -> _Reader | None:
    """What stands up to the next end of a game; None at the end of `lines`."""
    try:
        return chess.pgn.read_game(lines, Visitor=_Reader)
    except ValueError as error:  # a mark $ with thousands of digits
        damaged = _Reader()
        damaged.damage = ("damaged game", str(error))
        return damaged


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """The file cut before the tags of each game, so that no fault reaches the next game; cut short beyond `LONGEST`.

    A game's tags begin with the first after moves, or with `Event` again.
    """
    chunk, in_moves, titled = bytearray(), False, False
    while line := file.readline(LONGEST):
        line = line.removeprefix(codecs.BOM_UTF8)
        tag = TAG.match(line)
        titles = tag is not None and tag[1] == b"Event"
        if tag and (in_moves or (titles and titled)):
            yield bytes(chunk)
            chunk, in_moves, titled = bytearray(), False, False
        titled |= titles
        in_moves |= not tag and bool(line.strip())
        if len(chunk) <= LONGEST:
            chunk += line
    yield bytes(chunk)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _game(record: GameRecord) -> chess.pgn.Game:
    """`record` as python-chess has it."""
    where = record.source or "record"
    rules = make_game(record.game)
    if not isinstance(rules, Chess):
        raise ValueError(f"{where}: PGN holds games of chess, not of {record.game}: write .moves")
    if record.setup:
        raise ValueError(f"{where}: PGN knows no stones set up beforehand: name a start position, chess:fen=...")
    game = chess.pgn.Game()
    for header, text in record.headers.items():
        tag = TAGS.get(header, header)
        if tag[:1].isupper() and chess.pgn.TAG_NAME_REGEX.match(tag) and tag not in OWN:  # others are of other formats
            game.headers[tag] = _quoted(_dotted(text) if tag == "Date" else text)
    for tag, name in zip(("White", "Black"), record.players, strict=True):
        game.headers[tag] = _quoted(name) or "?"
    game.headers["Result"] = next(text for text, result in RESULTS.items() if result == record.result)
    if rules.fen:
        game.setup(rules.fen)
    board = game.board()
    for count, action in enumerate(record.actions, 1):
        if action not in actions_of(list(board.legal_moves), board.turn):
            raise ValueError(f"{where}: move {count}, action {action}, is illegal")
        board.push(move_of(action, board))
    game.add_line(board.move_stack)
    return game


def _quoted(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')


def _dotted(date: str) -> str:
    """A date as PGN has it, what is not known in question marks; other text as it is.

    >>> _dotted("2026-11-23"), _dotted("2026"), _dotted("last spring")
    ('2026.11.23', '2026.??.??', 'last spring')
    """
    if not re.fullmatch(r"\d{4}(-\d\d){0,2}", date):
        return date
    return ".".join([*date.split("-"), "??", "??"][:3])
