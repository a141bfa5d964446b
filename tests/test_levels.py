"""Levels: every game has them, their players exist, and what is said of their strength is about today's players."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import envs
from agents.files import fingerprint, load_agent
from agents.identity import identify
from agents.levels import ladder, level, levels, measured
from agents.players import champion, has_champion, make_player, repeatable
from arena import cli


@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go9", "othello", "hex7", "chess"])
def test_every_level_is_a_player_that_moves(name: str) -> None:
    game = envs.make(name)
    for step in levels(game)[:3]:
        action = make_player(game, f"level:{step.number}", seed=1)(game.reset(2), np.random.default_rng(1))
        assert game.legal(game.reset(2))[np.arange(2), action].all()
    assert level(game, "novice").player == "random"
    assert level(game, "grandmaster") == levels(game)[-1]
    assert identify(game, "level:1").key == identify(game, "random").key


def test_what_is_no_level_names_those_that_are() -> None:
    with pytest.raises(ValueError, match="there is no level '12' of tictactoe; there are 1 novice, 2 casual"):
        make_player(envs.make("tictactoe"), "level:12")


@pytest.mark.parametrize("spec", ["clumsy", "clumsy:30", "clumsy:x:random", "clumsy:101:random", "clumsy:30:nobody"])
def test_a_clumsy_player_needs_a_share_and_a_player(spec: str) -> None:
    with pytest.raises(ValueError, match=r"clumsy:30:mcts:50|there is no player 'nobody'"):
        make_player(envs.make("tictactoe"), spec)


def test_a_clumsy_player_slips_as_often_as_it_says() -> None:
    """X completes a row unless it slips: then at one of the five free cells."""
    game, rng = envs.make("tictactoe"), np.random.default_rng(1)
    states = game.reset(4000)
    for action in (0, 3, 1, 4):
        states = game.step(states, np.full(4000, action))
    won = (make_player(game, "clumsy:40:minimax:1")(states, rng) == 2).mean()
    assert won == pytest.approx(0.6 + 0.4 / 5, abs=0.03)
    assert repeatable("clumsy:40:minimax:1")


@pytest.mark.parametrize("name", sorted(measured()))
def test_what_was_measured_is_todays_ladder_and_every_level_is_above_the_one_before(name: str) -> None:
    game, found = envs.make(name), measured()[name]
    assert set(found["elo"]) == set(ladder(game))
    elos = [found["elo"][player][0] for player in ladder(game)]
    assert elos == sorted(elos)
    assert elos[0] == 0
    assert all(low <= elo <= high for elo, low, high in found["elo"].values())
    assert found["champion"] == (fingerprint(load_agent(champion(game))) if has_champion(game) else "")


def test_levels_are_listed_and_a_game_that_was_not_measured_says_so() -> None:
    shown = CliRunner().invoke(cli.app, ["levels", "connect_four"]).output
    assert "grandmaster" in shown
    assert "games between neighbours" in shown
    assert "Not measured on this board" in CliRunner().invoke(cli.app, ["levels", "hex5"]).output
