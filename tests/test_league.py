"""The league: who is met, what is learned from those games, and who becomes a generation."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

import envs
from agents.evaluators import Evaluation, uniform
from agents.players import Forfeit, Loss, SearchPlayer, make_player, policy_player
from agents.search import SearchSettings
from arena.league import League, LeagueSettings, challenge, play
from arena.selfplay import SelfPlaySettings
from envs import States, random_actions

GAME = envs.make("tictactoe")
SEARCH = SearchSettings(rule="gumbel")
RNG = np.random.default_rng


def pool(prefer: str = "hard") -> League:
    league = League(LeagueSettings.model_validate({"share": 1.0, "past": 2, "anchors": ("random",), "prefer": prefer}))
    league.generations += ["000001", "000002", "000003"]
    return league


def test_the_pool_is_the_newest_generations_and_the_anchors() -> None:
    assert pool().pool() == ["000002", "000003", "random"]
    assert League(LeagueSettings(share=1.0)).draw(5, RNG(0)) == []


def test_whoever_beats_the_newest_network_is_met_more_often() -> None:
    scores = {"000002": [1.0] * 20, "000003": [0.0] * 20, "random": [0.5] * 20}
    met = {}
    for prefer in ("hard", "even"):
        league = pool(prefer)
        league.note(scores)
        drawn = league.draw(3000, RNG(0))
        met[prefer] = [drawn.count(name) / 3000 for name in league.pool()]
    assert met["hard"][1] > 0.7 > 0.3 > met["hard"][2] > met["hard"][0] > 0
    np.testing.assert_allclose(met["even"], 1 / 3, atol=0.04)


def test_old_scores_fade_and_all_is_kept_in_json() -> None:
    league = pool()
    league.note({"000003": [0.0] * 10})
    for _ in range(30):
        league.note({"000003": [1.0]})
    again = pool()
    again.restore(json.loads(json.dumps(league.state())))
    assert again.state() == league.state()
    points, games = again.scores["000003"]
    assert points / games > 0.9


@pytest.mark.parametrize("opponent", ["solver", "random"])
def test_the_networks_moves_alone_become_samples_and_are_worth_what_its_games_were(opponent: str) -> None:
    """Against the exact player no position is ever won, against random play hardly one lost, from either seat."""
    opponents = {opponent: make_player(GAME, opponent, seed=0)}
    settings = SelfPlaySettings(simulations=48, value_mix=0.0)
    met = play(GAME, uniform(GAME), SEARCH, settings, opponents, [opponent] * 40, RNG(0))
    assert 2 * 40 <= len(met.samples) <= 5 * 40, "of 5 to 9 plies a game the network made 2 to 5"
    assert set(np.unique(met.samples.value)) <= {-1.0, 0.0, 1.0}
    if opponent == "solver":
        assert max(met.scores["solver"]) == 0.5
        assert met.samples.value.max() == 0
    else:
        assert np.mean(met.scores["random"]) > 0.85
        assert (met.samples.value > 0).sum() > 5 * (met.samples.value < 0).sum()


def test_an_opponent_that_gives_up_loses_the_game_and_not_the_run() -> None:
    """A Go program that resigned, or crashed, ended the training."""
    go = envs.make("go5")

    def quits(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        """In every other game after six plies."""
        losses = {int(i): Loss("resignation") for i in np.flatnonzero(states["ply"] >= 6) if i % 2 == 0}
        actions = random_actions(go.legal(states), rng)
        if losses:
            raise Forfeit(losses, actions)
        return actions

    heard = list[int]()
    settings = SelfPlaySettings(simulations=4)
    met = play(
        go, uniform(go), SEARCH, settings, {"quits": quits}, ["quits"] * 8, RNG(0), replies=True, progress=heard.append
    )
    assert sum(heard) == len(met.scores["quits"]) == 8
    given_up = np.isnan(met.samples.score)
    assert given_up.sum() > 0
    assert (met.samples.value[given_up] == 1).all()
    assert (met.samples.reply.sum(axis=1) == 0).sum() <= 8, "only a game's last position has no answer"


def test_a_game_that_the_opponent_gives_up_before_the_network_moved_teaches_nothing() -> None:
    def quits(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        raise Forfeit({i: Loss("crash") for i in range(len(states))}, np.zeros(len(states), np.int64))

    settings, seed = SelfPlaySettings(simulations=4, random_plies=1), 0  # of one random move: the opponent's turn
    met = play(GAME, uniform(GAME), SEARCH, settings, {"quits": quits}, ["quits"], RNG(seed), replies=True)
    assert (len(met.samples), met.scores) == (0, {"quits": [1.0]})


def test_games_open_at_random_where_the_settings_say_so() -> None:
    settings = SelfPlaySettings(simulations=4, random_plies=4)
    opponents = {"random": make_player(GAME, "random", seed=0)}
    met = play(GAME, uniform(GAME), SEARCH, settings, opponents, ["random"] * 40, RNG(1))
    longest = play(
        GAME, uniform(GAME), SEARCH, settings.model_copy(update={"random_plies": 0}), opponents, ["random"] * 40,
        RNG(1),
    )  # fmt: skip
    assert len(met.samples) < len(longest.samples)


@pytest.mark.parametrize(
    ("challenger", "champion", "verdict"), [("solver", "random", "better"), ("random", "solver", "not better")]
)
def test_a_challenge_ends_as_soon_as_it_is_decided(challenger: str, champion: str, verdict: str) -> None:
    settings = LeagueSettings(gate_elo=200.0, gate_openings=128)
    players = [make_player(GAME, spec, seed=0) for spec in (challenger, champion)]
    found = challenge(GAME, *players, settings, 1, RNG(0))
    assert found.verdict == verdict
    assert len(found.match.games) < 256


def test_equals_stay_undecided_or_are_refused() -> None:
    player = make_player(GAME, "solver", seed=0)
    found = challenge(GAME, player, player, LeagueSettings(gate_openings=16), 0, RNG(0))
    assert found.verdict != "better"
    assert {game.score for game in found.match.games} == {0.5}


def test_games_that_agents_play_again_move_for_move_decide_nothing() -> None:
    """Two games of one opening, each counted 32 times, made a generation."""

    def highest(states: States) -> Evaluation:
        legal = GAME.legal(states)
        return Evaluation(legal * np.arange(1, 10, dtype=np.float32) / 45, np.zeros(len(states), np.float32))

    weak, strong = policy_player(highest), SearchPlayer(GAME, uniform(GAME), SEARCH, 200)
    settings = LeagueSettings(gate_elo=200.0, gate_openings=64)
    one, more = (challenge(GAME, strong, weak, settings, plies, RNG(0)) for plies in (0, 3))
    assert [game.score for game in one.match.games] == [1.0, 1.0]
    assert (one.verdict, more.verdict) == ("undecided", "better")
    assert more.match.distinct == len(more.match.games)
