"""Games of OpenSpiel and PettingZoo keep the contract, are their libraries' games move for move, and are searched as ours.

The fast tests play a few games of each kind; `pytest -m "peer or slow" tests/test_adapters.py` plays many of every kind.
"""

from __future__ import annotations

import copy
import functools
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pettingzoo
import pyspiel
import pytest
from gymnasium import spaces
from rich.console import Console

import envs
from agents.evaluators import uniform
from agents.players import make_player
from agents.search import SearchSettings
from arena.match import play_match, random_openings
from arena.play import play
from arena.selfplay import SelfPlay, SelfPlaySettings
from envs import Game, States, random_actions
from envs.adapters.foreign import SKIP, ForeignGame
from envs.adapters.openspiel import ALTERNATING, STONES
from tests import test_games as contract
from tests.test_search import GUMBEL, PUCT, hashed, random_position, searched

make = functools.cache(envs.make)
PETTINGZOO = {
    "pettingzoo:tictactoe_v3": 100,
    "pettingzoo:connect_four_v3": 20,
    "pettingzoo:go_v5(board_size=4)": 5,
    "pettingzoo:chess_v6(max_moves=20)": 1,
}  # games played in the fast test
OPENSPIEL = {
    "openspiel:tic_tac_toe": 100,
    "openspiel:connect_four": 20,
    "openspiel:breakthrough(rows=6,columns=6)": 10,
    "openspiel:dots_and_boxes": 20,
    "openspiel:mancala": 5,
    "openspiel:nine_mens_morris": 5,
    "openspiel:chess": 1,
    "openspiel:start_at(history=4;0,game=tic_tac_toe())": 5,
}


def foreign(spec: str) -> ForeignGame[Any]:
    game = make(spec)
    assert isinstance(game, ForeignGame)
    return game


def forgetful(spec: str) -> ForeignGame[Any]:
    """The same game, rebuilding almost every position from its moves."""
    return ForeignGame(foreign(spec).rules, kept=1)


def actions_at_random(game: Game, seed: int) -> Iterator[tuple[States, int]]:
    """A random game: every state [1] with the action played there; the last one with -1."""
    rng, states = np.random.default_rng(seed), game.reset(1)
    while not game.terminal(states)[0]:
        action = random_actions(game.legal(states), rng)
        yield states, int(action[0])
        states = game.step(states, action)
    yield states, -1


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


# The libraries' games, move for move.


def same_game_as_openspiel(spec: str, seed: int) -> int:
    """Play one random game beside OpenSpiel's own state; returns the skips in it."""
    game, rebuilt = foreign(spec), forgetful(spec)
    peer = pyspiel.load_game(game.name.removeprefix("openspiel:"))
    state, skips = peer.new_initial_state(), 0
    first = state.current_player()
    for states, action in actions_at_random(game, seed):
        player = first ^ int(states["to_play"][0])
        legal = np.flatnonzero(game.legal(states)[0]).tolist()
        np.testing.assert_array_equal(game.legal(states), rebuilt.legal(states))
        if len(game.rules.levels) == 1:  # binary already
            seen = game.observe(states)[0, : game.rules.shape[0]]
            np.testing.assert_array_equal(seen.reshape(-1), state.observation_tensor(player))
        if state.is_terminal():
            assert action == -1
            assert game.returns(states)[0] == state.returns()[player]
            assert legal == []
        elif action == -1:
            assert states["length"][0] == game.rules.max_moves
            assert game.returns(states)[0] == 0
        elif state.current_player() == player:
            assert legal == state.legal_actions()
            state.apply_action(action)
        else:
            assert [game.action_name(a) for a in legal] == [SKIP]
            assert game.observe(states)[0, -1].all()
            skips += 1
    return skips


@pytest.mark.parametrize(("spec", "games"), OPENSPIEL.items())
def test_games_are_openspiels(spec: str, games: int) -> None:
    skips = sum(same_game_as_openspiel(spec, seed) for seed in range(games))
    assert (skips > 0) == (spec.split(":")[1].split("(")[0] in ("dots_and_boxes", "mancala", "nine_mens_morris"))


def fitting() -> list[str]:
    """Every game of OpenSpiel that loads by its name alone and can be played here."""
    kinds, wanted = pyspiel.registered_games(), pyspiel.GameType
    return [
        f"openspiel:{kind.short_name}"
        for kind in kinds
        if kind.default_loadable
        and kind.min_num_players <= 2 <= kind.max_num_players
        and kind.information == wanted.Information.PERFECT_INFORMATION
        and kind.chance_mode == wanted.ChanceMode.DETERMINISTIC
        and kind.dynamics == wanted.Dynamics.SEQUENTIAL
        and kind.utility == wanted.Utility.ZERO_SUM
    ]


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("spec", fitting())
def test_every_fitting_game_of_openspiel_is_its_own(spec: str) -> None:
    """20 games; a game said to alternate that did not would raise an error."""
    skips = sum(same_game_as_openspiel(spec, seed) for seed in range(20))
    assert not (skips and spec.removeprefix("openspiel:") in ALTERNATING)
    game = foreign(spec)
    for states, _ in actions_at_random(game, seed=20):
        planes = game.observe(states)
        assert planes.shape == (1, len(game.planes), *game.board_shape)
        assert planes.max(initial=0) <= 1


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("spec", ["openspiel:tic_tac_toe", "openspiel:connect_four", "openspiel:dots_and_boxes"])
def test_ten_thousand_games_are_openspiels(spec: str) -> None:
    for seed in range(10_000):
        same_game_as_openspiel(spec, seed)


def same_game_as_pettingzoo(spec: str, seed: int) -> None:
    """Play one random game beside an environment with all of PettingZoo's wrappers, looking at every sibling of a move.

    A position is copied for each of its moves: were a copy to share anything with it, the game would go astray.
    """
    game, rebuilt = foreign(spec), forgetful(spec)
    name = spec.removeprefix("pettingzoo:").partition("(")[0]
    options = {"board_size": 4} if name == "go_v5" else {}
    env = pettingzoo.make("aec", f"classic/{name}", **options)
    env.reset(seed=7)
    for states, action in actions_at_random(game, seed):
        observation, _, ended, truncated, _ = env.last()
        assert env.possible_agents.index(env.agent_selection) == states["to_play"][0]
        planes = observation["observation"].transpose(2, 0, 1)
        for one in (game, rebuilt):
            np.testing.assert_array_equal(one.observe(states)[0, :-1], planes)
        if action == -1:
            assert (ended or truncated) or states["length"][0] == game.rules.max_moves
            reward = env.rewards[env.agent_selection] if ended else 0
            assert game.returns(states)[0] == reward
            return
        assert not ended
        np.testing.assert_array_equal(game.legal(states)[0], observation["action_mask"].astype(bool))
        np.testing.assert_array_equal(game.legal(states), rebuilt.legal(states))
        siblings = np.flatnonzero(game.legal(states)[0])[:8]
        game.step(np.repeat(states, len(siblings)), siblings)
        env.step(action)


@pytest.mark.parametrize(("spec", "games"), PETTINGZOO.items())
def test_games_are_pettingzoos(spec: str, games: int) -> None:
    for seed in range(games):
        same_game_as_pettingzoo(spec, seed)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "games"),
    [
        ("pettingzoo:tictactoe_v3", 2000),
        ("pettingzoo:connect_four_v3", 300),
        ("pettingzoo:go_v5(board_size=4)", 50),
        ("pettingzoo:chess_v6", 2),
    ],
)
def test_many_games_are_pettingzoos(spec: str, games: int) -> None:
    for seed in range(games):
        same_game_as_pettingzoo(spec, seed)


def test_copies_of_environments_are_made_by_hand() -> None:
    """What `copy.deepcopy` makes of an environment: a new one that has not begun."""
    env = pettingzoo.make("aec", "classic/connect_four_v3").unwrapped
    env.reset()
    env.step(3)
    assert any(env.board)
    assert not any(copy.deepcopy(env).board)


def test_go_of_two_sizes_in_one_process() -> None:
    """PettingZoo's Go keeps its size in its module, where the environment made last decides it."""
    games = [foreign("pettingzoo:go_v5(board_size=4)"), foreign("pettingzoo:go_v5(board_size=3,komi=0.5,max_moves=30)")]
    alone = [list(actions_at_random(game, seed=3)) for game in games]
    lines = [actions_at_random(ForeignGame(game.rules), seed=3) for game in games]
    mixed: list[list[tuple[States, int]]] = [[], []]
    while len(mixed[0]) < len(alone[0]) or len(mixed[1]) < len(alone[1]):
        for line, played in zip(lines, mixed, strict=True):
            played += [ply for ply in [next(line, None)] if ply is not None]
    for one, other in zip(alone, mixed, strict=True):
        assert [action for _, action in one] == [action for _, action in other]


def test_a_game_too_long_is_a_draw() -> None:
    for spec in ("openspiel:chess(max_moves=7)", "pettingzoo:chess_v6(max_moves=7)"):
        game = foreign(spec)
        assert game.name == spec
        *_, (states, _) = actions_at_random(game, seed=0)
        assert (states["ply"][0], game.returns(states)[0], game.terminal(states)[0]) == (7, 0, True)
        assert game.rollout(game.reset(1), np.zeros(1, np.uint64))[0] == 0


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


# Search and players.


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
@pytest.mark.parametrize(
    ("ours", "theirs", "simulations"),
    [
        ("tictactoe", "openspiel:tic_tac_toe", 300),
        ("tictactoe", "pettingzoo:tictactoe_v3", 300),
        ("connect_four", "openspiel:connect_four", 200),
        ("connect_four", "pettingzoo:connect_four_v3", 100),
    ],
)
def test_trees_are_node_identical_to_those_of_our_rules(
    ours: str, theirs: str, simulations: int, settings: SearchSettings
) -> None:
    """The evaluator draws from a hash of the board, so equal trees mean equal boards, turns, moves and results."""
    game, other = make(ours), make(theirs)
    for seed in range(3):
        start = random_position(game, plies=2 * seed, seed=seed)
        there = random_position(other, plies=2 * seed, seed=seed)
        tree = searched(game, hashed(game), settings, start, simulations).tree
        same = searched(other, hashed(other), settings, there, simulations).tree
        for mine, its in zip(tree, same, strict=True):
            np.testing.assert_array_equal(mine[:1, : tree.size[0]], its[:1, : same.size[0]]) if mine.ndim > 1 else None
        assert tree.size[0] == same.size[0] > 20


@pytest.mark.parametrize("player", ["minimax:2", "mcts:400"])
@pytest.mark.parametrize(
    ("spec", "moves", "best"),
    [
        ("openspiel:tic_tac_toe", [0, 3, 1, 4], 2),  # wins at once
        ("openspiel:tic_tac_toe", [0, 3, 1], 2),  # is lost if not blocked
        ("pettingzoo:tictactoe_v3", [0, 3, 1, 4], 2),
        ("pettingzoo:tictactoe_v3", [0, 3, 1], 2),
        ("pettingzoo:connect_four_v3", [3, 3, 2, 2, 1, 6], 0),
        ("openspiel:connect_four", [3, 3, 2, 2, 1, 6], 0),
    ],
)
def test_the_only_move_is_found(spec: str, moves: list[int], best: int, player: str) -> None:
    game = make(spec)
    states = game.reset(1)
    for move in moves:
        states = game.step(states, np.array([move]))
    expected = {best} if spec.find("connect_four") < 0 else {best, 4}
    assert int(make_player(game, player)(states, np.random.default_rng(0))[0]) in expected


def exact_value(state: Any, known: dict[str, float]) -> float:
    """Negamax over OpenSpiel's own states, for the player to move there: the sign follows the player, not the ply."""
    key = f"{state.current_player()} {sorted(state.history())} {state}"
    if key not in known:
        player, values = state.current_player(), []
        for action in state.legal_actions():
            child = state.child(action)
            if child.is_terminal():
                values.append(child.returns()[player])
            else:
                value = exact_value(child, known)
                values.append(value if child.current_player() == player else -value)
        known[key] = max(values)
    return known[key]


def test_search_is_right_where_a_player_moves_again() -> None:
    """Dots and boxes: every value that a search proves, after a skip or not, against negamax without skips."""
    game = foreign("openspiel:dots_and_boxes(num_rows=1,num_cols=2)")
    known: dict[str, float] = {}
    skipped = 0
    for seed in range(12):
        for states, action in actions_at_random(game, seed):
            if action == -1 or states["length"][0] < 2:
                continue
            results = searched(game, uniform(game), PUCT, states, 2000).results(np.array([0]))
            assert results.solved[0]
            must_skip = game.action_name(action) == SKIP
            skipped += must_skip
            truth = exact_value(game._position(states[0]), known)
            assert results.values[0] == (-truth if must_skip else truth)
    assert skipped > 5


def test_a_match_is_played_and_scored() -> None:
    for spec in ("openspiel:tic_tac_toe", "openspiel:dots_and_boxes", "pettingzoo:tictactoe_v3"):
        game = make(spec)
        rng = np.random.default_rng(0)
        openings = random_openings(game, 5, 1, rng)
        assert len(set(openings.actions)) == len(openings.actions) == 5
        match = play_match(game, make_player(game, "mcts:200"), make_player(game, "random"), openings, rng)
        assert match.score > 0.8, spec


def test_adapters_are_learned_from() -> None:
    """Samples of self-play, skips among them."""
    game = make("openspiel:dots_and_boxes")
    play = SelfPlay(game, SelfPlaySettings(games=4, slots=4, simulations=8), GUMBEL)
    samples, stats = play.play(uniform(game), np.random.default_rng(0))
    assert len(stats.games) == 4
    np.testing.assert_allclose(samples.policy.sum(axis=1), 1, rtol=1e-5)
    legal = np.unpackbits(samples.legal, axis=1, count=game.num_actions).astype(bool)
    assert not samples.policy[~legal].any()
    assert legal[:, -1].any()
    assert (legal[legal[:, -1]].sum(axis=1) == 1).all()


# Environments of one's own.


class Pile(pettingzoo.AECEnv[str, dict[str, Any], int]):
    """Players take 1, 2 or 3 from a pile, and move again after a 2; who takes the last wins. A seed may change the pile."""

    metadata = {"render_modes": ["ansi"], "name": "pile_v0"}  # noqa: RUF012  # as PettingZoo declares it

    def __init__(
        self, players: int = 2, seeded: bool = False, rewarding: bool = False, render_mode: str | None = None
    ) -> None:
        super().__init__()
        self.possible_agents = [f"player_{i}" for i in range(players)]
        self.seeded, self.rewarding, self.render_mode = seeded, rewarding, render_mode

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return spaces.Discrete(3)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        pile, mask = spaces.Box(0, 8, (1,), np.int8), spaces.Box(0, 1, (3,), np.int8)
        return spaces.Dict({"observation": pile, "action_mask": mask})

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.agents, self.agent_selection = self.possible_agents[:], self.possible_agents[0]
        self.pile = 7 + (seed or 0) % 2 if self.seeded else 7
        self.rewards = dict.fromkeys(self.agents, 0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0)
        self.terminations, self.truncations = (dict.fromkeys(self.agents, False) for _ in range(2))
        self.infos: dict[str, Any] = {agent: {} for agent in self.agents}

    def observe(self, agent: str) -> dict[str, Any]:
        mask = np.array([take <= self.pile and agent == self.agent_selection for take in (1, 2, 3)], np.int8)
        return {"observation": np.array([self.pile], np.int8), "action_mask": mask}

    def step(self, action: int) -> None:
        mover = self.agent_selection
        other = self.possible_agents[1 - self.possible_agents.index(mover)]
        self.pile -= action + 1
        self.rewards = {mover: int(self.rewarding), other: -int(self.rewarding)}
        if self.pile == 0:
            self.rewards = {mover: 1, other: -1}
            self.terminations = dict.fromkeys(self.agents, True)
        self.agent_selection = mover if action == 1 else other

    def render(self) -> str:
        return f"{self.pile} left"


@pytest.fixture(autouse=True, scope="module")
def _pile() -> Iterator[None]:
    pettingzoo.register("aec", "test/pile_v0", Pile)
    yield
    del pettingzoo.aec_registry["test/pile-v0"]


def pile_value(pile: int) -> int:
    """For the player to move, by the rules."""
    if pile == 0:
        return -1
    return max(
        pile_value(pile - take) * (1 if take == 2 else -1) if pile > take else 1 for take in (1, 2, 3) if take <= pile
    )


def test_an_environment_of_ones_own_is_searched() -> None:
    """It is replayed, never copied; its players move again after a 2."""
    game = foreign("pettingzoo:test/pile_v0")
    assert game.action_name(3) == SKIP
    for seed in range(10):
        for states, action in actions_at_random(game, seed):
            pile = 7 - int((states["moves"][0, : states["length"][0]] + 1).sum())
            assert f"{pile} left" in game.show(states[0])
            assert game.observe(states)[0, :8].sum() == pile
            if action >= 0:
                results = searched(game, uniform(game), PUCT, states, 500).results(np.array([0]))
                assert results.solved[0]
                assert results.values[0] == (-pile_value(pile) if action == 3 else pile_value(pile))


def test_an_environment_that_does_not_fit_is_refused() -> None:
    for options, message in (("seeded=True", "leaves something to chance"), ("players=3", "is for 3 players")):
        with pytest.raises(ValueError, match=message):
            envs.make(f"pettingzoo:test/pile_v0({options})")
    with pytest.raises(RuntimeError, match="rewards a move before the end"):
        envs.make("pettingzoo:test/pile_v0(rewarding=True)")


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
