"""The page of an AlphaGo run: its stages in their order, each beside the paper's figures, as far as the run has come."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import envs
from arena import rating
from arena.alphago import spent, store, table
from arena.alphago.settings import AlphaGoConfig
from arena.folders import config_of
from arena.footprint import Footprint
from arena.report.chart import Level, Series, line_chart, number
from arena.report.games import for_viewer, load
from arena.report.parts import (
    VIEWER,
    Row,
    cards,
    document,
    duration,
    energy,
    paragraph,
    section,
    series,
    tiles,
)
from arena.report.parts import table as table_card
from arena.settings import load as load_settings
from arena.tracking import read_rows
from envs.go import Go

TOP1, ROLLOUT_TOP1, ROLLOUT_MICROSECONDS, REINFORCED = 0.570, 0.242, 2.0, 0.80  # the paper's
# The paper's squared errors, learned from and held out. They seem to be halved: its figure 2b begins at 0.5, where values that
# know nothing of results of -1 and 1 are 1 off.
MSE, MSE_WHOLE = (0.226, 0.234), (0.19, 0.37)
REINFORCEMENTS = {"reinforced": "Reinforced policy", "reinforced_again": "Reinforced policy, second pass"}


PLAYERS = {"reinforced": "reinforced policy", "reinforced_again": "reinforced policy, second pass"}  # in the table


class Step(NamedTuple):
    """A stage as the paper has it."""

    folder: str
    title: str
    leaves: str  # the file that its end leaves
    measure: str  # what its figures are
    paper: str


STEPS = (
    Step("records", "Game records", "records/test/store.json", "games", "160,000"),
    Step("supervised", "Supervised policy", "agents/supervised.safetensors", "held-out moves foretold", f"{TOP1:.1%}"),
    Step("rollout", "Rollout policy", "rollout/policy.safetensors", "held-out moves foretold", f"{ROLLOUT_TOP1:.1%}"),
    Step(
        "reinforced",
        REINFORCEMENTS["reinforced"],
        "agents/reinforced.safetensors",
        "score against supervised",
        f"over {REINFORCED:.0%}",
    ),
    Step("positions", "Positions for the value network", "positions/test/store.json", "games, a position each", "30 M"),
    Step(
        "value",
        "Value network",
        "agents/value.safetensors",
        "squared error, learned / held out",
        "2 × {:g} / {:g}".format(*MSE),
    ),
    Step(
        "value_whole",
        "The same from whole games",
        "agents/value_whole.safetensors",
        "squared error, learned / held out",
        "2 × {:g} / {:g}".format(*MSE_WHOLE),
    ),
    Step(
        "reinforced_again",
        REINFORCEMENTS["reinforced_again"],
        "agents/reinforced_again.safetensors",
        "score against supervised",
        "",
    ),
    Step(
        "table",
        "Table of strengths",
        "table/table.csv",
        "Elo of all of it over supervised",
        f"{table.paper(table.whole_name(0.5)):+d}",
    ),
)


class Stage(NamedTuple):
    """A stage of a run."""

    step: Step
    state: str  # "done", "begun", "to come"
    figure: str  # like the step's `paper`; empty where there is none yet
    seconds: float
    used: Footprint  # nothing where nothing was estimated


class Found(NamedTuple):
    """What there is of a run."""

    folder: Path
    config: AlphaGoConfig
    rows: Mapping[str, Sequence[Row]]  # of metrics, by stage
    stores: Mapping[str, Row]  # summaries of the whole ones, "records/train"
    table: Sequence[table.Row]
    meetings: Sequence[table.Meeting]

    def last(self, stage: str, key: str) -> float | None:
        """The newest figure `key` of a stage; None where there is none yet."""
        return next((row[key] for row in reversed(self.rows[stage]) if key in row), None)


def page(run: Path) -> str:
    """The page as HTML. ValueError where no stage has left anything yet."""
    found = _find(run)
    stages = _stages(found)
    if all(stage.state == "to come" for stage in stages):
        raise ValueError(f"{run} has made nothing yet: wait for the end of its first stage, the game records")
    done = sum(stage.state == "done" for stage in stages)
    game = envs.make(found.config.game)
    shown = [
        for_viewer(game, agent, played)
        for folder in (*REINFORCEMENTS, "table")
        for agent, games in load(run / folder).items()
        for played in games
    ]
    sections = [
        _tiles(found, stages),
        section("The stages", _stage_table(stages)),
        section("Game records", _records(found)),
        section("Supervised policy", _supervised(found)),
        section("Rollout policy", _rollout(found)),
        *(section(title, _reinforced(found, stage)) for stage, title in REINFORCEMENTS.items()),
        section("Value network", _value(found)),
        section("Who is how strong", _table(found)),
        section("Sample games", VIEWER if shown else ""),
    ]
    about = f"{game.name} · AlphaGo as of 2016, stage by stage · {done} of {len(stages)} stages done"
    return document(found.config.name, about, sections, shown, config_of(run).read_text())


def _find(run: Path) -> Found:
    stages = ("records", "supervised", "rollout", *REINFORCEMENTS, "positions", "value", "value_whole", "table")
    parts = ("records/train", "records/test", "positions/train", "positions/test", "positions/whole")
    meetings = table.load(run / "table")
    return Found(
        run,
        load_settings(AlphaGoConfig, config_of(run)),
        {stage: read_rows(run / stage) for stage in stages},
        {part: json.loads((run / part / store.SUMMARY).read_bytes()) for part in parts if store.is_whole(run / part)},
        table.rows(meetings) if meetings else [],
        meetings,
    )


def _stages(found: Found) -> list[Stage]:
    """Every stage that the run's config asks for, in order."""
    config = found.config
    part = {
        "rollout": isinstance(envs.make(config.game), Go),
        "value_whole": config.value.whole_games,
        "reinforced_again": config.reinforce.second_iterations > 0,
    }
    return [_stage(found, step) for step in STEPS if part.get(step.folder, True)]


def _stage(found: Found, step: Step) -> Stage:
    """What it spent is in its account; stages of runs begun before there were accounts have their rows' working time."""
    folder, rows = found.folder / step.folder, found.rows[step.folder]
    account: dict[str, Any] = json.loads((folder / spent.FILE).read_bytes()) if (folder / spent.FILE).exists() else {}
    seconds = account.get("seconds", max((row.get("seconds", 0.0) for row in rows), default=0.0))
    used = Footprint(*(account.get(f"footprint/{unit}", 0.0) for unit in Footprint._fields))
    state = "done" if (found.folder / step.leaves).exists() else "begun" if folder.exists() else "to come"
    return Stage(step, state, _figure(found, step.folder), seconds, used)


def _figure(found: Found, stage: str) -> str:
    """What a stage is judged by, as far as it is known."""
    match stage:
        case "records" | "positions":
            parts = [found.stores.get(f"{stage}/{part}") for part in ("train", "test")]
            return f"{sum(part['games'] for part in parts if part):,}" if all(parts) else ""
        case "supervised" | "rollout":
            return _share(found.last(stage, "test/policy_top1"))
        case "reinforced" | "reinforced_again":
            return _share(found.last(stage, "reinforce/score_supervised"))
        case "value" | "value_whole":
            errors = [found.last(stage, f"{part}/value_mse") for part in ("train", "test")]
            return "" if None in errors else " / ".join(f"{error:.3f}" for error in errors)
        case _:
            name = table.whole_name(found.config.table.search.mix)
            return next((f"{row.elo:+.0f}" for row in found.table if row.player == name), "")


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _tiles(found: Found, stages: Sequence[Stage]) -> str:
    figures = []
    if "records/train" in found.stores:
        figures.append(("positions learned from", number(found.stores["records/train"]["positions"])))
    for label, stage, key, form in (
        ("held-out moves foretold", "supervised", "test/policy_top1", "{:.1%}"),
        ("reinforced against supervised", "reinforced", "reinforce/score_supervised", "{:.1%}"),
        ("squared error of the value", "value", "test/value_mse", "{:.3f}"),
    ):
        if (figure := found.last(stage, key)) is not None:
            figures.append((label, form.format(figure)))
    best = max((row for row in found.table if row.player.startswith("AlphaGo")), key=lambda row: row.elo, default=None)
    if best:
        figures.append((f"Elo of {best.player} over the supervised policy", f"{best.elo:+.0f}"))
    figures.append(("working time", duration(sum(stage.seconds for stage in stages))))
    if kwh := sum(stage.used.kwh for stage in stages):
        figures.append(("energy, estimated", energy(kwh)))
    return tiles(figures)


def _stage_table(stages: Sequence[Stage]) -> str:
    head = ["stage", "", "", "this run", "paper, 19x19", "time", "energy"]
    lines = [
        [step.title, state, step.measure, figure, step.paper, *_spent(seconds, used.kwh)]
        for step, state, figure, seconds, used in stages
    ]
    kwh, kg = (sum(figures) for figures in zip(*(stage.used for stage in stages), strict=True))
    lines.append(["together", *[""] * 4, *_spent(sum(stage.seconds for stage in stages), kwh)])
    if not kwh:
        return table_card(head[:-1], [line[:-1] for line in lines], left=3)
    without = [s.step.title.lower() for s in stages if s.state != "to come" and not s.used.kwh]
    words = f"Energy is codecarbon's estimate (arena/footprint.py says of what): {1000 * kg:.2g} g CO2e altogether"
    words += f"; none was made of: {', '.join(without)}." if without else "."
    return table_card(head, lines, left=3) + paragraph(words)


def _spent(seconds: float, kwh: float) -> tuple[str, str]:
    return duration(seconds) if seconds else "", energy(kwh) if kwh else ""


def _records(found: Found) -> str:
    """How many were read, what was not used and why."""
    parts = [found.stores.get(f"records/{name}") for name in ("train", "test")]
    if None in parts:
        return ""
    train, test = (part or {} for part in parts)
    lines = [
        (title, f"{part['games']:,}", f"{part['positions']:,}")
        for title, part in (("learned from", train), ("held out", test))
    ]
    lines += [(f"skipped: {reason}", f"{count:,}", "") for reason, count in sorted(train["skipped"].items())]
    if not train["skipped"]:
        lines.append(("skipped", "0", ""))
    return paragraph(f"From {train['source']}.") + table_card(("", "games", "positions"), lines)


def _by_steps(found: Found, stage: str, key: str, name: str) -> Series:
    config = found.config.supervised if stage == "supervised" else found.config.value.fit
    return series(found.rows[stage], key, name, "samples", config.train.batch)


def _supervised(found: Found) -> str:
    lines = [
        [_by_steps(found, "supervised", *key) for key in keys]
        for keys in (
            (("loss/policy", "learned from"), ("test/policy_loss", "held out")),
            (("test/policy_top1", "the most likely"), ("test/policy_top5", "among the first five")),
        )
    ]
    paper = [Level(f"paper, the most likely: {TOP1:.1%}", TOP1)]
    return cards(
        [
            ("Held-out moves that the policy foretells", line_chart(lines[1], "steps", "", levels=paper, percent=True)),
            ("Policy loss, nats", line_chart(lines[0], "steps", "nats")),
        ]
    )


def _rollout(found: Found) -> str:
    rows = found.rows["rollout"]
    if not rows:
        return ""
    top1, top5, speed = (
        found.last("rollout", key) for key in ("test/policy_top1", "test/policy_top5", "rollout/microseconds")
    )
    levels = [Level(f"paper, held out: {ROLLOUT_TOP1:.1%}", ROLLOUT_TOP1)]
    if top1 is not None:
        levels.append(Level(f"held out: {top1:.1%}", top1))
    accuracy = line_chart(
        [series(rows, "train/policy_top1", "learned from")], "epochs", "", levels=levels, percent=True
    )
    lines = [("held-out moves foretold", _share(top1), f"{ROLLOUT_TOP1:.1%}")]
    lines += [("among the first five", _share(top5), "")]
    lines += [("microseconds a move", "" if speed is None else f"{speed:.2f}", f"{ROLLOUT_MICROSECONDS:g}")]
    return cards(
        [
            ("Moves foretold", accuracy),
            ("Beside the paper", table_card(("", "this run", "paper"), lines) if top1 is not None else ""),
        ]
    )


def _reinforced(found: Found, stage: str) -> str:
    rows = found.rows[stage]
    if not rows:
        return ""
    words = []
    if (score := found.last(stage, "reinforce/score_supervised")) is not None:
        games = found.config.reinforce.test_games
        elo = rating.elo_difference(score, games)
        words.append(
            f"{score:.1%} of {games:,} games against the supervised policy, moves drawn from both: "
            f"{elo.elo:+.0f} Elo ({elo.low:+.0f} to {elo.high:+.0f})."
        )
    if met := next((m for m in found.meetings if (m.a, m.b) == (table.SUPERVISED, PLAYERS[stage])), None):
        share = (met.losses + met.draws / 2) / met.games
        words.append(f"In the table, with the most likely move of both: {share:.1%} of {met.games:,} games.")
    words.append(f"Paper: more than {REINFORCED:.0%}, both without search.")
    even = [Level("even", 0.5)]
    pool = line_chart(
        [series(rows, "reinforce/score", "score")], "batches of games", "", levels=even, zero=True, percent=True
    )
    return paragraph(" ".join(words)) + cards(
        [
            ("Score against the pool of earlier selves", pool),
            (
                "Entropy of the policy, nats",
                line_chart([series(rows, "reinforce/entropy", "entropy")], "batches of games", "nats", zero=True),
            ),
        ]
    )


def _value(found: Found) -> str:
    shown = []
    for stage, title, (_, held_out) in (
        ("value", "Squared error, a position a game", MSE),
        ("value_whole", "Squared error, all positions of few games", MSE_WHOLE),
    ):
        lines = [
            _by_steps(found, stage, key, name)
            for key, name in (("train/value_mse", "learned from"), ("test/value_mse", "held out"))
        ]
        paper = [Level(f"paper, held out: 2 × {held_out:g}", 2 * held_out)]
        shown.append((title, line_chart(lines, "steps", "", levels=paper, zero=True)))
    charts = cards(shown)
    words = (
        "Positions of one game share its result, so a network that learns all of them remembers the games: its error falls "
        f"on what it learned from and not on what is held out. Paper: {MSE[0]:g} learned from and {MSE[1]:g} held out with "
        f"a position a game, {MSE_WHOLE[0]:g} and {MSE_WHOLE[1]:g} with whole games. These seem to be halved, for its figure 2b "
        "begins at 0.5, where values that know nothing of results of -1 and 1 have a squared error of 1: compare twice them."
    )
    return paragraph(words) + charts if charts else ""


def _table(found: Found) -> str:
    """Ratings so far beside the paper's, and what the mixture λ does to them."""
    if not found.table:
        return ""
    lines = []
    for row in found.table:
        interval = "fixed" if row.low == row.high else f"{row.low:z.0f} to {row.high:z.0f}"
        figures = (f"{row.score:.1%}", f"{row.games:,}", f"{row.milliseconds:.1f}")
        lines.append(
            (row.player, f"{row.elo:z.0f}", interval, "" if row.paper is None else f"{row.paper:+d}", *figures)
        )
    sweep = sorted((mix, row) for row in found.table if (mix := _mix(row.player)) is not None)
    x, rows = [mix for mix, _ in sweep], [row for _, row in sweep]
    here = Series("this run", x, [r.elo for r in rows], [r.low for r in rows], [r.high for r in rows])
    known = [(mix, row.paper) for mix, row in sweep if row.paper is not None]
    paper = Series("paper, 19x19", [mix for mix, _ in known], [float(elo) for _, elo in known])
    mixed = line_chart([here, paper], "λ: 0 the value network alone, 1 rollouts alone", "Elo") if len(sweep) > 1 else ""
    words = (
        f"{len(found.meetings)} pairs have met, {found.config.table.simulations} simulations a move for those that search. "
        "Elo is over the raw supervised policy, here and in the paper, whose figures are of 19x19."
    )
    if copies := sum(meeting.copies for meeting in found.meetings):
        words += f" Not counted, since they are copies of other games: {copies:,}."
    head = ("player", "Elo", "95%", "paper", "score", "games", "ms a move")
    return (
        paragraph(words)
        + cards(
            [("Elo with its 95% interval", table.picture(found.table)), ("The mixture λ of rollouts and value", mixed)]
        )
        + table_card(head, lines)
    )


def _mix(player: str) -> float | None:
    """λ of a player that has the policy network and a leaf of its own; None of the others.

    >>> _mix("AlphaGo vp, λ 0"), _mix("AlphaGo rvp, λ 0.25"), _mix("AlphaGo rv, λ 0.5"), _mix("random")
    (0.0, 0.25, None, None)
    """
    name, found, mix = player.rpartition(", λ ")
    return float(mix) if found and name.endswith("p") else None
