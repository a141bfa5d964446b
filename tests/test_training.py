"""Runs: every config smokes, they repeat bit for bit, resume as if never stopped, and learn tic-tac-toe to perfection."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from rich.console import Console

import envs
from agents.classic import Perfect
from agents.files import load_agent
from agents.players import make_player
from arena import checkpoint
from arena import train as training
from arena.config import Config, smoke
from arena.match import play_match, random_openings
from arena.progress import Display, Silent
from arena.run import Run
from arena.settings import find_config, kind, load
from arena.tracking import Tracker
from tests.learning import TINY, outcome, run_here

CONFIGS = sorted(path.stem for path in (Path(__file__).parent.parent / "configs").glob("*.yaml"))
LEAGUE = [
    "league.share=0.5",
    "league.anchors=[random, minimax:2]",
    "league.gate_openings=8",
    "rating.every=1",
]
ZERO = [
    "search.rule=puct",
    "selfplay.resign={enabled: true, played_out: 0.5, false_positives: 0.3}",
    "gate={share: 0.5, openings: 4, every: 1}",
    "network.separate=true",
]
KATAGO = [
    "network.reply=true",
    "network.soft_policy=true",
    "selfplay.surprise=0.5",
    "selfplay.full_fraction=0.5",
    "selfplay.value_mix=0.3",
    "search.rule=puct",
    "search.noise_shaped=0.5",
]


@pytest.fixture
def trained(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run that has come to its end: a copy of one that all tests share."""
    shared = tmp_path_factory.getbasetemp() / "tiny"
    if not shared.exists():
        run_here(load(Config, find_config("tictactoe"), TINY), shared)
    return Path(shutil.copytree(shared, tmp_path / "trained"))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_smokes(name: str, tmp_path: Path) -> None:
    training.start(name, ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
    last = "reinforced_again" if kind(find_config(name)) == "alphago" else "000002"
    assert (tmp_path / f"{name}-smoke" / "agents" / f"{last}.safetensors").exists()


def test_a_smoke_run_begins_anew_but_not_while_another_one_is_there(tmp_path: Path) -> None:
    """The second one deleted the first one's folder, its lock included, before it looked for the lock."""
    old = tmp_path / "tictactoe-smoke" / "agents" / "000009.safetensors"
    old.parent.mkdir(parents=True)
    old.touch()
    with training._only_one(tmp_path / "tictactoe-smoke"):
        with pytest.raises(ValueError, match="another process is training in"):
            training.start("tictactoe", ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
        assert old.exists()
    training.start("tictactoe", ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
    assert not old.exists()


@pytest.mark.parametrize("name", ["tictactoe", "alphago_9x9"])
def test_a_smoke_run_says_that_it_estimates_no_energy_to_who_asks_for_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "_go", lambda config, folder, *, fresh: None)
    training.start(name, ["footprint.enabled=true"], runs=tmp_path, smoke=True)
    assert "footprint.enabled=true is ignored" in capsys.readouterr().out
    for settings in (["footprint.country=DEU"], ["footprint.enabled=false"]):
        training.start(name, settings, runs=tmp_path, smoke=True)
        assert capsys.readouterr().out == ""


def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder with a lock stood for a run that never was."""
    runs, settings = tmp_path / "of" / "mine", ["tracking.mode=disabled", "rating.anchors={gtp:gnugo: 0}"]
    with pytest.raises(ValueError, match="programs play Go"):
        training.start("tictactoe", settings, runs=runs, smoke=False)
    assert not any(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no file or folder"):
        training.start("alphago_9x9", ["records.path=none.sgf"], runs=runs, smoke=False)
    assert not any(tmp_path.iterdir())
    notes = runs / "tictactoe" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    with pytest.raises(ValueError, match="programs play Go"):
        training.start("tictactoe", settings, runs=runs, smoke=False)
    assert notes.read_text() == "mine"


def test_a_run_ends_when_its_budget_is_spent(tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), [*TINY, "iterations=50", "budget=20000"])
    run = run_here(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert run.iteration == len(rows) < 50
    assert rows[-1]["compute"] == run.compute >= 20000 > rows[-2]["compute"]
    assert rows[-1]["train/lr"] < 0.5 * max(row["train/lr"] for row in rows)
    assert "rating/elo" in rows[-1]


# Repeated, stopped, killed


def test_repeats_bit_for_bit(trained: Path, tmp_path: Path) -> None:
    run_here(load(Config, find_config("tictactoe"), TINY), tmp_path / "again")
    assert outcome(trained) == outcome(tmp_path / "again")
    run_here(load(Config, find_config("tictactoe"), [*TINY, "seed=1"]), tmp_path / "other")
    assert outcome(trained) != outcome(tmp_path / "other")


@pytest.mark.parametrize(
    "more", [[], LEAGUE, ZERO, [*KATAGO, *LEAGUE]], ids=["self-play", "league", "gate and resignation", "all methods"]
)
def test_resuming_in_the_middle_equals_never_stopping(more: list[str], tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), [*TINY, *more])
    run_here(config, tmp_path / "whole")
    # The learning rate follows the length of the run, so the one that stops half-way must believe it is the whole one.
    run = Run(config, tmp_path / "broken", Silent())
    run.create_folder()

    class StopError(Exception): ...

    class StoppingTracker(Tracker):
        def log(self, row, **kwargs):  # type: ignore[no-untyped-def]
            found = super().log(row, **kwargs)
            if row["iteration"] == config.iterations // 2:
                raise StopError
            return found

    tracker = StoppingTracker.start(
        tmp_path / "broken", name="test", config={}, project="test", mode="disabled", last_row=None
    )
    with pytest.raises(StopError):
        run.train(tracker)
    run_here(config, tmp_path / "broken")
    assert outcome(tmp_path / "whole") == outcome(tmp_path / "broken")


def test_killed_at_random_points_ends_with_the_same_weights_and_ratings(tmp_path: Path) -> None:
    """SIGKILL, several times, somewhere in the first, third and fifth iteration; resumed until done."""
    arguments = ["tictactoe", *TINY, "iterations=12", "tracking.mode=disabled"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert arena("train", *arguments, "--runs", str(whole)).wait() == 0
    draws = random.Random(0)
    process = arena("train", *arguments, "--runs", str(broken))
    for finished in (1, 3, 5):
        metrics = broken / "tictactoe" / "metrics.jsonl"
        while not metrics.exists() or len(metrics.read_text().splitlines()) < finished:
            assert waits(process, 0.005), "the run ended before it was killed"
        waits(process, draws.uniform(0, 0.15))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = arena("train", "--resume", str(broken / "tictactoe"))
    assert process.wait() == 0
    assert outcome(whole / "tictactoe") == outcome(broken / "tictactoe")
    iterations = [
        [json.loads(line)["iteration"] for line in (runs / "tictactoe" / "metrics.jsonl").read_text().splitlines()]
        for runs in (whole, broken)
    ]
    assert iterations[0] == iterations[1] == list(range(1, 13))


def waits(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Give `process` some time; True if it is still running."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def arena(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "arena", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_corrupt_newest_checkpoint_falls_back_and_says_so(trained: Path) -> None:
    config, expected = load(Config, find_config("tictactoe"), TINY), outcome(trained)
    newest = trained / "checkpoints" / "000004" / checkpoint.LEARNER
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    run = Run(config, trained, progress := Silent())
    run.resume()
    assert run.iteration == 3
    assert "damaged" in progress.notes[0]
    assert "000004" in progress.notes[0]
    run_here(config, trained)
    assert outcome(trained) == expected


def test_a_full_disk_loses_nothing_already_saved(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outcome(trained)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    longer = load(Config, find_config("tictactoe"), [*TINY, "iterations=5"])
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_atomically", full)
        run = Run(longer, trained, Silent())
        run.resume()
        tracker = Tracker.start(trained, name="t", config={}, project="t", mode="disabled", last_row=run.row)
        with pytest.raises(OSError, match="No space left"):
            run.train(tracker)
    assert outcome(trained) == expected
    assert not list(trained.rglob("*.tmp"))


def test_what_a_kill_left_half_written_goes_when_the_run_is_resumed(trained: Path) -> None:
    """The names have the number of the process: nobody wrote over them, and every kill could leave another."""
    half = [trained / folder / ".000005.safetensors.77.tmp" for folder in ("agents", "replay")]
    for path in half:
        path.touch()
    Run(load(Config, trained / "config.yaml"), trained, Silent()).resume()
    assert not any(path.exists() for path in half)


def test_a_resumed_run_shows_the_iteration_that_it_is_in() -> None:
    """Until its first one was done it was at `iteration 1` and `0/40`, wherever it had been stopped."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Display(console, iterations=40) as display:
        display.resuming(18)
        display.phase("selfplay", 8)
        console.print(display._bars)
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "iteration 19: selfplay" in shown
    assert "18/40" in shown


def test_what_a_resumed_run_was_told_holds_when_it_is_resumed_again(trained: Path) -> None:
    """Overrides left no trace in the run's folder, and were forgotten by the next resumption."""
    kept = load(Config, trained / "config.yaml")
    longer = kept.iterations + 1
    for overrides in ([f"iterations={longer}", "train.optimiser=sgd", "tracking.mode=disabled"], []):
        training.resume(trained, overrides)
        assert load(Config, trained / "config.yaml").iterations == longer
    training.resume(trained, [f"iterations={longer + 1}", "train.optimiser=adamw"])
    assert checkpoint.newest(trained)[0].iteration == longer + 1  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["tictactoe", "alphago_9x9"])
def test_who_stops_a_run_while_it_starts_is_told_whether_there_is_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C before the first iteration, or before the first stage, left without a word."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def said() -> str:
        with pytest.raises(KeyboardInterrupt):
            training.start(name, ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
        return capsys.readouterr().out.splitlines()[-1]

    folder = tmp_path / f"{name}-smoke"
    built = f"arena.train.{'Pipeline' if kind(find_config(name)) == 'alphago' else 'Run'}"
    with monkeypatch.context() as patch:
        patch.setattr(f"{built}.__init__", stopped)
        assert said() == "stopped before the run had begun; the same command begins it"
        assert not folder.exists()
    monkeypatch.setattr("arena.footprint.Meter.start", stopped)
    assert said() == f"stopped; go on with: arena train --resume {folder}"
    assert (folder / "config.yaml").exists()


# Refused


@pytest.mark.parametrize("name", ["tictactoe", "alphago_9x9"])
def test_a_folder_that_holds_a_run_is_refused_before_anything_is_built(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network was built, workers started and the machine measured first: seconds for a mistake in the command."""
    config = tmp_path / name / "config.yaml"
    config.parent.mkdir()
    config.write_text("the run's")
    for built in ("Run", "Pipeline"):
        monkeypatch.setattr(training, built, lambda *_: pytest.fail("was built"))
    with pytest.raises(ValueError, match=rf"{name} already holds a run: continue it with `arena train --resume"):
        training.start(name, [], runs=tmp_path, smoke=False)
    assert config.read_text() == "the run's"


@pytest.mark.parametrize("override", ["network.channels=9", "network.trunk=mlp", "network.reply=true"])
def test_a_run_does_not_go_on_with_another_network(override: str, trained: Path) -> None:
    """It was a traceback of torch's."""
    before = (trained / "config.yaml").read_text()
    with pytest.raises(ValueError, match=r"leave network\.\* as it was"):
        training.resume(trained, [override])
    assert (trained / "config.yaml").read_text() == before


@pytest.mark.parametrize(
    ("change", "named"), [("gone", "outlook"), ("roomy", "outlook"), ("narrow", "policies"), ("unsaid", "league")]
)
@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_checkpoint_of_another_layout_is_refused_by_name(change: str, named: str, engine: str, trained: Path) -> None:
    """It was a KeyError from deep inside, in processes only when they played."""
    place = trained / "checkpoints" / "000004"
    state = json.loads((place / checkpoint.STATE).read_text())
    games = safetensors.numpy.load_file(place / checkpoint.SELFPLAY)
    if change == "gone":
        del games["outlook"]
    elif change == "roomy":  # room for whole games, as they were kept once
        games["outlook"] = np.ones((len(games["length"]), 9), np.float32)
    elif change == "narrow":
        games["policies"] = games["policies"][:, 1:].copy()
    else:
        del state["league"]
    safetensors.numpy.save_file(games, place / checkpoint.SELFPLAY)
    state["hashes"][checkpoint.SELFPLAY] = hashlib.sha256((place / checkpoint.SELFPLAY).read_bytes()).hexdigest()
    (place / checkpoint.STATE).write_text(json.dumps(state))
    before = (trained / "config.yaml").read_text()
    with pytest.raises(ValueError, match=rf"iteration 4 in .*trained was made by another version of arena.*'{named}'"):
        training.resume(trained, ["iterations=5", f"workers.engine={engine}", "tracking.mode=disabled"])
    assert (trained / "config.yaml").read_text() == before


def test_an_anchor_that_nobody_can_be_is_refused_before_the_first_game(tmp_path: Path) -> None:
    """It was found out at the first rating, and the iteration before it was lost."""
    config = smoke(load(Config, find_config("tictactoe")))
    config = config.model_copy(update={"rating": config.rating.model_copy(update={"anchors": {"mtcs:100": 0.0}})})
    with pytest.raises(ValueError, match="there is no player 'mtcs:100'"):
        Run(config, tmp_path / "run", Silent())


def test_an_iteration_without_a_full_search_says_what_to_change(tmp_path: Path) -> None:
    config = smoke(load(Config, find_config("tictactoe"), ["selfplay.full_fraction=1e-9"]))
    with pytest.raises(ValueError, match=r"raise selfplay\.full_fraction"):
        run_here(config, tmp_path / "run")


def test_an_agent_of_another_game_is_refused(tmp_path: Path) -> None:
    run_here(smoke(load(Config, find_config("tictactoe"))), tmp_path / "run")
    with pytest.raises(ValueError, match=r"plays tictactoe, not connect_four"):
        make_player(envs.make("connect_four"), str(tmp_path / "run"))
    agent = next((tmp_path / "run" / "agents").glob("*.safetensors"))
    data = agent.read_bytes()
    agent.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        load_agent(agent)
    (tmp_path / "text").write_text("not an agent")
    with pytest.raises(ValueError, match="damaged or no agent file"):
        load_agent(tmp_path / "text")


# Strength


@pytest.mark.strength
def test_learns_tictactoe_to_perfection(tmp_path: Path) -> None:
    """The shipped config, whole: no loss in 1,000 games against the exact player."""
    config = load(Config, find_config("tictactoe"))
    run_here(config, tmp_path / "run")
    game = envs.make("tictactoe")
    player = make_player(game, str(tmp_path / "run"))
    rng = np.random.default_rng(0)
    openings = random_openings(game, 1, 0, rng)
    losses_ = sum(play_match(game, player, Perfect(game), openings, rng).losses for _ in range(500))
    assert losses_ == 0
    shutil.rmtree(tmp_path / "run")


def test_the_runs_of_a_sweep_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B called them all by the config's name, in its charts and tables too."""
    names: list[str] = []

    def start(folder: Path, *, name: str, **told: object) -> Tracker:
        names.append(name)
        raise ConnectionError

    monkeypatch.setattr(training.Tracker, "start", start)
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    for trial in ("one", "two"):
        monkeypatch.setenv("WANDB_RUN_ID", trial)
        with pytest.raises(ConnectionError):
            training.start("tictactoe", [], runs=tmp_path, smoke=True)
    assert names == ["tictactoe-smoke-one", "tictactoe-smoke-two"]
