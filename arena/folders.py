"""Which folder is a run's, and what to say of one that is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

CONFIG = "config.yaml"  # in a run's folder, from its beginning


def config_of(run: Path) -> Path:
    """The config of the run in the folder `run`. ValueError says what `run` is instead, and what to name."""
    if (run / CONFIG).is_file():
        return run / CONFIG
    if not run.exists():
        near = difflib.get_close_matches(run.name, (path.name for path in _runs(run.parent)), n=1)
        hint = f"did you mean {run.parent / near[0]}?" if near else "`arena train` makes runs in the folder runs"
        raise ValueError(f"{run} is no run, it does not exist: {hint}")
    if run.is_file():
        raise ValueError(
            f"{run} is no run but a file: name a run's folder; `arena rate {run}` rates the players of a ledger"
        )
    if (run.parent / CONFIG).is_file():
        raise ValueError(f"{run} is no run but a part of one: name {run.parent}")
    if inside := sorted(_runs(run)):
        raise ValueError(f"{run} is no run but holds some: name one of them, such as {inside[0]}")
    raise ValueError(f"{run} is no run: name the folder that `arena train` made, such as runs/connect_four")


def check_vacant(folder: Path) -> None:
    """ValueError where `folder` holds a run, so that no new one can begin there."""
    if (folder / CONFIG).exists():
        raise ValueError(
            f"{folder} already holds a run: continue it with `arena train --resume {folder}`, "
            "or give this one another name (name=...)"
        )


def _runs(folder: Path) -> Iterable[Path]:
    """The runs in `folder`."""
    return (path.parent for path in folder.glob(f"*/{CONFIG}"))
