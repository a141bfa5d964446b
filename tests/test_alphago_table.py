"""The table of AlphaGo's parts, and the teacher who plays where there are no records."""

from __future__ import annotations

import csv
import json
import sys
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import envs
from agents import gnugo, gtp_client
from agents.alphago.search import Parts
from agents.evaluators import uniform
from agents.players import Player, make_player
from arena import train as training
from arena.alphago import records, store, table, teacher
from arena.alphago.pipeline import Pipeline
from arena.alphago.records import RecordsSettings
from arena.alphago.settings import AlphaGoConfig
from arena.alphago.settings import smoke as shrink
from arena.alphago.table import Meeting, TableSettings
from arena.match import MatchResult, PlayedGame
from arena.progress import Silent
from arena.settings import find_config, load
from envs import States
from tests.test_tracking import of_type
from tests.test_tracking import records as wandb_records

GAME = envs.make("go5:komi=3.5")


def no_progress(games: int) -> None:
    pass


# The table


def test_the_mixture_is_swept_and_its_ends_are_the_variants_without_a_part() -> None:
    parts = Parts(uniform(GAME), uniform(GAME), uniform(GAME), uniform(GAME))
    players = table.ablation(GAME, parts, TableSettings(mixes=(0, 0.25, 0.5, 0.75, 1)))
    assert list(players) == [
        *(f"AlphaGo rvp, λ {mix}" for mix in ("0.25", "0.5", "0.75")),
        *("AlphaGo vp, λ 0", "AlphaGo rp, λ 1", "AlphaGo rv, λ 0.5", "AlphaGo v", "AlphaGo r"),
    ]
    mixes = {name: player.settings.mix for name, player in players.items()}  # type: ignore[attr-defined]  # they search
    assert mixes["AlphaGo vp, λ 0"] == mixes["AlphaGo v"] == 0
    assert mixes["AlphaGo rp, λ 1"] == mixes["AlphaGo r"] == 1
    assert set(table.PAPER) <= {*players, table.SUPERVISED, "GNU Go"}


def test_a_table_that_was_stopped_goes_on_and_says_what_each_part_is_worth(tmp_path: Path) -> None:
    settings = TableSettings(openings=3, opening_plies=1)
    players = {
        table.SUPERVISED: make_player(GAME, "random"),
        "AlphaGo rvp, λ 0.5": make_player(GAME, "mcts:30"),
        "greedy": make_player(GAME, "greedy"),
    }
    whole = table.play(GAME, players, settings, tmp_path, seed=0, progress=no_progress)
    assert [(m.a, m.b, m.wins + m.draws + m.losses) for m in whole] == [
        (table.SUPERVISED, "AlphaGo rvp, λ 0.5", 6),
        (table.SUPERVISED, "greedy", 6),
        ("AlphaGo rvp, λ 0.5", "greedy", 6),
    ]
    file = tmp_path / "results.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:1]))
    played: list[int] = []
    again = table.play(GAME, players, settings, tmp_path, seed=0, progress=played.append)
    assert sum(played) == 18
    assert [m[:5] for m in again] == [m[:5] for m in whole]

    table.write(again, tmp_path)
    with (tmp_path / "table.csv").open() as lines:
        rows = {row["player"]: row for row in csv.DictReader(lines)}
    assert tuple(next(iter(rows.values()))) == table.COLUMNS
    assert float(rows[table.SUPERVISED]["Elo"]) == 0
    best = rows["AlphaGo rvp, λ 0.5"]
    assert float(best["low"]) < float(best["Elo"]) < float(best["high"])
    assert (int(best["games"]), int(best["paper"]), rows["greedy"]["paper"]) == (12, 1373, "")
    assert "| AlphaGo rvp, λ 0.5 |" in (tmp_path / "table.md").read_text()
    picture = xml.etree.ElementTree.parse(tmp_path / "table.svg")
    assert len(picture.findall(".//{*}circle")) == 3
    assert len(picture.findall(".//{*}polygon")) == 2  # the paper rates two of them


@pytest.mark.parametrize(("plies", "to_play", "ours"), [(0, 0, 3 + 2), (1, 1, 2 + 3), (0, 1, 2 + 3)])
def test_moves_are_counted_for_who_made_them(plies: int, to_play: int, ours: int) -> None:
    """Games of five moves after the opening; A is the first player in one: the side to move after it has three of them.
    Against a handicap that is the second player where there is no opening."""
    games = [PlayedGame(0, first, tuple(range(5 + plies)), 1.0, seconds=(2.0, 1.0)) for first in (True, False)]
    meeting = Meeting.of("a", "b", MatchResult(games), plies, to_play)
    assert meeting.moves == (ours, 10 - ours)
    assert meeting.seconds == (4.0, 2.0)
    one = Meeting.of("a", "b", MatchResult(games[:1]), plies, to_play)
    assert one.moves == ((3, 2) if to_play == 0 else (2, 3))


def test_copies_of_a_game_are_no_evidence_in_the_table(tmp_path: Path) -> None:
    """Two games, played again and again, had an ever narrower interval."""
    game = envs.make("tictactoe")

    def first(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.asarray(game.legal(states).argmax(1))

    players: dict[str, Player] = {table.SUPERVISED: first, "greedy": first}
    settings, played = TableSettings(openings=20, opening_plies=0), list[int]()
    (meeting,) = table.play(game, players, settings, tmp_path, seed=0, progress=played.append)
    assert (meeting.wins, meeting.draws, meeting.losses, meeting.copies) == (1, 0, 1, 38)
    assert meeting.reasons == {"normal": 2}
    assert sum(meeting.moves) == 7 * 40  # all of them, as the seconds are
    assert [row.games for row in table.rows([meeting])] == [2, 2]
    again = list[int]()
    assert table.play(game, players, settings, tmp_path, seed=0, progress=again.append)[0][:5] == meeting[:5]
    assert again == [40] == [sum(played)]


def test_a_smoke_run_says_that_it_does_not_read_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("arena.train._go", lambda config, folder, *, fresh: None)
    training.start("alphago_9x9", ["records.path=games.sgf"], runs=tmp_path, smoke=True)
    assert "records.path=games.sgf is not read" in capsys.readouterr().out
    training.start("alphago_9x9", [], runs=tmp_path, smoke=True)
    assert capsys.readouterr().out == ""


def test_what_a_resumed_pipeline_was_told_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides left no trace in the run's folder, and were forgotten by the next resumption."""

    def stopped(pipeline: Pipeline) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "run", stopped)
    settings = ["name=x", "game=go5", "runtime.engine=torch", "footprint.enabled=false", "tracking.mode=disabled"]
    with pytest.raises(KeyboardInterrupt):
        training.start("alphago_9x9", settings, runs=tmp_path, smoke=False)
    (tmp_path / "x" / "supervised").mkdir()
    for overrides in (["table.openings=3", "value.fit.network.channels=8"], []):
        with pytest.raises(KeyboardInterrupt):
            training.resume(tmp_path / "x", overrides)
        kept = load(AlphaGoConfig, tmp_path / "x" / "config.yaml")
        assert (kept.table.openings, kept.value.fit.network.channels) == (3, 8)
    for override, message in (
        ("game=go7", "was begun with go5: leave game as it was"),
        ("supervised.network.channels=8", "stage supervised was begun with another network"),
    ):
        with pytest.raises(ValueError, match=message):
            training.resume(tmp_path / "x", [override])
    assert load(AlphaGoConfig, tmp_path / "x" / "config.yaml") == kept


def test_stages_are_runs_of_one_group_and_the_table_is_in_it_as_table_and_picture(tmp_path: Path) -> None:
    config = shrink(load(AlphaGoConfig, find_config("alphago_9x9"), ["tracking.mode=offline"]))
    pipeline = Pipeline(config, tmp_path, Silent())
    meeting = Meeting(table.SUPERVISED, "greedy", 3, 0, 1, (20, 20), (0.1, 0.2), {"normal": 4})
    (tmp_path / "table").mkdir()
    table.write([meeting], tmp_path / "table")
    with pipeline._tracked("supervised") as tracker:
        tracker.log({"iteration": 1})
    with pipeline._tracked("table") as tracker:
        tracker.log({"iteration": 1, "tables": ["table.csv"], "pictures": ["table.svg"]})
    files = {stage: wandb_records(tmp_path / stage) for stage in ("supervised", "table")}
    runs = [of_type(found, "run")[0] for found in files.values()]
    assert [run["run_group"] for run in runs] == ["alphago_9x9-smoke"] * 2
    assert [run["display_name"] for run in runs] == ["alphago_9x9-smoke/supervised", "alphago_9x9-smoke/table"]
    (row,) = (record["item"] for record in of_type(files["table"], "history"))
    assert row["tables/table._type"] == "table-file"
    (page,) = (tmp_path / "table").glob("wandb/offline-run-*/files/media/html/**/*.html")
    assert (tmp_path / "table" / "table.svg").read_text().strip() in page.read_text()


# The teacher


def test_games_of_a_teacher_differ_and_their_openings_are_not_learned() -> None:
    lines, skipped = teacher.games(GAME, "mcts:5", 20, 4, np.random.default_rng(0), no_progress)
    assert 17 <= len(lines) <= 20  # one game begins with no random move, not four
    assert not skipped
    assert len({tuple(line.actions) for line in lines}) == len(lines)
    assert Counter(line.start for line in lines).keys() == {0, 1, 2, 3, 4}
    for line in lines:
        states = GAME.reset(1)
        for action in line.actions:
            assert GAME.legal(states)[0, action]
            states = GAME.step(states, np.array([action]))
        assert GAME.terminal(states)[0]
        assert line.result == float(GAME.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
        assert min(line.learned, default=line.start) >= line.start


# A program that plays where nobody has yet and passes after its tenth stone; it resigns its fifth game, and breaks the rules in
# its sixth. (Chains without a liberty stay where they are: it has no rules, and the games that break ours are not used.)
GNU_GO = """
import sys
games, own, taken = 0, 0, []
for line in sys.stdin:
    name, *words = line.split()
    answer = ""
    if name == "clear_board":
        games, own, taken = games + 1, 0, []
    if name == "genmove":
        own += 1
        free = [x + y for y in "135" for x in "ACE" if x + y not in taken]
        answer = free[0] if free and own < 10 else "pass"
        if own == 2:
            answer = {6: "resign", 7: "Z9"}.get(games, answer)
    if name in ("play", "genmove"):
        taken.append(words[1] if name == "play" else answer)
    print("=", answer + "\\n", flush=True)
"""


@pytest.fixture
def _gnu_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program above is called gnugo, and on PATH."""
    (tmp_path / "gnugo").write_text(f"#!{sys.executable}\n{GNU_GO}")
    (tmp_path / "gnugo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_gnu_go")
def test_gnu_go_teaches_where_it_is_installed(tmp_path: Path) -> None:
    """What it resigns is learned from, what it breaks the rules in is not; counts say so, and who it was."""
    notes: list[str] = []
    assert teacher.choose(GAME, None, 0).startswith("gtp:gnugo --mode gtp --level 10 --chinese-rules")
    settings = RecordsSettings(teacher_games=12, teacher_plies=1, test_share=0.4)
    records.build(tmp_path / "s", GAME, settings, seed=0, note=notes.append)
    assert notes[0].startswith("records: none given, so gtp:gnugo --mode gtp --level 10")
    assert notes[1].endswith("games, 1 skipped (1 illegal move of the teacher's)")
    train = store.load(tmp_path / "s" / "train", GAME)
    assert train.summary["source"].startswith("gtp:gnugo")
    assert train.summary["skipped"] == {"illegal move of the teacher's": 1}


def test_without_gnu_go_our_own_search_teaches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gnugo, "arguments", lambda command: gtp_client.arguments("no-such-program"))
    assert gnugo.player(10) is None
    assert teacher.choose(GAME, None, 0) == "mcts:200"
    assert teacher.choose(envs.make("tictactoe"), None, 0) == "mcts:200"
    assert teacher.choose(GAME, "random", 0) == "random"
    notes: list[str] = []
    table.opponents(GAME, TableSettings(opponents=()), 0, notes.append)
    assert notes == ["table: GNU Go is not installed, so it does not join (apt install gnugo)"]


@pytest.mark.peer
def test_the_real_gnu_go_teaches_games_that_differ() -> None:
    spec = gnugo.player(1, seed=1)
    if spec is None:
        pytest.skip("GNU Go is not installed")
    lines, skipped = teacher.games(envs.make("go9"), spec, 6, 4, np.random.default_rng(0), no_progress)
    assert len(lines) + skipped.total() == 6
    assert len({tuple(line.actions) for line in lines}) == len(lines)
    assert all(len(line.learned) > 20 for line in lines)
