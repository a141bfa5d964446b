"""Studies: what they compute is held against answers known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import envs
from agents.evaluators import Evaluation, uniform
from agents.network import NetworkSettings
from arena.study import bias, blackbox, compress, generate, inspect, legal, neighbours, openings, positions
from envs import records
from envs.records import GameRecord
from tests.studied import agent

pytest.importorskip("matplotlib", reason="the extra `study` is not installed")
pytest.importorskip("captum", reason="the extra `study` is not installed")


class Known(nn.Module):
    """Answers that rest on three points and nothing else: log p = 2 x[0, 5, 3] - x[1, 5, 4] - 2, value = x[0, 4, 3] / 2."""

    def forward(self, planes: Tensor, legal: Tensor, action: Tensor) -> Tensor:
        log_policy = 2 * planes[:, 0, 5, 3] - planes[:, 1, 5, 4] - 2
        return torch.stack([log_policy, planes[:, 0, 4, 3] / 2], dim=1)


def known_question() -> blackbox.Question:
    """First: d1, d2, c1 ...; the first player to move, so that plane 0 holds (5, 3), (4, 3) and plane 1 holds (5, 4)."""
    game = envs.make("connect_four")
    states = game.reset(1)
    for action in (3, 4, 3, 2, 0, 6):
        states = game.step(states, np.array([action]))
    network = inspect.random_network(game, NetworkSettings(blocks=1, channels=4), 0)
    (question,) = blackbox.ask(game, network, states)
    return question


@pytest.mark.parametrize("method", ["occlusion", "integrated gradients"])
def test_maps_give_each_stone_what_it_adds(method: str) -> None:
    question, answers = known_question(), Known()
    move = blackbox.MAPS[method](answers, question, 0)
    expected = np.zeros((6, 7))
    expected[5, 3], expected[5, 4] = 2, -1
    np.testing.assert_allclose(move, expected, atol=1e-5)
    value = blackbox.MAPS[method](answers, question, 1)
    np.testing.assert_allclose(value.sum(), 0.5, atol=1e-5)
    assert value[4, 3] == pytest.approx(0.5)


def test_saliency_is_the_size_of_the_slope() -> None:
    found = blackbox.saliency(Known(), known_question(), 0)
    assert found[5, 3] == pytest.approx(2)
    assert found[5, 4] == pytest.approx(1)
    assert np.count_nonzero(found) == 2


def test_taking_off_the_stone_that_counts_first_makes_the_answer_fall_at_once() -> None:
    question, answers = known_question(), Known()
    assert len(question.stones) == 6
    order = np.concatenate([[5 * 7 + 3], question.stones[question.stones != 5 * 7 + 3]])
    fallen = blackbox.deletion(answers, question, order)
    assert fallen[0, 0] == pytest.approx(np.exp(-1))
    assert fallen[1, 0] == pytest.approx(np.exp(-3))
    maps = blackbox.maps_of(answers, [question])
    curves = blackbox.deletion_curves(answers, [question], maps, np.random.default_rng(0))
    for answer in blackbox.ANSWERS:
        assert curves["occlusion", answer].mean() < curves["random", answer].mean()


def test_the_board_without_stones_is_the_start_but_for_the_side_to_move() -> None:
    game = envs.make("connect_four")
    states = game.step(game.reset(1), np.array([3]))
    for action in (3, 2, 3, 5):
        states = game.step(states, np.array([action]))
    network = inspect.random_network(game, NetworkSettings(blocks=1, channels=4), 0)
    (question,) = blackbox.ask(game, network, states)
    assert question.state["to_play"] == 1
    assert not question.empty[0, :2].any()
    assert question.empty[0, 2].all()  # the second player is still to move


def test_maps_agree_with_themselves_and_not_with_random_weights() -> None:
    trained = agent()
    network = inspect.load_network(trained)
    own = positions.own_games(trained.game, inspect.evaluator(trained), 6, np.random.default_rng(0))
    questions = blackbox.ask(trained.game, network, own.states[::7])
    maps = blackbox.maps_of(inspect.Answers(network), questions)
    assert min(blackbox.agreement(questions, maps, maps).values()) == pytest.approx(1)
    other = inspect.random_network(trained.game, trained.network, 1)
    found = blackbox.agreement(questions, maps, blackbox.maps_of(inspect.Answers(other), questions))
    assert max(abs(value) for value in found.values()) < 0.7


def test_attention_is_a_share_of_all_points_and_other_trunks_have_none() -> None:
    game = envs.make("tictactoe")
    planes = torch.from_numpy(game.observe(game.reset(2))).float()
    seen = agent("tictactoe", trunk="transformer", blocks=2, attention_heads=2)
    looks = inspect.attention(inspect.load_network(seen), planes)
    assert [look.weights.shape for look in looks] == [(2, 2, 9, 9)] * 2
    torch.testing.assert_close(looks[1].weights.sum(dim=3), torch.ones(2, 2, 9))
    assert inspect.attention(inspect.load_network(agent("tictactoe")), planes) == []


def test_own_games_end_and_results_are_for_the_side_to_move() -> None:
    game = envs.make("connect_four")
    found = positions.own_games(game, inspect.evaluator(agent()), 5, np.random.default_rng(1))
    assert len(found.records) == 5
    for i, record in enumerate(found.records):
        mine = found.number == i
        line = records.replay(record, game)
        np.testing.assert_array_equal(found.states[mine], line[:-1])
        last = game.returns(line[-1:])[0]  # for the player who did not move last
        assert found.result[mine][-1] == -last


def test_recorded_positions_are_those_of_the_file(tmp_path: Path) -> None:
    game = envs.make("connect_four")
    won = GameRecord("connect_four", (3, 2, 3, 2, 3, 2, 3), 1.0, headers={"date": "2026-01-01"})
    unknown = GameRecord("connect_four", (0, 1), None)
    records.write(tmp_path / "games.moves", [won, unknown])
    found = positions.recorded(game, tmp_path, count=1000, rng=np.random.default_rng(0))
    assert found.action.tolist() == [3, 2, 3, 2, 3, 2, 3, 0, 1]
    assert found.result[:7].tolist() == [1, -1, 1, -1, 1, -1, 1]
    assert np.isnan(found.result[7:]).all()
    assert found.phase[:7].tolist() == [0, 0, 0, 1, 1, 2, 2]


def some_positions(n: int, results: list[float]) -> positions.Positions:
    """n positions of one Connect Four game each, the first player's ply 0, with move 0."""
    game = envs.make("connect_four")
    lines = [GameRecord("connect_four", (0, 1, 2)) for _ in range(n)]
    number = np.arange(n)
    return positions.Positions(game, game.reset(n), np.zeros(n, np.int64), np.array(results, np.float32), number, lines)


def test_an_agent_is_judged_by_what_was_played_and_who_won() -> None:
    priors = np.array([[0.4, 0.3, 0.1, 0.1, 0.05, 0.05, 0], [0.01, 0.4, 0.2, 0.2, 0.1, 0.09, 0]], np.float32)
    judged = bias.judge(Evaluation(priors, np.array([0.5, -0.5], np.float32)), some_positions(2, [1.0, 1.0]))
    assert judged.top1.tolist() == [1, 0]
    assert judged.top5.tolist() == [1, 0]
    assert judged.error.tolist() == [0.25, 2.25]


def test_calibration_error_is_nothing_for_a_prophet_and_the_gap_for_a_boaster() -> None:
    result = np.array([1.0, -1.0, 1.0, 1.0])
    assert bias.calibration_error(result, result) == 0
    assert bias.calibration_error(np.full(4, 0.9), result) == pytest.approx(0.4)
    half_known = np.array([1.0, np.nan])
    assert bias.calibration_error(np.array([1.0, -1.0]), half_known) == 0


def test_positions_of_one_game_are_no_independent_observations() -> None:
    x = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    apart = bias.clustered_mean(x, np.arange(8))
    together = bias.clustered_mean(x, np.repeat([0, 1], 4))
    assert apart.value == together.value == 0.5
    assert together.error == pytest.approx(2 * apart.error)


def test_turned_boards_have_the_answers_of_the_board_turned() -> None:
    """A network with weights that cannot tell left from right would answer alike; this one does not, and that is seen."""
    trained = agent()
    game = trained.game
    states = game.step(game.reset(1), np.array([1]))
    mirror = game.step(game.reset(1), np.array([5]))
    seen = bias.turned(game, trained, states)
    direct = inspect.evaluator(trained)(mirror)
    np.testing.assert_allclose(seen.priors[1, 0], direct.priors[0, ::-1], rtol=1e-4)
    np.testing.assert_allclose(seen.values[1], direct.values, rtol=1e-4)


def test_groups_are_those_of_the_player_to_move() -> None:
    game = envs.make("connect_four")
    lines = [GameRecord("connect_four", (0, 1), 1.0, headers={"first_rank": "9p", "second_rank": "25k", "source": "x"})]
    start, after = game.reset(60), game.step(game.reset(60), np.zeros(60, np.int64))
    found = positions.Positions(
        game,
        np.concatenate([start, after]),
        np.zeros(120, np.int64),
        np.ones(120, np.float32),
        np.zeros(120, np.int64),
        lines,
    )
    ranks = dict(bias.groups(found)["rank"])
    assert np.flatnonzero(ranks["professional"]).tolist() == list(range(60))
    assert np.flatnonzero(ranks["20-30 kyu"]).tolist() == list(range(60, 120))
    assert "source" not in bias.groups(found)  # one source cannot be compared with any


def test_nearest_positions_are_the_nearest_of_other_games() -> None:
    vectors = np.array([[0.0], [0.1], [5.0], [0.3], [6.0], [-1.0]], np.float32)
    number = np.array([0, 0, 1, 1, 2, 2])
    found = neighbours.nearest(vectors, np.array([0, 4]), number, 2)
    assert found.tolist() == [[3, 5], [2, 3]]
    with pytest.raises(ValueError, match="more records"):
        neighbours.nearest(vectors, np.array([0]), number, 5)


def test_distance_of_boards_is_the_points_that_differ() -> None:
    game = envs.make("connect_four")
    a = game.step(game.step(game.reset(1), np.array([3])), np.array([3]))
    b = game.step(game.step(game.reset(1), np.array([3])), np.array([2]))
    x, y = neighbours.stones(game, np.concatenate([a, b]))
    assert ((x - y) ** 2).sum() == 2
    assert x.sum() == 2


def test_precision_counts_what_is_alike() -> None:
    found = some_positions(4, [1.0, 1.0, -1.0, float("nan")])
    shares = neighbours.precision(found, np.array([0]), np.array([[1, 2, 3]]))
    assert shares["result"].tolist() == [0.5]  # of the two that are known
    assert shares["phase"].tolist() == shares["next move"].tolist() == [1.0]


def stones_of(*rows: str) -> np.ndarray:
    """[1, 2, H, W] from rows of X (first), O (second) and . (empty)."""
    return np.array([[[[c == who for c in row] for row in rows] for who in "XO"]])


@pytest.mark.parametrize(
    ("game", "rows", "fine"),
    [
        ("go5", (".XO..", "XO.O.", ".XO..", ".....", "....."), True),
        ("go5", (".X...", "XOX..", ".X...", ".....", "....."), False),  # a white stone without a liberty
        ("go5", ("XX...", "OO...", ".....", ".....", "....."), True),
        ("go5", ("XXO..", "OOO..", ".....", ".....", "....."), False),  # two black ones
        ("connect_four", (".......",) * 5 + ("X.O.X..",), True),
        ("connect_four", (".......",) * 5 + ("X.X....",), False),  # out of turn
        ("connect_four", (".......",) * 4 + ("X......", "......O"), False),  # in the air
        ("connect_four", (".......",) * 4 + ("OOOO...", "XXXX..."), False),  # both have won
    ],
)
def test_boards_are_judged_as_by_the_rules(game: str, rows: tuple[str, ...], fine: bool) -> None:
    assert legal.legal_boards(envs.make(game), stones_of(*rows)).tolist() == [fine]


def test_two_stones_on_a_point_are_illegal() -> None:
    board = stones_of("X....", ".....", ".....", ".....", ".....")
    board[0, 1, 0, 0] = True
    assert not legal.legal_boards(envs.make("go5"), board)[0]


@pytest.mark.parametrize("game", ["go5", "connect_four"])
def test_boards_of_played_games_are_legal(game: str) -> None:
    rules = envs.make(game)
    found = positions.own_games(rules, uniform(rules), 20, np.random.default_rng(3))
    stones = generate.board_rows(found).numpy().astype(bool).reshape(-1, 2, *rules.board_shape)
    assert legal.legal_boards(rules, stones).all()


def test_continued_games_are_legal_and_a_learned_game_is_continued_as_it_was() -> None:
    game = envs.make("connect_four")
    line = (3, 3, 3, 3, 2, 4, 5, 1, 0, 6, 2, 2)
    model = generate.learn_games(game, [line], "gru", 150, 0)
    known = generate.foretell(game, model, [line])
    assert known.legal > 0.95
    (added,) = generate.continue_games(game, model, [line[:6]], 6, torch.Generator().manual_seed(0))
    mirrored = [6 - a for a in line[6:]]
    assert added in (list(line[6:]), mirrored)


def test_openings_that_mirror_each_other_are_one() -> None:
    game = envs.make("connect_four")
    lines = np.array([[3, 5, 0], [3, 1, 6], [2, 2, 2]])
    turned = openings.canonical(game, lines)
    assert turned[0].tolist() == turned[1].tolist() == [3, 1, 6]
    assert turned[2].tolist() == [2, 2, 2]
    go = envs.make("go5")
    corner = np.array([[go.parse_action(name)] for name in ("A1", "A5", "E1", "E5")])
    assert len(np.unique(openings.canonical(go, corner))) == 1


def test_clusters_are_found_where_there_are_some() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(place, 0.1, (n, 2)) for place, n in ((0, 30), (5, 20), (10, 10))]).astype(np.float32)
    found = openings.cluster(x, 3, 0)
    assert found.label.tolist() == [0] * 30 + [1] * 20 + [2] * 10  # the largest first
    assert openings.silhouette(x, found.label).min() > 0.9
    with pytest.raises(ValueError, match="--clusters"):
        openings.cluster(np.zeros((5, 2), np.float32), 2, 0)


def test_the_map_of_openings_has_names_beside_the_games_and_not_on_them() -> None:
    """They stood on the middles of the clusters, on many games and on each other."""
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    names = [f"{i + 1}: D4" for i in range(7)]
    figure = openings._map(x, openings.cluster(x, 7, 0), names)
    assert [axis.get_title() for axis in figure.axes] == [*names, *[""] * 5]
    assert not any(axis.texts for axis in figure.axes)


def test_the_first_players_score_counts_draws_half_and_unknown_games_not() -> None:
    assert openings.wins(np.array([1.0, 0.0, -1.0, -1.0, np.nan])).value == pytest.approx(0.375)


def test_pruning_takes_the_smallest_weights_and_leaves_the_rest() -> None:
    weights = {
        "a": torch.tensor([[0.1, -5.0], [0.2, 3.0]]),
        "b": torch.tensor([[0.3, -0.4, 1.0, 2.0]]),
        "bias": torch.zeros(3),
    }
    less = compress.prune(weights, 0.5)
    assert less["a"].tolist() == [[0, -5], [0, 3]]
    assert less["b"].tolist() == [[0, 0, 1, 2]]
    assert less["bias"] is weights["bias"]


def test_megabytes_are_counted_as_they_are_stored() -> None:
    dense, half = torch.ones(1_000_000, 1), torch.ones(1_000_000, 1)
    half[::2] = 0
    assert compress.megabytes({"w": dense}) == pytest.approx(4.0)
    assert compress.megabytes({"w": half}) == pytest.approx(2.0 + 0.125)  # and a bit for each weight
    convolution = torch.ones(1000, 1000, 1, 1)
    assert compress.megabytes({"w": convolution}, "int8") == pytest.approx(1.0)


def test_a_distilled_network_comes_to_value_as_its_teacher() -> None:
    """The teacher counts stones: a rule with all symmetries of the board, in which every position is learned from."""
    pupil = agent("tictactoe")
    game = pupil.game

    def teacher(states: envs.States) -> Evaluation:
        middle = game.board(states)[:, 1, 1] * (1 - 2 * states["to_play"])
        return Evaluation(uniform(game)(states).priors, 0.8 * middle.astype(np.float32))

    states = positions.own_games(game, teacher, 40, np.random.default_rng(0)).states
    learned = compress.distil(pupil, pupil.network, states, teacher, 200, 0)
    fresh, after = (inspect.evaluator(a)(states).values for a in (pupil, pupil._replace(weights=learned)))
    right = teacher(states).values
    assert np.abs(after - right).mean() < 0.25 * np.abs(fresh - right).mean()


def test_smaller_networks_keep_their_kind() -> None:
    size = compress.smaller(NetworkSettings(trunk="transformer", blocks=6, channels=24, attention_heads=4), 4)
    assert (size.trunk, size.blocks, size.channels) == ("transformer", 1, 4)
    size = compress.smaller(NetworkSettings(blocks=6, channels=64, territory=False), 2)
    assert (size.trunk, size.blocks, size.channels) == ("residual", 3, 32)
