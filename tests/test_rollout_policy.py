"""The rollout policy: its boards and odds against plain recounts, its draws against its softmax, its learning by outcome."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from agents.alphago.kernels import board as boards
from agents.alphago.kernels import moves as features
from agents.alphago.kernels import playouts
from agents.alphago.rollout import (
    LearnSettings,
    Records,
    RolloutPolicy,
    Weights,
    learn,
    load_weights,
    pattern_numbers,
    policy_priors,
    policy_rollouts,
    predict,
    save_weights,
    tables_of,
)
from agents.players import ROLLOUT_SEARCH, SearchPlayer
from envs import States, make, random_actions
from envs.go import Go
from tests.go_boards import arranged, collection
from tests.go_twin import Twin
from tests.marks import compiled


def games(size: int, count: int, seed: int = 0) -> tuple[Go, list[list[int]], States]:
    """Random games, and all their unfinished states."""
    game, rng = Go(size), np.random.default_rng(seed)
    line, moves = [game.reset(count)], []
    while not game.terminal(line[-1]).all() and len(moves) < 3 * size * size:
        legal = game.legal(line[-1])
        legal[:, -1] = ~legal[:, :-1].any(axis=1)
        moves.append(random_actions(legal, rng))
        line.append(game.step(line[-1], moves[-1]))
    states = np.concatenate(line)
    return game, np.stack(moves, axis=1).tolist(), states[~game.terminal(states)]


def taught(size: int, seed: int = 0) -> Weights:
    """A policy with many response patterns and weights that mean nothing, but are not all equal."""
    _, moves, _ = games(size, 20, seed)
    weights = learn(Records.of(moves), size, LearnSettings(epochs=1, min_count=2), np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    assert len(weights.keys) > 20
    return weights._replace(
        pattern=rng.normal(size=weights.pattern.shape).astype(np.float32),
        tactical=rng.normal(size=weights.tactical.shape).astype(np.float32),
        response=rng.normal(size=weights.response.shape).astype(np.float32),
    )


def untaught() -> Weights:
    return Weights(
        np.zeros(pattern_numbers().max() + 1 - features.TACTICAL, np.float32),
        np.zeros(features.TACTICAL, np.float32),
        np.zeros((0, 12), np.float32),
        np.zeros(0, np.uint64),
    )


def drawn(diagram: str) -> tuple[NDArray[np.void], int]:
    """[1] a working board with the stones of a diagram (X is 1), and its size."""
    rows = diagram.split()
    board = boards.new_board(len(rows))
    stones = [{"X": 1, "O": -1}.get(point.upper(), 0) for point in "".join(rows)]
    boards.set_up(board[0], np.array(stones, np.int8))
    return board, len(rows)


def named(size: int, name: str) -> int:
    return Go(size).parse_action(name)


def answers(diagram: str, last: str, colour: int, taken: str = "") -> dict[int, set[str]]:
    """The features that `colour`'s answers to `last` have, the response patterns left out, by name of the point."""
    names = ["beside", "diagonal", "saves", "takes 1", "takes 2", "takes 3", *(f"nakade {n}" for n in (3, 4, 5, 6))]
    board, size = drawn(diagram)
    found = np.zeros((features.MOST_FEATURES, 2), np.int32)
    points = np.array([named(size, name) for name in taken.split()], np.int16)
    tables = tables_of(np.zeros(0, np.uint64))
    count = features.answers(
        board[0], tables.keys, tables.response, named(size, last), colour, points, len(points), found
    )
    result: dict[int, set[str]] = {}
    for p, feature in found[:count]:
        result.setdefault(Go(size).action_name(int(p)), set()).add(names[feature])
    return result


# The board and the odds


@compiled
def test_a_suicide_of_the_records_is_taken_off() -> None:
    """Its chain stayed without a liberty, and the next stone on one of its points led round in its ring for ever."""
    game, rng = make("go:size=4,rules=tromp-taylor"), np.random.default_rng(0)
    lines, suicides = [], 0
    for _ in range(20):
        states, actions, board = game.reset(1), list[int](), boards.new_board(4)
        while not game.terminal(states)[0]:
            actions.append(int(random_actions(game.legal(states), rng)[0]))
            states, colour = game.step(states, np.array(actions[-1:])), 1 - 2 * int(states["to_play"][0])
            if actions[-1] < 16:
                boards.place_recorded(board[0], actions[-1], colour, np.empty(16, np.int16))
                suicides += int(states["board"][0, actions[-1]] == 0)
            assert np.array_equal(board["stone"][0, :16], states["board"][0, :16])
        lines.append(actions)
    assert suicides > 10
    found: list[int] = []
    learn(
        Records.of(lines),
        4,
        LearnSettings(epochs=1, min_count=2),
        rng,
        progress=lambda epoch, score: found.append(score.examples),
    )
    assert found == [sum(action < 16 for line in lines for action in line)]


def test_nothing_answers_a_move_that_took_itself() -> None:
    """What lies behind no chain's number was looked at: on 19x19 the last point's."""
    assert answers("..... ..O.. .O.O. ..O.. .....", "C3", 1) == {}


@compiled
@pytest.mark.parametrize("size", [3, 5, 9])
def test_the_board_and_the_odds_are_those_found_from_scratch(size: int) -> None:
    policy = RolloutPolicy(Go(size), taught(size))
    odds, again = playouts.new_odds(size), playouts.new_odds(size)
    board, taken = boards.new_board(size), np.empty(size * size, np.int16)
    twin, rng = Twin(Go(size, komi=0, superko="simple"), max_plies=10_000), np.random.default_rng(size)
    playouts.start(board[0], odds[0], policy.pattern_odds)
    for _ in range(4 * size * size):
        moves = [p for p, after in enumerate(twin.afters) if after is not None]
        if not moves:
            break
        p = int(rng.choice(moves))
        stones = sum(map(abs, twin.board))
        count = playouts.play(board[0], odds[0], policy.pattern_odds, p, twin.colour, taken)
        twin.play(p)
        assert count == stones + 1 - sum(map(abs, twin.board))
        assert tuple(board["stone"][0, : size * size]) == twin.board
        for q in np.flatnonzero(twin.board):
            c = board["chain"][0, q]
            assert board["libs"][0, c] == len(twin.liberties(twin.board, q))
            assert board["stones"][0, c] == len(twin.region(twin.board, q)[0])
        assert boards.area(board[0], taken) == twin.score()
        playouts.start(board[0], again[0], policy.pattern_odds)
        for field in ("of", "row", "total"):
            assert np.array_equal(odds[field], again[field])
        for side, (colour, q) in itertools.product((0, 1), ((0, q) for q in np.flatnonzero(np.equal(twin.board, 0)))):
            colour = 1 - 2 * side
            twin_of = Twin(Go(size, komi=0, superko="simple"), max_plies=10_000)
            twin_of.board, twin_of.colour = twin.board, colour
            assert (odds["of"][0, side, q] > 0) == (twin_of.after(q) is not None and not twin_of.eye(q))


def test_patterns_are_one_in_all_symmetries_and_for_both_colours() -> None:
    board, size = drawn("..O.. .XO.. ..X.. .OOX. .....")
    middle = size * size // 2
    board["stone"][0, middle], board["chain"][0, middle] = 0, -1
    stones = board["stone"][0, :25].reshape(5, 5).copy()
    found = set()
    for flip, turns, colour in itertools.product((False, True), range(4), (1, -1)):
        turned = np.rot90(stones.T if flip else stones, turns) * colour
        boards.set_up(board[0], np.ascontiguousarray(turned).reshape(-1))
        found.add(int(pattern_numbers()[0 if colour == 1 else 1, features.pattern_at(board[0], middle)]))
    assert len(found) == 1


# What answers are


def test_neighbours_of_the_last_move() -> None:
    found = answers("..... ..... ..O.. .X... .....", last="C3", colour=1)
    assert found == {
        **{key: {"beside"} for key in ("C4", "B3", "D3", "C2")},
        **{key: {"diagonal"} for key in ("B4", "D4", "D2")},
    }


def test_saving_by_extension_and_by_capture() -> None:
    found = answers("..... ..O.. .OXO. ..... .....", last="D3", colour=1)
    assert [p for p, names in found.items() if "saves" in names] == ["C2"]
    found = answers("..... ..O.. .OXO. .O.O. ..O..", last="D3", colour=1)
    assert not any("saves" in names for names in found.values()), "one liberty is no rescue"
    found = answers("..X.. .XO.. .OXO. .O.O. ..O..", last="D3", colour=1)
    assert [p for p, names in found.items() if "saves" in names] == ["D4"]


def test_taking_the_last_move() -> None:
    for diagram, last, name in (
        ("..... ..X.. .XO.. ..X.. .....", "C3", "takes 1"),
        ("..X.. .XOX. .XO.. ..X.. .....", "C3", "takes 2"),
        (".XOX. .XOX. .XO.. ..X.. .....", "C3", "takes 3"),
    ):
        found = answers(diagram, last=last, colour=1)
        assert [p for p, names in found.items() if name in names] == ["D3"]


@pytest.mark.parametrize(
    ("taken", "vital"),
    [
        ("B3 C3 D3", "C3"),  # three in a row
        ("C4 C3 D3", "C3"),  # bent three
        ("B3 C3 D3 E3", None),  # four in a row: two points are as good
        ("B3 C3 B4 C4", None),  # square four
        ("B3 C3 D3 C4", "C3"),  # pyramid four
        ("B3 C3 D3 C4 C2", "C3"),  # crossed five
        ("B3 C3 B4 C4 D3", "C3"),  # bulky five
        ("B3 C3 B4 C4 D3 C2", "C3"),  # rabbity six
        ("B3 C3", None),
    ],
)
def test_nakade(taken: str, vital: str | None) -> None:
    found = answers("O.... ..... ..... ..... .....", last="A5", colour=1, taken=taken)
    size = len(taken.split())
    assert [p for p, names in found.items() if any("nakade" in name for name in names)] == ([vital] if vital else [])
    if vital:
        assert f"nakade {size}" in found[vital]


# Playing


@compiled
def test_moves_are_drawn_from_the_softmax() -> None:
    """From the odds of one position, response patterns and all: frequencies within five standard errors."""
    game, _moves, states = games(5, 4)
    weights = taught(5)
    policy = RolloutPolicy(game, weights)
    state = states[(states["ply"] == 12)][:1]
    wanted = policy.probabilities(state)[0, :25]
    board, odds, found = boards.new_board(5), playouts.new_odds(5), np.zeros((features.MOST_FEATURES, 2), np.int32)
    lent, usual = np.zeros(90, np.int16), np.zeros(90, np.int64)
    side = int(state["to_play"][0])
    boards.set_up(board[0], game.board(state).reshape(-1))
    playouts.start(board[0], odds[0], policy.pattern_odds)
    before = odds.copy()
    none = np.zeros(25, np.int16)
    notes = features.answers(
        board[0], policy.tables.keys, policy.tables.response, int(state["last"][0]), 1 - 2 * side, none, 0, found
    )
    count = playouts.lend_for_answers(odds[0], side, policy.factors, found, notes, lent, usual, 0)
    assert count >= 3
    np.testing.assert_allclose(odds["of"][0, side, :25] / odds["total"][0, side], wanted, atol=2e-3)
    bits = np.random.default_rng(0).integers(2**64, size=20_000, dtype=np.uint64)
    drawn_moves = [playouts.draw(odds[0], side, b, 5) for b in bits]
    shares = np.bincount(drawn_moves, minlength=25) / len(bits)
    assert (np.abs(shares - wanted) < 5 * np.sqrt(wanted / len(bits)) + 2e-3).all()
    playouts.take_back(odds[0], side, lent, usual, count)
    assert np.array_equal(odds, before)


@compiled
def test_rollouts_depend_on_their_seed_alone() -> None:
    game, _, states = games(7, 3)
    policy = RolloutPolicy(game, taught(7))
    before, seeds = states.copy(), np.arange(len(states), dtype=np.uint64)
    together = policy.rollout(states, seeds)
    assert np.array_equal(states, before)
    assert together.dtype == np.float32
    assert {-1, 1} <= set(np.unique(together)) <= {-1, 0, 1}
    for i in range(0, len(states), 9):
        assert policy.rollout(states[i : i + 1], seeds[i : i + 1])[0] == together[i]


def test_finished_games_have_their_result() -> None:
    game = Go(3, komi=0.5)
    states = game.reset(1)
    for name in ("B2", "pass", "pass"):
        states = game.step(states, np.array([game.parse_action(name)]))
    policy = RolloutPolicy(game, untaught())
    result, made = policy.play(states, np.zeros(1, np.uint64))
    assert (result[0], made) == (game.returns(states)[0], 0)
    assert not policy.probabilities(states).any()


def test_two_eyes_live_and_a_pass_is_for_want_of_moves() -> None:
    """White cannot live above Black's two eyes, whoever the policy is; Black, with eyes alone to fill, passes."""
    seeds = np.arange(200, dtype=np.uint64)
    game, states = arranged("..... .XXX. XX.XX X.X.X XXXXX", to_play="O", komi=0)
    for weights in (untaught(), taught(5)):
        assert (RolloutPolicy(game, weights).rollout(states.repeat(200), seeds) == -1).all()
    game, states = arranged(".X.XX XXXX. .XXXX XX.XX X.XX.", to_play="X", komi=0)
    policy = RolloutPolicy(game, untaught())
    assert np.flatnonzero(policy.probabilities(states)[0]).tolist() == [25]
    assert policy.play(states, seeds[:1])[1] <= 2


@compiled
def test_without_weights_playouts_are_the_games_own() -> None:
    """Mean results of uniformly random playouts, by two kernels that share nothing: within five standard errors."""
    seeds = np.arange(4000, dtype=np.uint64)
    for diagram, to_play in ((".X.. OXO. .XO. ....", "X"), ("..... .XO.. ..X.. .OO.. .....", "O")):
        game, states = arranged(diagram, to_play=to_play, komi=0.5)
        ours = RolloutPolicy(game, untaught()).rollout(states.repeat(4000), seeds).mean()
        assert abs(ours - game.rollout(states.repeat(4000), seeds).mean()) < 5 * np.sqrt(2 / 4000)


@compiled
def test_probabilities_turn_with_the_board() -> None:
    game, _, states = games(5, 3)
    policy = RolloutPolicy(game, taught(5))
    states = states[::5]
    seen = policy.probabilities(states)
    assert np.allclose(seen.sum(axis=1), 1)
    assert not (seen[:, :-1] > 0)[~game.legal(states)[:, :-1]].any()
    _, actions = game.symmetries
    _, moves, _ = games(5, 1)
    for action in actions:
        line, turned = game.reset(1), game.reset(1)
        for move in moves[0][:30]:
            ours, theirs = policy.probabilities(line)[0], policy.probabilities(turned)[0]
            assert np.allclose(theirs, ours[action], atol=1e-6)
            line = game.step(line, np.array([move]))
            turned = game.step(turned, np.flatnonzero(action == move))


# Learning


def test_the_rule_goes_down_the_gradient() -> None:
    """One move, one epoch: every weight has moved by -eta times the slope of the loss, found by differences."""
    size, rate = 4, 1e-3
    record = Records.of([[5]])
    weights = learn(record, size, LearnSettings(epochs=1, rate=rate), np.random.default_rng(0))
    zero = weights._replace(pattern=np.zeros_like(weights.pattern))
    moved = np.flatnonzero(weights.pattern)
    assert len(moved) == 3, "corner, edge and middle of the empty board"
    for i in moved:
        slopes = []
        for step in (0.01, -0.01):
            nudged = zero.pattern.copy()
            nudged[i] = step
            slopes.append(predict(record, size, zero._replace(pattern=nudged)).loss)
        assert weights.pattern[i] == pytest.approx(-rate * (slopes[0] - slopes[1]) / 0.02, rel=1e-3)


def test_a_few_games_are_learned() -> None:
    """Each reply of a ladder of contact moves is right beside the last move, where random policies seldom look."""
    size, rng = 7, np.random.default_rng(0)
    game, lines = Go(size), []
    for _ in range(30):
        states, line = game.reset(1), []
        for ply in range(30):
            legal = game.legal(states)[0, :-1]
            last = int(states["last"][0])
            around = Twin(Go(size, komi=0, superko="simple"), max_plies=99).neighbours(last)
            beside = [p for p in around if legal[p]] if ply % 2 else []
            line.append(min(beside) if beside else int(rng.choice(np.flatnonzero(legal))))
            states = game.step(states, np.array([line[-1]]))
        lines.append(line)
    train, test = Records.of(lines[:20]), Records.of(lines[20:])
    curve = []
    weights = learn(train, size, LearnSettings(epochs=6), rng, progress=lambda epoch, score: curve.append(score))
    assert [score.loss for score in curve] == sorted((score.loss for score in curve), reverse=True)
    assert predict(test, size, weights).loss < predict(test, size, untaught()).loss - 0.3
    assert weights.tactical[features.BESIDE] > 1


def test_learning_is_repeatable_and_leaves_rare_patterns_out() -> None:
    _, moves, _ = games(5, 10)
    train = Records.of(moves)
    settings = LearnSettings(epochs=2, min_count=3)
    first, second = (learn(train, 5, settings, np.random.default_rng(1)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b)
    fewer = learn(train, 5, LearnSettings(epochs=1, min_count=30), np.random.default_rng(1))
    assert set(fewer.keys) < set(first.keys)
    assert len(learn(train, 5, LearnSettings(epochs=1, min_count=10**6), np.random.default_rng(1)).keys) == 0


def test_records_of_another_board_are_refused() -> None:
    with pytest.raises(ValueError, match="on 5 by 5 they are 0 to 25"):
        predict(Records.of([[80]]), 5, untaught())


# Evaluators and files


def test_evaluators_stand_behind_a_search() -> None:
    game = make("go3")
    assert isinstance(game, Go)
    weights, rng = taught(3), np.random.default_rng(0)
    states = game.reset(2)
    values = policy_rollouts(game, weights, seed=1, per_state=10)(states)
    assert np.allclose(values.priors, 0.1)
    assert (np.abs(values.values) <= 1).all()
    priors = policy_priors(game, weights)(states).priors
    assert np.allclose(priors.sum(axis=1), 1)
    player = SearchPlayer(game, policy_rollouts(game, weights, seed=1), ROLLOUT_SEARCH, 20, leaves=1)
    assert game.legal(states)[np.arange(2), player(states, rng)].all()


def test_weights_come_back_from_their_file(tmp_path: Path) -> None:
    weights, path = taught(4), tmp_path / "policy.safetensors"
    save_weights(path, weights, {"records": "games of a test", "top1": 0.25})
    again, origin = load_weights(path)
    assert origin == {"records": "games of a test", "top1": 0.25}
    for name, array in weights._asdict().items():
        assert np.array_equal(getattr(again, name), array)
        assert getattr(again, name).dtype == array.dtype


def test_files_that_hold_no_policy_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    with pytest.raises(ValueError, match="no such file"):
        load_weights(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="damaged or no file of weights"):
        load_weights(path)
    path.write_bytes(safetensors.numpy.save({"pattern": np.zeros(3)}, {"format": "another"}))
    with pytest.raises(ValueError, match="holds no rollout policy that this version knows \\(format 'another'\\)"):
        load_weights(path)
    save_weights(path, untaught()._replace(pattern=np.zeros(3, np.float32)), {})
    with pytest.raises(ValueError, match="other features than this version's"):
        load_weights(path)


# Real records


@pytest.mark.slow
def test_moves_of_strong_9x9_games_are_predicted() -> None:
    """By game, a tenth held out: the paper's 24.2% is of 19x19; the moves of 9x9 are easier to predict."""
    lines = [list(record.actions) for record in collection("go9_strong.sgf.gz")]
    order = np.random.default_rng(0).permutation(len(lines))
    test, train = (Records.of([lines[i] for i in part]) for part in np.split(order, [len(lines) // 10]))
    weights = learn(train, 9, LearnSettings(epochs=3), np.random.default_rng(0))
    score = predict(test, 9, weights)
    assert score.top1 > 0.37
    assert score.top5 > 0.69
    assert score.possible > 0.99
