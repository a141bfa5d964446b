"""Studies as they are called: what they leave is whole and explained."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import envs
from agents.evaluators import uniform
from agents.files import save_agent
from arena.cli import app
from arena.footprint import Footprint, FootprintSettings, Meter
from arena.study import compress, neighbours, positions
from arena.study.report import Measured, Report, new_figure
from envs import records
from tests.studied import agent, quiet

pytest.importorskip("matplotlib", reason="the extra `study` is not installed")
pytest.importorskip("captum", reason="the extra `study` is not installed")


def test_a_report_is_one_page_with_everything_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    report = Report(tmp_path / "r", "A <title>", quiet())
    figure = new_figure(2, 2)
    figure.subplots().plot([0, 1])
    report.picture("line", figure, "A line", "it rises")
    report.table("numbers", [{"name": "a&b", "n": 1200, "x": 0.5, "y": None}], "Numbers", "of all kinds")
    report.figures({"blackbox/deletion/occlusion_move": -0.1})
    report.finish({"seed": 0})
    page = (tmp_path / "r" / "index.html").read_text()
    assert "A &lt;title&gt;" in page
    assert "a&amp;b" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    with (tmp_path / "r" / "numbers.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"name": "a&b", "n": "1200", "x": "0.5", "y": ""}]
    row = json.loads((tmp_path / "r" / "metrics.jsonl").read_text())
    assert row["pictures"] == ["line.png"]
    assert row["tables"] == ["numbers.csv"]
    Report(tmp_path / "r", "again", quiet())  # takes the place of the first
    assert not (tmp_path / "r" / "numbers.csv").exists()


def test_a_column_has_one_number_of_decimals(tmp_path: Path) -> None:
    """0.000 ±263 Elo stood over -249 ±332."""
    out = io.StringIO()
    report = Report(tmp_path / "one", "One", Console(file=out))
    elo = [Measured(0.0, 263.2), Measured(-0.3, 12.0), Measured(-1249.0, math.nan)]
    rows = [{"Elo": cell, "ms": ms, "share": 0.5, "n": 1200} for cell, ms in zip(elo, (63.26, 7.6, None), strict=True)]
    report.table("table", rows, "A table", "All of it.")
    shown = [[cell.strip() for cell in re.split(r"\s{2,}", line.strip())] for line in out.getvalue().splitlines()]
    assert shown[-4:-1] == [
        ["0 ±263", "63.3", "0.500", "1,200"],
        ["0 ±12", "7.6", "0.500", "1,200"],
        ["-1,249 ±nan", "0.500", "1,200"],
    ]


def test_marks_of_a_logarithmic_axis_are_plain_numbers() -> None:
    """Between two powers of ten they ran into each other: 2 x 10^-1, 3 x 10^-1 and so on."""
    costs = {"front": "", "Elo": Measured(0.0, 10.0), "ms a move": 3.0}
    figure = compress._figure([{"agent": str(mb), **costs, "MB": mb} for mb in (0.32, 2.4)])
    figure.savefig(io.BytesIO())
    axis = figure.axes[1].xaxis
    assert {"0.5", "1", "2"} <= {label.get_text() for label in axis.get_ticklabels()}
    assert axis.get_ticklabels(minor=True) == []


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="--out"):
        Report(tmp_path, "A study", quiet())
    assert (tmp_path / "thesis.txt").exists()


def test_pictures_and_tables_reach_the_offline_run(tmp_path: Path) -> None:
    report = Report(tmp_path / "r", "A study", quiet())
    figure = new_figure(1, 1)
    report.picture("empty", figure, "Nothing", "nothing")
    report.table("one", [{"name": "a", "x": 1}], "One", "row")
    report.finish({"seed": 0})
    media = [path.name for path in (tmp_path / "r").glob("wandb/offline-run-*/files/media/**/*.*")]
    assert any(name.startswith("empty") for name in media)
    assert any(name.startswith("one") for name in media)


def run(*arguments: object) -> str:
    """What `arena study ...` prints."""
    done = CliRunner().invoke(app, ["study", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def agent_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    save_agent(tmp_path / "agent.safetensors", agent())
    return tmp_path / "agent.safetensors"


def test_blackbox(agent_path: Path, tmp_path: Path) -> None:
    run("blackbox", agent_path, "--positions", 6, "--out", tmp_path / "r")
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"index.html", "move.png", "value.png", "deletion.png", "deletion.csv", "sanity.csv"} <= names


@pytest.fixture
def games_path(tmp_path: Path) -> Path:
    """Sixty random games of Connect Four."""
    game = envs.make("connect_four")
    found = positions.own_games(game, uniform(game), 60, np.random.default_rng(0))
    records.write(tmp_path / "games.moves", found.records)
    return tmp_path / "games.moves"


def test_bias(agent_path: Path, games_path: Path, tmp_path: Path) -> None:
    shown = run("bias", agent_path, "--records", games_path, "--positions", 600, "--out", tmp_path / "r")
    assert "colour: second player" in shown
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"index.html", "groups.png", "groups.csv", "calibration.png", "symmetry.csv"} <= names


def test_the_champion_is_studied_as_other_agents_are(
    games_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("bias", "champion", "--game", "connect_four", "--records", games_path, "--positions", 100)
    assert (tmp_path / "runs/study/bias-champion-connect_four/index.html").exists()


def test_neighbours(agent_path: Path, games_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "PRETRAINING", 2)
    monkeypatch.setattr(neighbours, "TUNING", 2)
    options = ("--records", games_path, "--positions", 600, "--queries", 20, "--out", tmp_path / "r")
    save_agent(tmp_path / "apart.safetensors", agent(separate=True))
    shown = run("neighbours", agent_path, tmp_path / "apart.safetensors", *options)
    assert "trunk of agent" in shown
    assert "value trunk of agent" not in shown
    assert "value trunk of apart" in shown
    steps = (
        "reading ",
        "positions as agent sees them",
        "positions as apart sees them",
        "an auto-encoder learns",
        "asked about",
    )
    assert sorted(steps, key=shown.index) == list(steps), "it was silent for a minute"
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"index.html", "precision.csv", "nearest-board.png", "nearest-trunk-of-agent.png"} <= names


def test_generate(agent_path: Path, games_path: Path, tmp_path: Path) -> None:
    options = ("--records", games_path, "--game", "connect_four", "--board-steps", 20, "--game-steps", 5)
    shown = run("generate", *options, "--out", tmp_path / "r")
    assert "sampled from the auto-encoder" in shown
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"index.html", "boards.csv", "games.csv", "samples.png", "between.png", "continued.png"} <= names


def test_openings(agent_path: Path, games_path: Path, tmp_path: Path) -> None:
    options = ("--records", games_path, "--agent", agent_path, "--plies", 3, "--clusters", 3)
    run("openings", *options, "--out", tmp_path / "r")
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"index.html", "openings.csv", "openings.png", "map.png"} <= names


@pytest.mark.parametrize("energy", [True, False])
def test_compress(energy: bool, agent_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compress, "Meter", Counting if energy else Missing)
    monkeypatch.setattr(compress, "ENOUGH", 0.01)
    options = ("--simulations", 0, "--openings", 2, "--games", 4, "--steps", 3, "--out", tmp_path / "r")
    shown = run("compress", agent_path, *options)
    assert "pruned 90%" in shown
    with (tmp_path / "r" / "pareto.csv").open() as file:
        rows = {row["agent"]: row for row in csv.DictReader(file)}
    assert rows["original"]["same choice"] == "1.0"
    assert rows["original"]["engine"] == rows["pruned 90%"]["engine"] == "torch"
    assert float(rows["pruned 50%"]["MB"]) < float(rows["original"]["MB"])
    assert (tmp_path / "r" / "pareto.png").exists()
    assert ("mJ a move" in rows["original"]) == energy
    assert ("There is no energy a move here" in (tmp_path / "r" / "index.html").read_text()) != energy


def test_compress_times_torch_on_one_thread_as_it_says(
    agent_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch had all of the machine's, and OpenVINO one."""
    threads: list[int] = []

    def timed(move: object, states: object) -> float:
        threads.append(torch.get_num_threads())
        return 1.0

    monkeypatch.setattr(compress, "Meter", Missing)
    monkeypatch.setattr(compress, "move_seconds", timed)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    options = ("--simulations", 0, "--openings", 1, "--games", 4, "--steps", 1, "--out", tmp_path / "r")
    run("compress", agent_path, *options)
    assert set(threads) == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


class Counting(Meter):
    """Every reading is a watt-second more than the one before."""

    kwh = 0.0

    def ready(self) -> bool:
        return True

    def start(self) -> None: ...

    def read(self) -> Footprint:
        self.kwh += 1 / 3.6e6
        return Footprint(self.kwh)


class Missing(Counting):
    def ready(self) -> bool:
        return False


def test_energy_a_move_is_what_was_used_over_the_moves_made() -> None:
    made: list[int] = []
    states = envs.make("tictactoe").reset(3)
    meter = Counting(FootprintSettings(), lambda text: None)
    joules = compress.move_joules(lambda states: made.append(len(states)), states, meter, 0.001)
    assert set(made) == {1}, "single positions"
    assert joules == pytest.approx(1 / len(made))
