"""`arena train`: a run from the command line, with its display and its tracker."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from arena.alarms import Alarm
from arena.alphago.pipeline import Pipeline
from arena.alphago.settings import AlphaGoConfig
from arena.alphago.settings import smoke as shrink_alphago
from arena.config import Config
from arena.config import smoke as shrink
from arena.folders import CONFIG, check_vacant, config_of
from arena.progress import Display
from arena.run import Run
from arena.settings import find_config, kind, load
from arena.standings import rating_table
from arena.tracking import Tracker
from envs.words import number_of

LOCK = "lock"  # in a run's folder, held by whoever trains there


def start(name: str, overrides: Sequence[str], *, runs: Path, smoke: bool) -> None:
    """Start the experiment `name` in its folder below `runs`. ValueError if there is one already."""
    path = find_config(name)
    config: Config | AlphaGoConfig
    config = load(AlphaGoConfig, path, overrides) if kind(path) == "alphago" else load(Config, path, overrides)
    if smoke:
        for line in _ignored(config):
            Console().print(line, markup=False, highlight=False, soft_wrap=True)
        config = shrink_alphago(config) if isinstance(config, AlphaGoConfig) else shrink(config)
    folder = runs / _folder_name(config.name)
    with _only_one(folder):
        if smoke:
            _empty(folder)  # an earlier smoke run is worth nothing
        check_vacant(folder)  # before a network is built and the machine measured
        _go(config, folder, fresh=True)


def _ignored(config: Config | AlphaGoConfig) -> Iterator[str]:
    """What `config` asks for and a smoke run does not do, a line each."""
    if isinstance(config, AlphaGoConfig) and config.records.path is not None:
        yield (
            f"records.path={config.records.path} is not read: a smoke run plays a few games of its own on a small board"
        )
    if config.footprint.enabled and "enabled" in config.footprint.model_fields_set:
        yield "footprint.enabled=true is ignored: a smoke run is over before its energy can be estimated"


def _folder_name(name: str) -> str:
    """A run's folder: its name, and in a W&B sweep, whose runs share one, the id that the sweep gave it as well."""
    run_id = os.environ.get("WANDB_RUN_ID")
    return f"{name}-{run_id}" if run_id and "WANDB_SWEEP_ID" in os.environ else name


def resume(folder: Path, overrides: Sequence[str]) -> None:
    """Continue the run in `folder`; `overrides` may change it, `iterations=200` to make it longer."""
    path = config_of(folder)
    config = load(AlphaGoConfig, path, overrides) if kind(path) == "alphago" else load(Config, path, overrides)
    with _only_one(folder):
        _go(config, folder, fresh=False)


def _go(config: Config | AlphaGoConfig, folder: Path, *, fresh: bool) -> None:
    if isinstance(config, AlphaGoConfig):
        _run_alphago(config, folder, fresh=fresh)
    else:
        _run(config, folder, fresh=fresh)


def _run_alphago(config: AlphaGoConfig, folder: Path, *, fresh: bool) -> None:
    """The stages of AlphaGo 2016, and their table."""
    console = Console(emoji=False, markup=False)
    with Display(console) as display:
        display.note(f"{config.name}: {config.game}, AlphaGo as of 2016; run folder {folder}")
        with _telling(folder, display):
            pipeline = Pipeline(config, folder, display)
            pipeline.create_folder() if fresh else pipeline.resume()
            pipeline.meter.start()
            try:
                ratings = pipeline.run()
            finally:
                pipeline.meter.stop()
    console.print(rating_table(ratings, config.name))
    console.print(f"done; play it: arena play {config.game} {folder}", highlight=False)


def _run(config: Config, folder: Path, *, fresh: bool) -> None:
    console = Console(emoji=False, markup=False)
    with Display(console, iterations=config.iterations) as display:
        display.note(f"{config.name}: {config.game}, {number_of(config.iterations, 'iteration')}; run folder {folder}")
        with _telling(folder, display):
            run = Run(config, folder, display)
            runtime = run.config.runtime
            display.note(
                f"network in {runtime.engine} on {runtime.device}, {runtime.precision}; "
                "compiling kernels on first use takes seconds"
            )
            run.create_folder() if fresh else run.resume()
            if run.iteration:
                display.resuming(run.iteration)
            tracker = Tracker.start(
                folder,
                name=folder.name,  # the runs of a sweep share the config's
                config=run.config.model_dump(mode="json"),
                project=config.tracking.project,
                mode=config.tracking.mode,
                last_row=run.row,
            )
            run.meter.start()
        code = 1
        try:
            run.train(tracker)
            code = 0
        except KeyboardInterrupt:
            code = 130
            raise
        except FloatingPointError as error:
            tracker.alert(Alarm("learning broke", str(error), fatal=True))
            raise
        finally:
            # A second Ctrl-C while the tracker closes would only lose what it still holds.
            heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
            run.workers.close()
            if code:
                display.note(f"stopped after iteration {run.iteration}; go on with: arena train --resume {folder}")
            run.meter.stop()
            tracker.finish(code)
            signal.signal(signal.SIGINT, heard)
        display.note(f"done; play it: arena play {run.game.name} {folder}")


@contextmanager
def _telling(folder: Path, display: Display) -> Iterator[None]:
    """Whoever stops what is done under it is told how to go on, or that there is no run to go on with."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if (folder / CONFIG).exists():
            display.note(f"stopped; go on with: arena train --resume {folder}")
        else:
            display.note("stopped before the run had begun; the same command begins it")
        raise


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the run's lock; ValueError if another process trains there. The lock goes with the process, however it ends.

    Where what is done under it fails before there is a run, nothing is left that was not there.
    """
    lock = folder / LOCK
    made = [path for path in (lock, folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is training in {folder}: wait for it, stop it, or begin a run of another name (name=...)"
            ) from None
        try:
            yield
        except BaseException:
            if lock in made and list(folder.iterdir()) == [lock]:
                lock.unlink()
                with suppress(OSError):  # something else has come into a folder above
                    for path in made[1:]:
                        path.rmdir()
            raise


def _empty(folder: Path) -> None:
    """Remove what is in the folder but the lock, which is held."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
