"""Resignation: off unless asked for, only of lost games, the same for every player that searches, in matches and over GTP."""

from __future__ import annotations

import io

import numpy as np
import pytest

import envs
from agents.alphago.search import APVPlayer, APVSettings, Parts
from agents.classic import Clumsy
from agents.evaluators import Evaluation, Evaluator, uniform
from agents.players import Forfeit, Player, SearchPlayer, make_player, resigning
from agents.search import SearchSettings
from arena.gtp import engine as gtp
from arena.match import Openings, play_match
from envs import Game, States

GAME = envs.make("go5:komi=0.5")


def black_wins(game: Game, certainty: float) -> Evaluator:
    """Even priors and the opinion that Black has won."""

    def evaluate(states: States) -> Evaluation:
        sign = 1 - 2 * states["to_play"].astype(np.float32)
        return Evaluation(uniform(game)(states).priors, sign * np.float32(certainty))

    return evaluate


def player(kind: str, certainty: float) -> Player:
    opinion = black_wins(GAME, certainty)
    if kind == "search":
        return SearchPlayer(GAME, opinion, SearchSettings(rule="puct"), 20)
    settings = APVSettings(mix=0.0, asynchronous=False)
    return APVPlayer(GAME, Parts(opinion, opinion, opinion, opinion), settings, 20)


def both_to_move() -> States:
    """[2] a position with Black to move, and one with White to move."""
    states = GAME.step(GAME.reset(2), np.array([12, 12]))
    states[:1] = GAME.step(states[:1], np.array([7]))
    return states


@pytest.mark.parametrize("kind", ["search", "alphago"])
def test_only_lost_games_are_given_up_and_only_where_it_is_asked_for(kind: str) -> None:
    states, rng = both_to_move(), np.random.default_rng(0)
    assert GAME.legal(states)[[0, 1], player(kind, 0.9)(states, rng)].all()
    assert GAME.legal(states)[[0, 1], resigning(player(kind, 0.7), 0.8)(states, rng)].all()
    with pytest.raises(Forfeit, match=r"resignation: worth -0\.\d\d") as forfeit:
        resigning(player(kind, 0.9), 0.8)(states, rng)
    assert list(forfeit.value.losses) == [1]  # White's
    assert forfeit.value.resigned
    assert GAME.legal(states)[0, forfeit.value.actions[0]]
    with pytest.raises(Forfeit):  # a single position is searched otherwise
        resigning(player(kind, 0.9), 0.8)(states[1:], rng)


@pytest.mark.parametrize("kind", ["search", "alphago"])
def test_a_match_goes_on_without_the_games_that_were_given_up(kind: str) -> None:
    start = Openings(GAME.reset(1), [()]).repeated(3)
    loser = resigning(player(kind, 0.9), 0.8)
    played = play_match(GAME, make_player(GAME, "random"), loser, start, np.random.default_rng(0))
    assert len(played.games) == 6
    as_white = [game for game in played.games if game.a_first]
    assert [(game.reason, game.score, len(game.actions)) for game in as_white] == [("resignation", 1.0, 1)] * 3
    assert all(len(game.actions) > 5 for game in played.games if not game.a_first)


def test_a_proven_loss_is_a_lost_game() -> None:
    game = envs.make("tictactoe")
    states = game.reset(1)
    for action in (4, 1, 0, 8, 6):  # O to move; X threatens two lines
        states = game.step(states, np.array([action]))
    with pytest.raises(Forfeit, match=r"worth -1\.00"):
        resigning(make_player(game, "mcts:200"), 0.99)(states, np.random.default_rng(0))


def test_a_clumsy_player_gives_up_what_the_player_inside_takes_for_lost() -> None:
    """Only rows that it thinks about, and its own ones: the player inside is asked about those alone."""
    states, rng = np.repeat(both_to_move()[1:], 40), np.random.default_rng(0)
    states[::2] = both_to_move()[0]  # Black, who has won
    clumsy = resigning(Clumsy(GAME, player("search", 0.9), 0.5), 0.8)
    with pytest.raises(Forfeit) as forfeit:
        clumsy(states, rng)
    lost = list(forfeit.value.losses)
    assert all(row % 2 for row in lost)
    assert 3 < len(lost) < 17
    assert GAME.legal(states)[np.arange(40), forfeit.value.actions].all()
    assert GAME.legal(states)[np.arange(40), Clumsy(GAME, player("search", 0.9), 0.5)(states, rng)].all()
    with pytest.raises(ValueError, match="resigning is for players that search"):
        resigning(make_player(GAME, "clumsy:30:greedy"), 0.8)
    assert resigning(make_player(GAME, "level:3"), 0.8)


def test_who_does_not_search_cannot_resign() -> None:
    with pytest.raises(ValueError, match="resigning is for players that search"):
        resigning(make_player(GAME, "random"), 0.8)
    with pytest.raises(ValueError, match=r"resign is 8: give a number from 0 to 1, such as AlphaGo's 0\.8"):
        resigning(make_player(GAME, "mcts:10"), 8.0)


LOST = "\n".join(["boardsize 5", "komi 0.5", "play b c3", "play b b3", "play b d3", "play b c2", "play b c4"])


@pytest.mark.parametrize(("resign", "answer"), [(0.5, "= resign"), (None, "= ")])
def test_genmove_answers_resign_and_the_board_stays(resign: float | None, answer: str) -> None:
    out = io.StringIO()
    commands = f"{LOST}\ngenmove w\nkata-genmove_analyze w\nplay w a1\nquit\n"
    gtp.run(envs.make("go5"), "mcts:100", 0, io.StringIO(commands), out, resign=resign)
    answers = out.getvalue().split("\n\n")
    assert answers[7].startswith(answer)
    assert (answers[7] == "= resign") == (resign is not None)
    assert answers[8].endswith("play resign") == (resign is not None)
    if resign is not None:
        assert answers[9] == "="  # White's turn, A1 still empty
