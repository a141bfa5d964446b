"""Every option of every command reaches the function that does its work: one was read and dropped once (--ponder)."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY, MagicMock, call

import pytest
import typer

import envs
from arena.cli import app
from arena.tournament import Tournament

GAME = "tictactoe"
A, B = "random", "greedy"
FILE = Path("file")
# command: its arguments, what it calls, and with what
CALLS: dict[str, list[tuple[str, str, Any]]] = {
    "train": [
        ("cfg seed=3 --smoke --runs file", "arena.train.start", call("cfg", ["seed=3"], runs=FILE, smoke=True)),
        ("--resume file seed=3", "arena.train.resume", call(FILE, ["seed=3"])),
    ],
    "match": [
        (
            f"{A} {B} --game {GAME} --openings 7 --plies 3 --parallel 6 --adjudicate 9 --seed 11 --ledger file --sprt 0 30",
            "arena.standings.play_and_show",
            call(Tournament(GAME, (A, B), "match", 0, 7, 3, 11, 6, 9), FILE, anchor=B, sprt=(0.0, 30.0)),
        )
    ],
    "tournament": [
        (
            f"{GAME} {A} {B} --format swiss --rounds 2 --openings 7 --plies 3 --parallel 6 --adjudicate 9 --seed 11 "
            f"--ledger file --sprt 0 30 --anchor {B} --markdown",
            "arena.standings.play_and_show",
            call(Tournament(GAME, (A, B), "swiss", 2, 7, 3, 11, 6, 9), FILE, anchor=B, sprt=(0.0, 30.0), markdown=True),
        )
    ],
    "rate": [
        (
            f"{GAME} {A} {B} --openings 7 --plies 3 --seed 11 --ledger file --anchor {B} --markdown",
            "arena.standings.play_and_show",
            call(
                Tournament(GAME, (A, B), "round-robin", 0, 7, 3, 11, 100, None),
                FILE,
                anchor=B,
                sprt=None,
                markdown=True,
            ),
        )
    ],
    "analyze": [
        (
            f"{GAME} b2 --player {B} --json --seed 11",
            "arena.analyze.analyze",
            call(envs.make(GAME), "b2", B, as_json=True, seed=11, console=ANY),
        )
    ],
    "gtp": [
        (
            f"{A} --game go5 --resign 0.8 --seed 11",
            "arena.gtp.engine.run",
            call(envs.make("go5"), A, 11, ANY, ANY, resign=0.8),
        )
    ],
    "analysis": [
        (
            f"{A} --game go5 --parallel 6 --seed 11",
            "arena.analysis.engine.run",
            call(envs.make("go5"), A, 11, 6, ANY, ANY),
        )
    ],
    "agents list": [("--runs file", "arena.catalogue.list_agents", call(FILE, FILE / "agents", ANY))],
    "agents describe": [("champion --game go9", "arena.catalogue.named", call(Path("champion"), "go9"))],
    "agents export": [("champion out --game go9", "arena.catalogue.named", call(Path("champion"), "go9"))],
    "agents import": [
        ("champion --game go9", "arena.catalogue.named", call(Path("champion"), "go9")),
        ("a --name x --runs file", "arena.catalogue.bring_in", call(ANY, FILE / "agents", "x", ANY)),
    ],
    "records": [
        (
            "a b --game go5 --check --to file",
            "arena.records.summarise",
            call([Path("a"), Path("b")], game="go5", check=True, to=FILE, console=ANY),
        )
    ],
    "report": [("a --out file", "arena.report.page.write", call(Path("a"), FILE))],
    "bench": [
        (
            "tictactoe seed=3 --seconds 0.5 --json",
            "arena.bench.bench",
            call(ANY, seconds=0.5, console=ANY, as_json=True),
        )
    ],
}
NAMED = {
    "agents describe": "arena.catalogue.describe",
    "agents export": "arena.catalogue.export",
    "agents import": "arena.catalogue.bring_in",
}
ELSEWHERE = {"play"}  # below, and in tests/test_cli.py; the themes of `study` run in tests/test_study.py


def options(name: str) -> set[str]:
    """The long options of a command."""
    command: Any = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]
    return {option for p in command.params for option in p.opts if option.startswith("--")} - {"--help"}


@pytest.mark.parametrize("name", CALLS)
def test_every_option_reaches_what_the_command_calls(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: set[str] = set()
    for arguments, target, expected in CALLS[name]:
        heard = MagicMock()
        with monkeypatch.context() as patch:
            patch.setattr(target, heard)
            if name in NAMED:  # an agent is found, and then something done with it
                for step in {"arena.catalogue.named", NAMED[name]} - {target}:
                    patch.setattr(step, MagicMock())
            app([*name.split(), *arguments.split()], standalone_mode=False)
        assert heard.mock_calls[:1] == [expected]
        given |= {word for word in arguments.split() if word.startswith("--")}
    assert given == options(name), "a new option: say here what it reaches"


def test_no_command_with_options_is_left_out() -> None:
    root: Any = typer.main.get_command(app)
    names = [n for n in root.commands if n not in ("agents", "study")]
    names += [f"agents {n}" for n in root.commands["agents"].commands]
    assert {n for n in names if options(n)} == set(CALLS) | ELSEWHERE


def test_what_play_is_told_reaches_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = MagicMock()
    monkeypatch.chdir(tmp_path)
    FILE.touch()
    monkeypatch.setattr("arena.play.play", heard)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    app(["play", GAME, B, "--plain", "--side", "first", "--seed", "11"], standalone_mode=False)
    app(["play", GAME, "--plain", "--watch", A, B], standalone_mode=False)
    rules, common = envs.make(GAME), {"console": ANY, "read": input, "options": ANY}
    assert heard.mock_calls == [
        call(rules, B, side="first", seed=11, watch=None, **common),
        call(rules, "mcts:1000", side="random", seed=0, watch=(A, B), **common),
    ]
    app(["play", GAME, "--plain", "--load", "file"], standalone_mode=False)
    assert heard.mock_calls[-1].kwargs["options"].record == FILE
