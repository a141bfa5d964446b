"""Games of OpenSpiel and PettingZoo keep the contract, are sent and stored, read and drawn; what does not fit is refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import envs
from arena.play import play
from envs import Game
from envs.adapters.foreign import ForeignGame
from envs.adapters.openspiel import STONES
from tests import test_games as contract
from tests.foreign import OPENSPIEL, PETTINGZOO, actions_at_random, foreign, make

# The contract.

SMALL = ["openspiel:tic_tac_toe", "openspiel:mnk(m=3,n=4,k=3)", "pettingzoo:tictactoe_v3"]
CHECKS = [
    contract.test_shapes_and_types,
    contract.test_a_game_goes_on_exactly_while_there_is_a_legal_action,
    contract.test_no_game_is_longer_than_max_plies,
    contract.test_a_step_passes_the_turn_and_terminal_states_absorb,
    contract.test_results_are_zero_until_the_end_and_the_heuristic_is_exact_there,
    contract.test_arguments_stay_as_they_were,
    contract.test_a_batch_is_its_states_one_by_one,
    contract.test_symmetries_commute_with_the_rules,
    contract.test_action_names_are_read_back,
    contract.test_playouts_of_finished_games_are_their_results,
    contract.test_a_games_name_makes_it_again,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", [*SMALL, "openspiel:dots_and_boxes", "openspiel:nim", "openspiel:oware"])
def test_the_contract_is_kept(spec: str, check: Callable[[Game], None]) -> None:
    check(make(spec))


@pytest.mark.parametrize("check", [contract.test_the_start, contract.test_playouts_follow_their_seeds])
@pytest.mark.parametrize("spec", SMALL)
def test_the_contract_is_kept_by_games_on_an_empty_board(spec: str, check: Callable[[Game], None]) -> None:
    check(make(spec))


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", [*OPENSPIEL, *PETTINGZOO])
def test_the_contract_is_kept_by_large_games(spec: str, check: Callable[[Game], None]) -> None:
    check(make(spec))


@pytest.mark.parametrize("text", ["", "z99", "-1", "1.5", "²"])
def test_a_wrong_action_name_is_refused_by_name(text: str) -> None:
    for spec in SMALL:
        with pytest.raises(ValueError, match=f"'{text}' is not an action of {spec.split('(')[0]}"):
            make(spec).parse_action(text)


# Records.


def test_records_are_read_in_another_process(tmp_path: Path) -> None:
    """What is legal, seen and won in states that come from a file, skips among them."""
    program = (
        "import sys, json, numpy as np, envs\n"
        "game = envs.make(sys.argv[1]); states = np.load(sys.argv[2])\n"
        "answer = game.legal(states), game.observe(states), game.returns(states), game.step(states, np.load(sys.argv[3]))\n"
        "print(json.dumps([part.tobytes().hex() for part in answer]))"
    )
    for spec in ("openspiel:dots_and_boxes", "pettingzoo:connect_four_v3", "pettingzoo:chess_v6(max_moves=12)"):
        game = make(spec)
        line = list(actions_at_random(game, seed=1))
        states = np.concatenate([states for states, _ in line])[::-1].copy()
        actions = np.array([max(0, action) for _, action in line])[::-1].copy()
        np.save(tmp_path / "states.npy", states)
        np.save(tmp_path / "actions.npy", actions)
        files = [str(tmp_path / "states.npy"), str(tmp_path / "actions.npy")]
        done = subprocess.run([sys.executable, "-c", program, spec, *files], capture_output=True, text=True, check=True)
        here = game.legal(states), game.observe(states), game.returns(states), game.step(states, actions)
        assert json.loads(done.stdout) == [part.tobytes().hex() for part in here]


def test_a_game_can_be_sent_to_another_process() -> None:
    for spec in SMALL:
        again = pickle.loads(pickle.dumps(make(spec)))
        assert again.name == make(spec).name
        assert again.legal(again.reset(1)).all()


def test_a_record_that_is_no_game_is_refused() -> None:
    for spec in ("openspiel:tic_tac_toe", "pettingzoo:tictactoe_v3"):
        game = make(spec)
        states = game.reset(1)
        states["moves"][0, :3] = 4, 1, 4
        states["length"] = 3
        with pytest.raises(ValueError, match=f"no game of {spec}: its move 3, 4, is not legal"):
            game.legal(states)


def test_few_positions_are_kept() -> None:
    game = ForeignGame(foreign("openspiel:connect_four").rules, kept=10)
    list(actions_at_random(game, seed=0))
    assert len(game._recent) == 10


# What people see.


def test_boards_of_openspiel_are_its_texts() -> None:
    """Row by row as many stones of both sides as letters; Othello's heading and the like stand above the board."""
    marks = {
        "amazons": "X O",
        "breakthrough": "b w",
        "checkers": "o8 +*",
        "clobber": "o x",
        "gomoku": "b w",
        "go": "X O",
    }
    marks |= {"havannah": "O @", "nine_mens_morris": "W B", "pentago": "O @", "y": "O @"}
    sizes = {"go": "(board_size=5)", "havannah": "(board_size=4)", "hex": "(board_size=5)", "y": "(board_size=5)"}
    for name in STONES:
        game = foreign(f"openspiel:{name}{sizes.get(name, '')}")
        sides = marks.get(name, "x o").split()
        for states, _ in list(actions_at_random(game, seed=0))[:60]:
            text = game.rules.text(game._position(states[0])).partition("Current player")[0]
            lines = [
                line[name == "checkers" :] for line in text.splitlines() if line.strip(" |")
            ]  # its row 8 is no king
            drawn = [[sum(map(line.count, letters)) for letters in sides] for line in lines]
            stones = [[int((row == side).sum()) for side in (1, -1)] for row in game.board(states)[0]]
            assert any(drawn[i : i + len(stones)] == stones for i in range(len(drawn))), name


def test_the_last_stone_is_marked_where_it_is_known() -> None:
    game = make("pettingzoo:connect_four_v3")
    ours = make("connect_four")
    for (states, _), (same, _) in zip(actions_at_random(game, 5), actions_at_random(ours, 5), strict=True):
        for field in ("to_play", "ply", "last"):
            assert states[field] == same[field]
        np.testing.assert_array_equal(game.board(states), ours.board(same))


def test_actions_have_the_librarys_names_where_they_hold_everywhere() -> None:
    names = {
        "openspiel:tic_tac_toe": ("1_2", 5),  # x(1,2) and o(1,2)
        "openspiel:connect_four": ("3", 3),  # x3 and o3
        "openspiel:go(board_size=5)": ("pass", 25),  # B PASS and W PASS
        "openspiel:hex(board_size=4)": ("c1", 2),
        "openspiel:dots_and_boxes": ("h_0_1", 1),  # P1(h,0,1) and P2(h,0,1)
        "openspiel:chess": ("89", 89),  # a3, but Ra3 another time
        "pettingzoo:go_v5(board_size=4)": ("16", 16),
    }
    for spec, (name, action) in names.items():
        assert make(spec).parse_action(name) == action
    assert make("openspiel:tic_tac_toe").parse_action("(1, 2)") == 5
    assert "89=a3" in make("openspiel:chess").show(make("openspiel:chess").reset(1)[0])
    assert "77=a2a3" in make("pettingzoo:chess_v6").show(make("pettingzoo:chess_v6").reset(1)[0])


def test_counts_and_fractions_are_seen_as_thermometers() -> None:
    game = make("openspiel:mancala")
    planes = game.observe(game.reset(1))[0]
    assert planes.shape == (len(game.planes), 1, 16)
    levels = [float(name.split()[-1]) for name in game.planes[:-2]]
    assert levels[:5] == [1, 2, 3, 4, 5]
    assert sorted(planes[:-2].sum(axis=0)[0]) == [0] * 4 + [4] * 12  # two stores, four seeds in every pit, whose turn


def test_play_at_the_terminal_says_when_only_skip_is_possible(capsys: pytest.CaptureFixture[str]) -> None:
    """The fourth line closes a box, so that the first player has to skip."""
    typed = iter(["h_0_0", "h_1_0", "v_0_0", "(v, 0, 1)", "h_0_1", "nonsense", "skip", "moves", "quit"])
    game = make("openspiel:dots_and_boxes(num_rows=1,num_cols=2)")
    play(game, "random", side="both", seed=1, console=Console(), read=lambda prompt: next(typed))
    told = capsys.readouterr().out
    for line in (
        "X to play (skip: the other side moves again)",
        "h_0_1 is not possible here",
        "'nonsense' is not an action",
        "h_0_0 h_1_0 v_0_0 v_0_1 skip",
    ):
        assert line in told


# What is refused.


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openspiel:tic_tac_to", "OpenSpiel has no game 'tic_tac_to'; did you mean 'tic_tac_toe'"),
        ("openspiel:", "OpenSpiel has no game ''"),
        ("openspiel:breakthrough(rowz=6)", "Unknown parameter 'rowz'. Available parameters are: columns, rows"),
        ("openspiel:breakthrough(", "Missing closing bracket"),
        ("openspiel:chess(max_moves=0)", "max_moves=0: choose a whole number from 1"),
        ("openspiel:chess(max_moves=many)", "max_moves=many: choose a whole number from 1"),
        ("openspiel:backgammon", "leaves something to chance"),
        ("openspiel:kuhn_poker", "leaves something to chance"),
        ("openspiel:dark_hex", "hides something from the players"),
        ("openspiel:oshi_zumo", "lets players move at the same time"),
        ("openspiel:hearts", "is for 4 players"),
        ("openspiel:catch", "is for 1 player:"),
        ("openspiel:dots_and_boxes(utility_margin=true)", "pays from -4 to 4, not just a win, a draw or a loss"),
        ("openspiel:nfg_game", "cannot be loaded"),
        ("pettingzoo:connect_fuor_v3", "did you mean 'connect_four_v3'"),
        ("pettingzoo:rps_v2", "lets players move at the same time"),
        ("pettingzoo:leduc_holdem_v4", "hides cards from the players"),
        ("pettingzoo:hanabi_v5", "hides cards from the players"),
        ("pettingzoo:go_v5(size=9)", "unexpected keyword argument 'size'"),
        ("pettingzoo:go_v5(9)", "write the environment's name, then key=value"),
        ("pettingzoo:go_v5(board_size=", "write the environment's name, then key=value"),
        ("pettingzoo:classic/chess_v9", "v9.*not found"),
        ("pettingzoo:nowhere/nim_v0", "Namespace 'nowhere' not found"),
        ("openspeil:chess", "did you mean 'openspiel'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as refused:
        envs.make(spec)
    assert "\n" not in str(refused.value)


def test_a_missing_library_is_named_with_its_remedy() -> None:
    """In a process without them."""
    program = (
        "import sys, envs\n"
        "for library, spec in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    sys.modules[library] = None\n"
        "    try: envs.make(spec)\n"
        "    except ValueError as error: print(error)"
    )
    specs = {"pyspiel": "openspiel:nim", "pygame": "pettingzoo:tictactoe_v3", "pettingzoo": "pettingzoo:go_v5"}
    arguments = [part for pair in specs.items() for part in pair]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()
    assert len(told) == 3
    assert "pip install open_spiel" in told[0]
    assert "No module named 'pygame'" in told[1] or "import of pygame halted" in told[1]
    assert all("pip install 'pettingzoo" in line for line in told[1:])
