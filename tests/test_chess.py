"""Chess by its rules: counted positions, actions, both colours alike, what networks see, special moves, the ends."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable

import chess
import numpy as np
import pytest

from envs import random_actions
from envs.chess_actions import MIRROR, MOVES, NUM_ACTIONS, actions_of, move_of
from envs.chess_game import (
    CHECKMATE,
    FIFTY,
    INSUFFICIENT,
    LETTERS,
    MAX_PLIES,
    PLAYING,
    STALEMATE,
    THREEFOLD,
    TOO_LONG,
    Chess,
    position,
)
from tests.chess_games import GAME, KIWIPETE, PERFT, START, after, games_at_random, planes, twin
from tests.positions import expand

# Counted positions.


def perft(fen: str, depth: int) -> list[int]:
    """Legal moves in all positions 0, 1 ... depth - 1 plies after `fen`."""
    game = Chess(fen)
    states, counts = game.reset(1), []
    for _ in range(depth - 1):
        counts.append(int(game.legal(states).sum()))
        states = np.concatenate([expand(game, part) for part in np.array_split(states, 1 + len(states) // 4096)])
    return [*counts, sum(int(game.legal(part).sum()) for part in np.array_split(states, 1 + len(states) // 4096))]


@pytest.mark.parametrize("fen", PERFT)
@pytest.mark.parametrize("flipped", [False, True], ids=["white", "black"])
def test_perft(fen: str, flipped: bool) -> None:
    """Down to some thousands of leaves; from the flipped position the other colour makes the same moves."""
    depth = sum(count < 20_000 for count in PERFT[fen])
    assert perft(chess.Board(fen).mirror().fen() if flipped else fen, depth) == PERFT[fen][:depth]


@pytest.mark.slow
@pytest.mark.parametrize("fen", PERFT)
def test_perft_one_ply_deeper(fen: str) -> None:
    depth = sum(count < 500_000 for count in PERFT[fen])
    assert perft(fen, depth) == PERFT[fen][:depth]


@pytest.mark.slow
def test_perft_of_the_start_to_ply_5() -> None:
    assert perft(START, 5) == PERFT[START]


# Actions.


def test_as_many_actions_stay_on_the_board_as_there_are_moves() -> None:
    """1,792 moves of a queen or knight on an empty board, and 22 underpromotions to each of three pieces."""
    kinds = Counter(move.promotion for move in MOVES if move is not None)
    assert kinds == {None: 1792, chess.KNIGHT: 22, chess.BISHOP: 22, chess.ROOK: 22}
    assert len(MOVES) == NUM_ACTIONS


def test_every_legal_move_has_an_action_of_its_own_that_maps_back() -> None:
    for state, _ in games_at_random(2, seed=0):
        board = position(state)
        moves = list(board.legal_moves)
        actions = actions_of(moves, board.turn)
        assert len(set(actions)) == len(moves)
        assert [move_of(action, board) for action in actions] == moves
        if state["status"] == PLAYING:
            np.testing.assert_array_equal(np.flatnonzero(GAME.legal(np.array([state]))[0]), sorted(actions))


@pytest.mark.parametrize(
    ("fen", "move", "plane", "row", "column"),
    [
        (START, "e2e4", 1, 6, 4),  # north by two, from the row before the lowest
        (START, "g1f3", 56 + 7, 7, 6),  # the last knight's move of eight
        ("rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1", "e7e5", 1, 6, 4),  # Black's is the same action
        ("4k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8q", 0, 1, 0),
        ("4k3/P7/8/8/8/8/8/4K3 w - - 0 1", "a7a8n", 64 + 1, 1, 0),
        ("4k3/8/8/8/8/8/p7/1N2K3 b - - 0 1", "a2b1r", 64 + 2 * 3 + 2, 1, 0),
        ("4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1", 2 * 7 + 1, 7, 4),
        ("r3k3/8/8/8/8/8/8/4K3 b q - 0 1", "e8c8", 6 * 7 + 1, 7, 4),
    ],
)
def test_actions_are_numbered_as_the_mover_sees_the_board(
    fen: str, move: str, plane: int, row: int, column: int
) -> None:
    game = Chess(fen)
    state = game.reset(1)[0]
    action = game.parse_move(state, move)
    assert action == plane * 64 + row * 8 + column
    assert move_of(action, position(state)).uci() == move


def test_an_action_off_the_board_is_refused() -> None:
    with pytest.raises(ValueError, match="a8:0 leaves the board"):
        move_of(0, chess.Board())


# The two colours.


def test_a_position_and_its_twin_of_the_other_colour_look_the_same() -> None:
    """Observations, legal actions, estimates and results; boards are mirrored. Two games side by side."""
    for game in (GAME, Chess(KIWIPETE)):
        other = twin(game)
        rng, states, twins = np.random.default_rng(1), game.reset(2), other.reset(2)
        while not game.terminal(states).all():
            np.testing.assert_array_equal(game.observe(states), other.observe(twins))
            np.testing.assert_array_equal(game.legal(states), other.legal(twins))
            np.testing.assert_array_equal(game.heuristic(states), other.heuristic(twins))
            np.testing.assert_array_equal(game.board(states), -other.board(twins)[:, ::-1])
            assert (states["to_play"] != twins["to_play"]).all()
            chosen = random_actions(game.legal(states), rng)
            states, twins = game.step(states, chosen), other.step(twins, chosen)
        np.testing.assert_array_equal(states["status"], twins["status"])
        np.testing.assert_array_equal(game.returns(states), other.returns(twins))


def test_playouts_are_for_the_side_to_move_of_either_colour() -> None:
    """A lone king never wins."""
    ahead = Chess("k7/1R5P/1K6/8/8/8/8/8 w - - 94 60")
    behind = Chess("k7/7P/1K6/8/8/8/8/8 b - - 94 60")
    for game, possible in ((ahead, {0, 1}), (behind, {0, -1})):
        for colour in (game, twin(game)):
            states = np.repeat(colour.reset(1), 60)
            assert set(colour.rollout(states, np.arange(60, dtype=np.uint64)).tolist()) == possible


def test_white_wins_for_white_and_loses_for_black() -> None:
    """Fool's mate: the side to move is mated."""
    mated = after(GAME, "f3", "e5", "g4", "Qh4#")
    assert (mated["to_play"][0], mated["status"][0], GAME.returns(mated)[0]) == (0, CHECKMATE, -1)
    assert GAME.show(mated[0]).endswith("Black won (checkmate)")
    mated = after(GAME, "e4", "e5", "Qh5", "Nc6", "Bc4", "Nf6", "Qxf7#")
    assert (mated["to_play"][0], mated["status"][0], GAME.returns(mated)[0]) == (1, CHECKMATE, -1)
    assert GAME.show(mated[0]).endswith("White won (checkmate)")


# Observations.


def test_observations_say_what_python_chess_says() -> None:
    """Every plane, cell by cell, in random games."""
    rights: list[tuple[str, Callable[[chess.Board, chess.Color], bool]]] = [
        ("castles kingside", chess.Board.has_kingside_castling_rights),
        ("castles queenside", chess.Board.has_queenside_castling_rights),
    ]
    for state, _ in games_at_random(2, seed=2):
        board, seen = position(state), planes(state)
        flip = 0 if board.turn else MIRROR
        for point in range(64):
            row, column = divmod(point, 8)
            piece = board.piece_at(point ^ MIRROR ^ flip)
            named = {name for name in GAME.planes[:12] if seen[name][row, column]}
            side = "own" if piece and piece.color == board.turn else "other"
            assert named == ({f"{side} {chess.piece_name(piece.piece_type)}s"} if piece else set())
            passant = board.ep_square is not None and board.ep_square ^ MIRROR ^ flip == point
            assert seen["en passant"][row, column] == passant
        for side, colour in (("own", board.turn), ("other", not board.turn)):
            for name, has in rights:
                assert (seen[f"{side} {name}"] == has(board, colour)).all()
        assert (seen["repeated"] == (state["earlier"] > 0)).all()
        for plies in range(10, 100, 10):
            assert (seen[f"{plies} plies without progress"] == (board.halfmove_clock >= plies)).all()


def test_boards_hold_the_pieces_by_number_and_the_last_move() -> None:
    for state, _ in games_at_random(1, seed=3):
        board = position(state)
        codes = GAME.board(np.array([state]))[0]
        assert "/".join("".join(LETTERS[code] for code in row) for row in codes.tolist()) == "/".join(
            str(board).replace(" ", "").splitlines()
        )
        text = GAME.show(state).splitlines()
        assert [line[1:].replace("(", " ").replace(")", " ").split() for line in text[1:9]] == [
            line.split() for line in str(board).splitlines()
        ]
        if state["last"] >= 0:
            assert codes.reshape(-1)[state["last"]] * (1 if state["to_play"] else -1) > 0
            assert "(" in GAME.show(state)


def test_the_estimate_counts_material_and_pawns() -> None:
    def pawns_ahead(fen: str) -> float:
        game = Chess(fen)
        return float(np.arctanh(game.heuristic(game.reset(1))[0]) * 8 / np.log(10))

    assert pawns_ahead("4k3/8/8/8/8/8/8/R3K3 w - - 0 1") == pytest.approx(5, abs=1e-5)
    assert pawns_ahead("4k3/8/8/8/8/8/8/R3K3 b - - 0 1") == pytest.approx(-5, abs=1e-5)
    assert pawns_ahead("4k3/8/8/8/8/8/PP6/4K3 w - - 0 1") == pytest.approx(2, abs=1e-5)
    assert pawns_ahead("4k3/8/8/8/8/8/P1P5/4K3 w - - 0 1") == pytest.approx(1, abs=1e-5)  # both isolated
    assert pawns_ahead("4k3/8/8/8/8/PP6/P7/4K3 w - - 0 1") == pytest.approx(2.5, abs=1e-5)  # one doubled
    assert pawns_ahead("4k1nb/8/8/8/8/8/8/3QK3 w - - 0 1") == pytest.approx(3, abs=1e-5)


# Special moves and ends.


@pytest.mark.parametrize("colour", ["white", "black"])
def test_all_four_promotions(colour: str) -> None:
    game = Chess("1n2k3/P7/8/8/8/8/8/4K3 w - - 0 1")
    game, row = (game, "78") if colour == "white" else (twin(game), "21")
    states = game.reset(1)
    for piece, kind in zip("qrbn", (5, 4, 3, 2), strict=True):
        for column in "ab":  # straight, and by a capture
            move = f"a{row[0]}{column}{row[1]}{piece}"
            action = game.parse_move(states[0], move)
            there = game.board(game.step(states, np.array([action])))[0]
            assert abs(there[0 if colour == "white" else 7, "ab".index(column)]) == kind
            assert abs(there).tolist().count([0] * 8) >= 5
            assert "=" + piece.upper() in game.move_name(states[0], action)
    assert game.legal(states).sum() == 8 + 5


def test_en_passant_takes_the_pawn_that_passed_and_only_at_once() -> None:
    states = after(GAME, "e4", "a6", "e5", "d5")
    assert planes(states[0])["en passant"][2, 3] == 1
    taken = GAME.step(states, np.array([GAME.parse_move(states[0], "exd6")]))
    assert (GAME.board(taken)[0, 3, 3], GAME.board(taken)[0, 2, 3], taken["last"][0]) == (0, 1, 2 * 8 + 3)
    later = after(GAME, "e4", "a6", "e5", "d5", "h3", "h6")
    with pytest.raises(ValueError, match="no legal move"):
        GAME.parse_move(later[0], "exd6")
    black = after(GAME, "a3", "d5", "a4", "d4", "e4")
    assert planes(black[0])["en passant"][2, 4] == 1
    assert GAME.board(GAME.step(black, np.array([GAME.parse_move(black[0], "d4e3")])))[0, 4, 4] == 0
    assert after(GAME, "e4")["en_passant"][0] == -1, "no pawn could capture there"


@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize(("move", "king", "rook"), [("O-O", 6, 5), ("O-O-O", 2, 3)])
def test_castling(colour: str, move: str, king: int, rook: int) -> None:
    game = Chess("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    game, row, sign = (game, 7, 1) if colour == "white" else (twin(game), 0, -1)
    states = game.reset(1)
    castled = game.step(states, np.array([game.parse_move(states[0], move)]))
    board = game.board(castled)[0]
    assert (board[row, king], board[row, rook], board[row, 4]) == (6 * sign, 4 * sign, 0)
    seen = dict(zip(game.planes, game.observe(castled)[0], strict=True))
    assert not seen["other castles kingside"].any()
    assert seen["own castles kingside"].all()


ENDS = [
    (Chess("7k/8/6KQ/8/8/8/8/8 b - - 0 1"), "h8g8 h6g7", CHECKMATE),
    (Chess("7k/8/5K2/6Q1/8/8/8/8 w - - 0 1"), "Qg6", STALEMATE),
    (Chess("7k/8/8/8/8/8/6p1/7K w - - 0 1"), "Kxg2", INSUFFICIENT),
    (Chess("7k/8/8/8/8/6n1/6p1/7K w - - 0 1"), "Kxg2", INSUFFICIENT),
    (Chess("k4b2/8/8/8/8/8/6p1/B6K w - - 0 1"), "Kxg2", INSUFFICIENT),  # bishops on squares of one colour
    (Chess("7k/8/8/8/8/8/r7/R6K w - - 98 80"), "Rb1 Rc2", FIFTY),
    (Chess("7k/8/6K1/8/8/8/8/R7 w - - 99 80"), "Ra8", CHECKMATE),  # mate comes before the fifty moves
    (GAME, "Nf3 Nf6 Ng1 Ng8 Nf3 Nf6 Ng1 Ng8", THREEFOLD),
    (
        GAME,
        "e4 e5 Ke2 Ke7 Ke1 Ke8 Ke2 Ke7 Ke1 Ke8 Ke2 Ke7",
        THREEFOLD,
    ),  # the first time kings could castle: not the same
    (GAME, "Nf3 Nf6 Ng1 Ng8 e3 Nf6 Nf3 Ng8 Ng1 Nf6 Nf3 Ng8 Ng1", THREEFOLD),  # after e3, before Nf6
]


@pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize(("game", "moves", "status"), ENDS)
def test_the_game_ends_exactly_when_the_rules_say(game: Chess, moves: str, status: int, flipped: bool) -> None:
    states, line = game.reset(1), [game.reset(1)]
    for move in moves.split():
        assert states["status"][0] == PLAYING
        states = game.step(states, np.array([game.parse_move(states[0], move)]))
        line.append(states)
    if flipped:
        other = twin(game)
        chosen = [game.parse_move(before[0], move) for before, move in zip(line, moves.split(), strict=False)]
        states = other.reset(1)
        for action in chosen:
            states = other.step(states, np.array([action]))
    assert states["status"][0] == status
    assert not game.legal(states).any()
    assert game.returns(states)[0] == game.heuristic(states)[0] == -(status == CHECKMATE)
    assert game.rollout(states, np.zeros(1, np.uint64))[0] == -(status == CHECKMATE)
    with pytest.raises(ValueError, match="the game is over"):
        game.parse_move(states[0], "e4")


def test_bishops_on_both_colours_and_two_knights_play_on() -> None:
    for fen in ("5b1k/8/8/8/8/8/6p1/1B5K w - - 0 1", "7k/8/8/8/8/5nn1/6p1/7K w - - 0 1"):
        states = after(Chess(fen), "Kxg2")
        assert states["status"][0] == PLAYING


def test_no_game_is_longer_than_512_plies() -> None:
    states = GAME.reset(1)
    states["ply"] = MAX_PLIES - 1
    states = GAME.step(states, np.array([GAME.parse_move(states[0], "e4")]))
    assert (states["status"][0], GAME.returns(states)[0]) == (TOO_LONG, 0)
    assert GAME.show(states[0]).endswith("draw (512 plies)")


def test_a_playout_keeps_all_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result is that of the same moves played by `step`."""
    played: list[chess.Move] = []
    module = importlib.import_module("envs.chess_game")
    push = module._push

    def noted(board: chess.Board, move: chess.Move) -> None:
        played.append(move)
        push(board, move)

    game = Chess("7k/8/5K2/8/8/8/8/R7 w - - 80 60")
    start = after(game, "Ra2", "Kg8", "Ra1", "Kh8")
    ends = Counter[int]()
    for seed in range(60):
        played.clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, "_push", noted)
            result = game.rollout(start, np.array([seed], np.uint64))[0]
        states = start
        for move in list(played):
            assert states["status"][0] == PLAYING
            states = game.step(states, np.array(actions_of([move], not states["to_play"][0])))
        assert states["status"][0] != PLAYING
        assert result == (1 - 2 * (states["to_play"][0] != start["to_play"][0])) * game.returns(states)[0]
        ends[int(states["status"][0])] += 1
    assert {CHECKMATE, STALEMATE, FIFTY} <= ends.keys()
    assert ends.keys() & {THREEFOLD, INSUFFICIENT}
