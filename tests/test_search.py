"""The search is proven on outcomes: its twin, exact solvers, colour flips, and books that balance."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import envs
from agents.evaluators import Evaluation, Evaluator, rollouts, uniform
from agents.nodes import PENDING
from agents.search import Search, SearchSettings, noise_shares
from envs import Game, States
from tests.twin import Twin

PUCT, GUMBEL = SearchSettings(rule="puct"), SearchSettings(rule="gumbel")


def hashed(game: Game) -> Evaluator:
    """Arbitrary but repeatable: priors and values drawn from a hash of the board."""

    def evaluate(states: States) -> Evaluation:
        legal = game.legal(states)
        priors, values = np.zeros(legal.shape, np.float32), np.zeros(len(states), np.float32)
        for i, board in enumerate(game.board(states)):
            rng = np.random.default_rng(zlib.crc32(board.tobytes() + bytes([states["to_play"][i]])))
            weights = rng.random(game.num_actions) * legal[i]
            priors[i] = weights / weights.sum()
            values[i] = rng.uniform(-1, 1)
        return Evaluation(priors, values)

    return evaluate


def random_position(game: Game, plies: int, seed: int) -> States:
    rng = np.random.default_rng(seed)
    while True:
        states = game.reset(1)
        for _ in range(plies):
            states = game.step(states, envs.random_actions(game.legal(states), rng))
        if not game.terminal(states)[0]:
            return states


def searched(
    game: Game,
    evaluate: Evaluator,
    settings: SearchSettings,
    states: States,
    simulations: int,
    per_game: int = 1,
    batches: int = 1,
) -> Search:
    search = Search(game, settings, slots=len(states), capacity=simulations + 1)
    search.begin(np.arange(len(states)), states, simulations)
    search.run(evaluate, np.random.default_rng(0), per_game=per_game, batches=batches)
    return search


WAYS = pytest.mark.parametrize(("leaves", "batches"), [(1, 1), (8, 1), (1, 2), (8, 2), (3, 3)])


@WAYS
@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go3"])
def test_trees_are_node_identical_to_the_plain_twin(
    name: str, settings: SearchSettings, leaves: int, batches: int
) -> None:
    game = envs.make(name)
    for seed in range(6):
        start = random_position(game, plies=(seed * 2) % 5, seed=seed)
        search = searched(game, hashed(game), settings, start, 120, leaves, batches)
        twin = Twin(game, hashed(game), settings, start)
        twin.run(120, leaves, batches)
        assert search.tree.size[0] == len(twin.order)
        for number, node in enumerate(twin.order):
            assert search.states[0, number].tobytes() == node.state[0].tobytes()
            assert (search.tree.node["lower"][0, number], search.tree.node["upper"][0, number]) == (
                node.lower,
                node.upper,
            )
            for action in node.legal:
                assert search.tree.edge["visits"][0, number, action] == node.visits.get(action, 0)
                assert search.tree.edge["total"][0, number, action] == pytest.approx(node.totals.get(action, 0.0))


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
@WAYS
def test_visits_add_up_and_virtual_loss_returns_to_zero(settings: SearchSettings, leaves: int, batches: int) -> None:
    game = envs.make("connect_four")
    search = searched(game, hashed(game), settings, game.reset(3), 200, leaves, batches)
    tree = search.tree
    assert (tree.edge["flying"] == 0).all()
    assert (tree.node["flying"] == 0).all()
    assert (tree.under_way == 0).all()
    assert tree.edge["visits"][:, 0].sum(axis=1).tolist() == [200, 200, 200]
    for b in range(3):
        for node in range(1, tree.size[b]):
            through = tree.edge["visits"][b, tree.node["parent"][b, node], tree.node["action"][b, node]]
            solved_again = tree.node["lower"][b, node] == tree.node["upper"][b, node]
            below = tree.edge["visits"][b, node].sum()
            assert through == below + 1 or (solved_again and through > below)


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_proven_bounds_are_true(settings: SearchSettings) -> None:
    """Every bound of every node against the game-theoretic value."""
    game = envs.make("tictactoe")
    values = exact_values(game)
    for seed in range(20):
        start = random_position(game, plies=seed % 5, seed=seed)
        search = searched(game, hashed(game), settings, start, 400)
        for node in range(search.tree.size[0]):
            value = values[key(search.states[0, node : node + 1])]
            assert search.tree.node["lower"][0, node] <= value <= search.tree.node["upper"][0, node]


def key(states: States) -> bytes:
    return states["own"].tobytes() + states["other"].tobytes()


def exact_values(game: Game) -> dict[bytes, int]:
    """Negamax of all tic-tac-toe positions, the plain way."""
    values: dict[bytes, int] = {}

    def value(states: States) -> int:
        name = key(states)
        if name not in values:
            if game.terminal(states)[0]:
                values[name] = int(game.returns(states)[0])
            else:
                moves = np.flatnonzero(game.legal(states)[0])
                values[name] = max(-value(game.step(states, np.array([a]))) for a in moves)
        return values[name]

    value(game.reset(1))
    return values


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_forced_wins_are_found(settings: SearchSettings) -> None:
    """Tic-tac-toe positions that are won: 200 simulations with blind leaves choose a winning move in all of them."""
    game = envs.make("tictactoe")
    values = exact_values(game)
    won = [random_position(game, plies=p, seed=s) for p in (2, 3, 4, 5) for s in range(12)]
    won = [state for state in won if values[key(state)] == 1]
    states = np.concatenate(won)
    search = searched(game, uniform(game), settings, states, 400)
    choice = search.results(np.arange(len(states))).choice
    after = game.step(states, choice)
    assert [values[key(after[[i]])] for i in range(len(states))] == [-1] * len(states)


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_connect_four_forced_wins_are_found(settings: SearchSettings) -> None:
    """A won-in-three position: an open three in the bottom row cannot be stopped."""
    game = envs.make("connect_four")
    states = game.reset(1)
    for column in (3, 3, 4, 4):  # X on d1 e1, O on d2 e2; X to move makes an open three
        states = game.step(states, np.array([column]))
    search = searched(game, uniform(game), settings, states, 800)
    result = search.results(np.array([0]))
    assert result.choice[0] in (2, 5)
    assert result.values[0] > 0.5


@pytest.mark.parametrize("settings", [PUCT, GUMBEL], ids=["puct", "gumbel"])
def test_colour_flip_mirrors_the_result(settings: SearchSettings) -> None:
    """The same stones with the colours exchanged and the other side to move: same policy, same values."""
    game = envs.make("tictactoe")

    def flipped(states: States) -> States:
        out = states.copy()
        out["to_play"] = 1 - out["to_play"]
        return out

    def colour_blind(states: States) -> Evaluation:
        neutral = states.copy()
        neutral["to_play"] = 0
        return hashed(game)(neutral)

    start = random_position(game, plies=3, seed=1)
    one = searched(game, colour_blind, settings, start, 60).results(np.array([0]))
    # Own stones are seen from the side to move, so the hash must not see whose colour they are.
    other = searched(game, lambda s: colour_blind(flipped(s)), settings, flipped(start), 60).results(np.array([0]))
    assert one.visits.tolist() == other.visits.tolist()
    assert one.values[0] == other.values[0]


def test_agreement_with_perfect_play_rises_with_simulations() -> None:
    game = envs.make("tictactoe")
    values = exact_values(game)
    states = np.concatenate([random_position(game, plies=2, seed=s) for s in range(60)])
    kept = []
    for simulations in (10, 60, 3000):
        search = searched(game, rollouts(game, 0), PUCT, states, simulations)
        after = game.step(states, search.results(np.arange(len(states))).choice)
        kept.append(np.mean([values[key(after[[i]])] == -values[key(states[[i]])] for i in range(len(states))]))
    assert kept[0] <= kept[1] <= kept[2]
    assert kept[2] == 1.0


def test_a_slot_searches_the_same_whatever_stands_beside_it() -> None:
    game = envs.make("connect_four")
    states = np.concatenate([random_position(game, plies=p, seed=p) for p in range(6)])
    together = searched(game, hashed(game), PUCT, states, 80).results(np.arange(6))
    for i in range(6):
        alone = searched(game, hashed(game), PUCT, states[[i]], 80).results(np.array([0]))
        assert alone.visits[0].tolist() == together.visits[i].tolist()


def test_tree_reuse_finds_the_position_two_plies_on_and_keeps_its_counts() -> None:
    game = envs.make("connect_four")
    search = Search(game, PUCT, slots=1, capacity=2000)
    rng = np.random.default_rng(0)
    search.advance(0, game.reset(1)[0], 400)
    search.run(hashed(game), rng)
    line = search.principal_variation(0)[:2]
    states = game.reset(1)
    node = 0
    for action in line:
        states = game.step(states, np.array([action]))
        node = int(search.tree.edge["child"][0, node, action])
    before = search.tree.edge["visits"][0, node].copy()
    inherited = search.advance(0, states[0], 400)
    assert inherited == before.sum() > 0
    assert search.tree.edge["visits"][0, 0].tolist() == before.tolist()
    assert search.states[0, 0].tobytes() == states[0].tobytes()
    search.run(hashed(game), rng)
    assert search.tree.edge["visits"][0, 0].sum() == 400
    for n in range(1, search.tree.size[0]):  # every node is where its parent says
        parent, action = search.tree.node["parent"][0, n], search.tree.node["action"][0, n]
        assert search.tree.edge["child"][0, parent, action] == n
        after = game.step(search.states[0, parent : parent + 1], np.array([action]))
        assert after[0].tobytes() == search.states[0, n].tobytes()


def test_noise_changes_root_priors_of_noisy_slots_only() -> None:
    game = envs.make("connect_four")
    search = Search(game, PUCT, slots=2, capacity=10)
    search.begin(np.arange(2), game.reset(2), 4, noisy=np.array([True, False]))
    search.run(uniform(game), np.random.default_rng(0))
    priors = search.results(np.arange(2)).priors
    assert priors.sum(axis=1) == pytest.approx([1, 1])
    assert np.ptp(priors[0]) > 0.01
    assert np.ptp(priors[1]) == 0


def test_shaped_noise_falls_on_moves_of_larger_prior() -> None:
    legal = np.array([[True, True, True, True, False]] * 2)
    priors = np.array([[0.9, 0.0009, 0.0001, 0.0001, 0.0], [0.25, 0.25, 0.25, 0.25, 0.0]], np.float32)
    shares = noise_shares(priors, legal, 0.5)
    assert shares.sum(axis=1) == pytest.approx([1, 1])
    assert shares[0].tolist() == sorted(shares[0], reverse=True)
    assert shares[0, 2] == shares[0, 3] == 0.125
    assert shares[0, 1] > 0.125
    assert shares[1].tolist() == [0.25] * 4 + [0]
    assert noise_shares(priors, legal, 0.0).tolist() == [[0.25] * 4 + [0]] * 2
    assert shares[0] == pytest.approx(noise_shares(priors, legal, 1.0)[0] / 2 + 0.125 * legal[0])


def test_shaped_noise_is_drawn_where_its_alpha_is() -> None:
    """Two thousand roots of nothing but noise: its mean follows the shares, and it sums to one."""
    game = envs.make("connect_four")
    priors = np.array([0.9, 0.05, 0.02, 0.0297, 0.0001, 0.0001, 0.0001], np.float32)

    def fixed(states: States) -> Evaluation:
        return Evaluation(np.tile(priors, (len(states), 1)), np.zeros(len(states), np.float32))

    settings = SearchSettings(rule="puct", noise_fraction=1.0, noise_shaped=0.5)
    search = Search(game, settings, slots=2000, capacity=3)
    search.begin(np.arange(2000), game.reset(2000), 1, noisy=True)
    search.run(fixed, np.random.default_rng(0))
    noise = search.results(np.arange(2000)).priors
    assert noise.sum(axis=1) == pytest.approx(np.ones(2000), abs=1e-5)
    expected = noise_shares(priors[None], np.ones((1, 7), np.bool_), 0.5)[0]
    assert noise.mean(axis=0) == pytest.approx(expected, abs=0.01)
    assert expected[:4].min() > expected[4:].max()


def test_proven_loss_after_most_visits_still_leaves_a_legal_choice() -> None:
    """The action with most visits was proven lost at the end; the choice fell between all stools and became -1."""
    game = envs.make("tictactoe")
    states = np.concatenate([random_position(game, plies=p, seed=s) for p in range(1, 6) for s in range(40)])
    for simulations in (3, 9, 30):
        for settings in (PUCT, GUMBEL):
            search = searched(game, hashed(game), settings, states, simulations)
            choice = search.results(np.arange(len(states))).choice
            assert game.legal(states)[np.arange(len(states)), choice].all()


def test_a_full_tree_ends_the_search() -> None:
    game = envs.make("connect_four")
    search = Search(game, PUCT, slots=1, capacity=20)
    search.begin(np.array([0]), game.reset(1), 1000)
    search.run(uniform(game), np.random.default_rng(0))
    assert search.finished().all()
    assert search.tree.size[0] == 20


def test_gumbel_visits_follow_sequential_halving() -> None:
    """Four considered actions and eight simulations: one visit each, then two each for the best two of them."""
    game = envs.make("connect_four")
    settings = SearchSettings(rule="gumbel", max_considered=4)
    visits = searched(game, hashed(game), settings, game.reset(1), 8).results(np.array([0])).visits[0]
    assert sorted(visits.tolist()) == [0, 0, 0, 1, 1, 3, 3]


def test_policies_are_distributions_over_legal_actions() -> None:
    game = envs.make("connect_four")
    states = np.concatenate([random_position(game, plies=p, seed=p) for p in range(0, 30, 3)])
    for settings in (PUCT, GUMBEL):
        policy = searched(game, hashed(game), settings, states, 50).results(np.arange(len(states))).policy
        assert policy.sum(axis=1) == pytest.approx(np.ones(len(states)), abs=1e-5)
        assert (policy[~game.legal(states)] == 0).all()


def test_no_node_is_left_pending() -> None:
    game = envs.make("connect_four")
    search = searched(game, hashed(game), PUCT, game.reset(2), 100, per_game=16)
    assert not (search.tree.edge["child"] == PENDING).any()
