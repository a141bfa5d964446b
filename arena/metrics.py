"""What every metric means: one table, which docs/METRICS.md is made from and the tracker holds every row against."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class Metric(NamedTuple):
    name: str  # a pattern may end in *
    unit: str
    meaning: str


METRICS = (
    Metric(
        "iteration",
        "iterations",
        "Finished rounds of self-play, learning and saving, the axis of the rest; in a stage of AlphaGo, measurements, epochs "
        "or batches of games.",
    ),
    Metric(
        "games",
        "games",
        "Self-play games finished since the start of the run; in a stage of AlphaGo, games it made or read.",
    ),
    Metric("positions", "positions", "Plies searched in self-play since the start of the run."),
    Metric(
        "samples",
        "samples",
        "Training samples made since the start of the run: fully searched plies of finished games, the league's too; in a "
        "stage of AlphaGo, those it stored or learned from.",
    ),
    Metric(
        "compute",
        "evaluations",
        "Evaluations so far of the run's own network in self-play and in the league, and 3 for each sample learned from.",
    ),
    Metric(
        "seconds",
        "s",
        "Working time of the iterations so far, over all resumptions but for the save that each went on from; AlphaGo's stages "
        "leave saving and testing out.",
    ),
    Metric(
        "memory",
        "MiB",
        "Held by the run and the workers it has started, replay window included, not by those of a Ray cluster that was there "
        "before; Linux alone tells.",
    ),
    Metric("loss/total", "nats", "Weighted sum of the losses, mean of the iteration's steps."),
    Metric(
        "loss/policy",
        "nats",
        "Cross-entropy of the network's policy with the search's (AlphaGo: the move played): at least train/target_entropy.",
    ),
    Metric("loss/value", "nats", "Cross-entropy of the expected score (1 + value) / 2; 0.693 knows nothing."),
    Metric(
        "loss/ownership",
        "nats",
        "Cross-entropy a point of who owns it at the end (network.territory); a game not played out counts as 0.",
    ),
    Metric("loss/score", "areas^2", "Huber loss of the final score in board areas (network.territory); the same."),
    Metric(
        "loss/reply",
        "nats",
        "Cross-entropy of the opponent's next policy (network.reply); a game's last position counts as 0.",
    ),
    Metric(
        "loss/soft_policy", "nats", "Cross-entropy of the search's policy to the power of 1/4 (network.soft_policy)."
    ),
    Metric("train/policy_entropy", "nats", "Mean entropy of the network's policy: how undecided it is."),
    Metric("train/target_entropy", "nats", "Mean entropy of the search's policy: the floor of loss/policy."),
    Metric("train/policy_top1", "share", "Positions where network and search agree on the best move."),
    Metric("train/value_mse", "", "Mean squared error of the value, values in [-1, 1]."),
    Metric("train/value_calibration", "", "Expected calibration error: mean value against mean target, ten bins."),
    Metric("train/gradient_norm", "", "Length of the gradient before clipping."),
    Metric("train/weight_norm", "", "Length of all weights."),
    Metric("train/lr", "", "Learning rate."),
    Metric(
        "train/passes_per_sample", "passes", "Samples learned from over samples made: train.passes but for rounding."
    ),
    Metric("selfplay/games", "games", "Games finished in the iteration."),
    Metric("selfplay/positions", "positions", "Plies searched in the iteration."),
    Metric("selfplay/games_per_second", "1/s", "Self-play speed in games."),
    Metric(
        "selfplay/simulations_per_second",
        "1/s",
        "Self-play speed in nodes of search trees: simulations that need no more than look up a solved position are left out.",
    ),
    Metric("selfplay/evaluations_per_second", "1/s", "Self-play speed in positions the search asked about."),
    Metric("selfplay/cache_hits", "share", "Positions among them that a worker had asked its network about before."),
    Metric(
        "selfplay/network_share",
        "share",
        "Self-play time spent on evaluations: what the network is shown, its cache, itself; the rest is tree, rules, Python and "
        "selfplay/wait_share.",
    ),
    Metric(
        "selfplay/wait_share",
        "share",
        "Self-play time that a worker, on average, spent on new weights and on waiting for the last one.",
    ),
    Metric("selfplay/mean_plies", "plies", "Mean length of a game."),
    Metric("selfplay/first_player_wins", "share", "Games won by the first player."),
    Metric("selfplay/draws", "share", "Drawn games."),
    Metric("selfplay/distinct_games", "share", "Different games of the iteration over all of them."),
    Metric("selfplay/root_solved", "share", "Full searches that proved the value of their position."),
    Metric("selfplay/resigned", "share", "Games that ended by resignation."),
    Metric(
        "selfplay/resign_threshold",
        "",
        "From the next iteration on a side resigns whose position and best move are worth less than minus this; 1: nobody.",
    ),
    Metric(
        "selfplay/resign_false_positives",
        "share",
        "Games played out that this threshold would have ended and that the side it gives up did not lose.",
    ),
    Metric(
        "selfplay/resign_measured",
        "games",
        "Games played out that this threshold would have ended, the older the lighter.",
    ),
    Metric(
        "gate/score",
        "share",
        "Score of the newest network against the best so far, in the games that it took to decide.",
    ),
    Metric("gate/games", "games", "Games that took: it ends when the rest cannot change the decision."),
    Metric("gate/best", "iteration", "The iteration whose network plays since."),
    Metric("replay/size", "samples", "Samples in the window, whole iterations."),
    Metric("replay/window", "samples", "Size the window should have (replay settings)."),
    Metric(
        "rating/elo",
        "Elo",
        "Maximum-likelihood Elo of the newest agent (with a gate: of the best so far), anchors fixed.",
    ),
    Metric("rating/elo_low", "Elo", "Lower end of its 95% interval."),
    Metric("rating/elo_high", "Elo", "Upper end of its 95% interval."),
    Metric("rating/games", "games", "Rating games of this iteration."),
    Metric("rating/distinct_games", "games", "Those among them that are no copies of another."),
    Metric("rating/score/*", "share", "Mean score against this anchor: wins plus half the draws."),
    Metric(
        "footprint/kwh",
        "kWh",
        "Energy of the run and of the processes it has started, over all resumptions: an estimate (arena/footprint.py says how).",
    ),
    Metric("footprint/co2e_kg", "kg", "CO2e of that energy by the carbon intensity of the grid: an estimate."),
    Metric(
        "footprint/elo_per_kwh",
        "Elo/kWh",
        "rating/elo over the energy so far: an estimate.",
    ),
    Metric(
        "league/games",
        "games",
        "Games of the iteration against the pool; the network's moves in them are learned from too.",
    ),
    Metric(
        "league/score/*",
        "share",
        "Mean score of the network that plays (rating/elo) against this opponent of the pool.",
    ),
    Metric(
        "league/generations",
        "agents",
        "The first rated agent, and those that beat the one before them by the sequential test.",
    ),
    Metric("league/gate_score", "share", "Score of the newest agent in its challenge to the last generation."),
    Metric("league/gate_games", "games", "Games that challenge took."),
    Metric("test/policy_loss", "nats", "Held-out positions: cross-entropy of the policy with the move played."),
    Metric("test/policy_top1", "share", "Held-out positions whose move the policy finds most likely (AlphaGo 57.0%)."),
    Metric("test/policy_top5", "share", "Held-out positions whose move is among the policy's first five."),
    Metric("test/value_loss", "nats", "Held-out positions: cross-entropy of the expected score."),
    Metric(
        "test/value_mse",
        "",
        "Held-out positions: mean squared error of the value, in [-1, 1] (AlphaGo 0.234, half of it by its figure 2b).",
    ),
    Metric("test/ownership_loss", "nats", "Held-out positions: cross-entropy a point of who owns it at the end."),
    Metric("records/skipped", "games", "Game records not used: another board, an illegal move, no moves and the like."),
    Metric("rollout/microseconds", "us", "Time of a move of the rollout policy in playouts, on one core (AlphaGo 2)."),
    Metric("reinforce/score", "share", "Mean score of the learning policy against the opponents of its pool."),
    Metric(
        "reinforce/score_supervised",
        "share",
        "Mean score of the reinforced policy against the supervised one, both sampled, no search (AlphaGo over 80%).",
    ),
    Metric("reinforce/loss", "", "The surrogate whose gradient REINFORCE follows; its size means nothing."),
    Metric("reinforce/entropy", "nats", "Mean entropy of the learning policy in its own games."),
    Metric("reinforce/pool", "opponents", "Earlier selves in the pool."),
    Metric(
        "keep/policy", "share", "Connect Four: raw policy moves that keep the exact value, where some move loses it."
    ),
    Metric("keep/policy_*", "share", "The same by phase: opening, middle, end (arena/yardstick.py)."),
    Metric("keep/search", "share", "The same of the search, rating.keep_simulations a move."),
    Metric("keep/search_*", "share", "The same by phase."),
    Metric(
        "phase/*", "s", "Wall-clock seconds of this part of the iteration: selfplay, league, train, gate, rate, save."
    ),
    Metric("ratings", "table", "The whole rating list of the run: player, Elo, interval, games, mean score."),
    Metric(
        "boards",
        "table",
        "Sample rating games: last position (a file in the run's folder), opponent, the agent's seat and result, moves.",
    ),
    Metric("pictures", "pictures", "Of a study (`arena study`) or of AlphaGo's table, files in its folder."),
    Metric("tables", "tables", "Of a study or of AlphaGo's table, CSV files in its folder."),
    Metric(
        "blackbox/deletion/*", "", "Area under the answer's curve as stones go in this method's order, less random."
    ),
    Metric("generate/legal_boards", "share", "Boards sampled from the variational auto-encoder that the rules allow."),
    Metric("generate/bound", "nats", "Evidence lower bound of held-out boards, a board."),
    Metric("generate/next_move_top1/*", "share", "Held-out moves that this recurrent network finds most likely."),
    Metric("generate/legal_moves/*", "share", "Probability that a move drawn from this network is legal."),
    Metric("openings/silhouette", "", "Of the clusters of openings: 1 far apart, 0 not apart at all."),
    Metric(
        "openings/score_spread", "share", "Largest less smallest mean score of the first player among the clusters."
    ),
    Metric("compress/elo/*", "Elo", "Of this smaller form of an agent against the original."),
    Metric("neighbours/*", "share", "Of the ten nearest positions by this embedding: same phase, result or next move."),
    Metric("bias/top1", "share", "Recorded moves that are the policy's first choice."),
    Metric("bias/value_mse", "", "Mean squared error of the value against the recorded result."),
    Metric("bias/lean", "", "Mean value less mean result, for the side to move: above 0 it hopes for too much."),
    Metric("bias/calibration", "", "Expected calibration error of the value, ten bins."),
    Metric(
        "bias/spread/*",
        "share",
        "Largest less smallest top 1 among the groups of this theme: colour, phase, rank, source.",
    ),
    Metric("blackbox/sanity/*", "", "Rank correlation of this method's maps with those of random weights; 0 is sane."),
)


def describe(name: str) -> Metric | None:
    """The table's entry for a metric, or None."""
    return next((metric for metric in METRICS if fnmatchcase(name, metric.name)), None)


def markdown() -> str:
    """docs/METRICS.md."""
    lines = [
        "# Metrics",
        "",
        "One row an iteration, the same in `metrics.jsonl` and in Weights & Biases. Made by `python -m arena.metrics`.",
        "",
        "| metric | unit | meaning |",
        "|---|---|---|",
        *(f"| `{m.name}` | {m.unit} | {m.meaning} |" for m in METRICS),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("docs", "METRICS.md").write_text(markdown())
