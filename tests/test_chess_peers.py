"""Chess move for move beside python-chess, OpenSpiel and PettingZoo."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

import chess
import numpy as np
import pytest

from envs import random_actions
from envs.chess_actions import move_of
from envs.chess_game import (
    CHECKMATE,
    FIFTY,
    FIFTY_MOVES,
    INSUFFICIENT,
    MAX_PLIES,
    PLAYING,
    STALEMATE,
    THREEFOLD,
    TOO_LONG,
    position,
)
from tests.chess_games import GAME, games_at_random
from tests.marks import old_pettingzoo


def same_games_as_python_chess(n: int, seed: int) -> Counter[int]:
    """`n` random games beside a board of python-chess that knows all its moves; how they ended."""
    ends, board = Counter[int](), chess.Board()
    for state, action in games_at_random(n, seed):
        assert position(state).fen() == board.fen()
        over = {
            CHECKMATE: board.is_checkmate(),
            STALEMATE: board.is_stalemate(),
            INSUFFICIENT: board.is_insufficient_material(),
            FIFTY: board.halfmove_clock >= FIFTY_MOVES,
            THREEFOLD: board.is_repetition(3),
            TOO_LONG: len(board.move_stack) >= MAX_PLIES,
        }
        assert state["status"] == next((status for status, holds in over.items() if holds), PLAYING)
        assert (state["earlier"] > 0) == board.is_repetition(2)
        if action < 0:
            result = {"1-0": 1, "0-1": -1}.get(board.result(), 0) * (1 if board.turn else -1)
            assert GAME.returns(np.array([state]))[0] == result
            ends[int(state["status"])] += 1
            board = chess.Board()
        else:
            move = move_of(action, board)
            assert GAME.move_name(state, action) == board.san(move)
            board.push(move)
    return ends


def test_the_rules_are_python_chesss() -> None:
    assert same_games_as_python_chess(6, seed=4).total() == 6


@pytest.mark.slow
def test_the_rules_are_python_chesss_in_a_thousand_games() -> None:
    assert same_games_as_python_chess(1000, seed=5).keys() == {
        CHECKMATE,
        STALEMATE,
        INSUFFICIENT,
        FIFTY,
        THREEFOLD,
        TOO_LONG,
    }


def same_games_as_openspiel(n: int, seed: int) -> Counter[int]:
    """`n` random games beside OpenSpiel's chess: the same legal moves, ends and results; how they ended.

    It has no limit of 512 plies.
    """
    import pyspiel

    peer, ends = pyspiel.load_game("chess"), Counter[int]()
    theirs = peer.new_initial_state()
    for state, action in games_at_random(n, seed):
        board = position(state)
        if state["status"] == TOO_LONG:
            assert not theirs.is_terminal()
        else:
            assert theirs.is_terminal() == (state["status"] != PLAYING), board.fen()
        if action < 0:
            result = GAME.returns(np.array([state]))[0]
            if theirs.is_terminal():
                assert theirs.returns()[int(board.turn)] == result  # its player 1 is White
            ends[int(state["status"])] += 1
            theirs = peer.new_initial_state()
            continue
        assert theirs.current_player() == int(board.turn)
        on_board = theirs.board()
        named = {pyspiel.chess.action_to_move(a, on_board).to_lan(): a for a in theirs.legal_actions()}
        legal = np.flatnonzero(GAME.legal(np.array([state]))[0]).tolist()
        assert named.keys() == {move_of(a, board).uci() for a in legal}
        theirs.apply_action(named[move_of(action, board).uci()])
    return ends


def test_the_rules_are_openspiels() -> None:
    pytest.importorskip("pyspiel")
    same_games_as_openspiel(5, seed=6)


@pytest.mark.peer
def test_the_rules_are_openspiels_in_two_hundred_games() -> None:
    same_games_as_openspiel(200, seed=7)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_rules_are_openspiels_in_ten_thousand_games() -> None:
    ends = same_games_as_openspiel(10_000, seed=8)
    assert len(ends) == 6


def same_games_as_pettingzoo(n: int, seed: int) -> Counter[str]:
    """`n` random games beside PettingZoo's chess: the same legal moves and results; whether they ended together.

    It also ends where a player could announce a move that makes a claim, a ply before that move; it has no limit of plies.
    """
    utils: Any = importlib.import_module("pettingzoo.classic.chess.chess_utils")
    env: Any = importlib.import_module("pettingzoo.classic.chess_v6").raw_env()
    rng, ends = np.random.default_rng(seed), Counter[str]()
    for _ in range(n):
        env.reset()
        states = GAME.reset(1)
        while not all(env.terminations.values()) and states["status"][0] == PLAYING:
            board, legal = position(states[0]), GAME.legal(states)
            mask = env.observe(env.agent_selection)["action_mask"]
            named = {utils.action_to_move(env.board, int(a), not board.turn).uci(): int(a) for a in mask.nonzero()[0]}
            assert named.keys() == {move_of(a, board).uci() for a in np.flatnonzero(legal).tolist()}
            action = random_actions(legal, rng)
            env.step(named[move_of(int(action[0]), board).uci()])
            states = GAME.step(states, action)
        if not all(env.terminations.values()):
            assert states["status"][0] == TOO_LONG
            ends["too long"] += 1
        elif states["status"][0] == PLAYING:
            assert not any(env.rewards.values())
            assert env.board.can_claim_draw()
            ends["announced"] += 1
        else:
            assert env.rewards[env.possible_agents[states["to_play"][0]]] == GAME.returns(states)[0]
            ends["together"] += 1
    return ends


@old_pettingzoo
@pytest.mark.usefixtures("without_pygame")
def test_the_rules_are_pettingzoos() -> None:
    assert same_games_as_pettingzoo(2, seed=9).total() == 2


@pytest.mark.slow
@old_pettingzoo
@pytest.mark.usefixtures("without_pygame")
def test_the_rules_are_pettingzoos_in_two_hundred_games() -> None:
    ends = same_games_as_pettingzoo(200, seed=10)
    assert ends["together"] > ends["announced"] > 0
