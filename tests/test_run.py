"""A run's own accounts: what it has spent, and how far it has come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.evaluators import Evaluation
from agents.runtime import TorchRuntime
from arena import checkpoint
from arena.config import Config
from arena.progress import Silent
from arena.run import Run
from arena.settings import find_config, load
from arena.tracking import Tracker, read_rows

TINY = [
    "workers={engine: threads, count: 1, cache: 0}",
    "network={blocks: 1, channels: 8}",
    "runtime={engine: torch, precision: fp32}",
    "selfplay={games: 8, slots: 8, simulations: 4}",
    "train.batch=16",
    "rating={simulations: 4, openings: 1}",
    "footprint.enabled=false",
]


def make_run(folder: Path, *changes: str) -> Run:
    return Run(load(Config, find_config("tictactoe"), [*TINY, *changes]), folder, Silent())


def test_a_run_that_is_stopped_while_it_saves_has_not_finished_the_iteration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said to have stopped after an iteration that was never saved."""

    def stopped(*arguments: object, **state: object) -> None:
        raise KeyboardInterrupt

    run = make_run(tmp_path)
    run.create_folder()
    tracker = Tracker.start(tmp_path, name="test", config={}, project=None, mode="disabled", last_row=None)
    monkeypatch.setattr(checkpoint, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        run.train(tracker)
    run.workers.close()
    assert (run.iteration, run.row) == (0, None)


def test_the_leagues_games_are_compute_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget was spent on self-play alone, and half of the play was free."""
    asked = list[int]()
    answer = TorchRuntime.evaluate

    def counted(self: TorchRuntime, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> Evaluation:
        asked.append(len(planes))
        return answer(self, planes, legal)

    monkeypatch.setattr(TorchRuntime, "evaluate", counted)
    run = make_run(tmp_path, "league={share: 1.0, anchors: [random]}")
    row, _ = run._iterate(1)
    run.workers.close()
    assert row["league/games"] == 8
    assert row["compute"] == sum(asked) + 3 * run.trained


def test_seconds_are_those_of_all_phases(tmp_path: Path) -> None:
    """An iteration's save was missing from its own row, and counted in the next one's."""
    run = make_run(tmp_path, "iterations=3")
    run.create_folder()
    run.train(Tracker.start(tmp_path, name="test", config={}, project=None, mode="disabled", last_row=None))
    run.workers.close()
    rows = read_rows(tmp_path)
    spent = np.cumsum([sum(time for name, time in row.items() if name.startswith("phase/")) for row in rows])
    assert [row["seconds"] for row in rows] == pytest.approx(spent)
    assert all(row["phase/save"] > 0 for row in rows)
