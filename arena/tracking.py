"""The only file that knows Weights & Biases. Every row goes to the run's own metrics.jsonl first, then there.

Tracking never stops a run: what goes wrong in wandb is reported once, and the file goes on; a service of W&B's
(wandb-core) that does not answer is given up. Without a network or a login a run is offline within seconds, and nobody is
asked; `wandb sync RUN/wandb/offline-run-*` sends it later.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agents.files import write_atomically
from arena.alarms import Alarm, RatedPoint, alarms
from arena.metrics import describe
from arena.rating import Rating

DEFAULTS = {  # W&B's own settings; WANDB_INIT_TIMEOUT and the like go before them
    "silent": True,
    "console": "off",  # the terminal is the progress display's
    "disable_git": True,
    "disable_code": True,
    "init_timeout": 5.0,  # seconds to reach the server before a run is offline
    "finish_timeout": 60.0,  # seconds for the rest of an upload
    "finish_timeout_raises": True,
    "x_transaction_log_flush_interval": 1.0,  # seconds of rows that a kill can take from W&B, never from the file
}
PATIENCE = 60.0  # seconds for an answer of W&B's service, which runs on this machine; then it is as good as dead
AXES = ("iteration", "games", "positions", "samples", "seconds", "footprint/kwh")
PROJECT = "arena"  # where neither the config nor WANDB_PROJECT names one
BOARD_COLUMNS = ["picture", "opponent", "seat", "result", "moves"]  # of the table of sample games
METRICS_FILE, ID_FILE = "metrics.jsonl", "wandb-id"


class Board(NamedTuple):
    """A sample game and its last position."""

    title: str
    picture: NDArray[np.uint8]  # [height, width, 3]
    opponent: str
    seat: str  # the agent's, "first" or "second"
    result: str  # the agent's: "won", "drawn" or "lost"
    moves: str  # as players write them


class Tracker:
    """Logs one run. `start` makes one; `finish` must be called at the end."""

    def __init__(self, folder: Path, run: Any | None, always: Callable[[], Mapping[str, Any]] = dict) -> None:
        self._folder, self._run, self._always = folder, run, always
        self._failed = False
        self._rated: list[RatedPoint] = []

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        name: str,
        config: Mapping[str, Any],
        project: str | None,
        mode: str,
        last_row: Mapping[str, Any] | None,
        group: str | None = None,
        always: Callable[[], Mapping[str, Any]] = dict,
    ) -> Self:
        """Open the run's file and its W&B run, the same id at every resumption. `group`: the runs it belongs with.
        `always`: figures asked for at every row, which the row's own go before.

        `last_row` is that of the newest checkpoint, None for a new run: later rows of the file are dropped, for they
        will be made again; if the kill came between saving and logging, this row is logged now.
        """
        folder.mkdir(parents=True, exist_ok=True)
        logged = _truncate(folder / METRICS_FILE, int(last_row["iteration"]) if last_row else 0)
        tracker = cls(folder, None, always)
        tracker._rated = [point for row in read_rows(folder) if (point := RatedPoint.of(row))]
        tracker._run = tracker._guarded(lambda: _init(folder, name, group, config, project, _mode(mode)), None)
        if last_row and not logged:
            tracker.log(last_row)
        return tracker

    def log(self, row: Mapping[str, Any], *, boards: Sequence[Board] = ()) -> list[Alarm]:
        """One iteration: a line of metrics.jsonl and a W&B row of the same content.

        A rating list under "ratings" becomes a W&B table, the ratings so far a chart; the pictures of `boards` are written
        to files, named in the line and shown in W&B, alone and in a table of the games. Returns what somebody should be told
        of, after telling W&B.
        KeyError for a metric that arena/metrics.py does not explain.
        """
        row = {**self._always(), **row}
        if boards:
            row = {**row, "boards": [dict(zip(BOARD_COLUMNS, (self._picture(b), *b[2:]), strict=True)) for b in boards]}
        for key in row:
            if describe(key) is None:
                raise KeyError(f"metric '{key}' is not explained in arena/metrics.py")
        with (self._folder / METRICS_FILE).open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        found = alarms(row, self._rated)
        if point := RatedPoint.of(row):
            self._rated.append(point)
        if self._run is not None:
            self._guarded(lambda: self._log(row), PATIENCE)
        for alarm in found:
            self.alert(alarm)
        return found

    def alert(self, alarm: Alarm) -> None:
        """Tell the owner of the W&B run, in the way that is set there (mail, Slack)."""

        def send() -> None:
            levels = _wandb().AlertLevel
            assert self._run is not None
            level = levels.ERROR if alarm.fatal else levels.WARN
            self._run.alert(title=alarm.title, text=alarm.text, level=level)

        if self._run is not None:
            self._guarded(send, PATIENCE)

    def artifact(self, name: str, kind: str, content: Path | Any, metadata: Mapping[str, Any], *, alias: str) -> None:
        """An artifact of the run: a file, or what is written into one as JSON. What belongs together has one `alias`.

        W&B refuses `use_artifact` to runs that are offline: where an artifact comes from stands in its metadata.
        """

        def log() -> None:
            artifact = _wandb().Artifact(name, kind, metadata=dict(metadata))
            if isinstance(content, Path):
                artifact.add_file(str(content))
            else:
                with artifact.new_file(f"{kind}.json") as file:
                    json.dump(content, file, indent=1)
            assert self._run is not None
            self._run.log_artifact(artifact, aliases=["latest", alias])

        if self._run is not None:
            self._guarded(log, PATIENCE)

    def finish(self, exit_code: int) -> None:
        """Close the W&B run; 0 means that it is complete."""
        run = self._run
        if run is not None:
            upload = run.settings.finish_timeout  # 0: as long as it takes, WANDB_FINISH_TIMEOUT can say so
            self._guarded(lambda: run.finish(exit_code=exit_code), upload + PATIENCE if upload else None)
        if self._failed:
            # Reported when it failed; left alone, wandb prints a traceback at exit, or waits there for its service.
            # It exits with the code of a service that was killed.
            with suppress(Exception, SystemExit):
                _in_time(_wandb().teardown, PATIENCE)

    def _log(self, row: Mapping[str, Any]) -> None:
        """Send a row to W&B, its list and its CSV files as tables and its pictures as images."""
        wandb = _wandb()
        media: dict[str, Any] = {}
        if "ratings" in row:
            media["ratings"] = wandb.Table(columns=list(Rating._fields), data=row["ratings"])
        if RatedPoint.of(row):
            for axis in ("iteration", "seconds"):
                media[f"rating/interval/{axis}"] = _interval_chart(self._rated, axis)
        if "boards" in row:
            games = row["boards"]
            pictures = [wandb.Image(str(self._folder / g["picture"]), caption=_caption(g)) for g in games]
            table = [[picture, *list(g.values())[1:]] for picture, g in zip(pictures, games, strict=True)]
            media["boards"] = pictures
            media["boards/games"] = wandb.Table(columns=BOARD_COLUMNS, data=table)
        for name in row.get("pictures", ()):
            path = self._folder / name  # W&B's images are of points; a drawing is a page
            picture = wandb.Html(path.read_text()) if path.suffix == ".svg" else wandb.Image(str(path))
            media[f"pictures/{path.stem}"] = picture
        for name in row.get("tables", ()):
            with (self._folder / name).open(newline="") as file:
                columns, *lines = csv.reader(file)
            media[f"tables/{Path(name).stem}"] = wandb.Table(columns=columns, data=lines)
        assert self._run is not None
        # The step is told: an offline run that is resumed would count from 0 again, over the rows that are there.
        self._run.log({**row, **media}, step=max(row["iteration"], self._run.step), commit=True)

    def _picture(self, board: Board) -> str:
        """Write a board to a file of the run's folder; its name there."""
        name = f"boards/{board.title}.png"
        (self._folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(board.picture).save(self._folder / name)
        return name

    def _guarded(self, call: Callable[[], Any], seconds: float | None) -> Any:
        """The call's result; if wandb fails or takes longer, one warning, None, and no more W&B for this run."""
        try:
            return _in_time(call, seconds)
        except Exception as error:  # wandb's service can fail in any way; training must not stop for it
            run, self._run, self._failed = self._run, None, True
            failed = f"Weights & Biases failed ({_line(error)}); going on with {METRICS_FILE} alone"
            if run is not None:
                failed += f"; what W&B had by then is sent by `wandb sync {Path(run.dir).parent}`"
            warnings.warn(failed, stacklevel=3)
            return None


def _caption(game: Mapping[str, str]) -> str:
    return f"{Path(game['picture']).stem}, {game['seat']} against {game['opponent']}: {game['result']}"


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl; none if there is no file. Half a line at its end, being written, is left out."""
    path = folder / METRICS_FILE
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _interval_chart(points: Sequence[RatedPoint], axis: str) -> Any:
    """The newest agent's Elo between the ends of its 95% interval, as a W&B chart over `axis`."""
    return _wandb().plot.line_series(
        xs=[getattr(point, axis) for point in points],
        ys=[[point.low for point in points], [point.elo for point in points], [point.high for point in points]],
        keys=["95% low", "Elo", "95% high"],
        title=f"Elo with its 95% interval, over {axis}",
        xname=axis,
    )


def _wandb() -> Any:
    """The module, imported at first use: it takes a second."""
    return importlib.import_module("wandb")


def _mode(mode: str) -> str:
    """The W&B mode to use: the config's, else WANDB_MODE, else offline. Online is for those who ask for it."""
    return os.environ.get("WANDB_MODE") or "offline" if mode == "auto" else mode


def _init(folder: Path, name: str, group: str | None, config: Mapping[str, Any], project: str | None, mode: str) -> Any:
    """The W&B run, None if disabled; offline where online is impossible."""
    if mode == "disabled":
        return None
    wandb = _wandb()

    def start(mode: str) -> Any:
        defaults = {key: value for key, value in DEFAULTS.items() if f"WANDB_{key.upper()}" not in os.environ}
        settings = wandb.Settings(mode=mode, **defaults)
        wandb.setup(settings=settings)
        if mode in ("online", "run", "shared") and not wandb.login(prompt=False, verify=False):
            raise wandb.errors.AuthenticationError("no key: set WANDB_API_KEY or run `wandb login`")
        return wandb.init(
            project=project or os.environ.get("WANDB_PROJECT") or PROJECT,
            name=name,
            group=group,
            id=_run_id(folder),
            resume="allow",
            mode=mode,
            dir=str(folder),
            config=dict(config),
            settings=settings,
        )

    try:
        run = start(mode)
    except wandb.errors.CommError as error:  # AuthenticationError is one
        warnings.warn(f"no online W&B run ({_line(error)}): writing an offline one instead", stacklevel=5)
        wandb.teardown()  # or the run's id would still be in use
        run = start("offline")
    for axis in AXES:
        run.define_metric(axis)
    run.define_metric("*", step_metric="iteration")
    return run


def _in_time(call: Callable[[], Any], seconds: float | None) -> Any:
    """The call's result. TimeoutError after `seconds`, for wandb would wait for a silent service for ever; None: no limit."""
    if seconds is None:
        return call()
    service, answer = _service(), Future[Any]()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # raised below, or nobody waits for it any more
            answer.set_exception(error)

    threading.Thread(target=ask, name="wandb", daemon=True).start()
    if not wait([answer], seconds).done:
        if service is not None:
            service.kill()  # or it would be waited for at exit
        raise TimeoutError(f"its service gave no answer in {seconds:g} s")
    return answer.result()


def _service() -> subprocess.Popen[bytes] | None:
    """The service of this process; None where there is none, or where a sweep's agent has it, for all its runs."""
    setup = importlib.import_module("wandb.sdk.wandb_setup").singleton()
    try:
        process: subprocess.Popen[bytes] = setup._connection._proc._process  # no public way leads there
    except AttributeError:  # one of them is None, or another wandb keeps it elsewhere: its rows must not suffer for it
        return None
    return process


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _run_id(folder: Path) -> str:
    """The run's W&B id, given by WANDB_RUN_ID (as a sweep does) or made once, and kept in its folder."""
    path = folder / ID_FILE
    if not path.exists():
        write_atomically(path, os.environ.get("WANDB_RUN_ID", uuid.uuid4().hex[:12]).encode())
    return path.read_text()


def _truncate(path: Path, iteration: int) -> bool:
    """Drop rows after `iteration` and half-written ones; True if the row of `iteration` is there."""
    if not path.exists():
        return False
    kept: list[str] = []
    last = 0
    for line in path.read_text().splitlines():
        try:
            row_iteration = json.loads(line)["iteration"]
        except ValueError:
            break  # cut off by a kill
        if row_iteration > iteration:
            break
        kept.append(line)
        last = row_iteration
    write_atomically(path, "".join(f"{line}\n" for line in kept).encode())
    return last == iteration
