"""AlphaGo's search: node for node its plain twin, and on the right side whatever its leaves are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import envs
from agents.alphago.player import SUPERVISED, VALUE, variant
from agents.alphago.policies import sensibly
from agents.alphago.search import APVPlayer, APVSearch, APVSettings, Parts
from agents.classic import Perfect
from agents.evaluators import Evaluation, Evaluator, rollouts, uniform, uniform_priors
from agents.files import AgentFile, save_agent
from agents.identity import identify
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.players import Player, SearchPlayer, make_player
from agents.search import SearchSettings
from arena.match import play_match, random_openings
from envs import Game, States, random_actions

# The paper's c_puct of 5 is for sharp priors over hundreds of moves; with even ones over nine it would try all alike.
FEW_MOVES = APVSettings(c_puct=3.0)


def opinion(game: Game, salt: int) -> Evaluator:
    """Priors and values that follow from the position alone, arbitrary and the same for every batch."""

    def evaluate(states: States) -> Evaluation:
        boards = game.board(states).reshape(len(states), -1).astype(np.int64)
        marks = (boards + 2) @ (np.arange(1, boards.shape[1] + 1) * (7919 + salt)) + 31 * salt
        legal = game.legal(states)
        weights = legal * (1 + (marks[:, None] * np.arange(3, legal.shape[1] + 3)) % 17)
        values = ((marks % 201) - 100) / 100
        return Evaluation((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), values.astype(np.float32))

    return evaluate


@dataclass
class Edge:
    prior: float
    n_v: int = 0
    w_v: float = 0.0
    n_r: int = 0
    w_r: float = 0.0
    child: Node | None = None


@dataclass
class Node:
    state: States  # [1]
    edges: dict[int, Edge] = field(default_factory=dict)


class Twin:
    """The search in plain Python, one simulation at a time: nodes as objects, results added on the way back."""

    def __init__(self, game: Game, parts: Parts, settings: APVSettings, state: States) -> None:
        self.game, self.parts, self.settings, self.nodes = game, parts, settings, list[Node]()
        self.root = self.node(state)
        self.ask(self.root)

    def node(self, state: States) -> Node:
        priors = self.parts.tree(state).priors[0]
        node = Node(state, {int(a): Edge(float(priors[a])) for a in np.flatnonzero(self.game.legal(state)[0])})
        self.nodes.append(node)
        return node

    def ask(self, node: Node) -> None:
        priors = sensibly(self.game, self.parts.policy, temperature=self.settings.prior_temperature)(node.state).priors
        for action, edge in node.edges.items():
            edge.prior = float(priors[0, action])

    def q(self, edge: Edge) -> float:
        mix = self.settings.mix
        value = edge.w_v / edge.n_v if edge.n_v else 0.0
        rollout = edge.w_r / edge.n_r if edge.n_r else 0.0
        return (1 - mix) * value + mix * rollout

    def best(self, node: Node) -> int:
        total = math.sqrt(sum(edge.n_r for edge in node.edges.values()))

        def score(a: int) -> float:
            edge = node.edges[a]
            return self.q(edge) + self.settings.c_puct * edge.prior * total / (1 + edge.n_r)

        return max(node.edges, key=lambda a: (score(a), node.edges[a].prior))

    def simulate(self) -> None:
        walk: list[Edge] = []
        node: Node | None = self.root
        while node is not None:
            action = self.best(node)
            walk.append(node.edges[action])
            leaf, node = self.game.step(node.state, np.array([action])), node.edges[action].child
        end = bool(self.game.terminal(leaf)[0])
        result = float(self.game.returns(leaf)[0])
        if not end and self.settings.mix > 0:
            result = float(self.parts.rollout(leaf).values[0])
        for edge in reversed(walk):
            result = -result
            edge.n_r, edge.w_r = edge.n_r + 1, edge.w_r + result
            if end:
                edge.n_v, edge.w_v = edge.n_v + 1, edge.w_v + result
        if not end and walk[-1].n_r > self.settings.threshold:
            walk[-1].child = self.node(leaf)
            self.ask(walk[-1].child)
            value = float(self.parts.value(leaf).values[0]) if self.settings.mix < 1 else 0.0
            for edge in reversed(walk):
                value = -value
                if self.settings.mix < 1:
                    edge.n_v, edge.w_v = edge.n_v + 1, edge.w_v + value


@pytest.mark.parametrize("threshold", [0, 3])
@pytest.mark.parametrize("mix", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "hex4"])
def test_the_tree_is_that_of_its_plain_twin(name: str, mix: float, threshold: int) -> None:
    game = envs.make(name)
    parts = Parts(*(opinion(game, salt) for salt in range(4)))
    settings = APVSettings(mix=mix, threshold=threshold, asynchronous=False)
    state = game.step(game.reset(1), np.array([2]))
    search = APVSearch(game, parts, settings, slots=2, capacity=201)
    search.begin(np.array([0, 1]), np.concatenate([game.reset(1), state]), 200)
    search.run()
    for slot, root in enumerate((game.reset(1), state)):
        twin = Twin(game, parts, settings, root)
        for _ in range(200):
            twin.simulate()
        assert search.tree.size[slot] == len(twin.nodes)
        for i, node in enumerate(twin.nodes):
            assert np.array_equal(game.board(search.states[slot, i : i + 1]), game.board(node.state))
            for action, edge in node.edges.items():
                ours = search.tree.edge[slot, i, action]
                assert (ours["rollout_visits"], ours["value_visits"]) == (edge.n_r, edge.n_v)
                assert ours["rollout_sum"] == pytest.approx(edge.w_r, abs=1e-4)
                assert ours["value_sum"] == pytest.approx(edge.w_v, abs=1e-4)
                assert ours["prior"] == pytest.approx(edge.prior, abs=1e-5)


def test_where_nothing_tells_moves_apart_the_likeliest_comes_first() -> None:
    """In a node without visits all moves score alike: the first one on the board took more than a quarter of a search of Go."""
    game = envs.make("go5")
    parts = Parts(*(opinion(game, salt) for salt in range(4)))
    search = APVSearch(game, parts, APVSettings(asynchronous=False), slots=1, capacity=201)
    search.begin(np.array([0]), game.reset(1), 200)
    search.step()
    edges = search.tree.edge[0, 0]
    assert edges["rollout_visits"].argmax() == edges["prior"].argmax() == search.results(np.array([0])).choice[0]
    search.run()
    priors = search.tree.edge["prior"][0]
    corner = [priors[node] >= 0 for node in search.tree.parent[0, 1 : search.tree.size[0]]]
    first = sum(int(legal.argmax()) == a for legal, a in zip(corner, search.tree.action[0, 1:], strict=False))
    assert first < len(corner) / 10


def test_in_the_place_of_the_policy_network_the_tree_policy_counts_as_it_is() -> None:
    """It was flattened by the policy network's temperature."""
    game = envs.make("tictactoe")
    parts = Parts(*(opinion(game, salt) for salt in range(4)))
    for letters, evaluate, power in (("rv", parts.tree, 1.0), ("rvp", parts.policy, 0.67)):
        player = variant(game, letters, parts, 1, APVSettings(prior_temperature=1 / 0.67))
        assert isinstance(player, APVPlayer)
        search = player._search(1, 2)
        search.begin(np.array([0]), game.reset(1), 1)
        odds = evaluate(game.reset(1)).priors[0] ** power
        np.testing.assert_allclose(search.tree.edge["prior"][0, 0], odds / odds.sum(), rtol=1e-5)


def test_players_that_look_at_the_likeliest_first_are_others_than_before(tmp_path: Path) -> None:
    game, network = envs.make("tictactoe"), NetworkSettings(blocks=0, channels=1)
    weights = PolicyValueNetwork(game, network).state_dict()
    (tmp_path / "agents").mkdir()
    for name in (SUPERVISED, VALUE):
        save_agent(tmp_path / "agents" / name, AgentFile(game, network, SearchSettings(), 0, weights, {}))
    assert identify(game, str(tmp_path)).details["search"]["ties"] == "likeliest"


def perfect_value(game: Game) -> Evaluator:
    """Even priors and the exact value: won, drawn or lost, on the scale of the rollouts and of finished games."""
    perfect = Perfect(game)

    def evaluate(states: States) -> Evaluation:
        scores = np.array([perfect.action_values(states[i : i + 1]).max() for i in range(len(states))], np.float32)
        return Evaluation(uniform_priors(game.legal(states)), np.sign(scores))

    return evaluate


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(("mix", "threshold"), [(0.0, 0), (0.5, 0), (0.5, 5), (1.0, 0), (1.0, 5)])
def test_sixty_games_against_random_play_without_a_loss(mix: float, threshold: int, asynchronous: bool) -> None:
    """With every kind of leaf, from both seats: a search with a wrong sign anywhere loses at once."""
    game = envs.make("tictactoe")
    parts = Parts(uniform(game), perfect_value(game), rollouts(game, 0, 8), uniform(game))
    settings = FEW_MOVES.model_copy(update={"mix": mix, "threshold": threshold, "asynchronous": asynchronous})
    player = APVPlayer(game, parts, settings, 600 if asynchronous else 200)  # late answers guide fewer simulations
    openings = random_openings(game, 1, 0, np.random.default_rng(0)).repeated(30)
    played = play_match(game, player, make_player(game, "random"), openings, np.random.default_rng(1))
    assert len(played.games) == 60
    assert played.losses == 0


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_it_agrees_with_the_exact_player(mix: float) -> None:
    game, rng = envs.make("tictactoe"), np.random.default_rng(3)
    states = game.reset(80)
    for ply in range(4):
        moved = game.step(states, random_actions(game.legal(states), rng))
        states = np.where(rng.random(80) < 1 - ply / 5, moved, states)
    states = states[~game.terminal(states)]
    parts = Parts(uniform(game), perfect_value(game), rollouts(game, 0, 8), uniform(game))
    settings = FEW_MOVES.model_copy(update={"mix": mix, "asynchronous": False})
    chosen = APVPlayer(game, parts, settings, 800)(states, rng)
    values = Perfect(game).action_values(states)
    kept = values[np.arange(len(states)), chosen] == values.max(axis=1)
    assert kept.mean() > 0.95


def test_the_other_colour_sees_the_mirror_image() -> None:
    """Go without komi: after the same stone of either colour the search finds the same."""
    game = envs.make("go5:komi=0")
    states = game.step(game.reset(1), np.array([7]))
    passed = game.step(game.step(game.reset(1), np.array([25])), np.array([7]))  # the same stone, White's
    even = Parts(uniform(game), opinion_of_area(game), opinion_of_area(game), uniform(game))
    found = []
    for start in (states, passed):
        search = APVSearch(game, even, APVSettings(asynchronous=False), slots=1, capacity=301)
        search.begin(np.array([0]), start, 300)
        search.run()
        found.append(search.results(np.array([0])))
    assert np.array_equal(found[0].visits, found[1].visits)
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-6)


def opinion_of_area(game: Game) -> Evaluator:
    """Values by the stones' difference for the side to move: the same for both colours."""

    def evaluate(states: States) -> Evaluation:
        stones = game.board(states).astype(np.float32)
        weight = np.linspace(0.5, 1.5, stones[0].size).reshape(stones[0].shape)
        values = np.tanh((stones * weight).sum(axis=(1, 2)) * (1 - 2 * states["to_play"]) / 10)
        return Evaluation(uniform_priors(game.legal(states)), values.astype(np.float32))

    return evaluate


def test_virtual_losses_are_taken_back_and_asynchronous_answers_all_arrive() -> None:
    game = envs.make("connect_four")
    parts = Parts(*(opinion(game, salt) for salt in range(4)))
    search = APVSearch(game, parts, APVSettings(threshold=2), slots=3, capacity=501)
    search.begin(np.arange(3), game.reset(3), 500)
    search.run(per_game=16)
    edges = search.tree.edge
    assert (edges["rollout_visits"][:, 0].sum(axis=1) == 500).all()
    for slot in range(3):
        size = search.tree.size[slot]
        assert size > 20
        for node in range(1, size):
            parent, action = search.tree.parent[slot, node], search.tree.action[slot, node]
            edge = edges[slot, parent, action]
            below = edges[slot, node]
            assert edge["value_visits"] == 1 + below["value_visits"].sum()
            before = edge["rollout_visits"] - below["rollout_visits"].sum()
            assert 3 <= before < 3 + 16, "rollouts before there was a node; a round's simulations come in together"
            assert abs(edge["rollout_sum"]) <= edge["rollout_visits"]


def test_a_single_game_keeps_its_tree() -> None:
    game = envs.make("connect_four")
    parts = Parts(*(opinion(game, salt) for salt in range(4)))
    search = APVSearch(game, parts, APVSettings(asynchronous=False), slots=1, capacity=1001)
    search.begin(np.array([0]), game.reset(1), 300)
    search.run()
    action = search.results(np.array([0])).choice
    visits = search.results(np.array([0])).visits[0, action[0]]
    below = search.tree.edge[0, search.tree.edge["child"][0, 0, action[0]]].copy()
    inherited = search.advance(0, game.step(game.reset(1), action)[0], 300)
    assert inherited == visits - 1 == below["rollout_visits"].sum()
    assert np.array_equal(search.tree.edge["rollout_visits"][0, 0], below["rollout_visits"])
    search.run()
    assert search.results(np.array([0])).visits.sum() == 300
    assert search.advance(0, game.reset(1)[0], 50) == 0, "a position it has not reached begins anew"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_search_that_was_interrupted_leaves_nothing_behind(asynchronous: bool) -> None:
    """Its simulations under way stayed in a tree that the next move goes on with, as rollouts lost."""
    game, calls = envs.make("connect_four"), 0
    parts = Parts(*(opinion(game, salt) for salt in range(4)))

    def interrupted(states: States) -> Evaluation:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return parts.rollout(states)

    search = APVSearch(
        game, parts._replace(rollout=interrupted), APVSettings(asynchronous=asynchronous), slots=1, capacity=101
    )
    start = game.reset(1)[0]
    search.advance(0, start, 50)
    with pytest.raises(KeyboardInterrupt):
        search.run(per_game=4)
    assert search.step() == 0, "nothing to go on with"
    assert search.advance(0, start, 50) == 0
    search.run(per_game=4)
    assert search.results(np.array([0])).visits.sum() == 50


def answering(game: Game, part: str, number: float) -> Evaluator:
    """Uniform priors and value 0, but `number` as the value, or as one prior, of every position that is not the start."""

    def evaluate(states: States) -> Evaluation:
        priors, values = uniform(game)(states)
        later = states["ply"] > 0
        if part == "value":
            values[later] = number
        else:
            priors[later, 0] = number
        return Evaluation(priors, values)

    return evaluate


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["value", "prior"])
@pytest.mark.parametrize("kind", ["puct", "gumbel", "alphago", "alphago, asynchronous"])
def test_what_is_no_number_ends_a_search_before_it_walks_to_no_action(kind: str, part: str, number: float) -> None:
    """A walk came back with action -1, which is the last one."""
    game = envs.make("go5")
    broken, sound = answering(game, part, number), uniform(game)
    if kind in ("puct", "gumbel"):
        search: Player = SearchPlayer(game, broken, SearchSettings(rule=kind), 30)  # type: ignore[arg-type]
    else:
        settings = APVSettings(mix=0.5, threshold=1, asynchronous=kind != "alphago")
        search = APVPlayer(game, Parts(broken, broken, sound, sound), settings, 60)
    with pytest.raises(FloatingPointError, match="no number"), np.errstate(invalid="ignore"):
        search(game.reset(1), np.random.default_rng(0))
