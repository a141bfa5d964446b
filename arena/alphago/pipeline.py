"""The stages of the 2016 paper in order. Each is a run of its own in one W&B group, and goes on where it was stopped.

RUN/config.yaml
    records/train, test           positions of the game records
    supervised/                   stage 1: checkpoints, metrics.jsonl, wandb
    rollout/                      the rollout policy, learned from the same games (Go)
    reinforced/                   stage 2, and pool/, the opponents
    positions/train, test, whole  stage 3: positions for the value network
    value/, value_whole/
    reinforced_again/             stage 2 once more, with the value network as its baseline
    table/                        stage 5: the comparison
    agents/                       supervised, reinforced, value, value_whole: what the stages made
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

import envs
from agents.alphago import rollout
from agents.alphago.player import REINFORCED, SUPERVISED, VALUE, load_parts, network, rollout_policy, variant
from agents.alphago.policies import sampler, sensibly
from agents.evaluators import Evaluator
from agents.files import AgentFile, load_agent, save_agent, write_atomically
from agents.network import NetworkSettings
from agents.planes import seen_by
from agents.players import Player, make_player, policy_player
from agents.runtime import resolve, set_threads
from agents.search import SearchSettings
from arena import checkpoint, rating
from arena.alphago import records, store, values
from arena.alphago.fit import FitSettings, fit
from arena.alphago.reinforce import Reinforce
from arena.alphago.settings import AlphaGoConfig
from arena.alphago.store import Line, Positions
from arena.match import play_match, random_openings
from arena.progress import Progress
from arena.rater import result
from arena.settings import dump
from arena.tracking import Tracker
from envs import Game, States
from envs.go import Go

AGAIN = "reinforced_again.safetensors"


class Pipeline:
    """An AlphaGo experiment in its folder."""

    def __init__(self, config: AlphaGoConfig, folder: Path, progress: Progress) -> None:
        self.config, self.folder, self.progress = config, folder, progress
        self.game = envs.make(config.game)
        self.agents = folder / "agents"
        set_threads(config.runtime)
        self.runtime = resolve(self.game, config.supervised.network, config.runtime, config.reinforce.games)

    def create_folder(self) -> None:
        """Start a new experiment. ValueError if the folder already holds one."""
        if (self.folder / "config.yaml").exists():
            raise ValueError(
                f"{self.folder} already holds a run: continue it with `arena train --resume {self.folder}`, "
                "or give this one another name (name=...)"
            )
        self.agents.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(dump(self.config))

    def run(self) -> rating.Estimate:
        """Every stage that is not done yet; the ratings of the table at the end."""
        self._records()
        self._supervised()
        self._rollout_policy()
        self._reinforced()
        self._positions()
        self._values()
        self._reinforced_again()
        return self._table()

    def _records(self) -> None:
        folder, settings = self.folder / "records", self.config.records
        if store.is_whole(folder / "train") and store.is_whole(folder / "test"):
            return
        self.progress.note(f"records: reading {settings.path or f'games of {settings.teacher}'}")
        self.progress.phase("records", 0)
        records.build(
            folder,
            self._seen(self.config.supervised),
            settings,
            seed=self.config.seed,
            note=self.progress.note,
            progress=self.progress.advance,
        )

    def _supervised(self) -> None:
        train, test = (store.load(self.folder / "records" / part, self.game) for part in ("train", "test"))
        self._fitted("supervised", self.config.supervised, train, test)

    def _rollout_policy(self) -> None:
        """Stage 1's other half: a linear softmax of patterns, fast enough to play games to their end at every leaf."""
        game, path = self.game, rollout_policy(self.folder)
        if path.exists() or not isinstance(game, Go):
            return
        train, test = (rollout.Records(*store.load_moves(self.folder / "records" / part)) for part in ("train", "test"))
        settings = self.config.rollout
        self.progress.phase("rollout", settings.epochs)
        start = time.perf_counter()
        with self._tracked("rollout") as tracker:

            def learned(epoch: int, score: rollout.Score) -> None:
                self.progress.advance(1)
                row = {"iteration": epoch, "samples": epoch * score.examples, "seconds": time.perf_counter() - start}
                tracker.log(row | {"loss/policy": score.loss, "train/policy_top1": score.top1})

            rng = np.random.default_rng([self.config.seed, 4])
            weights = rollout.learn(train, game.size, settings, rng, progress=learned)
            found = rollout.predict(test, game.size, weights)
            speed = microseconds_a_move(game, weights)
            tracker.log(
                {
                    "iteration": settings.epochs + 1,
                    "test/policy_loss": found.loss,
                    "test/policy_top1": found.top1,
                    "test/policy_top5": found.top5,
                    "rollout/microseconds": speed,
                }
            )
        self.progress.note(
            f"rollout policy: {found.top1:.1%} of {found.examples:,} held-out moves (paper: 24.2%), "
            f"{speed:.2f} microseconds a move (paper: 2)"
        )
        rollout.save_weights(path, weights, {"run": self.config.name, "seed": self.config.seed})

    def _reinforced(self) -> None:
        start = load_agent(self.agents / SUPERVISED)
        self._reinforce(REINFORCED, start.weights, self.config.reinforce.iterations, baseline=None)

    def _reinforced_again(self) -> None:
        start = load_agent(self.agents / REINFORCED)
        value = self._evaluator(VALUE)

        def baseline(states: States) -> NDArray[np.float32]:
            return value(states).values

        if self.config.reinforce.second_iterations:
            self._reinforce(AGAIN, start.weights, self.config.reinforce.second_iterations, baseline=baseline)

    def _reinforce(
        self,
        name: str,
        start: dict[str, Tensor],
        iterations: int,
        *,
        baseline: Callable[[States], NDArray[np.float32]] | None,
    ) -> None:
        stage = name.removesuffix(".safetensors")
        if (self.agents / name).exists():
            return
        config, folder = self.config, self.folder / stage
        settings = config.supervised.network
        learner = Reinforce(
            self._seen(config.supervised),
            settings,
            config.reinforce,
            self.runtime,
            start,
            folder,
            seed=config.seed,
            baseline=baseline,
        )
        with self._tracked(stage) as tracker:
            weights = learner.run(iterations, tracker, self.progress)
        self._save(name, settings, weights)
        self._announce(name, SUPERVISED)

    def _announce(self, name: str, other: str) -> None:
        """The paper's own measure of reinforcement: its share of games, sampled, against the supervised policy."""
        a, b = (sampler(self.game, self._evaluator(file)) for file in (name, other))
        openings = random_openings(self.game, 1, 0, np.random.default_rng(0)).repeated(
            self.config.reinforce.test_games // 2
        )
        played = play_match(self.game, a, b, openings, np.random.default_rng([self.config.seed, 1]))
        self.progress.note(
            f"{name.removesuffix('.safetensors')} scores {played.score:.1%} of {len(played.games)} games "
            f"against {other.removesuffix('.safetensors')}, both without search (paper: more than 80%)"
        )

    def _positions(self) -> None:
        folder, settings = self.folder / "positions", self.config.value
        whole = folder / "whole"
        if all(store.is_whole(folder / part) for part in ("train", "test")) and (
            not settings.whole_games or store.is_whole(whole)
        ):
            return
        players = [sampler(self.game, self._evaluator(name)) for name in (SUPERVISED, REINFORCED)]
        latest = values.latest_ply(self.game, settings)
        lines: dict[str, list[Line]] = {}
        for number, (part, count) in enumerate((("train", settings.games), ("test", settings.test_games))):
            self.progress.phase("positions", count)
            rng = np.random.default_rng([self.config.seed, 2, number])
            before, after = players
            lines[part] = values.one_position_games(self.game, before, after, count, latest, rng, self.progress.advance)
        if settings.whole_games:
            lines["whole"] = values.whole_games(lines["train"], len(lines["train"]))
        for part, games in lines.items():
            store.write(folder / part, self._seen(settings.fit), games, {"latest": latest}, territory=True)

    def _values(self) -> None:
        settings, folder = self.config.value, self.folder / "positions"
        test = store.load(folder / "test", self.game)
        self._fitted("value", settings.fit, store.load(folder / "train", self.game), test)
        if settings.whole_games:
            self._fitted("value_whole", settings.fit, store.load(folder / "whole", self.game), test)

    def _fitted(self, stage: str, settings: FitSettings, train: Positions, test: Positions) -> None:
        """Learn a table, as the stage `stage`."""
        if (self.agents / f"{stage}.safetensors").exists():
            return
        self.progress.note(f"{stage}: {len(train):,} positions to learn from, {len(test):,} held out")
        with self._tracked(stage) as tracker:
            weights = fit(
                self._seen(settings),
                settings,
                train,
                test,
                self.folder / stage,
                seed=self.config.seed,
                device=self.runtime.device,
                tracker=tracker,
                progress=self.progress,
            )
        self._save(f"{stage}.safetensors", settings.network, weights)

    def _table(self) -> rating.Estimate:
        """Everybody against everybody: the paper's ablation, the sweep of λ, and opponents from outside."""
        folder, settings = self.folder / "table", self.config.table
        folder.mkdir(exist_ok=True)
        file = folder / "results.json"
        done = [rating.Result(*row) for row in json.loads(file.read_bytes())] if file.exists() else []
        players = self._players()
        pairs = list(combinations(players, 2))
        self.progress.phase("table", len(pairs) * 2 * settings.openings)
        self.progress.advance(len(done) * 2 * settings.openings)
        for number, (a, b) in enumerate(pairs):
            if any((a, b) == (r.a, r.b) for r in done):
                continue
            rng = np.random.default_rng([self.config.seed, 3, number])
            openings = random_openings(self.game, settings.openings, settings.opening_plies, rng)
            openings = openings.repeated(settings.openings)
            played = play_match(self.game, players[a], players[b], openings, rng, progress=self.progress.advance)
            done.append(result(a, b, played))
            write_atomically(file, json.dumps(done).encode())
        ratings = rating.estimate(done, anchors={"random": 0.0})
        with self._tracked("table") as tracker:
            games = sum(r.wins + r.draws + r.losses for r in done)
            tracker.log({"iteration": 1, "games": games, "ratings": [list(entry) for entry in ratings.ratings()]})
        return ratings

    def _players(self) -> dict[str, Player]:
        """The players of the table by name. Without rollouts λ is 0, without the value network 1."""
        settings, game = self.config.table, self.game
        parts = load_parts(game, self.agents, self.runtime, seed=self.config.seed)
        players: dict[str, Player] = {
            "supervised policy": policy_player(sensibly(game, parts.policy)),
            "reinforced policy": policy_player(sensibly(game, self._evaluator(REINFORCED))),
        }
        for mix in settings.mixes:
            search = settings.search.model_copy(update={"mix": mix})
            players[f"AlphaGo rvp, λ {mix:g}"] = variant(game, "rvp", parts, settings.simulations, search)
        for letters in ("vp", "rp", "rv", "v", "r"):
            players[f"AlphaGo {letters}"] = variant(game, letters, parts, settings.simulations, settings.search)
        for spec in dict.fromkeys(("random", *settings.opponents)):
            players[spec] = make_player(game, spec, seed=self.config.seed)
        return players

    def _seen(self, settings: FitSettings) -> Game:
        """The game as the network of `settings` sees it."""
        return seen_by(settings.network.planes, self.game)

    def _evaluator(self, name: str) -> Evaluator:
        return network(self.game, self.agents / name, self.runtime)

    def _save(self, name: str, settings: NetworkSettings, weights: dict[str, Tensor]) -> None:
        """Keep what a stage made as an agent that plays its raw policy."""
        origin: dict[str, str | int] = {"run": self.config.name, "stage": Path(name).stem, "seed": self.config.seed}
        save_agent(self.agents / name, AgentFile(self.game, settings, SearchSettings(), 0, weights, origin))

    @contextmanager
    def _tracked(self, stage: str) -> Iterator[Tracker]:
        """The stage's own run in Weights & Biases, in the group of the experiment."""
        folder, tracking = self.folder / stage, self.config.tracking
        found, _ = checkpoint.newest(folder)
        tracker = Tracker.start(
            folder,
            name=f"{self.config.name}/{stage}",
            config=self.config.model_dump(mode="json"),
            project=tracking.project,
            mode=tracking.mode,
            last_row=found.state["row"] if found else None,
            group=self.config.name,
        )
        code = 1
        try:
            yield tracker
            code = 0
        finally:
            tracker.finish(code)


def microseconds_a_move(game: Go, weights: rollout.Weights) -> float:
    """Time of a move in playouts of the rollout policy from the empty board, on one core."""
    policy, states = rollout.RolloutPolicy(game, weights), game.reset(256)
    policy.play(states[:1], np.zeros(1, np.uint64))  # compiles
    start = time.perf_counter()
    _, made = policy.play(states, np.arange(len(states), dtype=np.uint64))
    return 1e6 * (time.perf_counter() - start) / made
