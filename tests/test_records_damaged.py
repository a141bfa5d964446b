"""Records that are damaged, foreign or hostile: skipped with a reason, in time, and the games around them are read."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs import records
from envs.records import GameRecord, Skipped, moves
from tests.record_texts import ROOT, WHOLE, listed, names, one, read, reason, written

# Damage and other games


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


# Attacks


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
    *"()[];\\:x \n",
    *("B[aa]", "W[]", "AB[bb:cc]", "AE[bb]", "GM[1]", "GM[2]", "GM[4]", "GM[11]", "SZ[9]", "SZ[7:5]", "PL[W]", "RU[1]"),
    *("KM[", "RE[B+", "CA[utf-16]", "swap-pieces", "(;", WHOLE),
]
LINES = [
    *"\n :@1*\\#x",
    *("pass", "C3", "e4", "e5", "4 4", "1-0\n", "first_stones: C3\n", "to_play: second\n"),
    *("game: ", "game: go5\n", "game: connect_four\n", "game: chess\n"),
]
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
