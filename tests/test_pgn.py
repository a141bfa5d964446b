"""Chess records in PGN: written and read back, as people annotate them, damaged."""

from __future__ import annotations

import io
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from envs import records
from envs.chess_game import CHECKMATE, Chess
from envs.records import GameRecord, Skipped, pgn
from tests.chess_games import GAME, KIWIPETE, games_at_random


def written(games: list[GameRecord]) -> str:
    file = io.StringIO()
    pgn.write(file, games)
    return file.getvalue()


def read(text: str | bytes, game: str | None = None) -> list[GameRecord | Skipped]:
    data = text.encode() if isinstance(text, str) else text
    return list(pgn.read(io.BytesIO(data), "x.pgn", game))


def reasons(text: str | bytes, game: str | None = None) -> list[str]:
    return ["read" if isinstance(found, GameRecord) else found.reason for found in read(text, game)]


def random_records() -> list[GameRecord]:
    headers = {"event": r'The "Cup" \ 1', "date": "2026-11-23", "first_rank": "2100", "ECO": "C20", "site": "Zürich"}
    found, actions = list[GameRecord](), list[int]()
    for game in (GAME, Chess("4k3/8/8/8/8/8/8/R3K3 b - - 90 1"), Chess(KIWIPETE)):
        for state, action in games_at_random(2, seed=11, game=game):
            if action >= 0:
                actions.append(action)
                continue
            result = float(game.returns(np.array([state]))[0]) * (1 - 2 * int(state["to_play"]))
            to_play = int(game.reset(1)["to_play"][0])
            found.append(GameRecord(game.name, tuple(actions), result + 0.0, ("Ann", "Bo"), headers, to_play=to_play))
            actions.clear()
    return found


def test_games_written_are_read_back(tmp_path: Path) -> None:
    games = random_records()
    for name in ("games.pgn", "games.pgn.gz"):
        records.write(tmp_path / name, games)
        again = list(records.read(tmp_path / name))
        assert again == games
    for record, game in zip(again, games, strict=True):
        assert isinstance(record, GameRecord)
        assert len(records.replay(record)) == len(game.actions) + 1


def test_python_chess_reads_what_is_written() -> None:
    text = written(random_records())
    file, games = io.StringIO(text), 0
    while (theirs := chess.pgn.read_game(file)) is not None:
        assert not theirs.errors
        assert theirs.headers["White"] == "Ann"
        assert theirs.headers["Date"] == "2026.11.23"
        games += 1
    assert games == 6
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("["))


OPERA = """[Event "Paris Opera"]
[Site "Paris FRA"]
[Date "1858.??.??"]
[Round "?"]
[White "Morphy, Paul"]
[Black "Duke Karl / Count Isouard"]
[Result "1-0"]

1. e4 e5 2. Nf3 d6 3. d4 Bg4 {This is a weak move
[%clk 0:01:00] already.} 4. dxe5 Bxf3 (4... dxe5 5. Qxd8+ Kxd8 (5... Zz)) 5. Qxf3 dxe5 6. Bc4 Nf6 7. Qb3 Qe7
8. Nc3 c6 9. Bg5 $1 b5 10. Nxb5! cxb5 11. Bxb5+ Nbd7 12. O-O-O Rd8 ; 1-0 is near
13. Rxd7 Rxd7 14. Rd1 Qe6 15. Bxd7+ Nxd7 16. Qb8+ Nxb8 17. Rd8# 1-0
"""


def test_a_game_as_people_annotate_it() -> None:
    (record,) = read(OPERA)
    assert isinstance(record, GameRecord)
    assert (record.game, record.result, record.to_play, len(record.actions)) == ("chess", 1.0, 0, 33)
    assert record.players == ("Morphy, Paul", "Duke Karl / Count Isouard")
    assert record.headers == {"event": "Paris Opera", "site": "Paris FRA", "date": "1858"}
    states = records.replay(record)
    assert states["status"][-1] == CHECKMATE
    assert 'Date "1858.??.??"' in written([record])


SHORT = '[Event "a"]\n[White "A"]\n[Result "*"]\n\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["no game in the file"]),
        ("just some prose", ["no game in the file"]),
        (b"\x00\xff\xfe" * 1000, ["no game in the file"]),
        ("1. e4 e5 *", ["read"]),
        (SHORT + "1. e4 e5 *\n\n" + SHORT + "1. d4 *\n", ["read", "read"]),
        ("\ufeff" + SHORT + "1. e4 *", ["read"]),
        (SHORT.replace("A", "J\xfcrgen").encode("latin-1") + b"1. e4 *", ["read"]),
        (SHORT + "1. e4 e5 2. Ke3 *\n\n" + OPERA, ["illegal move", "read"]),
        (SHORT + "1. Nf3 d5 2. d3 d4 3. Nd2 *", ["ambiguous move"]),
        (SHORT + "1. e4 e5 2. Nf3", ["no result at the end"]),
        (SHORT + "1. e4 {never closed e5 *\n\n" + OPERA, ["no result at the end", "read"]),
        (SHORT + "1. e4 -- 2. d4 *", ["null move"]),
        (SHORT + "1. e4 $" + "9" * 5000 + " *\n\n" + OPERA, ["damaged game", "read"]),
        (SHORT + "1. e4 " + "( " * 5000 + "*\n\n" + OPERA, ["no result at the end", "read"]),
        (SHORT + "{" + "x" * 2_000_000 + "} 1. e4 *\n\n" + OPERA, ["game too long", "read"]),
        (SHORT + "\n" + SHORT + "1. e4 *", ["no result at the end", "read"]),
        ('[Variant "Crazyhouse"]\n\n1. e4 *\n\n' + OPERA, ["another variant of chess", "read"]),
        ('[Variant "Chess960"]\n\n1. e4 *', ["another variant of chess"]),
        ('[Variant "Mine"]\n\n1. e4 *', ["another variant of chess"]),
        ('[FEN "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w HFhf - 0 1"]\n\n1. e4 *', ["no such start position"]),
        ('[FEN "xyz"]\n\n1. e4 *', ["no such start position"]),
        ('[FEN "4k3/8/8/8/8/8/8/R3K3 b - - 0 1"]\n\n1... Kd7 2. Ra7+ *', ["read"]),
        ("1. e4 P@e5 *", ["no such move"]),
    ],
)
def test_damaged_games_are_skipped_with_their_reason_and_the_rest_read(text: str | bytes, found: list[str]) -> None:
    assert reasons(text) == found


def test_no_damage_stops_the_reader_or_reaches_the_next_game() -> None:
    rng, intact = np.random.default_rng(12), OPERA.encode()
    for _ in range(150):
        damaged = bytearray(intact)
        for at in rng.integers(len(damaged), size=rng.integers(1, 6)):
            damaged[at : at + int(rng.integers(3))] = (
                rng.choice(list(b'{}()[];%"$.*\n\0\xff1-eNx'), 2).astype(np.uint8).tobytes()
            )
        found = read(bytes(damaged[: rng.integers(len(damaged))]) + b"\n\n" + intact)
        assert isinstance(found[-1], GameRecord)
        assert len(found[-1].actions) == 33
        for record in found[:-1]:
            if isinstance(record, GameRecord):
                records.replay(record)


def test_only_the_game_wanted_is_read() -> None:
    rook = '[FEN "4k3/8/8/8/8/8/8/R3K3 w - - 0 1"]\n\n1. Ra8+ *\n\n'
    assert reasons(OPERA, "go9") == ["another game"]
    assert reasons(rook + OPERA, "chess") == ["read", "read"]
    assert reasons(rook + OPERA, "chess:fen=4k3/8/8/8/8/8/8/R3K3_w_-_-_0_1") == ["read", "another start position"]


def test_a_game_that_went_on_after_a_repetition_is_read_and_not_replayed() -> None:
    (record,) = read("1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8 5. e4 1/2-1/2")
    assert isinstance(record, GameRecord)
    with pytest.raises(ValueError, match="move 9, e2e4, is illegal, the game is over"):
        records.replay(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (GameRecord("go9", (0,), source="x.sgf:3"), "x.sgf:3: PGN holds games of chess, not of go9"),
        (GameRecord("chess", (116, 3), source="x"), "x: move 2, action 3, is illegal"),
        (GameRecord("chess", (), setup=((0, 3),)), "no stones set up"),
    ],
)
def test_what_pgn_cannot_hold_is_refused(record: GameRecord, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        written([record])
