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
    STAGE/metrics.jsonl, spent.json   its figures; its working time and energy over all resumptions
    STAGE/games/                  sample games of the policy that was reinforced, and of the table
    agents/                       supervised, reinforced, value, value_whole: what the stages made
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

import envs
from agents.alphago import rollout
from agents.alphago.player import REINFORCED, SUPERVISED, VALUE, load_parts, network, rollout_policy
from agents.alphago.policies import sampler, sensibly
from agents.evaluators import Evaluator
from agents.files import AgentFile, load_agent, save_agent, write_atomically
from agents.network import NetworkSettings
from agents.planes import seen_by
from agents.players import Player, policy_player
from agents.runtime import NetworkEvaluator, create, resolve, set_threads
from agents.search import SearchSettings
from arena import checkpoint, rating
from arena.alphago import records, store, table, values
from arena.alphago.fit import FitSettings, fit
from arena.alphago.reinforce import Reinforce
from arena.alphago.settings import AlphaGoConfig
from arena.alphago.spent import Account
from arena.alphago.store import Line
from arena.folders import CONFIG, check_vacant
from arena.footprint import Meter
from arena.match import play_match, random_openings
from arena.progress import Progress
from arena.report import games as sample
from arena.settings import dump, load
from arena.tracking import Tracker
from envs import Game, States
from envs.go import Go
from envs.records import GameRecord, opening, start_stones

AGAIN = "reinforced_again.safetensors"
SAMPLES = 4  # games kept of a policy that was reinforced


class Pipeline:
    """An AlphaGo experiment in its folder."""

    def __init__(self, config: AlphaGoConfig, folder: Path, progress: Progress) -> None:
        self.config, self.folder, self.progress = config, folder, progress
        self.game = envs.make(config.game)
        self.agents = folder / "agents"
        self.meter = Meter(config.footprint, progress.note)  # whoever runs it starts it
        set_threads(config.runtime)
        self.runtime = resolve(self.game, config.supervised.network, config.runtime, config.reinforce.games)

    def create_folder(self) -> None:
        """Start a new experiment. ValueError if the folder already holds one."""
        check_vacant(self.folder)
        path = self.config.records.path
        if path is not None and not Path(path).exists():  # before there is a run that would have to be continued
            raise ValueError(f"records.path: there is no file or folder {path}")
        self.agents.mkdir(parents=True, exist_ok=True)
        self._keep_config()

    def resume(self) -> None:
        """Go on with the experiment in the folder. The config that holds from now on is kept; what a stage that is done was told
        is history.

        ValueError where the game, or the network of a stage that has begun, is another one.
        """
        before, now = load(AlphaGoConfig, self.folder / CONFIG), self.config
        networks = {"supervised": (before.supervised.network, now.supervised.network)}
        networks["value"] = before.value.fit.network, now.value.fit.network
        if envs.make(before.game).name != self.game.name:
            raise ValueError(f"{self.folder} was begun with {before.game}: leave game as it was, or start anew")
        for stage, (old, new) in networks.items():
            if (self.folder / stage).exists() and old != new:
                raise ValueError(f"stage {stage} was begun with another network: leave it as it was, or start anew")
        self._keep_config()

    def _keep_config(self) -> None:
        write_atomically(self.folder / CONFIG, dump(self.config).encode())

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
        self.progress.phase("records", 0 if settings.path else settings.teacher_games)
        seed, progress = self.config.seed, self.progress
        with self._tracked("records") as tracker:
            records.build(folder, self.game, settings, seed=seed, note=progress.note, progress=progress.advance)
            train, test = (store.load(folder / part, self.game) for part in ("train", "test"))
            games = train.summary["games"] + test.summary["games"]
            skipped = sum(train.summary["skipped"].values())
            tracker.log({"iteration": 1, "games": games, "samples": len(train), "records/skipped": skipped})

    def _supervised(self) -> None:
        folder = self.folder / "records"
        self._fitted("supervised", self.config.supervised, folder / "train", folder / "test")

    def _rollout_policy(self) -> None:
        """Stage 1's other half: a linear softmax of patterns, fast enough to play games to their end at every leaf."""
        game, path = self.game, rollout_policy(self.folder)
        if path.exists() or not isinstance(game, Go):
            return
        train, test = (rollout_records(game, self.folder / "records" / part) for part in ("train", "test"))
        settings = self.config.rollout
        self.progress.phase("rollout", settings.epochs)
        with self._tracked("rollout") as tracker:

            def learned(epoch: int, score: rollout.Score) -> None:
                self.progress.advance(1)
                row = {"iteration": epoch, "samples": epoch * score.examples}
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
        settings, seed = self.config.reinforce, (self.config.seed,)
        self._reinforce(REINFORCED, start.weights, settings.iterations, seed=seed, baseline=None)

    def _reinforced_again(self) -> None:
        if not self.config.reinforce.second_iterations:
            return
        start = load_agent(self.agents / REINFORCED)
        value = self._evaluator(VALUE)

        def baseline(states: States) -> NDArray[np.float32]:
            return value(states).values

        settings = self.config.reinforce
        # By the first pass's generators it would draw the same opponents again, and games much like those.
        seed = (self.config.seed, 5)
        self._reinforce(AGAIN, start.weights, settings.second_iterations, seed=seed, baseline=baseline)

    def _reinforce(
        self,
        name: str,
        start: dict[str, Tensor],
        iterations: int,
        *,
        seed: tuple[int, ...],
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
            seed=seed,
            baseline=baseline,
        )
        with self._tracked(stage) as tracker:
            weights = learner.run(iterations, tracker, self.progress)
            score = self._against_supervised(stage, learner.game, settings, weights)
            tracker.log({"iteration": iterations + 1, "reinforce/score_supervised": score})
        self._save(name, settings, weights)

    def _against_supervised(
        self, stage: str, seen: Game, settings: NetworkSettings, weights: dict[str, Tensor]
    ) -> float:
        """The paper's own measure of reinforcement: its share of games, sampled, against the supervised policy."""
        runner = create(seen, settings, self.runtime)
        runner.load(weights)
        a, b = (sampler(self.game, e) for e in (NetworkEvaluator(seen, runner), self._evaluator(SUPERVISED)))
        openings = random_openings(self.game, 1, 0, np.random.default_rng(0)).repeated(
            self.config.reinforce.test_games // 2
        )
        played = play_match(self.game, a, b, openings, np.random.default_rng([self.config.seed, 1]))
        shown = [sample.SampleGame("supervised", g.a_first, g.score, list(g.actions)) for g in played.games[:SAMPLES]]
        sample.save(self.folder / stage, stage, shown)
        self.progress.note(
            f"{stage} scores {played.score:.1%} of {len(played.games)} games against supervised, "
            "both without search (paper: more than 80%)"
        )
        return played.score

    def _positions(self) -> None:
        folder, settings = self.folder / "positions", self.config.value
        whole = folder / "whole"
        if all(store.is_whole(folder / part) for part in ("train", "test")) and (
            not settings.whole_games or store.is_whole(whole)
        ):
            return
        with self._tracked("positions") as tracker:
            self._make_positions(folder)
            tracker.log({"iteration": 1, "games": settings.games + settings.test_games})

    def _make_positions(self, folder: Path) -> None:
        """The stores of the value network: a position a game, and, to compare, all positions of few games."""
        settings = self.config.value
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
            store.write(folder / part, self.game, games, {"latest": latest}, territory=True)

    def _values(self) -> None:
        settings, folder = self.config.value, self.folder / "positions"
        self._fitted("value", settings.fit, folder / "train", folder / "test")
        if settings.whole_games:
            self._fitted("value_whole", settings.fit, folder / "whole", folder / "test")

    def _fitted(self, stage: str, settings: FitSettings, learned: Path, held_out: Path) -> None:
        """Learn the positions of one store, measured on those of another, as the stage `stage`."""
        if (self.agents / f"{stage}.safetensors").exists():
            return
        train, test = (store.load(folder, self._seen(settings)) for folder in (learned, held_out))
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
        """The comparison at the end: `arena/alphago/table.py`."""
        folder, config = self.folder / "table", self.config
        with self._tracked("table") as tracker:
            players = self._players()
            self.progress.phase("table", len(players) * (len(players) - 1) * config.table.openings)
            meetings = table.play(
                self.game, players, config.table, folder, seed=config.seed, progress=self.progress.advance
            )
            table.write(meetings, folder)
            ratings = table.estimate(meetings)
            row = {
                "iteration": 1,
                "games": sum(meeting.games for meeting in meetings),
                "ratings": [list(entry) for entry in ratings.ratings()],
                "tables": ["table.csv"],
                "pictures": ["table.svg"],
            }
            tracker.log(row)
        self.progress.note(f"the table: {folder / 'table.md'}, and as .csv and .svg")
        if copies := sum(meeting.copies for meeting in meetings):
            self.progress.note(f"not counted, since they are copies of other games: {copies:,}")
        return ratings

    def _players(self) -> dict[str, Player]:
        """The players of the table by name."""
        config, game = self.config, self.game
        parts = load_parts(game, self.agents, self.runtime, seed=config.seed)
        players: dict[str, Player] = {table.SUPERVISED: policy_player(sensibly(game, parts.policy))}
        for name, file in (("reinforced policy", REINFORCED), ("reinforced policy, second pass", AGAIN)):
            if (self.agents / file).exists():
                players[name] = policy_player(sensibly(game, self._evaluator(file)))
        players |= table.ablation(game, parts, config.table)
        return players | table.opponents(game, config.table, config.seed, self.progress.note)

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
        folder.mkdir(exist_ok=True)
        account = Account(folder, self.meter)
        tracker = Tracker.start(
            folder,
            name=f"{self.config.name}/{stage}",
            config=self.config.model_dump(mode="json"),
            project=tracking.project,
            mode=tracking.mode,
            last_row=found.state["row"] if found else None,
            group=self.config.name,
            always=account.figures,
        )
        code = 1
        try:
            yield tracker
            code = 0
        finally:
            account.figures()
            tracker.finish(code)


def rollout_records(game: Go, folder: Path) -> rollout.Records:
    """The games of the store in `folder`, whole: before their moves those that set up the handicap of `game`, if it has one."""
    columns = store.load(folder, game).columns
    moves, lengths, starts = (np.asarray(columns[name]) for name in rollout.Records._fields)
    begun = GameRecord(game.name, (), setup=start_stones(game.name), to_play=int(game.reset(1)["to_play"][0]))
    before = np.array(opening(begun, Go(game.size)), np.int16)
    moves = np.concatenate([np.tile(before, (len(moves), 1)), moves], axis=1)
    return rollout.Records(moves, lengths + len(before), starts + len(before))


def microseconds_a_move(game: Go, weights: rollout.Weights) -> float:
    """Time of a move in playouts of the rollout policy from the empty board, on one core."""
    policy, states = rollout.RolloutPolicy(game, weights), game.reset(256)
    policy.play(states[:1], np.zeros(1, np.uint64))  # compiles
    start = time.perf_counter()
    _, made = policy.play(states, np.arange(len(states), dtype=np.uint64))
    return 1e6 * (time.perf_counter() - start) / made
