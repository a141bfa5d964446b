"""Play in the terminal, driven by a script of typed lines."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import envs
from agents.players import Forfeit, Loss
from arena.clock import Clocks, parse
from arena.play import play
from arena.table import Options
from envs import records


def session(
    game: str,
    opponent: str,
    lines: list[str],
    side: str = "first",
    terminal: bool = False,
    options: Options = Options(),  # noqa: B008  # a tuple: it cannot be changed
) -> str:
    """What a person sees who types `lines` and then ends the input."""
    typed: Iterator[str] = iter(lines)
    out = io.StringIO()

    def read(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    console = Console(file=out, width=80, emoji=False, force_terminal=terminal)
    play(envs.make(game), opponent, side=side, seed=1, console=console, read=read, options=options)
    return out.getvalue()


def test_mistakes_are_answered_and_the_game_goes_on() -> None:
    seen = session("connect_four", "random", ["9", "x", "", "4", "moves", "quit"])
    assert seen.count("is not a column") == 2
    assert "random plays" in seen
    assert "\n4 " in seen


def test_a_taken_cell_is_refused() -> None:
    assert "b2 is not possible here" in session("tictactoe", "minimax:1", ["b2", "b2"])


def test_undo_goes_back_to_the_persons_last_turn() -> None:
    seen = session("connect_four", "random", ["undo", "4", "undo", "moves"])
    assert "there is nothing to take back" in seen
    assert "none yet" in seen


def test_the_opponent_begins_when_the_person_is_second() -> None:
    seen = session("connect_four", "random", ["moves"], side="second")
    assert seen.index("random plays") < seen.index("O to play")


def test_a_hint_names_the_proven_win() -> None:
    """X holds c3 and b2; a1 wins."""
    seen = session("tictactoe", "random", ["c3", "a3", "b2", "b1", "hint"], side="both")
    hint = seen[seen.index("your chance to win") :].splitlines()
    assert hint[0].startswith("your chance to win: 100.0%, proven won")
    assert hint[2].split()[0] == "a1"
    assert hint[2].split()[-1] == "won"
    assert "best line: a1" in hint


def test_a_lost_game_can_be_played_again() -> None:
    moves = [f"{c}{r}" for r in "123" for c in "abc"]
    seen = session("tictactoe", "solver", [*moves, *moves, "moves", "new", "moves"])
    assert "you lost" in seen or "a draw" in seen
    assert "none yet" in seen


def test_a_person_beats_random() -> None:
    """Four in column 2; with this seed random does not stop it."""
    seen = session("connect_four", "random", ["2", "2", "2", "2", "moves"])
    assert "you won after 7 moves" in seen
    assert "X won" in seen


def test_resigning_ends_the_game_and_undo_takes_it_back() -> None:
    seen = session("connect_four", "random", ["4", "resign", "4", "hint", "undo", "moves"])
    assert "you resigned after 2 moves" in seen
    assert seen.count("the game is over: new, undo or quit") == 2
    assert seen.splitlines()[-3] == "none yet"


def test_swapping_sides_lets_the_opponent_move_for_the_other() -> None:
    seen = session("tictactoe", "random", ["swap", "moves"])
    assert "you are O now" in seen
    assert seen.index("you are O now") < seen.index("random plays") < seen.index("O to play")


def test_two_people_share_a_board() -> None:
    seen = session("tictactoe", "random", ["a1", "a2", "b1", "b2", "c1", "moves"], side="both")
    assert "random" not in seen
    assert "the game ended after 5 moves" in seen
    assert "a1 a2 b1 b2 c1" in seen
    assert "nobody to change sides with" in session("tictactoe", "random", ["swap"], side="both")


def test_watching_shows_every_move_to_the_end() -> None:
    seen = session("tictactoe", "solver", ["moves"], side="watch")
    assert seen.count("solver plays") == 9
    assert seen.count("a  b  c") == 10
    assert "a draw after 9 moves" in seen


def test_an_opponent_that_searches_says_what_it_thinks() -> None:
    assert "mcts:50 plays" in (seen := session("tictactoe", "mcts:50", [], side="second"))
    assert "its chance to win: " in seen
    assert "50 simulations" in seen


@pytest.mark.parametrize("typed", ["[/]", "[bold]x[/bold]", "4 x", "²", "\x1b[A", "-1", "99999999999999999999"])
def test_whatever_is_typed_the_game_goes_on(typed: str) -> None:
    seen = session("connect_four", "random", [typed, "moves"])
    assert "is not a column" in seen
    assert "none yet" in seen


def test_the_same_seed_is_the_same_game() -> None:
    plain = [re.sub(r"[\d.]+ s", "", session("connect_four", "mcts:20", ["4", "3", "2", "moves"])) for _ in range(2)]
    assert plain[0] == plain[1]


def test_ctrl_c_leaves() -> None:
    def read(prompt: str) -> str:
        raise KeyboardInterrupt

    out = Console(file=io.StringIO())
    play(envs.make("tictactoe"), "random", side="first", seed=1, console=out, read=read)


def test_colours_only_where_the_terminal_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in session("go5", "random", ["c3"], terminal=True)
    assert "\x1b[" not in session("go5", "random", ["c3"])


def test_help_fits_80_columns() -> None:
    assert "visits, chance to win, proven, best line\n" in session("go5", "random", ["help"])


def test_a_saved_game_is_loaded_and_gone_on_with(tmp_path: Path) -> None:
    """Names of files keep their capital letters; nothing is written over."""
    path = tmp_path / "Game 1.SGF"
    lines = ["c3", "a1", "pass", f"save {path}", f"save {path}", "new", f"LOAD {path}", "moves", "undo", "moves"]
    seen = session("go5", "random", lines, side="both")
    assert f"saved as {path}" in seen.replace("\n", "")
    assert "choose another name" in seen.replace("\n", " ")
    assert "C3 A1 pass\n" in seen
    assert "C3 A1\n" in seen
    (record,) = records.read(path)
    assert isinstance(record, records.GameRecord)
    assert (record.result, record.players) == (None, ("you", "you"))


def test_a_game_is_loaded_with_its_handicap_and_other_stones(tmp_path: Path) -> None:
    """It was refused but where the table's game began with the same handicap, as no foreign record with other stones does."""
    path, again = tmp_path / "game.sgf", tmp_path / "again.sgf"
    session("go9:handicap=2", "random", ["e5", "a1", f"save {path}"], side="both")
    assert "E5 A1\n" in session("go9:handicap=2", "random", [f"load {path}", "moves"], side="both")
    path.write_text("(;GM[1]SZ[9]KM[7]AB[cc][gg][aa]AW[ba];W[ab])")  # the corner's stone is taken
    seen = session(
        "go9", "random", [f"load {path}", "moves", "e5", "undo", "undo", "moves", f"save {again}"], side="both"
    )
    assert "A8\n" in seen
    (record,) = records.read(again)
    assert isinstance(record, records.GameRecord)
    assert (len(record.setup), record.to_play, record.actions) == (4, 1, ())
    assert "none yet" in session("go9", "random", [f"load {path}", "new", "moves"], side="both")


def test_a_game_played_by_other_rules_is_remarked_on(tmp_path: Path) -> None:
    path = tmp_path / "game.sgf"
    path.write_text("(;GM[1]SZ[9]KM[5.5]RU[Chinese];B[ee])")
    seen = session("go9", "random", [f"load {path}"], side="both")
    assert "It was played as go:size=9,komi=5.5,superko=simple, here it is go:size=9,komi=7." in " ".join(seen.split())


@pytest.mark.parametrize(("side", "result"), [("first", -1.0), ("second", 1.0)])
def test_who_resigns_has_lost_in_the_record_too(side: str, result: float, tmp_path: Path) -> None:
    path = tmp_path / "game.moves"
    session("connect_four", "random", ["4", "resign", f"save {path}"], side=side)
    (record,) = records.read(path)
    assert isinstance(record, records.GameRecord)
    assert record.result == result
    assert record.players == (("you", "random") if side == "first" else ("random", "you"))


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("save", "name a file"),
        ("load", "name a file"),
        (
            "save no/such/folder/x.moves",
            "the game is not saved: no/such/folder/x.moves: No such file",
        ),  # not a temporary one
        ("save x.txt", "is no game record"),
        ("load no/such.moves", "there is no file"),
        ("save x.sgf", "has no number in the Smart Game Format"),
    ],
)
def test_a_file_that_cannot_be_is_answered_and_the_game_goes_on(typed: str, answer: str) -> None:
    seen = session("connect_four", "random", [typed, "moves"])
    assert answer in seen
    assert "none yet" in seen


def test_a_program_that_resigns_has_lost_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(states: object, rng: object) -> None:
        raise Forfeit({0: Loss("resignation")}, np.zeros(1, np.int64))

    monkeypatch.setattr("arena.table.make_player", lambda *args, **options: give_up)
    path = tmp_path / "game.sgf"
    seen = session("go:size=5", "gtp:program", ["C3", f"save {path}", "undo", "moves"])
    assert "gtp:program resigned after 1 move\n" in seen
    assert "none yet" in seen
    assert "RE[B+Resign]" in path.read_text()


def test_an_opponent_that_searches_gives_up_what_is_lost_if_asked_to() -> None:
    """X answers the corner in the middle; its second corner's two threats are lost for O."""
    seen = session("tictactoe", "mcts:200", ["a1", "c3", "a3", "moves"], options=Options(resign=0.0))
    assert "mcts:200 resigned after" in seen


@pytest.mark.parametrize(
    ("opponent", "side", "message"),
    [("random", "first", "random cannot resign: --resign is for players that search"), ("human", "both", "for agents")],
)
def test_who_does_not_search_cannot_be_asked_to_resign(opponent: str, side: str, message: str) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(ValueError, match=message):
        play(
            envs.make("tictactoe"),
            opponent,
            side=side,
            seed=1,
            console=console,
            read=input,
            options=Options(resign=0.8),
        )


@pytest.mark.parametrize("command", ["help", "swap", "resign"])
def test_every_command_answers(command: str) -> None:
    assert session("go5", "random", [command]).count("\n") > 8


def test_a_review_without_mistakes_has_no_empty_table() -> None:
    seen = session("tictactoe", "solver", ["b2", "review"])
    assert "X: no mistakes" in seen
    assert "better" not in seen


def test_an_unknown_side_or_opponent_is_an_error() -> None:
    with pytest.raises(ValueError, match="--side is first, second, random, both or watch, not 'left'"):
        session("tictactoe", "random", [], side="left")
    with pytest.raises(ValueError, match="there is no player 'nobody'"):
        session("tictactoe", "nobody", [])


def test_a_flag_falls_and_undo_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second goes by with every look at the time: the three of a move are soon over."""
    looks = itertools.count()
    monkeypatch.setattr("arena.play.Clocks", lambda control: Clocks(control, lambda: float(next(looks))))
    prompts: list[str] = []
    typed = iter(["4", "4", "4", "undo", "moves"])

    def read(prompt: str) -> str:
        prompts.append(prompt)
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    out = io.StringIO()
    options = Options(parse("3s/move"))
    console = Console(file=out, width=80)
    play(envs.make("connect_four"), "human", side="both", seed=1, console=console, read=read, options=options)
    assert "won on time after" in out.getvalue()
    assert re.match(r"your move \d\.\d> ", prompts[0])
    assert "new, undo or quit> " in prompts
