"""Monte-Carlo tree search over a batch of games: the rules, the evaluator and the tree's kernels in turn.

`Search` owns one tree per slot. Each `step` walks every unfinished tree down to one leaf (several with virtual loss, for a
single game), steps the rules, asks the evaluator about all leaves at once and backs their values up. Slots finish on their
own and can be given a new position at any time, so a self-play batch stays full.

An evaluator that computes while its caller goes on has several such batches under way, so that the tree grows by one during
the next. Each is found, asked about and taken in at its turn: the trees follow from the answers, never from their time.

Noise goes into the root before the search, temperature comes after it: neither is the tree's business.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from agents import tree as kernels
from agents.evaluators import Answer, Asynchronous, Evaluation, Evaluator, Rollouts, checked
from agents.fused import draw_seeds, fused_gather, fused_search
from agents.nodes import ILLEGAL, OUT_OF_BOUNDS
from agents.roots import halve, prepare_gumbel, root_summary, write_down
from agents.section import Section
from agents.selection import GUMBEL, PUCT, TINY, Rule, tabulate_exploration
from agents.turns import GamesUnderWay, Moved, fused_turn
from envs import Game, States
from envs.compiled import CompiledGame
from envs.game import EndingGame

TABULATED = 1024  # numbers of visits for which PUCT's exploration is looked up
SMALL_PRIOR = 0.01  # KataGo's
SLICE, LONG_SLICE = 64, 256  # simulations of a slot in one call, if it makes many: at most 10 and 40 ms (Go 19x19)


class SearchSettings(Section):
    """How the tree is searched. The defaults of `c_*` are the papers'."""

    rule: Literal["puct", "gumbel"] = Field("puct", description="selection: AlphaZero's PUCT, or Gumbel AlphaZero")
    c_init: float = Field(1.25, ge=0, description="PUCT exploration; AlphaZero 1.25")
    c_base: float = Field(19652.0, gt=0, description="visits at which PUCT exploration starts to grow; AlphaZero 19652")
    fpu: float = Field(
        0.2,
        ge=0,
        description="first-play urgency: an unvisited child starts this much below its parent, times the square root of the "
        "prior that was visited; KataGo 0.2",
    )
    noise_fraction: float = Field(
        0.25, ge=0, le=1, description="share of Dirichlet noise in root priors; AlphaZero 0.25"
    )
    noise_total: float = Field(
        10.83, gt=0, description="Dirichlet alpha times legal actions; AlphaGo Zero 0.03 x 361 = 10.83"
    )
    noise_shaped: float = Field(
        0.0, ge=0, le=1, description="share of alpha for moves of more than average log prior only; KataGo 0.5"
    )
    max_considered: int = Field(16, ge=1, description="Gumbel: actions sequential halving starts with; paper 16")
    c_visit: float = Field(50.0, ge=0, description="Gumbel: paper 50")
    c_scale: float = Field(1.0, gt=0, description="Gumbel: weight of Q against log priors; paper 1")

    @model_validator(mode="before")
    @classmethod
    def _forget(cls, values: object) -> object:
        """Agents and runs of before may say that they forced no playouts, a method that did not pay (RESULTS.md)."""
        if isinstance(values, dict) and values.get("forced_playouts") == 0:
            return {name: value for name, value in values.items() if name != "forced_playouts"}
        return values

    def constants(self) -> Rule:
        """The numbers in the form the kernels take."""
        kind = PUCT if self.rule == "puct" else GUMBEL
        explored = np.empty(TABULATED, np.float64)
        tabulate_exploration(self.c_init, self.c_base, explored)
        return Rule(kind, self.c_init, self.c_base, self.fpu, self.c_visit, self.c_scale, explored)


class Results(NamedTuple):
    """What a search found at n roots; values for the side to move there."""

    policy: NDArray[np.float32]  # [n, A] the improved policy
    visits: NDArray[np.int32]  # [n, A]
    action_values: NDArray[np.float32]  # [n, A]
    bounds: NDArray[np.int8]  # [n, A, 2] proven lower and upper bound of each action
    values: NDArray[np.float32]  # [n]
    solved: NDArray[np.bool_]  # [n] the root's value is proven
    choice: NDArray[np.int64]  # [n] the action to play
    network_values: NDArray[np.float32]  # [n] what the evaluator said of the root itself
    priors: NDArray[np.float32]  # [n, A] root priors, noise included


# ([n, A] policies, [n] best actions, [n] plies so far) -> [n] the actions to play
Choose = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


class Leaves(NamedTuple):
    """L edges that simulations came to, game after game, and what the rules say of the positions behind them."""

    games: NDArray[np.int64]  # [L]
    nodes: NDArray[np.int64]  # [L] the edge's; -1: the leaf is the root
    actions: NDArray[np.int64]  # [L]
    legal: NDArray[np.bool_]  # [L, A]
    terminal: NDArray[np.bool_]  # [L]
    results: NDArray[np.float32]  # [L] for the side to move: of a terminal leaf, else of its action in `endings`
    endings: NDArray[np.int64]  # [L] an action that ends the game at once; -1: none is known
    waiting: States  # [M] the positions that are not terminal, which the evaluator is asked about

    @classmethod
    def empty(cls, count: int, game: Game) -> Self:
        """Room for `count` leaves."""
        games, nodes, chosen, endings = np.zeros((4, count), np.int64)
        legal, terminal = np.zeros((count, game.num_actions), np.bool_), np.zeros(count, np.bool_)
        results, waiting = np.zeros(count, np.float32), np.zeros(count, game.dtype)
        return cls(games, nodes, chosen, legal, terminal, results, endings, waiting)

    def first(self, count: int, waiting: int) -> Leaves:
        """The first `count` of them, `waiting` of which are not terminal."""
        return Leaves._make([*(column[:count] for column in self[:-1]), self.waiting[:waiting]])


class Asked(NamedTuple):
    """A batch of leaves under way."""

    leaves: Leaves
    room: Leaves  # whose first rows they are
    answer: Answer  # the evaluator's, of those that wait for it
    rng: np.random.Generator  # draws the noise of the roots among them


def considered_visits(considered: int, simulations: int) -> NDArray[np.int32]:
    """[simulations] visits an action must have to be considered, sequential halving over `considered` actions.

    >>> considered_visits(4, 8).tolist()
    [0, 0, 0, 0, 1, 1, 2, 2]
    """
    plan = np.empty(simulations, np.int32)
    halve(considered, plan)
    return plan


def noise_shares(priors: NDArray[np.float32], legal: NDArray[np.bool_], shaped: float) -> NDArray[np.float64]:
    """[n, A] how the Dirichlet noise's alpha is spread over the legal actions, summing to one; zero where illegal.

    Evenly but for the share `shaped`, which follows how far an action's log prior is above the average one: a move that
    the network overlooks has a small prior, but seldom as small as most moves' (KataGo, "Shaped Dirichlet Noise"). Priors
    above SMALL_PRIOR count as that: moves that everyone looks at need no more noise than those.
    """
    even: NDArray[np.float64] = legal / legal.sum(axis=1, keepdims=True)
    if shaped == 0:
        return even
    logs = np.log(np.minimum(priors, SMALL_PRIOR) + TINY, dtype=np.float64)
    above = np.maximum(0, logs - (logs * even).sum(axis=1, keepdims=True)) * legal
    total = above.sum(axis=1, keepdims=True)
    mixed: NDArray[np.float64] = (1 - shaped) * even + shaped * above / np.where(total > 0, total, 1)
    return np.where(total > 0, mixed, even)


# The answer where no leaf waits for any.
NOTHING = Evaluation(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))


class Search:
    """Trees for `slots` games, `capacity` nodes each."""

    def __init__(self, game: Game, settings: SearchSettings, *, slots: int, capacity: int) -> None:
        plan = capacity if settings.rule == "gumbel" else 1
        self.game = game
        self._rules = game if isinstance(game, CompiledGame) else None
        self.settings = settings
        self.rule = settings.constants()
        self.tree = kernels.new_tree(slots, capacity, game.num_actions, plan)
        self.states = np.zeros((slots, capacity), game.dtype)  # [B, N] memory is taken as nodes come
        # The same memory as untyped records: numpy moves those ten times faster than structured ones.
        self._records = untyped(self.states.reshape(-1))  # [B * N]
        self._noisy = np.zeros(slots, np.bool_)
        self._kept = np.zeros(capacity, np.int32)
        self._workspace: tuple[object, ...] = self._rules.workspace() if self._rules else ()
        self._asked: deque[Asked] = deque()  # the oldest batch first
        self._spare: list[Leaves] = []  # room that none of them takes
        self._streams: NDArray[np.uint64] | None = None  # [B] counters, of each slot's playouts

    @property
    def capacity(self) -> int:
        """Nodes a tree can hold; a search also ends when its tree is full."""
        return self.states.shape[1]

    def begin(
        self,
        slots: NDArray[np.integer],
        states: States,
        simulations: NDArray[np.integer] | int,
        *,
        noisy: NDArray[np.bool_] | bool = False,
    ) -> None:
        """Give `slots` new roots, forgetting their trees, and the simulations to run there.

        `noisy` slots get Dirichlet noise (PUCT) or Gumbel noise at the root. `states` must not be finished games.
        """
        self._settle()
        kernels.clear(self.tree, slots)
        self._records[np.multiply(slots, self.capacity)] = untyped(states)
        self.tree.budget[slots] = simulations
        self._noisy[slots] = noisy

    def advance(self, slot: int, state: np.void, simulations: int) -> int:
        """Give `slot` a root, keeping the part of its tree below it if it is in there, up to two plies down.

        Returns the simulations inherited; they count towards `simulations`. Gumbel's plan starts from none, so it keeps no tree.
        """
        self._settle()
        node = self._find(slot, state) if self.settings.rule == "puct" else -1
        if node < 0:
            self.begin(np.array([slot]), np.array([state]), simulations)
            return 0
        count = kernels.reroot(self.tree, slot, node, self._kept)
        self.states[slot, :count] = self.states[slot, self._kept[:count]]
        self.tree.budget[slot] = simulations
        self._noisy[slot] = False
        return int(self.tree.done[slot])

    def _find(self, slot: int, state: np.void) -> int:
        """The node within two plies of the root that holds `state`, or -1."""
        if self.tree.size[slot] == 0:
            return -1
        level = [0]
        for _ in range(3):
            for node in level:
                if _same(self.states[slot, node], state):
                    return node
            children = self.tree.edge["child"][slot, level].reshape(-1)
            level = [int(node) for node in children[children >= 0]]
        return -1

    def step(self, evaluate: Evaluator, rng: np.random.Generator, *, per_game: int = 1, batches: int = 1) -> int:
        """One simulation in every unfinished slot (up to `per_game`, under virtual loss). Returns the leaves that became nodes.

        0 means that every slot is finished or idle. `rng` draws the root noise. With several `batches` under way this takes
        in the oldest; the others stay where they are until the next step, `begin` or `advance`, and no result has them yet.
        """
        with self._recalling():
            while len(self._asked) < batches and self._ask(evaluate, rng, per_game, ahead=batches > 1):
                pass
            return self._take_in() if self._asked else 0

    def _ask(self, evaluate: Evaluator, rng: np.random.Generator, per_game: int, *, ahead: bool) -> bool:
        """Ask about the next leaves, `ahead` of the time when they are taken in; False where there are none."""
        room = self._spare.pop() if self._spare else None
        if room is None or len(room.games) < len(self.states) * per_game:
            room = Leaves.empty(len(self.states) * per_game, self.game)
        leaves = self._gather(per_game, room) if self._rules else self._walk(per_game, room)
        if len(leaves.games) == 0:
            self._spare.append(room)
            return False
        self._asked.append(Asked(leaves, room, self._answer(evaluate, leaves, ahead=ahead), rng))
        return True

    def _take_in(self) -> int:
        """Make nodes of the oldest batch of leaves; returns how many. FloatingPointError where the answer is no number."""
        leaves, room, answer, rng = self._asked.popleft()
        kernels.expand(self.tree, *leaves[:-1], *checked(answer()))
        roots = np.flatnonzero(leaves.nodes < 0)
        if len(roots):
            self._prepare_roots(leaves.games[roots], leaves.legal[roots], rng)
        self._spare.append(room)
        return len(leaves.games)

    def _settle(self) -> None:
        """Take in all that is under way."""
        with self._recalling():
            while self._asked:
                self._take_in()

    @contextlib.contextmanager
    def _recalling(self) -> Iterator[None]:
        """Whatever is raised inside, the trees are sound after it: nothing is under way any more."""
        try:
            yield
        except BaseException:
            self._asked.clear()
            kernels.recall(self.tree, np.flatnonzero(self.tree.under_way))
            raise

    def _gather(self, per_game: int, room: Leaves) -> Leaves:
        """The next leaves, their states put where their nodes will be: one kernel, of a game whose rules are kernels."""
        assert self._rules is not None
        gather = fused_gather(self._rules.state_kernels)
        return room.first(*gather(self.tree, self.rule, self.states, per_game, *room, self._workspace))

    def _walk(self, per_game: int, room: Leaves) -> Leaves:
        """The same by the tree's kernel and the rules as any game offers them."""
        numbers = np.empty(len(room.games), np.int64)
        count = kernels.select(self.tree, self.rule, per_game, room.games, room.nodes, room.actions, numbers)
        games, nodes, actions, numbers = room.games[:count], room.nodes[:count], room.actions[:count], numbers[:count]
        records = self._records.take(games * self.capacity + np.maximum(nodes, 0))
        inner = np.flatnonzero(nodes >= 0)
        records[inner] = untyped(self.game.step(records.take(inner).view(self.game.dtype), actions[inner]))
        states = records.view(self.game.dtype)
        self._records[games * self.capacity + numbers] = records
        legal, terminal = self.game.legal(states), self.game.terminal(states)
        endings, results = np.full(count, -1), np.zeros(count, np.float32)
        if isinstance(self.game, EndingGame):
            endings, results = self.game.endings(states)
        if terminal.any():
            results = np.where(terminal, self.game.returns(states), results)
        waiting = records[~terminal].view(self.game.dtype)
        return Leaves(games, nodes, actions, legal, terminal, results, endings, waiting)

    def proceed(
        self,
        evaluate: Evaluator,
        rng: np.random.Generator,
        *,
        per_game: int = 1,
        batches: int = 1,
        simulations: int = SLICE,
    ) -> bool:
        """A step; or, of rollouts one at a time by rules in kernels, up to `simulations` steps in one call. The same trees.

        Returns whether there was anything left to do.
        """
        rules = self._rules
        if rules is None or not isinstance(evaluate, Rollouts) or not evaluate.plain(self.game):
            return self.step(evaluate, rng, per_game=per_game, batches=batches) > 0
        if per_game > 1 or batches > 1 or self._asked or self._noise_is_due():
            return self.step(evaluate, rng, per_game=per_game, batches=batches) > 0
        slots = np.flatnonzero((self.tree.budget > 0) & ~self.finished())
        streams = self._playout_streams(evaluate)
        fused_search(rules.state_kernels)(
            self.tree, self.rule, self.states, streams, slots, simulations, rules.workspace()
        )
        return len(slots) > 0

    def _noise_is_due(self) -> bool:
        """Whether `_prepare_roots` has work to do at a root that is not evaluated yet."""
        roots = (self.tree.budget > 0) & (self.tree.size == 0)
        return bool((roots & (self._noisy | (self.settings.rule == "gumbel"))).any())

    def run(self, evaluate: Evaluator, rng: np.random.Generator, *, per_game: int = 1, batches: int = 1) -> None:
        """Proceed until every slot is finished."""
        while self.proceed(evaluate, rng, per_game=per_game, batches=batches, simulations=LONG_SLICE):
            pass

    def finished(self) -> NDArray[np.bool_]:
        """[B] True where the search is done: budget spent, root solved or tree full. Idle slots are False."""
        out = np.zeros(len(self.states), np.bool_)
        kernels.finished(self.tree, out)
        return out

    def idle(self, slots: NDArray[np.integer]) -> None:
        """Take `slots` out of the search until their next `begin`."""
        self.tree.budget[slots] = 0

    def forbid(self, slot: int, actions: NDArray[np.integer]) -> None:
        """Never try `actions` at the root of `slot`, which must be evaluated and keep another one."""
        root, edges = self.tree.node[slot, 0], self.tree.edge[slot, 0]
        edges["child"][actions] = ILLEGAL
        for bound in ("lower", "upper"):
            edges[bound][actions] = OUT_OF_BOUNDS
            root[bound] = edges[bound].max()
        edges["prior"][actions] = 0
        edges["prior"] /= max(float(edges["prior"].sum()), TINY)
        if root["first"] in actions:
            root["first"] = np.where(edges["child"] == ILLEGAL, -1, edges["prior"]).argmax()

    def results(self, slots: NDArray[np.integer]) -> Results:
        """What was found in `slots`, whose roots must be evaluated."""
        n, a = len(slots), self.game.num_actions
        policy, action_values = np.zeros((n, a), np.float32), np.zeros((n, a), np.float32)
        bounds, values, choice = np.zeros((n, a, 2), np.int8), np.zeros(n, np.float32), np.zeros(n, np.int64)
        tree = self.tree
        roots, places = (self._landed(slots), np.arange(n)) if self._asked else (tree, slots)
        root_summary(roots, self.rule, places, policy, action_values, bounds, values, choice)
        return Results(
            policy=policy,
            visits=tree.edge["visits"][slots, 0],
            action_values=action_values,
            bounds=bounds,
            values=values,
            solved=tree.node["lower"][slots, 0] == tree.node["upper"][slots, 0],
            choice=choice,
            network_values=tree.node["value"][slots, 0],
            priors=tree.edge["prior"][slots, 0],
        )

    def _landed(self, slots: NDArray[np.integer]) -> kernels.Tree:
        """The roots of `slots` alone, as if nothing was under way there: virtual losses say nothing of a move."""
        tree = self.tree._replace(node=self.tree.node[:, :1], edge=self.tree.edge[:, :1])
        roots = kernels.Tree._make(column.take(slots, axis=0) for column in tree)
        roots.node["flying"] = roots.edge["flying"] = 0
        return roots

    def turn(self, games: GamesUnderWay, choose: Choose | None, *, resign: float) -> Moved:
        """Write down what the finished searches found, and move: the best action, or the one that `choose` gives.

        `games` has as many as there are slots. A side resigns instead whose outlook is below -resign.
        """
        if self._rules is not None and choose is None:
            slots, flags = np.empty(len(self.states), np.int64), np.empty((3, len(self.states)), np.bool_)
            turn = fused_turn(self._rules.state_kernels)
            count = turn(self.tree, self.rule, games, resign, slots, *flags, self._workspace)
            return Moved(slots[:count], *flags[:, :count])
        slots = np.flatnonzero(self.finished())
        t, chosen = games.length[slots], np.empty(len(slots), np.int64)
        write_down(self.tree, self.rule, slots, t, games.found, chosen)
        if choose is not None:
            chosen = choose(games.found.policies[slots, t], chosen, t)
        positions = games.roots[slots]
        games.history[slots, t], games.actions[slots, t] = positions, chosen
        games.recorded[slots, t] = games.full[slots]
        games.length[slots] = t + 1
        gave_up = (games.found.outlook[slots, t] < -resign) & ~games.played_out[slots]
        moved = np.where(gave_up, positions, self.game.step(positions, chosen))
        games.roots[slots] = moved
        return Moved(slots, gave_up | self.game.terminal(moved), gave_up, games.found.proven[slots, t])

    def principal_variation(self, slot: int, first: int | None = None) -> list[int]:
        """The line of most visited actions from the root, `first` or the chosen one at its head."""
        line, node = [], 0
        action = int(self.results(np.array([slot])).choice[0]) if first is None else first
        while action >= 0:
            line.append(action)
            node = int(self.tree.edge["child"][slot, node, action])
            if node < 0 or self.tree.node["visits"][slot, node] == 0:
                break
            action = int(self.tree.edge["visits"][slot, node].argmax())
        return line

    def _answer(self, evaluate: Evaluator, leaves: Leaves, *, ahead: bool) -> Answer:
        """What the evaluator says of the leaves that wait for it. Unless it is asked `ahead`, and can be, it is there."""
        if len(leaves.waiting) == 0:
            return lambda: NOTHING
        if ahead and isinstance(evaluate, Asynchronous):
            return evaluate.ask(leaves.waiting)
        if isinstance(evaluate, Rollouts):
            slots = np.repeat(leaves.games[~leaves.terminal], evaluate.per_state)
            seeds = np.empty(len(slots), np.uint64)
            draw_seeds(self._playout_streams(evaluate), slots, seeds)
            answer = evaluate.seeded(leaves.waiting, seeds)
        else:
            answer = evaluate(leaves.waiting)
        return lambda: answer

    def seed_playouts(self, slots: NDArray[np.integer], rng: np.random.Generator) -> None:
        """Draw the playout seeds of `slots` from `rng` instead of the evaluator: what they find follows from it alone."""
        self._streams = np.zeros(len(self.states), np.uint64)
        self._streams[slots] = rng.integers(2**63, size=len(slots), dtype=np.uint64)

    def _playout_streams(self, evaluate: Rollouts) -> NDArray[np.uint64]:
        if self._streams is None:
            self._streams = evaluate.draw(len(self.states))
        return self._streams

    def _prepare_roots(self, roots: NDArray[np.int64], legal: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Noise for the roots just evaluated, and Gumbel's plan."""
        noisy = self._noisy[roots]
        if self.settings.rule == "gumbel":
            noise = rng.gumbel(size=legal.shape) * noisy[:, None]
            prepare_gumbel(self.tree, roots, noise, self.settings.max_considered)
        elif noisy.any():
            priors, fraction = self.tree.edge["prior"][roots[noisy], 0], self.settings.noise_fraction
            alpha = self.settings.noise_total * noise_shares(priors, legal[noisy], self.settings.noise_shaped)
            noise = rng.standard_gamma(alpha) + 1e-30 * legal[noisy]
            noise /= noise.sum(axis=1, keepdims=True)
            mixed = (1 - fraction) * priors + fraction * noise
            self.tree.edge["prior"][roots[noisy], 0] = mixed


def untyped(states: States) -> NDArray[np.void]:
    """The same memory as records without fields, which numpy moves ten times as fast; `view(game.dtype)` gives them back."""
    return states.view(np.dtype((np.void, states.dtype.itemsize)))


def _same(a: np.void, b: np.void) -> bool:
    """Equal in every field; the padding between fields may hold anything."""
    return all(np.array_equal(a[field], b[field]) for field in a.dtype.names or ())
