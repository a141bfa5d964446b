"""The engine: one method a command.

Games are scored by area, as they stand: dead stones count until they are taken off, so the engine takes them off where it
matters.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from agents.search import Search
from arena.clock import Left, TimeControl
from arena.gtp import analysis, words
from arena.gtp.board import Board, fixed_handicap
from arena.gtp.protocol import Answer, Command, Conversation, GTPError
from arena.gtp.seat import Seat, choice
from arena.kata import rules as kata_rules
from arena.kata.found import found
from arena.look import deepening
from envs.go import Go
from envs.records import Skipped, sgf

NAME, PROTOCOL = "arena", "2"
ANALYSIS_NODES = 20_000
STATUSES = ("alive", "dead", "seki")
KGS_RULES = {"chinese": "chinese-kgs", "aga": "aga", "japanese": "japanese", "new_zealand": "new-zealand"}


class Engine:
    """What a controller can ask of a player at a board. An analysis stops growing at `nodes` positions."""

    def __init__(self, seat: Seat, *, nodes: int = ANALYSIS_NODES) -> None:
        self.seat, self.nodes = seat, nodes
        self.waiting: Callable[[], bool] = lambda: False  # True once another command has come
        self.quits: Callable[[], None] = lambda: None

    @property
    def board(self) -> Board:
        return self.seat.board

    @property
    def game(self) -> Go:
        return self.board.game

    @property
    def spec(self) -> str:
        return self.seat.spec

    # Administration

    def protocol_version(self) -> Answer:
        return PROTOCOL

    def name(self) -> Answer:
        return f"{NAME} {self.spec}"

    def version(self) -> Answer:
        from importlib.metadata import version

        return version("selfplay-arena")

    def known_command(self, command: str = "") -> Answer:
        return "true" if command in self.commands() else "false"

    def list_commands(self) -> Answer:
        return "\n".join(self.commands())

    def quit(self) -> Answer:
        self.quits()
        return ""

    def stop(self) -> Answer:
        """An analysis has ended before this is read."""
        return ""

    def clear_cache(self) -> Answer:
        self.seat.forget()
        return ""

    # Setting up

    def boardsize(self, size: str) -> Answer:
        board = Board(self.game)
        board.rules, board.komi = self.board.rules, self.board.komi
        board.resize(words.whole(size))
        self.seat.sit_at(board)
        return ""

    def clear_board(self) -> Answer:
        self.board.clear()
        self.seat.set_clocks(self.seat.control)
        return ""

    def komi(self, komi: str) -> Answer:
        try:
            self.board.set_komi(float(komi))
        except ValueError:
            raise GTPError("syntax error: not a number") from None
        return ""

    def get_komi(self) -> Answer:
        return f"{self.board.komi:g}"

    def fixed_handicap(self, stones: str) -> Answer:
        return self.board.handicap(fixed_handicap(self.game.size, words.whole(stones)))

    def place_free_handicap(self, stones: str) -> Answer:
        """The protocol allows to place fewer than asked for: no more than there are handicap points."""
        count = words.whole(stones)
        if count >= self.game.size**2:
            raise GTPError("invalid number of stones")
        for fewer in range(min(count, 9), 2, -1):
            try:
                return self.board.handicap(fixed_handicap(self.game.size, fewer))
            except GTPError as refusal:
                if not str(refusal).startswith("invalid number"):
                    raise
        return self.board.handicap(fixed_handicap(self.game.size, min(count, 2)))

    def set_free_handicap(self, *vertices: str) -> Answer:
        points = [analysis.vertex(self.game, vertex) for vertex in vertices]
        if len(points) < 2 or self.game.num_actions - 1 in points:
            raise GTPError("bad vertex list")
        return self.board.handicap(points)

    def set_position(self, *told: str) -> Answer:
        if len(told) % 2:
            raise GTPError("syntax error: colors and vertices in turn")
        pairs = zip(told[::2], told[1::2], strict=True)
        stones = [(words.colour(colour), analysis.vertex(self.game, vertex)) for colour, vertex in pairs]
        if any(point == self.game.num_actions - 1 for _, point in stones):
            raise GTPError("illegal position")
        self.board.set_position(stones, to_play=0, refusal="illegal position")
        return ""

    def loadsgf(self, path: str, move: str = "") -> Answer:
        """The position before move number `move`, or the last."""
        last = words.whole(move) - 1 if move else None
        if last is not None and last < 0:
            raise GTPError("syntax error: moves are counted from 1")
        try:
            if not Path(path).is_file():  # a pipe would never end
                raise GTPError("cannot load file: no such file")
            with Path(path).open("rb") as file:
                record = next(sgf.read(file, path, None))
        except OSError as error:
            raise GTPError(f"cannot load file: {error.strerror}") from None
        if isinstance(record, Skipped):
            raise GTPError(f"cannot load file: {record.reason} {record.detail}".rstrip())
        if not record.game.startswith("go:"):
            raise GTPError(f"cannot load file: it holds {record.game}")
        board = Board(self.game)
        board.load(record, last)
        self.seat.sit_at(board)
        return ""

    def printsgf(self) -> Answer:
        text = io.StringIO()
        sgf.write(text, [self.board.record()])
        return text.getvalue().strip()

    # Rules

    def kata_get_rules(self) -> Answer:
        return json.dumps(kata_rules.described(self.board.rules))

    def kata_set_rules(self, *told: str) -> Answer:
        text = " ".join(told)
        try:
            told_rules = json.loads(text) if text.startswith("{") else text
        except (ValueError, RecursionError):
            raise GTPError("syntax error: no JSON") from None
        self._set_rules(told_rules)
        return ""

    def kata_set_rule(self, field: str, value: str) -> Answer:
        self._set_rules({field: words.BOOLEANS.get(value.lower(), value)})
        return ""

    def kgs_rules(self, name: str) -> Answer:
        if name not in KGS_RULES:
            raise GTPError("unknown rules")
        self._set_rules(KGS_RULES[name])
        return ""

    # Playing

    def play(self, colour: str, vertex: str) -> Answer:
        self.board.play(words.colour(colour), analysis.vertex(self.game, vertex))
        return ""

    def genmove(self, colour: str) -> Answer:
        mover = words.colour(colour)
        action = self.seat.choose(mover)
        if action is None:
            return "resign"
        self.board.play(mover, action)
        return self.game.action_name(action)

    def reg_genmove(self, colour: str) -> Answer:
        action = self.seat.choose(words.colour(colour))
        return "resign" if action is None else self.game.action_name(action)

    def undo(self, *_rest: str) -> Answer:
        """qGo says `undo 0`, which GNU Go takes for `undo`."""
        self.board.undo()
        return ""

    # Time

    def time_settings(self, main: str, period: str, stones: str) -> Answer:
        overtime, moves = words.number(period), words.whole(stones)
        if overtime == 0:
            self.seat.set_clocks(TimeControl(words.number(main)))
        elif moves == 0:  # the protocol's way to say: no limits
            words.number(main)
            self.seat.set_clocks(TimeControl())
        else:
            self.seat.set_clocks(TimeControl(words.number(main), overtime, moves, 1))
        return ""

    def kgs_time_settings(self, kind: str, *numbers: str) -> Answer:
        if kind == "none" and not numbers:
            self.seat.set_clocks(TimeControl())
        elif kind == "absolute" and len(numbers) == 1:
            self.seat.set_clocks(TimeControl(words.number(numbers[0])))
        elif kind in ("canadian", "byoyomi") and len(numbers) == 3:
            main, period, count = words.number(numbers[0]), words.number(numbers[1]), words.whole(numbers[2])
            if period == 0 or count == 0:
                raise GTPError("syntax error: overtime without time or moves")
            stones, periods = (count, 1) if kind == "canadian" else (1, count)
            self.seat.set_clocks(TimeControl(main, period, stones, periods))
        else:
            raise GTPError("syntax error")
        return ""

    def time_left(self, colour: str, seconds: str, stones: str) -> Answer:
        """Stones are 0 in main time; KGS gives the periods left in their place under byo-yomi."""
        side, left, count = words.colour(colour), words.number(seconds), words.whole(stones)
        if not self.seat.control.limited and left > 0:
            self.seat.set_clocks(TimeControl(period=left, stones=count, periods=1) if count else TimeControl(left))
        control = self.seat.control
        if count == 0:
            self.seat.clocks[side].left = Left(left, control.period, control.stones, control.periods)
        elif control.stones == 1:
            self.seat.clocks[side].left = Left(0.0, left, 1, count)
        else:
            self.seat.clocks[side].left = Left(0.0, left, count, 1)
        return ""

    # Judging

    def final_score(self) -> Answer:
        score = self.board.score()
        return f"{'B' if score > 0 else 'W'}+{abs(score):g}" if score else "0"

    def final_status_list(self, status: str) -> Answer:
        if status not in STATUSES:
            raise GTPError("invalid status")
        return "\n".join(self.board.chains()) if status == "alive" else ""

    def showboard(self) -> Answer:
        return "\n" + self.game.show(self.board.state[0])

    # Analysing

    def lz_analyze(self, *told: str) -> Answer:
        return self._analysis(told, analysis.leela)

    def kata_analyze(self, *told: str) -> Answer:
        return self._analysis(told, analysis.kata)

    def lz_genmove_analyze(self, *told: str) -> Answer:
        return self._genmove_analysis(told, analysis.leela)

    def kata_genmove_analyze(self, *told: str) -> Answer:
        return self._genmove_analysis(told, analysis.kata)

    def kata_raw_nn(self, symmetry: str = "0") -> Answer:
        if self.seat.insight is None:
            raise GTPError(f"{self.spec} has no network")
        count = self.seat.insight.symmetries
        chosen = range(count) if symmetry == "all" else [words.whole(symmetry)]
        if chosen[-1] >= count:
            raise GTPError(f"syntax error: a symmetry is 0 to {count - 1}, or all")
        state = self.board.ready(self.board.to_play)
        legal = self.game.legal(state)[0]
        white = bool(state["to_play"][0])
        return "\n".join(analysis.raw(self.seat.insight, self.seat.insight(state, s), s, white, legal) for s in chosen)

    # What the commands are made of

    def commands(self) -> dict[str, Command]:
        """The commands by name."""
        return {name: getattr(self, method) for name, method in COMMANDS.items()}

    def _set_rules(self, told: object) -> None:
        try:
            rules, missing = kata_rules.parse(told, self.board.rules)
        except ValueError as error:
            raise GTPError(f"syntax error: {error}") from None
        if missing:
            raise GTPError(f"unsupported rules: {', '.join(missing)}")
        self.board.set_rules(rules)

    def _analysis(self, told: tuple[str, ...], write: analysis.Format) -> Iterator[str]:
        """A report every so often until another command waits."""
        asked, player = analysis.request(told, self.game, self.board.to_play), self.seat.searcher
        state = self.board.ready(asked.colour)
        if asked.avoid is not None and not np.delete(self.game.legal(state)[0], asked.avoid).any():
            raise GTPError("no move is left to look at")
        searches = deepening(
            player,
            state,
            self.seat.rng,
            nodes=self.nodes,
            interval=asked.interval,
            stop=self.waiting,
            avoid=asked.avoid,
        )
        for search in searches:
            yield self._report(search, asked, write)

    def _genmove_analysis(self, told: tuple[str, ...], write: analysis.Format) -> Iterator[str]:
        """Reports of the search for a move, the last one when it ends, and the move."""
        asked, player = analysis.request(told, self.game, self.board.to_play), self.seat.searcher
        if asked.avoid is not None:
            raise GTPError("syntax error: avoid and allow are for analyses without a move")
        due = self.seat.now() + asked.interval
        for search in self.seat.searching(player, self.board.ready(asked.colour), asked.colour):
            if self.seat.now() >= due:
                yield self._report(search, asked, write)
                due = self.seat.now() + asked.interval
        yield self._report(search, asked, write)
        action = choice(player, search)
        if action is None:
            yield "play resign"
            return
        self.board.play(asked.colour, action)
        yield f"play {self.game.action_name(action)}"

    def _report(self, search: Search, asked: analysis.Request, write: analysis.Format) -> str:
        eyes = self.seat.insight if write is analysis.kata else None  # Leela Zero's tells nothing of territory
        return write(found(self.game, search, 0, eyes, most=asked.most, least=asked.least), asked)


_AS_THEY_ARE = (
    "protocol_version name version known_command list_commands quit boardsize clear_board komi get_komi fixed_handicap"
    " place_free_handicap set_free_handicap set_position loadsgf printsgf play genmove reg_genmove undo time_settings time_left"
    " final_score final_status_list showboard clear_cache stop"
)
COMMANDS = {  # name -> method
    **{name: name for name in _AS_THEY_ARE.split()},
    "kgs-genmove_cleanup": "genmove",  # scored as it stands, the game is played so anyway
    "kgs-rules": "kgs_rules",
    "kgs-time_settings": "kgs_time_settings",
    "lz-analyze": "lz_analyze",
    "lz-genmove_analyze": "lz_genmove_analyze",
    "kata-analyze": "kata_analyze",
    "kata-genmove_analyze": "kata_genmove_analyze",
    "kata-raw-nn": "kata_raw_nn",
    "kata-get-rules": "kata_get_rules",
    "kata-set-rules": "kata_set_rules",
    "kata-set-rule": "kata_set_rule",
    "analyze": "kata_analyze",  # Sabaki's name; it reads decimal fractions
    "genmove_analyze": "kata_genmove_analyze",
}


def serve(engine: Engine, source: TextIO, out: TextIO) -> None:
    """Answer the commands of `source` until it ends or says quit."""
    conversation = Conversation(source, out)
    engine.waiting = conversation.waiting
    engine.quits = lambda: setattr(conversation, "over", True)
    conversation.run(engine.commands())


def run(game: Go, player: str, seed: int, source: TextIO, out: TextIO, *, resign: float | None = None) -> None:
    """The command: one conversation."""
    if isinstance(source, io.TextIOWrapper):
        source.reconfigure(errors="replace")  # whatever bytes come, they are commands or none
    serve(Engine(Seat(game, player, seed, resign=resign)), source, out)
