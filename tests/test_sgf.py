"""The Smart Game Format as its communities write it: Go, Hex, Othello, gomoku; beside sgfmill."""

from __future__ import annotations

import dataclasses
import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgfmill import sgf as sgfmill

import envs
from envs import records
from envs.records import GameRecord
from tests.go_boards import collection
from tests.marks import compiled
from tests.positions import assert_same
from tests.record_texts import ROOT, go, names, one, random_record, read, reason, written

# A peer


@pytest.mark.parametrize("spec", ["go19", "go9:superko=simple", "go5"])
def test_sgfmill_reads_what_is_written(spec: str) -> None:
    game = envs.make(spec)
    height, width = game.board_shape
    for seed in range(3):
        record = dataclasses.replace(random_record(game, seed), setup=((0, 1), (1, 3)), to_play=1)
        theirs = sgfmill.Sgf_game.from_bytes(written([record]).encode())
        assert theirs.get_size() == width
        assert theirs.get_komi() == go(record).komi
        assert theirs.get_winner() == {1: "b", -1: "w", 0: None}[int(record.result or 0)]
        assert (theirs.get_player_name("b"), theirs.get_player_name("w")) == record.players
        assert theirs.get_root().get_setup_stones() == ({(height - 1, 1)}, {(height - 1, 3)}, set())
        assert theirs.get_root().get("PL") == "w"
        line = [node.get_move() for node in theirs.get_main_sequence()[1:]]
        assert [action(point, width) for _, point in line] == list(record.actions)
        assert "".join(colour for colour, _ in line) == ("wb" * len(line))[: len(line)]


def action(point: tuple[int, int] | None, size: int) -> int:
    """sgfmill's (row from below, column), or None for a pass, as our action."""
    return size * size if point is None else (size - 1 - point[0]) * size + point[1]


@compiled
def test_real_games_are_read_as_sgfmill_reads_them_and_come_back(tmp_path: Path) -> None:
    games = collection("go9_strong.sgf.gz")[::97]
    assert len(games) > 80
    for theirs, record in zip(map(sgfmill.Sgf_game.from_string, sources(games)), games, strict=True):
        assert (theirs.get_size(), theirs.get_komi()) == (9, go(record).komi)
        line = [node.get_move() for node in theirs.get_main_sequence()[1:]]
        assert tuple(action(point, 9) for _, point in line) == record.actions
        assert {"b": 1.0, "w": -1.0, None: record.result}[theirs.get_winner()] == record.result
    for suffix in (".sgf.gz", ".moves"):
        records.write(tmp_path / f"games{suffix}", games)
        again = [game for game in records.read(tmp_path / f"games{suffix}") if isinstance(game, GameRecord)]
        assert [(g.game, g.actions, g.result, g.players) for g in again] == [
            (g.game, g.actions, g.result, g.players) for g in games
        ]
        for back, record in zip(again, games, strict=True):
            assert (record.headers | {"komi": ""}).items() <= (back.headers | {"komi": ""}).items()  # 7.0 is 7 now


def sources(games: Sequence[GameRecord]) -> list[str]:
    """The lines of a collection with one game a line that `games` come from."""
    with gzip.open(games[0].source.rpartition(":")[0], "rt") as file:
        lines = list(file)
    return [lines[int(game.source.rpartition(":")[2]) - 1] for game in games]


# Go


def test_the_main_line_of_an_annotated_game() -> None:
    record = one(
        "From: a server\n\n(;GM[1]FF[4]\nSZ [9]KM[5.5]PB[Lee \\] \\\\ Sedol]PW[Al\\\nphaGo]"
        "GC[one [1\\] ;B[aa\\]\r\ntwo]RE[W+R] DT[2016-03-\n09]\n;\nB\n[e\ne](;W[gc]C[(;B[aa\\] not a move]\n"
        ";  B [tt] (;W[];B[ga])(;W[bb]))(;W[cc]AB[dd]))\n"
    )
    assert names(record) == "E5 G7 G9"  # the game went on after two passes, which are left out
    assert record.game == "go:size=9,komi=5.5,superko=simple"
    assert record.players == ("Lee ] \\ Sedol", "AlphaGo")
    assert record.headers["comment"] == "one [1] ;B[aa]\ntwo"
    assert record.headers["date"] == "2016-03- 09"
    assert record.result == -1


def test_old_files_spell_properties_out() -> None:
    record = one("(;GaMe[1]SiZe[9]PlayerBlack[Ann];Black[aa];White[bb])")
    assert (names(record), record.players) == ("A9 B8", ("Ann", ""))
    assert names(one("(;gm[1]sz[9];b[aa];w[bb])")) == "A9 B8"


def test_handicap_and_setup_stones_come_before_the_first_move() -> None:
    record = one(f"(;{ROOT}HA[2]AB[cc:cd]AW[ee][ef]AE[ef];W[gg];B[aa])")
    assert record.to_play == 1
    assert record.setup == ((0, 20), (0, 29), (1, 40))
    board = envs.make(record.game).board(records.replay(record))
    assert (board[0] == 1).sum() == 2
    assert board[-1, 6, 6] == -1
    assert one(f"(;{ROOT}HA[2]AB[cc][gg])").to_play == 1
    assert one(f"(;{ROOT}HA[2]AB[cc][gg]PL[B])").to_play == 0


def test_a_handicap_comes_back_as_stones_set_up_and_replays_under_either_game() -> None:
    game = envs.make("go9:handicap=3,komi=0.5")
    record = random_record(game, 0, 5)
    text = written([record])
    assert "HA[3]" in text
    assert "PL[W]" in text
    back = one(text)
    assert (len(back.setup), back.to_play, back.actions) == (3, 1, record.actions)
    ours, theirs = records.replay(record), records.replay(back)
    assert np.array_equal(game.board(ours), game.board(theirs))
    under_handicap = records.replay(back, game)
    assert_same(under_handicap, ours)
    assert_same(ours[:1], game.reset(1))


@settings(max_examples=60, deadline=None)
@given(points=st.lists(st.sampled_from([0, 1, -1]), min_size=9, max_size=9), to_play=st.sampled_from([0, 1]))
def test_any_position_can_be_set_up_unless_a_chain_has_no_liberty(points: list[int], to_play: int) -> None:
    stones = tuple((int(stone < 0), point) for point, stone in enumerate(points) if stone)
    record = GameRecord("go:size=3,komi=0", (), setup=tuple(sorted(stones)), to_play=to_play)
    if not all_have_liberties(points):
        with pytest.raises(ValueError, match="cannot be set up as this record begins"):
            records.replay(record)
        return
    assert one(written([record])) == dataclasses.replace(record, headers={"komi": "0", "rules": RULES})
    (state,) = records.replay(record)
    assert envs.make(record.game).board(np.array([state])).reshape(-1).tolist() == points
    assert state["to_play"] == to_play


RULES = "koPOSITIONALscoreAREAtaxNONEsui0"


def all_have_liberties(points: Sequence[int]) -> bool:
    """Whether every chain on a 3x3 board has one: stones that do not are found by spreading liberties along chains."""
    near = [[q for q in range(9) if abs(p // 3 - q // 3) + abs(p % 3 - q % 3) == 1] for p in range(9)]
    free = [any(points[q] == 0 for q in near[p]) for p in range(9)]
    for _ in range(9):
        free = [free[p] or any(free[q] and points[q] == points[p] for q in near[p]) for p in range(9)]
    return all(free[p] for p in range(9) if points[p])


def test_a_side_left_out_has_passed() -> None:
    assert names(one(f"(;{ROOT};B[aa];B[bb];W[cc])")) == "A9 pass B8 C7"


@pytest.mark.parametrize("passes", ["[];W[]", "[tt];W[tt]", "[];W[tt];B[]"])
def test_a_game_ends_with_two_passes(passes: str) -> None:
    assert names(one(f"(;{ROOT};B[aa];W[bb];B{passes})")) == "A9 B8 pass pass"


@pytest.mark.parametrize(
    ("komi", "meant"), [("375", 7.5), ("750", 7.5), ("650", 6.5), ("0", 0), ("7", 7), ("-0.5", -0.5), ("6,5", 6.5)]
)
def test_komi_in_hundredths_is_read_as_fox_means_it(komi: str, meant: float) -> None:
    assert go(one(f"(;{ROOT}KM[{komi}];B[aa])")).komi == meant


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("B+3.5", 1),
        ("W+Resign", -1),
        ("b+r", 1),
        ("White wins", -1),
        ("B", 1),
        ("0", 0),
        ("Draw", 0),
        ("Jigo", 0),
        ("Void", None),
        ("?", None),
        ("", None),
        ("between friends", None),
    ],
)
def test_results(text: str, result: float | None) -> None:
    assert one(f"(;{ROOT}RE[{text}];B[aa])").result == result


@pytest.mark.parametrize(
    ("encoding", "declared", "name"),
    [
        ("latin-1", "CA[ISO-8859-1]", "Müller"),
        ("latin-1", "", "Müller"),
        ("utf-8", "", "Müller"),
        ("utf-8-sig", "CA[UTF-8]", "柯洁"),
        ("gb18030", "CA[GB2312]", "柯洁"),
        ("cp932", "CA[Shift_JIS]", "井山裕太"),
        ("utf-16", "", "柯洁"),
        ("utf-8", "CA[no such]", "Müller"),
    ],
)
def test_encodings(encoding: str, declared: str, name: str) -> None:
    assert one(f"(;{ROOT}{declared}PB[{name}];B[aa])".encode(encoding)).players[0] == name


# Other games


def test_hex_as_hexgui_writes_it() -> None:
    record = one("(;AP[HexGui:0.9]FF[4]GM[11]SZ[11];B[a3];W[swap-pieces];B[f6];W[resign])")
    assert (record.game, names(record), record.result) == ("hex:size=11", "a3 swap f6", 1.0)
    assert reason("(;FF[4]GM[11]SZ[11];B[a3];W[swap-sides])") == "swap-sides instead of swap-pieces"


def test_hex_as_little_golem_writes_it() -> None:
    """No GM; the first player is Black in PB and RE, but his moves are W."""
    record = one(
        "(;FF[4]EV[hex.mc.2026.nov.1.1]PB[Ann]PW[Bob]SZ[13]RE[W]SO[http://www.littlegolem.com];W[ac];B[swap];W[gg];"
        "B[fi];W[resign])",
        source="game.hsgf",
    )
    assert (record.game, names(record), record.result) == ("hex:size=13", "a3 swap g7 f9", -1.0)
    assert record.players == ("Ann", "Bob")
    assert reason("(;FF[4]EV[connect6.ch.1]SO[http://www.littlegolem.com];B[j10];W[j9l11])") == "another game"
    assert one("(;FF[4]EV[go9.ch.1]SO[http://www.littlegolem.com]SZ[9];B[aa])").game.startswith("go:size=9")


def test_othello_as_edax_writes_it() -> None:
    record = one("(;GM[2]FF[4]PB[Ann]PW[Bob]SZ[8]AB[d5][e4]AW[d4][e5]PL[B];B[f5];W[f6];B[e6];W[f4])")
    assert (record.game, names(record), record.setup) == ("othello:size=8", "f5 f6 e6 f4", ())
    assert names(one("(;GM[2]SZ[8];B[F5];W[D6])")) == "f5 d6"


def test_an_othello_game_is_whole_without_its_passes() -> None:
    game = envs.make("othello6")
    passed = next(r for r in (random_record(game, seed) for seed in range(50)) if 36 in r.actions)
    text = written([passed])
    assert "[PA]" in text
    assert one(re.sub(r";[BW]\[PA\]", "", text)).actions == passed.actions
    assert one(text.replace("PA", "")).actions == passed.actions


def test_gomoku_by_its_points_from_above_or_by_its_squares() -> None:
    record = one("(;FF[4]GM[4]SZ[15];B[hh];W[hi])")
    assert (record.game, names(record)) == ("mnk:m=15,n=15,k=5", "h8 h7")
    assert one("(;FF[4]GM[4]SZ[15];B[H8];W[h7])") == record
    assert one("(;FF[4]GM[4]SZ[15]RU[1];B[hh])").game == "mnk:m=15,n=15,k=5,exact=true"
    assert reason("(;FF[4]GM[4]SZ[15]RU[Renju];B[hh])") == "another game"


def test_what_has_no_pass_and_no_set_up_is_refused() -> None:
    assert reason("(;FF[4]GM[4]SZ[15];B[hh];B[hi])") == "a side moves twice in a row"
    for text in ("(;GM[4]SZ[15];W[hh])", "(;GM[4]SZ[15]AB[hh][hi];B[aa])", "(;GM[2]SZ[8]AB[a1];W[f5])"):
        (record,) = read(text)
        assert isinstance(record, GameRecord)
        with pytest.raises(ValueError, match=r"x\.sgf:1: .* cannot be set up as this record begins"):
            records.replay(record)
        assert not records.last_states([record], envs.make(record.game))[1][0]
