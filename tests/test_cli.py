"""The command line as its user meets it: help at once, one-line errors, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import envs
from arena import tables
from arena.__main__ import main
from arena.cli import app
from arena.clock import TimeControl
from arena.table import Options


def arena(*arguments: str, typed: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arena", *arguments], input=typed, capture_output=True, text=True, cwd=cwd, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from arena.cli import app; print([m for m in ('torch', 'numba', 'numpy', 'wandb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    shown = arena("--help")
    assert shown.returncode == 0
    for command in ("train", "play", "match", "rate", "analyze", "games", "bench"):
        assert command in shown.stdout


@pytest.mark.parametrize("group", [[], ["agents"], ["study"]])
def test_what_a_list_of_commands_says_of_each_is_whole(group: list[str]) -> None:
    """First sentences that were too long for a line were cut: "Play against a player in the terminal: the full screen,..."."""
    assert "..." not in arena(*group, "--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no/such.yaml"], "no such config file"),
        (["train", "conect_four"], "did you mean 'connect_four'?"),
        (["train", "tictactoe", "train.lrr=1"], "did you mean 'train.lr'?"),
        (["train"], "name a config"),
        (["train", "--resume", "nowhere"], "nowhere is no run"),
        (["train", "tictactoe", "--resume", "nowhere"], "tictactoe: a run that is resumed has its config"),
        (["train", "--resume", "nowhere", "--smoke"], "--smoke and --runs are for new runs"),
        (["train", "--resume", "nowhere", "--runs", "elsewhere"], "--smoke and --runs are for new runs"),
        (["play", "go1"], "size"),
        (["play", "go:komi=abc"], "komi"),
        (["play", "checkers"], "there is no game"),
        (["play", "connect_four", "nobody"], "there is no player 'nobody'"),
        (["play", "connect_four", "champoin"], "there is no player 'champoin'; did you mean 'champion'?"),
        (["match", "levl:3", "random", "--game", "go9"], "there is no player 'levl:3'; did you mean 'level:3'?"),
        (["analyze", "go9", "--player", "mtcs:50"], "there is no player 'mtcs:50'; did you mean 'mcts:50'?"),
        (["analyze", "connect_four", "4444444"], "move 7"),
        (["analyze", "connect_four", "9"], "move 1: '9' is not a column"),
        (["match", "random", "greedy"], "name the game"),
        (["rate", "nogame"], "there is no game"),
        (["rate", "runs/nowhere"], "runs/nowhere is no run, it does not exist"),
        (
            ["rate", "none.sqlite"],
            "there is no ledger none.sqlite: `arena tournament GAME --ledger none.sqlite` makes one",
        ),
        (["match", "gtp:nosuch", "random", "--game", "go9"], "there is no program 'nosuch' to play"),
        (["play", "go9", "--load", "a.sgf", "--review", "b.sgf"], "--load and --review"),
        (["play", "go9", "champion", "--watch", "random", "greedy"], "--watch names both players"),
        (["report", "nowhere"], "nowhere is no run, it does not exist"),
        (["play", "connect_four", "--ponder"], "--ponder: line by line nobody thinks on your time"),
        (["gtp", "--game", "chess"], "play Go, not chess"),
        (["agents", "export", "champion", "--game", "connect_four", "/dev/null"], "arena: /dev/null: File exists"),
        (
            ["agents", "import", "champion", "--game", "go9", "--runs", "/dev/null"],
            "arena: /dev/null/agents: Not a directory",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = arena(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("arena: ")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


def test_records_that_are_not_there_are_refused_before_there_is_a_run(tmp_path: Path) -> None:
    """The same command with its mistake mended was told that there was a run already."""
    done = arena("train", "alphago_9x9", "records.path=nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "arena: records.path: there is no file or folder nowhere" in done.stderr
    assert not (tmp_path / "runs" / "alphago_9x9" / "config.yaml").exists()


def test_what_is_rated_already_takes_no_options_of_new_games(tmp_path: Path) -> None:
    """They were read and dropped."""
    played = arena("match", "random", "greedy", "--game", "tictactoe", "--ledger", "games.sqlite", cwd=tmp_path)
    assert played.returncode == 0
    done = arena("rate", "games.sqlite", "greedy", "--openings", "3", cwd=tmp_path)
    assert done.returncode == 2
    assert "PLAYERS, --openings: of no use to the games in games.sqlite" in done.stderr
    (tmp_path / "run").mkdir()
    assert "--anchor: of no use to the run run" in arena("rate", "run", "--anchor", "greedy", cwd=tmp_path).stderr
    assert "| greedy |" in arena("rate", "games.sqlite", "--markdown", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "tictactoe", "--player", "mcts:1000000000000"],  # numpy's error
        [
            "train",
            "tictactoe",
            "runtime.engine=torch",
            "network.trunk=mlp",
            "network.mlp_hidden=100000000000",
        ],  # torch's
    ],
)
def test_want_of_memory_is_one_line_that_says_what_needs_less(arguments: list[str], tmp_path: Path) -> None:
    """It was a traceback."""
    done = arena(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("arena: memory ran out. In training fewer games side by side (selfplay.slots)")
    assert "allocate" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line_that_says_what_to_do() -> None:
    """It was `[Errno 28] No space left on device` and no more."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "arena", "games"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "arena: No space left on device: make room and go on" in done.stderr


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("shapes (3,) and (4,) do not match")

    monkeypatch.setattr("arena.tables.games", broken)
    monkeypatch.setattr(sys, "argv", ["arena", "games"])
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    with pytest.raises(RuntimeError, match="do not match"):
        main()


def test_a_warning_of_ours_is_one_line_and_others_keep_their_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that could not go online began with the file, line and source of the warning."""

    def warned() -> None:
        for folder in ("arena", "elsewhere"):
            path = str(Path(tables.__file__).parent.parent / folder / "tracking.py")
            warnings.warn_explicit("writing an offline run instead", UserWarning, path, 92)

    monkeypatch.setattr("arena.tables.games", warned)
    monkeypatch.setattr(sys, "argv", ["arena", "games"])
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # as it was, afterwards
    monkeypatch.setattr(warnings, "showwarning", lambda *found: print(warnings.formatwarning(*found[:4]), end=""))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.raises(SystemExit):
            main()
    ours, *others = capsys.readouterr().out.splitlines()
    assert ours == "arena: writing an offline run instead"
    assert "tracking.py:92: UserWarning" in others[0]


def test_games_are_listed_as_they_can_be_written() -> None:
    shown = arena("games").stdout
    assert all(len(line) <= 80 for line in shown.split("Chess from")[0].splitlines())
    for name, examples in tables.OTHERS.items():
        for spec in (name, *examples):
            assert spec in shown
            envs.make(spec)


def test_a_game_can_be_played_in_a_pipe() -> None:
    done = arena("play", "tictactoe", "random", "--side", "first", typed="b2\nz9\nhint\nundo\nmoves\nquit\n")
    assert done.returncode == 0, done.stderr
    assert "random plays" in done.stdout
    assert "'z9' is not a cell" in done.stdout
    assert "best line" in done.stdout
    assert "\x1b" not in done.stdout


def test_what_play_is_told_reaches_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--ponder was read and dropped; a file that is not there was missed on the screen, after the players had been loaded."""
    shown: list[Options] = []
    record = tmp_path / "a.moves"
    record.write_text("game: tictactoe\nb2 *\n")
    monkeypatch.setattr("arena.terminal.app.play", lambda game, names, rng, options: shown.append(options))
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    app(
        ["play", "tictactoe", "--ponder", "--resign", "0.8", "--light", "--time", "10m", "--review", str(record)],
        standalone_mode=False,
    )
    app(["play", "tictactoe"], standalone_mode=False)
    with pytest.raises(ValueError, match=r"there is no file .*b\.moves"):
        app(["play", "tictactoe", "--load", str(tmp_path / "b.moves")], standalone_mode=False)
    assert shown[0] == Options(
        control=TimeControl(main=600), record=record, review=True, resign=0.8, ponder=True, dark=False
    )
    assert shown[1] == Options()


def test_a_record_brings_its_rules_unless_others_are_asked_for(tmp_path: Path) -> None:
    """A game with komi 5.5 was reviewed, and its winner named, with 7; one of chess that begins elsewhere was refused."""
    (tmp_path / "game.sgf").write_text("(;GM[1]SZ[9]KM[-70];B[ee];W[];B[])")
    (tmp_path / "game.pgn").write_text('[FEN "4k3/8/8/8/8/8/8/R3K3 w - - 0 1"]\n\n1. Ra8+ Kd7 *')

    def played(*words: str) -> str:
        done = arena("play", *words, "--plain", cwd=tmp_path, typed="quit\n")
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    assert "B+151" in played("go9", "human", "--load", "game.sgf")
    asked = played("go9:komi=100", "human", "--load", "game.sgf")
    assert "W+19" in asked
    assert "It was played as" in asked
    assert "K" in played("chess", "human", "--load", "game.pgn")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_empty_ones(closed: str) -> None:
    """They were a traceback."""
    command = f"{sys.executable} -m arena play tictactoe random --plain --side first {closed}"
    done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_end_of_input_leaves_cleanly() -> None:
    assert arena("play", "tictactoe", "random", "--side", "first").returncode == 0


def test_analysis_as_json() -> None:
    done = arena("analyze", "connect_four", "4455", "--json", "--player", "mcts:400")
    report = json.loads(done.stdout)
    assert report["proven"] == "won"
    assert report["moves"][0]["move"] in ("3", "6")
    assert report["line"][0] == report["moves"][0]["move"]
    short = json.loads(arena("analyze", "connect_four", "4455", "--json", "--player", "mcts:3").stdout)
    assert [move["value"] is None for move in short["moves"]] == [move["visits"] == 0 for move in short["moves"]]
    assert 0 in [move["visits"] for move in short["moves"]]


def test_match_prints_a_result_and_keeps_the_games(tmp_path: Path) -> None:
    done = arena("match", "greedy", "random", "--game", "connect_four", "--openings", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "10" in done.stdout
