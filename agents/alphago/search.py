"""AlphaGo's search, asynchronous policy and value MCTS (Silver et al. 2016, Methods), over a batch of games.

Selection      argmax of Q + u with Q = (1 - lambda) W_v / N_v + lambda W_r / N_r, u = c_puct P sqrt(sum of N_r) / (1 + N_r); a
               simulation under way counts as n_vl rollouts lost
Evaluation     the leaf is played out to its end by the rollout policy; the end of a game is its own, exact result
Backup         N_r and W_r along the walk at once, N_v and W_v when the value network has answered
Expansion      a leaf becomes a node when more than n_thr rollouts went through its edge. Its priors are the tree policy's, which
               is cheap, until the policy network has answered; both networks are asked once for each node

Asynchronous: the networks are asked about all nodes that wait, in one batch, by a thread of its own, while walks and rollouts
go on in this one (kernels and networks release Python's lock). The paper's 40 search threads are here the simulations that every
round begins side by side. `asynchronous=False` asks after every round and waits: slower, and the same every time.

What is different: all moves considered are sensible ones (`agents/alphago/policies.py`), the root waits for its priors, n_thr
stays what it is, and networks are shown positions as they lie, where the paper's search turns or mirrors each one at random.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.alphago.kernels import apv as kernels
from agents.alphago.policies import mixed, sensible, sensibly
from agents.evaluators import Evaluation, Evaluator, checked
from agents.players import SearchPlayer, unless_lost
from agents.search import SearchSettings
from agents.section import Section
from envs import Game, States

# Nodes a busy slot that wait for the networks before the walks wait, too: blind walks are worth little.
MOST_WAITING = 2


class APVSettings(Section):
    """AlphaGo's search. The defaults are the paper's (extended data table 5) but for the threshold."""

    mix: float = Field(
        0.5, ge=0, le=1, description="lambda, the rollouts' share; 0 value network alone, 1 rollouts alone"
    )
    c_puct: float = Field(5.0, gt=0, description="exploration; paper 5")
    virtual_loss: int = Field(3, ge=1, description="rollouts that a simulation under way counts as lost; paper 3")
    threshold: int = Field(
        0,
        ge=0,
        description="rollouts through a leaf before it becomes a node; paper 40, with 1,000 rollouts/s a thread",
    )
    prior_temperature: float = Field(1.5, gt=0, description="of the policy network; paper 1 / 0.67")
    asynchronous: bool = Field(True, description="walk and play out while the networks compute; false: repeatable")


class Parts(NamedTuple):
    """The evaluators that the search is put together from."""

    policy: Evaluator
    value: Evaluator
    rollout: Evaluator
    tree: Evaluator  # the tree policy: cheap priors in the place of the policy network's


class Found(NamedTuple):
    """What a search found at n roots; values for the side to move there."""

    visits: NDArray[np.int64]  # [n, A] N_r
    values: NDArray[np.float64]  # [n, A] Q
    choice: NDArray[np.int64]  # [n] the most visited action, of equals the likeliest


class APVSearch:
    """Trees for `slots` games, `capacity` nodes each."""

    def __init__(self, game: Game, parts: Parts, settings: APVSettings, *, slots: int, capacity: int) -> None:
        self.game, self.parts, self.settings = game, parts, settings
        self.tree = kernels.new_tree(slots, capacity, game.num_actions)
        self.states = np.zeros((slots, capacity), game.dtype)  # [B, N] memory is taken as nodes come
        self._rule = kernels.Rule(settings.mix, settings.c_puct, settings.virtual_loss, settings.threshold)
        self._priors = sensibly(game, parts.policy, temperature=settings.prior_temperature)
        self._waiting: list[tuple[int, int]] = []  # nodes (slot, number) that the networks have not been asked about
        self._asked: tuple[list[tuple[int, int]], Future[Evaluation]] | None = None
        self._pool = ThreadPoolExecutor(1) if settings.asynchronous else None
        self._paths = np.zeros((0, 2, kernels.LONGEST), np.int32)

    def begin(self, slots: NDArray[np.integer], states: States, simulations: int) -> None:
        """Give `slots` new roots, forgetting their trees. `states` must not be finished games."""
        tree = self.tree
        tree.size[slots], tree.budget[slots], tree.done[slots] = 1, simulations, 0
        tree.parent[slots, 0] = -1
        self.states[slots, 0] = states
        roots = np.zeros(len(slots), np.int64)
        legal = sensible(self.game, states)
        kernels.set_priors(tree, np.asarray(slots, np.int64), roots, checked(self._priors(states)).priors, legal, True)

    def advance(self, slot: int, state: np.void, simulations: int) -> int:
        """Give `slot` a root, keeping what the tree has below it, if it is there up to two plies down; rollouts inherited."""
        node = self._find(slot, state)
        if node < 0:
            self.begin(np.array([slot]), np.array([state]), simulations)
            return 0
        kept = np.zeros(self.states.shape[1], np.int32)
        count = kernels.reroot(self.tree, slot, node, kept)
        self.states[slot, :count] = self.states[slot, kept[:count]]
        inherited = int(self.tree.edge["rollout_visits"][slot, 0].sum())
        self.tree.budget[slot], self.tree.done[slot] = simulations, min(inherited, simulations - 1)
        return inherited

    def idle(self, slots: NDArray[np.integer]) -> None:
        """Take `slots` out of the search until their next `begin`."""
        self.tree.budget[slots] = self.tree.done[slots]

    def step(self, *, per_game: int = 1) -> int:
        """Begin and finish up to `per_game` simulations in every slot with budget left. Returns how many; 0 means done."""
        tree, room = self.tree, len(self.states) * per_game
        if len(self._paths) < room:
            self._paths = np.zeros((room, 2, kernels.LONGEST), np.int32)
        games, nodes, actions, depth = np.zeros((4, room), np.int64)
        count = kernels.select(tree, self._rule, per_game, games, nodes, actions, depth, self._paths)
        if count == 0:
            return 0
        games, nodes, actions, depth = games[:count], nodes[:count], actions[:count], depth[:count]
        leaves = self.game.step(self.states[games, nodes], actions)
        ends = self.game.terminal(leaves)
        results = np.asarray(self.game.returns(leaves), np.float32)
        if self.settings.mix > 0 and not ends.all():
            results[~ends] = checked(self.parts.rollout(leaves[~ends])).values
        kernels.finish(tree, self._rule, games, depth, self._paths, results, ends)
        places = np.empty(count, np.int64)
        kernels.grow(tree, self._rule, games, nodes, actions, ends, places)
        grown = places >= 0
        if grown.any():
            self._open(games[grown], places[grown], leaves[grown])
        self._ask()
        return int(count)

    def run(self, *, per_game: int = 1, stop: Callable[[], bool] = lambda: False) -> None:
        """Step until every slot is done or `stop`, asked after every round, says so; no question stays unanswered.

        Where something raises, all trees are forgotten: simulations under way would stay in them as lost rollouts.
        """
        try:
            while self.step(per_game=per_game) and not stop():
                pass
            self._drain()
        except BaseException:
            self._waiting, self._asked = [], None
            self.tree.size[:] = self.tree.budget[:] = self.tree.done[:] = 0
            raise

    def results(self, slots: NDArray[np.integer]) -> Found:
        """What was found in `slots`."""
        edges = self.tree.edge[slots, 0]
        visits = edges["rollout_visits"].astype(np.int64)
        mix = self.settings.mix
        value = edges["value_sum"] / np.maximum(edges["value_visits"], 1)
        rollout = edges["rollout_sum"] / np.maximum(edges["rollout_visits"], 1)
        likeliest = np.where(visits == visits.max(axis=1, keepdims=True), edges["prior"], -2).argmax(axis=1)
        return Found(visits, (1 - mix) * value + mix * rollout, likeliest)

    def _open(self, games: NDArray[np.int64], places: NDArray[np.int64], leaves: States) -> None:
        """New nodes with the tree policy's priors; the networks are to be asked about them."""
        self.states[games, places] = leaves
        priors = checked(sensibly(self.game, self.parts.tree)(leaves)).priors
        kernels.set_priors(self.tree, games, places, priors, sensible(self.game, leaves), True)
        self._waiting += zip(games.tolist(), places.tolist(), strict=True)

    def _ask(self) -> None:
        """Take in an answer that is there, and ask about what waits if nobody is being asked."""
        busy = int((self.tree.done < self.tree.budget).sum())
        if self._asked and (self._asked[1].done() or len(self._waiting) > MOST_WAITING * busy):
            self._take(*self._asked)
        if self._waiting and not self._asked:
            nodes, self._waiting = self._waiting, []
            games, places = np.array(nodes, np.int64).T
            states = self.states[games, places]
            if self._pool is None:
                future: Future[Evaluation] = Future()
                future.set_result(self._answer(states))
                self._take(nodes, future)
            else:
                self._asked = nodes, self._pool.submit(self._answer, states)

    def _answer(self, states: States) -> Evaluation:
        """Both networks on `states`. FloatingPointError where one of them answers with no number."""
        values = self.parts.value(states).values if self.settings.mix < 1 else np.zeros(len(states), np.float32)
        return checked(Evaluation(self._priors(states).priors, values))

    def _take(self, nodes: list[tuple[int, int]], future: Future[Evaluation]) -> None:
        """The networks' answer about `nodes`."""
        self._asked = None
        games, places = np.array(nodes, np.int64).T
        answer, legal = future.result(), self.tree.edge["prior"][games, places] >= 0
        kernels.set_priors(self.tree, games, places, answer.priors, legal, False)
        if self.settings.mix < 1:
            kernels.add_values(self.tree, games, places, answer.values)

    def _drain(self) -> None:
        while self._asked or self._waiting:
            if self._asked:
                self._take(*self._asked)
            self._ask()

    def _find(self, slot: int, state: np.void) -> int:
        """The node within two plies of the root that holds `state`, or -1."""
        level = [0] if self.tree.size[slot] else []
        for _ in range(3):
            for node in level:
                if all(np.array_equal(self.states[slot, node][name], state[name]) for name in state.dtype.names or ()):
                    return node
            children = self.tree.edge["child"][slot, level].reshape(-1)
            level = [int(node) for node in children[children >= 0]]
        return -1


class APVPlayer:
    """Plays the most visited move of AlphaGo's search: of many games side by side, or with `move` of one that goes on, which
    keeps the part of its tree that it has reached.

    Where `resign` is set it gives up games whose move is worth less than -`resign` (paper: max Q < -0.8; of few simulations the
    greatest Q is often that of one lucky playout, so the move to be played is asked). `looker` is for hints and analyses: an
    ordinary search with the same leaf, (1 - lambda) v + lambda z, which can say more.
    """

    def __init__(self, game: Game, parts: Parts, settings: APVSettings, simulations: int, *, leaves: int = 8) -> None:
        if simulations < 1:
            raise ValueError(f"a search needs at least 1 simulation, not {simulations}")
        self.game, self.parts, self.settings = game, parts, settings
        self.simulations, self.leaves = simulations, leaves
        self.resign: float | None = None
        policy = sensibly(game, parts.policy, temperature=settings.prior_temperature)
        leaf = mixed(policy, parts.value, parts.rollout, settings.mix)
        self.looker = SearchPlayer(game, leaf, SearchSettings(rule="puct", c_init=settings.c_puct), simulations)
        self._single: APVSearch | None = None
        self._batched: APVSearch | None = None

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        slots = np.arange(len(states))
        if self._batched is None or len(self._batched.states) < len(states):
            self._batched = self._search(len(states), self.simulations + 1)
        self._batched.idle(np.arange(len(self._batched.states)))
        self._batched.begin(slots, states, self.simulations)
        self._batched.run()
        return self._decide(self._batched, slots)

    def _decide(self, search: APVSearch, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        found = search.results(slots)
        return unless_lost(found.choice, found.values[np.arange(len(slots)), found.choice], self.resign)

    def move(self, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
        """The move in one position, as good as it is once `stop` says so; `Forfeit` where it is given up."""
        if self._single is None:
            self._single = self._search(1, 2 * self.simulations + 1)
        self._single.advance(0, state, self.simulations)
        per_game = min(self.leaves, max(1, self.simulations // 16))
        self._single.run(per_game=per_game, stop=stop)
        return int(self._decide(self._single, np.array([0]))[0])

    def _search(self, slots: int, capacity: int) -> APVSearch:
        return APVSearch(self.game, self.parts, self.settings, slots=slots, capacity=capacity)
