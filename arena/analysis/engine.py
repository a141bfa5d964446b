"""The analysis engine: lines of JSON in, lines of JSON out, in the order in which searches end.

Every turn of every query ends in one answer with `isDuringSearch` false. A line that cannot be answered gets an error that
carries its id, and the others go on.
"""

from __future__ import annotations

import functools
import io
import json
import queue
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TextIO

import numpy as np

from agents.insight import Insight, insight
from agents.players import SearchPlayer
from arena.analysis import query as queries
from arena.analysis.desk import SMALLEST, Desk, Task, capacity, most_visits
from arena.analysis.query import Asked, QueryError
from arena.analysis.report import Report, report
from arena.kata.found import found
from arena.look import open_ended, searcher
from envs.go import Go

LONGEST_LINE = 1 << 22  # characters: a game of any length, with room to spare
GAMES = 8  # players that are kept, one a game (size, komi, rules)


class Analyst:
    """Queries and their searches. `write` is given the answers, `now` is the time in seconds."""

    def __init__(
        self,
        player: str,
        seed: int,
        write: Callable[[Report], None],
        *,
        parallel: int = 16,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec, self.seed, self.write, self.parallel, self.now = player, seed, write, parallel, now
        self.rng = np.random.default_rng(seed)
        self.waiting: list[Task] = []
        self.desks: list[Desk] = []
        self._arrived = 0
        self.player = functools.lru_cache(GAMES)(self._make_player)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self._active)

    @property
    def _active(self) -> int:
        return sum(len(desk.tasks) - desk.free for desk in self.desks)

    def rehearse(self, game: Go) -> None:
        """Search a position of `game` for nobody: what has to be loaded or compiled is, once in an installation for a minute.

        ValueError where the player does not search or does not play on its board.
        """
        player, eyes = self.player(game)
        search = open_ended(player, slots=1, capacity=SMALLEST)
        search.begin(np.array([0]), game.reset(1), player.leaves)
        search.run(player.remembering, np.random.default_rng(self.seed), per_game=player.leaves)
        found(game, search, 0, eyes)

    def take(self, line: str) -> None:
        """Answer a line at once, or let its searches wait for their turn."""
        told: Report = {}
        try:
            told = queries.loaded(line)
            if not isinstance(told.get("id"), str):
                raise QueryError("Request must have a string id", "id")
            if "action" in told:
                self._act(told)
            else:
                self._queue(queries.asked(line, told, self.player))
        except QueryError as error:
            answer: Report = {"error": str(error)}
            answer |= {"field": error.field} if error.field else {}
            self.write(answer | {key: told[key] for key in ("id",) if isinstance(told.get(key), str)})

    def work(self) -> None:
        """Some simulations in every search; answers for those that are done."""
        self._seat()
        for desk in self.desks:
            desk.step(self.rng)
            for task in [task for task in desk.tasks if task is not None]:
                self._attend(desk, task)
        self.desks = [desk for desk in self.desks if desk.free < len(desk.tasks)]

    def _queue(self, asked: Asked) -> None:
        player, eyes = self.player(asked.game)
        for wish in ("includeOwnership", "includeMovesOwnership"):
            if getattr(asked.query, wish) and (eyes is None or not eyes.sees_territory):
                asked.warnings.append((wish, f"{self.spec} knows nothing of territory"))
        for field, warning in asked.warnings:
            self.write({"warning": warning, "field": field, "id": asked.query.id})
        visits, most = asked.query.maxVisits or player.simulations, most_visits(asked.game)
        if visits > most:
            self.write({"warning": f"More than fit into memory: {most}", "field": "maxVisits", "id": asked.query.id})
        for turn in asked.turns:
            self._arrived += 1
            self.waiting.append(Task(asked, turn, min(visits, most), self._arrived))
        self.waiting.sort(key=lambda task: task.rank)

    def _seat(self) -> None:
        """Begin what waits, as far as there is room."""
        for task in self.waiting[: max(0, self.parallel - self._active)]:
            nodes = capacity(task.asked.game, task.visits)
            key = (task.asked.game, nodes)
            desk = next((desk for desk in self.desks if (desk.game, desk.nodes) == key and desk.free), None)
            if desk is None:
                alike = sum(
                    (other.asked.game, capacity(other.asked.game, other.visits)) == key for other in self.waiting
                )
                desk = Desk(*self.player(task.asked.game), task.asked.game, nodes, min(alike, self.parallel))
                self.desks.append(desk)
            self.waiting.remove(task)
            desk.begin(task)

    def _attend(self, desk: Desk, task: Task) -> None:
        """Report on a search if it is time, and end it if it is."""
        now, every, seconds = self.now(), task.asked.query.reportDuringSearchEvery, task.asked.seconds
        if not desk.begun(task):
            task.begun = task.reported = now
        if desk.done(task) or task.halted or (seconds is not None and now - task.begun >= seconds):
            self._answer(desk, task, during=False)
            desk.end(task)
        elif every is not None and now - task.reported >= every:
            task.reported = now
            self._answer(desk, task, during=True)

    def _answer(self, desk: Desk, task: Task, *, during: bool) -> None:
        seen = desk.found(task)
        if seen is not None:
            self.write(report(task.asked, task.turn, seen, task.policy, during=during))
        elif not during:
            self._write_nothing(task)

    def _write_nothing(self, task: Task) -> None:
        answer: Report = {"id": task.asked.query.id, "turnNumber": task.turn.number}
        self.write(answer | {"isDuringSearch": False, "noResults": True})

    def _act(self, told: Report) -> None:
        """An action other than an analysis."""
        action = told["action"]
        if action == "query_version":
            self.write(told | {"version": version("selfplay-arena"), "git_hash": "<omitted>"})
        elif action == "clear_cache":
            self.player.cache_clear()
            self.write(told)
        elif action in ("terminate", "terminate_all"):
            self.write(told)
            self._terminate(told, every=action == "terminate_all")
        else:
            raise QueryError("'action' field must be query_version, clear_cache, terminate or terminate_all", "action")

    def _terminate(self, told: Report, *, every: bool) -> None:
        wanted, turns = told.get("terminateId"), told.get("turnNumbers")
        if not every and not isinstance(wanted, str):
            raise QueryError("Requests for a query to terminate must have a string terminateId", "terminateId")
        if turns is not None and not isinstance(turns, list):
            raise QueryError("Must be a list of turn numbers", "turnNumbers")

        def meant(task: Task) -> bool:
            return (every or task.asked.query.id == wanted) and (turns is None or task.turn.number in turns)

        for task in list(filter(meant, self.waiting)):
            self.waiting.remove(task)
            self._write_nothing(task)
        for desk in self.desks:
            for seated in desk.tasks:
                if seated is not None and meant(seated):
                    seated.halted = True

    def _make_player(self, game: Go) -> tuple[SearchPlayer, Insight | None]:
        return searcher(game, self.spec, self.seed), insight(game, self.spec)


def run(game: Go, player: str, seed: int, parallel: int, source: TextIO, out: TextIO) -> None:
    """The command: answer the lines of `source`, and when they end, what is still asked for.

    ValueError where the player does not search or does not play on `game`'s board.
    """

    def write(answer: Report) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    if isinstance(source, io.TextIOWrapper):
        source.reconfigure(errors="replace")  # whatever bytes come, they are a query or none
    print(f"Analysis engine starting: {player}", file=sys.stderr, flush=True)  # GUIs show what is said here
    analyst, lines = Analyst(player, seed, write, parallel=parallel), queue.SimpleQueue[str | None]()
    analyst.rehearse(game)
    print("Ready for queries", file=sys.stderr, flush=True)
    threading.Thread(target=_read, args=(source, lines), daemon=True).start()
    ended = False
    try:
        while not ended or analyst.busy:
            while not ended and not (analyst.busy and lines.empty()):
                line = lines.get()
                ended = line is None
                if line is not None and line.strip():
                    analyst.take(line)
            analyst.work()
    except BrokenPipeError:
        return  # nobody listens


def _read(source: TextIO, lines: queue.SimpleQueue[str | None]) -> None:
    try:
        while line := source.readline(LONGEST_LINE):
            lines.put(line)
            while not line.endswith("\n") and (line := source.readline(LONGEST_LINE)):
                pass  # the rest of an endless line
    finally:
        lines.put(None)
