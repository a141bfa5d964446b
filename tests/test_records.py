"""Game records come back as they were written; folders, packed files, lists of moves and the command that reads them all."""

from __future__ import annotations

import dataclasses
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import envs
from envs import records
from envs.records import GameRecord, Skipped
from tests.record_texts import ROOT, listed, names, random_record
from tests.test_cli import arena
from tests.test_games import SPECS

EVERY_SPEC = [spec for specs in SPECS.values() for spec in specs]

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


def test_the_command_shows_and_converts(tmp_path: Path) -> None:
    source, lists, back = tmp_path / "a.sgf", tmp_path / "a.moves", tmp_path / "b.sgf.gz"
    source.write_text(
        f"(;{ROOT}PB[A\x1b[2Jnn]DT[2026-11-23]RE[B+3];B[aa];W[bb])(;{ROOT};B[aa];W[aa])(;GM[11]SZ[5]DT[1999];B[c3])(;GM[3])"
    )
    shown = arena("records", str(source), "--check", "--to", str(lists))
    assert shown.returncode == 0, shown.stderr
    lines = [" ".join(re.sub(r"[^\w.:=,+-]+", " ", line).split()) for line in shown.stdout.splitlines()]
    assert "go:size=9 1 1 0 0 0 2" in lines
    assert "hex:size=5 1 0 0 0 1 1" in lines
    assert "\x1b" not in shown.stdout
    assert "1 player: A\ufffd[2Jnn 1" in shown.stdout
    assert "played from 1999 to 2026-11-23" in lines
    assert "2 games read, 2 skipped" in lines
    joined = "".join(shown.stdout.split())
    assert "move2,A9,isillegal" in joined
    assert "GM[3]chess" in joined
    assert arena("records", str(lists), "--to", str(back), "--game", "go9").returncode == 0
    (record,) = records.read(back)
    assert isinstance(record, GameRecord)
    assert (names(record), record.players, record.headers["date"]) == ("A9 B8", ("A\x1b[2Jnn", ""), "2026-11-23")


def test_the_command_leaves_files_alone_where_nothing_is_read(tmp_path: Path) -> None:
    source, kept = tmp_path / "a.sgf", tmp_path / "kept.moves"
    source.write_text("(;GM[3])")
    kept.write_text("kept")
    done = arena("records", str(source), "--to", str(kept))
    assert done.returncode == 2
    assert done.stderr.startswith("arena: no game could be read in")
    assert "another game" in done.stdout
    assert kept.read_text() == "kept"
