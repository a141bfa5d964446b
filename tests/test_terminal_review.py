"""Games looked at on the full screen: analysed, written and opened again, reviewed, their points counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

import envs
from arena.table import PERSON, Options
from arena.terminal import territory
from arena.terminal.app import PlayApp, play
from arena.terminal.review import ReviewScreen
from envs import records
from tests.screen import TWO_PEOPLE, Screen, drive

# Analysis


def test_the_analysis_marks_the_board_and_is_switched_off_again() -> None:
    """X holds c3 and b2; a1 wins."""

    async def script(screen: Screen) -> None:
        for point in (2, 0, 4, 7):
            await screen.click(point)
        await screen.press("a")
        await screen.until(lambda: screen.turns.opinion is not None and "100%" in screen.picture)
        assert "proven won" in screen.picture
        assert "X's chance 100%" in screen.picture
        await screen.press("a")
        assert "proven won" not in screen.picture

    drive("tictactoe", TWO_PEOPLE, script)


# Files


def test_a_game_is_written_to_a_file_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def script(screen: Screen) -> None:
        await screen.press("w")
        assert screen.text("#status") == "There is no move to write yet."
        for point in (6, 8, 12):
            await screen.click(point)
        await screen.press("w", "enter")  # the name that is offered
        assert "Written to go-" in screen.text("#status")
        (path,) = tmp_path.glob("go-*.sgf")
        await screen.press("w")
        await screen.enter(str(path))
        assert "choose another name" in screen.picture
        await screen.press("escape", "u", "u")
        assert screen.moves == "B4"
        await screen.press("o")
        await screen.enter(str(tmp_path / "no.sgf"))
        assert "there is no file" in screen.picture
        await screen.press("escape", "o")
        await screen.enter(str(path))
        assert screen.moves == "B4 D4 C3"
        assert "3 moves of you - you are on the board." in " ".join(screen.text("#status").split())
        await screen.press("p", "p")
        assert "has won" in screen.text("#status")

    drive("go5", TWO_PEOPLE, script)


def test_a_file_on_the_command_line_is_opened_or_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "game.moves"
    records.write(path, [records.GameRecord("connect_four", (3, 3, 2), players=("Ann", "Bob"))])

    async def script(screen: Screen) -> None:
        assert screen.moves == "4 4 3"
        assert "Ann" in screen.text("#players")

    drive("connect_four", TWO_PEOPLE, script, options=Options(record=path))
    monkeypatch.setattr(PlayApp, "run", lambda app: asyncio.run(app.run_async(headless=True)))
    with pytest.raises(ValueError, match="there is no file"):
        play(envs.make("tictactoe"), TWO_PEOPLE, np.random.default_rng(1), Options(record=tmp_path / "x.txt"))


# Review


def test_a_game_is_reviewed_step_by_step_and_played_on_from_its_mistake() -> None:
    """O's first move loses."""

    async def script(screen: Screen) -> None:
        for point in (4, 3, 6, 2, 7, 8, 1):
            await screen.click(point)
        assert "X has won" in screen.text("#status")
        await screen.press("v")
        assert isinstance(screen.app.screen, ReviewScreen)
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert "a2??" in screen.picture
        await screen.press("home")
        assert "O: 1 ??" in screen.picture
        await screen.press("down")
        assert "2. O a2 ??" in screen.picture
        assert "gives away" in screen.picture
        assert "▲" in screen.picture
        await screen.press("down", "left", "a")
        assert "prefers" in screen.picture or "gives away" in screen.picture
        await screen.press("p")
        assert screen.moves == "b2"
        await screen.click(6)
        assert screen.moves == "b2 a1"
        await screen.press("v", "escape")
        assert screen.text("#status") == "X to move."

    drive("tictactoe", TWO_PEOPLE, script)


def test_a_record_is_opened_for_review(tmp_path: Path) -> None:
    path = tmp_path / "game.sgf"
    go = envs.make("go9")
    records.write(path, [records.GameRecord(go.name, tuple(map(go.parse_action, ("E5", "C3", "G7"))))])

    async def script(screen: Screen) -> None:
        assert isinstance(screen.app.screen, ReviewScreen)
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert " ahead by " in screen.picture  # the champion's network has a head for it
        assert "■" not in screen.picture
        await screen.press("g")
        assert "■" in screen.picture or "▪" in screen.picture
        await screen.press("g", "escape")

    drive("go9", (PERSON, "champion:20"), script, options=Options(record=path, review=True))


def test_an_ended_game_is_reviewed_with_its_points_counted() -> None:
    async def script(screen: Screen) -> None:
        await screen.click(40)
        await screen.press("p", "p", "v", "g")
        assert screen.picture.count("■") >= 80
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert "Black ahead by 74.0 points" in screen.picture
        await screen.press("left", "left", "left")
        assert "ahead by" in screen.picture
        assert screen.picture.count("■") < 80

    async def nobody(screen: Screen) -> None:
        await screen.click(12)
        await screen.press("v", "g")
        assert "Nobody here knows" in " ".join(screen.picture.split())

    drive("go9", (PERSON, PERSON), script, size=(120, 40))
    drive("go5", TWO_PEOPLE, nobody)


# Territory


def test_ground_shows_whose_points_will_be_and_are() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("g")
        assert "expected: " in screen.text("#players")
        await screen.press("g")
        assert "expected: " not in screen.text("#players")
        await screen.click(40)
        await screen.press("p", "p", "g")
        assert screen.picture.count("■") >= 80  # the whole board is Black's but for the stone itself

    async def nobody(screen: Screen) -> None:
        for keys in ("g", "xg"):  # a resignation leaves the points as unknown as they were
            await screen.press(*keys)
            assert "Nobody here knows" in screen.text("#status")

    drive("go9", TWO_PEOPLE, script, size=(120, 40))
    drive("go5", TWO_PEOPLE, nobody)


def test_only_a_network_that_knows_territory_is_asked_whose_points_will_be() -> None:
    assert territory.outlook_of(envs.make("go13"), TWO_PEOPLE) is None
    assert territory.outlook_of(envs.make("connect_four"), (PERSON, "champion")) is None
    outlook = territory.outlook_of(envs.make("go9"), ("mcts:10", PERSON))
    assert outlook is not None
    start = envs.make("go9").reset(1)
    moved = envs.make("go9").step(start, np.array([40]))
    assert outlook(moved).owners.mean() > -0.5  # for Black, though White is to move
    assert abs(outlook(start).score) < 8
