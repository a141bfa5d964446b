"""`arena gtp`: any player at any Go GUI, over the Go Text Protocol, version 2 (lists.gnu.org/archive/html/gnugo-devel,
"Specification of the Go Text Protocol, version 2, draft 2"), with the analysis commands that Sabaki, Lizzie and KaTrain use.

Every command answers; nothing that is typed stops the engine. A command that arrives while an analysis runs ends it. Games are
scored by area, as they stand: dead stones count until they are taken off, so the engine takes them off where it matters.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from scipy import ndimage

from agents.alphago.search import APVPlayer
from agents.players import SearchPlayer, looker, make_player
from agents.search import Search
from arena.look import Candidate, candidates, deepening
from envs import States, make
from envs.go import Go, handicap_points
from envs.records import Skipped, sgf

NAME, PROTOCOL = "arena", "2"
ANALYSIS_NODES = 20_000  # an analysis stops growing there
LAG = 0.2  # seconds of every move that are left to the GUI
MOVES_LEFT = 25  # a main time is spent as if so many moves were still to come

Answer = str | Iterator[str]  # an iterator goes on until the next command


class GTPError(Exception):
    """What the engine answers after a question mark."""


class Engine:
    """The board, its past and the player; one method a command."""

    def __init__(self, game: Go, player: str, seed: int) -> None:
        """ValueError where `player` is none, or does not play on this board."""
        self.game, self.spec, self.seed = game, player, seed
        self.player = make_player(game, player, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.past: list[States] = [game.reset(1)]  # [1] each, the newest last
        self.waiting: Callable[[], bool] = lambda: False  # True once another command has come
        self.running = True
        self._main, self._period, self._period_stones = 0.0, 0.0, 0  # the clock: seconds, and stones of a period
        self._left: dict[
            int, tuple[float, int]
        ] = {}  # by side: seconds, and stones still to play in them (0: main time)

    @property
    def state(self) -> States:
        return self.past[-1]

    # Administration

    def protocol_version(self) -> Answer:
        return PROTOCOL

    def name(self) -> Answer:
        return f"{NAME} {self.spec}"

    def version(self) -> Answer:
        from importlib.metadata import version

        return version("selfplay-arena")

    def known_command(self, command: str = "") -> Answer:
        return "true" if command in COMMANDS else "false"

    def list_commands(self) -> Answer:
        return "\n".join(COMMANDS)

    def quit(self) -> Answer:
        self.running = False
        return ""

    # Setting up

    def boardsize(self, size: str) -> Answer:
        if size != str(self.game.size):
            self._change(size=size, komi=self.game.komi)
        self.past = [self.game.reset(1)]
        return ""

    def clear_board(self) -> Answer:
        self.past = [self.game.reset(1)]
        return ""

    def komi(self, komi: str) -> Answer:
        past = self.past
        self._change(size=self.game.size, komi=komi)
        self.past = past
        return ""

    def fixed_handicap(self, stones: str) -> Answer:
        points = _handicap_points(self.game.size, _whole(stones))
        return self._handicap(points)

    def place_free_handicap(self, stones: str) -> Answer:
        count = _whole(stones)
        for fewer in range(count, 1, -1):  # the protocol allows to place fewer
            try:
                return self._handicap(_handicap_points(self.game.size, fewer))
            except GTPError as refusal:
                if "handicap" not in str(refusal):
                    raise
        raise GTPError("invalid number of stones")

    def set_free_handicap(self, *vertices: str) -> Answer:
        points = [self._vertex(vertex) for vertex in vertices]
        if len(points) < 2 or len(set(points)) < len(points) or self._pass in points:
            raise GTPError("bad vertex list")
        return self._handicap(points)

    def loadsgf(self, path: str, move: str = "") -> Answer:
        last = _whole(move) - 1 if move else None  # the position before this move
        try:
            with Path(path).open("rb") as file:
                record = next(sgf.read(file, path, None))
        except OSError as error:
            raise GTPError(f"cannot load file: {error}") from None
        if isinstance(record, Skipped):
            raise GTPError(f"cannot load file: {record.reason} {record.detail}".rstrip())
        game = make(record.game)
        if not isinstance(game, Go):
            raise GTPError(f"cannot load file: it holds {game.name}")
        self.boardsize(str(game.size))
        self.komi(str(game.komi))
        for colour, point in record.setup:
            self._play(colour, point)
        self.past.append(_turned(self.state, record.to_play))
        for ply, action in enumerate(record.actions[:last]):
            self._play((record.to_play + ply) % 2, action)
        return ""

    # Playing

    def play(self, colour: str, vertex: str) -> Answer:
        self._play(_colour(colour), self._vertex(vertex))
        return ""

    def genmove(self, colour: str) -> Answer:
        action = self._choose(_colour(colour))
        self._play(_colour(colour), action)
        return self.game.action_name(action)

    def reg_genmove(self, colour: str) -> Answer:
        return self.game.action_name(self._choose(_colour(colour)))

    def undo(self) -> Answer:
        if len(self.past) == 1:
            raise GTPError("cannot undo")
        self.past.pop()
        return ""

    def time_settings(self, main: str, period: str, stones: str) -> Answer:
        self._main, self._period, self._period_stones = _number(main), _number(period), _whole(stones)
        self._left = {}
        return ""

    def time_left(self, colour: str, seconds: str, stones: str) -> Answer:
        self._left[_colour(colour)] = (_number(seconds), _whole(stones))
        return ""

    # Judging

    def final_score(self) -> Answer:
        score = float(self.game.score(self.state)[0])
        return f"{'B' if score > 0 else 'W'}+{abs(score):g}" if score else "0"

    def final_status_list(self, status: str) -> Answer:
        if status not in ("alive", "dead", "seki"):
            raise GTPError("invalid status")
        return "\n".join(self._chains()) if status == "alive" else ""

    def showboard(self) -> Answer:
        return "\n" + self.game.show(self.state[0])

    # Analysing

    def lz_analyze(self, *arguments: str) -> Answer:
        return self._analysis(arguments, _leela)

    def kata_analyze(self, *arguments: str) -> Answer:
        return self._analysis(arguments, _kata)

    def lz_genmove_analyze(self, *arguments: str) -> Answer:
        return self._genmove_analysis(arguments, _leela)

    def kata_genmove_analyze(self, *arguments: str) -> Answer:
        return self._genmove_analysis(arguments, _kata)

    # What the commands are made of

    @property
    def _pass(self) -> int:
        return self.game.num_actions - 1

    def _change(self, *, size: int | str, komi: float | str) -> None:
        try:
            game = Go(size, komi, self.game.superko, self.game.suicide)
        except ValueError:
            raise GTPError("unacceptable size" if str(size) != str(self.game.size) else "syntax error") from None
        try:
            player = make_player(game, self.spec, seed=self.seed)
        except ValueError:
            raise GTPError("unacceptable size") from None  # a network knows one board
        self.game, self.player = game, player

    def _vertex(self, text: str) -> int:
        try:
            return self.game.parse_action(text)
        except ValueError:
            raise GTPError("syntax error: invalid vertex") from None

    def _ready(self, colour: int) -> States:
        """The position with `colour` to move, in a game that goes on."""
        state = self.state
        if state["to_play"][0] != colour or state["passes"][0] >= 2:
            state = _turned(state, colour)
        return state

    def _play(self, colour: int, action: int) -> None:
        state = self._ready(colour)
        if not self.game.legal(state)[0, action]:
            raise GTPError("illegal move")
        self.past.append(self.game.step(state, np.array([action])))

    def _handicap(self, points: list[int]) -> Answer:
        if self.game.board(self.state).any():
            raise GTPError("board not empty")
        for point in points:
            self._play(0, point)
        self.past = [self.past[0], _turned(self.state, 1)]
        return " ".join(self.game.action_name(point) for point in points)

    def _choose(self, colour: int) -> int:
        state = self._ready(colour)
        if not self.game.legal(state).any():  # as long as games get
            return self._pass
        if isinstance(self.player, APVPlayer):
            return self.player.move(state[0], seconds=self._budget(colour))
        if not isinstance(self.player, SearchPlayer):
            return int(self.player(state, self.rng)[0])
        search = self.player.search(state[0], self.rng, seconds=self._budget(colour))
        return int(search.results(np.array([0])).choice[0])

    def _budget(self, colour: int) -> float | None:
        """Seconds for the next move of `colour`; None where nobody has set a clock."""
        if self._main == 0 and self._period == 0:
            return None
        if self._period > 0 and self._period_stones == 0 and not self._left:
            return None  # the protocol's way to say: no time limits
        seconds, stones = self._left.get(
            colour, (self._main, 0) if self._main > 0 else (self._period, self._period_stones)
        )
        if stones == 0 and self._period_stones > 0:  # main time, periods to come: none of it needs to be left
            share = seconds / MOVES_LEFT + self._period / self._period_stones
            share = min(share, max(seconds, self._period / self._period_stones))
        else:
            share = seconds / (stones or MOVES_LEFT)
        return max(0.02, 0.9 * share - LAG)

    def _chains(self) -> Iterator[str]:
        board = self.game.board(self.state)[0]
        for colour in (1, -1):
            labels, count = ndimage.label(board == colour)
            for chain in range(1, count + 1):
                yield " ".join(self.game.action_name(int(point)) for point in np.flatnonzero(labels == chain))

    def _analysis(self, arguments: tuple[str, ...], line: Format) -> Answer:
        colour, interval, most = self._analysis_arguments(arguments)
        return self._reports(self._ready(colour), interval, most, line)

    def _analysis_arguments(self, arguments: tuple[str, ...]) -> tuple[int, float, int]:
        """Whose move, seconds between reports, moves in a report: `[colour] [centiseconds] [key value]...`."""
        colour, interval, most, words = int(self.state["to_play"][0]), 0.5, 20, list(arguments)
        if words and words[0].lower() in COLOURS:
            colour = _colour(words.pop(0))
        if words and words[0].isdigit():
            interval = int(words.pop(0)) / 100
        for key, value in zip(words[::2], words[1::2], strict=False):
            if key == "interval":
                interval = _number(value) / 100
            elif key == "maxmoves":
                most = _whole(value)
        return colour, max(interval, 0.05), most

    def _reports(self, state: States, interval: float, most: int, line: Format) -> Iterator[str]:
        """A report every `interval` seconds until another command waits."""
        if (player := looker(self.player)) is None:
            raise GTPError(f"{self.spec} does not search")
        if not self.game.legal(state).any():
            raise GTPError("the game is over")
        for search in deepening(player, state, self.rng, nodes=ANALYSIS_NODES, interval=interval, stop=self.waiting):
            yield line(self.game, search, candidates(search)[:most])

    def _genmove_analysis(self, arguments: tuple[str, ...], line: Format) -> Answer:
        """One search of the player's own, its report, and the move."""
        colour, _, most = self._analysis_arguments(arguments)
        state = self._ready(colour)
        if (player := looker(self.player)) is None:
            raise GTPError(f"{self.spec} does not search")
        if not self.game.legal(state).any():
            return iter(["play pass"])
        search = player.search(state[0], self.rng, seconds=self._budget(colour))
        action = int(search.results(np.array([0])).choice[0])
        report = line(self.game, search, candidates(search)[:most])
        self._play(colour, action)
        return iter([report, f"play {self.game.action_name(action)}"])


Format = Callable[[Go, Search, list[Candidate]], str]
COLOURS = {"b": 0, "black": 0, "w": 1, "white": 1}
COMMANDS: dict[str, Callable[..., Answer]] = {
    "protocol_version": Engine.protocol_version,
    "name": Engine.name,
    "version": Engine.version,
    "known_command": Engine.known_command,
    "list_commands": Engine.list_commands,
    "quit": Engine.quit,
    "boardsize": Engine.boardsize,
    "clear_board": Engine.clear_board,
    "komi": Engine.komi,
    "fixed_handicap": Engine.fixed_handicap,
    "place_free_handicap": Engine.place_free_handicap,
    "set_free_handicap": Engine.set_free_handicap,
    "loadsgf": Engine.loadsgf,
    "play": Engine.play,
    "genmove": Engine.genmove,
    "reg_genmove": Engine.reg_genmove,
    "kgs-genmove_cleanup": Engine.genmove,  # scored as it stands, the game is played so anyway
    "undo": Engine.undo,
    "time_settings": Engine.time_settings,
    "time_left": Engine.time_left,
    "final_score": Engine.final_score,
    "final_status_list": Engine.final_status_list,
    "showboard": Engine.showboard,
    "lz-analyze": Engine.lz_analyze,
    "lz-genmove_analyze": Engine.lz_genmove_analyze,
    "kata-analyze": Engine.kata_analyze,
    "kata-genmove_analyze": Engine.kata_genmove_analyze,
    "analyze": Engine.kata_analyze,  # Sabaki's name; it reads decimal fractions
    "genmove_analyze": Engine.kata_genmove_analyze,
}


def _handicap_points(size: int, stones: int) -> list[int]:
    """The fixed handicap as actions. GTPError where this board has none of so many stones."""
    try:
        return handicap_points(size, stones)
    except ValueError:
        raise GTPError("invalid number of stones: no such handicap on this board") from None


def serve(engine: Engine, source: TextIO, out: TextIO) -> None:
    """Answer the commands of `source` until it ends or says quit."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    engine.waiting = lambda: not lines.empty()
    while engine.running and (line := lines.get()) is not None:
        words = "".join(c for c in line.partition("#")[0].replace("\t", " ") if c.isprintable()).split()
        number = words.pop(0) if words and words[0].isdigit() else ""
        if words:
            _respond(engine, number, words, out)


def _respond(engine: Engine, number: str, words: list[str], out: TextIO) -> None:
    """One answer, ended by an empty line."""
    command = COMMANDS.get(words[0])
    try:
        if command is None:
            raise GTPError("unknown command")
        answer = command(engine, *words[1:])
        if isinstance(answer, str):
            out.write(f"={number} {answer}".rstrip(" ") + "\n\n")
        else:
            first = next(answer)  # what is wrong with the command shows before the first report
            out.write(f"={number}\n{first}\n")
            for report in answer:
                out.flush()
                out.write(report + "\n")
            out.write("\n")
    except GTPError as refusal:
        out.write(f"?{number} {refusal}\n\n")
    except TypeError as error:
        if "argument" not in str(error):
            raise
        out.write(f"?{number} syntax error\n\n")
    out.flush()


def _turned(state: States, colour: int) -> States:
    """The same stones with `colour` to move, in a game that goes on."""
    turned = state.copy()
    if turned["to_play"][0] != colour:
        turned["ko"] = -1
    turned["to_play"], turned["passes"] = colour, 0
    return turned


def _colour(text: str) -> int:
    if text.lower() not in COLOURS:
        raise GTPError("syntax error: invalid color")
    return COLOURS[text.lower()]


def _whole(text: str) -> int:
    if not text.isdigit():
        raise GTPError("syntax error: not an integer")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise GTPError("syntax error: not a number")
    return number


def _infos(game: Go, search: Search, rows: list[Candidate]) -> Iterator[tuple[str, Candidate, float, float, str]]:
    """Of each move: its name, the candidate, its chance to win, a lower bound of that, the line behind it."""
    for row in rows:
        chance = (1 + row.value) / 2
        bound = max(0.0, chance - 1.96 * float(np.sqrt(chance * (1 - chance) / max(1, row.visits))))
        line = " ".join(game.action_name(action) for action in search.principal_variation(0, row.action))
        yield game.action_name(row.action), row, chance, bound, line


def _leela(game: Go, search: Search, rows: list[Candidate]) -> str:
    """Leela Zero's report: whole numbers, ten thousandths."""
    return " ".join(
        f"info move {name} visits {row.visits} winrate {round(10_000 * chance)} prior {round(10_000 * row.prior)}"
        f" lcb {round(10_000 * bound)} order {order} pv {line}"
        for order, (name, row, chance, bound, line) in enumerate(_infos(game, search, rows))
    )


def _kata(game: Go, search: Search, rows: list[Candidate]) -> str:
    """KataGo's report: decimal fractions. No score: the search knows chances only."""
    return " ".join(
        f"info move {name} visits {row.visits} utility {row.value:.6f} winrate {chance:.6f} prior {row.prior:.6f}"
        f" lcb {bound:.6f} order {order} pv {line}"
        for order, (name, row, chance, bound, line) in enumerate(_infos(game, search, rows))
    )


def run(game: Go, player: str, seed: int, source: TextIO, out: TextIO) -> None:
    """The command: one conversation."""
    serve(Engine(game, player, seed), source, out)
