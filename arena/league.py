"""The league: besides itself, the newest network plays its past selves and fixed players, and must beat the last to be next.

Self-play alone can chase its own tail: what beats the newest network need not beat the one before. In a league (AlphaStar,
Vinyals et al. 2019) part of the games are played against a pool, here the run's generations and some anchors; with
`prefer: hard`, whoever beats the newest network more often is met more often (prioritised fictitious self-play: weight
(1 - p)^2 for a score p of the network). Only the network's own moves are learned from.

Whenever the run is rated, the newest agent challenges the last generation on paired openings until the SPRT has decided.
If it is better it becomes the next generation; the games count in the run's rating list, which so has every generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.evaluators import Evaluator
from agents.players import Forfeit, Player
from agents.search import Search, SearchSettings
from agents.section import Section
from arena.gate import Challenge, Pairs
from arena.gate import challenge as play_challenge
from arena.match import random_openings
from arena.replay import Learned, Samples, make_samples
from arena.selfplay import SelfPlaySettings, choose, value_targets
from arena.sprt import SPRT, Verdict, pair_counts
from envs import Game, States, random_actions

MEMORY = 0.9  # share of the old games' weight that an iteration leaves in the scores against the pool


class LeagueSettings(Section):
    """Opponents besides itself."""

    share: float = Field(
        0.0, ge=0, le=1, description="games against the pool for each of self-play; 0: no league; AlphaStar about 1"
    )
    past: int = Field(4, ge=0, description="newest generations in the pool")
    anchors: tuple[str, ...] = Field((), description="fixed players in the pool: greedy, mcts:100, a file")
    prefer: Literal["even", "hard"] = Field(
        "hard", description="whom to meet: all alike, or whom the newest fails against"
    )
    gate_elo: float = Field(50.0, gt=0, description="SPRT: a generation is this much stronger than the last, not 0")
    gate_openings: int = Field(
        64, ge=1, description="paired openings at most, each another; undecided then, it is no generation"
    )


class LeagueGames(NamedTuple):
    """What an iteration's games against the pool left."""

    samples: Samples
    scores: dict[str, list[float]]  # the network's, by opponent: 1, 0.5 or 0

    def figures(self) -> dict[str, float]:
        """As metrics."""
        scores = {f"league/score/{name}": float(np.mean(points)) for name, points in self.scores.items()}
        return {"league/games": sum(len(points) for points in self.scores.values())} | scores


class League:
    """The generations of a run and how the newest network does against its pool."""

    def __init__(self, settings: LeagueSettings) -> None:
        self.settings = settings
        self.generations: list[str] = []  # names of agents, the oldest first
        self.scores: dict[str, tuple[float, float]] = {}  # opponent: points and games, the older the lighter

    def pool(self) -> list[str]:
        """The opponents."""
        past = self.generations[-self.settings.past :] if self.settings.past else []
        return [*past, *self.settings.anchors]

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        """Opponents for so many games; none where the pool is empty."""
        pool = self.pool()
        if not pool:
            return []
        points, games = np.array([self.scores.get(name, (0.0, 0.0)) for name in pool]).T
        hardness = (1 - (points + 0.5) / (games + 1)) ** 2  # half a point of a game: nobody is beyond reach
        weights = hardness if self.settings.prefer == "hard" else np.ones(len(pool))
        return [pool[i] for i in rng.choice(len(pool), size=count, p=weights / weights.sum())]

    def note(self, scores: Mapping[str, Sequence[float]]) -> None:
        """Remember an iteration's scores."""
        for name in self.pool():
            points, games = self.scores.get(name, (0.0, 0.0))
            new = scores.get(name, ())
            self.scores[name] = (MEMORY * points + sum(new), MEMORY * games + len(new))

    def state(self) -> dict[str, Any]:
        """For the checkpoint, as JSON has it; `restore` takes it back."""
        return {"generations": self.generations, "scores": {name: list(pair) for name, pair in self.scores.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.generations = list(state["generations"])
        self.scores = {name: (points, games) for name, (points, games) in state["scores"].items()}


def challenge(
    game: Game, challenger: Player, champion: Player, settings: LeagueSettings, plies: int, rng: np.random.Generator
) -> Challenge:
    """Play until the test has decided, or for `gate_openings`; fewer where the game has not so many after `plies` moves.

    None is played twice: agents always play the same, and the test would take a copy of a game for more evidence.
    """
    test = SPRT(0.0, settings.gate_elo)
    openings = random_openings(game, settings.gate_openings, plies, rng)

    def decide(pairs: Pairs) -> Verdict:
        return test.verdict(pair_counts(pairs))

    return play_challenge(game, challenger, champion, openings, decide, rng)


class _Kept(NamedTuple):
    """One searched position of the network's."""

    state: np.void
    policy: NDArray[np.float32]  # [A]
    value: float
    proven: bool
    answer: int = -1  # the opponent's; -1: the game ended first


def play(
    game: Game,
    evaluate: Evaluator,
    search_settings: SearchSettings,
    settings: SelfPlaySettings,
    opponents: Mapping[str, Player],
    drawn: Sequence[str],
    rng: np.random.Generator,
    *,
    replies: bool = False,
    progress: Callable[[int], None] = lambda games: None,
) -> LeagueGames:
    """A game against each of `drawn`, side by side, the network first in every other one; its moves as samples.

    `replies`: with the opponents' answers, which are single moves here. An opponent that raises `Forfeit` loses those games.
    """
    n = len(drawn)
    search = Search(game, search_settings, slots=n, capacity=settings.simulations + 1)
    states, length = _openings(game, n, settings.random_plies, rng)
    first, rival = np.arange(n) % 2 == 0, np.array(drawn)
    kept: list[list[_Kept]] = [[] for _ in drawn]
    won = np.zeros(n, np.bool_)  # by forfeit
    going = np.arange(n)
    while len(going):
        own = (states["to_play"][going] == 0) == first[going]
        rows, actions = going[own], np.zeros(n, np.int64)
        if len(rows):
            search.idle(np.arange(n))
            search.begin(rows, states[rows], settings.simulations, noisy=True)
            search.run(evaluate, rng)
            found = search.results(rows)
            actions[rows] = choose(settings, search_settings, found.policy, found.choice, length[rows], rng)
            for i, row in enumerate(rows):
                value, proven = float(found.values[i]), bool(found.solved[i])
                kept[row].append(_Kept(states[row].copy(), found.policy[i], value, proven))
        for name, player in opponents.items():
            theirs = going[~own & (rival[going] == name)]
            if len(theirs):
                actions[theirs], lost = _moves(player, states[theirs], rng)
                won[theirs[lost]] = True
        on = ~won[going]
        for row in going[on & ~own]:
            if kept[row]:
                kept[row][-1] = kept[row][-1]._replace(answer=int(actions[row]))
        before, going = len(going), going[on]
        states[going] = game.step(states[going], actions[going])
        length[going] += 1
        going = going[~game.terminal(states[going])]
        progress(before - len(going))
    own = (states["to_play"] == 0) == first
    results = np.where(won, 1.0, np.where(own, game.returns(states), -game.returns(states)))  # for the network
    finals = [None if gave_up else states[row : row + 1] for row, gave_up in enumerate(won)]
    learned = [
        _learned(game, moves, float(result), final, settings.value_mix, replies=replies)
        for moves, result, final in zip(kept, results, finals, strict=True)
    ]
    scores = {name: ((1 + results[rival == name]) / 2).tolist() for name in opponents}
    return LeagueGames(make_samples(game, learned), scores)


def _moves(player: Player, states: States, rng: np.random.Generator) -> tuple[NDArray[np.int64], list[int]]:
    """[n] the player's moves, and the rows of the games that it loses instead."""
    try:
        return player(states, rng), []
    except Forfeit as forfeit:
        return forfeit.actions, list(forfeit.losses)


def _learned(
    game: Game, moves: Sequence[_Kept], result: float, final: States | None, mix: float, *, replies: bool
) -> Learned:
    """What there is to learn from the network's `moves` in a game, whose `result` is for the network."""
    n = len(moves)
    values, proven = np.array([k.value for k in moves], np.float32), np.array([k.proven for k in moves], np.bool_)
    answers = np.array([k.answer for k in moves], np.int64)
    return Learned(
        np.array([k.state for k in moves], game.dtype),
        np.array([k.policy for k in moves], np.float32).reshape(n, game.num_actions),
        value_targets(result, values, proven, np.ones(n, np.float32), mix),
        final,
        (answers[:, None] == np.arange(game.num_actions)).astype(np.float32) if replies else None,
    )


def _openings(game: Game, count: int, plies: int, rng: np.random.Generator) -> tuple[States, NDArray[np.int64]]:
    """[n] positions after 0 to `plies` random moves, evenly drawn, none of them an end, and [n] how many there were."""
    states, length = game.reset(count), np.zeros(count, np.int64)
    wanted = rng.integers(plies + 1, size=count)
    for ply in range(int(wanted.max(initial=0))):
        moved = game.step(states, random_actions(game.legal(states), rng))
        go = (wanted > ply) & (length == ply) & ~game.terminal(moved)
        states[go] = moved[go]
        length[go] += 1
    return states, length
