"""A training run: iterations of play, learn, rate, save.

Deterministic on the CPU: every random draw comes from a generator made of (seed, iteration, purpose), and a checkpoint
holds all the rest. Killed anywhere and resumed, the run does over the iteration it was in and ends with the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import envs
from agents.evaluators import Evaluation, Evaluator
from agents.files import AgentFile, save_agent, write_atomically
from agents.planes import seen_by
from agents.players import Player, SearchPlayer, make_player
from agents.runtime import EXAMPLES, NetworkEvaluator, create, set_threads
from arena import checkpoint, gate, league, logbook, rater, rating
from arena.config import Config
from arena.folders import CONFIG, check_vacant
from arena.footprint import Footprint, Meter
from arena.learner import Learner
from arena.match import random_openings
from arena.memory import resident
from arena.progress import Progress
from arena.replay import Replay, Samples
from arena.resign import Resignation
from arena.settings import dump
from arena.tracking import Tracker
from arena.workers import Job, Order, employ, resolve_count, resolve_runtime
from envs import States

LEARNING_COST = 3  # network evaluations that a sample learned from counts as: forwards, and backwards twice that


class Purpose(IntEnum):
    """What a random generator is for: the third number of its seed."""

    SELFPLAY = 0
    TRAIN = 1
    RATE = 2
    EXAMPLES = 3
    LEAGUE = 4
    GATE = 5
    EVALUATOR = 6


class Rated(NamedTuple):
    """What one rating leaves behind."""

    figures: dict[str, Any]  # for the iteration's row
    assessment: rater.Assessment
    agent: Path


class Run:
    """One experiment in its folder. `resume` continues from the newest whole checkpoint there."""

    def __init__(self, config: Config, folder: Path, progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self.game = seen_by(config.network.planes, envs.make(config.game))
        set_threads(config.runtime)
        runtime = resolve_runtime(self.game, config.network, config.runtime, config.workers, config.selfplay.slots)
        spread = resolve_count(config.workers, runtime, config.selfplay.slots)
        self.config = config = config.model_copy(update={"game": self.game.name, "runtime": runtime, "workers": spread})
        for spec in dict.fromkeys((*config.rating.anchors, *config.league.anchors)):
            make_player(self.game, spec)  # whoever cannot play is refused before the first game
        torch.manual_seed(config.seed)
        self.learner = Learner(self.game, config.network, config.train, device=runtime.device)
        job = Job(config.game, config.network, runtime, config.search, config.selfplay, spread.cache)
        self.workers = employ(job, spread, progress.note)
        self.replay = Replay(config.replay)
        self.runtime = create(self.game, config.network, runtime)
        self.league = league.League(config.league)
        self.gate = gate.Gate(config.gate, self.learner.play_weights())
        self.resignation = Resignation(config.selfplay.resign)
        self.meter = Meter(config.footprint, progress.note)  # whoever runs it starts it
        self.iteration = 0  # finished ones
        self.games = self.positions = self.trained = self.evaluations = 0
        self.seconds = 0.0
        self.results: list[rating.Result] = []
        self.rated: list[str] = []
        self.row: dict[str, Any] | None = None  # of the last finished iteration
        self._phases: dict[str, float] = {}

    def create_folder(self) -> None:
        """Start a new run. ValueError if the folder already holds one."""
        check_vacant(self.folder)
        (self.folder / "agents").mkdir(parents=True, exist_ok=True)
        self._keep_config()

    def resume(self) -> None:
        """Load the newest whole checkpoint; what is newer than it will be made again. The config that holds from now on is kept.

        ValueError where nothing can be read, or where the settings are another run's.
        """
        self._load()
        self._keep_config()

    def _load(self) -> None:
        found, problems = checkpoint.newest(self.folder)
        for problem in problems:
            self.progress.note(problem)
        if found is None:
            if problems:
                raise ValueError(f"no checkpoint of {self.folder} can be read: start anew under another name")
            return
        state = found.state
        if state["game"] != self.game.name or state["game_version"] != self.game.version:
            raise ValueError(f"{self.folder} was trained on {state['game']}, version {state['game_version']}")
        try:
            self._restore(found)
        except KeyError as error:
            raise ValueError(
                f"the checkpoint of iteration {found.iteration} in {self.folder} was made by another version of arena, which "
                f"kept {error} otherwise or not at all: go on with that version, or start anew under another name (name=...)"
            ) from None
        checkpoint.discard_after(self.folder, self.iteration)

    def _restore(self, found: checkpoint.Checkpoint) -> None:
        """Be where the run was when it saved `found`. KeyError for what is not there as `_save` writes it."""
        state = found.state
        self.learner.restore(found.learner, state["steps"])
        for name, column in self.workers.state().items():  # workers elsewhere would only find out when they play
            kept = found.selfplay.get(name)
            if kept is None or (kept.dtype, kept.shape[1:]) != (column.dtype, column.shape[1:]):
                raise KeyError(name)
        self.workers.restore(found.selfplay)
        self.replay.parts, self.replay.made = found.replay, state["made"]
        self.iteration = found.iteration
        self.games, self.positions, self.trained = state["games"], state["positions"], state["trained"]
        self.evaluations = state.get("evaluations", 0)  # not counted before there were budgets
        self.seconds = state["seconds"]
        self.results = [rating.Result(*r) for r in state["results"]]
        self.rated, self.row = state["rated"], state["row"]
        self.league.restore(state["league"])
        self.gate.restore(found.best, state["gate"])
        self.resignation.restore(state["resignation"])
        self.meter.restore(state.get("footprint", {}))  # runs begun before there was one have used what nobody knows

    def _keep_config(self) -> None:
        write_atomically(self.folder / CONFIG, dump(self.config).encode())

    def train(self, tracker: Tracker) -> None:
        """Run until the last iteration is done or the budget is spent."""
        while not self._is_last(self.iteration):
            iteration = self.iteration + 1
            self._phases = {}
            row, samples = self._iterate(iteration)
            with self._phase("rate", 0):
                ratings = self._rate(iteration) if self._rates(iteration) else None
            row |= ratings.figures if ratings else {}
            footprint = self.meter.read()
            row |= footprint.figures(row.get("rating/elo"))
            if (held := resident()) is not None:
                row["memory"] = held
            self.seconds += sum(self._phases.values())
            row |= {"seconds": self.seconds} | {f"phase/{name}": t for name, t in self._phases.items()}
            with self._phase("save", 0):
                self._save(row, samples, footprint)
            self.iteration, self.row = iteration, row
            self.seconds += self._phases["save"]
            row |= {"seconds": self.seconds, "phase/save": self._phases["save"]}
            self._report(tracker, row, ratings)

    def _iterate(self, iteration: int) -> tuple[dict[str, Any], Samples]:
        """Play and learn; the iteration's figures and new samples."""
        config = self.config
        with self._phase("selfplay", config.selfplay.games):
            seed = (config.seed, iteration, Purpose.SELFPLAY)
            order = Order(self._playing(), seed, self._examples(iteration), self.resignation.threshold())
            samples, stats = self.workers.play(order, self.progress.advance)
        self.resignation.note(stats.played_out)
        met = self._meet_pool(iteration)
        if met is not None:
            samples = Samples.concatenate([samples, met.samples])
        if not len(samples):
            raise ValueError("no move was searched fully, so there is nothing to learn: raise selfplay.full_fraction")
        self.replay.add(iteration, samples)
        self.games += len(stats.games)
        self.positions += stats.moves
        self.evaluations += stats.evaluations - stats.cached
        steps = max(1, round(config.train.passes * len(samples) / config.train.batch))
        with self._phase("train", steps):
            window = self.replay.rows()
            figures: list[dict[str, float]] = []
            rng = self._rng(iteration, Purpose.TRAIN)
            for step in self.learner.train(window, steps, rng, progress=self._behind(iteration)):
                figures.append(step)
                self.progress.advance(1)
        self.trained += steps * config.train.batch
        row: dict[str, Any] = {
            "iteration": iteration,
            "games": self.games,
            "positions": self.positions,
            "samples": self.replay.made,
            "compute": self.compute,
        }
        row |= {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        row |= {
            "train/passes_per_sample": self.trained / self.replay.made,
            "train/weight_norm": self.learner.weight_norm(),
            "replay/size": len(window),
            "replay/window": config.replay.window(self.replay.made),
        }
        row |= stats.figures() | self.resignation.figures(stats.resigned, len(stats.games))
        return row | (met.figures() if met else {}) | self._evaluate_newest(iteration), samples

    def _playing(self) -> dict[str, Tensor]:
        """The weights that play: the newest, or the best so far where there is a gate."""
        return self.gate.best if self.gate.on else self.learner.play_weights()

    def _evaluate_newest(self, iteration: int) -> dict[str, float]:
        """The newest network at the gate, if there is one and it is time; the figures."""
        if not self.gate.due(iteration):
            return {}
        config, rng, weights = self.config, self._rng(iteration, Purpose.EVALUATOR), self.learner.play_weights()

        def player(weights: Mapping[str, Tensor]) -> Player:
            runtime = create(self.game, config.network, config.runtime)
            runtime.load(weights, self._examples(iteration))
            simulations = config.gate.simulations or config.selfplay.simulations
            return SearchPlayer(self.game, NetworkEvaluator(self.game, runtime), config.search, simulations)

        newest, best = player(weights), player(self.gate.best)
        openings = random_openings(self.game, config.gate.openings, config.rating.opening_plies, rng)
        count = len(openings.states)  # fewer where the game has not so many
        with self._phase("gate", 2 * count):
            decide = gate.reaches(config.gate.share, count)
            found = gate.challenge(self.game, newest, best, openings, decide, rng, progress=self.progress.advance)
        if found.verdict == "better":
            self.gate.crown(weights, iteration)
        return {
            "gate/score": found.match.score,
            "gate/games": len(found.match.games),
            "gate/best": self.gate.iteration,
        }

    def _meet_pool(self, iteration: int) -> league.LeagueGames | None:
        """The iteration's games against the league's pool; None where there is none to meet."""
        rng, config = self._rng(iteration, Purpose.LEAGUE), self.config
        drawn = self.league.draw(round(config.league.share * config.selfplay.games), rng)
        if not drawn:
            return None
        with self._phase("league", len(drawn)):
            names = sorted(set(drawn))
            past = [name for name in names if name in self.league.generations]
            opponents = rater.earlier_agents(self.game, self.folder / "agents", past, config.runtime, config.rating)
            seed = int(rng.integers(2**31))
            opponents |= {spec: make_player(self.game, spec, seed=seed) for spec in names if spec not in past}
            self.runtime.load(self._playing(), self._examples(iteration))
            met = league.play(
                self.game,
                self._counted(NetworkEvaluator(self.game, self.runtime)),
                config.search,
                config.selfplay,
                opponents,
                drawn,
                rng,
                replies=config.network.reply,
                progress=self.progress.advance,
            )
        self.league.note(met.scores)
        return met

    def _counted(self, evaluate: Evaluator) -> Evaluator:
        """`evaluate`, whose answers count as compute."""

        def counted(states: States) -> Evaluation:
            self.evaluations += len(states)
            return evaluate(states)

        return counted

    def _examples(self, iteration: int) -> NDArray[np.uint8] | None:
        """Positions of the replay window, from which an 8-bit network learns its ranges."""
        if self.config.runtime.precision != "int8" or len(self.replay) == 0:
            return None
        return self.replay.planes(self.game, EXAMPLES, self._rng(iteration, Purpose.EXAMPLES))

    def _rates(self, iteration: int) -> bool:
        return iteration % self.config.rating.every == 0 or self._is_last(iteration)

    @property
    def compute(self) -> int:
        """The run's own network's evaluations in self-play and in the league, and what learning cost in the same unit.

        The same on every machine.
        """
        return self.evaluations + LEARNING_COST * self.trained

    def _behind(self, iteration: int) -> float:
        """The share of the run that is behind after `iteration`, of its iterations or of its budget."""
        spent = self.compute / self.config.budget if self.config.budget else 0.0
        return max(iteration / self.config.iterations, spent)

    def _is_last(self, iteration: int) -> bool:
        return self._behind(iteration) >= 1

    def _rate(self, iteration: int) -> Rated:
        """Save the agent, play its matches, fit all ratings of the run again."""
        config, settings, name = self.config, self.config.rating, f"{iteration:06d}"
        weights = self._playing()
        origin: dict[str, str | int] = {"run": config.name, "iteration": iteration, "seed": config.seed}
        agent = AgentFile(self.game, config.network, config.search, settings.simulations, weights, origin)
        (self.folder / "agents").mkdir(exist_ok=True)
        save_agent(self.folder / "agents" / f"{name}.safetensors", agent)
        rng = self._rng(iteration, Purpose.RATE)
        self.runtime.load(weights, self._examples(iteration))
        evaluate = NetworkEvaluator(self.game, self.runtime)
        player = rater.agent_player(self.game, evaluate, config.search, settings.simulations)
        opponents = rater.anchors(self.game, settings, seed=int(rng.integers(2**31)))
        earlier = self.rated[-settings.earlier :] if settings.earlier else []
        opponents |= rater.earlier_agents(self.game, self.folder / "agents", earlier, config.runtime, settings)
        final = self._is_last(iteration)
        each = settings.final_openings if final and settings.final_openings else settings.openings
        self.progress.phase("rate", 2 * each * len(opponents))
        assessment = rater.assess(
            self.game, name, player, opponents, settings, rng, final=final, progress=self.progress.advance
        )
        logbook.keep_games(self.folder, name, assessment)
        self.results += assessment.results
        self.rated.append(name)
        challenged = self._challenge(name, player, iteration)
        table = rating.fit(self.results, anchors=dict(settings.anchors))
        own = next(r for r in table if r.name == name)
        figures: dict[str, Any] = {
            "rating/elo": own.elo,
            "rating/elo_low": own.low,
            "rating/elo_high": own.high,
            "rating/games": assessment.games,
            "rating/distinct_games": assessment.distinct,
            "ratings": [list(entry) for entry in table],
        }
        figures |= {
            f"rating/score/{opponent}": score
            for opponent, score in assessment.scores.items()
            if opponent in settings.anchors
        }
        figures |= challenged
        figures |= rater.keep_rates(self.game, evaluate, config.search, settings.keep_simulations, rng)
        return Rated(figures, assessment, self.folder / "agents" / f"{name}.safetensors")

    def _challenge(self, name: str, player: Player, iteration: int) -> dict[str, float]:
        """The newest agent against the league's last generation, whose successor it is if it wins; the figures."""
        if not self.config.league.share:
            return {}
        generations, settings = self.league.generations, self.config.rating
        if not generations:
            generations.append(name)
            return {"league/generations": 1}
        last, rng = generations[-1], self._rng(iteration, Purpose.GATE)
        champions = rater.earlier_agents(self.game, self.folder / "agents", [last], self.config.runtime, settings)
        found = league.challenge(self.game, player, champions[last], self.config.league, settings.opening_plies, rng)
        self.results.append(rater.result(name, last, found.match))
        if found.verdict == "better":
            generations.append(name)
        return {
            "league/generations": len(generations),
            "league/gate_score": found.match.score,
            "league/gate_games": len(found.match.games),
        }

    def _save(self, row: dict[str, Any], samples: Samples, footprint: Footprint) -> None:
        """The checkpoint of the iteration that `row` tells of."""
        state = {
            "game": self.game.name,
            "game_version": self.game.version,
            "steps": self.learner.steps,
            "made": self.replay.made,
            "games": self.games,
            "positions": self.positions,
            "trained": self.trained,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "results": [list(r) for r in self.results],
            "rated": self.rated,
            "row": row,
            "league": self.league.state(),
            "gate": self.gate.state(),
            "resignation": self.resignation.state(),
            "footprint": footprint._asdict(),
        }
        checkpoint.save(
            self.folder,
            row["iteration"],
            learner=self.learner.tensors(),
            selfplay=self.workers.state(),
            best=self.gate.tensors(),
            samples=samples,
            window=sorted(self.replay.parts),
            state=state,
            keep=self.config.keep_checkpoints,
        )

    def _report(self, tracker: Tracker, row: dict[str, Any], rated: Rated | None) -> None:
        """Log a finished, saved iteration."""
        pictures = self.config.tracking.pictures
        boards = logbook.boards(self.game, rated.assessment, self.iteration, pictures) if rated else []
        found = tracker.log(row, boards=boards)
        if rated and self.config.tracking.artifacts:
            logbook.log_artifacts(tracker, self.folder, self.config.name, self.game, row, rated.agent)
        for alarm in found:
            self.progress.note(f"{alarm.title}: {alarm.text}")
        self.progress.finished(row)

    def _rng(self, iteration: int, purpose: Purpose) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, iteration, purpose])

    @contextmanager
    def _phase(self, name: str, total: int) -> Iterator[None]:
        """Time a part of the iteration and show it."""
        self.progress.phase(name, total)
        start = time.perf_counter()
        yield
        self._phases[name] = self._phases.get(name, 0.0) + time.perf_counter() - start
