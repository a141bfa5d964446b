"""Tracking: the file and W&B hold the same rows, nothing blocks a start, nothing that fails in wandb reaches the run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from arena import metrics, tracking
from arena import train as training
from arena.config import Config
from arena.settings import find_config, load
from arena.sync import offline_parts, sync
from arena.tracking import Board, Tracker

ROOT = Path(__file__).parent.parent
KEY = "0123456789" * 4
NOBODY = "http://127.0.0.1:9"  # the discard port: connections are refused at once
BOARD = Board("000001-0", np.arange(300, dtype=np.uint8).reshape(10, 10, 3), "mcts:8", "second", "won", "4 4 3")


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The environment of somebody who never used W&B; its service is shut down after each test."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def row(iteration: int) -> dict[str, Any]:
    return {"iteration": iteration, "games": 10 * iteration, "seconds": 0.1 * iteration, "loss/total": 1 / iteration}


def start(folder: Path, *, mode: str = "disabled", last_row: dict[str, Any] | None = None) -> Tracker:
    return Tracker.start(
        folder, name="a-run", config={"train": {"lr": 0.1}}, project="tests", mode=mode, last_row=last_row
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / tracking.METRICS_FILE).read_text().splitlines()]


def records(folder: Path) -> list[dict[str, Any]]:
    """All records of the folder's W&B runs, oldest run first."""
    found = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found += [json.loads(line) for line in output.splitlines()]
    return found


def of_type(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record[kind] for record in found if record["type"] == kind]


def test_wandb_holds_the_rows_of_the_file_and_a_resumed_run_its_id(tmp_path: Path) -> None:
    tracker = start(tmp_path, mode="offline")
    tracker.log(row(1))
    ratings = [["000002", 120.0, 50.0, 190.0, 40, 0.7], ["random", 0.0, 0.0, 0.0, 40, 0.3]]
    tracker.log({**row(2), "rating/elo": 120.0, "ratings": ratings}, boards=[BOARD])
    agent = tmp_path / "agent.safetensors"
    agent.write_bytes(b"weights")
    tracker.artifact("a-run", "model", agent, {"elo": 120.0}, alias="iteration-000002")
    tracker.finish(1)
    time.sleep(1.1)  # W&B names a run's folder by the second: two starts in one would share it
    tracker = start(tmp_path, mode="offline", last_row=row(2))
    tracker.log(row(3))
    tracker.finish(0)

    found = records(tmp_path)
    history = [record["item"] for record in of_type(found, "history")]
    written = rows(tmp_path)
    assert [r["iteration"] for r in written] == [1, 2, 3]
    assert len(history) == len(written)
    assert [record["_step"] for record in history] == [1, 2, 3]  # a resumed run does not begin over its first rows
    for theirs, ours in zip(history, written, strict=True):
        plain = {key: value for key, value in ours.items() if key not in ("ratings", "boards")}
        assert {key: theirs[key] for key in plain} == plain
    assert written[1]["ratings"] == ratings
    assert (history[1]["ratings.nrows"], history[1]["ratings._type"]) == (2, "table-file")
    game = {"opponent": "mcts:8", "seat": "second", "result": "won", "moves": "4 4 3"}
    assert written[1]["boards"] == [{"picture": "boards/000001-0.png", **game}]
    assert history[1]["boards.captions"] == ["000001-0, second against mcts:8: won"]
    assert (history[1]["boards/games.nrows"], history[1]["boards/games._type"]) == (1, "table-file")
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/boards/games_*.json")
    (line,) = json.loads(table.read_text())["data"]
    assert line[1:] == list(game.values())
    contents = [entry for artifact in of_type(found, "artifact") for entry in artifact["manifest"]["contents"]]
    (picture,) = [entry for entry in contents if entry["path"].startswith("media/images/")]
    assert int(picture["size"]) == (tmp_path / "boards/000001-0.png").stat().st_size
    assert {run["run_id"] for run in of_type(found, "run")} == {(tmp_path / tracking.ID_FILE).read_text()}
    assert of_type(found, "run")[0]["config"]["update"]["train"] == {"lr": 0.1}
    assert [end["exit_code"] for end in of_type(found, "exit")] == [1, 0]
    assert {metric.get("name") for metric in of_type(found, "metric")} >= set(tracking.AXES)
    assert of_type(found, "metric")[-1]["step_metric"] == "iteration"


def test_ratings_become_a_chart_with_intervals_and_a_fall_an_alert_across_a_resume(tmp_path: Path) -> None:
    def rated(iteration: int, elo: float) -> dict[str, Any]:
        return {**row(iteration), "rating/elo": elo, "rating/elo_low": elo - 50, "rating/elo_high": elo + 50}

    tracker = start(tmp_path, mode="offline")
    assert tracker.log(rated(1, 400.0)) == []
    tracker.finish(1)
    time.sleep(1.1)  # as above
    tracker = start(tmp_path, mode="offline", last_row=rated(1, 400.0))
    assert tracker.log(rated(2, 320.0)) == []  # the intervals overlap
    assert [alarm.title for alarm in tracker.log(rated(3, 290.0))] == ["Elo fell"]
    assert [alarm.title for alarm in tracker.log({**row(4), "loss/total": math.nan})] == ["loss/total is nan"]
    tracker.finish(0)

    found = records(tmp_path)
    alerts = of_type(found, "alert")
    assert [(alert["title"], alert["level"]) for alert in alerts] == [
        ("Elo fell", "WARN"),
        ("loss/total is nan", "ERROR"),
    ]
    assert "290 (240 to 340)" in alerts[0]["text"]
    assert "400 (350 to 450)" in alerts[0]["text"]
    history = [record["item"] for record in of_type(found, "history")]
    tables = [item for item in history if any(key.startswith("rating/interval/iteration") for key in item)]
    assert len(tables) == 3
    newest = max(tmp_path.glob("wandb/offline-run-*/files/media/table/rating/interval/iteration_table_*.json"))
    lines = json.loads(newest.read_text())["data"]
    assert sorted(line[:3] for line in lines if line[1] == "95% high") == [
        [1, "95% high", 450.0],
        [2, "95% high", 370.0],
        [3, "95% high", 340.0],
    ]


def test_an_agents_artifact_names_what_it_was_learned_from_and_how_it_was_rated(tmp_path: Path) -> None:
    """A whole run, its W&B file read back."""
    name = "tictactoe-smoke"
    training.start("tictactoe", ["tracking.mode=offline", "runtime.threads=1"], runs=tmp_path, smoke=True)
    found = records(tmp_path / name)
    artifacts = {
        (record["name"], min(record["aliases"])): record  # before "latest"
        for record in of_type(found, "artifact")
        if record["type"] != "run_table"
    }
    for iteration in (1, 2):
        alias = f"iteration-{iteration:06d}"
        about = json.loads(artifacts[name, alias]["metadata"])
        assert (about["iteration"], about["game"]) == (iteration, "tictactoe")
        assert about["elo_low"] < about["elo"] < about["elo_high"]
        for kind in ("replay", "checkpoint", "rating"):
            other, _, version = about[kind].partition(":")
            assert artifacts[other, version]["type"] == kind
            (content,) = artifacts[other, version]["manifest"]["contents"]
            written = json.loads(Path(content["local_path"]).read_text())
            if kind == "rating":
                assert about["elo"] in [rated["elo"] for rated in written]
            elif kind == "replay":
                assert sorted(written) == [str(i) for i in range(1, iteration + 1)]
    samples = (tmp_path / name / "replay" / "000002.safetensors").read_bytes()
    last = json.loads(Path(artifacts[f"{name}-replay", alias]["manifest"]["contents"][0]["local_path"]).read_text())
    assert last["2"] == hashlib.sha256(samples).hexdigest()
    for row in of_type(found, "history"):
        keys = row["item"].keys()
        always = set(tracking.AXES) - {"footprint/kwh"}  # energy: where it is estimated
        assert keys >= always, "what a panel can be drawn over stands in every row"
        panels = {key.partition("/")[0] for key in keys if "/" in key}
        assert panels >= {"loss", "train", "selfplay", "replay", "phase", "rating"}


def test_sync_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no offline W&B run"):
        sync(tmp_path)
    tracker = start(tmp_path / "a-run", mode="offline")
    tracker.log(row(1))
    tracker.finish(0)
    assert [path.parent.parent.name for path in offline_parts(tmp_path)] == ["a-run"]
    with pytest.raises(ValueError, match="WANDB_API_KEY"):
        sync(tmp_path)


@pytest.mark.parametrize("sweep", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_point_of_a_sweep_is_a_valid_config(sweep: Path) -> None:
    """Its command names a config, its parameters are settings, and both ends of each range are allowed."""
    tree = yaml.safe_load(sweep.read_text())
    program, command, config, arguments = tree["command"]
    assert (program, tree["program"], command, arguments) == ("${program}", "arena", "train", "${args_no_hyphens}")
    assert metrics.describe(tree["metric"]["name"])
    for name, space in tree["parameters"].items():
        for value in [space["value"]] if "value" in space else space.get("values") or [space["min"], space["max"]]:
            load(Config, find_config(config), [f"{name}={value}"])


@pytest.mark.parametrize(("project", "expected"), [(None, "theirs"), ("ours", "ours")])
def test_the_environment_names_the_project_where_the_config_does_not(
    project: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    tracker = Tracker.start(tmp_path, name="n", config={}, project=project, mode="offline", last_row=None)
    tracker.finish(0)
    assert of_type(records(tmp_path), "run")[0]["project"] == expected


def run_tracker(folder: Path, mode: str, environment: dict[str, str], body: str = "") -> tuple[str, str]:
    """W&B mode and error output of a process without a terminal that starts a tracker, logs two rows and ends."""
    program = f"""
import subprocess
import signal
from pathlib import Path
from arena import tracking
from arena.tracking import Tracker
children = []
class Child(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        children.append(self)
subprocess.Popen = Child
tracker = Tracker.start(Path({str(folder)!r}), name="n", config={{}}, project="p", mode={mode!r}, last_row=None)
print(tracker._run.settings.mode)
tracker.log({{"iteration": 1}})
{body}
tracker.log({{"iteration": 2}})
tracker.finish(0)
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert rows(folder)[-1] == {"iteration": 2}
    return done.stdout.strip(), done.stderr


def test_without_a_login_a_run_is_offline_and_silent(tmp_path: Path) -> None:
    mode, errors = run_tracker(tmp_path, "auto", {})
    assert mode == "offline"
    assert errors == ""


AT_ONCE = {  # two tries and no deadline that a busy machine could miss
    "WANDB_INIT_TIMEOUT": "600",
    "WANDB_X_GRAPHQL_RETRY_MAX": "1",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MIN_SECONDS": "0.01",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "0.01",
}


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "no key"),
        ({"WANDB_API_KEY": KEY, "WANDB_BASE_URL": NOBODY, **AT_ONCE}, "refused"),
        ({"WANDB_API_KEY": KEY, "WANDB_BASE_URL": NOBODY, "WANDB_INIT_TIMEOUT": "1"}, "deadline exceeded"),
    ],
    ids=["no-key", "no-network", "no-network-in-time"],
)
def test_online_without_key_or_network_goes_on_offline(
    tmp_path: Path, environment: dict[str, str], reason: str
) -> None:
    """A server is tried again and again until the deadline; whether by then one has refused depends on the machine."""
    mode, errors = run_tracker(tmp_path, "online", environment)
    assert mode == "offline"
    assert errors.count("UserWarning") == 1
    assert reason in errors
    assert len(of_type(records(tmp_path), "history")) == 2


def test_a_dead_wandb_service_is_one_warning(tmp_path: Path) -> None:
    kill = """
for child in children:
    child.kill()
while tracker._run is not None:  # until its death is noticed
    tracker.log({"iteration": 1})
"""
    _, errors = run_tracker(tmp_path, "offline", {}, kill)
    assert errors.count("UserWarning") == 1
    assert "going on with metrics.jsonl alone" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "body",
    ["", 'tracker.log({"iteration": 1, "ratings": [["random", 0.0, 0.0, 0.0, 1, 0.5]]})'],
    ids=["finishing", "logging"],
)
def test_a_wandb_service_that_never_answers_is_one_warning_and_the_process_ends(body: str, tmp_path: Path) -> None:
    """A run waited for ever at its end, or at its first rating; the warning names what W&B has of it."""
    stop = f"""
for child in children:
    if child.poll() is None:
        child.send_signal(signal.SIGSTOP)
tracking.PATIENCE = 1.0
{body}
"""
    _, errors = run_tracker(tmp_path, "offline", {"WANDB_FINISH_TIMEOUT": "1"}, stop)
    assert errors.count("UserWarning") == 1
    assert "gave no answer" in errors
    (named,) = re.findall("`wandb sync (.+)`", errors)
    assert Path(named) == tmp_path / "wandb" / Path(named).name
    assert list(Path(named).glob("*.wandb"))
    assert "Traceback" not in errors


class Failing:
    """A W&B run that can do nothing."""

    step, dir = 0, "wandb/run/files"

    def log(self, row: dict[str, Any], **how: Any) -> None:
        raise ConnectionError("gone")


def test_a_failing_wandb_warns_once_and_the_file_goes_on(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path, Failing())
    with pytest.warns(UserWarning, match="gone"):
        tracker.log(row(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracker.log(row(2))
        tracker.finish(0)
    assert rows(tmp_path) == [row(1), row(2)]


def test_wandb_mode_is_the_configs_else_the_environments_else_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking._mode("auto") == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert tracking._mode("auto") == "disabled"
    assert tracking._mode("online") == "online"


def test_disabled_tracking_needs_no_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it fails
    tracker = start(tmp_path)
    tracker.log(row(1))
    tracker.finish(0)
    monkeypatch.undo()
    assert rows(tmp_path) == [row(1)]


def test_resuming_drops_rows_that_will_be_made_again(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    for iteration in range(1, 6):
        tracker.log(row(iteration))
    start(tmp_path, last_row=row(3)).log(row(4))
    assert rows(tmp_path) == [row(1), row(2), row(3), row(4)]


def test_a_half_written_row_is_dropped(tmp_path: Path) -> None:
    start(tmp_path).log(row(1))
    with (tmp_path / tracking.METRICS_FILE).open("a") as file:
        file.write('{"iteration": 2, "ga')
    start(tmp_path, last_row=row(1)).log(row(2))
    assert rows(tmp_path) == [row(1), row(2)]


def test_a_row_lost_between_checkpoint_and_log_is_logged_on_resume(tmp_path: Path) -> None:
    start(tmp_path).log(row(1))
    start(tmp_path, last_row=row(2)).log(row(3))
    assert rows(tmp_path) == [row(1), row(2), row(3)]


def test_a_new_run_drops_the_rows_of_an_old_one(tmp_path: Path) -> None:
    start(tmp_path).log(row(1))
    start(tmp_path)
    assert rows(tmp_path) == []


def test_a_sweep_chooses_the_run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "from-the-sweep")
    assert tracking._run_id(tmp_path) == "from-the-sweep"
    monkeypatch.delenv("WANDB_RUN_ID")
    assert tracking._run_id(tmp_path) == "from-the-sweep"


def test_an_unexplained_metric_is_an_error(tmp_path: Path) -> None:
    tracker = start(tmp_path)
    with pytest.raises(KeyError, match="loss/totl"):
        tracker.log({"iteration": 1, "loss/totl": 0.5})
    assert not (tmp_path / tracking.METRICS_FILE).exists()


def test_metrics_page_is_current() -> None:
    assert (ROOT / "docs" / "METRICS.md").read_text() == metrics.markdown(), "run `python -m arena.metrics`"


def test_patterns_explain_families_of_metrics() -> None:
    for name in ("rating/score/mcts:100", "phase/selfplay", "keep/policy_opening", "keep/search_end"):
        assert metrics.describe(name), name
    assert metrics.describe("rating/scores") is None
    names = [metric.name for metric in metrics.METRICS]
    assert len(set(names)) == len(names)


def test_pictures_are_files_that_the_row_names(tmp_path: Path) -> None:
    start(tmp_path).log(row(1), boards=[BOARD])
    (game,) = rows(tmp_path)[0]["boards"]
    with Image.open(tmp_path / game["picture"]) as picture:
        assert np.array_equal(np.asarray(picture), BOARD.picture)
