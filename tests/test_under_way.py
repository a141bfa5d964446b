"""Several batches of leaves under way: the trees follow from the answers alone, and the books balance whenever a search ends."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest

import envs
from agents import tree as kernels
from agents.evaluators import Answer, Asynchronous, Evaluation, Evaluator
from agents.nodes import PENDING
from agents.players import SearchPlayer
from agents.search import Search, SearchSettings
from envs import Game, States
from tests.test_fused import assert_same_trees, positions
from tests.test_search import exact_values, hashed, key, random_position

RULES = pytest.mark.parametrize("rule", ["puct", "gumbel"])
LEAVES, BATCHES = 8, 2
ZERO = np.array([0])


class Late(Asynchronous):
    """Computes nothing before an answer is asked for, and then all that is open, the newest question first."""

    def __init__(self, evaluate: Evaluator) -> None:
        self.evaluate = evaluate
        self.open: list[tuple[States, list[Evaluation]]] = []
        self.positions = self.most_open = 0

    def __call__(self, states: States) -> Evaluation:
        return self.ask(states)()

    def ask(self, states: States) -> Answer:
        self.positions += len(states)
        told: list[Evaluation] = []
        self.open.append((states.copy(), told))
        self.most_open = max(self.most_open, len(self.open))

        def answer() -> Evaluation:
            for question, answers in reversed(self.open):
                if not answers:
                    answers.append(self.evaluate(question))
            self.open = [entry for entry in self.open if entry[1] is not told]
            return told[0]

        return answer


def rooted(game: Game, rule: str, states: States, simulations: int, *, capacity: int = 0) -> Search:
    settings = SearchSettings(rule=rule)  # type: ignore[arg-type]
    search = Search(game, settings, slots=len(states), capacity=capacity or simulations + 1)
    search.begin(np.arange(len(states)), states, simulations, noisy=np.arange(len(states)) % 2 == 1)
    return search


def run(search: Search, evaluate: Evaluator, *, steps: int = 10**6) -> Search:
    rng = np.random.default_rng(1)
    while steps and search.step(evaluate, rng, per_game=LEAVES, batches=BATCHES):
        steps -= 1
    return search


def assert_sound(search: Search) -> None:
    """Nothing is under way, and every node is where its parent says, with the visits of those below it."""
    tree, game = search.tree, search.game
    assert not tree.under_way.any()
    for b, size in enumerate(tree.size):
        node, edge = tree.node[b, :size], tree.edge[b, :size]
        assert not (edge["child"] == PENDING).any()
        assert not edge["flying"].any()
        assert not node["flying"].any()
        assert node["visits"].tolist() == edge["visits"].sum(axis=1).tolist()
        assert tree.done[b] == node["visits"][:1].sum()
        for n in range(1, size):
            parent, action = node["parent"][n], node["action"][n]
            assert edge["child"][parent, action] == n
            after = game.step(search.states[b, parent : parent + 1], np.array([action]))
            assert game.board(after).tolist() == game.board(search.states[b, n : n + 1]).tolist()
            assert edge["visits"][parent, action] >= node["visits"][n] + 1
        tried = (edge["prior"].astype(np.float64) * (edge["visits"] > 0)).sum(axis=1)
        assert node["tried"] == pytest.approx(tried)


@RULES
@pytest.mark.parametrize("name", ["connect_four", "go5", "chess"])
def test_trees_do_not_depend_on_when_answers_come(name: str, rule: str) -> None:
    game = envs.make(name)
    states = positions(game, 4)
    at_once = run(rooted(game, rule, states, 90), hashed(game))
    late = Late(hashed(game))
    assert_same_trees(run(rooted(game, rule, states, 90), late), at_once)
    assert late.most_open == BATCHES
    assert not late.open
    assert late.positions == sum(
        (~game.terminal(at_once.states[b, :size])).sum() for b, size in enumerate(at_once.tree.size)
    )
    assert_sound(at_once)


@RULES
def test_a_slot_has_the_tree_that_it_has_alone(rule: str) -> None:
    game = envs.make("connect_four")
    states = np.concatenate([random_position(game, plies=p, seed=p) for p in (0, 3, 30, 34, 6, 8)])
    settings = SearchSettings(rule=rule)  # type: ignore[arg-type]

    def together(states: States) -> Search:
        search = Search(game, settings, slots=len(states), capacity=201)
        search.begin(np.arange(len(states)), states, 200)
        return run(search, hashed(game))

    every = together(states)
    assert every.tree.size.min() < 201
    for b in range(len(states)):
        alone = together(states[[b]])
        assert alone.tree.size[0] == every.tree.size[b]
        assert alone.tree.edge[0].tobytes() == every.tree.edge[b].tobytes()


@RULES
def test_what_is_under_way_does_not_count_before_it_is_taken_in(rule: str) -> None:
    game = envs.make("connect_four")
    for steps in (7, 12, 15):
        search = run(rooted(game, rule, game.reset(2), 200), Late(hashed(game)), steps=steps)
        assert search.tree.under_way.any()
        without = copy.deepcopy(search)
        kernels.recall(without.tree, np.arange(2))
        assert_sound(without)
        for seen, expected in zip(search.results(np.arange(2)), without.results(np.arange(2)), strict=True):
            np.testing.assert_array_equal(seen, expected)
        assert not search.finished().any()


@RULES
def test_a_search_that_is_left_in_the_middle_is_taken_up_again(rule: str) -> None:
    game = envs.make("connect_four")
    late = Late(hashed(game))
    search = run(rooted(game, rule, game.reset(1), 200), late, steps=9)
    move = search.results(ZERO).choice
    assert search.tree.under_way[0] == LEAVES
    after = game.step(game.reset(1), move)
    inherited = search.advance(0, after[0], 100)
    assert not late.open
    assert (inherited > 0) == (rule == "puct")
    assert_sound(search)
    run(search, late)
    assert search.finished()[0]
    assert search.tree.done[0] == 100
    assert_sound(search)
    run(search, late, steps=4)
    search.begin(ZERO, game.reset(1), 50)
    assert not late.open
    assert search.tree.under_way[0] == search.tree.size[0] == 0
    assert_sound(run(search, late))


@RULES
@pytest.mark.parametrize("heard", [0, 1, 2, 9])
def test_an_answer_that_fails_leaves_a_tree_to_go_on_with(rule: str, heard: int) -> None:
    game = envs.make("connect_four")
    late = Late(hashed(game))
    search = run(rooted(game, rule, game.reset(2), 100), late, steps=heard)

    def fails(states: States) -> Evaluation:
        raise KeyboardInterrupt

    late.evaluate = fails
    with pytest.raises(KeyboardInterrupt):
        run(search, late)
    assert_sound(search)
    late.evaluate = hashed(game)
    run(search, late, steps=4)
    late.evaluate = fails
    late.open[-1][1].clear()
    with pytest.raises(KeyboardInterrupt):
        search.advance(0, game.reset(1)[0], 100)
    assert_sound(search)
    late.evaluate = hashed(game)
    run(search, late)
    assert search.tree.done.tolist() == [100, 100]
    assert_sound(search)


@RULES
def test_a_solved_root_waits_for_what_is_under_way(rule: str) -> None:
    game, solved = envs.make("tictactoe"), 0
    values = exact_values(game)
    for seed in range(30):
        late, start = Late(hashed(game)), random_position(game, plies=seed % 6, seed=seed)
        search = run(rooted(game, rule, start, 400), late)
        assert search.finished()[0]
        assert not late.open
        assert_sound(search)
        results = search.results(ZERO)
        solved += int(results.solved[0])
        assert not results.solved[0] or results.values[0] == values[key(start)]
    assert solved >= 10


@RULES
def test_a_full_tree_has_no_node_too_many(rule: str) -> None:
    game = envs.make("connect_four")
    for capacity in (1, 2, 9, 20):
        search = run(
            rooted(game, rule, game.reset(1), 1000 if rule == "puct" else capacity, capacity=capacity),
            Late(hashed(game)),
        )
        assert search.finished()[0]
        assert search.tree.size[0] == capacity
        assert_sound(search)


def test_only_long_searches_have_more_than_one_batch_under_way() -> None:
    game, rng = envs.make("connect_four"), np.random.default_rng(0)
    settings = SearchSettings(rule="puct")

    def searched(evaluate: Evaluator, simulations: int) -> Search:
        return SearchPlayer(game, evaluate, settings, simulations).search(game.reset(1)[0], rng)

    for simulations, leaves, batches in ((9, 1, 1), (100, 6, 1), (255, 8, 1), (256, 8, 2), (400, 12, 2), (4000, 16, 2)):
        late = Late(hashed(game))
        assert SearchPlayer(game, late, settings, simulations).pace(simulations) == (leaves, batches)
        found = searched(late, simulations)
        assert late.most_open == batches
        before = searched(hashed(game), simulations)  # cannot be asked ahead
        assert (found.tree.edge.tobytes() == before.tree.edge.tobytes()) == (batches == 1)


def test_a_player_that_is_stopped_goes_on_with_what_it_has() -> None:
    game, rng = envs.make("connect_four"), np.random.default_rng(0)

    def after(times: int) -> Callable[[], bool]:
        answers = iter([False] * times + [True])
        return lambda: next(answers)

    late = Late(hashed(game))
    player = SearchPlayer(game, late, SearchSettings(rule="puct"), 400)
    state = game.reset(1)
    for _ in range(6):
        search = player.search(state[0], rng, stop=after(12))
        state = game.step(state, player.decide(search, ZERO))
    assert len(late.open) == 1
    search = player.search(state[0], rng)
    assert not late.open
    assert search.tree.done[0] == 400 or search.solved(ZERO)[0]
    assert_sound(search)


def test_taking_back_leaves_no_less_than_nothing_tried() -> None:
    """First-play urgency has its root: sums of priors of very different size leave remainders behind, of either sign."""
    game, rng = envs.make("tictactoe"), np.random.default_rng(0)

    def lopsided(states: States) -> Evaluation:
        priors = 10.0 ** rng.uniform(-20, 0, (len(states), game.num_actions)) * game.legal(states)
        return Evaluation(
            (priors / priors.sum(axis=1, keepdims=True)).astype(np.float32), np.zeros(len(states), np.float32)
        )

    def fails(states: States) -> Evaluation:
        raise KeyboardInterrupt

    for _ in range(200):
        search = Search(game, SearchSettings(rule="puct", c_init=0.1), slots=1, capacity=101)
        search.begin(ZERO, game.reset(1), 100)
        search.step(lopsided, rng)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                search.step(fails, rng, per_game=9)
            assert (search.tree.node["tried"] >= 0).all()
