"""Go's rules at every ply of whole games: a plain twin, PettingZoo, OpenSpiel, GNU Go, and what people played."""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Sequence

import numpy as np
import pytest

from envs import make, random_actions, records
from envs.go import Go
from tests.go_boards import SUPERKO, collection, random_game
from tests.go_twin import Twin
from tests.marks import GNUGO, compiled, with_gnugo, wrapping

pytestmark = wrapping

# The twin


def agrees_with_twin(game: Go, seed: int) -> None:
    twin = Twin(game)
    passes = (0.0, 0.05, 0.3)[seed % 3]
    states = game.reset(1)
    for states, action in random_game(game, seed, passes=passes):
        assert game.legal(states)[0].tolist() == twin.legal()
        assert not game.terminal(states)[0]
        assert not twin.terminal()
        assert game.observe(states).reshape(len(game.planes), -1).tolist() == twin.observe().tolist()
        twin.play(action)
        states = game.step(states, np.array([action]))
        game.check(states[0])
        assert game.board(states).reshape(-1).tolist() == list(twin.board)
        assert game.ownership(states).reshape(-1).tolist() == twin.owner()
        assert game.score(states)[0] == twin.score()
        assert game.returns(states)[0] == twin.result()
    assert game.terminal(states)[0]
    assert twin.terminal()
    assert game.observe(states).reshape(len(game.planes), -1).tolist() == twin.observe().tolist()


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("superko", SUPERKO)
@pytest.mark.parametrize(("size", "games"), [(2, 30), (3, 20), (5, 5)])
def test_plain_twin_agrees_at_every_ply(size: int, games: int, superko: str, suicide: bool) -> None:
    for seed in range(games):
        agrees_with_twin(Go(size, komi=size % 3, superko=superko, suicide=suicide), seed)


@pytest.mark.slow
@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("superko", SUPERKO)
@pytest.mark.parametrize(("size", "games"), [(2, 300), (3, 200), (5, 50), (9, 10), (13, 1)])
def test_plain_twin_agrees_at_every_ply_of_many_games(size: int, games: int, superko: str, suicide: bool) -> None:
    for seed in range(1000, 1000 + games):
        agrees_with_twin(Go(size, superko=superko, suicide=suicide), seed)


# Peers

MANY = [pytest.param(4), pytest.param(10_000, marks=[pytest.mark.peer, pytest.mark.timeout(7200)])]


@pytest.mark.parametrize("games", MANY)
def test_pettingzoo_agrees_under_simple_ko(games: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_SIZE", "9")
    same_games_as_pettingzoo(range(games))


def same_games_as_pettingzoo(seeds: Sequence[int]) -> None:
    """The rules behind PettingZoo's go_v5 (minigo's), which differ from ours in the following:

    simple ko only; no end after `max_plies`; and a cruder board size, an environment variable read at import.
    """
    go_base = importlib.reload(importlib.import_module("pettingzoo.classic.go.go_base"))
    game = Go(9, superko="simple")
    for seed in seeds:
        position = go_base.Position(komi=game.komi)
        for states, action in random_game(game, seed):
            assert game.legal(states)[0].tolist() == position.all_legal_moves().astype(bool).tolist()
            assert game.board(states)[0].tolist() == position.board.tolist()
            assert game.score(states)[0] == position.score()
            assert states["captures"][0].tolist() == list(position.caps)
            position = position.play_move(None if action == 81 else divmod(action, 9), mutate=True)


@compiled
@pytest.mark.parametrize("games", [pytest.param(200), pytest.param(10_000, marks=pytest.mark.peer)])
def test_openspiel_agrees_until_a_position_comes_back(games: int) -> None:
    pytest.importorskip("pyspiel")
    for seed in range(0, games, 200):
        same_games_as_openspiel(200, seed)


def same_games_as_openspiel(games: int, seed: int) -> None:
    """What may be played, when a game ends and who has won, in random games on 9x9. OpenSpiel's rules are ours under
    simple ko, but that a game is over and drawn where a position comes back (a pass aside), which our superko forbids.
    """
    import pyspiel

    peer = pyspiel.load_game("go(board_size=9,komi=7.5)")
    game, strict = Go(9, komi=7.5, superko="simple"), Go(9, komi=7.5)
    assert peer.max_game_length() == game.max_plies
    ours = np.append(np.arange(81).reshape(9, 9)[::-1], 81)  # [action] of OpenSpiel, which counts the rows from below
    theirs = np.argsort(ours)
    rng = np.random.default_rng(seed)
    states, others = game.reset(games), [peer.new_initial_state() for _ in range(games)]
    compared = repeated = 0
    while len(states):
        legal = game.legal(states)
        found = np.zeros_like(legal)
        for i, other in enumerate(others):
            found[i, ours[other.legal_actions()]] = True
        np.testing.assert_array_equal(legal, found)
        compared += len(states)
        actions = random_actions(legal, rng)
        repeats = ~strict.legal(states)[np.arange(len(states)), actions]
        states = game.step(states, actions)
        for other, action in zip(others, theirs[actions].tolist(), strict=True):
            other.apply_action(action)
        ended = np.array([other.is_terminal() for other in others])
        np.testing.assert_array_equal(ended, game.terminal(states) | repeats)
        black = game.returns(states) * (1 - 2 * states["to_play"])
        for i in np.flatnonzero(ended):
            assert others[i].returns()[0] == (0 if repeats[i] else black[i])
        repeated += int(repeats.sum())
        states, others = states[~ended], [other for other, over in zip(others, ended, strict=True) if not over]
    assert compared > 80 * games
    assert repeated < games / 10


@pytest.mark.peer
@with_gnugo
@pytest.mark.parametrize("superko", ["positional", "simple"])
def test_gnugo_agrees(superko: str) -> None:
    """GNU Go's `all_legal` and `captures` in random games on 5x5 (the smallest board that it plays) and 9x9."""
    command = [GNUGO, "--mode", "gtp", f"--{superko}" + ("-superko" if superko == "positional" else "-ko")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None

        def ask(line: str) -> str:
            engine.stdin.write(line + "\n")
            engine.stdin.flush()
            answer = engine.stdout.readline()
            assert answer.startswith("="), f"{line}: {answer}"
            assert engine.stdout.readline() == "\n"
            return answer[1:].strip()

        for size, seeds in ((5, 20), (9, 5)):
            game = Go(size, superko=superko)
            for seed in range(seeds):
                ask(f"boardsize {size}")
                ask("clear_board")
                for states, action in random_game(game, seed):
                    colour = ("black", "white")[states["to_play"][0]]
                    ours = {game.action_name(int(a)) for a in np.flatnonzero(game.legal(states)[0, :-1])}
                    assert set(ask(f"all_legal {colour}").split()) == ours
                    ask(f"play {colour} {game.action_name(action)}")
        ask("quit")


# Real games


@compiled
def test_real_9x9_games_replay_and_score_as_their_servers_said() -> None:
    """Under simple ko: 9x9 servers do not all forbid longer cycles. CGOS counts area and leaves nothing to agree on."""
    games = collection("go9_strong.sgf.gz")
    states, legal = records.last_states(games, Go(9, superko="simple"))
    assert legal.all()
    _, legal = records.last_states(games, Go(9))
    assert 0 < (~legal).sum() < 20, "a few games repeat a position"
    scored = 0
    for record, state in zip(games, states, strict=True):
        result = re.fullmatch(r"([BW])\+([0-9.]+)", record.headers["result"])
        if record.headers["source"] == "cgos" and result:
            assert record.actions[-2:] == (81, 81)
            game = make(record.game)
            assert isinstance(game, Go)
            assert game.komi == float(record.headers["komi"])
            assert game.score(np.array([state]))[0] == float(result[2]) * (1 if result[1] == "B" else -1), record
            scored += 1
    assert scored > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["go9_ogs_dan.sgf.gz", "go19_fox_9d.sgf.gz"])
def test_real_games_replay(name: str) -> None:
    games = collection(name)
    game = make(records.board_name(games[0].game), superko="simple")
    for first in range(0, len(games), 1000):
        assert records.last_states(games[first : first + 1000], game)[1].all()
