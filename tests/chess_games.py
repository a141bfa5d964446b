"""Chess positions for tests: well-known ones, what comes after some moves, colours changed, games at random."""

from __future__ import annotations

from collections.abc import Iterator

import chess
import numpy as np
from numpy.typing import NDArray

from envs import States, random_actions
from envs.chess_game import PLAYING, Chess, position

GAME = Chess()
START = chess.STARTING_FEN
KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
# Leaves at depth 1, 2 ... : chessprogramming.org/Perft_Results
PERFT = {
    START: [20, 400, 8902, 197281, 4865609],
    KIWIPETE: [48, 2039, 97862, 4085603],
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": [14, 191, 2812, 43238, 674624],
    "r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1": [6, 264, 9467, 422333],
    "rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8": [44, 1486, 62379, 2103487],
}


def after(game: Chess, *moves: str) -> States:
    """[1] the position after `moves`, in any notation."""
    states = game.reset(1)
    for move in moves:
        states = game.step(states, np.array([game.parse_move(states[0], move)]))
    return states


def twin(game: Chess) -> Chess:
    """The same start position with colours changed."""
    return Chess(position(game.reset(1)[0]).mirror().fen())


def games_at_random(n: int, seed: int, game: Chess = GAME) -> Iterator[tuple[np.void, int]]:
    """Every state of `n` random games, with the action played there; the last of each with -1."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        states = game.reset(1)
        while states[0]["status"] == PLAYING:
            action = random_actions(game.legal(states), rng)
            yield states[0], int(action[0])
            states = game.step(states, action)
        yield states[0], -1


def planes(state: np.void) -> dict[str, NDArray[np.uint8]]:
    return dict(zip(GAME.planes, GAME.observe(np.array([state]))[0], strict=True))
