"""Games of OpenSpiel, of PettingZoo and of one's own are searched, played and learned from as ours are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pettingzoo
import pytest
from gymnasium import spaces

import envs
from agents.evaluators import uniform
from agents.players import make_player
from agents.search import SearchSettings
from arena.match import play_match, random_openings
from arena.selfplay import SelfPlay, SelfPlaySettings
from envs.adapters.foreign import SKIP
from tests.foreign import actions_at_random, foreign, make
from tests.test_search import GUMBEL, PUCT, hashed, random_position, searched

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
            if mine.ndim > 1:
                np.testing.assert_array_equal(mine[:1, : tree.size[0]], its[:1, : same.size[0]])
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
