"""Programs as players: good ones play their games out, bad ones lose them for a reason, and nothing ever hangs."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import envs
from agents import gtp_player
from agents.gtp_player import GTPPlayer
from agents.players import Forfeit, make_player, repeatable
from arena.match import play_match, random_openings
from tests.marks import with_gnugo

GAME = envs.make("go5:komi=3.5")

# A program that plays the first legal point by our own rules
WELL = """
import sys
import numpy as np
import envs
game = envs.make("go5:superko=simple")
states = game.reset(1)
for line in sys.stdin:
    name, *words = line.split()
    answer = ""
    if name == "boardsize" and words[0] != "5":
        print("? unacceptable size\\n", flush=True)
        continue
    if name == "clear_board":
        states = game.reset(1)
    if name == "play" or name == "genmove":
        states = states.copy()
        states["to_play"] = "bw".index(words[0])
        if name == "genmove":
            answer = game.action_name(int(np.flatnonzero(game.legal(states)[0])[0]))
        action = game.parse_action(words[1] if name == "play" else answer)
        if not game.legal(states)[0, action]:
            print("? illegal move\\n", flush=True)
            continue
        states = game.step(states, np.array([action]))
    print("=", answer + "\\n", flush=True)
"""
# One that knows no rules, plays where nobody has yet, and misbehaves when it is asked for its nth move
BADLY = """
import sys, time
how, when = sys.argv[1], int(sys.argv[2])
moves, taken = 0, []
for line in sys.stdin:
    name, *words = line.split()
    answer = ""
    if name == "clear_board":
        taken = []
    if name == "genmove":
        moves += 1
        answer = next(x + y for x in "ABCDE" for y in "12345" if x + y not in taken)
        if moves == when:
            if how == "crash": sys.exit(3)
            if how == "hang": time.sleep(3600)
            if how == "garbage": print("hello\\n", flush=True); continue
            if how == "flood": print("x" * 100_000 + "\\n" * 2, flush=True); continue
            answer = {"resign": "resign", "nowhere": "Z99", "occupied": taken[0]}[how]
    if name in ("play", "genmove"):
        taken.append(words[1] if name == "play" else answer)
    print("=", answer + "\\n", flush=True)
"""

# One that passes whenever it may, and cleans up once
TIDY = """
import sys
moves = ["C3", "pass"]
for line in sys.stdin:
    open(sys.argv[1], "a").write(line)
    answer = {"list_commands": "undo kgs-genmove_cleanup", "genmove": "pass"}.get(line.split()[0], "")
    if line.startswith("kgs"):
        answer = moves.pop(0)
    print("=", answer + "\\n", flush=True)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """How to start the programs above."""
    folder = tmp_path_factory.mktemp("programs")
    commands = {}
    for name, source in (("well", WELL), ("badly", BADLY)):
        (folder / f"{name}.py").write_text(source)
        commands[name] = f"{shlex.quote(sys.executable)} {shlex.quote(str(folder / name))}.py"
    return commands


@pytest.fixture(autouse=True)
def _imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))


def test_games_side_by_side_and_from_their_middle(programs: dict[str, str]) -> None:
    """It is told the moves of games that it knows and given the stones of others; all are played to their end."""
    player = GTPPlayer(GAME, programs["well"])
    rng = np.random.default_rng(0)
    openings = random_openings(GAME, 4, 6, rng)
    played = play_match(GAME, player, make_player(GAME, "random"), openings, rng)
    assert len(played.games) == 8
    assert {game.reason for game in played.games} == {"normal"}


@pytest.mark.parametrize(
    ("how", "reason", "detail"),
    [
        ("crash", "crash", "ended when asked"),
        ("hang", "time", "no answer to 'genmove"),
        ("garbage", "crash", "which is no GTP"),
        ("flood", "crash", "which is no GTP"),
        ("resign", "resignation", ""),
        ("nowhere", "illegal move", "answered 'z99'"),
        ("occupied", "illegal move", "played"),
    ],
)
def test_a_program_that_misbehaves_loses_that_game_alone(
    programs: dict[str, str], how: str, reason: str, detail: str
) -> None:
    player = GTPPlayer(GAME, f"{programs['badly']} {how} 3", move_seconds=2.0 if how == "hang" else 30.0)
    states = GAME.step(GAME.reset(2), np.array([12, 7]))
    actions = player(states, np.random.default_rng(0))
    states = GAME.step(states, actions)
    states = GAME.step(states, np.array([np.flatnonzero(row)[-2] for row in GAME.legal(states)]))
    with pytest.raises(Forfeit) as forfeit:
        player(states, np.random.default_rng(0))
    (lost,) = forfeit.value.losses.values()
    assert lost.reason == reason
    assert detail in lost.detail
    other = 1 - next(iter(forfeit.value.losses))
    assert GAME.legal(states)[other, forfeit.value.actions[other]]


def test_a_match_goes_on_when_a_program_keeps_crashing(programs: dict[str, str]) -> None:
    player = GTPPlayer(GAME, f"{programs['badly']} crash 2")
    openings = random_openings(GAME, 3, 2, np.random.default_rng(0))
    played = play_match(GAME, make_player(GAME, "random"), player, openings, np.random.default_rng(0))
    assert len(played.games) == 6
    assert "crash" in {game.reason for game in played.games}
    assert all(game.score == 1 for game in played.games if game.reason == "crash")


def test_what_cannot_play_is_refused_at_once(programs: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="programs play Go, not hex"):
        make_player(envs.make("hex5"), "gtp:gnugo")
    with pytest.raises(ValueError, match="there is no program 'no-such-engine' to play: install it"):
        make_player(GAME, "gtp:no-such-engine --mode gtp")
    with pytest.raises(ValueError, match="name a program after gtp:"):
        make_player(GAME, "gtp:")
    with pytest.raises(ValueError, match="does not play go:size=7,komi=7: unacceptable size"):
        make_player(envs.make("go7"), f"gtp:{programs['well']}")
    silent = tmp_path / "silent.py"
    silent.write_text("print('I am no engine')")
    with pytest.raises(ValueError, match="does not speak GTP"):
        make_player(GAME, f"gtp:{shlex.quote(sys.executable)} {silent}")
    assert not repeatable("gtp:gnugo")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("cat", "with 'list_commands', which is no GTP"),  # its answer never ends
        ("sleep 3600", "no answer to 'list_commands' in 0.5 s; if it tunes itself when it first starts"),
    ],
)
def test_what_is_no_go_program_is_refused_soon(program: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes were waited for the first answer of `gtp:cat`."""
    monkeypatch.setattr(gtp_player, "START_SECONDS", 0.5 if "sleep" in program else 60.0)
    with pytest.raises(ValueError, match=re.escape(message)):
        make_player(GAME, f"gtp:{program}")


def test_a_program_that_passes_is_asked_to_take_off_what_is_dead(tmp_path: Path) -> None:
    """The arena counts the board as it stands: GNU Go passed before its opponent's dead stones and lost won games."""
    log, program = tmp_path / "log", tmp_path / "tidy.py"
    program.write_text(TIDY)
    player = make_player(GAME, f"gtp:{shlex.quote(sys.executable)} {program} {log}")
    states, rng = GAME.reset(1), np.random.default_rng(0)
    for move in ("pass", None, "B1", None):  # None: the program's
        action = GAME.parse_action(move) if move else int(player(states, rng)[0])
        states = GAME.step(states, np.array([action]))
    assert GAME.board(states)[0, 2, 2] == -1  # C3, in place of its pass
    assert log.read_text().split("\n")[4:] == [
        *("genmove w", "undo", "kgs-genmove_cleanup w"),
        *("play b B1", "genmove w", "undo", "kgs-genmove_cleanup w", ""),
    ]
    assert not GAME.terminal(states)[0]


@pytest.mark.peer
@with_gnugo
def test_gnu_go_wins_by_the_arenas_count(tmp_path: Path) -> None:
    """Without words about rules on its command line."""
    player = make_player(envs.make("go9"), "gtp:gnugo --mode gtp --level 1")
    game, rng = envs.make("go9:superko=simple"), np.random.default_rng(0)
    played = play_match(game, player, make_player(game, "random"), random_openings(game, 4, 4, rng), rng)
    assert played.wins == 8


@pytest.mark.peer
@with_gnugo
def test_gnu_go_plays_many_games_without_a_protocol_error() -> None:
    player = make_player(envs.make("go9"), "gtp:gnugo --mode gtp --level 1 --chinese-rules --capture-all-dead")
    game, rng = envs.make("go9:superko=simple"), np.random.default_rng(0)
    played = play_match(game, make_player(game, "greedy"), player, random_openings(game, 8, 4, rng), rng)
    assert len(played.games) == 16
    assert {g.reason for g in played.games} <= {"normal", "resignation"}
    assert played.score < 0.2
