"""Game records: round trips, files as their communities write them, and files that are damaged, foreign or hostile."""

from __future__ import annotations

import dataclasses
import gzip
import io
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgfmill import sgf as sgfmill

import envs
from envs import Game, random_actions, records
from envs.go import Go
from envs.records import GameRecord, Skipped, moves, sgf
from tests.go_boards import collection
from tests.marks import compiled
from tests.test_games import SPECS, assert_same

EVERY_SPEC = [spec for specs in SPECS.values() for spec in specs]
ROOT = "FF[4]GM[1]SZ[9]"
WHOLE = f"(;{ROOT}GN[whole];B[aa];W[bb])"


def read(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> list[GameRecord | Skipped]:
    data = text.encode() if isinstance(text, str) else text
    return list(sgf.read(io.BytesIO(data), source, game))


def one(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> GameRecord:
    """The only game in `text`, which is legal."""
    (record,) = read(text, game, source)
    assert isinstance(record, GameRecord), record
    records.replay(record)
    return record


def reason(text: str | bytes, game: str | None = None, source: str = "x.sgf") -> str:
    """Why the only game in `text` is skipped."""
    (skipped,) = read(text, game, source)
    assert isinstance(skipped, Skipped), skipped
    return skipped.reason


def listed(text: str, game: str | None = None) -> list[GameRecord | Skipped]:
    return list(moves.read(io.BytesIO(text.encode()), "x.moves", game))


def names(record: GameRecord) -> str:
    game = envs.make(record.game)
    return " ".join(game.action_name(action) for action in record.actions)


def written(games: Sequence[GameRecord]) -> str:
    text = io.StringIO()
    sgf.write(text, games)
    return text.getvalue()


def go(record: GameRecord) -> Go:
    game = envs.make(record.game)
    assert isinstance(game, Go)
    return game


def random_record(game: Game, seed: int, most: int | None = None) -> GameRecord:
    """A game of random moves, broken off after `most` of them."""
    rng = np.random.default_rng(seed)
    states, actions = game.reset(1), list[int]()
    to_play = int(states["to_play"][0])
    while not game.terminal(states)[0] and len(actions) != most:
        actions.append(int(random_actions(game.legal(states), rng)[0]))
        states = game.step(states, np.array(actions[-1:]))
    result = None
    if game.terminal(states)[0]:
        result = float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
    players = (f"A]l\\i:ce {seed}", "Bö")
    headers = {"date": "2026-11-23", "comment": "two\nlines ;B[aa]"}
    return GameRecord(game.name, tuple(actions), result, players, headers, to_play=to_play)


# Round trips


@pytest.mark.parametrize("spec", [*EVERY_SPEC, "mnk:m=7,n=6,k=5", "go19:superko=simple,komi=-0.5", "go13:komi=6.5"])
def test_games_come_back_as_they_were_written(spec: str, tmp_path: Path) -> None:
    """As lists of moves all, in the Smart Game Format those that it has a number for."""
    game = envs.make(spec)
    whole = 40 if game.name.startswith("chess") else None  # which takes milliseconds a move
    games = [random_record(game, seed, most) for seed, most in enumerate((whole, 0, 1, 3))]
    for suffix in (".moves", ".moves.gz", ".sgf", ".sgf.gz"):
        path = tmp_path / f"games{suffix}"
        if suffix.startswith(".sgf") and re.match(r"tictactoe|connect|breakthrough|chess|mnk.*k=[34]", game.name):
            with pytest.raises(ValueError, match="has no number in the Smart Game Format"):
                records.write(path, games)
            assert not path.exists()
            continue
        records.write(path, games)
        for number, (record, back) in enumerate(zip(games, records.read(path), strict=True), 1):
            assert isinstance(back, GameRecord), back
            assert back.source == f"{path}:{number}"
            assert record.headers.items() <= back.headers.items()
            assert dataclasses.replace(back, headers=record.headers) == record
            assert len(records.replay(back)) == len(record.actions) + 1
        again = tmp_path / f"again{suffix}"
        records.write(again, (back for back in records.read(path) if isinstance(back, GameRecord)))
        assert again.read_bytes() == path.read_bytes() or ".sgf" in suffix  # where the first write adds RU, KM, RE
        assert list(records.read(again)) == list(records.read(path))


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


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "games.sgf.gz"
    game = envs.make("go5")
    records.write(path, [random_record(game, 0)])
    before = path.read_bytes()

    def broken() -> Iterator[GameRecord]:
        yield random_record(game, 1)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        records.write(path, broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# Real games


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


# Damage, other games, attacks


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no game in the file"),
        ("GIF89a\x00\x01 not a game", "no game in the file"),
        (f"(;{ROOT};B[aa];W[bb]", "game without an end"),
        (f"(;{ROOT};B[aa];W[b", "value without an end"),
        (f"(;{ROOT};B[aa]C[;W[bb])", "value without an end"),
        (f"(;{ROOT};B[aa]oops;W[bb])", "text that is no property"),
        (f"(;{ROOT};[aa])", "text that is no property"),
        (f"(;{ROOT};B[zz])", "move off the board"),
        (f"(;{ROOT};B[a])", "move off the board"),
        (f"(;{ROOT};B[jj])", "move off the board"),
        (f"(;{ROOT}AB[zz];W[aa])", "stone off the board"),
        (f"(;{ROOT}AB[aa:bb:cc];W[dd])", "stone off the board"),
        ("(;GM[3]FF[4];B[aa])", "another game"),
        ("(;GM[Othello]BO[8 -- *];B[f5])", "another game"),
        ("(;GM[1]SZ[9:13];B[aa])", "board is not square"),
        ("(;GM[1]SZ[nine];B[aa])", "board size is no number"),
        ("(;GM[1]SZ[25];B[aa])", "no such board in our rules"),
        ("(;GM[1]SZ[9]KM[inf];B[aa])", "no such board in our rules"),
        ("(;GM[2]SZ[7];B[aa])", "no such board in our rules"),
        (f"(;{ROOT};B[aa];AB[cc];W[bb])", "stones changed during the game"),
        (f"(;{ROOT}SZ[19];B[aa])", "two games in one"),
        (f"(;{ROOT}{'AB[aa:ii]' * 3000};W[aa])", "too many stones set up"),
    ],
)
def test_what_is_no_game_is_skipped_with_its_reason(text: str, why: str) -> None:
    assert reason(text) == why


def test_what_is_wrong_is_said_on_one_line_that_can_be_printed() -> None:
    (skipped,) = read(f"(;{ROOT};B[a\n\x1b[2J\x07{'x' * 1000}])")
    assert isinstance(skipped, Skipped)
    assert skipped.detail == "move 1, [a \ufffd[2J\ufffdxxxxxxxxxxxxx]"


def test_only_the_board_wanted_is_read() -> None:
    assert reason("(;GM[1]SZ[19];B[aa])", "go9") == "another board"
    assert reason("(;GM[11]SZ[11];B[a1])", "go9") == "another game"
    assert one("(;GM[1]SZ[9]KM[0.5];B[aa])", "go9:komi=7").game == "go:size=9,komi=0.5,superko=simple"
    (skipped,) = listed("game: go5\nC3 *\n", "connect_four")
    assert isinstance(skipped, Skipped)


@pytest.mark.parametrize(
    "broken",
    [
        f"(;{ROOT};B[aa",
        f"(;{ROOT};B[aa];W",
        f"(;{ROOT}C[(;B[aa]",
        f"(;{ROOT};B[aa]@@@",
        f"(;{ROOT};B[aa](;W[bb](;B[cc]",
        f"(;{ROOT}C[an end \\]",
        "(;GM[1",
        "(;GM",
    ],
)
def test_the_games_around_a_damaged_one_are_read(broken: str) -> None:
    first, *damaged, last = read(f"{WHOLE}\n{broken}\n{WHOLE}")
    assert isinstance(first, GameRecord)
    assert isinstance(last, GameRecord)
    assert first == last
    assert [type(found) for found in damaged] == [Skipped]


def test_a_file_cut_off_anywhere_has_the_games_before_the_cut() -> None:
    text = f"{WHOLE}\n(;{ROOT}C[a \\] b](;B[cc](;W[dd])(;W[ee]))(;B[ff]))\n{WHOLE}"
    ends = [len(WHOLE), text.index(f"\n{WHOLE}"), len(text)]
    whole = read(text)
    for cut in range(len(text) + 1):
        found = [record for record in read(text[:cut]) if isinstance(record, GameRecord)]
        assert found == whole[: sum(end <= cut for end in ends)], text[:cut]


def test_moves_that_are_illegal_or_after_the_end_are_named() -> None:
    for text, why in (
        (f"(;{ROOT};B[aa];W[aa])", "move 2, A9, is illegal"),
        (
            "(;GM[4]SZ[5];B[aa];W[ba];B[ab];W[bb];B[ac];W[bc];B[ad];W[bd];B[ae];W[be])",
            "move 10, b1, .*the game is over",
        ),
        ("(;GM[2]SZ[8];B[a1])", "move 1, a1, is illegal"),
    ):
        (record,) = read(text)
        assert isinstance(record, GameRecord)
        with pytest.raises(ValueError, match=f"x.sgf:1: {why}"):
            records.replay(record)
        states, legal = records.last_states([record], envs.make(record.game))
        assert not legal[0]
        assert int(states["ply"][0]) == len(record.actions) - 1
    for wrong in (-1, 82, 10**6):
        with pytest.raises(ValueError, match=f"move 1, action {wrong}, is illegal"):
            records.replay(GameRecord("go9", (wrong,)))


def test_nesting_without_end_takes_neither_time_nor_stack() -> None:
    deep = 50_000
    assert reason("(;" * deep) == "game without an end"
    assert names(one(f"(;{ROOT};B[aa]" + "(;W[bb]C[x]" + "(;" * deep + ")" * (deep + 2))) == "A9 B8"
    assert names(one(f"(;{ROOT};B[aa]" + "(;W[bb])" * deep + ")")) == "A9 B8"
    assert names(one("(" * deep + f";{ROOT};B[aa])")) == "A9"
    assert len(read(f"(;{ROOT};B[aa]" * 10_000)) == 10_000
    assert reason(f"(;{ROOT}" + ";B[aa];W[bb]" * 70_000 + ")") == "main line too long"


@pytest.mark.parametrize(
    "flood",
    [
        "(;GM[1](",
        "(;GM[1]C[",
        "(;GM[",
        "(;B[aa];W[(;",
        "(;GM[1\\](;",
        "( ( (",
        "a" * 50,
        ";B[aa]",
        "[" * 50,
        "\\" * 49,
        "CA[",
        "(;SZ[9]RU[" + "x" * 50,
    ],
)
def test_a_flood_of_anything_is_read_in_proportion_to_its_length(flood: str) -> None:
    """A quarter of a megabyte of what invites looking again and again: in quadratic time the test would time out."""
    for head in ("", f"(;{ROOT}"):
        text = (head + flood * 2**18)[: 2**18]
        assert all(isinstance(found, GameRecord | Skipped) for found in [*read(text), *listed(text)])


def test_of_a_huge_file_one_game_is_kept_at_a_time(tmp_path: Path) -> None:
    """Small on disk, 48 MiB unpacked: games, blanks, then a value without an end."""
    path = tmp_path / "huge.sgf.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(WHOLE.encode() * 2000)
        file.write(b" " * 2**24)
        file.write(f"{WHOLE}(;{ROOT}C[".encode())
        file.write(b"x" * 2**25)
    tracemalloc.start()
    found = list(records.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(f) for f in found] == [*[GameRecord] * 2001, Skipped]
    assert peak < 100e6


# Characters and pieces that mean something, for texts that get further into the reader than any bytes would.
PIECES = [
    "(",
    ")",
    ";",
    "[",
    "]",
    "\\",
    ":",
    "B[aa]",
    "W[]",
    "AB[bb:cc]",
    "AE[bb]",
    "GM[1]",
    "GM[2]",
    "GM[4]",
    "GM[11]",
]
PIECES += [
    "SZ[9]",
    "SZ[7:5]",
    "KM[",
    "RE[B+",
    "PL[W]",
    "CA[utf-16]",
    "RU[1]",
    "swap-pieces",
    "(;",
    "x",
    " ",
    "\n",
    WHOLE,
]
LINES = [
    "game: go5\n",
    "game: ",
    "4 4",
    "pass",
    "C3",
    "\n",
    " ",
    ":",
    "@",
    "1",
    "*",
    "first_stones: C3\n",
    "to_play: second\n",
]
LINES += ["\\", "#", "game: connect_four\n", "x", "1-0\n", "game: chess\n", "e4", "e5"]
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "".join(pieces).encode()),
    st.lists(st.sampled_from(LINES), max_size=40).map(lambda pieces: "".join(pieces).encode()),
    st.tuples(st.integers(0, len(WHOLE)), st.binary(max_size=20), st.integers(0, len(WHOLE))).map(
        lambda cut: WHOLE[: cut[0]].encode() + cut[1] + WHOLE[cut[2] :].encode()
    ),
)


def no_reader_is_stopped(data: bytes) -> None:
    """Every reader goes to the end of `data`; what it reads is replayed or refused, and what is legal can be written."""
    for found in [*read(data), *moves.read(io.BytesIO(data), "x.moves", None)]:
        if isinstance(found, Skipped):
            assert found.reason
            assert (found.reason + found.detail).isprintable()
            assert len(found.reason + found.detail) < 300
            continue
        try:
            records.replay(found)
        except ValueError:
            continue
        if found.game.startswith(("go", "hex", "othello")):
            assert one(written([found])).actions == found.actions


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_no_text_stops_a_reader(data: bytes) -> None:
    no_reader_is_stopped(data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=100_000, deadline=None)
@given(TEXTS)
def test_a_hundred_thousand_texts_stop_no_reader(data: bytes) -> None:
    no_reader_is_stopped(data)


# Lists of moves


def test_a_list_of_moves_is_written_by_hand() -> None:
    one_game, other, third = listed(
        "\ufeff# mine\ngame: connect_four\nfirst: Ann\nnote: 3\\n: \\\\ 2\n4 4 3 1-0\r\n\n"
        "first:\n@3 @3 1/2-1/2\ngame: go5\nfirst_stones: c3 A1\nto_play: second\nD3 Pass *"
    )
    assert isinstance(one_game, GameRecord)
    assert isinstance(other, GameRecord)
    assert isinstance(third, GameRecord)
    assert (names(one_game), one_game.players, one_game.result) == ("4 4 3", ("Ann", ""), 1.0)
    assert one_game.headers == {"note": "3\n: \\ 2"}
    assert (names(other), other.players, other.result) == ("4 4", ("", ""), 0.0)
    assert (names(third), third.setup, third.to_play, third.headers) == ("D3 pass", ((0, 12), (0, 20)), 1, {})
    assert envs.make("go5").board(records.replay(third))[-1].sum() == 1


def test_a_list_of_chess_moves_is_in_the_players_notation(tmp_path: Path) -> None:
    text = "game: chess\ne4 e5 Qh5 Nc6 Bc4 Nf6 Qxf7# 1-0\n"
    (record,) = listed(text)
    assert isinstance(record, GameRecord)
    assert records.replay(record).shape == (8,)
    records.write(tmp_path / "x.moves", [record])
    assert (tmp_path / "x.moves").read_text().endswith(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no game in the file"),
        ("# nothing\ngame: go5\n", "no game in the file"),
        ("4 4 *", "no game named"),
        ("game: chequers\n4 *", "no such game"),
        (f"game: go5{',komi=7' * 1000}\nC3 *", "no such game"),
        ("game: connect_four\n4 9 *", "no such move"),
        ("game: connect_four\n4 @9 *", "no such move"),
        ("game: chess\ne4 Ke7 *", "no such move"),
        ("game: chess\nf3 e5 g4 Qh4 a3 *", "no such move"),
        (f"game: connect_four\n4 @{'9' * 5000} *", "no such move"),
        ("game: connect_four\n4 4", "no result at the end of the line"),
        ("game: connect_four\n" + "4 " * 2**20 + "*", "line too long"),
    ],
)
def test_a_line_that_is_no_game_is_skipped_with_its_reason(text: str, why: str) -> None:
    (skipped,) = listed(text)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == why
    assert len(skipped.detail) <= 200


def test_a_list_with_a_flood_of_values_keeps_the_first() -> None:
    *skipped, record = listed("game: tictactoe\n" + "".join(f"key{i}: x\n" for i in range(100)) + "b2 *")
    assert isinstance(record, GameRecord)
    assert {found.reason for found in skipped if isinstance(found, Skipped)} == {"too many values"}
    assert len(record.headers) + len(skipped) == 100


# Files and folders


def test_folders_are_read_in_order_and_what_is_no_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.SGF").write_text(f"(;{ROOT};B[aa])")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "c.moves").write_text("game: go5\nC3 *\n")
    (tmp_path / "notes.txt").write_text(f"(;{ROOT};B[aa])")
    with gzip.open(tmp_path / "a.sgf.gz", "wt") as file:
        file.write(f"(;{ROOT};B[bb])(;{ROOT};B[c")
    found = list(records.read(tmp_path))
    assert [Path(f.source.rpartition(":")[0]).name for f in found] == ["a.sgf.gz", "a.sgf.gz", "b.SGF", "c.moves"]
    assert [type(f) for f in found] == [GameRecord, Skipped, GameRecord, GameRecord]
    for path, why in (
        (tmp_path / "none.sgf", "there is no file or folder"),
        (tmp_path / "notes.txt", "is no game record: the name ends in none of"),
    ):
        with pytest.raises(ValueError, match=why):
            records.read(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no game records"):
        records.read(tmp_path / "empty")
    with pytest.raises(ValueError, match="there is no game 'chequers'"):
        records.read(tmp_path, "chequers")


def test_what_is_whole_in_a_damaged_gzip_file_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(f"(;{ROOT};B[cc])\n".encode() * 1000)
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 255
    for data, least in ((packed[:-8], 1000), (packed[: len(packed) // 2], 100), (spoilt, 0), (b"\x1f\x8b broken", 0)):
        path = tmp_path / "x.sgf.gz"
        path.write_bytes(data)
        *found, last = records.read(path)
        assert isinstance(last, Skipped)
        assert last.reason == "damaged gzip file"
        assert sum(isinstance(f, GameRecord) for f in found) >= least


# The command


def arena(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "arena", "records", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_shows_and_converts(tmp_path: Path) -> None:
    source, lists, back = tmp_path / "a.sgf", tmp_path / "a.moves", tmp_path / "b.sgf.gz"
    source.write_text(
        f"(;{ROOT}PB[A\x1b[2Jnn]DT[2026-11-23]RE[B+3];B[aa];W[bb])(;{ROOT};B[aa];W[aa])(;GM[11]SZ[5]DT[1999];B[c3])(;GM[3])"
    )
    shown = arena(source, "--check", "--to", lists)
    assert shown.returncode == 0, shown.stderr
    lines = [" ".join(re.sub(r"[^\w.:=,+-]+", " ", line).split()) for line in shown.stdout.splitlines()]
    assert "go:size=9 1 1 0 0 0 2" in lines
    assert "hex:size=5 1 0 0 0 1 1" in lines
    assert "\x1b" not in shown.stdout
    assert "1 players: A\ufffd[2Jnn 1" in shown.stdout
    assert "played from 1999 to 2026-11-23" in lines
    assert "2 games read, 2 skipped" in lines
    joined = "".join(shown.stdout.split())
    assert "move2,A9,isillegal" in joined
    assert "GM[3]chess" in joined
    assert arena(lists, "--to", back, "--game", "go9").returncode == 0
    (record,) = records.read(back)
    assert isinstance(record, GameRecord)
    assert (names(record), record.players, record.headers["date"]) == ("A9 B8", ("A\x1b[2Jnn", ""), "2026-11-23")


def test_the_command_leaves_files_alone_where_nothing_is_read(tmp_path: Path) -> None:
    source, kept = tmp_path / "a.sgf", tmp_path / "kept.moves"
    source.write_text("(;GM[3])")
    kept.write_text("kept")
    done = arena(source, "--to", kept)
    assert done.returncode == 2
    assert done.stderr.startswith("arena: no game could be read in")
    assert "another game" in done.stdout
    assert kept.read_text() == "kept"
