"""Self-play: many games at once, one leaf of each in every network call, finished games turned into samples.

Slots move on as soon as their own search is done, so the batch stays full whatever the budgets (playout-cap randomisation,
KataGo 2019: most moves are searched cheaply and not learned from, some fully and learned from).

Games outlive an iteration: those under way when enough have finished are carried on by the next one. Search trees are not:
the next iteration's network is another, so every search under way begins again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.evaluators import Evaluation, Evaluator
from agents.search import Search, SearchSettings, untyped
from agents.section import Section
from arena.replay import Samples, make_samples
from arena.resign import NEVER, Counts, ResignSettings, count, no_counts
from envs import Game, States

TINY = 1e-9  # least probability whose logarithm is taken


class SelfPlaySettings(Section):
    """How games against itself are played."""

    games: int = Field(256, ge=1, description="finished games an iteration")
    slots: int = Field(256, ge=1, description="games played at once: the network's batch")
    simulations: int = Field(64, ge=1, description="of a full search; AlphaZero 800")
    fast_simulations: int = Field(16, ge=1, description="of a cheap search; KataGo 100 beside 600")
    full_fraction: float = Field(1.0, gt=0, le=1, description="share of moves searched fully; KataGo 0.25")
    temperature: float = Field(1.0, ge=0, description="of the visits, for the first plies (PUCT); AlphaZero 1")
    temperature_plies: int = Field(30, ge=0, description="plies before the best move is played; AlphaGo Zero 30")
    random_plies: int = Field(0, ge=0, description="each game opens with 0 to this many random moves, evenly drawn")
    value_mix: float = Field(
        0.0, ge=0, le=1, description="share of the search's value in the value target; rest: result"
    )
    resign: ResignSettings = ResignSettings()
    surprise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of a game's samples that goes to moves in proportion to the search's divergence from the network's "
        "policy, the rest evenly; KataGo 0.5",
    )


class Record(NamedTuple):
    """A finished game, for the record."""

    actions: list[int]
    result: float  # for the first player


class SelfPlayStats(NamedTuple):
    """What happened in one iteration's self-play."""

    games: list[Record]
    moves: int  # plies searched
    simulations: int
    evaluations: int  # positions the search asked about
    seconds: float
    network_seconds: float
    recorded: int  # full searches, which are learned from
    solved: int  # those among them that proved the root's value
    resigned: int  # games that ended so
    played_out: Counts  # what every threshold would have done to the games that nobody was allowed to resign
    cached: int = 0  # evaluations that a cache answered
    playing: float = (
        0.0  # a worker's mean time in its games; the rest of `seconds` is new weights and waiting for the last worker
    )
    processor: float = 0.0  # time of the workers' own threads on a processor


class SelfPlay:
    """Games under way in `slots`, and the search that plays them."""

    def __init__(
        self, game: Game, settings: SelfPlaySettings, search: SearchSettings, *, replies: bool = False
    ) -> None:
        """`replies`: samples hold the policy target of the next position, too."""
        self.game, self.settings, self.replies = game, settings, replies
        slots, plies = settings.slots, game.max_plies
        capacity = max(settings.simulations, settings.fast_simulations) + 1
        self._search = Search(game, search, slots=slots, capacity=capacity)
        self.roots = game.reset(slots)  # [B] positions under way
        self.length = np.zeros(slots, np.int64)  # [B] plies of the game so far
        self.history = np.zeros((slots, plies), game.dtype)  # [B, T] positions before each ply
        self.actions = np.zeros((slots, plies), np.int16)  # [B, T]
        self.policies = np.zeros((slots, plies, game.num_actions), np.float32)  # [B, T, A] targets
        self.values = np.zeros((slots, plies), np.float32)  # [B, T] the search's value, for the side to move
        self.proven = np.zeros((slots, plies), np.bool_)  # [B, T] the value is exact
        self.recorded = np.zeros((slots, plies), np.bool_)  # [B, T] searched fully: a sample
        self.outlook = np.ones((slots, plies), np.float32)  # [B, T] the higher of the values of position and best move
        self.played_out = np.zeros(slots, np.bool_)  # [B] nobody resigns this game
        self.surprise = np.zeros((slots, plies), np.float32)  # [B, T] nats, if samples follow it
        self.fresh = np.ones(slots, np.bool_)  # [B] no game under way yet
        # The same memory, which numpy moves faster so.
        self._roots, self._history = untyped(self.roots), untyped(self.history.reshape(-1))

    def play(
        self,
        evaluate: Evaluator,
        rng: np.random.Generator,
        *,
        resign: float = NEVER,
        progress: Callable[[int], None] = lambda games: None,
    ) -> tuple[Samples, SelfPlayStats]:
        """Play until the settings' number of games have finished; their samples and statistics.

        A side resigns, where that is enabled, whose outlook is below minus `resign`.
        Deterministic in (state of this object, evaluator, rng). `progress` hears of games as they finish.
        """
        wanted = self.settings.games
        start, begun, network = time.perf_counter(), time.thread_time(), 0.0
        moves = simulations = evaluations = recorded = solved = resigned = 0
        played_out = no_counts()
        done: list[Record] = []
        samples: list[Samples] = []
        slots = np.arange(self.settings.slots)
        self._open(np.flatnonzero(self.fresh), rng)
        self.fresh[:] = False
        full = self._begin(slots, rng)

        def timed(states: States) -> Evaluation:
            nonlocal network, evaluations
            before = time.perf_counter()
            answer = evaluate(states)
            network += time.perf_counter() - before
            evaluations += len(states)
            return answer

        while len(done) < wanted:
            simulations += self._search.step(timed, rng)
            ready = np.flatnonzero(self._search.finished())
            if len(ready) == 0:
                continue
            results = self._search.results(ready)
            chosen = self._choose(ready, results.policy, results.choice, rng)
            t = self.length[ready]
            positions = self._roots.take(ready)
            self._history[ready * self.history.shape[1] + t] = positions
            self.actions[ready, t] = chosen
            self.policies[ready, t] = results.policy
            self.values[ready, t] = results.values
            self.proven[ready, t] = results.solved
            self.recorded[ready, t] = full[ready]
            if self.settings.surprise:
                self.surprise[ready, t] = divergence(results.policy, results.priors)
            best = results.action_values[np.arange(len(ready)), results.choice]
            self.outlook[ready, t] = np.maximum(results.values, best)
            gives_up = (self.outlook[ready, t] < -resign) & ~self.played_out[ready]
            moves += len(ready)
            recorded += int(full[ready].sum())
            solved += int((results.solved & full[ready]).sum())
            self.length[ready] += 1
            on = np.flatnonzero(~gives_up)
            positions[on] = untyped(self.game.step(positions.take(on).view(self.game.dtype), chosen[on]))
            self._roots[ready] = positions
            over = gives_up | self.game.terminal(positions.view(self.game.dtype))
            ended = ready[over]
            resigned += int(gives_up.sum())
            for slot, gave_up in zip(ended, gives_up[over], strict=True):
                result = self._result(slot, resigned=gave_up)
                samples.append(self._harvest(slot, result, rng, played_out=not gave_up))
                length = self.length[slot]
                done.append(Record(self.actions[slot, : length - gave_up].tolist(), result))
                if self.played_out[slot]:
                    played_out += count(self.outlook[slot, :length], self.history["to_play"][slot, :length], result)
            progress(len(ended))
            if len(ended):
                self._open(ended, rng)
            full[ready] = self._begin(ready, rng)[ready]
        seconds = time.perf_counter() - start
        stats = SelfPlayStats(
            done, moves, simulations, evaluations, seconds, network, recorded, solved, resigned, played_out
        )._replace(playing=seconds, processor=time.thread_time() - begun)
        return Samples.concatenate(samples), stats

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that the next `play` depends on, as arrays of a row a slot; `restore` takes it back."""
        return {
            "roots": self.roots.view(np.uint8).reshape(len(self.roots), -1),
            "length": self.length,
            "history": self.history.view(np.uint8),
            "actions": self.actions,
            "policies": self.policies,
            "values": self.values,
            "proven": self.proven,
            "recorded": self.recorded,
            "outlook": self.outlook,
            "played_out": self.played_out,
            "surprise": self.surprise,
            "fresh": self.fresh,
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Continue from what `state` returned."""
        self.roots[:] = state["roots"].reshape(-1).view(self.game.dtype)
        self.history[:] = state["history"].view(self.game.dtype).reshape(self.history.shape)
        for name, column in state.items():
            if name not in ("roots", "history"):
                getattr(self, name)[:] = column

    def _open(self, slots: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Put new games into `slots`, some random plies into each. A game that ends among them starts over, unplayed."""
        random = rng.integers(self.settings.random_plies + 1, size=len(slots))
        states = self.game.reset(len(slots))
        self.length[slots] = 0
        self.proven[slots] = False
        self.recorded[slots] = False
        self.outlook[slots] = 1.0
        if self.settings.resign.enabled:
            self.played_out[slots] = rng.random(len(slots)) < self.settings.resign.played_out
        for ply in range(min(int(random.max(initial=0)), self.game.max_plies)):
            legal = self.game.legal(states)
            actions = (rng.random(legal.shape) * legal).argmax(axis=1)
            moved = self.game.step(states, actions)
            go = (random > ply) & ~self.game.terminal(moved)
            self.history[slots[go], ply] = states[go]
            self.actions[slots[go], ply] = actions[go]
            self.length[slots[go]] = ply + 1
            random[~go] = 0  # stop before a move that would end the game
            states[go] = moved[go]
        self.roots[slots] = states

    def _begin(self, slots: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Start searching `slots`; [B] True where the search is a full one."""
        settings = self.settings
        full = np.zeros(settings.slots, np.bool_)
        full[slots] = rng.random(len(slots)) < settings.full_fraction
        budgets = np.where(full[slots], settings.simulations, settings.fast_simulations)
        noisy = full[slots] | (self._search.settings.rule == "gumbel")
        self._search.begin(slots, self._roots.take(slots).view(self.game.dtype), budgets, noisy=noisy)
        return full

    def _choose(
        self,
        slots: NDArray[np.int64],
        policy: NDArray[np.float32],
        choice: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> NDArray[np.int64]:
        """The moves to play. PUCT draws from the visits early in the game; Gumbel's noise has already explored."""
        return choose(self.settings, self._search.settings, policy, choice, self.length[slots], rng)

    def _result(self, slot: int, *, resigned: bool) -> float:
        """Of the game that has just ended in `slot`, for the first player; the side to move has lost what it resigns."""
        result = -1.0 if resigned else float(self.game.returns(self.roots[[slot]])[0])
        return result * (1 - 2 * int(self.roots["to_play"][slot]))

    def _harvest(self, slot: int, result: float, rng: np.random.Generator, *, played_out: bool) -> Samples:
        """The samples of the game that has just ended in `slot`, on the board or by resignation."""
        length = self.length[slot]
        colour = 1 - 2 * self.history["to_play"][slot, :length].astype(np.float32)
        values, proven = self.values[slot, :length], self.proven[slot, :length]
        targets = value_targets(result, values, proven, colour, self.settings.value_mix)
        rows = np.flatnonzero(self.recorded[slot, :length])
        if self.settings.surprise:
            weights = surprise_weights(self.surprise[slot, rows], self.settings.surprise)
            rows = np.repeat(rows, (weights + rng.random(len(rows))).astype(np.int64))
        policies, replies = self.policies[slot, :length], None
        if self.replies:
            replies = np.concatenate([policies[1:], np.zeros((1, policies.shape[1]), np.float32)])[rows]
        states, final = self.history[slot, rows], self.roots[slot : slot + 1] if played_out else None
        return make_samples(self.game, states, policies[rows], targets[rows], final=final, replies=replies)


def choose(
    settings: SelfPlaySettings,
    search: SearchSettings,
    policy: NDArray[np.float32],
    choice: NDArray[np.int64],
    length: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """[n] the moves to play in games `length` [n] plies long, from what their searches found: `policy` [n, A], `choice` [n].

    PUCT draws from the visits early in the game; Gumbel's noise has already explored.
    """
    draws = rng.random(len(policy))
    temperature = settings.temperature
    if search.rule == "gumbel" or temperature == 0:
        return choice
    relative = np.divide(policy, policy.max(axis=1, keepdims=True), dtype=np.float64)  # or high powers would all be 0
    sharpened = np.power(relative, 1 / temperature)
    ladder = np.cumsum(sharpened, axis=1)
    drawn = (ladder > draws[:, None] * ladder[:, -1:]).argmax(axis=1)
    return np.where(length < settings.temperature_plies, drawn, choice)


def divergence(policy: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n] how surprising the search's policies [n, A] were to the network: KL(policy || priors), nats."""
    ratio = np.log(np.maximum(policy, TINY)) - np.log(np.maximum(priors, TINY))
    return np.asarray((policy * ratio).sum(axis=1), np.float32)


def surprise_weights(surprise: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    """[n] how often the moves of a game are to be learned from, on average 1: `share` of it follows their surprise [n].

    KataGo, "Policy Surprise Weighting". Written as often as the whole part says, and once more with the rest as probability.
    """
    weights: NDArray[np.float64] = np.maximum(surprise, 0).astype(np.float64)
    if weights.sum() == 0:
        return np.ones(len(weights))
    weights *= share / weights.mean()
    return weights + (1 - share)


def value_targets(
    result: float,
    values: NDArray[np.float32],
    proven: NDArray[np.bool_],
    colour: NDArray[np.float32],
    mix: float,
) -> NDArray[np.float32]:
    """[T] what the values of a game's T positions should have been, each for its side to move.

    `colour` [T] is 1 where `result` is that side's and -1 where it is the other's. The result, looked back on from the end,
    is replaced by the proven value of every position that a search solved: what counts for the moves before a proven
    win is the win, not that it was thrown away later. `mix` is the share of the search's own `values` in the rest.
    """
    outcomes = np.empty(len(values), np.float32)
    for t in range(len(values) - 1, -1, -1):
        if proven[t]:
            result = float(values[t]) * colour[t]
        outcomes[t] = result * colour[t]
    share = mix * ~proven
    return ((1 - share) * outcomes + share * values).astype(np.float32)
