"""Chess as people write and play it: moves by name, start positions, a game at the terminal, problems of mate."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.players import make_player
from arena.analyze import position as reached_by
from envs.chess_actions import move_of
from envs.chess_game import Chess, position
from tests.chess_games import GAME, KIWIPETE, PERFT, START, twin
from tests.test_play import session

# Moves.


@pytest.mark.parametrize("text", ["Nf3", "nf3", "NF3", "g1f3", "G1F3", "Ng1f3", "Nf3!?", " Nf3+ ", "Ng1-f3"])
def test_moves_are_read_as_people_write_them(text: str) -> None:
    states = GAME.reset(1)
    assert GAME.move_name(states[0], GAME.parse_move(states[0], text)) == "Nf3"


def test_every_legal_move_is_read_back_by_its_names() -> None:
    for fen in PERFT:
        game = Chess(fen)
        state = game.reset(1)[0]
        board = position(state)
        for action in np.flatnonzero(game.legal(np.array([state]))[0]).tolist():
            move = move_of(action, board)
            for name in (board.san(move), board.uci(move), board.lan(move), board.uci(move).upper()):
                assert game.parse_move(state, name) == action


def test_a_pawns_move_and_a_bishops_are_told_apart_by_case() -> None:
    game = Chess("4k3/8/8/8/8/2p5/1P1B4/4K3 w - - 0 1")
    state = game.reset(1)[0]
    assert game.move_name(state, game.parse_move(state, "bxc3")) == "bxc3"
    assert game.move_name(state, game.parse_move(state, "Bxc3")) == "Bxc3"
    with pytest.raises(ValueError, match="'BXC3' could be one of 2 moves: type Bxc3 or bxc3"):
        game.parse_move(state, "BXC3")


@pytest.mark.parametrize("text", ["", "Nf9", "e5", "--", "0000", "O-O", "e2e5", "Qd1", "hello", "a8:0"])
def test_what_is_no_legal_move_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is no legal move here: type one such as Nh3 or g1h3"):
        GAME.parse_move(GAME.reset(1)[0], text)


def test_two_knights_for_one_square_are_asked_for() -> None:
    game = Chess("4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1")
    with pytest.raises(ValueError, match=r"'Nd2' could be one of 2 moves: type N[bf]d2 or N[bf]d2"):
        game.parse_move(game.reset(1)[0], "Nd2")


# Start positions.


def test_a_start_position_has_a_name_that_makes_it_again() -> None:
    game = envs.make(f"chess:fen={KIWIPETE}")
    assert isinstance(game, Chess)
    assert game.name == f"chess:fen={KIWIPETE.replace(' ', '_')}"
    assert envs.make(game.name) == game == Chess(KIWIPETE)
    assert envs.make(f"chess:fen={START}").name == envs.make("chess").name == "chess"
    assert Chess("4k3/8/8/8/8/8/8/R3K3").reset(1)["to_play"][0] == 0
    assert Chess("4k3/8/8/8/8/8/8/R3K3 b").reset(1)["to_play"][0] == 1


@pytest.mark.parametrize(
    ("fen", "message"),
    [
        ("nonsense", "fen=nonsense: expected 8 rows"),
        ("8/8/8/8/8/8/8/8 w - - 0 1", "cannot arise in a game: no white king, no black king"),
        ("4k3/8/8/8/8/8/4R3/4K3 w - - 0 1", "cannot arise in a game: opposite check"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", "the game is over, insufficient material"),
        ("7k/8/5KQ1/8/8/8/8/8 b - - 0 1", "the game is over, stalemate"),
        ("4k3/8/8/8/8/8/8/R3K3 w - - 100 90", "the game is over, fifty moves"),
    ],
)
def test_a_position_that_cannot_be_played_is_refused(fen: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chess(fen)


# Played and searched.


@pytest.mark.parametrize("flipped", [False, True], ids=["white", "black"])
@pytest.mark.parametrize(
    ("fen", "simulations", "mate"),
    [
        ("7k/R7/8/8/8/8/1R6/K7 w - - 0 1", 100, "Rb8#"),
        ("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", 100, "Ra8#"),
        ("7k/8/4P1K1/4P3/8/8/8/8 w - - 0 1", 100, "e7"),  # Kg8 e8=Q#, also Kg8 e8=R#
        ("k7/2p5/1K3R2/8/8/8/8/8 w - - 0 1", 100, "Ka6"),
        ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", 400, "Ra6"),  # Paul Morphy's problem
    ],
)
def test_the_search_finds_mates_in_one_and_in_two(fen: str, simulations: int, mate: str, flipped: bool) -> None:
    white = Chess(fen)
    game = twin(white) if flipped else white
    chosen = make_player(game, f"mcts:{simulations}", seed=1)(game.reset(1), np.random.default_rng(1))
    assert white.move_name(white.reset(1)[0], int(chosen[0])) == mate  # the action is the same for both colours


def test_chess_is_played_in_its_own_notation() -> None:
    said = session("chess", "random", ["help", "f3", "e7e5", "G4", "nonsense", "moves", "Qh4"], side="both")
    assert "You are White and Black" in said
    assert "as on the board's edge (Nf3)" in said
    assert "'nonsense' is no legal move here" in said
    assert "f3 e5 g4" in said
    assert "Black won (checkmate)" in said


def test_a_line_of_moves_is_analysed() -> None:
    states, actions = reached_by(GAME, "e4 e5 Nf3, Nc6")
    assert (states["ply"][0], len(actions)) == (4, 4)
    with pytest.raises(ValueError, match="move 2: 'e4' is no legal move here"):
        reached_by(GAME, "e4 e4")
