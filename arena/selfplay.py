"""Self-play: many games at once, one leaf of each in every network call, finished games turned into samples.

Slots move on as soon as their own search is done, so the batch stays full whatever the budgets (playout-cap randomisation,
KataGo 2019: most moves are searched cheaply and not learned from, some fully and learned from).

Games outlive an iteration: those under way when enough have finished are carried on by the next one. Search trees are not:
the next iteration's network is another, so every search under way begins again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.evaluators import Evaluation, Evaluator
from agents.roots import Findings
from agents.search import Choose, Search, SearchSettings, untyped
from agents.section import Section
from agents.turns import GamesUnderWay
from arena.replay import Learned, Samples, make_samples
from arena.resign import NEVER, Counts, ResignSettings, count, no_counts
from envs import Game, States

OPENINGS = 64  # drawn at once
PER_PLY = frozenset(("history", "actions", "recorded", *Findings._fields))  # of a state: a row a ply, slot after slot


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
        description="share of a game's samples that goes to moves in proportion to the search's divergence from the "
        "root's priors, noise included, the rest evenly; KataGo 0.5",
    )


class Record(NamedTuple):
    """A finished game, for the record."""

    actions: list[int]
    result: float  # for the first player


class SelfPlayStats(NamedTuple):
    """What happened in one iteration's self-play."""

    games: list[Record]
    moves: int  # plies searched
    simulations: int  # that made a node of their leaf, and the roots
    evaluations: int  # positions the search asked about
    seconds: float
    network_seconds: float
    recorded: int  # full searches, which are learned from
    solved: int  # those among them that proved the root's value
    resigned: int  # games that ended so
    played_out: Counts  # what every threshold would have done to the games that nobody was allowed to resign
    cached: int = 0  # evaluations that a cache answered
    # A worker's mean time in its games; the rest of `seconds` is new weights and waiting for the last worker.
    playing: float = 0.0

    def figures(self) -> dict[str, float]:
        """As metrics."""
        results = np.array([game.result for game in self.games])
        return {
            "selfplay/games": len(self.games),
            "selfplay/positions": self.moves,
            "selfplay/games_per_second": len(self.games) / self.seconds,
            "selfplay/simulations_per_second": self.simulations / self.seconds,
            "selfplay/evaluations_per_second": self.evaluations / self.seconds,
            "selfplay/cache_hits": self.cached / max(1, self.evaluations),
            "selfplay/network_share": self.network_seconds / self.seconds,
            "selfplay/wait_share": 1 - self.playing / self.seconds,
            "selfplay/mean_plies": float(np.mean([len(game.actions) for game in self.games])),
            "selfplay/first_player_wins": float(np.mean(results > 0)),
            "selfplay/draws": float(np.mean(results == 0)),
            "selfplay/distinct_games": len({tuple(game.actions) for game in self.games}) / len(self.games),
            "selfplay/root_solved": self.solved / max(1, self.recorded),
        }


class SelfPlay:
    """Games under way in `slots`, and the search that plays them."""

    def __init__(
        self, game: Game, settings: SelfPlaySettings, search: SearchSettings, *, replies: bool = False
    ) -> None:
        """`replies`: samples hold the policy target of the next position, too."""
        self.game, self.settings, self.replies = game, settings, replies
        capacity, slots = max(settings.simulations, settings.fast_simulations) + 1, settings.slots
        self._search = Search(game, search, slots=slots, capacity=capacity)
        self.games = GamesUnderWay.none(game, slots)
        self.fresh = np.ones(slots, np.bool_)  # [B] no game under way yet
        # The same memory, which numpy moves faster so.
        self._roots, self._history = untyped(self.games.roots), untyped(self.games.history.reshape(-1))

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
        start, network = time.perf_counter(), 0.0
        moves = simulations = evaluations = recorded = solved = resigned = 0
        played_out = no_counts()
        done: list[Record] = []
        learned: list[Learned] = []
        openings = Openings(self.game, self.settings.random_plies, rng)

        def timed(states: States) -> Evaluation:
            nonlocal network, evaluations
            before = time.perf_counter()
            answer = evaluate(states)
            network += time.perf_counter() - before
            evaluations += len(states)
            return answer

        self._open(np.flatnonzero(self.fresh), openings, rng)
        self.fresh[:] = False
        self._begin(np.arange(self.settings.slots), rng)
        choose = self._chooser(rng)
        while len(done) < self.settings.games:
            simulations += self._search.step(timed, rng)
            moved = self._search.turn(self.games, choose, resign=resign)
            if len(moved.slots) == 0:
                continue
            full = self.games.full[moved.slots]
            moves += len(full)
            recorded += int(full.sum())
            solved += int((moved.proven & full).sum())
            ended = moved.slots[moved.over]
            for slot, gave_up in zip(ended, moved.gave_up[moved.over], strict=True):
                result, length = self._result(slot, resigned=gave_up), self.games.length[slot]
                learned.append(self._learned(slot, result, rng, played_out=not gave_up))
                done.append(Record(self.games.actions[slot, : length - gave_up].tolist(), result))
                resigned += int(gave_up)
                if self.games.played_out[slot]:
                    played_out += self._counted(slot, result)
            if len(ended):
                self._open(ended, openings, rng)
            progress(len(ended))
            self._begin(moved.slots, rng)
        samples = make_samples(self.game, learned)
        seconds = time.perf_counter() - start
        stats = SelfPlayStats(
            done, moves, simulations, evaluations, seconds, network, recorded, solved, resigned, played_out
        )._replace(playing=seconds)
        return samples, stats

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that the next `play` depends on; `restore` takes it back.

        Arrays of a row a slot, `PER_PLY` of a row a ply played so far: room for a whole game in every slot would be
        gigabytes where boards are large.
        """
        played = self._played()
        rows = {name: a[played] if name in PER_PLY else a for name, a in self._columns().items()}
        return {
            name: a.view(np.uint8).reshape(len(a), a.itemsize) if a.dtype.kind == "V" else a for name, a in rows.items()
        }

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Continue from what `state` returned."""
        self.games.length[:] = state["length"]
        played = self._played()
        for name, column in self._columns().items():
            rows = state[name].reshape(-1).view(column.dtype)
            if name in PER_PLY:
                column[played] = rows.reshape(-1, *column.shape[2:])
            else:
                column[:] = rows

    def _played(self) -> NDArray[np.bool_]:
        """[B, T] the plies of the games under way."""
        return np.arange(self.game.max_plies) < self.games.length[:, None]

    def _columns(self) -> dict[str, NDArray[Any]]:
        columns = {**self.games._asdict(), **self.games.found._asdict(), "fresh": self.fresh}
        del columns["found"], columns["full"]  # searches begin again
        return {name: untyped(a) if a.dtype.names else a for name, a in columns.items()}

    def _open(self, slots: NDArray[np.int64], openings: Openings, rng: np.random.Generator) -> None:
        """Put new games into `slots`."""
        games = self.games
        games.recorded[slots] = False
        games.found.proven[slots] = False
        games.found.outlook[slots] = 1.0
        if self.settings.resign.enabled:
            games.played_out[slots] = rng.random(len(slots)) < self.settings.resign.played_out
        for slot in slots:
            opening = openings.draw()
            plies = games.length[slot] = len(opening.actions)
            games.history[slot, :plies], games.actions[slot, :plies] = opening.states[:plies], opening.actions
            games.roots[slot] = opening.states[plies]

    def _begin(self, slots: NDArray[np.int64], rng: np.random.Generator) -> None:
        """Start searching `slots`."""
        settings = self.settings
        full = self.games.full[slots] = rng.random(len(slots)) < settings.full_fraction
        budgets = np.where(full, settings.simulations, settings.fast_simulations)
        noisy = full | (self._search.settings.rule == "gumbel")
        self._search.begin(slots, self._roots.take(slots).view(self.game.dtype), budgets, noisy=noisy)

    def _chooser(self, rng: np.random.Generator) -> Choose | None:
        """Who draws the moves to play from a search's policy; None where the best one is played."""
        settings, search = self.settings, self._search.settings
        return partial(choose, settings, search, rng=rng) if draws(settings, search) else None

    def _result(self, slot: int, *, resigned: bool) -> float:
        """Of the game that has just ended in `slot`, for the first player; the side to move has lost what it resigns."""
        root = self.games.roots[slot : slot + 1]
        result = -1.0 if resigned else float(self.game.returns(root)[0])
        return result * (1 - 2 * int(root["to_play"][0]))

    def _counted(self, slot: int, result: float) -> Counts:
        """What every threshold would have done to the game that has just ended in `slot`."""
        length = self.games.length[slot]
        return count(self.games.found.outlook[slot, :length], self.games.history["to_play"][slot, :length], result)

    def _learned(self, slot: int, result: float, rng: np.random.Generator, *, played_out: bool) -> Learned:
        """What there is to learn from the game that has just ended in `slot`, on the board or by resignation."""
        games, found, length = self.games, self.games.found, self.games.length[slot]
        colour = 1 - 2 * games.history["to_play"][slot, :length].astype(np.float32)
        targets = value_targets(
            result, found.values[slot, :length], found.proven[slot, :length], colour, self.settings.value_mix
        )
        rows = np.flatnonzero(games.recorded[slot, :length])
        if self.settings.surprise:
            weights = surprise_weights(found.surprise[slot, rows], self.settings.surprise)
            rows = np.repeat(rows, (weights + rng.random(len(rows))).astype(np.int64))
        policies, replies = found.policies[slot, :length], None
        if self.replies:
            replies = np.concatenate([policies[1:], np.zeros((1, policies.shape[1]), np.float32)])[rows]
        states = self._history.take(slot * self.game.max_plies + rows).view(self.game.dtype)
        final = games.roots[slot : slot + 1].copy() if played_out else None
        return Learned(states, policies[rows], targets[rows], final, replies)


class Opening(NamedTuple):
    """The first moves of a game, drawn at random."""

    states: States  # [n + 1] before each of them, and after the last
    actions: NDArray[np.int64]  # [n]


class Openings:
    """Games that begin with 0 to `plies` random moves, evenly drawn; many of them are drawn at once."""

    def __init__(self, game: Game, plies: int, rng: np.random.Generator) -> None:
        self._game, self._plies, self._rng = game, min(plies, game.max_plies), rng
        self._drawn: list[Opening] = []

    def draw(self) -> Opening:
        """One of them, of which no move has ended the game."""
        if not self._drawn:
            self._drawn = self._draw(OPENINGS)
        return self._drawn.pop()

    def _draw(self, count: int) -> list[Opening]:
        rng, game = self._rng, self._game
        states = np.empty((self._plies + 1, count), game.dtype)
        actions = np.empty((self._plies, count), np.int64)
        states[0] = game.reset(count)
        wanted, length = rng.integers(self._plies + 1, size=count), np.zeros(count, np.int64)
        for ply in range(self._plies):
            legal = game.legal(states[ply])
            actions[ply] = (rng.random(legal.shape) * legal).argmax(axis=1)
            states[ply + 1] = game.step(states[ply], actions[ply])
            length += (wanted > ply) & (length == ply) & ~game.terminal(states[ply + 1])
        return [Opening(states[: n + 1, i], actions[:n, i]) for i, n in enumerate(length)]


def draws(settings: SelfPlaySettings, search: SearchSettings) -> bool:
    """Whether moves are drawn from a search's policy: PUCT's are, early in the game; Gumbel's noise has already explored."""
    return search.rule == "puct" and settings.temperature > 0


def choose(
    settings: SelfPlaySettings,
    search: SearchSettings,
    policy: NDArray[np.float32],
    choice: NDArray[np.int64],
    length: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """[n] the moves to play in games `length` [n] plies long, from what their searches found: `policy` [n, A], `choice` [n]."""
    if not draws(settings, search):
        return choice
    relative = np.divide(policy, policy.max(axis=1, keepdims=True), dtype=np.float64)  # or high powers would all be 0
    sharpened = np.power(relative, 1 / settings.temperature)
    ladder = np.cumsum(sharpened, axis=1)
    drawn = (ladder > rng.random(len(policy))[:, None] * ladder[:, -1:]).argmax(axis=1)
    return np.where(length < settings.temperature_plies, drawn, choice)


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
