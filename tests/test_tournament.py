"""Tournaments: every game in the ledger, killed at any instant and taken up again; who meets whom."""

from __future__ import annotations

import io
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import envs
from agents.files import AgentFile, save_agent
from agents.identity import identify
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.players import built_in, make_player
from agents.search import SearchSettings
from arena import standings
from arena import tournament as tournaments
from arena.ledger import Ledger, LedgerGame
from arena.rating import Result
from arena.records import summarise
from arena.schedule import Format, Meeting, default_rounds, ladder_order, next_round, swiss_points
from arena.sprt import SPRT
from arena.tournament import Tournament, play
from envs import records

SETTINGS = Tournament(
    "connect_four", ("random", "greedy", "mcts:8"), openings=8, plies=3, seed=5, parallel=6
)  # 3 meetings of 16 games, batches of 6


def content(path: Path) -> list[tuple[object, ...]]:
    """All games in a ledger but for what the clock says."""
    with sqlite3.connect(path) as file:
        return file.execute(
            "SELECT event, meeting, opening, a_first, first, second, opening_plies, moves, score, reason, seed"
            " FROM game ORDER BY 1, 2, 3, 4"
        ).fetchall()


def finish(settings: Tournament, path: Path) -> list[LedgerGame]:
    with Ledger(path) as ledger:
        return play(settings, ledger).games


def test_every_game_is_written_with_who_played_and_how(tmp_path: Path) -> None:
    games = finish(SETTINGS, tmp_path / "ledger")
    assert len(games) == 3 * 16
    game = envs.make("connect_four")
    for played in games:
        states = game.reset(1)
        for ply, action in enumerate(played.moves):
            assert game.legal(states)[0, action], ply
            states = game.step(states, np.array([action]))
        assert game.terminal(states)[0]
        result = float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
        assert played.score == (1 + result) / 2
        assert played.opening_plies == 3
        assert played.reason == "normal"
    with Ledger(tmp_path / "ledger") as ledger:
        names = ledger.names()
        assert sorted(names.values()) == ["greedy", "mcts:8", "random"]
        assert {(names[g.first], names[g.second]) for g in games if g.meeting == 0} == {
            ("random", "greedy"),
            ("greedy", "random"),
        }
        search = next(key for key, name in names.items() if name == "mcts:8")
        assert ledger.details(search)["search"]["rule"] == "puct"
        assert ledger.details(search)["game_version"] == game.version
        assert sum(g.first_seconds for g in games if g.first == search) > 0


def test_the_same_openings_are_played_from_both_seats(tmp_path: Path) -> None:
    games = finish(SETTINGS, tmp_path / "ledger")
    starts = {(g.meeting, g.opening, g.a_first): g.moves[: g.opening_plies] for g in games}
    assert len(set(starts.values())) == 8
    for meeting, opening, _ in starts:
        assert starts[meeting, opening, True] == starts[meeting, opening, False]


def test_again_the_same_games_and_taken_up_nothing_is_played_twice(tmp_path: Path) -> None:
    finish(SETTINGS, tmp_path / "one")
    finish(SETTINGS, tmp_path / "other")
    assert content(tmp_path / "one") == content(tmp_path / "other")
    heard: list[int] = []
    with Ledger(tmp_path / "one") as ledger:
        play(SETTINGS, ledger, progress=heard.append)
    assert heard == [16, 16, 16]  # told at once


@pytest.mark.parametrize("kept", [1, 5, 17, 30, 47])
def test_a_tournament_cut_short_anywhere_ends_with_the_same_games(kept: int, tmp_path: Path) -> None:
    finish(SETTINGS, tmp_path / "whole")
    finish(SETTINGS, tmp_path / "cut")
    with sqlite3.connect(tmp_path / "cut") as file:  # the games finish in another order than they are numbered
        file.execute("DELETE FROM game WHERE rowid NOT IN (SELECT rowid FROM game ORDER BY rowid LIMIT ?)", (kept,))
    assert len(content(tmp_path / "cut")) == kept
    finish(SETTINGS, tmp_path / "cut")
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.slow
def test_killed_ten_times_a_tournament_ends_with_the_games_of_an_unbroken_one(tmp_path: Path) -> None:
    """SIGKILL whenever some more games are in the file, each time in the middle of others."""
    arguments = ["tournament", "connect_four", "greedy", "minimax:3", "mcts:60", "--openings", "30", "--parallel", "10"]
    command = [sys.executable, "-m", "arena", *arguments, "--ledger"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    whole = content(tmp_path / "whole")
    assert len(whole) == 3 * 60
    with Ledger(tmp_path / "killed"):
        pass
    for kills in range(10):
        with running([*command, str(tmp_path / "killed")]) as process:
            wanted = (kills + 1) * len(whole) // 11
            while process.poll() is None and len(content(tmp_path / "killed")) < wanted:
                os.sched_yield()
            assert process.poll() is None, "it ended before it could be killed"
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert wanted <= len(content(tmp_path / "killed")) < len(whole)
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    assert content(tmp_path / "killed") == whole


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_two_processes_may_write_to_one_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "shared") as one, Ledger(tmp_path / "shared") as other:
        play(SETTINGS, one)
        play(SETTINGS, other)
        play(Tournament("tictactoe", ("random", "greedy"), openings=2, plies=1), other)
    assert len(content(tmp_path / "shared")) == 48 + 4


def test_players_of_whom_a_clock_decides_play_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tournaments, "repeatable", lambda spec: False)
    finish(SETTINGS, tmp_path / "ledger")
    with sqlite3.connect(tmp_path / "ledger") as file:
        file.execute("DELETE FROM game WHERE meeting = 1 AND opening = 4 AND a_first = 0")
    asked: list[int] = []
    original = tournaments.gauntlet
    monkeypatch.setattr(
        tournaments,
        "gauntlet",
        lambda game, a, rivals, rng, **more: (
            asked.append(len(rivals["B"][1].states)) or original(game, a, rivals, rng, **more)
        ),
    )
    finish(SETTINGS, tmp_path / "ledger")
    assert asked == [1]
    assert len(content(tmp_path / "ledger")) == 48


def test_a_match_of_a_player_with_itself_has_both_seats_and_no_rating(tmp_path: Path) -> None:
    settings = Tournament("tictactoe", ("random", "random"), "match", openings=6, plies=0)
    assert len(finish(settings, tmp_path / "ledger")) == 12
    with Ledger(tmp_path / "ledger") as ledger:
        results, copies = ledger.results("tictactoe", envs.make("tictactoe").version)
    assert (results, copies) == ([], 0)


def test_who_stops_a_tournament_is_told_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(standings, "play", stopped)
    with pytest.raises(KeyboardInterrupt):
        standings.play_and_show(SETTINGS, tmp_path / "ledger", anchor="random", sprt=None)
    assert f"stopped; the finished games are in {tmp_path / 'ledger'}" in capsys.readouterr().out


def test_two_names_of_one_player_are_refused_in_a_list(tmp_path: Path) -> None:
    """One of the two was missing from it, and with it its anchor."""
    with Ledger(tmp_path / "ledger") as ledger:
        with pytest.raises(ValueError, match="random and level:1 are the same player: name it once"):
            play(Tournament("tictactoe", ("random", "greedy", "level:1"), openings=1), ledger)
        assert not ledger.names()
        assert len(play(Tournament("tictactoe", ("random", "level:1"), "match", openings=1), ledger).games) == 2


def test_copies_of_a_game_count_once(tmp_path: Path) -> None:
    """Raw policies from the one opening play the same two games ten times."""
    game = envs.make("tictactoe")
    agent = agent_file(tmp_path, "agent")
    settings = Tournament("tictactoe", ("solver", f"{agent}:0"), openings=10, plies=0)
    with Ledger(tmp_path / "ledger") as ledger:
        played = play(settings, ledger)
        results, copies = ledger.results(game.name, game.version)
    distinct = len({(g.first, g.moves) for g in played.games})
    assert len(played.games) == 20
    assert sum(r.wins + r.draws + r.losses for r in results) == distinct == 20 - copies
    assert copies > 0


def test_copies_of_a_game_are_no_evidence_in_a_match(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two games, played again and again, had an ever narrower interval and decided the test."""
    one, other = (agent_file(tmp_path, name, seed) for seed, name in enumerate("ab"))
    settings = Tournament("tictactoe", (f"{one}:0", f"{other}:0"), "match", openings=200, plies=0)
    standings.play_and_show(settings, tmp_path / "ledger", anchor="", sprt=(0, 50))
    said = capsys.readouterr().out
    assert "│     2 │" in said
    assert "copies of other games: 398." in said
    assert "undecided after 1 distinct pair" in said


def test_the_test_stops_a_meeting_that_has_decided(tmp_path: Path) -> None:
    settings = Tournament("connect_four", ("greedy", "random"), "match", openings=200, parallel=16, sprt=SPRT(0, 50))
    games = finish(settings, tmp_path / "ledger")
    assert len(games) < 120
    assert len(games) % 16 == 0
    assert finish(settings, tmp_path / "ledger") == games


def test_the_test_is_asked_before_all_games_that_may_be_played_side_by_side_are_over(tmp_path: Path) -> None:
    """As `arena match A B --sprt 0 50` has it: its 100 games were one batch, and the test never stopped any."""
    settings = Tournament("tictactoe", ("mcts:50", "random"), "match", openings=50, sprt=SPRT(0, 50))
    assert len(finish(settings, tmp_path / "ledger")) < 100


def test_identity_is_the_weights_and_the_settings_not_the_path(tmp_path: Path) -> None:
    game = envs.make("tictactoe")
    one, other = agent_file(tmp_path, "one"), agent_file(tmp_path, "other", seed=1)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(one.read_bytes())
    key = identify(game, str(one)).key
    assert identify(game, str(copy)).key == key
    assert identify(game, f"{one}:4").key == key  # what the file says itself
    assert identify(game, f"{one}:5").key != key
    assert identify(game, str(other)).key != key
    assert identify(game, "mcts:5").key != identify(game, "mcts:6").key
    assert identify(envs.make("go5"), "random").key != identify(game, "random").key


def test_a_folder_named_as_a_player_is_not_that_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for its agents, and no match with `random` began."""
    game = envs.make("tictactoe")
    key = identify(game, "random").key
    (tmp_path / "random").mkdir()
    monkeypatch.chdir(tmp_path)
    assert identify(game, "random").key == key


def test_players_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """The file at a path changes between two tournaments."""
    path = agent_file(tmp_path, "agent")
    settings = Tournament("tictactoe", ("random", str(path)), openings=2, plies=1)
    finish(settings, tmp_path / "ledger")
    agent_file(tmp_path, "agent", seed=1)
    finish(settings, tmp_path / "ledger")
    with Ledger(tmp_path / "ledger") as ledger:
        results, _ = ledger.results("tictactoe", envs.make("tictactoe").version)
    names = {name for r in results for name in (r.a, r.b)}
    assert len(names) == 3
    assert sum(name.startswith(f"{path} #") for name in names) == 2


def agent_file(folder: Path, name: str, seed: int = 0) -> Path:
    import torch

    torch.manual_seed(seed)
    game, settings = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=4)
    weights = PolicyValueNetwork(game, settings).state_dict()
    path = folder / f"{name}.safetensors"
    save_agent(path, AgentFile(game, settings, SearchSettings(), 4, weights, {"run": "test"}))
    return path


def test_a_list_says_who_lost_games_other_than_on_the_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that crashed in every game looked like one that plays badly."""
    program = tmp_path / "dies.py"
    program.write_text("for _ in range(4): input(); print('=\\n', flush=True)")
    player = f"gtp:{shlex.quote(sys.executable)} {program}"
    settings = Tournament("go5", ("random", player), openings=2)
    standings.play_and_show(settings, tmp_path / "ledger", anchor="random", sprt=None, markdown=True)
    told = f"{player} lost 4 by crash: it ended when asked '"
    assert told in capsys.readouterr().out
    standings.show_ledger(tmp_path / "ledger", anchor="random")
    assert told in capsys.readouterr().out


def test_games_that_are_adjudicated_are_not_called_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lost otherwise: 8 adjudication` stood beside four games won and four lost, or all drawn."""
    settings = Tournament("go5", ("random", "greedy"), "match", openings=2, adjudicate=6)
    standings.play_and_show(settings, tmp_path / "ledger", anchor="greedy", sprt=None, markdown=True)
    _, _, head, _, row, *_ = capsys.readouterr().out.splitlines()
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert cells["adjudicated |"] == "4 |"
    assert "lost otherwise" not in head


def test_names_are_whole_in_the_tables_of_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In 80 columns the names above eight were cut to the same letters, and brackets were taken for a colour."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    agent_file(tmp_path, "my[red]")
    players = ("my[red].safetensors", *(f"clumsy:{percent}:minimax:1" for percent in range(10, 80, 10)))
    settings = Tournament("tictactoe", players, openings=1)
    standings.play_and_show(settings, tmp_path / "ledger", anchor="none", sprt=None)
    scores, _, ratings = capsys.readouterr().out.partition("Ratings")
    for player in players:
        assert player in scores
        assert player in ratings


def test_the_games_of_a_ledger_become_records(tmp_path: Path) -> None:
    path, lists, tree = tmp_path / "ledger", tmp_path / "all.moves", tmp_path / "go.sgf"
    games = finish(SETTINGS, path) + finish(Tournament("go5", ("random", "greedy"), openings=1), path)
    with Ledger(path) as ledger:
        names = ledger.names()
        lost = games[-1]._replace(opening=1, score=0.0, reason="resignation")
        ledger.add(ledger.begin(envs.make("go5"), "another", {}), [lost])
    expected = [((names[g.first], names[g.second]), g.moves, 2 * g.score - 1) for g in (*games, lost)]
    console = Console(file=io.StringIO())
    summarise([path], game="", check=True, to=lists, console=console)
    assert sorted(kept(lists)) == sorted(expected)
    summarise([path], game="go5", check=True, to=tree, console=console)
    assert sorted(kept(tree)) == sorted(expected[-3:])
    assert "W+Resign" in tree.read_text()
    assert {envs.make(record.game).name for record in records.read(tree)} == {envs.make("go5").name}


def kept(path: Path) -> list[tuple[tuple[str, str], tuple[int, ...], float | None]]:
    """Players, moves and result of the games in a file of records."""
    return [(record.players, record.actions, record.result) for record in records.read(path)]


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be one" * 100)
    with pytest.raises(ValueError, match="text cannot be used"):
        Ledger(tmp_path / "text")
    with sqlite3.connect(tmp_path / "foreign") as file:
        file.execute("CREATE TABLE cake (name TEXT)")
    with pytest.raises(ValueError, match="foreign is no ledger"):
        Ledger(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Tournament("tictactoe", ("random",)), "two different players"),
        (Tournament("tictactoe", ("random", "random")), "each once"),
        (Tournament("tictactoe", ("random", "nobody")), "there is no player 'nobody'"),
        (Tournament("tictactoe", ("random", "greedy"), parallel=1), "parallel is 2 or more"),
        (Tournament("tictactoe", ("random", "greedy"), plies=4, adjudicate=4), "adjudicated after more plies"),
        (Tournament("tictactoe", ("random", "greedy"), sprt=SPRT(5, 5)), "elo0 below elo1"),
    ],
)
def test_what_cannot_be_played_is_refused_before_the_first_game(
    settings: Tournament, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        finish(settings, tmp_path / "ledger")
    assert content(tmp_path / "ledger") == []


@pytest.mark.parametrize("name", [name for name in envs.GAMES if name != "gomoku"])
def test_the_players_that_come_with_a_game_exist(name: str) -> None:
    game = envs.make(name)
    for spec in built_in(game):
        make_player(game, spec)
    assert ("mcts:100" in built_in(game)) == (name != "chess")


# Who meets whom: players of known strength, the stronger of two always wins.

STRENGTH = {"a": 3, "b": 1, "c": 5, "d": 2, "e": 4}


def run(form: Format, players: list[str]) -> list[list[Meeting]]:
    rounds: list[list[Meeting]] = []
    for _ in range(default_rounds(form, len(players))):
        meetings = next_round(form, players, rounds)
        rounds.append([m if m.b is None else m._replace(score=float(STRENGTH[m.a] > STRENGTH[m.b])) for m in meetings])
    return rounds


def test_a_round_robin_is_all_pairs_and_a_gauntlet_one_against_all() -> None:
    (every,) = run("round-robin", ["a", "b", "c", "d"])
    assert {frozenset((m.a, m.b)) for m in every} == {frozenset(pair) for pair in ("ab", "ac", "ad", "bc", "bd", "cd")}
    (against,) = run("gauntlet", ["c", "a", "b"])
    assert [(m.a, m.b) for m in against] == [("c", "a"), ("c", "b")]


def test_a_ladder_puts_the_players_in_order() -> None:
    for players in (list("abcde"), list("bdaec"), list("cead")):
        rounds = run("ladder", players)
        assert ladder_order(players, rounds) == sorted(players, key=lambda p: -STRENGTH[p])


def test_nobody_meets_twice_in_a_swiss_tournament_and_the_best_wins() -> None:
    rounds = run("swiss", list("abcde"))
    meetings = [m for meetings in rounds for m in meetings]
    met = [frozenset((m.a, m.b)) for m in meetings if m.b]
    assert len(met) == len(set(met))
    byes = [m.a for m in meetings if m.b is None]
    assert len(byes) == len(set(byes)) == len(rounds)
    for each in rounds:
        assert sorted(p for m in each for p in (m.a, m.b) if p) == list("abcde")
    points = swiss_points(list("abcde"), rounds)
    assert max(points, key=points.__getitem__) == "c"
    assert sum(points.values()) == len(meetings)


def test_a_swiss_tournament_of_more_rounds_than_opponents_goes_on() -> None:
    rounds: list[list[Meeting]] = []
    for _ in range(5):
        rounds.append([m._replace(score=1.0) for m in next_round("swiss", ["a", "b", "c", "d"], rounds)])
    assert all(len(each) == 2 for each in rounds)


def test_results_are_seen_from_who_moved_first(tmp_path: Path) -> None:
    game = envs.make("tictactoe")
    with Ledger(tmp_path / "ledger") as ledger:
        event = ledger.begin(game, "match", {})
        keys = [ledger.enter(identify(game, spec)) for spec in ("random", "greedy")]
        for opening, (first, score) in enumerate([(0, 1.0), (1, 1.0), (1, 0.5)]):
            entry = LedgerGame(
                meeting=0,
                opening=opening,
                a_first=first == 0,
                first=keys[first],
                second=keys[1 - first],
                opening_plies=0,
                moves=(opening,),
                score=score,
                reason="time",
                detail="late",
                first_seconds=0.5,
                second_seconds=1.5,
                seed="0 0 0",
            )
            ledger.add(event, [entry])
            ledger.add(event, [entry._replace(score=0.0)])  # it is there already
        assert ledger.games(event)[0] == LedgerGame(
            0, 0, True, keys[0], keys[1], 0, (0,), 1.0, "time", "late", 0.5, 1.5, "0 0 0"
        )
        results, copies = ledger.results(game.name, game.version)
    assert results == [Result("greedy", "random", 1, 1, 0), Result("random", "greedy", 1, 0, 0)]
    assert copies == 0
